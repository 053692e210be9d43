//! Keys: quoted, bare, or between the dialect's own delimiters; and what has no colon after it.
//! A key is kept until its colon, since only then is it one.

use std::fmt::Debug;

use super::string::{self, Quoted};
use super::{Mode, Next, Repair, State, Syntax, Types, Words, space};
use crate::json::escape_into;

impl<P: Copy + Debug> Repair<P> {
    pub(super) fn key_start<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        match c {
            c if c.is_ascii_whitespace() => {
                self.lead.push(space(c));
                self.bounded_lead(cx)
            }
            '}' | ')' | ']' if self.closes(c) => {
                self.close_top(out);
                Next::Read
            }
            '}' | ']' | ')' if self.frames.iter().any(|f| f.closer == c) => {
                self.close_top(out);
                Next::Again
            }
            '}' | ']' | ')' => self.unreadable(cx.mode, Next::Read),
            ',' => {
                self.repaired = true;
                Next::Read
            }
            c if string::opens(c) => {
                self.quoted = Quoted::key(c);
                self.repaired |= c != '"';
                self.raw_key.push(c);
                self.state = State::KeyText;
                Next::Read
            }
            ':' => {
                self.state = State::AfterKey;
                Next::Again
            }
            c => {
                self.state = State::KeyWord;
                self.repaired |= cx.words == Words::Unreadable;
                self.key_word(c, cx, out)
            }
        }
    }

    pub(super) fn key_word<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if matches!(c, ':' | ',' | '}' | ']') {
            self.gap = self.gap.chars().map(space).collect();
            self.state = State::AfterKey;
            return Next::Again;
        }
        // Whitespace is a part of the key only where the key goes on behind it.
        if c.is_whitespace() && self.gap.len() < cx.word_max {
            self.gap.push(c);
            return Next::Read;
        }
        let gap = std::mem::take(&mut self.gap);
        escape_into(&gap, &mut self.key);
        self.raw_key.push_str(&gap);
        if matches!(c, '{' | '[' | '(') || (c == '"' && cx.words == Words::Unreadable) {
            if cx.mode == Mode::Strict {
                return Next::Unreadable;
            }
            self.malformed = true;
        }
        escape_into(c.encode_utf8(&mut [0; 4]), &mut self.key);
        self.raw_key.push(c);
        if self.key.len() > cx.word_max {
            self.give_up_key(out);
        }
        Next::Read
    }

    pub(super) fn key_raw<T>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        escape_into(c.encode_utf8(&mut [0; 4]), &mut self.key);
        self.raw_key.push(c);
        if self.key.len() > cx.word_max {
            self.give_up_key(out);
        }
        Next::Read
    }

    pub(super) fn after_key<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if c.is_ascii_whitespace() {
            self.gap.push(space(c));
            return self.bounded_lead(cx);
        }
        if c != ':' {
            return self.no_object(cx.mode, out);
        }
        self.place = match self.frames.last() {
            Some(frame) => cx.types.property(frame.place, &self.key),
            None => self.place,
        };
        self.write_key(out);
        out.push(':');
        self.state = State::Value;
        Next::Read
    }

    /// A key is followed by no colon. The first of an object: it is a set or worse, and a word.
    /// A later one: it has no value.
    pub(super) fn no_object(&mut self, mode: Mode, out: &mut String) -> Next {
        if mode == Mode::Strict {
            return Next::Unreadable;
        }
        self.malformed = true;
        if self.lead.starts_with('{') && self.frames.len() > 1 {
            self.frames.pop();
            let raw = std::mem::take(&mut self.raw_key);
            let gap = std::mem::take(&mut self.gap);
            self.key.clear();
            self.word = std::mem::take(&mut self.lead) + &raw + &gap;
            self.examined += self.word.len();
            self.place = self.frames.last().map_or(self.place, |f| f.place);
            self.state = State::Word { depth: 1 };
        } else {
            self.write_key(out);
            out.push_str(":null");
            self.state = State::AfterValue;
        }
        Next::Again
    }

    /// A key that is too long to keep is written with the rest of it as its value.
    pub(super) fn give_up_key(&mut self, out: &mut String) {
        self.malformed = true;
        self.gap.clear();
        self.write_key(out);
        out.push_str(":\"");
        self.state = match self.state {
            State::KeyText => {
                self.quoted.key = false;
                State::Text
            }
            State::KeyRaw => State::Raw,
            _ => State::LongWord { depth: 0 },
        };
    }

    pub(super) fn write_key(&mut self, out: &mut String) {
        self.examined += self.key.len() + self.gap.len();
        out.push_str(&self.lead);
        out.push('"');
        out.push_str(&self.key);
        out.push('"');
        out.extend(self.gap.chars().map(space));
        self.lead.clear();
        self.key.clear();
        self.raw_key.clear();
        self.gap.clear();
    }

    /// Whitespace where a decision is awaited is kept only so far.
    pub(super) fn bounded_lead<T>(&mut self, cx: &Syntax<'_, T>) -> Next {
        if self.lead.len() > cx.word_max {
            self.lead.truncate(1);
            self.repaired = true;
        }
        if self.gap.len() > cx.word_max {
            self.gap.clear();
            self.repaired = true;
        }
        Next::Read
    }
}
