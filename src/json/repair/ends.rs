//! How a value ends that its own closers do not end: by a marker, by its surroundings, or cut off.
//! What is open then is closed, or stays a prefix.

use std::fmt::Debug;

use super::{Mode, Reading, Repair, State, Syntax, Types, word};

impl<P: Copy + Debug> Repair<P> {
    /// Whether something was begun that a closer cannot complete.
    pub(super) fn lacks_a_part(&self) -> bool {
        match self.state {
            State::Quote => self.quoted.key,
            State::KeyText | State::KeyWord | State::KeyRaw | State::AfterKey => true,
            State::Value => !self.in_array(),
            _ => false,
        }
    }

    /// The value's surroundings ended: whatever is open ends here too.
    pub fn close<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) {
        if self.flush_maybe(cx, out) == Reading::Read && self.state != State::Done {
            match self.state {
                State::Text => {
                    self.repaired = true;
                    out.push('"');
                }
                State::Raw => self.end_raw(out),
                _ => {}
            }
            self.close_by_marker(cx, out);
        }
    }

    /// A closer stands in the source: whatever is open ends here.
    pub(super) fn close_by_marker<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) {
        self.repaired = true;
        match self.state {
            State::Quote if !self.quoted.key => self.end_string(out),
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
            State::Word { .. } if word::is_prefix_of_literal(self.word.trim_end()) => {
                self.begin_value(out);
                out.push_str(self.word.trim_end());
            }
            State::Raw => self.flush_tail(out),
            _ => {}
        }
    }
}
