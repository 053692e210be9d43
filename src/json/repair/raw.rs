//! Strings between a delimiter of the dialect's own, inside which nothing is escaped.
//! Whether one ends where it may is told by what follows; [`Ahead`] reads that, and this file does what it says.
//!
//! What is read ahead is kept in `held`. Once that is decided it is read again, from behind what was decided, so each
//! byte is looked at a few times and no more.

use std::fmt::Debug;

use super::raw_ahead::{Ahead, Candidate, Inner, Judgement, View};
use super::{Ended, Mode, Next, Reading, Repair, Skimmed, State, Syntax, Types, word};
use crate::json::{escape_into, is_plain};

/// A string between the dialect's own delimiters, being read.
#[derive(Debug, Default)]
pub(super) struct Raw {
    stops: Stops,
    /// The last character that is no blank may stand before a value: a delimiter there opens one.
    opens_value: bool,
    inner: Inner,
    /// A plain quote in it lacks its pair.
    quote_is_open: bool,
    /// The delimiter's letter before its own quote, and whether it was the last: what follows is no plain quote.
    half: Option<u8>,
    is_behind_half: bool,
    /// A call was opened inside it and not yet closed.
    quotes_call: bool,
    ahead: Ahead,
    held: String,
}

/// Bytes that may begin the end of a string.
#[derive(Clone, Copy, Debug, Default)]
struct Stops([u64; 2]);

impl Stops {
    fn add(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }
}

impl Raw {
    pub(super) fn is_ahead(&self) -> bool {
        !self.ahead.is_idle()
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether a bracket before `byte` is data: neither a bracket nor a closer stands behind it, nor the answer's end.
    fn goes_on_behind_bracket(&self, byte: u8) -> bool {
        byte.is_ascii() && !byte.is_ascii_whitespace() && !self.stops.has(byte)
    }

    /// Whether a bracket is all that is held, and `text` shows that it is data.
    fn bracket_is_data(&self, text: &str) -> bool {
        let goes_on = text.bytes().next().is_some_and(|byte| self.goes_on_behind_bracket(byte));
        goes_on && matches!(self.held.as_str(), "}" | "]")
    }
}

impl<P: Copy + Debug> Repair<P> {
    /// The dialect's own delimiter was read, outside such a string.
    pub(super) fn own_quote<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        match self.state {
            State::Value => self.begin_raw(cx, out),
            State::Key => self.state = State::KeyRaw,
            State::KeyRaw => self.state = State::AfterKey,
            State::AfterKey | State::KeyWord if cx.mode == Mode::Total && self.key_is_declared(cx) => {
                // The colon is missing.
                self.malformed = true;
                self.state = State::AfterKey;
                self.gap.clear();
                let _ = self.after_key(':', cx, out);
                self.begin_raw(cx, out);
            }
            State::Word { .. } if self.word_comma > 0 && self.word_comma + 1 == self.word.trim_end().len() => {
                // The comma ended the word, and a key begins.
                self.word.truncate(self.word_comma);
                if self.end_word(cx, out) == Next::Unreadable {
                    return Reading::Unreadable;
                }
                self.expect_next();
                self.state = State::KeyRaw;
            }
            State::Word { .. } if self.is_key_in_list(cx) => {
                self.word_becomes_key(out);
                let _ = self.after_key(':', cx, out);
                self.begin_raw(cx, out);
            }
            State::Word { .. } if cx.mode == Mode::Total && opens_value(&self.word) == Some(true) => {
                // Where the string begins is unclear: all of it is one.
                self.malformed = true;
                let word = std::mem::take(&mut self.word);
                self.word_comma = 0;
                self.examined += word.len();
                self.begin_raw(cx, out);
                self.write_raw(&word, out);
            }
            // One too many, dangling after a value or a word.
            _ => self.repaired = true,
        }
        Reading::Read
    }

    /// Whether the word is a key and its colon, in a list that was not closed before it.
    fn is_key_in_list<T>(&self, cx: &Syntax<'_, T>) -> bool {
        self.may_be_key_in_list(cx) && self.word.trim_end().ends_with([':', '=']) && word::is_name(&self.word)
    }

    fn key_is_declared<T: Types<Place = P>>(&self, cx: &Syntax<'_, T>) -> bool {
        self.frames.last().is_some_and(|frame| cx.types.declares(frame.place, &self.key))
    }

