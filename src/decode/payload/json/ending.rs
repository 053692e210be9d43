//! What a call is when generation ends inside it.
//! Ends the value being read and reads what that had read ahead; what is whole then is a call.

use crate::json::repair::{Completion, Ended};

use super::members::Place;
use super::nested::inner_syntax;
use super::next::NextCall;
use super::{Reader, State, syntax};
use crate::decode::call::{Call, Context, Verdict};

/// What is whole when generation ended.
enum Finished {
    Call,
    /// The last value, or nothing was being read.
    Value,
    Cut,
}

impl Reader {
    /// Generation ended: what is whole then is a call.
    pub(in crate::decode::payload) fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        // These may well be the object's own.
        if !self.maybe.is_empty() && self.maybe.chars().all(|c| matches!(c, '}' | ']' | ')')) {
            self.read_maybe_again();
            if matches!(self.read_again(cx, call), Verdict::Complete(_)) {
                return Completion::Complete;
            }
        }
        let completion = match self.finish_value(ended, cx, call) {
            Finished::Call => return Completion::Complete,
            Finished::Cut => Completion::Cut,
            Finished::Value if self.is_whole() && ended == Ended::ByItself => Completion::Complete,
            Finished::Value => Completion::Cut,
        };
        let in_argument = matches!(&self.state, State::Member { place: Place::Arguments, .. });
        if completion == Completion::Complete {
            if in_argument {
                self.close_member(cx, call);
            }
            self.leave_key(call);
        }
        // An argument that was cut off is the last of a prefix.
        if completion == Completion::Complete || (self.is_whole() && !in_argument) {
            self.end_arguments(cx, call);
        }
        call.repaired |= completion == Completion::Complete;
        completion
    }

    /// Ends the value being read, and reads what it had read ahead.
    fn finish_value(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Finished {
        // What was read ahead may begin another value, which is shorter.
        loop {
            let next = NextCall { spec: &self.spec, cx };
            let syntax = syntax(&next, self.depth, call.mode(cx));
            let mut nowhere = String::new();
            let (repair, out) = match &mut self.state {
                State::Arguments(repair) => (repair, &mut call.arguments),
                State::Member { repair, place } => {
                    (repair, place.out(&mut self.kept, &mut call.arguments, &mut nowhere))
                }
                State::Text { repair, .. } if repair.is_done() && ended == Ended::ByItself => {
                    self.again = self.tail.clear();
                    self.state = State::AfterValue;
                    match self.read_again(cx, call) {
                        Verdict::Complete(_) => return Finished::Call,
                        _ => continue,
                    }
                }
                State::Text { repair, .. } => {
                    repair.finish(Ended::Cut, &inner_syntax(call.mode(cx), &next), &mut call.arguments);
                    return Finished::Cut;
                }
                State::TextStart { .. } => return Finished::Cut,
                _ => return Finished::Value,
            };
            let completion = repair.finish(ended, &syntax, out);
            let arguments = matches!(self.state, State::Arguments(_));
            if let State::Arguments(repair) | State::Member { repair, .. } = &mut self.state {
                self.again = repair.take_rest();
                call.note(repair);
                call.ready |= arguments && self.has_name && repair.is_decided();
            }
            if completion == Completion::Cut {
                call.again.push_str(&std::mem::take(&mut self.again));
                let meaningless = matches!(self.state, State::Member { place: Place::Nowhere, .. });
                return if meaningless { Finished::Value } else { Finished::Cut };
            }
            if arguments {
                self.state = State::AfterValue;
                self.hold_brace(call);
            } else {
                self.end_member(cx, call);
            }
            if matches!(self.read_again(cx, call), Verdict::Complete(_)) {
                return Finished::Call;
            }
        }
    }
}
