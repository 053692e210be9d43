//! A mistake of a client, which nobody but it can mend.

use std::borrow::Cow;

use super::text::write_text;

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub status: u16,
    pub message: Cow<'static, str>,
}

impl Mistake {
    pub(super) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 400, message: message.into() }
    }

    /// As the body of an answer: `{"error":"…"}`. The error is a string, since clients die of an object there.
    pub fn body(&self) -> String {
        error_body(&self.message)
    }
}

/// `{"error":"…"}`.
pub(super) fn error_body(message: &str) -> String {
    let mut body = String::from("{\"error\":");
    write_text(message, &mut body);
    body.push('}');
    body
}