    fn begin_raw<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) {
        if self.in_array() {
            // The place of an item is looked up where every other value begins.
            self.place = self.frames.last().map_or(self.place, |f| cx.types.item(f.place));
        }
        self.begin_value(out);
        out.push('"');
        self.decided |= !self.frames.is_empty();
        self.state = State::Raw;
        let mut stops = Stops::default();
        let markers = cx.closers.iter().chain(cx.openers).filter_map(|marker| marker.bytes().next());
        // A delimiter may have lost its first letter.
        markers.chain(cx.quote.unwrap_or_default().bytes().take(2)).chain(*b"}]\"").for_each(|byte| stops.add(byte));
        self.frames.iter().filter(|frame| frame.closer == ')').for_each(|_| stops.add(b')'));
        self.raw.stops = stops;
        self.raw.opens_value = false;
        self.raw.quote_is_open = false;
        let half = cx.quote.and_then(|quote| quote.split_once('"')?.0.bytes().next_back());
        (self.raw.half, self.raw.is_behind_half) = (half, false);
        self.raw.inner = Inner::Paired;
        self.raw.quotes_call = false;
    }

    /// Reads as much of a string as is plain data. Returns the bytes read.
    pub(super) fn push_raw_run(&mut self, text: &str, out: &mut String) -> usize {
        if self.raw.is_ahead() {
            return 0;
        }
        let run = text.get(..self.raw_run(text)).unwrap_or_default();
        self.write_raw(run, out);
        run.len()
    }

    /// How many bytes of `text` are plain data.
    fn raw_run(&self, text: &str) -> usize {
        let (bytes, mut at, mut open) = (text.as_bytes(), 0, self.raw.quote_is_open);
        while let Some(rest) = bytes.get(at..) {
            let Some(run) = rest.iter().position(|&byte| self.raw.stops.has(byte)) else { break };
            let next = rest.get(run + 1);
            if matches!(rest.get(run), Some(b'}' | b']'))
                && next.is_some_and(|&byte| self.raw.goes_on_behind_bracket(byte))
            {
                at += run + 1;
                continue;
            }
            let may_follow = |&byte: &u8| self.raw.stops.has(byte) || byte == b',' || byte.is_ascii_whitespace();
            let before = (at + run).checked_sub(1).and_then(|before| bytes.get(before));
            let is_half = before.map_or(self.raw.is_behind_half, |byte| Some(*byte) == self.raw.half);
            let is_pair = open || is_half || next.is_some_and(|byte| !may_follow(byte));
            if rest.get(run) != Some(&b'"') || !is_pair {
                return at + run;
            }
            open = !open;
            at += run + 1;
        }
        text.len()
    }

    /// Reads `text` if all of it is data of a string, behind a bracket perhaps that it shows to be data too.
    #[inline(never)]
    pub(super) fn skim_raw(&mut self, text: &str, out: &mut String) -> Skimmed {
        let is_ahead = self.raw.is_ahead();
        if (is_ahead && !self.raw.bracket_is_data(text)) || self.raw_run(text) < text.len() {
            return Skimmed::No;
        }
        if is_ahead {
            self.raw.ahead.end();
            let mut bracket = std::mem::take(&mut self.raw.held);
            self.write_raw(&bracket, out);
            bracket.clear();
            // Its memory serves the next.
            self.raw.held = bracket;
        } else if is_plain(text) {
            self.note_raw(text);
            return Skimmed::Data;
        }
        self.write_raw(text, out);
        Skimmed::Read
    }

    fn write_raw(&mut self, text: &str, out: &mut String) {
        escape_into(text, out);
        self.note_raw(text);
    }

    /// Keeps what text of the string says of what follows it.
    fn note_raw(&mut self, text: &str) {
        self.raw.opens_value = opens_value(text).unwrap_or(self.raw.opens_value);
        self.raw.is_behind_half = self.raw.half.is_some() && text.bytes().next_back() == self.raw.half;
        self.raw.quote_is_open ^= text.bytes().filter(|&byte| byte == b'"').count() % 2 == 1;
    }

    /// One character of a string, or behind what may be its end.
    pub(super) fn push_raw<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        self.examined += c.len_utf8();
        if !self.raw.is_ahead() {
            let stops = u8::try_from(c).is_ok_and(|byte| self.raw.stops.has(byte));
            let stops = stops && !(c == '"' && (self.raw.quote_is_open || self.raw.is_behind_half));
            if !stops {
                self.write_raw(c.encode_utf8(&mut [0; 4]), out);
                return Reading::Read;
            }
            self.raw.ahead.begin(c);
        }
        let at = self.raw.held.len();
        self.raw.held.push(c);
        let (frames, inner, quotes_call) = (self.frames.as_slice(), self.raw.inner, self.raw.quotes_call);
        let mut judgement = self.raw.ahead.push(c, at, &View { frames, cx, inner, quotes_call });
        self.examined += self.raw.ahead.kept().min(MARKER_BYTES);
        if judgement == Judgement::Open && self.raw.held.len() > cx.word_max {
            // So much cannot wait.
            judgement = Judgement::from(self.raw.ahead.candidate == Candidate::Delimiter);
        }
        self.judged(judgement, cx, out)
    }

    /// The answer ended while it was read ahead.
    pub(super) fn settle_raw<T: Types<Place = P>>(
        &mut self,
        ended: Ended,
        cx: &Syntax<'_, T>,
        out: &mut String,
    ) -> Reading {
        let (frames, inner, quotes_call) = (self.frames.as_slice(), self.raw.inner, self.raw.quotes_call);
        let judgement = self.raw.ahead.finish(ended, &View { frames, cx, inner, quotes_call });
        self.judged(judgement, cx, out)
    }

    fn judged<T: Types<Place = P>>(&mut self, judgement: Judgement, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        let (candidate, length, taken) = (self.raw.ahead.candidate, self.raw.ahead.length, self.raw.ahead.taken);
        match judgement {
            Judgement::Open => return Reading::Read,
            Judgement::Ends => {
                let sound = candidate == Candidate::Delimiter && taken == length;
                if !sound && cx.mode == Mode::Strict {
                    return Reading::Unreadable;
                }
                self.repaired |= !sound;
                // A closer that was begun behind the answer's last brackets is one.
                self.replay_held(if candidate == Candidate::Brackets { self.raw.held.len() } else { taken });
                out.push('"');
                self.value_ended();
                if matches!(candidate, Candidate::Brackets | Candidate::Closer) {
                    self.close_all(out);
                }
            }
            Judgement::Data => {
                self.raw_candidate(candidate, length, out);
                self.replay_held(length);
            }
        }
        Reading::Read
    }

    /// What might have ended the string belongs to it.
    fn raw_candidate(&mut self, candidate: Candidate, length: usize, out: &mut String) {
        let held = std::mem::take(&mut self.raw.held);
        let text = held.get(..length).unwrap_or_default();
        let opens_value = self.raw.opens_value;
        match candidate {
            Candidate::Delimiter => {
                self.repaired = true;
                self.raw.inner = match self.raw.inner {
                    Inner::Paired if opens_value || self.raw.quotes_call => Inner::Quoting,
                    Inner::Paired => Inner::Open,
                    Inner::Open | Inner::Quoting => Inner::Paired,
                };
                // A quoted call stays as it was written; elsewhere the model meant a quote.
                self.write_raw(if self.raw.quotes_call { text } else { "\"" }, out);
            }
            Candidate::Opener | Candidate::Closer => {
                self.raw.quotes_call = candidate == Candidate::Opener;
                self.raw.inner = Inner::Paired;
                self.write_raw(text, out);
            }
            Candidate::Unknown | Candidate::Misspelt | Candidate::Plain | Candidate::Brackets => {
                self.write_raw(text, out);
            }
        }
        self.raw.held = held;
    }

    /// What was read ahead is read again, but for its first bytes.
    fn replay_held(&mut self, from: usize) {
        self.raw.ahead.end();
        let mut held = std::mem::take(&mut self.raw.held);
        self.read_again(held.get(from..).unwrap_or_default());
        held.clear();
        // Its memory serves the next.
        self.raw.held = held;
    }
}

/// Whether a delimiter behind `text` opens a value, as far as its last character tells. `None` where it has none.
pub(super) fn opens_value(text: &str) -> Option<bool> {
    text.trim_ascii_end().chars().next_back().map(|c| matches!(c, ':' | '=' | ',' | '[' | '{' | '('))
}

/// What comparing a word with the markers costs at most.
const MARKER_BYTES: usize = 16;
