//! Writer of one choice's events: what a decoder found, as deltas in the envelope of an event that came.
//! Decides nothing: what is written, and when, is the caller's.

use std::fmt::Write;

use bytes::BytesMut;

use super::chunk::{Chunk, ReasoningKey};
use super::ids::Ids;
use crate::decode::Event;
use crate::json;

/// Writes the events of one choice.
#[derive(Debug, Default)]
pub struct ChoiceWriter {
    /// What stands around a delta: id, object, created, model and index, as upstream wrote them.
    before_delta: String,
    blank_line: &'static str,
    /// What stands before the arguments of the newest call in each of their deltas.
    before_arguments: String,
    /// Calls that were written: the next one's `index`.
    calls: u32,
    role: Role,
}

/// Whether the client knows who speaks: the first event of a choice says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Unsaid,
    Said,
}

/// What all choices of an answer write with.
#[derive(Debug, Default)]
pub struct Scratch {
    ids: Ids,
    delta: String,
}

impl Scratch {
    /// For an answer whose calls get these ids.
    pub fn new(ids: Ids) -> Self {
        Self { ids, delta: String::new() }
    }
}

impl ChoiceWriter {
    /// Takes the envelope of the current event over, but for the model's name where there is an alias (as JSON).
    /// `raw` tells how the upstream ends its lines.
    pub fn adopt(&mut self, chunk: &Chunk<'_>, index: u64, raw: &[u8], alias: Option<&str>) {
        self.before_delta.clear();
        self.before_delta.push_str("data: {");
        for (key, value) in chunk.envelope() {
            let value = alias.filter(|_| key == "model" && json::inside(value).is_some()).unwrap_or(value);
            // These keys are plain words: nothing in them needs to be escaped.
            self.before_delta.extend(["\"", key, "\":", value, ","]);
        }
        let _ = write!(self.before_delta, "\"choices\":[{{\"index\":{index},\"delta\":");
        self.blank_line = if raw.ends_with(b"\r\n\r\n") { "\r\n\r\n" } else { "\n\n" };
    }

    /// Whether it has an envelope.
    pub fn is_addressed(&self) -> bool {
        !self.before_delta.is_empty()
    }

    /// Appends an event for one piece of what was found.
    pub fn write(&mut self, piece: Event<'_>, key: ReasoningKey, scratch: &mut Scratch, out: &mut BytesMut) {
        let delta = &mut scratch.delta;
        delta.clear();
        delta.push('{');
        if self.role == Role::Unsaid {
            delta.push_str("\"role\":\"assistant\",");
        }
        match piece {
            Event::Text(text) => write_member("content", text, delta),
            Event::Reasoning(text) => write_member(key.name(), text, delta),
            Event::CallStart { name, id } => {
                let _ = write!(delta, "\"tool_calls\":[{{\"index\":{},", self.calls);
                write_call_start(name, id, &mut scratch.ids, delta);
                delta.push_str("\"\"}}]");
                self.before_arguments.clear();
                let _ = write!(
                    self.before_arguments,
                    "\"tool_calls\":[{{\"index\":{},\"function\":{{\"arguments\":\"",
                    self.calls
                );
                self.calls += 1;
            }
            Event::Arguments(text) => {
                delta.push_str(&self.before_arguments);
                json::escape_into(text, delta);
                delta.push_str("\"}}]");
            }
            Event::CallEnd => return,
        }
        delta.push('}');
        self.write_parts(&scratch.delta, "null", out);
        self.begin();
    }

    /// Appends the event that ends the choice.
    pub fn finish(&self, reason: &str, out: &mut BytesMut) {
        self.write_parts("{}", &format!("\"{reason}\""), out);
    }

    /// Notes that the client got an event of this choice as the upstream wrote it.
    pub fn begin(&mut self) {
        self.role = Role::Said;
    }

    /// Whether the client got an event of this choice.
    pub fn has_begun(&self) -> bool {
        self.role == Role::Said
    }

    /// Calls that were written.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    fn write_parts(&self, delta: &str, finish: &str, out: &mut BytesMut) {
        for part in [&self.before_delta, delta, ",\"finish_reason\":", finish, "}]}", self.blank_line] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// The event that ends a stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Appends the members of a call up to the value of `arguments`, its object and that of `function` left open.
pub(super) fn write_call_start(name: &str, id: Option<&str>, ids: &mut Ids, out: &mut String) {
    out.push_str("\"id\":\"");
    match id.filter(|id| ids.is_new(id)) {
        Some(id) => json::escape_into(id, out),
        None => ids.write(name, out),
    }
    out.push_str("\",\"type\":\"function\",\"function\":{");
    write_member("name", name, out);
    out.push_str(",\"arguments\":");
}

/// Appends a member whose value is a string.
pub(super) fn write_member(key: &str, text: &str, out: &mut String) {
    let _ = write!(out, "\"{key}\":");
    json::write_string(text, out);
}
