//! Strings of a Python call: where they begin and end, and pieces that are joined.

use crate::decode::call::{Call, Context};
use crate::dialect::Dialect;
use crate::json::repair::{Begins, Mode, Skimmed};
use crate::json::{escape_into, is_plain};
use crate::python::{Taken, Text};

use super::tail::plain;
use super::{Reader, State, Step};

impl Reader {
    /// Reads as much of a string as stands for itself.
    pub(super) fn run(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> usize {
        let State::Text(open) = &self.state else { return 0 };
        // A key is bounded, at a place that does not depend on how the text is cut.
        if !open.is_between() || !self.tail.is_empty() || !self.is_value() {
            return 0;
        }
        let open = *open;
        run(text, &open, cx.dialect, self.out(call))
    }

    /// Reads `text` if nothing in it has to be decided, behind closers perhaps that it shows to be data.
    pub(in crate::decode::payload) fn skim(&mut self, text: &str, dialect: &Dialect, out: &mut String) -> Skimmed {
        let State::Text(open) = self.state else { return Skimmed::No };
        if !self.is_value() || !open.is_between() || !(self.tail.is_empty() || self.tail.ends_before(text, dialect)) {
            return Skimmed::No;
        }
        if self.tail.is_empty() && is_plain(text) && plain(text, open.quote, dialect) == text.len() {
            return Skimmed::Data;
        }
        let before = out.len();
        out.push_str(self.tail.text());
        if run(text, &open, dialect, out) < text.len() {
            out.truncate(before);
            return Skimmed::No;
        }
        self.tail.clear();
        Skimmed::Read
    }

    /// Behind the opening quote: a second and a third may belong to it.
    pub(super) fn opening(&mut self, c: char, call: &mut Call) -> Step {
        match std::mem::take(&mut self.state) {
            State::Opening(text) if c == text.quote => self.state = State::Opened(text),
            State::Opening(text) => {
                self.state = State::Text(text);
                return Step::Again;
            }
            State::Opened(text) if c == text.quote => self.state = State::Text(text.long()),
            _ => {
                self.end_text(call);
                return Step::Again;
            }
        }
        Step::Read
    }

    /// One character of a string that does not stand for itself.
    pub(super) fn text(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        let State::Text(mut text) = self.state else { return Step::Reject };
        if text.is_between() && call.mode(cx) == Mode::Total {
            match self.tail.take(c, Some(&text), cx) {
                Begins::Perhaps => return self.judge_quote(cx, call),
                Begins::Yes => return self.end_before_tail(call),
                Begins::No if self.tail.is_empty() => {}
                Begins::No => {
                    self.tail_is_data(cx, call);
                    return Step::Again;
                }
            }
        }
        let taken = text.push(c, self.out(call));
        self.state = State::Text(text);
        match taken {
            Taken::Data => {}
            Taken::Again => return Step::Again,
            Taken::Quote => self.state = State::Quote(text, String::new()),
            Taken::Closed => self.end_text(call),
        }
        Step::Read
    }

    /// The string is over.
    pub(super) fn end_text(&mut self, call: &mut Call) {
        self.out(call).push('"');
        self.state = State::AfterValue;
    }
}

/// Reads what stands for itself inside a string, and escapes that are whole.
pub(super) fn run(text: &str, open: &Text, dialect: &Dialect, out: &mut String) -> usize {
    let mut rest = text;
    loop {
        let (data, behind) = rest.split_at_checked(plain(rest, open.quote, dialect)).unwrap_or_default();
        escape_into(data, out);
        rest = behind;
        let mut escape = behind.chars();
        let is_escape = escape.next() == Some('\\') && !dialect.tables().arguments.has(b'\\');
        match escape.next().filter(|_| is_escape).and_then(|c| open.stands_for(c)) {
            Some(plain) => escape_into(plain, out),
            None => return text.len() - rest.len(),
        }
        rest = escape.as_str();
    }
}
