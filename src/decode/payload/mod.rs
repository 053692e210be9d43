//! How a call is written inside its markers: one resumable reader for each form.
//! The set is closed; a format that fits none of them is a new variant with its tests.

mod elements;
mod header;
mod json;
mod literal;
mod members;
mod python;
mod tagged;

use std::sync::Arc;

use crate::dialect::{Dialect, Form};
use crate::json::repair::{Completion, Ended, Skimmed};

use super::call::{Call, Context, Verdict};

/// A call's inside, being read.
#[derive(Debug)]
pub(super) enum Payload {
    Json(json::Reader),
    Tagged(tagged::Reader),
    Literal(literal::Reader),
    Elements(elements::Reader),
    Header(header::Reader),
    Python(Box<python::Reader>),
    /// Several that the dialect knows, side by side, each with what it makes of the call: the bytes lead to one.
    Several(Vec<(Self, Call)>),
}

impl Payload {
    /// A reader of each form that the dialect knows behind this marker, for a call that may have a name already.
    pub fn new(dialect: &Dialect, marker: &str, call: &Call) -> Self {
        match dialect.tables().forms_behind(marker).as_slice() {
            [form] => Self::of(form, call),
            forms => Self::Several(forms.iter().map(|form| (Self::of(form, call), call.headed())).collect()),
        }
    }

    fn of(form: &Form, call: &Call) -> Self {
        match form {
            Form::Json(spec) => Self::Json(json::Reader::new(Arc::clone(spec), call)),
            Form::Tagged(form) => Self::Tagged(tagged::Reader::new(Arc::clone(form), call)),
            Form::Literal(spec) => Self::Literal(literal::Reader::new(Arc::clone(spec), call)),
            Form::Python => Self::Python(Box::new(python::Reader::new(call))),
            Form::Elements(form) => Self::Elements(elements::Reader::new(Arc::clone(form), call)),
            Form::Header(form) => Self::Header(header::Reader::new(Arc::clone(form), call)),
        }
    }

    /// Reads on in each of several, until it is one: letter by letter, so that the first that is sure of itself is the
    /// same however the text is cut.
    fn push_several(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        for (at, c) in text.char_indices() {
            let rest = text.get(at..).unwrap_or_default();
            let verdict = match self {
                Self::Several(_) => self.push_letter(c.encode_utf8(&mut [0; 4]), cx, call),
                _ => return self.push(rest, cx, call).behind(at),
            };
            if verdict != Verdict::More {
                return verdict.behind(at);
            }
        }
        Verdict::More
    }

    /// Reads one letter in each of several. What is sure of itself then is all that is left.
    fn push_letter(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let Self::Several(trials) = self else { return Verdict::Reject(0) };
        let (mut furthest, mut examined) = (0, 0);
        let mut verdicts = Vec::with_capacity(trials.len());
        trials.retain_mut(|(payload, trial)| {
            let verdict = payload.push(text, cx, trial);
            examined += std::mem::take(&mut trial.examined);
            match verdict {
                Verdict::Reject(read) => furthest = furthest.max(read),
                other => verdicts.push(other),
            }
            !matches!(verdict, Verdict::Reject(_))
        });
        call.examined += examined;
        // The first that is sure of itself; the family's own form comes first.
        let sure =
            trials.iter().zip(&verdicts).position(|((_, trial), &verdict)| trial.ready || verdict != Verdict::More);
        let chosen = sure.or_else(|| (trials.len() == 1).then_some(0));
        let Some(verdict) = chosen.and_then(|at| verdicts.get(at).copied()) else {
            return if trials.is_empty() { Verdict::Reject(furthest) } else { Verdict::More };
        };
        let (payload, mut trial) = trials.swap_remove(chosen.unwrap_or_default());
        trial.examined = call.examined;
        *call = trial;
        *self = payload;
        verdict
    }

    /// Reads on. What becomes known of the call goes into `call`.
    pub fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        match self {
            Self::Json(reader) => reader.push(text, cx, call),
            Self::Tagged(reader) => reader.push(text, cx, call),
            Self::Literal(reader) => reader.push(text, cx, call),
            Self::Elements(reader) => reader.push(text, cx, call),
            Self::Header(reader) => reader.push(text, cx, call),
            Self::Python(reader) => reader.push(text, cx, call),
            Self::Several(_) => self.push_several(text, cx, call),
        }
    }

    /// Reads `text` if nothing in it has to be decided; what is decided of it goes into `out`.
    pub fn skim(&mut self, text: &str, dialect: &Dialect, out: &mut String) -> Skimmed {
        match self {
            Self::Json(reader) => reader.skim(text, dialect, out),
            Self::Tagged(reader) => reader.skim(text),
            Self::Literal(reader) => reader.skim(text, dialect, out),
            Self::Header(reader) => reader.skim(text, dialect, out),
            Self::Python(reader) => reader.skim(text, dialect, out),
            Self::Elements(reader) => reader.skim(text),
            Self::Several(_) => Skimmed::No,
        }
    }

    /// Generation ended: whether the arguments are whole, as far as can be mended.
    pub fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        match self {
            Self::Json(reader) => reader.finish(ended, cx, call),
            Self::Tagged(reader) => reader.finish(ended, cx, call),
            Self::Literal(reader) => reader.finish(ended, cx, call),
            Self::Elements(reader) => reader.finish(ended, cx, call),
            Self::Header(reader) => reader.finish(ended, cx, call),
            Self::Python(reader) => reader.finish(ended, cx, call),
            // So little was read that it is no call in any form.
            Self::Several(_) => Completion::Cut,
        }
    }

    /// The call ends here, whatever is open: nothing more of it is read.
    pub fn close(&mut self, cx: &Context<'_>, call: &mut Call) {
        match self {
            Self::Json(reader) => reader.close(cx, call),
            Self::Tagged(reader) => reader.close(cx, call),
            Self::Elements(reader) => reader.close(cx, call),
            Self::Python(reader) => reader.close(call),
            Self::Header(reader) => reader.close(cx, call),
            // Everything that it reads has a place in the arguments.
            Self::Literal(_) | Self::Several(_) => {}
        }
    }

    /// Bytes read and not yet decided, besides what the decoder keeps.
    pub fn held(&self) -> usize {
        match self {
            Self::Json(reader) => reader.held(),
            Self::Tagged(reader) => reader.held(),
            Self::Literal(reader) => reader.held(),
            Self::Elements(reader) => reader.held(),
            Self::Header(reader) => reader.held(),
            Self::Python(reader) => reader.held(),
            Self::Several(_) => 0,
        }
    }
}

/// Whether models write the arguments under this key.
fn means_arguments(key: &str) -> bool {
    let bare: String = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    ARGUMENTS.contains(&bare.as_str())
}

/// Keys under which models write the arguments, without their case and without what stands between words.
const ARGUMENTS: [&str; 16] = [
    "arguments",
    "args",
    "parameters",
    "params",
    "parameter",
    "input",
    "inputs",
    "kwargs",
    "functionargs",
    "functionarguments",
    "functionparameters",
    "toolinput",
    "toolargs",
    "toolarguments",
    "toolparameters",
    "argument",
];
