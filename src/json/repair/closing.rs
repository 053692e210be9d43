//! Closing of a value: how a value ends that its own closers do not end: by a marker, by its surroundings, or cut off.
//! What is open then is closed, or stays a prefix.

use std::fmt::Debug;

use super::lookahead::Guess;
use super::values::Follows;
use super::{Ended, Mode, Reading, Repair, State, Syntax, Types, word};

impl<P: Copy + Debug> Repair<P> {
    /// Whether something was begun that a closer cannot complete.
    pub(super) fn lacks_a_part(&self) -> bool {
        match self.state {
            State::Quote => self.quoted.is_key(),
            State::KeyText | State::KeyWord | State::KeyRaw | State::AfterKey => true,
            State::Value | State::Owed => !self.in_array(),
            _ => false,
        }
    }

    /// The value's surroundings ended: whatever is open ends here too.
    pub fn close<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) {
        if self.settle(Ended::ByItself, cx, out) == Reading::Read && self.state != State::Done {
            match self.state {
                State::Text => {
                    self.repaired = true;
                    self.flush_tail_text(out);
                    self.end_string(out);
                }
                State::Raw => {
                    self.repaired = true;
                    out.push('"');
                    self.value_ended();
                }
                _ => {}
            }
            self.close_by_marker(cx, out);
        }
    }

    /// Nothing follows: what waits for more is decided, and what was read ahead is read.
    pub(super) fn settle<T: Types<Place = P>>(
        &mut self,
        ended: Ended,
        cx: &Syntax<'_, T>,
        out: &mut String,
    ) -> Reading {
        // Each turn decides about a quote, and reads what stood behind it, which is shorter.
        loop {
            let reading = self.drain(cx, out);
            if reading != Reading::Read {
                return reading;
            }
            if self.state == State::Raw && self.raw.is_ahead() {
                let reading = self.settle_raw(ended, cx, out);
                if reading != Reading::Read {
                    return reading;
                }
                continue;
            }
            if ended == Ended::ByItself && self.closer_is_begun(cx) {
                self.maybe.clear();
                self.close_by_marker(cx, out);
                continue;
            }
            if !self.maybe.is_empty() {
                let reading = self.flush_maybe(cx, out);
                if reading != Reading::Read {
                    return reading;
                }
                continue;
            }
            if !self.decide(ended, cx, out) {
                return Reading::Read;
            }
        }
    }

    /// Decides what waits. `false` when nothing does that could be read on.
    fn decide<T>(&mut self, ended: Ended, cx: &Syntax<'_, T>, out: &mut String) -> bool {
        let by_itself = ended == Ended::ByItself;
        self.leave_comment();
        match self.state {
            State::Quote if self.quoted.is_key() => {
                if by_itself {
                    let gap = std::mem::take(&mut self.gap);
                    if !self.split_key_before("\"", cx) {
                        self.state = State::AfterKey;
                    }
                    self.read_again(&gap);
                }
                by_itself
            }
            State::Quote if self.quoted.guess == Guess::End => {
                self.flush_tail_text(out);
                self.end_string(out);
                let gap = std::mem::take(&mut self.gap);
                self.read_again(&gap);
                true
            }
            State::Quote if by_itself && self.tail.is_closed() => {
                let mut behind = String::from(self.quoted.seen);
                behind.push_str(&self.gap);
                self.gap.clear();
                let is_call = self.quoted.guess == Guess::Call;
                self.end_before_tail(&behind, cx, out);
                if is_call {
                    self.close_before_call(out);
                }
                true
            }
            State::Quote => {
                self.quote_was_data(out);
                let gap = std::mem::take(&mut self.gap);
                self.read_again(&gap);
                true
            }
            State::Text if by_itself && self.tail.is_closed() => {
                self.end_before_tail("", cx, out);
                true
            }
            State::Opened => {
                let gap = std::mem::take(&mut self.gap);
                self.brace_too_many(&gap, cx);
                true
            }
            State::KeyText if by_itself => self.split_key_before("", cx),
            State::Doubt { .. } if by_itself => {
                self.doubt_ends(Follows::Nothing, cx, out);
                self.gap.clear();
                false
            }
            _ => false,
        }
    }

    /// A closer stands in the source: whatever is open ends here.
    pub(super) fn close_by_marker<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) {
        self.repaired = true;
        match self.state {
            State::Quote if !self.quoted.is_key() => {
                self.flush_tail_text(out);
                self.end_string(out);
            }
            State::Owed => self.write_null(out),
            _ if self.lacks_a_part() && self.state != State::Value => {
                self.malformed = true;
                self.write_key(out);
                out.push_str(":null");
            }
            State::Word { .. } => {
                let _ = self.end_word(&Syntax { mode: Mode::Total, ..*cx }, out);
            }
            State::LongWord { .. } => out.push('"'),
            _ if self.lacks_a_part() => {
                self.malformed = true;
                self.begin_value(out);
                out.push_str("null");
            }
            _ => {}
        }
        self.close_all(out);
    }

    /// What was read so far, as far as it is a prefix of JSON.
    pub(super) fn write_prefix(&mut self, out: &mut String) {
        match self.state {
            State::Text => {
                self.item_is_value(out);
                self.flush_tail_text(out);
            }
            State::Word { .. } if word::is_prefix_of_literal(self.word.trim_end()) => {
                self.begin_value(out);
                out.push_str(self.word.trim_end());
            }
            _ => {}
        }
    }
}
