//! A message around its content: what it begins with, streamed or whole.

use bytes::Bytes;

use super::told::Told;
use super::usage::Usage;
use crate::api::openai::Ids;
use crate::chat::IdForm;
use crate::json::write_string;

/// The event that begins a stream, for whoever has to answer before anything is known of the answer: its client waits.
/// [`Events::begun`](super::Events::begun) goes on behind it. The id is made here, and stands nowhere else.
pub fn message_start(told: &Told) -> Bytes {
    let mut out = String::new();
    write_start(&told.model, &Usage::default(), &mut out);
    out.into()
}

/// Appends that event.
pub(super) fn write_start(model: &str, usage: &Usage, out: &mut String) {
    out.push_str("event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
    write_head(model, out);
    out.push_str("],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
    usage.write_known(out);
    out.push_str("}}\n\n");
}

/// Appends a message up to the first element of its content.
pub(super) fn write_head(model: &str, out: &mut String) {
    out.push_str("{\"id\":\"msg_");
    Ids::new(&IdForm::Letters(ID_LETTERS), &[]).write("", out);
    out.push_str("\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    write_string(model, out);
    out.push_str(",\"content\":[");
}

const ID_LETTERS: usize = 24;
