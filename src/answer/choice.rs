//! One choice of a streamed answer: its decoder, and the events that come of it.
//! Knows no bytes of the upstream; `stream` decides where these events go.

use std::fmt::Write;

use bytes::BytesMut;

use super::chunk::{self, ReasoningKey};
use super::envelope::Envelope;
use super::ids::Ids;
use super::letters::{Letters, Text};
use super::pieces::Pieces;
use super::shape::Shape;
use super::{Summary, Truncated, finish_reason, served};
use crate::decode::{Decoder, Event, Finish};
use crate::json;

#[derive(Debug)]
pub(super) struct Choice {
    pub index: u64,
    /// Reads the text. `None` once the choice is finished, or when the upstream makes the calls itself.
    decoder: Option<Decoder>,
    letters: Letters,
    pub envelope: Envelope,
    pub shape: Shape,
    /// Calls that were written: the next one's `index`.
    calls: u32,
    /// Calls of the server's own, behind those.
    served: u32,
    /// Whether a call was written that is the only one the client wants.
    had_its_call: bool,
    /// What stands before the arguments of the newest call in each of their events.
    before_arguments: String,
    truncated: Truncated,
    /// Whether the client got an event of this choice; the first carries the role.
    pub begun: bool,
    /// As the client got it.
    pub finish_reason: Option<String>,
}

impl Choice {
    pub(super) fn new(index: u64, decoder: Decoder) -> Self {
        Self {
            index,
            decoder: Some(decoder),
            letters: Letters::default(),
            envelope: Envelope::default(),
            shape: Shape::default(),
            calls: 0,
            served: 0,
            had_its_call: false,
            before_arguments: String::new(),
            truncated: Truncated::No,
            begun: false,
            finish_reason: None,
        }
    }

    /// Whether the text of this choice is still read.
    pub(super) fn is_read(&self) -> bool {
        self.decoder.is_some()
    }

    /// Bytes of the text that were read and are not yet decided.
    pub(super) fn held(&self) -> usize {
        self.decoder.as_ref().map_or(0, Decoder::held)
    }

    /// Whether nothing that may still come counts.
    pub(super) fn is_over(&self) -> bool {
        self.finish_reason.is_some() || self.decoder.as_ref().is_some_and(Decoder::is_closed)
    }

    /// Whether an event must go on even when none of its text does.
    pub(super) fn carries(&self, view: &chunk::Choice<'_>) -> bool {
        view.carries || view.message.carries || (view.message.role.is_some() && !self.begun)
    }

    /// The text that stands between the quotes of an event's content, as far as it is read at all.
    pub(super) fn text<'a>(&mut self, inside: &'a [u8], scratch: &'a mut String) -> Option<Text<'a>> {
        self.is_read().then(|| self.letters.read(inside, scratch)).flatten()
    }

    /// Reads more of the text.
    pub(super) fn push(&mut self, text: &str, pieces: &mut Pieces) {
        if let Some(decoder) = &mut self.decoder {
            decoder.push(text, &mut |event| pieces.take(event));
        }
    }

    /// The text ends here: what is held comes out, and what follows is not read.
    pub(super) fn end(&mut self, finish: Finish, pieces: &mut Pieces, summary: &mut Summary) {
        if let Some(mut decoder) = self.decoder.take() {
            decoder.push(self.letters.finish(), &mut |event| pieces.take(event));
            self.had_its_call = decoder.is_closed();
            let ending = decoder.finish(finish, &mut |event| pieces.take(event));
            self.truncated = ending.into();
            summary.count(ending);
        }
    }

    /// Notes calls that the server made itself, and says what becomes of their list, if anything does.
    pub(super) fn serve(&mut self, list: &str) -> Option<String> {
        if self.had_its_call {
            return Some("[]".to_owned());
        }
        self.served = self.served.max(served::count(list));
        (self.calls > 0).then(|| served::behind(self.calls, list))
    }

    /// Notes the server's finish reason and says which one the client gets.
    pub(super) fn close(&mut self, upstream: &str) -> &str {
        let calls = self.calls + self.served;
        let truncated = self.truncated;
        self.finish_reason.get_or_insert_with(|| finish_reason(upstream, calls, truncated).to_owned())
    }

    /// Writes an event for one piece.
    pub(super) fn write(&mut self, piece: Event<'_>, key: ReasoningKey, writer: &mut Writer, out: &mut BytesMut) {
        let delta = &mut writer.delta;
        delta.clear();
        delta.push('{');
        if !self.begun {
            delta.push_str("\"role\":\"assistant\",");
        }
        match piece {
            Event::Text(text) => write_member("content", text, delta),
            Event::Reasoning(text) => write_member(key.name(), text, delta),
            Event::CallStart { name, id } => {
                let _ = write!(delta, "\"tool_calls\":[{{\"index\":{},", self.calls);
                write_call_start(name, id, &mut writer.ids, delta);
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
        self.envelope.write(delta, out);
        self.begun = true;
    }
}

/// What all choices of a reply write with.
#[derive(Debug, Default)]
pub(super) struct Writer {
    ids: Ids,
    delta: String,
}

/// Appends the members of a call up to the value of `arguments`, its object and that of `function` left open.
pub(super) fn write_call_start(name: &str, id: Option<&str>, ids: &mut Ids, out: &mut String) {
    out.push_str("\"id\":\"");
    match id {
        Some(id) => json::escape_into(id, out),
        None => ids.write(out),
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
