//! Keys: quoted, bare, or between the dialect's own delimiters; and what has no colon after it.
//! A key is kept until its colon, since only then is it one.

use std::fmt::Debug;

use super::comments::Token;
use super::quote::CALL_BYTES_MAX;
use super::quoted::{self, Quoted, Role};
use super::{Begins, Container, Mode, Next, Repair, State, Syntax, Types, Words, space};
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
            '}' | ']' | ')' => self.wrong_closer(c, cx.mode, out),
            ',' | ';' | '\\' if c == ',' || cx.words == Words::Unreadable => {
                self.repaired = true;
                Next::Read
            }
            '/' | '#' if cx.words == Words::Unreadable => self.begin_comment(c, Token::Key),
            '{' if self.lead.starts_with('{') && self.may_open_again(cx) => {
                self.open_again('}');
                Next::Read
            }
            '{' if cx.mode == Mode::Total && cx.calls.is_some() && cx.words == Words::Unreadable => {
                self.gap.push(c);
                self.state = State::Opened;
                Next::Read
            }
            '{' | '[' if cx.mode == Mode::Total && self.may_open_again(cx) => {
                self.open_again(if c == '{' { '}' } else { ']' });
                Next::Read
            }
            c if quoted::opens(c) => {
                self.quoted = Quoted::new(Role::Key, c);
                self.repaired |= c != '"';
                self.raw_key.push(c);
                self.state = State::KeyText;
                Next::Read
            }
            ':' => {
                self.state = State::AfterKey;
                Next::Pushback
            }
            c => {
                self.state = State::KeyWord;
                self.repaired |= cx.words == Words::Unreadable;
                self.key_word(c, cx, out)
            }
        }
    }

    /// Behind a brace where a key should stand: another call, or a brace too many.
    #[cold]
    pub(super) fn opened<T>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        self.gap.push(c);
        let more = self.gap.len() <= CALL_BYTES_MAX;
        if more && !matches!(c, '"' | '}') {
            return Next::Read;
        }
        self.examined += self.gap.len();
        let gap = std::mem::take(&mut self.gap);
        match cx.calls.map(|calls| calls.begins(&gap)) {
            Some(Begins::Perhaps) if more => self.gap = gap,
            Some(Begins::Yes) => {
                self.read_again(&gap);
                self.close_all(out);
            }
            _ => self.brace_too_many(&gap, cx),
        }
        Next::Read
    }

    /// A brace stood where a key should: what was read behind it is read again.
    pub(super) fn brace_too_many<T>(&mut self, gap: &str, cx: &Syntax<'_, T>) {
        self.state = State::Key;
        self.repaired = true;
        if self.frames.len() < cx.depth_max {
            self.open_again('}');
        }
        self.read_again(gap.get(1..).unwrap_or_default());
    }

    fn may_open_again<T>(&self, cx: &Syntax<'_, T>) -> bool {
        cx.words == Words::Unreadable && self.frames.len() < cx.depth_max
    }

    pub(super) fn key_word<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if matches!(c, ':' | ',' | '}' | ']') {
            if !self.gap.is_empty() {
                self.gap = self.gap.chars().map(space).collect();
            }
            self.state = State::AfterKey;
            return Next::Pushback;
        }
        if quoted::opens(c) && cx.words == Words::Unreadable && !self.key.is_empty() {
            // Its closing quote, without the other; or its value, without the colon.
            if cx.mode == Mode::Strict && !self.key.chars().all(quoted::in_word) {
                return Next::Unreadable;
            }
            self.repaired = true;
            self.state = State::AfterKey;
            return if self.gap.is_empty() { Next::Read } else { Next::Pushback };
        }
        if c == '=' && cx.words == Words::Strings && !self.key.is_empty() {
            self.gap.clear();
            self.state = State::AfterKey;
            return self.after_key(':', cx, out);
        }
        // Whitespace is a part of the key only where the key goes on behind it.
        if c.is_whitespace() && self.gap.len() < cx.word_max {
            self.gap.push(c);
            return Next::Read;
        }
        escape_into(&self.gap, &mut self.key);
        self.raw_key.push_str(&self.gap);
        self.gap.clear();
        if matches!(c, '{' | '[' | '(') {
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

    /// Reads as much of a key as cannot end it. Returns the bytes read.
    pub(super) fn push_key_run<T>(&mut self, text: &str, cx: &Syntax<'_, T>) -> usize {
        if !self.maybe.is_empty() || !self.gap.is_empty() {
            return 0;
        }
        let room = cx.word_max.saturating_sub(self.key.len());
        let goes_on = |&byte: &u8| (byte.is_ascii_alphanumeric() || byte == b'_') && !cx.first_bytes.has(byte);
        let run = text.bytes().take(room).take_while(goes_on).count();
        let run = text.get(..run).unwrap_or_default();
        self.key.push_str(run);
        self.raw_key.push_str(run);
        run.len()
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
        if c == '/' && cx.words == Words::Unreadable {
            return self.begin_comment(c, Token::Colon);
        }
        let unreadable = cx.words == Words::Unreadable;
        // Something else stands where the colon should, or nothing.
        let wrong = unreadable && matches!(c, '=' | ';' | '<' | '>' | '|' | '\\');
        let none = unreadable && (quoted::opens(c) || c.is_ascii_alphanumeric() || matches!(c, '{' | '[' | '-'));
        let late = c == ',' && cx.mode == Mode::Total && unreadable && !self.may_be_set();
        if c != ':' && !wrong && !none && !late {
            return self.no_object(cx.mode, out);
        }
        self.repaired |= c != ':';
        self.place = match self.frames.last() {
            Some(frame) => cx.types.property(frame.place, &self.key),
            None => self.place,
        };
        self.write_key(out);
        out.push(':');
        self.state = State::Value;
        if late {
            return self.missing_value(c, cx, out);
        }
        if none { Next::Pushback } else { Next::Read }
    }

    /// Whether the key is the first of an object that can be a word: `{1, 2}`.
    fn may_be_set(&self) -> bool {
        let written = self.frames.iter().filter(|f| f.container != Container::Pushback).count();
        self.lead.starts_with('{') && written > 1
    }

    /// A key is followed by no colon. The first of an object: it is a set or worse, and a word.
    /// A later one: it has no value.
    #[cold]
    pub(super) fn no_object(&mut self, mode: Mode, out: &mut String) -> Next {
        if mode == Mode::Strict {
            return Next::Unreadable;
        }
        self.malformed = true;
        if self.may_be_set() {
            let mut depth = 1;
            while self.frames.pop().is_some_and(|f| f.container == Container::Pushback) {
                depth += 1;
                self.lead.insert(0, '{');
            }
            let raw = std::mem::take(&mut self.raw_key);
            let gap = std::mem::take(&mut self.gap);
            self.key.clear();
            self.word = std::mem::take(&mut self.lead) + &raw + &gap;
            self.examined += self.word.len();
            self.place = self.frames.last().map_or(self.place, |f| f.place);
            self.state = State::Word { depth };
        } else {
            self.write_key(out);
            out.push_str(":null");
            self.state = State::AfterValue;
        }
        Next::Pushback
    }

    /// A key that is too long to keep is written with the rest of it as its value.
    #[cold]
    pub(super) fn give_up_key(&mut self, out: &mut String) {
        self.malformed = true;
        self.gap.clear();
        self.write_key(out);
        out.push_str(":\"");
        self.state = match self.state {
            State::KeyText => {
                self.quoted.role = Role::Value;
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
        if !self.gap.is_empty() {
            out.extend(self.gap.chars().map(space));
        }
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
