//! Code in an answer: a fence of it, or an answer that begins with it. Calls in it are calls, and the fence around them is
//! markup; a fence that begins with anything else is text, and so is every statement that is none of those that are known.
//!
//! A statement is kept until it is over, so that one whose arguments are no literals is text; a long one is let go as
//! soon as it calls a tool.

mod calls;
mod lines;

use super::call::flush;
use super::{Decoder, State, context};
use crate::decode::Event;
use crate::decode::call::{Call, Patience, Wrapped};
use crate::decode::code::{Last, Passage, Statement};
use crate::decode::outside::Outside;
use crate::json::repair::Ended;

/// Code, being read.
#[derive(Debug)]
pub(super) struct Program {
    /// What it stands in.
    outside: Box<Outside>,
    fence: Fence,
    line: Line,
    /// What was read since the last call or text, and may be markup: the fence's opener, assignments, comments.
    held: String,
    /// The statement that is being read, as it was written.
    raw: String,
    statement: Statement,
    call: Call,
    /// A name was assigned to in what is held.
    has_assigned: bool,
    /// Blanks before the current statement, and before the one whose block is open.
    indent: usize,
    block: Option<usize>,
}

/// The fence around code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fence {
    None,
    /// Of so many backticks, and what it is.
    Open(usize, Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Undecided,
    /// A call stands in it.
    Markup,
    Text,
}

/// What of a line is being read.
#[derive(Debug)]
enum Line {
    /// The first line of a fence, behind its backticks.
    Opener,
    /// Blanks before a statement.
    Indent,
    /// Backticks that may close the fence.
    Closer(usize),
    Statement,
    /// A statement that is text.
    Text(Passage),
}

impl Program {
    fn new(outside: Box<Outside>, fence: Fence, line: Line) -> Self {
        Self {
            outside,
            fence,
            line,
            held: String::new(),
            raw: String::new(),
            statement: Statement::default(),
            call: Call::default(),
            has_assigned: false,
            indent: 0,
            block: None,
        }
    }

    /// Bytes that are held, beside what waits for it.
    pub fn held(&self) -> usize {
        let call = if self.call.ready { self.statement.held() } else { 0 };
        self.outside.waiting() + self.held.len() + self.raw.len() + call
    }

    /// It is text: what is held of it, and the state that reads it.
    pub fn into_text(self) -> (String, State) {
        (self.held + &self.raw, State::Outside(self.outside))
    }

    fn show_held(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.has_assigned = false;
        if let Fence::Open(_, kind @ Kind::Undecided) = &mut self.fence {
            *kind = Kind::Text;
        }
        self.outside.push(&std::mem::take(&mut self.held), sink);
    }

    fn show_raw(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.outside.push(&std::mem::take(&mut self.raw), sink);
    }

    /// What was read of a statement that is text, but for backticks that may close the fence.
    fn show_passed(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Line::Text(passage) = &self.line {
            let ticks = self.raw.split_off(self.raw.len() - passage.ticks());
            self.show_raw(sink);
            self.raw = ticks;
        }
    }

    /// The code is over. What is held is text, but with calls before it only where a name was assigned to in it.
    fn end(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.show_passed(sink);
        let has_calls = match self.fence {
            Fence::Open(_, kind) => kind == Kind::Markup,
            Fence::None => self.outside.is_after_call(),
        };
        if !has_calls {
            self.show_held(sink);
            self.show_raw(sink);
        } else if self.has_assigned {
            self.outside.push(self.held.trim_ascii_end(), sink);
        }
    }

    /// Whether a line closes the fence in a statement that can still be text. A string that nothing closes went past it.
    fn holds_closer(&self) -> bool {
        let Fence::Open(opened, _) = self.fence else { return false };
        let closes = |line: &str| line.len() >= opened && line.bytes().all(|byte| byte == b'`');
        self.raw.lines().any(|line| closes(line.trim_ascii()))
    }

