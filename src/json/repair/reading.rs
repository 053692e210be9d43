//! Input of the repair: characters to states: what comes, what was read ahead and comes again, and what is given back
//! at the end. Knows no grammar; each state takes its character in its own file.

use std::fmt::Debug;

use super::{Mode, Next, Progress, Repair, State, Syntax, Types};

/// What one character led to, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Read,
    Ended,
    Closed,
    Unreadable,
}

impl<P: Copy + Debug> Repair<P> {
    /// Reads `text`, appending what is decided to `out`.
    pub fn push<T: Types<Place = P>>(&mut self, text: &str, cx: &Syntax<'_, T>, out: &mut String) -> Progress {
        let mut at = 0;
        loop {
            let reading = if self.again.is_empty() {
                let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) else { return Progress::More };
                let run = if self.reads_runs() { self.run(rest, cx, out) } else { 0 };
                at += run;
                match rest.chars().next().filter(|_| run == 0) {
                    Some(c) => {
                        at += c.len_utf8();
                        self.character(c, cx, out)
                    }
                    None => Reading::Read,
                }
            } else {
                self.run_again(cx, out)
            };
            match reading {
                Reading::Unreadable => return Progress::Unreadable(at),
                Reading::Closed => return Progress::Closed(self.give_back(text, at)),
                Reading::Ended => return Progress::Done(self.give_back(text, at)),
                Reading::Read if self.state == State::Done => return Progress::Done(self.give_back(text, at)),
                Reading::Read => {}
            }
            if self.decided && !self.announced && cx.mode == Mode::Strict {
                self.announced = true;
                return Progress::Decided(at);
            }
        }
    }

    /// Whether the current state may take more than a character at once.
    fn reads_runs(&self) -> bool {
        let state = self.state;
        matches!(state, State::Text | State::KeyText | State::Quote | State::Raw | State::Word { .. } | State::KeyWord)
    }

    /// Reads as much of `text` as means the same, all at once. Returns the bytes read, which may be none.
    fn run<T: Types<Place = P>>(&mut self, text: &str, cx: &Syntax<'_, T>, out: &mut String) -> usize {
        let run = match self.state {
            State::Text | State::KeyText => self.push_text(text, cx, out),
            State::Quote => self.look_run(text, cx),
            State::Raw => self.push_raw_run(text, out),
            State::Word { .. } => self.push_word_run(text, cx),
            State::KeyWord => self.push_key_run(text, cx),
            _ => 0,
        };
        self.examined += run;
        run
    }

    /// Reads some of what was read ahead.
    #[inline(never)]
    fn run_again<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        if self.reads_runs() && !self.again.is_escaped() {
            let mut again = std::mem::take(&mut self.again);
            let run = self.run(again.rest(), cx, out);
            again.skip(run);
            again.put_back(self.again.rest());
            self.again = again;
            if run > 0 {
                return Reading::Read;
            }
        }
        match self.again.pop() {
            Some(c) => self.character(c, cx, out),
            None => Reading::Read,
        }
    }

    /// What was read ahead and stands behind the value's end: how much of `text`, read up to `at`, is not read after all.
    /// What came before `text` is in `rest`.
    #[inline(never)]
    pub(super) fn give_back(&mut self, text: &str, at: usize) -> usize {
        let again = self.again.take();
        if let Some(before) = text.get(..at).and_then(|read| read.strip_suffix(again.as_str())) {
            return before.len();
        }
        self.rest.push_str(&again);
        at
    }

    /// Reads what was read ahead.
    pub(super) fn drain<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        while let Some(c) = self.again.pop() {
            let reading = self.character(c, cx, out);
            if reading != Reading::Read || self.state == State::Done {
                let ended = if reading == Reading::Read { Reading::Ended } else { reading };
                self.give_back("", 0);
                return ended;
            }
        }
        Reading::Read
    }

    /// One character, through the markers that may begin with it.
    #[inline]
    pub(super) fn character<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        if self.state == State::Raw {
            return self.push_raw(c, cx, out);
        }
        if !self.maybe.is_empty() || self.begins_marker(c, cx) {
            self.maybe.push(c);
            return self.try_marker(cx, out);
        }
        self.feed(c, cx, out)
    }

    /// One character that is no part of a marker.
    #[inline]
    pub(super) fn feed<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        // Each turn but the last changes the state towards one that takes the character.
        for _ in 0..16 {
            if self.state == State::Raw {
                return self.push_raw(c, cx, out);
            }
            match self.turn(c, cx, out) {
                Next::Read => return Reading::Read,
                Next::Ended => {
                    self.read_again(c.encode_utf8(&mut [0; 4]));
                    return Reading::Ended;
                }
                Next::Unreadable => return Reading::Unreadable,
                Next::Pushback => {}
            }
        }
        debug_assert!(false, "no state takes {c:?}");
        Reading::Read
    }

    /// Shows one character to the current state.
    #[inline(never)]
    fn turn<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        self.examined += c.len_utf8();
        match self.state {
            State::Key => self.key_start(c, cx, out),
            State::KeyWord => self.key_word(c, cx, out),
            State::KeyRaw => self.key_raw(c, cx, out),
            State::AfterKey => self.after_key(c, cx, out),
            State::Value => self.value_start(c, cx, out),
            State::Text | State::KeyText => {
                self.push_text(c.encode_utf8(&mut [0; 4]), cx, out);
                Next::Read
            }
            State::Quote => self.after_quote(c, cx, out),
            State::Word { depth } => self.push_word(c, depth, cx, out),
            State::LongWord { depth } => self.push_long_word(c, depth, out),
            State::AfterValue => self.after_value(c, cx, out),
            State::Opened => self.opened(c, cx, out),
            State::Owed => self.owed(c, cx, out),
            State::Doubt { .. } => self.doubt(c, cx, out),
            State::Comment { back } => self.comment(c, back),
            State::Raw | State::Done => Next::Ended,
        }
    }
}
