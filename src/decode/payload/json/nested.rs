//! What stands inside the object: a name, the arguments, and values that mean nothing here.
//! Reads them as far as they go; what stands between them is the reader's.

use crate::json::repair::{Mode, Progress, Repair, Syntax, Untyped};
use crate::scan::FirstBytes;

use super::{Arguments, Reader, State};
use crate::decode::call::{Call, Context, Named, Verdict, json_syntax};

impl Reader {
    /// Reads as much as belongs to a nested value or a name. `None` when the next character is this reader's own.
    pub(super) fn bulk(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Option<Result<usize, Verdict>> {
        match &mut self.state {
            State::Arguments(repair) => {
                let syntax = json_syntax(&Untyped, call.mode(cx), cx);
                let progress = repair.push(text, &syntax, &mut call.arguments);
                call.note(repair);
                call.ready |= self.has_name && repair.is_decided();
                if matches!(progress, Progress::Done(_)) {
                    // `null` and the empty string mean that there are none.
                    if matches!(call.arguments.trim(), "null" | "\"\"") {
                        call.arguments = "{}".into();
                    }
                    self.arguments = Arguments::Whole;
                    self.given_back = repair.take_rest();
                    self.state = State::AfterValue;
                }
                Some(outcome(progress))
            }
            State::Skip(repair) => {
                let mode = if call.ready { Mode::Total } else { Mode::Strict };
                let progress = repair.push(text, &json_syntax(&Untyped, mode, cx), &mut String::new());
                call.examined += repair.take_examined();
                if matches!(progress, Progress::Done(_)) {
                    self.given_back = repair.take_rest();
                    self.state = State::AfterValue;
                }
                Some(outcome(progress))
            }
            State::Text { quote, unescape, repair, inner } => {
                inner.clear();
                let (read, ended) = unescape.push(text, *quote, inner);
                call.examined += read;
                if !push_inner(repair, inner, self.has_name, cx, call) {
                    return Some(Err(Verdict::Reject(read)));
                }
                if ended {
                    if call.mode(cx) == Mode::Strict && !repair.is_decided() {
                        return Some(Err(Verdict::Reject(read)));
                    }
                    repair.close(&inner_syntax(Mode::Total, cx), &mut call.arguments);
                    call.note(repair);
                    self.arguments = Arguments::Whole;
                    self.state = State::AfterValue;
                }
                Some(Ok(read))
            }
            State::Name { quote, unescape } => {
                let (read, ended) = unescape.push(text, *quote, &mut self.word);
                call.examined += read;
                if ended {
                    let name = std::mem::take(&mut self.word);
                    if call.named(&name, cx) == Named::Nothing {
                        return Some(Err(Verdict::Reject(read)));
                    }
                    self.has_name = true;
                    call.ready |= self.arguments == Arguments::Whole;
                    self.state = State::AfterValue;
                }
                Some(Ok(read))
            }
            _ => None,
        }
    }
}

/// Reads JSON that stood in a string. `false` when it cannot be read.
fn push_inner(repair: &mut Repair<()>, text: &str, has_name: bool, cx: &Context<'_>, call: &mut Call) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let progress = repair.push(rest, &inner_syntax(call.mode(cx), cx), &mut call.arguments);
        call.ready |= has_name && repair.is_decided();
        call.note(repair);
        match progress {
            Progress::Decided(read) => rest = rest.get(read..).unwrap_or_default(),
            Progress::Unreadable(_) => return false,
            Progress::Done(read) => {
                call.leave(rest.get(read..).unwrap_or_default());
                break;
            }
            Progress::More | Progress::Closed(_) => break,
        }
    }
    true
}

/// Inside a string no closer counts.
fn inner_syntax<'a>(mode: Mode, cx: &Context<'a>) -> Syntax<'a, Untyped> {
    Syntax { closers: &[], first_bytes: &FirstBytes::NONE, ..json_syntax(&Untyped, mode, cx) }
}

fn outcome(progress: Progress) -> Result<usize, Verdict> {
    match progress {
        Progress::More => Err(Verdict::More),
        Progress::Decided(read) | Progress::Done(read) => Ok(read),
        Progress::Closed(read) => Err(Verdict::Complete(read)),
        Progress::Unreadable(read) => Err(Verdict::Reject(read)),
    }
}
