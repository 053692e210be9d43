//! What stands inside the object: a name, the arguments, and values that mean nothing here.
//! Reads them as far as they go; what stands between them is the reader's.

use crate::json::repair::{Mode, Progress, Repair, Syntax, Tail, Untyped};
use crate::scan::FirstBytes;

use super::members::Place;
use super::next::NextCall;
use super::{Meaning, Reader, State, syntax};
use crate::decode::call::{Call, Context, Named, Verdict, json_syntax};

impl Reader {
    /// Reads as much as belongs to a nested value or a name. `None` when the next character is this reader's own.
    pub(super) fn bulk(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Option<Result<usize, Verdict>> {
        match &self.state {
            State::Arguments(_) => Some(self.arguments(text, cx, call)),
            State::Member { .. } => Some(self.member(text, cx, call)),
            State::Text { .. } => Some(self.text(text, cx, call)),
            State::Name { .. } => Some(self.name(text, cx, call)),
            _ => None,
        }
    }

    fn arguments(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Result<usize, Verdict> {
        let (mode, next) = (call.mode(cx), NextCall { spec: &self.spec, cx });
        let syntax = syntax(&next, self.depth, mode);
        let State::Arguments(repair) = &mut self.state else { return Ok(0) };
        let progress = repair.push(text, &syntax, &mut call.arguments);
        call.note(repair);
        call.ready |= self.has_name && repair.is_decided();
        if matches!(progress, Progress::Done(_)) {
            let unsound = mode == Mode::Strict && repair.is_repaired();
            if unsound && call.arguments.trim_start().starts_with('"') {
                return Err(Verdict::Reject(text.len()));
            }
            self.again = repair.take_rest();
            self.state = State::AfterValue;
            self.hold_brace(call);
        }
        outcome(progress)
    }

    fn member(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Result<usize, Verdict> {
        let next = NextCall { spec: &self.spec, cx };
        let syntax = syntax(&next, self.depth, call.mode(cx));
        let State::Member { repair, place } = &mut self.state else { return Ok(0) };
        let mut nowhere = String::new();
        let out = place.out(&mut self.kept, &mut call.arguments, &mut nowhere);
        let progress = repair.push(text, &syntax, out);
        call.examined += repair.take_examined();
        if *place != Place::Nowhere {
            call.note(repair);
        }
        if matches!(progress, Progress::Done(_)) {
            self.again = repair.take_rest();
            self.end_member(cx, call);
        }
        outcome(progress)
    }

    fn text(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Result<usize, Verdict> {
        let State::Text { quote, unescape, repair, inner } = &mut self.state else { return Ok(0) };
        inner.clear();
        let (read, ended) = unescape.push(text, *quote, inner);
        call.examined += read;
        let next = NextCall { spec: &self.spec, cx };
        let Some(behind) = push_inner(repair, inner, self.has_name, &next, call) else {
            return Err(Verdict::Reject(read));
        };
        let mut again = behind_inner(&mut self.tail, &behind, cx, call);
        if ended {
            if call.mode(cx) == Mode::Strict && !repair.is_decided() {
                return Err(Verdict::Reject(read));
            }
            repair.close(&inner_syntax(Mode::Total, &next), &mut call.arguments);
            call.note(repair);
            call.leave(&repair.take_rest());
            let goes_on = self.tail.may_begin_call();
            let tail = self.tail.clear();
            call.repaired |= !tail.is_empty();
            again = again.or_else(|| goes_on.then_some(tail)).map(|again| format!("{again}{quote}"));
        }
        if repair.is_done() {
            self.hold_brace(call);
        }
        if ended || again.is_some() {
            self.again = again.unwrap_or_default();
            self.state = State::AfterValue;
        }
        Ok(read)
    }

    fn name(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Result<usize, Verdict> {
        let State::Name { quote, unescape } = &mut self.state else { return Ok(0) };
        let (read, ended) = unescape.push(text, *quote, &mut self.word);
        call.examined += read;
        if ended {
            let word = std::mem::take(&mut self.word);
            self.state = State::AfterValue;
            if self.meaning == Meaning::Id {
                call.id = Some(word);
                return Ok(read);
            }
            if call.named(&word, cx) == Named::Nothing {
                return Err(Verdict::Reject(read));
            }
            self.has_name = true;
            call.ready |= self.is_whole();
        }
        Ok(read)
    }
}

/// Reads JSON that stood in a string, and returns what stands behind it. `None` when it cannot be read.
fn push_inner(
    repair: &mut Repair<()>,
    text: &str,
    has_name: bool,
    next: &NextCall<'_>,
    call: &mut Call,
) -> Option<String> {
    let mut rest = text;
    if repair.is_done() {
        return Some(rest.into());
    }
    while !rest.is_empty() {
        let progress = repair.push(rest, &inner_syntax(call.mode(next.cx), next), &mut call.arguments);
        call.ready |= has_name && repair.is_decided();
        call.note(repair);
        match progress {
            Progress::Decided(read) => rest = rest.get(read..).unwrap_or_default(),
            Progress::Unreadable(_) => return None,
            Progress::Done(read) => return Some(repair.take_rest() + rest.get(read..).unwrap_or_default()),
            Progress::More | Progress::Closed(_) => break,
        }
    }
    Some(String::new())
}

/// Text behind the JSON in a string. What is returned shows that the string lacks its end, and is read again.
fn behind_inner(tail: &mut Tail, text: &str, cx: &Context<'_>, call: &mut Call) -> Option<String> {
    for (at, c) in text.char_indices() {
        if c == '"' && tail.may_begin_call() {
            return Some(tail.clear() + text.get(at..).unwrap_or_default());
        }
        if call.leftover.is_empty() && tail.take(c, &cx.dialect.tables().behind) {
            continue;
        }
        call.leave(&tail.clear());
        call.leave(c.encode_utf8(&mut [0; 4]));
    }
    None
}

/// Inside a string no closer counts, but behind another that lacks its end.
pub(super) fn inner_syntax<'a>(mode: Mode, next: &'a NextCall<'a>) -> Syntax<'a, Untyped> {
    let syntax = json_syntax(&Untyped, mode, next.cx);
    Syntax { closers: &[], first_bytes: &FirstBytes::NONE, calls: Some(next), ..syntax }
}

fn outcome(progress: Progress) -> Result<usize, Verdict> {
    match progress {
        Progress::More => Err(Verdict::More),
        Progress::Decided(read) | Progress::Done(read) => Ok(read),
        Progress::Closed(read) => Err(Verdict::Complete(read)),
        Progress::Unreadable(read) => Err(Verdict::Reject(read)),
    }
}
