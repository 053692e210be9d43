//! How a call is written inside its markers: one resumable reader for each form.
//! The set is closed; a format that fits none of them is a new variant with its tests.

mod gemma;
mod json;
mod tagged;

use crate::dialect::{self, Dialect};
use crate::json::repair::{Completion, Ended};

use super::call::{Call, Context, Verdict};

/// A call's inside, being read.
#[derive(Debug)]
pub(super) enum Payload {
    Json(json::Reader),
    Tagged(tagged::Reader),
    Gemma(gemma::Reader),
}

impl Payload {
    pub fn new(cx: &Context<'_>) -> Self {
        match cx.dialect.spec().payload {
            dialect::Payload::Json(_) => Self::Json(json::Reader::default()),
            dialect::Payload::Tagged(_) => Self::Tagged(tagged::Reader::default()),
            dialect::Payload::Gemma(_) => Self::Gemma(gemma::Reader::default()),
        }
    }

    /// Reads on. What becomes known of the call goes into `call`.
    pub fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        match self {
            Self::Json(reader) => reader.push(text, cx, call),
            Self::Tagged(reader) => reader.push(text, cx, call),
            Self::Gemma(reader) => reader.push(text, cx, call),
        }
    }

    /// Whether all of `text` goes into the arguments as it is and changes nothing.
    /// `false` says nothing: then [`Payload::push`] finds out.
    pub fn is_plain(&self, text: &str, dialect: &Dialect) -> bool {
        match self {
            Self::Json(reader) => reader.is_plain(text),
            Self::Tagged(reader) => reader.is_plain(text, dialect),
            Self::Gemma(reader) => reader.is_plain(text, dialect),
        }
    }

    /// Generation ended: whether the arguments are whole, as far as can be mended.
    pub fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        match self {
            Self::Json(reader) => reader.finish(ended, cx, call),
            Self::Tagged(reader) => reader.finish(ended, cx, call),
            Self::Gemma(reader) => reader.finish(ended, cx, call),
        }
    }

    /// The call ends here, whatever is open: nothing more of it is read.
    pub fn close(&mut self, cx: &Context<'_>, call: &mut Call) {
        match self {
            Self::Json(reader) => reader.close(cx, call),
            Self::Tagged(reader) => reader.close(cx, call),
            // Everything that it reads has a place in the arguments.
            Self::Gemma(_) => {}
        }
    }

    /// Bytes read and not yet decided, besides what the decoder keeps.
    pub fn held(&self) -> usize {
        match self {
            Self::Json(reader) => reader.held(),
            Self::Tagged(reader) => reader.held(),
            Self::Gemma(reader) => reader.held(),
        }
    }
}
