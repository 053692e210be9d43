//! Values and containers: where a value begins and what may follow it: containers, commas, closers.
//! A comma is kept until the next value, since the last one of a list is one too many.

use std::fmt::Debug;

use super::comments::Token;
use super::quoted::{self, Quoted, Role};
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
            '}' | ']' | ')' if self.frames.is_empty() => {
                if cx.mode == Mode::Strict {
                    return Next::Unreadable;
                }
                self.write_null(out);
                return Next::Ended;
            }
            // One colon too many, or what stands in its place.
            ':' | '=' | '>' if !self.in_array() && !self.frames.is_empty() => self.repaired = true,
            '}' | ']' | ')' | ',' | ':' => return self.missing_value(c, cx, out),
            '/' if cx.words == Words::Unreadable => return self.begin_comment(c, Token::Value),
            c if quoted::opens(c) => self.open_string(c, cx, out),
            c => {
                self.state = State::Word { depth: 0 };
                return self.push_word(c, 0, cx, out);
            }
        }
        Next::Read
    }

    fn open_string<T>(&mut self, quote: char, cx: &Syntax<'_, T>, out: &mut String) {
        self.decided |= !self.frames.is_empty();
        self.repaired |= quote != '"';
        if self.may_be_key_in_list(cx) {
            self.quoted = Quoted::new(Role::Item, quote);
        } else {
            self.begin_value(out);
            out.push('"');
            self.quoted = Quoted::new(Role::Value, quote);
        }
        self.state = State::Text;
    }

    pub(super) fn open_value<T>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if self.frames.len() >= cx.depth_max {
            self.state = State::Word { depth: 0 };
            return self.unreadable(cx.mode, Next::Pushback);
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
            Container::Pushback => State::Key,
        };
    }

    /// Writes the comma that was held.
    pub(super) fn begin_value(&mut self, out: &mut String) {
        out.push_str(&self.lead);
        self.lead.clear();
    }

    /// A comma or a closer stands where a value should.
    #[cold]
    pub(super) fn missing_value<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if self.in_array() {
            // `[1,,2]`: the comma is one too many. `{"a": [}`: the array was not closed.
            self.repaired = true;
            return match c {
                ',' => Next::Read,
                ':' => self.unreadable(cx.mode, Next::Read),
                c => self.wrong_closer(c, cx.mode, out),
            };
        }
        if cx.mode == Mode::Strict {
            return Next::Unreadable;
        }
        if c == ':' {
            self.write_null(out);
            return Next::Read;
        }
        self.gap.push(c);
        self.state = State::Owed;
        Next::Read
    }

    /// Behind a comma or a closer that stands where a value should. The comma is one too many if a value follows that is
    /// no key; the closer should be an opener if a key follows.
    #[cold]
    pub(super) fn owed<T>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if c.is_ascii_whitespace() {
            self.gap.push(c);
            return self.bounded_lead(cx);
        }
        if self.gap.starts_with(',') && (matches!(c, '{' | '[' | '-') || c.is_ascii_digit()) {
            self.repaired = true;
            self.gap.clear();
            self.state = State::Value;
            return Next::Pushback;
        }
        let opener = quoted::opens(c) && !self.gap.starts_with(',');
        if opener {
            self.repaired = true;
            self.gap.replace_range(..1, "{");
            self.state = State::Value;
        } else {
            self.write_null(out);
        }
        self.gap.push(c);
        self.read_gap_again();
        Next::Read
    }

    pub(super) fn write_null(&mut self, out: &mut String) {
        self.malformed = true;
        self.begin_value(out);
        out.push_str("null");
        self.value_ended();
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
            '}' | ']' | ')' => return self.wrong_closer(c, cx.mode, out),
            '/' | '#' if cx.words == Words::Unreadable => return self.begin_comment(c, Token::Comma),
            // Something else stands where the comma should.
            ':' | '=' | ';' | '.' | '<' | '>' | '|' | '\\'
                if cx.words == Words::Unreadable && cx.mode == Mode::Total =>
            {
                self.repaired = true;
            }
            _ => {
                self.repaired = true;
                self.expect_next();
                return Next::Pushback;
            }
        }
        Next::Read
    }

    /// A closer that does not close what is open. Either others are missing before it, or it is the wrong one: the
    /// innermost container ends in any case, and what follows tells what else does.
    #[cold]
    pub(super) fn wrong_closer(&mut self, c: char, mode: Mode, out: &mut String) -> Next {
        let innermost = self.frames.len().saturating_sub(1);
        let found = self.frames.iter().rposition(|f| f.closer == c);
        if mode == Mode::Strict && found.is_none() && innermost == 0 {
            // Nothing but this closer would end the value: it may be no value at all.
            return Next::Unreadable;
        }
        self.repaired = true;
        let at = found.unwrap_or(innermost);
        if at < innermost && !self.in_empty_list() {
            self.close_top(out);
        }
        let between = self.state == State::AfterValue;
        self.state = State::Doubt { at, between };
        Next::Read
    }

    /// Behind a wrong closer.
    #[cold]
    pub(super) fn doubt<T>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if c.is_ascii_whitespace() || (c == ',' && !self.gap.contains(',')) {
            self.gap.push(c);
            return self.bounded_lead(cx);
        }
        let is_next = self.gap.contains(',');
        let follows = match c {
            c if quoted::opens(c) => Follows::Key,
            c if is_next && (c == '_' || c.is_alphabetic()) => Follows::Key,
            '{' | '[' | '-' if is_next => Follows::Value,
            ']' => Follows::Value,
            c if is_next && c.is_ascii_digit() => Follows::Value,
            _ if is_next => Follows::More,
            _ => Follows::Nothing,
        };
        self.doubt_ends(follows, cx, out);
        self.gap.push(c);
        self.read_gap_again();
        Next::Read
    }

    /// Closes what the wrong closer closed, by what follows it: all from `at` on, if that leaves a container in which it
    /// can stand, else as little as will do.
    pub(super) fn doubt_ends<T>(&mut self, follows: Follows, cx: &Syntax<'_, T>, out: &mut String) {
        let State::Doubt { at, between } = self.state else { return };
        if !between && self.in_empty_list() {
            if matches!(follows, Follows::Key | Follows::Value) && !self.gap.contains(',') {
                // It is one too many.
                self.state = State::Value;
                return;
            }
            self.close_top(out);
        }
        let is = |at: usize| self.frames.get(at).map(|frame| frame.container == Container::Array);
        let around = match at.checked_sub(1) {
            Some(around) => is(around),
            // Behind a list that is all of the value, the object around it goes on.
            None if is(0) == Some(true) && cx.outer > 0 => Some(false),
            None => None,
        };
        let left = match follows {
            Follows::Nothing => at,
            Follows::Key if around == Some(false) => at,
            Follows::Value if around == Some(true) => at,
            Follows::Key => self.frames.len(),
            Follows::Value if self.in_array() || at == 0 => self.frames.len(),
            Follows::More if at == 0 => 1,
            Follows::Value | Follows::More => at,
        };
        if let State::Doubt { .. } = self.state {
            self.state = if between { State::AfterValue } else { self.expects() };
        }
        while self.frames.len() > left {
            self.close_top(out);
        }
    }

    /// A comma, held until what follows it is known.
    pub(super) fn expect_next(&mut self) {
        self.lead.push(',');
        self.state = self.expects();
    }

    /// What is awaited behind a comma.
    fn expects(&self) -> State {
        if self.in_array() { State::Value } else { State::Key }
    }

    /// An opener too many: it writes nothing, and neither does its closer.
    pub(super) fn open_again(&mut self, closer: char) {
        self.repaired = true;
        let place = self.frames.last().map_or(self.place, |f| f.place);
        self.frames.push(Frame { container: Container::Pushback, closer, place });
    }

    /// Whether a list was just opened, if a value is awaited.
    fn in_empty_list(&self) -> bool {
        self.in_array() && self.lead.is_empty() && self.state != State::AfterValue
    }

    /// Whether what begins behind a list's comma can be a key of an object around the list. Where the list is all of the
    /// value and was mended already, it may be an object with the wrong opener: then its keys stay in it.
    pub(super) fn may_be_key_in_list<T>(&self, cx: &Syntax<'_, T>) -> bool {
        let outer = cx.outer > 0 && !self.repaired;
        let object = outer || self.frames.iter().any(|f| f.container != Container::Array);
        self.in_array() && self.lead.starts_with(',') && object
    }

    /// A key stands in a list: that was not closed before it, nor were the lists around it.
    pub(super) fn close_lists(&mut self, out: &mut String) {
        self.repaired = true;
        let lead = std::mem::take(&mut self.lead);
        while self.in_array() {
            self.close_top(out);
        }
        self.lead = lead;
    }

    pub(super) fn in_array(&self) -> bool {
        self.frames.last().is_some_and(|f| f.container == Container::Array)
    }

    pub(super) fn closes(&self, c: char) -> bool {
        self.frames.last().is_some_and(|f| f.closer == c)
    }

    /// Closes the innermost container, without the comma that may be held.
    pub(super) fn close_top(&mut self, out: &mut String) {
        let container = self.frames.pop().map(|frame| frame.container);
        if container == Some(Container::Pushback) {
            // What is held belongs to the object around it.
            self.state = if self.lead.is_empty() { State::AfterValue } else { State::Key };
            return;
        }
        if let Some(rest) = self.lead.strip_prefix(',') {
            self.repaired = true;
            out.push_str(rest);
        } else {
            out.push_str(&self.lead);
        }
        self.lead.clear();
        out.push(if container == Some(Container::Array) { ']' } else { '}' });
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

/// What stands behind a wrong closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// A string, which in an object is a key, or a word that can only be one.
    Key,
    /// A value that is no key, or a list's closer.
    Value,
    /// A comma and something else.
    More,
    Nothing,
}
