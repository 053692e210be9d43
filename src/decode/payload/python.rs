//! A call as Python writes it, `f(a=1, b='x')`, in a list or alone: keyword arguments, and positional ones by the order
//! of the tool's schema. Reads literals and no expressions: what JSON cannot say is no call before the commit point, and
//! a string of its source behind it. Between markers a call may stand in a statement, as models write it that run their
//! code: `print(f())`, `x = f()`, `await f()`.
//!
//! ```text
//!   Start -> Name -> Argument -> (Word -> Gap ->) Value -> AfterValue -> Argument … complete
//! ```
//!
//! What stands in a value is read in `value`, strings in `text`, what JSON cannot say in `source`. Where a string ends,
//! what follows its quote decides (`quote`), since models do not escape quotes as they should; one that lacks its quote
//! ends before the next call (`tail`).

mod quote;
mod source;
mod tail;
mod text;
mod value;

use crate::decode::call::{Call, Context, Named, Patience, Verdict, Wrapped};
use crate::json::repair::{Completion, Ended, Mode};
use crate::json::{string, write_string};
use crate::python::{Text, is_word};
use crate::schema::Tool;

use tail::Tail;
use value::Frame;

/// One call, being read.
#[derive(Debug, Default)]
pub(in crate::decode) struct Reader {
    state: State,
    /// A name, a literal, or the source of what is none, as far as it was read.
    word: String,
    /// The key of a dict that is being read, as JSON.
    key: String,
    /// The containers that are open.
    frames: Vec<Frame>,
    /// What may stand behind the string or the source that is being read.
    tail: Tail,
    /// Arguments that were begun, and those of them that had no keyword.
    written: usize,
    positional: usize,
    given: Given,
}

/// How the arguments are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Given {
    /// One by one, and the next has no key yet.
    #[default]
    Unnamed,
    /// One by one, and the current one's key is written.
    Named,
    /// A dict stands first, which may be all of them.
    Perhaps,
    /// As one dict that is all of them.
    Whole,
}

#[derive(Debug, Default)]
enum State {
    /// The name, behind whitespace and a list's opener.
    #[default]
    Start,
    Name,
    /// An argument, or the call's closer.
    Argument,
    /// A keyword, or a value without quotes.
    Word,
    /// Behind such a word at an argument's beginning, which is a keyword if an equals sign follows.
    Gap,
    Value,
    /// Behind the quote that opens a string.
    Opening(Text),
    /// Behind two of them: the string is empty, or has three quotes.
    Opened(Text),
    Text(Text),
    /// What follows a quote, which decides whether it closed the string.
    Quote(Text, String),
    AfterValue,
    /// The source of what JSON cannot say, in so many brackets.
    Source(u32),
    /// The same, too long to be kept.
    LongSource(u32),
}

/// What one character led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Read,
    /// The state changed; the character is to be looked at again.
    Again,
    Complete,
    /// The call is complete without the character.
    CompleteBefore,
    Reject,
}

/// A longer name is none.
const NAME_BYTES_MAX: usize = 256;

impl Reader {
    /// A reader of a call. One that has a name already begins behind it.
    pub(super) fn new(call: &Call) -> Self {
        let state = if call.has_name() == Named::Tool { State::Name } else { State::Start };
        Self { state, ..Self::default() }
    }

