//! Answer that comes whole: collected, parsed once, all its changes made in one pass.
//! The text goes through the same decoder as a stream's, in one push; nothing else is different.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::alias::Alias;
use super::pieces::Pieces;
use super::salvage::Salvaged;
use super::scribe::Coming;
use super::speaker::Speaker;
use super::telling::Telling;
use super::{Summary, finish, letters};
use crate::api::openai::chunk::{self, Chunk, ServersReasoning, object, place};
use crate::api::openai::finish::STOP;
use crate::api::openai::{Found, Ids, ServerError, ServersCalls, served, without_error};
use crate::decode::Finish;
use crate::json::{self, Edits};
use crate::limits::Limits;
use crate::plan::Exchange;

/// Rewrites an answer that comes whole.
#[derive(Debug)]
pub struct BodyRewriter {
    reading: Reading,
    alias: Option<Alias>,
    ids: Ids,
    limits: Limits,
    body: BytesMut,
    edits: Edits,
    summary: Summary,
}

/// What is read of it.
#[derive(Debug)]
enum Reading {
    Nothing,
    /// What it cost, and how it ended.
    Facts,
    /// The same, and its text where an error in it tells the rest.
    Errors(Box<Exchange>),
    /// Its text, too.
    Text(Box<Exchange>),
}

impl BodyRewriter {
    /// For an answer whose text is read.
    pub fn new(exchange: &Exchange, limits: &Limits) -> Self {
        Self { reading: Reading::Text(Box::new(exchange.clone())), ids: exchange.ids(), ..Self::unread(limits) }
    }

    /// For an answer of which nothing is read but what it cost, unless an error in it tells what the model wrote.
    pub fn looking_for_errors(exchange: &Exchange, limits: &Limits) -> Self {
        Self { reading: Reading::Errors(Box::new(exchange.clone())), ids: exchange.ids(), ..Self::unread(limits) }
    }

    /// For an answer to a request without tools: nothing changes, and the summary says what there is.
    pub fn unchanging(limits: &Limits) -> Self {
        Self { reading: Reading::Facts, ..Self::unread(limits) }
    }

    /// For an answer of which nothing is read.
    pub fn unread(limits: &Limits) -> Self {
        Self {
            reading: Reading::Nothing,
            alias: None,
            ids: Ids::default(),
            limits: limits.clone(),
            body: BytesMut::new(),
            edits: Edits::default(),
            summary: Summary::default(),
        }
    }

    /// The same, and this name in the place of the model's.
    #[must_use]
    pub fn with_alias(self, name: &str) -> Self {
        Self { alias: Some(Alias::new(name)), ..self }
    }

    /// Whether anything of it is read.
    pub fn is_read(&self) -> bool {
        !matches!(self.reading, Reading::Nothing)
    }

    /// Takes the next bytes of the upstream's body. They are kept until all are there, or too many.
    pub fn push(&mut self, bytes: Bytes) -> Bytes {
        if self.summary.bailed_out {
            return bytes;
        }
        if self.body.len() + bytes.len() <= self.limits.answer_bytes_max {
            self.body.extend_from_slice(&bytes);
            return Bytes::new();
        }
        self.summary.bailed_out = true;
        let mut body = std::mem::take(&mut self.body);
        body.extend_from_slice(&bytes);
        body.freeze()
    }

    /// The upstream's body ended.
    pub fn finish(mut self, out: &mut BytesMut) -> Summary {
        let body = std::mem::take(&mut self.body).freeze();
        let (salvaged, body) = self.salvage(body);
        let object = object(&body);
        if self.is_read()
            && let Some(answer) = object.as_ref().and_then(Chunk::of)
        {
            self.summary.tokens = answer.tokens(answer.choices.len());
            self.summary.complete = answer.error.is_some() || answer.choices.iter().any(|c| c.finished().is_some());
            if answer.choices.len() <= self.limits.choices_max {
                self.rewrite(&answer, &body, salvaged.as_ref());
            } else {
                self.summary.bailed_out = true;
            }
        }
        if let (Some(alias), Some(object)) = (&self.alias, &object) {
            alias.edit(object, &body, &mut self.edits);
        }
        self.edits.apply(&body, out);
        self.summary
    }

