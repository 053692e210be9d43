//! Where a value begins and what may follow it: containers, commas, closers.
//! A comma is kept until the next value, since the last one of a list is one too many.

use std::fmt::Debug;

use super::string::{self, Quoted};
use super::{Container, Frame, Mode, Next, Repair, State, Syntax, Types, Words, space};

impl<P: Copy + Debug> Repair<P> {
    pub(super) fn value_start<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if let Some(frame) = self.frames.last().filter(|f| f.container == Container::Array) {
            self.place = cx.types.item(frame.place);
        }
        match c {
            c if c.is_ascii_whitespace() => {
                if self.lead.is_empty() {
                    out.push(space(c));
                    return Next::Read;
                }
                self.lead.push(space(c));
                return self.bounded_lead(cx);
            }
            '{' | '[' => return self.open_value(c, cx, out),
            // Python's tuple; where words are strings, a parenthesis is a part of one.
            '(' if cx.words == Words::Unreadable => return self.open_value(c, cx, out),
            '}' | ']' | ')' if self.in_array() && self.closes(c) => self.close_top(out),
            '}' | ']' | ')' if self.frames.is_empty() => return Next::Ended,
            '}' | ']' | ')' | ',' | ':' => return self.missing_value(c, cx, out),
            c if string::opens(c) => {
                self.begin_value(out);
                out.push('"');
                self.decided |= !self.frames.is_empty();
                self.repaired |= c != '"';
                self.quoted = Quoted::value(c);
                self.state = State::Text;
            }
            c => {
                self.state = State::Word { depth: 0 };
                return self.push_word(c, 0, cx, out);
            }
        }
        Next::Read
    }

    pub(super) fn open_value<T>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if self.frames.len() >= cx.depth_max {
            self.state = State::Word { depth: 0 };
            return self.unreadable(cx.mode, Next::Again);
        }
        self.begin_value(out);
        if c == '{' {
            self.open(Container::Object, '}');
        } else {
            self.repaired |= c == '(';
            out.push('[');
            self.open(Container::Array, if c == '(' { ')' } else { ']' });
        }
        Next::Read
    }

    /// Opens a container; an object's opener waits in `lead` until its first key is decided.
    pub(super) fn open(&mut self, container: Container, closer: char) {
        self.frames.push(Frame { container, closer, place: self.place });
        self.raw_key.clear();
        self.state = match container {
            Container::Object => {
                self.lead.push('{');
                State::Key
            }
            Container::Array => State::Value,
        };
    }

    /// Writes the comma that was held.
    pub(super) fn begin_value(&mut self, out: &mut String) {
        out.push_str(&self.lead);
        self.lead.clear();
    }

    /// A comma or a closer stands where a value should.
    pub(super) fn missing_value<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if self.in_array() {
            // `[1,,2]`: the comma is one too many. `{"a": [}`: the array was not closed.
            self.repaired = true;
            if self.frames.iter().any(|f| f.closer == c) {
                self.close_top(out);
                return Next::Again;
            }
            return if c == ',' { Next::Read } else { self.unreadable(cx.mode, Next::Read) };
        }
        if cx.mode == Mode::Strict {
            return Next::Unreadable;
        }
        self.malformed = true;
        self.begin_value(out);
        out.push_str("null");
        self.value_ended();
        if c == ':' { Next::Read } else { Next::Again }
    }

    pub(super) fn value_ended(&mut self) {
        self.decided = true;
        self.state = if self.frames.is_empty() { State::Done } else { State::AfterValue };
    }

    pub(super) fn after_value<T>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        match c {
            c if c.is_ascii_whitespace() => out.push(space(c)),
            ',' => self.expect_next(),
            '}' | ']' | ')' if self.closes(c) => self.close_top(out),
            '}' | ']' | ')' if self.frames.iter().any(|f| f.closer == c) => {
                self.repaired = true;
                self.close_top(out);
                return Next::Again;
            }
            '}' | ']' | ')' => return self.unreadable(cx.mode, Next::Read),
            _ => {
                self.repaired = true;
                self.expect_next();
                return Next::Again;
            }
        }
        Next::Read
    }

    /// A comma, held until what follows it is known.
    pub(super) fn expect_next(&mut self) {
        self.lead.push(',');
        self.state = if self.in_array() { State::Value } else { State::Key };
    }

    pub(super) fn in_array(&self) -> bool {
        self.frames.last().is_some_and(|f| f.container == Container::Array)
    }

    pub(super) fn closes(&self, c: char) -> bool {
        self.frames.last().is_some_and(|f| f.closer == c)
    }

    /// Closes the innermost container, without the comma that may be held.
    pub(super) fn close_top(&mut self, out: &mut String) {
        if let Some(rest) = self.lead.strip_prefix(',') {
            self.repaired = true;
            out.push_str(rest);
        } else {
            out.push_str(&self.lead);
        }
        self.lead.clear();
        if let Some(frame) = self.frames.pop() {
            out.push(if frame.container == Container::Array { ']' } else { '}' });
        }
        self.value_ended();
    }

    pub(super) fn close_all(&mut self, out: &mut String) {
        while !self.frames.is_empty() {
            self.repaired = true;
            self.close_top(out);
        }
        self.state = State::Done;
    }
}