    /// Reads on. What becomes known of the call goes into `call`.
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        match self.read(text, cx, call) {
            (_, Step::Read | Step::Again) => Verdict::More,
            (read, Step::Complete | Step::CompleteBefore) => Verdict::Complete(read),
            (read, Step::Reject) => Verdict::Reject(read),
        }
    }

    /// Reads on, to the call's end at most.
    fn read(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Step) {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let run = self.run(rest, cx, call);
            if run > 0 {
                call.examined += run;
                at += run;
                self.note_source(rest.get(..run).unwrap_or_default());
                continue;
            }
            let Some(c) = rest.chars().next() else { break };
            call.examined += c.len_utf8();
            let is_ahead = matches!(self.state, State::Quote(..));
            match self.character(c, cx, call) {
                Step::Read => {
                    at += c.len_utf8();
                    // What is read ahead is read again, and what is kept may be none of it.
                    if !is_ahead && self.tail.is_empty() {
                        self.note_source(c.encode_utf8(&mut [0; 4]));
                        self.bound_key(cx, call);
                    }
                }
                Step::Again => {}
                Step::CompleteBefore => return (at, Step::Complete),
                step => return (at + c.len_utf8(), step),
            }
        }
        (at, Step::Read)
    }

    /// Reads text that was looked at ahead. What of it stands behind the call comes after the call.
    fn replay(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Step {
        let (read, step) = self.read(text, cx, call);
        if step == Step::Complete {
            call.again.push_str(text.get(read..).unwrap_or_default());
        }
        step
    }

    fn character(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        match &self.state {
            State::Start => self.start(c, call),
            State::Name => self.name(c, cx, call),
            State::Argument => self.argument(c, cx, call),
            State::Word => self.word(c, cx, call),
            State::Gap => self.gap(c, cx, call),
            State::Value => self.value(c, cx, call),
            State::Opening(_) | State::Opened(_) => self.opening(c, call),
            State::Text(_) => self.text(c, cx, call),
            State::Quote(..) => self.quote(c, cx, call),
            State::AfterValue => self.after_value(c, cx, call),
            State::Source(_) | State::LongSource(_) => self.source(c, cx, call),
        }
    }

    fn start(&mut self, c: char, call: &mut Call) -> Step {
        match c {
            '[' if !call.listed => {
                call.listed = true;
                Step::Read
            }
            c if c.is_ascii_whitespace() => Step::Read,
            c if begins_name(c) || c.is_ascii_digit() => {
                self.state = State::Name;
                Step::Again
            }
            _ => Step::Reject,
        }
    }

    fn name(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        let has_blank = self.word.ends_with(' ');
        match c {
            _ if cx.wrapped == Wrapped::Yes && self.leads(c, cx, call) => {
                self.word.clear();
                self.state = State::Start;
                if begins_name(c) { Step::Again } else { Step::Read }
            }
            '(' => {
                let name = std::mem::take(&mut self.word);
                let is_named = name.is_empty() && call.has_name() == Named::Tool;
                if !is_named && call.named(name.trim_end(), cx) == Named::Nothing {
                    return Step::Reject;
                }
                self.state = State::Argument;
                Step::Read
            }
            c if c.is_ascii_whitespace() => {
                if !has_blank && !self.word.is_empty() {
                    self.word.push(' ');
                }
                Step::Read
            }
            c if in_name(c) && !has_blank && self.word.len() < NAME_BYTES_MAX => {
                self.word.push(c);
                Step::Read
            }
            _ => Step::Reject,
        }
    }

    /// Whether what was read and `c` are a statement's own, and the call follows: the name that it assigns to, `await`, or
    /// `print`, which holds a list of calls.
    fn leads(&self, c: char, cx: &Context<'_>, call: &mut Call) -> bool {
        match (c, self.word.trim_end()) {
            ('(', "print") if !call.listed && cx.tools.find("print").is_none() => {
                call.listed = true;
                true
            }
            ('=', name) => is_word(name),
            (c, "await") => self.word.ends_with(' ') && begins_name(c),
            _ => false,
        }
    }

    /// An argument's beginning, or the end of the call.
    fn argument(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        match c {
            ')' => self.end_call(call),
            ',' => Step::Read,
            c if c.is_ascii_whitespace() => Step::Read,
            c if begins_name(c) => {
                self.state = State::Word;
                Step::Again
            }
            '{' if self.written == 0 => {
                self.given = Given::Perhaps;
                self.state = State::Value;
                Step::Again
            }
            _ if self.is_before_closer(c, call, cx) => self.end_early(call),
            ']' | '}' | ':' | '=' => self.unsound(c, cx, call),
            _ => self.begin_positional(cx, call),
        }
    }

    /// Behind a word that may be a keyword.
    fn gap(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        match c {
            c if c.is_ascii_whitespace() => Step::Read,
            '=' => {
                self.keyword(call);
                Step::Read
            }
            _ => self.end_word(cx, call),
        }
    }

    /// The word is a keyword, whose value follows.
    fn keyword(&mut self, call: &mut Call) {
        let key = std::mem::take(&mut self.word);
        self.write_key(&key, call);
        self.state = State::Value;
    }

    /// A value that no keyword names: the schema's order does.
    fn begin_positional(&mut self, cx: &Context<'_>, call: &mut Call) -> Step {
        let key = call.tool(cx).and_then(|tool| tool.nth(self.positional)).map(str::to_string);
        let Some(key) = key.or_else(|| (call.mode(cx) == Mode::Total).then(|| self.positional.to_string())) else {
            return Step::Reject;
        };
        self.positional += 1;
        self.write_key(&key, call);
        self.state = State::Value;
        Step::Again
    }

    /// Decides what a dict is that stands first, by its first key: all of the arguments where the tool has such a one.
    fn decide_whole(&mut self, cx: &Context<'_>, call: &mut Call) {
        if self.given != Given::Perhaps {
            return;
        }
        let key = string(&self.key);
        let declares = |tool: &&Tool| key.as_ref().is_some_and(|key| tool.declares(tool.root(), key));
        let first = call.tool(cx).filter(|tool| !declares(tool)).and_then(|tool| tool.nth(0)).map(str::to_string);
        match first {
            Some(first) => {
                self.positional += 1;
                self.write_key(&first, call);
            }
            None => self.given = Given::Whole,
        }
    }

    fn write_key(&mut self, key: &str, call: &mut Call) {
        call.arguments.push(if self.written == 0 { '{' } else { ',' });
        write_string(key, &mut call.arguments);
        call.arguments.push(':');
        self.written += 1;
        self.given = Given::Named;
    }

    fn end_call(&mut self, call: &mut Call) -> Step {
        if !matches!(self.given, Given::Whole | Given::Perhaps) {
            call.arguments.push_str(if self.written == 0 { "{}" } else { "}" });
        }
        call.ready = true;
        Step::Complete
    }

    /// The call lacks its closer.
    fn end_early(&mut self, call: &mut Call) -> Step {
        call.repaired = true;
        while !self.frames.is_empty() {
            self.close_frame(call);
        }
        self.end_call(call);
        Step::CompleteBefore
    }

    /// Whether `c` closes what stands around a call whose own closer was forgotten.
    fn is_before_closer(&self, c: char, call: &Call, cx: &Context<'_>) -> bool {
        let closes = |closer: &String| closer.starts_with(c);
        let is_list = c == ']' && call.listed && self.frames.is_empty();
        is_list || (!c.is_alphanumeric() && cx.dialect.tables().wrapper_closers.iter().any(closes))
    }

    /// Generation ended: whether the arguments are whole.
    pub(super) fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        self.quote_is_own(cx, call);
        if let State::Quote(..) = self.state {
            self.end_text(call);
        }
        let is_mended = ended == Ended::ByItself && call.mode(cx) == Mode::Total;
        if is_mended && self.tail.is_closed() {
            self.end_before_tail(call);
            return Completion::Complete;
        }
        self.tail_is_data(cx, call);
        let is_whole = matches!(self.state, State::AfterValue | State::Argument) && call.ready;
        if !is_whole || ended == Ended::Cut || cx.patience == Patience::SoundOnly {
            return Completion::Cut;
        }
        self.close(call);
        Completion::Complete
    }

    /// The call ends here, whatever is open.
    pub(super) fn close(&mut self, call: &mut Call) {
        call.repaired = true;
        match std::mem::take(&mut self.state) {
            State::Text(_) | State::Quote(..) | State::Opening(_) | State::Opened(_) => self.end_text(call),
            State::LongSource(_) => self.out(call).push('"'),
            State::Word | State::Source(_) if self.given == Given::Named => {
                self.begin(call);
                let word = std::mem::take(&mut self.word);
                write_string(word.trim(), self.out(call));
            }
            State::Value => self.write_null(call),
            _ => {}
        }
        while !self.frames.is_empty() {
            self.close_frame(call);
        }
        self.end_call(call);
    }

    /// Bytes read and not yet decided.
    pub(super) fn held(&self) -> usize {
        let ahead = if let State::Quote(_, ahead) = &self.state { ahead.len() } else { 0 };
        self.word.len() + self.key.len() + self.tail.len() + ahead + self.frames.last().map_or(0, Frame::held)
    }
}

fn begins_name(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn in_name(c: char) -> bool {
    matches!(c, '_' | '.' | '-') || c.is_alphanumeric()
}