    /// The statement is over, and is nothing to show or to call.
    fn keep(&mut self) {
        self.held.push_str(&std::mem::take(&mut self.raw));
        self.next();
    }

    /// Another statement begins.
    fn next(&mut self) {
        self.statement = Statement::default();
        self.call = Call::default();
        self.line = Line::Indent;
        self.indent = 0;
    }
}

impl Decoder {
    /// Code may begin behind backticks, which were just found.
    pub(super) fn enter_fenced_code(&mut self, marker: String) {
        self.enter_code(Fence::Open(marker.len(), Kind::Undecided), Line::Opener, marker);
    }

    /// The answer may be code that begins here.
    pub(super) fn enter_bare_code(&mut self) {
        self.enter_code(Fence::None, Line::Indent, String::new());
    }

    fn enter_code(&mut self, fence: Fence, line: Line, held: String) {
        if let State::Outside(outside) = std::mem::replace(&mut self.state, State::Closed) {
            self.scope.begin();
            self.state = State::Program(Box::new(Program { held, ..Program::new(outside, fence, line) }));
        }
    }

    /// Reads on in code. What is returned beside the count is to be read again.
    pub(super) fn step_program(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let State::Program(program) = &mut self.state else { return (at, None) };
            let run = if program.call.ready { program.statement.run(rest, &mut program.call) } else { 0 };
            if run > 0 {
                at += run;
                continue;
            }
            let Some(c) = rest.chars().next() else { break };
            at += c.len_utf8();
            if let Some(again) = self.step_code(c, sink) {
                return (at, Some(again).filter(|again| !again.is_empty()));
            }
        }
        if let State::Program(program) = &mut self.state {
            if program.call.ready {
                flush(&mut program.call, sink);
            } else {
                program.show_passed(sink);
            }
        }
        (text.len(), None)
    }

    /// Takes one character of code. Where something is returned, that is to be read again.
    fn step_code(&mut self, c: char, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let State::Program(program) = &mut self.state else { return Some(c.into()) };
        match &mut program.line {
            Line::Opener => self.step_opener(c, sink),
            Line::Indent => self.step_indent(c, sink),
            Line::Closer(ticks) if c == '`' => {
                *ticks += 1;
                program.raw.push(c);
                None
            }
            Line::Closer(ticks) => {
                let ticks = *ticks;
                Some(self.end_ticks(ticks, c, sink))
            }
            Line::Statement => self.step_statement(c, sink),
            Line::Text(_) => self.step_passage(c, sink),
        }
    }

    /// The fence was closed. Around calls it is markup.
    fn close_code(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let State::Program(program) = &mut self.state {
            program.end(sink);
        }
        self.leave_code();
    }

    /// Text goes on behind the code.
    fn leave_code(&mut self) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Program(program) => self.state = State::Outside(program.outside),
            other => self.state = other,
        }
    }

    /// The answer ended in code. What is returned is to be read again.
    pub(super) fn settle_code(&mut self, ended: Ended, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Program(program) = &mut self.state else { return String::new() };
        if let Line::Statement = program.line {
            let cx = context(&self.settings, &self.limits, Patience::Mend, Wrapped::No);
            match program.statement.finish(ended, &mut self.scope, &cx, &mut program.call) {
                Last::Call => self.end_code_call(sink),
                Last::CutCall if ended == Ended::Cut || !program.holds_closer() => {
                    self.cut_code_call(sink);
                    return String::new();
                }
                Last::CutCall | Last::Other => return self.release_statement(sink),
                Last::Assigned => {
                    program.has_assigned = true;
                    program.keep();
                }
                Last::Nothing => program.keep(),
            }
        }
        let State::Program(program) = &mut self.state else { return String::new() };
        if let (Line::Text(passage), Fence::Open(opened, _)) = (&program.line, program.fence)
            && !passage.is_closed(opened)
        {
            program.show_raw(sink);
            program.next();
        }
        self.close_code(sink);
        String::new()
    }
}
