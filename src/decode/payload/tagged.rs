//! Parameters in tags, their values raw text: `<function=NAME><parameter=KEY>VALUE</parameter></function>`.
//! The text has no types, or says them behind a key (`tags`); the tool's schema says what a value is (`value`). Markup in
//! it is data (`ends`).
//!
//! ```text
//!   Header -> Name (-> Tag) -> Between -> Key (-> BehindKey -> Type) -> (Cdata ->) Value -> Key | complete
//!                                 | a JSON object stands there
//!                                 +-> Object -> Behind -> complete
//! ```

mod ahead;
mod ends;
mod hold;
mod object;
mod tags;
mod value;

use std::collections::HashSet;
use std::sync::Arc;

use crate::dialect::{BetweenMark, Tagged};
use crate::json::repair::{Completion, Ended, Repair, Skimmed, Untyped};
use crate::json::{Kinds, escape_into, is_plain};
use crate::scan::Cursor;

use crate::decode::call::{Call, Context, Named, Verdict, Wrapped, json_syntax};
use crate::decode::expect::{Expect, Expected};
use crate::decode::payload::members::Members;
use ahead::Ahead;
use ends::{Around, End, Ends};
use tags::Stated;
pub(super) use value::{Outcome, Value};

/// One call, being read.
#[derive(Debug)]
pub(in crate::decode) struct Reader {
    form: Arc<Tagged>,
    state: State,
    expect: Expect,
    word: String,
    /// The current parameter's key, and the type that the text says it has.
    key: String,
    stated: Stated,
    /// Parameters that were written to the arguments, and those that the tool declares.
    members: Members,
    given: HashSet<String>,
    /// The parameter that may be all of the arguments.
    whole: Option<String>,
}

