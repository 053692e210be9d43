//! Rewrites an answer that comes whole.
//! The text goes through the same decoder as a stream's, in one push; nothing else is different.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::choice::{write_call_start, write_member};
use super::chunk::{self, Chunk, ReasoningKey, is_void, place};
use super::edits::Edits;
use super::ids::Ids;
use super::pieces::Pieces;
use super::{STOP, Summary, finish, finish_reason, served, shape};
use crate::decode::{Decoder, Event, Finish, Settings};
use crate::json;
use crate::limits::Limits;
use crate::plan::Exchange;

/// Rewrites an answer that comes whole.
#[derive(Debug)]
pub struct BodyRewriter {
    /// Absent where no text is read.
    settings: Option<Settings>,
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
    /// Whether the client wants no more than these.
    is_enough: bool,
}

impl BodyRewriter {
    pub fn new(exchange: &Exchange, limits: &Limits) -> Self {
        Self { settings: Some(exchange.decoding.clone()), ..Self::unchanging(limits) }
    }

    /// For an answer to a request without tools: nothing changes, and the summary says what there is.
    pub fn unchanging(limits: &Limits) -> Self {
        Self {
            settings: None,
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
        for (slot, choice) in answer.choices.iter().enumerate() {
            let upstream = choice.finished().unwrap_or(STOP);
            let reason = match self.settings.clone() {
                Some(settings) => self.rewrite_choice(choice, settings, &mut ids, body),
                None => upstream,
            };
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

    /// Reads a choice's text and returns the finish reason that the client gets.
    fn rewrite_choice<'a>(
        &mut self,
        choice: &chunk::Choice<'a>,
        settings: Settings,
        ids: &mut Ids,
        body: &[u8],
    ) -> &'a str {
        let upstream = choice.finished().unwrap_or(STOP);
        let served = choice.message.calls();
        let mut scratch = String::new();
        let mut pieces = Pieces::default();
        let text = choice.message.inside().and_then(|inside| shape::text(inside, &mut scratch)).unwrap_or_default();
        let mut decoder = Decoder::new(settings, &self.limits);
        decoder.push(text, &mut |event| pieces.take(event));
        // The server's own calls follow the text, and end it.
        let is_enough = decoder.is_closed();
        let end = if served.is_some() { Finish::Stop } else { finish(upstream) };
        let ending = decoder.finish(end, &mut |event| pieces.take(event));
        self.summary.count(ending);
        if !pieces.are(text) {
            let found = Found { is_enough, ..Found::new(&pieces, ids) };
            self.put(choice, &found, body);
        }
        let served = served.filter(|_| !is_enough).map_or(0, served::count);
        finish_reason(upstream, ending.calls + served, ending.into())
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
            // Those that the server made itself stand behind.
            let served =
                message.calls().filter(|_| !found.is_enough).and_then(|list| list.trim_ascii().strip_prefix('['));
            let (comma, rest) = served.map_or(("", "]"), |rest| (",", rest));
            self.edits.replace(at, |to| to.extend([key, "[", &found.calls, comma, rest]));
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
