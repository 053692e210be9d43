//! One statement of code: what it begins with, what it assigns to, and the calls in it.

use super::arguments::{self, Arguments};
use super::extent::{Extent, Part};
use super::scope::Scope;
use crate::decode::call::{Call, Context, Named};
use crate::json::repair::{Completion, Ended};
use crate::python::{self, Value};

/// One statement, being read.
#[derive(Debug, Default)]
pub(in crate::decode) struct Statement {
    state: State,
    word: String,
    /// The name that it assigns to.
    target: Option<String>,
    /// The source of what is assigned, or of what stands beside a call.
    source: String,
    extent: Extent,
    /// `print(` was opened so often.
    prints: usize,
    arguments: Arguments,
    /// There was a call in it, or it says what came of one.
    has_call: bool,
    /// A call was read in it to its end.
    is_whole: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Comment,
    Word,
    BehindWord,
    /// A target's type.
    Type,
    /// Behind the equals sign.
    Assigned,
    /// A value that is no call.
    Value,
    Import,
    /// An argument of `print` that is no call.
    Printed,
    Arguments,
    BehindCall,
    /// What is done with a call's result.
    Trailer,
}

/// What one character led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) enum Step {
    Read,
    /// The statement is over with it, and is no call: an assignment, or what does nothing.
    Assigned,
    Nothing,
    /// A call is over with it, and the statement goes on.
    Next,
    /// The statement is over before it, and there was a call in it.
    Ended,
    /// The same; the closer of the fence around both was read.
    Broken,
    /// It is none of this.
    Other,
}

/// How a statement ends with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) enum Last {
    Call,
    /// A call that was cut off.
    CutCall,
    Assigned,
    Nothing,
    Other,
}

/// A longer word is no name.
const NAME_BYTES_MAX: usize = 256;

impl Statement {
    /// How many bytes of `text` are more of an argument that is text, which are written.
    pub(in crate::decode) fn run(&mut self, text: &str, call: &mut Call) -> usize {
        if self.state == State::Arguments { self.arguments.run(text, call) } else { 0 }
    }

