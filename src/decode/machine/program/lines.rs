//! Lines of code: a fence's first one, its closer, what stands before a statement, and statements that are text.

use super::{Fence, Kind, Line};
use crate::decode::Event;
use crate::decode::call::Call;
use crate::decode::code::{Block, Passage, Passed, Statement};
use crate::decode::machine::{Decoder, State};

/// So many backticks make a fence.
const FENCE_MIN: usize = 3;
/// A longer first line is none of a fence.
const OPENER_BYTES_MAX: usize = 128;

impl Decoder {
    /// The rest of a fence's first line, on which code may stand already.
    pub(super) fn step_opener(&mut self, c: char, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
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
            _ => {
                // A code span; what it closes with opens nothing.
                let is_span = c == '`' && program.raw.ends_with("``");
                program.raw.push(c);
                if is_span || program.raw.len() > OPENER_BYTES_MAX {
                    self.release_code(sink);
                }
                None
            }
        }
    }

    /// Behind backticks that a line of the fence begins with.
    pub(super) fn end_ticks(&mut self, ticks: usize, c: char, sink: &mut impl FnMut(Event<'_>)) -> String {
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
            self.release_code(sink);
            return c.into();
        }
        self.release_statement(sink) + c.encode_utf8(&mut [0; 4])
    }

    /// Where a line begins.
    pub(super) fn step_indent(&mut self, c: char, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let State::Program(program) = &mut self.state else { return None };
        match c {
            // No fence is open that it could close.
            '`' if program.fence == Fence::None => {
                self.release_code(sink);
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

    /// More of a statement that is text.
    pub(super) fn step_passage(&mut self, c: char, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
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

    /// The statement is text: what is to be read again as such. With no fence around it, so is all that follows.
    pub(super) fn release_statement(&mut self, sink: &mut impl FnMut(Event<'_>)) -> String {
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

    /// What was read is text, and so is what follows.
    fn release_code(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let State::Program(program) = &mut self.state {
            program.show_held(sink);
            program.show_raw(sink);
        }
        self.leave_code();
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
