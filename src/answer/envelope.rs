//! Events that the upstream did not send, in the envelope of one that it did.
//! Decides nothing: what goes into the delta is the caller's.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};

use super::chunk::Chunk;
use super::told::Told;
use crate::api::openai;

/// What stands around the delta of a choice's events: id, object, created, model and index, as upstream wrote them.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    before: String,
    blank_line: &'static str,
}

impl Envelope {
    /// Takes over what the current event says. `raw` tells how the upstream ends its lines.
    pub(super) fn adopt(&mut self, chunk: &Chunk<'_>, index: u64, raw: &[u8]) {
        self.before.clear();
        self.before.push_str("data: {");
        for (key, value) in chunk.envelope() {
            // These keys are plain words: nothing in them needs to be escaped.
            let _ = write!(self.before, "\"{key}\":{value},");
        }
        let _ = write!(self.before, "\"choices\":[{{\"index\":{index},\"delta\":");
        self.blank_line = if raw.ends_with(b"\r\n\r\n") { "\r\n\r\n" } else { "\n\n" };
    }

    /// Appends an event with this delta.
    pub(super) fn write(&self, delta: &str, out: &mut BytesMut) {
        self.write_parts(delta, ",\"finish_reason\":null", out);
    }

    /// Appends the event that ends the choice.
    pub(super) fn write_finish(&self, reason: &str, out: &mut BytesMut) {
        self.write_parts("{}", &format!(",\"finish_reason\":\"{reason}\""), out);
    }

    fn write_parts(&self, delta: &str, finish: &str, out: &mut BytesMut) {
        for part in [&self.before, delta, finish, "}]}", self.blank_line] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// Appends an event that says what went wrong.
pub(super) fn write_error(error: &openai::Error<'_>, out: &mut BytesMut) {
    out.put_slice(b"data: ");
    // Writing strings to memory cannot fail.
    let _ = serde_json::to_writer(out.writer(), &openai::Failure { error: *error });
    out.put_slice(b"\n\n");
}

/// Appends an event that says what the server told in a way of its own.
pub(super) fn write_told(told: Told<'_>, out: &mut BytesMut) {
    for part in ["data: {\"error\":", &told.object(told.status()), "}\n\n"] {
        out.put_slice(part.as_bytes());
    }
}

/// The error of an upstream that died.
pub(super) fn upstream_error(message: &str) -> openai::Error<'_> {
    openai::Error { message, kind: "server_error", param: None, code: "upstream_error" }
}

/// The error of an upstream that ended its answer as if it were complete.
pub(super) const UNFINISHED: openai::Error<'static> = openai::Error {
    message: "the upstream ended its answer without a finish reason",
    kind: "server_error",
    param: None,
    code: "upstream_incomplete",
};

pub(super) const DONE: &[u8] = b"data: [DONE]\n\n";
