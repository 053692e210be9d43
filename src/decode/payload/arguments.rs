//! A JSON object that is the arguments, of a call that was named before it.
//! Reads no name; without one it is no call.

use crate::decode::call::{Call, Context, Named, Verdict, json_syntax};
use crate::dialect::Dialect;
use crate::json::repair::{Completion, Ended, Progress, Repair, Skimmed, Untyped};

/// A call whose name is known, being read.
#[derive(Debug)]
pub(in crate::decode) struct Reader {
    state: State,
}

#[derive(Debug)]
enum State {
    /// The call has no name.
    Nameless,
    /// The object's opener, behind whitespace.
    Start,
    Object(Box<Repair<()>>),
}

impl Reader {
    /// A reader of a call, which is none unless it has a name.
    pub(super) fn new(call: &Call) -> Self {
        let state = if call.has_name() == Named::Tool { State::Start } else { State::Nameless };
        Self { state }
    }

    /// Reads on. What becomes known of the call goes into `call`.
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let mut at = 0;
        while let State::Start = self.state {
            match text.get(at..).and_then(|rest| rest.chars().next()) {
                None => return Verdict::More,
                Some('{') => self.state = State::Object(Box::new(Repair::new(()))),
                Some(c) if c.is_ascii_whitespace() => at += c.len_utf8(),
                Some(_) => return Verdict::Reject(at),
            }
        }
        let State::Object(repair) = &mut self.state else { return Verdict::Reject(0) };
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let progress = repair.push(rest, &json_syntax(&Untyped, call.mode(cx), cx), &mut call.arguments);
            call.ready |= repair.is_decided();
            call.again.push_str(&repair.take_rest());
            call.note(repair);
            match progress {
                Progress::More => return Verdict::More,
                Progress::Decided(read) => at += read,
                Progress::Done(read) | Progress::Closed(read) => return Verdict::Complete(at + read),
                Progress::Unreadable(read) => return Verdict::Reject(at + read),
            }
        }
    }

    /// Reads `text` if nothing in it has to be decided.
    pub(super) fn skim(&mut self, text: &str, dialect: &Dialect, out: &mut String) -> Skimmed {
        match &mut self.state {
            State::Object(repair) => repair.skim(text, &dialect.tables().behind, out),
            State::Nameless | State::Start => Skimmed::No,
        }
    }

    /// Generation ended: whether the arguments are whole.
    pub(super) fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        let State::Object(repair) = &mut self.state else { return Completion::Cut };
        let completion = repair.finish(ended, &json_syntax(&Untyped, call.mode(cx), cx), &mut call.arguments);
        call.ready |= repair.is_decided();
        call.again.push_str(&repair.take_rest());
        call.note(repair);
        completion
    }

    /// Bytes read and not yet decided.
    pub(super) fn held(&self) -> usize {
        match &self.state {
            State::Object(repair) => repair.held(),
            State::Nameless | State::Start => 0,
        }
    }
}