#[derive(Debug, Default)]
enum State {
    /// What stands before the name.
    #[default]
    Header,
    Name,
    /// The rest of the tag that the name stands in.
    Tag,
    /// The first parameter, or the end.
    Between,
    Key,
    /// What stands between a key and its value.
    BehindKey,
    /// The value's type.
    Type,
    /// What may open a value that is all data, and such a value.
    Cdata,
    Data(Box<Open>, Cursor),
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
    /// Behind what may be its end, inside a string of JSON.
    ahead: Ahead,
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
        let state = match call.has_name() {
            Named::Tool => State::Between,
            Named::Nothing if form.spec.name.0.texts().next().is_none() => State::Name,
            Named::Nothing => State::Header,
        };
        Self {
            form,
            state,
            expect: Expect::default(),
            word: String::new(),
            key: String::new(),
            stated: Stated::default(),
            members: Members::default(),
            given: HashSet::new(),
            whole: None,
        }
    }

    /// Reads on. What becomes known of the call goes into `call`.
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        match self.read(text, cx, call) {
            (_, Step::Read) => Verdict::More,
            (read, Step::Complete) => self.complete(read, call, cx),
            (read, Step::Reject) => Verdict::Reject(read),
        }
    }

    /// Reads on, to the call's end at most.
    fn read(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Step) {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (read, step) = match &self.state {
                State::Value(_) => self.value(rest, cx, call),
                State::Data(..) => self.data(rest, cx, call),
                State::Object(_) => self.object(rest, cx, call),
                _ => {
                    let Some(c) = rest.chars().next() else { break };
                    call.examined += c.len_utf8();
                    (c.len_utf8(), self.character(c, cx, call))
                }
            };
            at += read;
            if step != Step::Read {
                return (at, step);
            }
        }
        (at, Step::Read)
    }

    /// Reads text that was kept for something that it is not. What stands behind the call's end comes after the call.
    fn replay(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Step {
        let (read, step) = self.read(text, cx, call);
        if step == Step::Complete {
            call.again.push_str(text.get(read..).unwrap_or_default());
        }
        step
    }

    /// Reads `text` if nothing in it has to be decided.
    pub(super) fn skim(&self, text: &str) -> Skimmed {
        let State::Value(open) = &self.state else { return Skimmed::No };
        let is_clear = |cursor| self.form.value.markers.is_clear(cursor, text);
        let is_data = open.value.is_string() && is_plain(text) && open.ends.is_clear().is_some_and(is_clear);
        if is_data { Skimmed::Data } else { Skimmed::No }
    }

    fn character(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        match self.state {
            State::Header => self.header(c, cx, call),
            State::Name => self.name(c, cx, call),
            State::Tag => self.tag(c),
            State::Between => self.between(c, cx, call),
            State::Key => self.key(c, cx, call),
            State::BehindKey => self.behind_key(c, cx, call),
            State::Type => self.stated(c, cx, call),
            State::Cdata => self.cdata(c, cx, call),
            State::Behind => self.behind(c, call),
            State::Value(_) | State::Data(..) | State::Object(_) => Step::Read,
        }
    }

    /// After the name: the first parameter, all of them as an object, or the end.
    fn between(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        // In a wrapper the next call shows that this one is over.
        let is_awaited = |mark| mark != BetweenMark::Next || cx.wrapped == Wrapped::Yes;
        let marks = self.form.between.iter().filter(|(_, mark)| is_awaited(*mark));
        match self.expect.push(c, marks.map(|(text, _)| text.as_str())) {
            Expected::More => Step::Read,
            Expected::Found(found) => match self.form.between.get(found) {
                Some((_, BetweenMark::Key)) => {
                    self.state = State::Key;
                    Step::Read
                }
                // A closer with nothing before it is one too many.
                Some((_, BetweenMark::Stray)) => {
                    call.repaired = true;
                    Step::Read
                }
                Some((text, BetweenMark::Next)) => {
                    call.repaired = true;
                    call.again.push_str(text);
                    Step::Complete
                }
                Some((_, BetweenMark::Wrapper)) => {
                    call.unwrapped = true;
                    Step::Complete
                }
                Some((_, BetweenMark::Close)) | None => Step::Complete,
            },
            Expected::Other if c == '{' => {
                self.expect.take();
                self.state = State::Object(Box::new(Repair::new(())));
                self.object("{", cx, call).1
            }
            Expected::Other => Step::Reject,
        }
    }

    fn write_own_key(&mut self, call: &mut Call) {
        let key = std::mem::take(&mut self.key);
        self.members.begin(&key, call);
        call.ready = true;
    }

    /// What might have been all of the arguments is one of them.
    fn write_part(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) {
        self.write_own_key(call);
        let mut value = if self.stated == Stated::Json { Value::json(Kinds::NONE) } else { Value::new(Kinds::NONE) };
        value.push(text, cx, call);
        value.end(cx, call);
    }

    /// Reads a value's text.
    fn value(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Step) {
        let State::Value(open) = &mut self.state else { return (0, Step::Read) };
        if open.ahead.is_reading() {
            return self.string(text, cx, call);
        }
        let around = Around { cx, form: &self.form, tool: call.tool(cx), given: &self.given };
        let Open { value, ends, .. } = &mut **open;
        let (read, end) = ends.push(text, &around, &mut |data| value.push(data, cx, call));
        call.examined += read;
        let long = value.is_whole() && value.held() > cx.limits.pending_bytes_max / 2;
        let kept = if long { value.become_string() } else { String::new() };
        if long {
            // Too long to wait for its end: it is an ordinary string.
            self.write_own_key(call);
            call.arguments.push('"');
            escape_into(&kept, &mut call.arguments);
        }
        let Some(end) = end else {
            if let State::Value(open) = &mut self.state {
                open.look_ahead();
            }
            return (read, Step::Read);
        };
        self.end_value(cx, call);
        match end {
            End::Call { again, unwrapped } => {
                call.again.push_str(&again);
                call.unwrapped |= unwrapped;
                (read, Step::Complete)
            }
            End::Key(key) => {
                if let Some(text) = self.whole.take() {
                    self.write_part(&text, cx, call);
                }
                (read, {
                    self.key = key;
                    self.end_key(cx, call)
                })
            }
        }
    }

    fn end_value(&mut self, cx: &Context<'_>, call: &mut Call) {
        if let State::Value(open) | State::Data(open, _) = std::mem::take(&mut self.state) {
            match open.value.end(cx, call) {
                Outcome::Value => {}
                Outcome::Item => self.members.leave_list_open(),
                Outcome::Whole(text) => self.whole = Some(text),
            }
        }
    }

    fn complete(&mut self, read: usize, call: &mut Call, cx: &Context<'_>) -> Verdict {
        if let Some(text) = self.whole.take() {
            match value::object(&text, cx) {
                Some(object) => call.arguments.push_str(&object),
                None => {
                    self.write_part(&text, cx, call);
                    self.members.end(call);
                }
            }
        } else if !matches!(self.state, State::Behind) {
            self.members.end(call);
        }
        call.ready = true;
        Verdict::Complete(read)
    }

    /// The call ends here, whatever is open.
    pub(super) fn close(&mut self, cx: &Context<'_>, call: &mut Call) {
        match &mut self.state {
            State::Value(open) => {
                call.leftover.push_str(&open.ends.take_held(&self.form));
                call.leftover.push_str(&open.ahead.give_up());
            }
            State::Data(_, cursor) => call.leftover.push_str(self.form.cdata_close.held(*cursor)),
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
        if self.end_string(cx, call) == Step::Complete {
            self.complete(0, call, cx);
            return Completion::Complete;
        }
        match &mut self.state {
            State::Value(open) => {
                let around = Around { cx, form: &self.form, tool: call.tool(cx), given: &self.given };
                let Open { value, ends, .. } = &mut **open;
                let end = ends.finish(ended, &around, &mut |data| value.push(data, cx, call));
                let Some(End::Call { again, unwrapped }) = end else { return Completion::Cut };
                call.again.push_str(&again);
                call.unwrapped |= unwrapped;
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
            State::Value(open) => open.value.held() + open.ends.held(&self.form) + open.ahead.held(),
            State::Data(open, cursor) => open.value.held() + self.form.cdata_close.held(*cursor).len(),
            State::Object(repair) => repair.held(),
            _ => 0,
        };
        self.word.len() + self.expect.held() + value
    }
}
