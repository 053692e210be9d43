//! What becomes of each event of a streamed answer.
//! Frames nothing and ends nothing by itself: that is `stream`'s.
//!
//! One event may hold several pieces of text, reasoning and calls.
//! The event itself goes first and keeps the text that it begins with; the other pieces follow as events of their own.
//! An event with a finish reason goes last.

use std::borrow::Cow;

use bytes::BytesMut;

use super::choice::{Choice, Writer};
use super::chunk::{self, Chunk, ReasoningKey, place};
use super::edits::Edits;
use super::envelope::{DONE, UNFINISHED, write_error, write_told};
use super::letters::Text;
use super::out::Out;
use super::pieces::Pieces;
use super::told::Told;
use super::{STOP, Summary, finish};
use crate::api::openai;
use crate::api::openai::Usage;
use crate::chat::Calls;
use crate::decode::{Decoder, Event, Finish, Settings};
use crate::json;
use crate::limits::Limits;
use crate::plan::Exchange;
use crate::sse;

/// How the stream goes on after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    /// The answer was ended: nothing that the upstream may still say counts.
    Over,
    /// There are too many choices to read; this event was not written.
    BailOut,
}

#[derive(Debug)]
pub(super) struct Answer {
    settings: Settings,
    limits: Limits,
    usage: Usage,
    /// How many choices the client asked for.
    choices_asked: usize,
    choices: Vec<Choice>,
    /// The choice whose shape the newest event had.
    newest: usize,
    reasoning: ReasoningKey,
    writer: Writer,
    pub summary: Summary,
    /// Events in which the model said something.
    pub spoken: u64,
    /// Whether `[DONE]` or an error was seen: what follows goes on unread.
    ended: bool,
    /// What one event makes; kept for their memory.
    pieces: Pieces,
    edits: Edits,
    behind: BytesMut,
    scratch: String,
}

impl Answer {
    pub(super) fn new(exchange: &Exchange, limits: &Limits) -> Self {
        Self {
            settings: exchange.decoding.clone(),
            limits: limits.clone(),
            usage: exchange.usage,
            choices_asked: exchange.choices.max(1),
            // Nearly every answer has one; by itself the list would begin with room for four.
            choices: Vec::with_capacity(1),
            newest: 0,
            reasoning: ReasoningKey::default(),
            writer: Writer::default(),
            summary: Summary::default(),
            spoken: 0,
            ended: false,
            pieces: Pieces::default(),
            edits: Edits::default(),
            behind: BytesMut::new(),
            scratch: String::new(),
        }
    }

    /// Writes what comes of one event.
    pub(super) fn take(&mut self, event: &sse::Event<'_>, out: &mut Out) -> Flow {
        if self.ended {
            out.pass(event);
            return Flow::On;
        }
        if !self.take_known_shape(event, out) && self.parse(event, out) == Flow::BailOut {
            return Flow::BailOut;
        }
        if self.is_over() {
            self.conclude(&mut out.made);
            out.made.extend_from_slice(DONE);
            return Flow::Over;
        }
        Flow::On
    }

    /// Nothing more comes: unless the answer is complete, says so.
    pub(super) fn end(&mut self, error: &openai::Error<'_>, out: &mut BytesMut) {
        if self.ended {
            return;
        }
        if self.is_finished() {
            self.summary.complete = true;
            out.extend_from_slice(DONE);
        } else {
            self.let_go(Finish::Cut, out);
            write_error(error, out);
        }
    }

    /// Lets go of everything that is held; what follows is not read.
    pub(super) fn let_go(&mut self, finish: Finish, out: &mut BytesMut) {
        for choice in &mut self.choices {
            self.pieces.clear();
            choice.end(finish, &mut self.pieces, &mut self.summary);
            for piece in self.pieces.iter() {
                choice.write(piece, self.reasoning, &mut self.writer, out);
            }
        }
    }

    /// Bytes held back, over all choices.
    pub(super) fn held(&self) -> usize {
        self.choices.iter().map(Choice::held).sum()
    }

    pub(super) fn bail_out(&mut self, out: &mut BytesMut) {
        self.let_go(Finish::Cut, out);
        self.summary.bailed_out = true;
    }

    #[cfg(test)]
    pub(super) fn forget_shapes(&mut self) {
        self.choices.iter_mut().for_each(|choice| choice.shape.forget());
    }

