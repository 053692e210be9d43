//! A name, perhaps an id, and one JSON value: `NAME<sep>{…}`, `ID<name>NAME<args>{…}`, and a value alone where the call
//! has a name already.
//! The header is all that stands before the value; what is what in it, the form's literals tell.
//!
//! ```text
//!   Header -> (Start ->) Opened -> Object -> (Behind ->) complete
//!                           | the whole call once more stands there
//!                           +-> Call -> Behind
//! ```

use std::sync::Arc;

use crate::decode::call::{Call, Context, Named, Patience, Verdict, json_syntax};
use crate::decode::expect::{Expect, Expected};
use crate::decode::payload::json;
use crate::dialect::{Dialect, Header, HeaderMark, JsonSpec};
use crate::json::repair::{Begins, Completion, Ended, Progress, Repair, Skimmed, Syntax};
use crate::scan::Cursor;

use again::Again;
use next::NextCall;

mod again;
mod next;

/// One call, being read.
#[derive(Debug)]
pub(in crate::decode) struct Reader {
    form: Arc<Header>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// What stands before the value, as far as it was read, and where the scan for markers stands.
    Header {
        text: String,
        cursor: Cursor,
    },
    /// What introduces the value was read.
    Start(Expect),
    /// The value's beginning, as long as it may be the whole call once more.
    Opened(Again),
    Object(Box<Repair<()>>),
    Call(Box<json::Reader>),
    /// Behind the value: what closes it.
    Behind(Expect),
}

/// Nobody writes a longer one.
const HEADER_BYTES_MAX: usize = 512;

impl Reader {
    /// A reader of a call. One that has a name already begins with the value.
    pub(super) fn new(form: Arc<Header>, call: &Call) -> Self {
        let state = match call.has_name() {
            Named::Tool => State::Start(Expect::default()),
            Named::Nothing => State::Header { text: String::new(), cursor: form.table.markers.start() },
        };
        Self { form, state }
    }

