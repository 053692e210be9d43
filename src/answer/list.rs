//! List of models of one server: read whole, it goes on without what is private.
//! Does not know what is private; `models` does.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use crate::api::openai::AnswerTooLarge;
use crate::limits::Limits;
use crate::models::without_private;

/// A list of models in the making, or one entry of it.
#[derive(Debug)]
pub(super) struct List {
    body: BytesMut,
    bytes_max: usize,
}

impl List {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { body: BytesMut::new(), bytes_max: limits.answer_bytes_max }
    }

    /// Takes the next bytes. Too many are an error: unread they could hold what is private.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), AnswerTooLarge> {
        if self.body.len() + bytes.len() > self.bytes_max {
            return Err(AnswerTooLarge(self.bytes_max));
        }
        self.body.extend_from_slice(bytes);
        Ok(())
    }

    /// All of it has come.
    pub(super) fn finish(self) -> Bytes {
        match std::str::from_utf8(&self.body).map(without_private) {
            Ok(Cow::Owned(shown)) => shown.into(),
            Ok(Cow::Borrowed(_)) | Err(_) => self.body.freeze(),
        }
    }
}