    /// Whether all that counts was said: each choice had its one call. Where usage was asked for, it is waited for.
    fn is_over(&self) -> bool {
        self.settings.calls == Calls::First
            && self.usage == Usage::Unasked
            && !self.ended
            && !self.is_finished()
            && self.choices.len() >= self.choices_asked
            && self.choices.iter().all(Choice::is_over)
    }

    /// Whether everything was said but what it cost.
    pub(super) fn is_said(&self) -> bool {
        self.ended || self.is_finished()
    }

    /// Whether all choices have come, and each has its finish reason.
    fn is_finished(&self) -> bool {
        self.choices.len() >= self.choices_asked && self.choices.iter().all(|choice| choice.finish_reason.is_some())
    }

    /// Makes the finish reasons that the upstream did not send; where there is nothing to finish, an error.
    fn conclude(&mut self, out: &mut BytesMut) {
        self.ended = true;
        self.summary.complete = !self.choices.is_empty();
        if self.choices.is_empty() {
            write_error(&UNFINISHED, out);
        }
        self.let_go(Finish::Stop, out);
        for (slot, choice) in self.choices.iter_mut().enumerate() {
            if choice.finish_reason.is_some() {
                continue;
            }
            let reason = choice.close(STOP).to_owned();
            choice.envelope.write_finish(&reason, out);
            if slot == 0 {
                self.summary.finish_reason = Some(reason);
            }
        }
    }

    /// The shortcut for an event that differs from an earlier one only in its text; `false` when it does not apply.
    /// Such an event carries nothing else, so it is dropped when nothing of its text goes on.
    fn take_known_shape(&mut self, event: &sse::Event<'_>, out: &mut Out) -> bool {
        // Choices take turns.
        let next = if self.newest + 1 < self.choices.len() { self.newest + 1 } else { 0 };
        for slot in [self.newest, next] {
            let Some(choice) = self.choices.get_mut(slot) else { continue };
            let Some(inside) = choice.shape.fit(event.raw) else { continue };
            let Some(Text { text, cut }) = choice.text(inside, &mut self.scratch) else { return false };
            self.newest = slot;
            self.spoken += u64::from(!inside.is_empty());
            self.pieces.clear();
            choice.push(text, &mut self.pieces);
            if self.pieces.are(text) && !cut {
                out.pass(event);
                choice.begun = true;
                return true;
            }
            // What is made of an event is hardly longer than it.
            out.made.reserve(event.raw.len() + 64);
            let mut pieces = self.pieces.iter().peekable();
            if let Some(Event::Text(text)) = pieces.next_if(|piece| matches!(piece, Event::Text(_))) {
                let (before, behind) = choice.shape.around();
                self.scratch.clear();
                json::escape_into(text, &mut self.scratch);
                for part in [before, self.scratch.as_bytes(), behind] {
                    out.made.extend_from_slice(part);
                }
                choice.begun = true;
            }
            for piece in pieces {
                choice.write(piece, self.reasoning, &mut self.writer, &mut out.made);
            }
            return true;
        }
        false
    }

    fn parse(&mut self, event: &sse::Event<'_>, out: &mut Out) -> Flow {
        let data = event.data().unwrap_or_default();
        if let Some(told) = Told::of_event(event) {
            return self.fail(event, told, out);
        } else if is_done(data) {
            self.conclude(&mut out.made);
        } else if let Some(chunk) = Chunk::parse(data) {
            self.summary.tokens = chunk.tokens(self.choices_asked).or(self.summary.tokens);
            self.spoken += u64::from(chunk.speaks());
            if let Some(told) = chunk.error {
                return self.fail(event, told, out);
            } else if !chunk.choices.is_empty() {
                return self.rewrite(event, &chunk, out);
            }
        }
        out.pass(event);
        Flow::On
    }

    /// The server tells an error, in which the answer ends. A client gets it in the shape that it knows.
    fn fail(&mut self, event: &sse::Event<'_>, told: Told<'_>, out: &mut Out) -> Flow {
        self.let_go(Finish::Cut, &mut out.made);
        self.ended = true;
        self.summary.complete = true;
        if told.is_openais() {
            out.pass(event);
        } else {
            write_told(told, &mut out.made);
        }
        Flow::On
    }