    /// Takes one character.
    pub(in crate::decode) fn push(&mut self, c: char, scope: &mut Scope, cx: &Context<'_>, call: &mut Call) -> Step {
        loop {
            let step = self.step(c, scope, cx, call);
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// The same. `None`: the state changed, and the character is to be looked at again.
    fn step(&mut self, c: char, scope: &mut Scope, cx: &Context<'_>, call: &mut Call) -> Option<Step> {
        match self.state {
            State::Start => self.start(c),
            State::Comment if c == '\n' && self.prints > 0 => self.go_to(State::Start),
            State::Comment if c == '\n' => Some(if self.has_call { Step::Ended } else { Step::Nothing }),
            State::Comment => Some(Step::Read),
            State::Word => self.word(c),
            State::BehindWord => self.behind_word(c, cx, call),
            State::Type => self.type_of_target(c),
            State::Assigned if c.is_ascii_whitespace() && c != '\n' => Some(Step::Read),
            State::Assigned if c == '=' => Some(Step::Other),
            State::Assigned if begins_word(c) => self.go_to(State::Word),
            State::Assigned => self.go_to(State::Value),
            State::Value | State::Import => self.value(c, scope, cx),
            State::Printed => self.printed(c, scope),
            State::Arguments => self.arguments(c, scope, cx, call),
            State::BehindCall => self.behind_call(c),
            State::Trailer => self.trailer(c),
        }
    }

    fn go_to(&mut self, state: State) -> Option<Step> {
        self.state = state;
        None
    }

    fn start(&mut self, c: char) -> Option<Step> {
        match c {
            '\n' | ';' if self.prints == 0 => Some(if self.has_call { Step::Ended } else { Step::Nothing }),
            c if c.is_ascii_whitespace() => Some(Step::Read),
            '#' => {
                self.state = State::Comment;
                Some(Step::Read)
            }
            c if begins_word(c) => self.go_to(State::Word),
            _ if self.prints > 0 => self.go_to(State::Printed),
            _ => Some(Step::Other),
        }
    }

    fn word(&mut self, c: char) -> Option<Step> {
        if !(c == '_' || c == '.' || c.is_alphanumeric()) {
            return self.go_to(State::BehindWord);
        }
        self.word.push(c);
        Some(if self.word.len() > NAME_BYTES_MAX { Step::Other } else { Step::Read })
    }

    /// Behind a word, which is the name of a tool, a target, or what a value begins with.
    fn behind_word(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Option<Step> {
        let is_free = self.target.is_none() && self.prints == 0;
        match c {
            ' ' | '\t' if !self.word.is_empty() => {
                self.source.push(c);
                Some(Step::Read)
            }
            '(' if self.names_tool(cx, call) => {
                self.state = State::Arguments;
                self.arguments = Arguments::default();
                self.clear();
                Some(Step::Read)
            }
            '(' if self.word == "print" && self.target.is_none() => {
                self.prints += 1;
                self.clear();
                self.state = State::Start;
                Some(Step::Read)
            }
            c if self.word == "await" && !self.source.is_empty() && begins_word(c) => {
                self.clear();
                self.go_to(State::Word)
            }
            _ if is_free && matches!(self.word.as_str(), "import" | "from") && !self.source.is_empty() => {
                self.go_to(State::Import)
            }
            '=' | ':' if is_free && python::is_word(&self.word) => {
                self.target = Some(std::mem::take(&mut self.word));
                self.clear();
                self.state = if c == '=' { State::Assigned } else { State::Type };
                Some(Step::Read)
            }
            _ if self.prints > 0 => {
                self.feed();
                self.go_to(State::Printed)
            }
            _ if self.target.is_some() => {
                self.feed();
                self.go_to(State::Value)
            }
            _ => Some(Step::Other),
        }
    }

    /// What was read of a word begins a value.
    fn feed(&mut self) {
        self.source.insert_str(0, &std::mem::take(&mut self.word));
        for c in self.source.chars() {
            self.extent.push(c);
        }
    }

    fn clear(&mut self) {
        self.word.clear();
        self.source.clear();
        self.extent = Extent::default();
    }

    /// Whether the word names a tool, which is called then.
    fn names_tool(&self, cx: &Context<'_>, call: &mut Call) -> bool {
        if self.word == "print" && cx.tools.find("print").is_none() {
            return false;
        }
        let name = cx.tools.function(&self.word).map_or(self.word.as_str(), |tool| &tool.name);
        call.named(name, cx) == Named::Tool
    }

    fn type_of_target(&mut self, c: char) -> Option<Step> {
        self.source.push(c);
        if self.source.len() > NAME_BYTES_MAX {
            return Some(Step::Other);
        }
        let part = self.extent.push(c);
        if part == Part::Outside && c == '=' {
            self.clear();
            self.state = State::Assigned;
            return Some(Step::Read);
        }
        // Types are names, with brackets behind them.
        let is_apart = self.source.trim().contains(' ') && part == Part::Outside && !matches!(c, ' ' | '|');
        let is_type = part != Part::Closer && !matches!(c, '\n' | '(' | '{' | '#' | ';') && !is_apart;
        Some(if is_type { Step::Read } else { Step::Other })
    }

    /// A value that is assigned, or what is imported, to the statement's end.
    fn value(&mut self, c: char, scope: &mut Scope, cx: &Context<'_>) -> Option<Step> {
        let is_end = match self.extent.push(c) {
            Part::Outside => matches!(c, '\n' | ';'),
            Part::Closer => return Some(Step::Other),
            Part::Inside => false,
        };
        if !is_end {
            self.source.push(c);
            return Some(Step::Read);
        }
        Some(self.end_value(scope, cx))
    }

    fn end_value(&mut self, scope: &mut Scope, cx: &Context<'_>) -> Step {
        if self.state == State::Import {
            return Step::Nothing;
        }
        match (self.target.take(), self.read(scope, cx)) {
            (Some(name), Some(value)) => {
                scope.assign(name, value);
                Step::Assigned
            }
            _ => Step::Other,
        }
    }

    fn read(&self, scope: &mut Scope, cx: &Context<'_>) -> Option<Value> {
        python::read(self.source.trim(), &mut scope.variables, cx.limits.depth_max)
    }

    /// An argument of `print` that is no call. What is made of a call's result says nothing.
    fn printed(&mut self, c: char, scope: &Scope) -> Option<Step> {
        match self.extent.push(c) {
            Part::Outside if c == ',' => {
                self.has_call |= scope.has_result(&self.source);
                self.clear();
                self.state = State::Start;
            }
            Part::Closer if c == ')' => {
                self.has_call |= scope.has_result(&self.source);
                self.clear();
                self.prints -= 1;
                self.state = State::BehindCall;
                if !self.has_call && self.prints == 0 {
                    return Some(Step::Other);
                }
            }
            Part::Closer => return Some(Step::Other),
            Part::Outside | Part::Inside => self.source.push(c),
        }
        Some(Step::Read)
    }

    fn arguments(&mut self, c: char, scope: &mut Scope, cx: &Context<'_>, call: &mut Call) -> Option<Step> {
        match self.arguments.push(c, &mut scope.variables, cx, call) {
            arguments::Step::Read => Some(Step::Read),
            arguments::Step::Again => None,
            arguments::Step::Reject => Some(Step::Other),
            arguments::Step::Broken => Some(Step::Broken),
            arguments::Step::Complete => {
                self.end_call(scope);
                Some(Step::Read)
            }
            arguments::Step::Unclosed => {
                self.end_call(scope);
                None
            }
        }
    }

    fn end_call(&mut self, scope: &mut Scope) {
        self.state = State::BehindCall;
        (self.has_call, self.is_whole) = (true, true);
        if let Some(name) = self.target.take() {
            scope.assign_result(name);
        }
    }

    /// Behind a call's parenthesis.
    fn behind_call(&mut self, c: char) -> Option<Step> {
        match c {
            ')' if self.prints > 0 => self.prints -= 1,
            ',' => {
                self.state = State::Start;
                return Some(if std::mem::take(&mut self.is_whole) { Step::Next } else { Step::Read });
            }
            '.' | '[' => return self.go_to(State::Trailer),
            '#' => self.state = State::Comment,
            ' ' | '\t' | '\r' => {}
            c if c.is_ascii_whitespace() && self.prints > 0 => {}
            '\n' | ';' | '`' => return Some(Step::Ended),
            _ => return Some(Step::Other),
        }
        Some(Step::Read)
    }

    /// An attribute or an item of a call's result, and so on.
    fn trailer(&mut self, c: char) -> Option<Step> {
        match self.extent.push(c) {
            Part::Outside if matches!(c, '\n' | ';' | ',' | '`') => {
                self.clear();
                self.go_to(State::BehindCall)
            }
            Part::Closer => {
                self.clear();
                self.go_to(State::BehindCall)
            }
            Part::Outside | Part::Inside => Some(Step::Read),
        }
    }
}

impl Statement {
    /// The answer ended.
    pub(in crate::decode) fn finish(
        &mut self,
        ended: Ended,
        scope: &mut Scope,
        cx: &Context<'_>,
        call: &mut Call,
    ) -> Last {
        match self.state {
            _ if self.is_whole => Last::Call,
            State::Arguments => match self.arguments.finish(ended, &mut scope.variables, cx, call) {
                Completion::Complete => {
                    self.end_call(scope);
                    Last::Call
                }
                Completion::Cut if call.ready || self.arguments.is_begun() => Last::CutCall,
                Completion::Cut => Last::Other,
            },
            State::Start | State::Comment | State::Import => Last::Nothing,
            State::Value if self.read(scope, cx).is_some() => Last::Assigned,
            _ => Last::Other,
        }
    }

    /// Whether a call is whole, and not taken yet.
    pub(in crate::decode) fn has_whole_call(&self) -> bool {
        self.is_whole
    }

    /// Whether a call can be told from anything else, and goes on.
    pub(in crate::decode) fn is_calling(&self) -> bool {
        self.state == State::Arguments && self.arguments.is_begun()
    }

    /// Bytes that are kept.
    pub(in crate::decode) fn held(&self) -> usize {
        self.source.len() + self.word.len() + self.arguments.held()
    }
}

/// Whether a word may begin so.
pub(in crate::decode) fn begins_word(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}
