//! A mistake of a client, which nobody but it can mend. It is answered 400.

use std::borrow::Cow;
use std::fmt::Display;

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Begins with the path of the field that is to blame.
    pub message: Cow<'static, str>,
}

impl Mistake {
    pub(super) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into() }
    }

    /// For the field at a path.
    pub(super) fn at(path: impl Display, message: impl Display) -> Self {
        Self::new(format!("{path}: {message}"))
    }

    /// For a field that is not there, in Anthropic's words.
    pub(super) fn required(path: impl Display) -> Self {
        Self::at(path, "Field required")
    }
}
