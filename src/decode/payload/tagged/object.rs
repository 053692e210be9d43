//! All arguments as one JSON object, where the parameters should stand.
//! Knows no tags but those that close the call.

use crate::decode::call::{Call, Context, json_syntax};
use crate::decode::expect::Expected;
use crate::json::repair::{Progress, Syntax, Untyped};

use super::{Reader, State, Step};

impl Reader {
    /// Reads on in an object that is all of the arguments.
    pub(super) fn object(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Step) {
        let State::Object(repair) = &mut self.state else { return (0, Step::Read) };
        let syntax = Syntax { closers: &cx.dialect.tables().closers, ..json_syntax(&Untyped, call.mode(cx), cx) };
        let progress = repair.push(text, &syntax, &mut call.arguments);
        call.ready |= repair.is_decided();
        call.note(repair);
        match progress {
            Progress::More => (text.len(), Step::Read),
            Progress::Decided(read) => (read, Step::Read),
            Progress::Closed(read) => {
                call.again.push_str(&repair.take_rest());
                self.state = State::Behind;
                (read, Step::Complete)
            }
            Progress::Done(read) => {
                let rest = repair.take_rest();
                self.state = State::Behind;
                let mut chars = rest.chars();
                while let Some(c) = chars.next() {
                    if self.behind(c, call) == Step::Complete {
                        call.again.push_str(chars.as_str());
                        return (read, Step::Complete);
                    }
                }
                (read, Step::Read)
            }
            Progress::Unreadable(read) => (read, Step::Reject),
        }
    }

    /// Behind an object: the function's closer or the wrapper's. What is neither is no part of the call.
    pub(super) fn behind(&mut self, c: char, call: &mut Call) -> Step {
        match self.expect.push(c, self.form.closers.iter().map(String::as_str)) {
            Expected::More => Step::Read,
            Expected::Found(found) => {
                call.unwrapped |= found >= self.form.own_closers;
                Step::Complete
            }
            Expected::Other => {
                call.again.push_str(&self.expect.take());
                Step::Complete
            }
        }
    }
}
