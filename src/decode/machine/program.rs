//! Code in an answer: a fence of it, or an answer that begins with it. Calls in it are calls, and the fence around them is
//! markup; a fence that begins with anything else is text, and so is every statement that is none of those that are known.
//!
//! A statement is kept until it is over, so that one whose arguments are no literals is text; a long one is let go as
//! soon as it calls a tool.

use super::call::flush;
use super::{Decoder, State, context};
use crate::decode::call::{Call, Patience, Wrapped};
use crate::decode::code::{self, Block, Last, Passage, Passed, Statement};
use crate::decode::outside::Outside;
use crate::decode::{Calls, Event};
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

/// So many backticks make a fence.
const FENCE_MIN: usize = 3;
/// A longer first line is none of a fence.
const OPENER_BYTES_MAX: usize = 128;
/// A longer statement is let go as soon as it calls a tool.
const STATEMENT_BYTES_MAX: usize = 512;

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

    /// Behind backticks that a line of the fence begins with.
    fn end_ticks(&mut self, ticks: usize, c: char, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Program(program) = &mut self.state else { return String::new() };
        let Fence::Open(opened, kind) = program.fence else { return String::new() };
        if ticks >= opened {
            self.close_code(sink);
            // With a word behind them they open another one, and the closer was forgotten.
            let opens = kind == Kind::Markup && c.is_ascii_alphabetic();
            return if opens { "`".repeat(ticks) } else { String::new() } + c.encode_utf8(&mut [0; 4]);
        }
        if ticks >= FENCE_MIN && kind != Kind::Markup {
            // A fence in the fence: code is quoted here.
            program.show_held(sink);
            program.show_raw(sink);
            self.leave_code();
            return c.into();
        }
        self.release_statement(sink) + c.encode_utf8(&mut [0; 4])
    }

    /// The rest of a fence's first line, on which code may stand already.
    fn step_opener(&mut self, c: char, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let State::Program(program) = &mut self.state else { return None };
        match c {
            '`' if program.raw.is_empty() => {
                if let Fence::Open(ticks, _) = &mut program.fence {
                    *ticks += 1;
                }
                program.held.push(c);
                None
            }
            '\n' => {
                program.raw.push(c);
                program.keep();
                None
            }
            '(' | '=' => {
                let line = std::mem::take(&mut program.raw);
                let (word, code) = at_code(&line);
                program.held.push_str(word);
                program.line = Line::Indent;
                Some(format!("{code}{c}"))
            }
            // A code span; what it closes with opens nothing.
            '`' if program.raw.ends_with("``") => Some(self.release_code(c, sink)),
            _ if program.raw.len() >= OPENER_BYTES_MAX => Some(self.release_code(c, sink)),
            _ => {
                program.raw.push(c);
                None
            }
        }
    }

    /// What was read is text, and the code with it.
    fn release_code(&mut self, c: char, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Program(program) = std::mem::replace(&mut self.state, State::Closed) else { return String::new() };
        let (text, state) = program.into_text();
        self.state = state;
        if let State::Outside(outside) = &mut self.state {
            outside.push(&text, sink);
            outside.push(c.encode_utf8(&mut [0; 4]), sink);
        }
        String::new()
    }

    /// Where a line begins.
    fn step_indent(&mut self, c: char, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let State::Program(program) = &mut self.state else { return None };
        match c {
            // No fence is open that it could close.
            '`' if program.fence == Fence::None => {
                program.show_held(sink);
                self.leave_code();
                Some(c.into())
            }
            '`' => {
                program.raw.push(c);
                program.line = Line::Closer(1);
                None
            }
            c if c.is_ascii_whitespace() => {
                program.raw.push(c);
                if c == '\n' {
                    program.keep();
                } else {
                    program.indent += 1;
                }
                None
            }
            // Code without a fence is told by its first word, which prose in other scripts does not end soon.
            c if program.fence == Fence::None && !c.is_ascii() => {
                Some(self.release_statement(sink) + c.encode_utf8(&mut [0; 4]))
            }
            _ if program.block.is_some_and(|block| program.indent > block) => {
                Some(self.release_statement(sink) + c.encode_utf8(&mut [0; 4]))
            }
            _ => {
                program.block = None;
                program.line = Line::Statement;
                self.step_statement(c, sink)
            }
        }
    }

    fn step_statement(&mut self, c: char, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
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
}

impl Decoder {
    /// A statement may not be kept without end: a call goes on as one, and anything else is text.
    fn bound_statement(&mut self, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
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

    /// The statement is text: what is to be read again as such. With no fence around it, so is all that follows.
    fn release_statement(&mut self, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Program(program) = &mut self.state else { return String::new() };
        self.ending.rejected += u32::from(program.statement.is_calling());
        let raw = std::mem::take(&mut program.raw);
        program.show_held(sink);
        program.statement = Statement::default();
        program.call = Call::default();
        self.scope.forget();
        if program.fence == Fence::None {
            program.outside.open(sink);
            self.leave_code();
        } else {
            program.line = Line::Text(Passage::new(&raw));
        }
        raw
    }

    /// More of a statement that is text.
    fn step_passage(&mut self, c: char, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let State::Program(program) = &mut self.state else { return None };
        let (Line::Text(passage), Fence::Open(opened, _)) = (&mut program.line, program.fence) else { return None };
        let passed = passage.push(c, opened);
        if passed == Passed::Closed {
            self.close_code(sink);
            return Some(c.into());
        }
        program.raw.push(c);
        if let Passed::Over(block) = passed {
            if block == Block::Follows && program.block.is_none() {
                program.block = Some(program.indent);
            }
            program.show_raw(sink);
            program.next();
        }
        None
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

    /// What is read is a call, whatever follows.
    fn commit_code_call(&mut self, sink: &mut impl FnMut(Event<'_>)) {
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
    fn complete_code_call(&mut self, sink: &mut impl FnMut(Event<'_>)) {
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
    fn end_code_call(&mut self, sink: &mut impl FnMut(Event<'_>)) {
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

    /// The answer was cut off in a call.
    fn cut_code_call(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if matches!(&self.state, State::Program(program) if !program.call.ready) {
            self.commit_code_call(sink);
        }
        let State::Program(mut program) = std::mem::replace(&mut self.state, State::Closed) else { return };
        flush(&mut program.call, sink);
        self.count(&program.call);
        self.ending.truncated = true;
    }
}

/// What stands before the code on a fence's first line, and the code.
fn at_code(line: &str) -> (&str, &str) {
    let start = line.len() - line.trim_ascii_start().len();
    let word = line.get(start..).unwrap_or_default().find(|c: char| !c.is_alphanumeric()).map(|length| start + length);
    // One word before a name is what the code is written in.
    let is_code =
        |at: &usize| line.get(*at..).is_some_and(|rest| rest.starts_with([' ', '\t']) && !rest.trim_ascii().is_empty());
    line.split_at_checked(word.filter(is_code).unwrap_or(start)).unwrap_or_default()
}
