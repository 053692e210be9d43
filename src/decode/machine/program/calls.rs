//! Statements of code, and the calls in them.

use super::{Fence, Kind};
use crate::decode::call::{Patience, Wrapped};
use crate::decode::code;
use crate::decode::machine::call::flush;
use crate::decode::machine::{Decoder, State, context};
use crate::decode::{Calls, Event};

/// A longer statement is let go as soon as it calls a tool.
const STATEMENT_BYTES_MAX: usize = 512;

impl Decoder {
    pub(super) fn step_statement(&mut self, c: char, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let State::Program(program) = &mut self.state else { return None };
        let cx = context(&self.settings, &self.limits, Patience::Mend, Wrapped::No);
        let step = program.statement.push(c, &mut self.scope, &cx, &mut program.call);
        if !program.call.ready && step != code::Step::Ended {
            program.raw.push(c);
        }
        match step {
            code::Step::Read => self.bound_statement(sink),
            code::Step::Assigned => {
                program.has_assigned = true;
                program.keep();
                None
            }
            code::Step::Nothing => {
                program.keep();
                None
            }
            code::Step::Next => {
                self.complete_code_call(sink);
                None
            }
            code::Step::Ended => {
                self.end_code_call(sink);
                Some(c.into())
            }
            code::Step::Broken => {
                self.end_code_call(sink);
                Some("```".into())
            }
            code::Step::Other => {
                if program.call.ready {
                    self.end_code_call(sink);
                    if let State::Program(program) = &mut self.state {
                        program.raw.push(c);
                    }
                }
                Some(self.release_statement(sink))
            }
        }
    }

    /// A statement may not be kept without end: a call goes on as one, and anything else is text.
    pub(super) fn bound_statement(&mut self, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let State::Program(program) = &mut self.state else { return None };
        if program.call.ready {
            return None;
        }
        if program.raw.len() > STATEMENT_BYTES_MAX && program.statement.is_calling() {
            self.commit_code_call(sink);
        } else if program.held.len() + program.raw.len() > self.limits.value_bytes_max {
            return Some(self.release_statement(sink));
        }
        None
    }

    /// What is read is a call, whatever follows.
    pub(super) fn commit_code_call(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let State::Program(program) = &mut self.state else { return };
        program.outside.before_call(sink);
        if let Fence::Open(_, kind @ Kind::Undecided) = &mut program.fence {
            *kind = Kind::Markup;
        }
        program.held.clear();
        program.raw.clear();
        program.has_assigned = false;
        program.call.ready = true;
        self.ending.calls += 1;
        sink(Event::CallStart { name: &program.call.name, id: None });
        flush(&mut program.call, sink);
    }

    /// The call is whole.
    pub(super) fn complete_code_call(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if matches!(&self.state, State::Program(program) if !program.call.ready) {
            self.commit_code_call(sink);
        }
        let State::Program(program) = &mut self.state else { return };
        let mut call = std::mem::take(&mut program.call);
        flush(&mut call, sink);
        sink(Event::CallEnd);
        let after = program.outside.place.after_call();
        program.outside.after_call(after);
        if self.settings.calls == Calls::First {
            self.state = State::Closed;
        }
        self.count(&call);
    }

    /// The statement is over, with the call that is whole in it.
    pub(super) fn end_code_call(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if matches!(&self.state, State::Program(program) if program.statement.has_whole_call()) {
            self.complete_code_call(sink);
        }
        if let State::Program(program) = &mut self.state {
            program.raw.clear();
            if program.held.trim_ascii().is_empty() {
                program.held.clear();
            }
            program.next();
        }
    }

    /// The answer was cut off in a call.
    pub(super) fn cut_code_call(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if matches!(&self.state, State::Program(program) if !program.call.ready) {
            self.commit_code_call(sink);
        }
        let State::Program(mut program) = std::mem::replace(&mut self.state, State::Closed) else { return };
        flush(&mut program.call, sink);
        self.count(&program.call);
        self.ending.truncated = true;
    }
}
