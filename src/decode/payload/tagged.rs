//! Parameters in tags, their values raw text: `<function=NAME><parameter=KEY>VALUE</parameter></function>`.
//! The text has no types: the tool's schema says what a value is (`value`). Markup in it is data (`ends`).
//!
//! ```text
//!   Header -> Name -> Between -> Key -> Value -> Key | complete
//!                        | a JSON object stands there
//!                        +-> Object -> Behind -> complete
//! ```

mod ends;
mod hold;
mod value;

use std::collections::HashSet;
use std::sync::Arc;

use crate::dialect::Tagged;
use crate::json::repair::{Completion, Ended, Progress, Repair, Skimmed, Syntax, Untyped};
use crate::json::{Kinds, escape_into, is_plain, write_string};
use crate::schema::{Node, Tool};

use crate::decode::call::{Call, Context, Named, Verdict, Wrapped, json_syntax};
use crate::decode::expect::{Expect, Expected};
use ends::{Around, End, Ends};
use value::Value;

/// One call, being read.
#[derive(Debug)]
pub(in crate::decode) struct Reader {
    form: Arc<Tagged>,
    state: State,
    expect: Expect,
    word: String,
    /// Parameters whose key was written to the arguments, and those of them that the tool declares.
    written: usize,
    given: HashSet<String>,
    /// The parameter called `arguments` that may be all of them.
    whole: Option<String>,
}

#[derive(Debug, Default)]
enum State {
    /// What stands before the name.
    #[default]
    Header,
    Name,
    /// The first parameter, or the end.
    Between,
    Key,
    Value(Box<Open>),
    /// All arguments as a JSON object, in the parameters' place.
    Object(Box<Repair<()>>),
    /// Behind such an object.
    Behind,
}

/// A value that is being read.
#[derive(Debug)]
struct Open {
    value: Value,
    ends: Ends,
}

/// What one character led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Read,
    Complete,
    Reject,
}

impl Reader {
    /// A reader of a call. One that has a name already begins behind it.
    pub(super) fn new(form: Arc<Tagged>, call: &Call) -> Self {
        let state = if call.has_name() == Named::Tool { State::Between } else { State::Header };
        let (expect, word) = (Expect::default(), String::new());
        Self { form, state, expect, word, written: 0, given: HashSet::new(), whole: None }
    }

