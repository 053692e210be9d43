//! Parameters in tags, their values raw text: `<function=NAME><parameter=KEY>VALUE</parameter></function>`.
//! The text has no types: the tool's schema says what a value is (decisions about that are in `value`).
//!
//! ```text
//!   Header -> Name -> Between -> Key -> Value -> Closed -> Key | complete
//!                        ^                 ^-------+ (the closer was data)
//! ```

mod value;

use crate::dialect::{Dialect, Payload, TaggedSpec, ValueEnd};
use crate::json::repair::{Completion, Ended};
use crate::json::{escape_into, is_plain, write_string};
use crate::scan::Cursor;
use crate::schema::Node;

use crate::decode::call::{Call, Context, Named, Verdict};
use crate::decode::expect::{Expect, Expected};
use value::Value;

#[derive(Debug, Default)]
pub(in crate::decode) struct Reader {
    state: State,
    expect: Expect,
    word: String,
    /// Parameters whose key was written to the arguments.
    written: usize,
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
    Value {
        value: Value,
        cursor: Cursor,
        /// Nothing of the value was read, so a newline is the dialect's.
        fresh: Fresh,
    },
    /// A value's closer was read: it was one if markup follows.
    Closed {
        value: Value,
        marker: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fresh {
    Yes,
    No,
}

/// What may stand where a parameter ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Markup {
    Key,
    End,
}

impl Reader {
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let Payload::Tagged(spec) = &cx.dialect.spec().payload else { return Verdict::Reject(0) };
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if let State::Value { .. } = self.state {
                match self.value(rest, cx, call) {
                    Ok(read) => at += read,
                    Err(read) => return self.complete(at + read, cx, call),
                }
                continue;
            }
            let Some(c) = rest.chars().next() else { break };
            at += c.len_utf8();
            call.examined += c.len_utf8();
            match self.character(c, spec, cx, call) {
                Step::Read => {}
                Step::Complete => return self.complete(at, cx, call),
                Step::Reject => return Verdict::Reject(at),
            }
        }
        Verdict::More
    }

    pub(super) fn is_plain(&self, text: &str, dialect: &Dialect) -> bool {
        match (&self.state, &dialect.tables().value) {
            (State::Value { value, cursor, fresh: Fresh::No }, Some(table)) => {
                value.is_string() && is_plain(text) && table.markers.is_clear(*cursor, text)
            }
            _ => false,
        }
    }

    fn character(&mut self, c: char, spec: &TaggedSpec, cx: &Context<'_>, call: &mut Call) -> Step {
        let [name_open, name_close] = &spec.name;
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
            State::Key => self.key(c, spec, cx, call),
            State::Between | State::Closed { .. } => self.markup(c, spec, cx, call),
            State::Value { .. } => Step::Read,
        }
    }

    fn key(&mut self, c: char, spec: &TaggedSpec, cx: &Context<'_>, call: &mut Call) -> Step {
        let [_, key_close] = &spec.key;
        self.word.push(c);
        let key = match self.word.strip_suffix(key_close.as_str()) {
            Some(key) => key.trim().to_string(),
            // A key that never ends is one, and what follows is its value.
            None if self.word.len() > cx.limits.pending_bytes_max => self.word.clone(),
            None => return Step::Read,
        };
        self.word.clear();
        let (root, tool) = (call.tool(cx).map_or(Node::ANY, crate::schema::Tool::root), call.tool(cx));
        let declared = tool.is_some_and(|tool| tool.declares(root, &key));
        let value = if self.written == 0 && key == "arguments" && !declared {
            Value::whole()
        } else {
            self.write_key(&key, call);
            Value::new(tool.map_or(crate::json::Kinds::NONE, |tool| tool.kinds(tool.property(root, &key))))
        };
        let Some(table) = &cx.dialect.tables().value else { return Step::Reject };
        self.state = State::Value { value, cursor: table.markers.start(), fresh: Fresh::Yes };
        Step::Read
    }

    fn write_key(&mut self, key: &str, call: &mut Call) {
        call.arguments.push(if self.written == 0 { '{' } else { ',' });
        write_string(key, &mut call.arguments);
        call.arguments.push(':');
        self.written += 1;
        call.ready = true;
    }

    /// Reads a value's text. The error is that the call ended, after so many bytes.
    fn value(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Result<usize, usize> {
        let State::Value { value, cursor, fresh } = &mut self.state else { return Ok(0) };
        let Some(table) = &cx.dialect.tables().value else { return Err(0) };
        let (markers, mut rest) = (&table.markers, text);
        if *fresh == Fresh::Yes {
            *fresh = Fresh::No;
            if let Some(after) = rest.strip_prefix('\n') {
                // The newline may be the dialect's own, and it may begin a closer with one before it.
                rest = after;
            }
        }
        let step = markers.step(cursor, rest);
        value.push(step.released, cx, call);
        value.push(step.text, cx, call);
        let long = value.is_whole() && value.held() > cx.limits.pending_bytes_max / 2;
        let kept = if long { value.become_string() } else { String::new() };
        if long {
            // Too long to wait for its end: it is an ordinary string.
            self.write_key("arguments", call);
            call.arguments.push('"');
            escape_into(&kept, &mut call.arguments);
        }
        let read = text.len() - step.rest.len();
        call.examined += read;
        let Some(found) = step.found else { return Ok(read) };
        let end = table.role(found);
        let State::Value { value, .. } = std::mem::take(&mut self.state) else { return Ok(read) };
        if end == Some(ValueEnd::Close) {
            self.state = State::Closed { value, marker: found };
            return Ok(read);
        }
        self.end_value(value, cx, call);
        if end == Some(ValueEnd::NextKey) {
            self.next_key(call);
            return Ok(read);
        }
        Err(read)
    }

    /// After a name or a value's closer: the next parameter, the end, or something that is no markup.
    fn markup(&mut self, c: char, spec: &TaggedSpec, cx: &Context<'_>, call: &mut Call) -> Step {
        let [key_open, _] = &spec.key;
        let ends = &cx.dialect.spec().call.close;
        let candidates = [key_open, &spec.value_close, &spec.close].into_iter().chain(ends).map(String::as_str);
        let markup = match self.expect.push(c, candidates) {
            Expected::More => return Step::Read,
            Expected::Found(0) => Markup::Key,
            // A closer twice is one too many.
            Expected::Found(1) => {
                call.repaired = true;
                return Step::Read;
            }
            Expected::Found(_) => Markup::End,
            Expected::Other => return self.not_markup(cx, call),
        };
        if let State::Closed { value, .. } = std::mem::take(&mut self.state) {
            self.end_value(value, cx, call);
        }
        match markup {
            Markup::End => Step::Complete,
            Markup::Key => {
                self.next_key(call);
                Step::Read
            }
        }
    }

    /// What looked like a value's closer was data, and so was what followed it.
    fn not_markup(&mut self, cx: &Context<'_>, call: &mut Call) -> Step {
        let State::Closed { mut value, marker } = std::mem::take(&mut self.state) else { return Step::Reject };
        let Some(table) = &cx.dialect.tables().value else { return Step::Reject };
        value.push(table.markers.text(marker), cx, call);
        self.state = State::Value { value, cursor: table.markers.start(), fresh: Fresh::No };
        let again = self.expect.take();
        match self.push(&again, cx, call) {
            Verdict::More => Step::Read,
            // Fewer characters than a closer has cannot complete a call.
            Verdict::Complete(_) => Step::Complete,
            Verdict::Reject(_) => Step::Reject,
        }
    }

    fn next_key(&mut self, call: &mut Call) {
        if let Some(text) = self.whole.take() {
            // It was not all of them, so it is one of them.
            self.write_key("arguments", call);
            write_string(&text, &mut call.arguments);
        }
        self.state = State::Key;
    }

    fn end_value(&mut self, value: Value, cx: &Context<'_>, call: &mut Call) {
        self.whole = value.end(cx, call);
    }

    fn complete(&mut self, read: usize, cx: &Context<'_>, call: &mut Call) -> Verdict {
        if let Some(text) = self.whole.take() {
            match value::object(&text, cx) {
                Some(object) => call.arguments.push_str(&object),
                None => {
                    self.write_key("arguments", call);
                    write_string(&text, &mut call.arguments);
                    call.arguments.push('}');
                }
            }
        } else {
            call.arguments.push_str(if self.written == 0 { "{}" } else { "}" });
        }
        call.ready = true;
        Verdict::Complete(read)
    }

    pub(super) fn close(&mut self, cx: &Context<'_>, call: &mut Call) {
        if let State::Value { value, .. } | State::Closed { value, .. } = std::mem::take(&mut self.state) {
            self.end_value(value, cx, call);
        }
        self.complete(0, cx, call);
    }

    pub(super) fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        match std::mem::take(&mut self.state) {
            State::Closed { value, .. } if ended == Ended::ByItself => {
                self.end_value(value, cx, call);
                self.complete(0, cx, call);
                call.repaired = true;
                Completion::Complete
            }
            State::Value { mut value, cursor, .. } => {
                if let Some(table) = &cx.dialect.tables().value {
                    value.push(table.markers.held(cursor), cx, call);
                }
                Completion::Cut
            }
            _ => Completion::Cut,
        }
    }

    pub(super) fn held(&self) -> usize {
        let value = match &self.state {
            State::Value { value, .. } | State::Closed { value, .. } => value.held(),
            _ => 0,
        };
        self.word.len() + self.expect.held() + value
    }
}

/// What one character led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Read,
    Complete,
    Reject,
}
