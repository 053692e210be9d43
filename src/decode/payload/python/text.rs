//! Strings of a Python call: where they begin and end, and pieces that are joined.

use crate::decode::call::{Call, Context};
use crate::json::escape_into;
use crate::json::repair::{Begins, Mode};
use crate::python::Taken;

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
        let run = plain(text, open.quote, cx.dialect);
        escape_into(text.get(..run).unwrap_or_default(), self.out(call));
        run
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