    /// What an error in the body tells of the answer, and the body without it.
    fn salvage(&mut self, body: Bytes) -> (Option<Salvaged>, Bytes) {
        let (Reading::Text(exchange) | Reading::Errors(exchange)) = &self.reading else { return (None, body) };
        let object = object(&body);
        let unparsed = object.as_ref().and_then(|object| ServerError::of(object)?.unparsed());
        let Some((object, unparsed)) = object.zip(unparsed) else { return (None, body) };
        let salvaged = Salvaged::of(unparsed, &exchange.decoding, &self.limits);
        self.reading = Reading::Text(exchange.clone());
        (Some(salvaged), without_error(&object).into())
    }

    fn rewrite(&mut self, answer: &Chunk<'_>, body: &[u8], salvaged: Option<&Salvaged>) {
        let mut ids = std::mem::take(&mut self.ids);
        for (slot, choice) in answer.choices.iter().enumerate() {
            let upstream = choice.finished().unwrap_or(STOP);
            let reason = match &self.reading {
                Reading::Text(exchange) => {
                    let salvaged = salvaged.filter(|_| slot == 0);
                    Cow::Owned(self.rewrite_choice((choice, salvaged), &exchange.clone(), &mut ids, body))
                }
                Reading::Nothing | Reading::Facts | Reading::Errors(_) => Cow::Borrowed(upstream),
            };
            match choice.finish_reason {
                Some(value) if reason != upstream => {
                    self.edits.replace(place(body, value), |to| json::write_string(&reason, to));
                }
                _ => {}
            }
            if slot == 0 && choice.finish_reason.is_some() {
                self.summary.finish_reason = Some(reason.into_owned());
            }
        }
    }

    /// Reads a choice's text and returns the finish reason that the client gets.
    fn rewrite_choice(
        &mut self,
        (choice, salvaged): (&chunk::Choice<'_>, Option<&Salvaged>),
        exchange: &Exchange,
        ids: &mut Ids,
        body: &[u8],
    ) -> String {
        let (upstream, message) = (choice.finished().unwrap_or(STOP), &choice.message);
        let mut speaker = Speaker::new(&exchange.decoding, Telling::of(exchange, Coming::Whole), &self.limits);
        let (mut scratch, mut other_scratch, mut pieces) = (String::new(), String::new(), Pieces::default());
        let thought = message.reasoning.filter(|_| speaker.reads_thoughts()).and_then(|member| member.inside());
        let reasoning = if thought.is_some() { ServersReasoning::Read } else { ServersReasoning::Kept };
        let thought = thought.and_then(|inside| letters::text(inside, &mut other_scratch)).unwrap_or_default();
        let text = message.inside().and_then(|inside| letters::text(inside, &mut scratch)).unwrap_or_default();
        speaker.think(thought, &mut pieces);
        speaker.push(text, &mut pieces, &mut self.summary);
        if let Some(salvaged) = salvaged {
            speaker.salvage(salvaged, &mut pieces, &mut self.summary);
        }
        // The server's own calls follow the text, and end it.
        let end = if message.calls().is_some() { Finish::Stop } else { finish(upstream) };
        speaker.end(end, &mut pieces, &mut self.summary);
        let list = message.calls();
        let is_written = list.is_some_and(|list| speaker.serve_as_text(list, &mut pieces));
        speaker.end_telling(finish(upstream), &mut pieces);
        let is_dropped = is_written || speaker.had_its_call();
        let servers = if is_dropped { ServersCalls::Dropped } else { ServersCalls::Kept };
        if !pieces.are(thought, text) {
            let found = Found::new(pieces.iter(), ids);
            message.put(&found, (reasoning, servers), body, &mut self.edits);
        }
        if let Some(list) = list.filter(|_| servers == ServersCalls::Kept) {
            speaker.serve(served::count(list));
        }
        speaker.close(upstream, pieces.calls()).to_owned()
    }
}
