//! Strings between a delimiter of the dialect's own, inside which nothing is escaped.
//! The last of an answer may lack its delimiter: then the closers that end the answer end it.

use std::fmt::Debug;

use super::{Next, Reading, Repair, State, Syntax, Types};
use crate::json::escape_into;

impl<P: Copy + Debug> Repair<P> {
    /// The dialect's own delimiter was read.
    pub(super) fn own_quote<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        match self.state {
            State::Value => {
                if self.in_array() {
                    // The place of an item is looked up where every other value begins.
                    self.place = self.frames.last().map_or(self.place, |f| cx.types.item(f.place));
                }
                self.begin_value(out);
                out.push('"');
                self.decided |= !self.frames.is_empty();
                self.state = State::Raw;
            }
            State::Raw => {
                self.flush_tail(out);
                out.push('"');
                self.value_ended();
            }
            State::Key => self.state = State::KeyRaw,
            State::KeyRaw => self.state = State::AfterKey,
            // One too many, dangling after a value or a word.
            _ => self.repaired = true,
        }
        Reading::Read
    }

    /// Reads as much of a string as is plain data. Returns the bytes read.
    pub(super) fn push_raw_run<T>(&mut self, text: &str, cx: &Syntax<'_, T>, out: &mut String) -> usize {
        let run = self.raw_run(text, cx.quote);
        escape_into(text.get(..run).unwrap_or_default(), out);
        run
    }

    /// How many bytes of `text` are plain data.
    pub(super) fn raw_run(&self, text: &str, quote: Option<&str>) -> usize {
        if !self.maybe.is_empty() || !self.gap.is_empty() {
            return 0;
        }
        // A closer does as well as none.
        let first = quote.and_then(|q| q.bytes().next()).unwrap_or(b'}');
        let stop = |b: u8| b == first || matches!(b, b'}' | b']' | b')');
        text.bytes().position(stop).unwrap_or(text.len())
    }

    /// One character of a string. Closers, and whitespace after them, wait: they may be the answer's last.
    pub(super) fn push_raw<T>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        let closer = matches!(c, '}' | ']' | ')');
        if closer || (c.is_ascii_whitespace() && !self.gap.is_empty()) {
            self.gap.push(c);
            self.bound_tail(cx, out);
            return Next::Read;
        }
        self.flush_tail(out);
        escape_into(c.encode_utf8(&mut [0; 4]), out);
        Next::Read
    }

    /// More closers than may wait are data.
    pub(super) fn bound_tail<T>(&mut self, cx: &Syntax<'_, T>, out: &mut String) {
        if self.gap.len() > cx.word_max {
            self.flush_tail(out);
        }
    }

    /// The closers that waited are data.
    pub(super) fn flush_tail(&mut self, out: &mut String) {
        escape_into(&self.gap, out);
        self.gap.clear();
    }

    /// The answer ended behind closers: they end the string, and what it stands in.
    pub(super) fn end_raw(&mut self, out: &mut String) {
        self.repaired = true;
        self.gap.clear();
        self.maybe.clear();
        out.push('"');
        self.value_ended();
    }
}
