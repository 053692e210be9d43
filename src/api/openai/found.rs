//! Message of a whole answer, with what was found in its text put in the text's place. Finds nothing: what was found is handed in.

use std::ops::Range;

use super::chunk::{Message, ReasoningKey, ServersReasoning, is_void, place};
use super::ids::Ids;
use super::writer::{write_call_start, write_member};
use crate::decode::Event;
use crate::json::{self, Edits, inside};

/// What a message's text turned out to be.
#[derive(Debug, Default)]
pub struct Found {
    text: String,
    reasoning: String,
    /// The elements of `tool_calls`, as JSON, the last one open until its arguments are known.
    calls: String,
    arguments: String,
}

/// What becomes of calls that the server made itself of a message's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServersCalls {
    /// They stand behind those that were found.
    Kept,
    /// The client wants no more than those that were found.
    Dropped,
}

impl Found {
    /// Of what a decoder found, in its order.
    pub fn new<'a>(pieces: impl Iterator<Item = Event<'a>>, ids: &mut Ids) -> Self {
        let mut found = Self::default();
        for piece in pieces {
            match piece {
                Event::Text(text) => found.text.push_str(text),
                Event::Reasoning(text) => found.reasoning.push_str(text),
                Event::Arguments(text) => found.arguments.push_str(text),
                Event::CallEnd => {}
                Event::CallStart { name, id } => {
                    found.end_call();
                    found.calls.push_str(if found.calls.is_empty() { "{" } else { ",{" });
                    write_call_start(name, id, ids, &mut found.calls);
                }
            }
        }
        found.end_call();
        found
    }

    fn end_call(&mut self) {
        if !self.calls.is_empty() {
            json::write_string(&self.arguments, &mut self.calls);
            self.calls.push_str("}}");
            self.arguments.clear();
        }
    }
}

impl Message<'_> {
    /// Notes what changes in the message of this body. New members stand behind `content`, or where there is none behind
    /// the server's reasoning.
    pub fn put(
        &self,
        found: &Found,
        (reasoning, servers): (ServersReasoning, ServersCalls),
        body: &[u8],
        edits: &mut Edits,
    ) {
        let Some(last) = self.content.or_else(|| self.reasoning?.values().last()) else { return };
        let end = place(body, last).end;
        if let Some(content) = self.content.filter(|content| !found.calls.is_empty() || inside(content).is_some()) {
            edits.replace(place(body, content), |to| match found.text.as_str() {
                "" if !found.calls.is_empty() => to.push_str("null"),
                text => json::write_string(text, to),
            });
        }
        match self.reasoning.filter(|_| reasoning == ServersReasoning::Read) {
            Some(member) => member.values().for_each(|value| {
                edits.replace(place(body, value), |to| json::write_string(&found.reasoning, to));
            }),
            None if found.reasoning.is_empty() => {}
            None => self.put_reasoning(&found.reasoning, end..end, body, edits),
        }
        if !found.calls.is_empty() {
            let at: Range<usize> = self.tool_calls.map_or(end..end, |value| place(body, value));
            let key = if self.tool_calls.is_some() { "" } else { ",\"tool_calls\":" };
            let list = self.calls().filter(|_| servers == ServersCalls::Kept);
            let list = list.and_then(|list| list.trim_ascii().strip_prefix('['));
            let (comma, rest) = list.map_or(("", "]"), |rest| (",", rest));
            edits.replace(at, |to| to.extend([key, "[", &found.calls, comma, rest]));
        }
    }

    fn put_reasoning(&self, reasoning: &str, behind: Range<usize>, body: &[u8], edits: &mut Edits) {
        let (key, value) = match self.reasoning {
            Some(member) => (member.key, Some(member.value)),
            None => (ReasoningKey::default(), None),
        };
        match value {
            Some(value) if is_void(value) => {
                edits.replace(place(body, value), |to| json::write_string(reasoning, to));
            }
            // The upstream split off some reasoning itself, and left some: neither is lost.
            Some(value) if inside(value).is_some() => {
                let end = place(body, value).end - 1;
                edits.replace(end..end, |to| json::escape_into(reasoning, to));
            }
            _ => edits.replace(behind, |to| {
                to.push(',');
                write_member(key.name(), reasoning, to);
            }),
        }
    }
}