    /// Reads on. What becomes known of the call goes into `call`.
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let bulk = match &self.state {
                State::Value(_) => self.value(rest, cx, call),
                State::Object(_) => self.object(rest, cx, call),
                _ => {
                    let Some(c) = rest.chars().next() else { break };
                    call.examined += c.len_utf8();
                    (c.len_utf8(), self.character(c, cx, call))
                }
            };
            at += bulk.0;
            match bulk.1 {
                Step::Read => {}
                Step::Complete => return self.complete(at, call, cx),
                Step::Reject => return Verdict::Reject(at),
            }
        }
        Verdict::More
    }

    /// Reads `text` if nothing in it has to be decided.
    pub(super) fn skim(&self, text: &str) -> Skimmed {
        let State::Value(open) = &self.state else { return Skimmed::No };
        let is_clear = |cursor| self.form.value.markers.is_clear(cursor, text);
        let is_data = open.value.is_string() && is_plain(text) && open.ends.is_clear().is_some_and(is_clear);
        if is_data { Skimmed::Data } else { Skimmed::No }
    }

    fn character(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        let [name_open, name_close] = &self.form.spec.name;
        match self.state {
            State::Header => match self.expect.push(c, [name_open.as_str()].into_iter()) {
                Expected::More => Step::Read,
                Expected::Other => Step::Reject,
                Expected::Found(_) => {
                    self.state = State::Name;
                    Step::Read
                }
            },
            State::Name => {
                self.word.push(c);
                let Some(name) = self.word.strip_suffix(name_close.as_str()) else {
                    return if matches!(c, '\n' | '<') { Step::Reject } else { Step::Read };
                };
                if call.named(name.trim(), cx) == Named::Nothing {
                    return Step::Reject;
                }
                self.word.clear();
                self.state = State::Between;
                Step::Read
            }
            State::Key => self.key(c, cx, call),
            State::Between => self.between(c, cx, call),
            State::Behind => self.behind(c, call),
            State::Value(_) | State::Object(_) => Step::Read,
        }
    }

    /// After the name: the first parameter, all of them as an object, or the end.
    fn between(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        let spec = &self.form.spec;
        let ([key_open, _], [name_open, _]) = (&spec.key, &spec.name);
        let (ends, openers) = (&self.form.closers, &cx.dialect.spec().call.open);
        // In a wrapper the next call shows that this one is over.
        let next = openers.iter().chain([name_open]).filter(|_| cx.wrapped == Wrapped::Yes);
        let candidates = [key_open, &spec.value_close].into_iter().chain(ends).chain(next).map(String::as_str);
        match self.expect.push(c, candidates.clone()) {
            Expected::More => Step::Read,
            Expected::Found(0) => {
                self.state = State::Key;
                Step::Read
            }
            // A closer with no value before it is one too many.
            Expected::Found(1) => {
                call.repaired = true;
                Step::Read
            }
            Expected::Found(found) => {
                if found >= 2 + ends.len() {
                    call.repaired = true;
                    call.again.extend(candidates.skip(found).take(1));
                }
                Step::Complete
            }
            Expected::Other if c == '{' => {
                drop(candidates);
                self.expect.take();
                self.state = State::Object(Box::new(Repair::new(())));
                self.object("{", cx, call).1
            }
            Expected::Other => Step::Reject,
        }
    }

    /// Reads on in an object that is all of the arguments.
    fn object(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Step) {
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
    fn behind(&mut self, c: char, call: &mut Call) -> Step {
        match self.expect.push(c, self.form.closers.iter().map(String::as_str)) {
            Expected::More => Step::Read,
            Expected::Found(_) => Step::Complete,
            Expected::Other => {
                call.again.push_str(&self.expect.take());
                Step::Complete
            }
        }
    }

    fn key(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        let [_, key_close] = &self.form.spec.key;
        self.word.push(c);
        let key = match self.word.strip_suffix(key_close.as_str()) {
            Some(key) => key.trim().to_string(),
            // A key that never ends is one, and what follows is its value.
            None if self.word.len() > cx.limits.pending_bytes_max => self.word.clone(),
            None => return Step::Read,
        };
        self.word.clear();
        self.begin_value(&key, cx, call)
    }

    fn begin_value(&mut self, key: &str, cx: &Context<'_>, call: &mut Call) -> Step {
        let tool = call.tool(cx);
        let root = tool.map_or(Node::ANY, Tool::root);
        let declared = tool.is_some_and(|tool| tool.declares(root, key));
        if declared {
            self.given.insert(key.to_string());
        }
        let value = if self.written == 0 && key == "arguments" && !declared {
            Value::whole()
        } else {
            self.write_key(key, call);
            let kinds = tool.map_or(Kinds::NONE, |tool| tool.kinds(tool.property(root, key)));
            // A parameter that is declared without a type may be anything.
            Value::new(if declared && kinds.is_empty() { Kinds::EVERY } else { kinds })
        };
        self.state = State::Value(Box::new(Open { value, ends: Ends::new(self.form.value.markers.start()) }));
        Step::Read
    }

    fn write_key(&mut self, key: &str, call: &mut Call) {
        call.arguments.push(if self.written == 0 { '{' } else { ',' });
        write_string(key, &mut call.arguments);
        call.arguments.push(':');
        self.written += 1;
        call.ready = true;
    }

    /// Reads a value's text.
    fn value(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Step) {
        let State::Value(open) = &mut self.state else { return (0, Step::Read) };
        let around = Around { cx, form: &self.form, tool: call.tool(cx), given: &self.given };
        let Open { value, ends } = &mut **open;
        let (read, end) = ends.push(text, &around, &mut |data| value.push(data, cx, call));
        call.examined += read;
        let long = value.is_whole() && value.held() > cx.limits.pending_bytes_max / 2;
        let kept = if long { value.become_string() } else { String::new() };
        if long {
            // Too long to wait for its end: it is an ordinary string.
            self.write_key("arguments", call);
            call.arguments.push('"');
            escape_into(&kept, &mut call.arguments);
        }
        let Some(end) = end else { return (read, Step::Read) };
        self.end_value(cx, call);
        match end {
            End::Call(again) => {
                call.again.push_str(&again);
                (read, Step::Complete)
            }
            End::Key(key) => {
                if let Some(text) = self.whole.take() {
                    // It was not all of them, so it is one of them.
                    self.write_key("arguments", call);
                    write_string(&text, &mut call.arguments);
                }
                (read, self.begin_value(&key, cx, call))
            }
        }
    }

    fn end_value(&mut self, cx: &Context<'_>, call: &mut Call) {
        if let State::Value(open) = std::mem::take(&mut self.state) {
            self.whole = open.value.end(cx, call);
        }
    }

    fn complete(&mut self, read: usize, call: &mut Call, cx: &Context<'_>) -> Verdict {
        if let Some(text) = self.whole.take() {
            match value::object(&text, cx) {
                Some(object) => call.arguments.push_str(&object),
                None => {
                    self.write_key("arguments", call);
                    write_string(&text, &mut call.arguments);
                    call.arguments.push('}');
                }
            }
        } else if !matches!(self.state, State::Behind) {
            call.arguments.push_str(if self.written == 0 { "{}" } else { "}" });
        }
        call.ready = true;
        Verdict::Complete(read)
    }

    /// The call ends here, whatever is open.
    pub(super) fn close(&mut self, cx: &Context<'_>, call: &mut Call) {
        match &mut self.state {
            State::Value(open) => call.leftover.push_str(&open.ends.take_held(&self.form)),
            State::Object(repair) => {
                let syntax = json_syntax(&Untyped, call.mode(cx), cx);
                repair.close(&syntax, &mut call.arguments);
                call.note(repair);
                self.state = State::Behind;
            }
            _ => {}
        }
        self.end_value(cx, call);
        self.complete(0, call, cx);
    }

    /// Generation ended: whether the arguments are whole.
    pub(super) fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        match &mut self.state {
            State::Value(open) => {
                let around = Around { cx, form: &self.form, tool: call.tool(cx), given: &self.given };
                let Open { value, ends } = &mut **open;
                let end = ends.finish(ended, &around, &mut |data| value.push(data, cx, call));
                let Some(End::Call(again)) = end else { return Completion::Cut };
                call.again.push_str(&again);
                self.end_value(cx, call);
                self.complete(0, call, cx);
                Completion::Complete
            }
            State::Object(repair) => {
                let syntax = json_syntax(&Untyped, call.mode(cx), cx);
                let completion = repair.finish(ended, &syntax, &mut call.arguments);
                call.ready |= repair.is_decided();
                call.leftover.push_str(&repair.take_rest());
                call.note(repair);
                completion
            }
            State::Behind => Completion::Complete,
            _ => Completion::Cut,
        }
    }

    /// Bytes read and not yet decided.
    pub(super) fn held(&self) -> usize {
        let value = match &self.state {
            State::Value(open) => open.value.held() + open.ends.held(&self.form),
            State::Object(repair) => repair.held(),
            _ => 0,
        };
        self.word.len() + self.expect.held() + value
    }
}
