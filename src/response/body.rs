//! Rewrites an answer that comes whole.
//! The text goes through the same decoder as a stream's, in one push; nothing else is different.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::choice::{write_call_start, write_member};
use super::chunk::{self, Chunk, ReasoningKey, is_void, place};
use super::edits::Edits;
use super::ids::Ids;
use super::pieces::Pieces;
use super::{STOP, Summary, finish, finish_reason};
use crate::decode::{Decoder, Event, Settings};
use crate::exchange::Exchange;
use crate::json;
use crate::limits::Limits;

/// Rewrites an answer that comes whole.
#[derive(Debug)]
pub struct BodyRewriter {
    settings: Settings,
    limits: Limits,
    body: BytesMut,
    edits: Edits,
    summary: Summary,
}

/// What a choice's text turned out to be.
#[derive(Debug, Default)]
struct Found {
    text: String,
    reasoning: String,
    /// The elements of `tool_calls`, as JSON.
    calls: String,
}

impl BodyRewriter {
    pub fn new(exchange: &Exchange, limits: &Limits) -> Self {
        Self {
            settings: exchange.decoding.clone(),
            limits: limits.clone(),
            body: BytesMut::new(),
            edits: Edits::default(),
            summary: Summary::default(),
        }
    }

    /// Takes the next bytes of the upstream's body. They are kept until all are there, or too many.
    pub fn push(&mut self, bytes: Bytes, out: &mut BytesMut) {
        if self.summary.bailed_out {
            out.extend_from_slice(&bytes);
        } else if self.body.len() + bytes.len() > self.limits.answer_bytes_max {
            self.summary.bailed_out = true;
            out.extend_from_slice(&std::mem::take(&mut self.body));
            out.extend_from_slice(&bytes);
        } else {
            self.body.extend_from_slice(&bytes);
        }
    }

    /// The upstream's body ended.
    pub fn finish(mut self, out: &mut BytesMut) -> Summary {
        let body = std::mem::take(&mut self.body).freeze();
        if let Some(answer) = Chunk::parse(&body) {
            self.summary.tokens = answer.tokens(answer.choices.len());
            self.summary.complete = answer.error.is_some() || answer.choices.iter().any(|c| c.finished().is_some());
            if answer.choices.len() <= self.limits.choices_max {
                self.rewrite(&answer, &body);
            } else {
                self.summary.bailed_out = true;
            }
        }
        self.edits.apply(&body, out);
        self.summary
    }

    fn rewrite(&mut self, answer: &Chunk<'_>, body: &[u8]) {
        let mut ids = Ids::default();
        let mut pieces = Pieces::default();
        let mut scratch = String::new();
        for (slot, choice) in answer.choices.iter().enumerate() {
            let upstream = choice.finished().unwrap_or(STOP);
            let mut reason = upstream;
            if let Some(text) = choice.message.text(&mut scratch)
                && !choice.message.has_calls()
            {
                pieces.clear();
                let mut decoder = Decoder::new(self.settings.clone(), &self.limits);
                decoder.push(text, &mut |event| pieces.take(event));
                let ending = decoder.finish(finish(upstream), &mut |event| pieces.take(event));
                self.summary.count(ending);
                reason = finish_reason(upstream, ending.calls, ending.into());
                if !pieces.are(text) {
                    self.put(choice, &Found::new(&pieces, &mut ids), body);
                }
            }
            match choice.finish_reason {
                Some(value) if reason != upstream => {
                    self.edits.replace(place(body, value), |to| json::write_string(reason, to));
                }
                _ => {}
            }
            if slot == 0 && choice.finish_reason.is_some() {
                self.summary.finish_reason = Some(reason.to_owned());
            }
        }
    }

    /// Notes what changes in a message. New members stand behind `content`.
    fn put(&mut self, choice: &chunk::Choice<'_>, found: &Found, body: &[u8]) {
        let message = &choice.message;
        let Some(content) = message.content.map(|content| place(body, content)) else { return };
        let behind = content.end..content.end;
        self.edits.replace(content, |to| match found.text.as_str() {
            "" if !found.calls.is_empty() => to.push_str("null"),
            text => json::write_string(text, to),
        });
        if !found.reasoning.is_empty() {
            let (key, at) = match message.reasoning {
                Some(member) => (member.key, Some((place(body, member.value), member.value))),
                None => (ReasoningKey::default(), None),
            };
            match at {
                Some((at, value)) if is_void(value) => {
                    self.edits.replace(at, |to| json::write_string(&found.reasoning, to));
                }
                // The upstream split off some reasoning itself, and left some: neither is lost.
                Some((at, value)) if chunk::string(value).is_some() => {
                    self.edits.replace(at.end - 1..at.end - 1, |to| json::escape_into(&found.reasoning, to));
                }
                _ => self.edits.replace(behind.clone(), |to| {
                    to.push(',');
                    write_member(key.name(), &found.reasoning, to);
                }),
            }
        }
        if !found.calls.is_empty() {
            let at: Range<usize> = message.tool_calls.map_or(behind, |value| place(body, value));
            let key = if message.tool_calls.is_some() { "" } else { ",\"tool_calls\":" };
            self.edits.replace(at, |to| to.extend([key, "[", &found.calls, "]"]));
        }
    }
}

impl Found {
    fn new(pieces: &Pieces, ids: &mut Ids) -> Self {
        let mut found = Self::default();
        let mut arguments = String::new();
        for piece in pieces.iter() {
            match piece {
                Event::Text(text) => found.text.push_str(text),
                Event::Reasoning(text) => found.reasoning.push_str(text),
                Event::Arguments(text) => arguments.push_str(text),
                Event::CallEnd => {}
                Event::CallStart { name, id } => {
                    found.end_call(&mut arguments);
                    found.calls.push_str(if found.calls.is_empty() { "{" } else { ",{" });
                    write_call_start(name, id, ids, &mut found.calls);
                }
            }
        }
        found.end_call(&mut arguments);
        found
    }

    fn end_call(&mut self, arguments: &mut String) {
        if !self.calls.is_empty() {
            json::write_string(arguments, &mut self.calls);
            self.calls.push_str("}}");
            arguments.clear();
        }
    }
}