    /// Reads on. What becomes known of the call goes into `call`.
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (read, verdict) = match &mut self.state {
                State::Header { .. } => self.header(rest, cx, call),
                State::Object(_) => self.object(rest, cx, call),
                State::Call(_) => self.call(rest, cx, call),
                State::Start(_) | State::Opened(_) | State::Behind(_) => {
                    let Some(c) = rest.chars().next() else { break };
                    call.examined += c.len_utf8();
                    (c.len_utf8(), self.character(c, cx, call))
                }
            };
            at += read;
            match verdict {
                Verdict::More => {}
                Verdict::Complete(_) => return Verdict::Complete(at),
                Verdict::Reject(_) => return Verdict::Reject(at),
            }
        }
        Verdict::More
    }

    /// Reads on in the header, up to the next marker.
    fn header(&mut self, rest: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Verdict) {
        let State::Header { text, cursor } = &mut self.state else { return (0, Verdict::More) };
        let step = self.form.table.markers.step(cursor, rest);
        text.push_str(step.released);
        text.push_str(step.text);
        let read = rest.len() - step.rest.len();
        call.examined += read;
        if text.len() > HEADER_BYTES_MAX {
            return (read, Verdict::Reject(read));
        }
        let Some(found) = step.found else { return (read, Verdict::More) };
        let (mark, marker) = (self.form.table.role(found), self.form.table.markers.text(found));
        if mark == Some(HeaderMark::Part) {
            text.push_str(marker);
            let is_wrong = self.form.spec.name_in(text).is_some_and(|name| call.named(name, cx) == Named::Nothing);
            return (read, if is_wrong { Verdict::Reject(read) } else { Verdict::More });
        }
        call.id = self.form.spec.id_in(text).map(Into::into);
        if self.form.spec.name_in(text).is_none_or(|name| call.named(name, cx) == Named::Nothing) {
            return (read, Verdict::Reject(read));
        }
        let verdict = match mark {
            Some(HeaderMark::Brace) => {
                self.state = State::Opened(Again::default());
                self.opened('{', cx, call)
            }
            Some(HeaderMark::Part | HeaderMark::Value) => {
                self.state = State::Start(Expect::default());
                Verdict::More
            }
            Some(HeaderMark::Outside) | None => {
                call.again.push_str(marker);
                without_arguments(cx, call)
            }
        };
        (read, verdict)
    }

    fn character(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let closers = self.form.closers.iter().map(String::as_str);
        match &mut self.state {
            State::Start(expect) => match expect.push(c, closers) {
                Expected::More => Verdict::More,
                Expected::Found(_) => without_arguments(cx, call),
                Expected::Other if c == '{' => {
                    self.state = State::Opened(Again::default());
                    self.opened(c, cx, call)
                }
                Expected::Other => Verdict::Reject(0),
            },
            State::Opened(_) => self.opened(c, cx, call),
            State::Behind(expect) => match expect.push(c, closers.take(self.form.own_closers)) {
                Expected::More => Verdict::More,
                Expected::Found(_) => Verdict::Complete(0),
                Expected::Other => {
                    call.again.push_str(&expect.take());
                    Verdict::Complete(0)
                }
            },
            State::Header { .. } | State::Object(_) | State::Call(_) => Verdict::More,
        }
    }

    /// One more character of a value of which is not known yet what it is.
    fn opened(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let State::Opened(begun) = &mut self.state else { return Verdict::More };
        let spec = JsonSpec::of_call();
        let is_call = begun.push(c, &spec, cx, call);
        if is_call == Begins::Perhaps {
            return Verdict::More;
        }
        let text = std::mem::take(&mut begun.text);
        self.state = match is_call {
            Begins::Yes => State::Call(Box::new(json::Reader::new(Arc::new(spec), call))),
            Begins::Perhaps | Begins::No => State::Object(Box::new(Repair::new(()))),
        };
        let verdict = self.push(&text, cx, call);
        if let Verdict::Complete(read) = verdict {
            call.again.push_str(text.get(read..).unwrap_or_default());
        }
        verdict
    }

    /// Reads on in the whole call once more.
    fn call(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Verdict) {
        let State::Call(reader) = &mut self.state else { return (0, Verdict::More) };
        call.repaired = true;
        match reader.push(text, cx, call) {
            Verdict::More => (text.len(), Verdict::More),
            Verdict::Reject(read) => (read, Verdict::Reject(0)),
            Verdict::Complete(read) => {
                let rest = std::mem::take(&mut call.again);
                self.state = State::Behind(Expect::default());
                (read, self.behind(&rest, cx, call))
            }
        }
    }

    /// Reads on in the value.
    fn object(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Verdict) {
        let State::Object(repair) = &mut self.state else { return (0, Verdict::More) };
        let next = NextCall { form: &self.form, cx };
        let progress = repair.push(text, &syntax(&next, call), &mut call.arguments);
        call.ready |= repair.is_decided();
        call.note(repair);
        match progress {
            Progress::More => (text.len(), Verdict::More),
            Progress::Decided(read) => (read, Verdict::More),
            Progress::Unreadable(read) => (read, Verdict::Reject(0)),
            Progress::Closed(read) => {
                call.again.push_str(&repair.take_rest());
                (read, Verdict::Complete(0))
            }
            Progress::Done(read) => {
                let rest = repair.take_rest();
                self.state = State::Behind(Expect::default());
                (read, self.behind(&rest, cx, call))
            }
        }
    }

    /// Reads what the value's reader had read behind its end.
    fn behind(&mut self, rest: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        if self.form.own_closers == 0 {
            call.again.push_str(rest);
            return Verdict::Complete(0);
        }
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            if self.character(c, cx, call) != Verdict::More {
                call.again.push_str(chars.as_str());
                return Verdict::Complete(0);
            }
        }
        Verdict::More
    }

    /// Reads `text` if nothing in it has to be decided.
    pub(super) fn skim(&mut self, text: &str, dialect: &Dialect, out: &mut String) -> Skimmed {
        match &mut self.state {
            State::Object(repair) => repair.skim(text, &dialect.tables().behind, out),
            State::Call(reader) => reader.skim(text, dialect, out),
            _ => Skimmed::No,
        }
    }

    /// The call ends here, whatever is open.
    pub(super) fn close(&mut self, cx: &Context<'_>, call: &mut Call) {
        // All else that is read has a place in the arguments.
        if let State::Call(reader) = &mut self.state {
            reader.close(cx, call);
        }
    }

    /// Generation ended: whether the arguments are whole.
    pub(super) fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        if let State::Opened(begun) = &mut self.state {
            let text = std::mem::take(&mut begun.text);
            self.state = State::Object(Box::new(Repair::new(())));
            self.push(&text, cx, call);
        }
        match &mut self.state {
            State::Call(reader) => reader.finish(ended, cx, call),
            State::Object(repair) => {
                let next = NextCall { form: &self.form, cx };
                let completion = repair.finish(ended, &syntax(&next, call), &mut call.arguments);
                call.ready |= repair.is_decided();
                call.again.push_str(&repair.take_rest());
                call.note(repair);
                completion
            }
            // A closer that was cut short goes with its call.
            State::Behind(expect) => {
                let read = expect.take();
                let is_closer = self.form.closers.iter().any(|closer| closer.starts_with(read.trim_ascii_start()));
                if !is_closer {
                    call.again.push_str(&read);
                }
                Completion::Complete
            }
            State::Header { .. } | State::Start(_) | State::Opened(_) => Completion::Cut,
        }
    }

    /// Bytes read and not yet decided.
    pub(super) fn held(&self) -> usize {
        match &self.state {
            State::Header { text, cursor } => text.len() + self.form.table.markers.held(*cursor).len(),
            State::Opened(begun) => begun.text.len(),
            State::Object(repair) => repair.held(),
            State::Call(reader) => reader.held(),
            State::Start(expect) | State::Behind(expect) => expect.held(),
        }
    }
}

/// The call ended where its arguments should begin.
fn without_arguments(cx: &Context<'_>, call: &mut Call) -> Verdict {
    if cx.patience == Patience::SoundOnly {
        return Verdict::Reject(0);
    }
    call.arguments.push_str("{}");
    (call.ready, call.repaired) = (true, true);
    Verdict::Complete(0)
}

fn syntax<'a>(next: &'a NextCall<'a>, call: &Call) -> Syntax<'a, NextCall<'a>> {
    Syntax { closers: &next.form.closers, ..json_syntax(next, call.mode(next.cx), next.cx) }
}