    fn rewrite(&mut self, event: &sse::Event<'_>, chunk: &Chunk<'_>, out: &mut Out) -> Flow {
        let slots: Option<Vec<usize>> = chunk.choices.iter().map(|view| self.slot(view.index)).collect();
        let Some(slots) = slots else { return Flow::BailOut };
        self.edits.clear();
        self.behind.clear();
        let mut kept = chunk.carries || !event.only_data;
        for (view, slot) in chunk.choices.iter().zip(slots) {
            let Some(choice) = self.choices.get_mut(slot) else { continue };
            choice.envelope.adopt(chunk, view.index, event.raw);
            if let Some(content) = view.message.content
                && !kept
                && !choice.carries(view)
                && chunk.choices.len() == 1
                && view.finished().is_none()
                && chunk::string(content).is_some()
                && matches!(event.joined, Cow::Borrowed(_))
            {
                choice.shape.remember(event.raw, place(event.raw, content));
            }
            kept |= self.rewrite_choice(slot, view, &event.joined, &mut out.made);
        }
        if kept && self.edits.is_empty() {
            out.pass(event);
        } else if kept {
            self.edits.apply(&event.joined, &mut out.made);
        }
        out.made.extend_from_slice(&self.behind);
        Flow::On
    }

    /// Reads one choice of an event, notes what changes in it, and returns whether the event goes on for its sake.
    fn rewrite_choice(&mut self, slot: usize, view: &chunk::Choice<'_>, data: &[u8], out: &mut BytesMut) -> bool {
        let Self { choices, pieces, edits, behind, scratch, summary, writer, reasoning, .. } = self;
        let Some(choice) = choices.get_mut(slot) else { return true };
        let message = &view.message;
        if let Some(member) = message.reasoning {
            *reasoning = member.key;
        }
        pieces.clear();
        let Text { text, cut } = message.inside().and_then(|inside| choice.text(inside, scratch)).unwrap_or_default();
        choice.push(text, pieces);
        let finished = view.finished();
        if message.calls().is_some() || finished.is_some() {
            choice.end(finished.map_or(Finish::Stop, finish), pieces, summary);
        }

        let carries = choice.carries(view);
        let (mut kept, mut role_moves) = (true, false);
        if pieces.are(text) && !cut {
            choice.begun = true;
        } else if choice.is_read() {
            let mut pieces = pieces.iter().peekable();
            let first = pieces.next_if(|piece| matches!(piece, Event::Text(_)));
            kept = carries || first.is_some();
            choice.begun |= kept;
            if let Some(content) = message.content {
                let left = if let Some(Event::Text(left)) = first { left } else { "" };
                edits.replace(place(data, content), |to| json::write_string(left, to));
            }
            for piece in pieces {
                choice.write(piece, *reasoning, writer, behind);
            }
        } else {
            // The event ends the choice, or its reading, so it goes last. The first event has the role, whichever it is.
            let begun = choice.begun;
            for piece in pieces.iter() {
                choice.write(piece, *reasoning, writer, out);
            }
            role_moves = choice.begun && !begun && message.role.is_some();
            choice.begun = true;
            if let Some(content) = message.content.filter(|_| !role_moves && message.inside().is_some()) {
                edits.replace(place(data, content), |to| to.push_str("\"\""));
            }
        }
        let calls = message.calls().and_then(|list| choice.serve(list));
        if role_moves {
            edits.replace(place(data, message.raw), |to| to.push_str(&message.rest(calls)));
        } else if let (Some(list), Some(calls)) = (message.tool_calls, calls) {
            edits.replace(place(data, list), |to| to.push_str(&calls));
        }

        if let (Some(upstream), Some(value)) = (finished, view.finish_reason) {
            let reason = choice.close(upstream);
            if reason != upstream {
                edits.replace(place(data, value), |to| json::write_string(reason, to));
            }
            if slot == 0 {
                summary.finish_reason = Some(reason.to_owned());
            }
        }
        kept
    }

    /// The place of a choice among those that are known; a new one gets a decoder. `None` when there are too many.
    fn slot(&mut self, index: u64) -> Option<usize> {
        let known = self.choices.iter().position(|choice| choice.index == index);
        if known.is_some() || self.choices.len() >= self.limits.choices_max {
            return known;
        }
        let decoder = Decoder::new(self.settings.clone(), &self.limits);
        self.choices.push(Choice::new(index, decoder));
        Some(self.choices.len() - 1)
    }
}

fn is_done(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

/// Whether data is all there, and not the half of an event.
pub(super) fn is_whole(data: &[u8]) -> bool {
    is_done(data) || Chunk::parse(data).is_some()
}
