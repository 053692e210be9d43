//! Head of an answer, and what it says of the body: whether it can be read, and how it comes.
//! Decides nothing about what is done to it.

/// The facts of a head that matter to whoever reads the body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub status: u16,
    /// As it was sent, parameters and all; empty when there is none.
    pub content_type: &'a [u8],
    pub content_encoding: Option<&'a [u8]>,
    /// Whether it says how long the body is.
    pub has_length: bool,
    /// Whether the server has answered an error, which is shown as an answer for what it tells of the model's text.
    pub is_told: bool,
}

/// How an answer that can be read comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As an event stream.
    Events,
    /// As one JSON value.
    Whole,
}

/// Why an answer that was to be read passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("its status is {0}")]
    Status(u16),
    #[error("it is compressed although `identity` was asked for")]
    Compressed,
    #[error("it is neither JSON nor an event stream")]
    ContentType,
}

impl Head<'_> {
    /// How the body can be read, if it can.
    pub fn form(&self) -> Result<Form, Unread> {
        if self.status != 200 {
            return Err(Unread::Status(self.status));
        }
        if self.content_encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
            return Err(Unread::Compressed);
        }
        if self.is_event_stream() {
            Ok(Form::Events)
        } else if self.is_json() {
            Ok(Form::Whole)
        } else {
            Err(Unread::ContentType)
        }
    }

    /// Whether it calls its body JSON.
    pub fn is_json(&self) -> bool {
        self.essence().eq_ignore_ascii_case(b"application/json")
    }

    /// Whether it is in lines of JSON, to which more can be added.
    pub(super) fn is_lines(&self) -> bool {
        let is_plain = self.content_encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case(b"identity"));
        is_plain && !self.has_length && self.essence().eq_ignore_ascii_case(b"application/x-ndjson")
    }

    /// Whether it calls its body an event stream, readable or not.
    pub fn is_event_stream(&self) -> bool {
        self.essence().eq_ignore_ascii_case(b"text/event-stream")
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The Content-Type without its parameters.
    fn essence(&self) -> &[u8] {
        self.content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
    }
}
