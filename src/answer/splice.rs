//! Splice: calls and reasoning out of the text of a stream's events, the text that is left back into their bytes.
//! Frames nothing; when the stream is over is `stream`'s to say.
//!
//! One event may hold several pieces of text, reasoning and calls.
//! The event itself goes first and keeps the text that it begins with; the other pieces follow as events of their own.
//! An event with a finish reason goes last.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::Summary;
use super::alias::Alias;
use super::choice::{Bench, Choice};
use super::letters::Text;
use super::out::Out;
use super::salvage::Salvaged;
use crate::api::openai::chunk::{Chunk, is_done, object, place};
use crate::api::openai::finish::STOP;
use crate::api::openai::{DONE, Error, ServerError, UNFINISHED, Usage};
use crate::chat::Calls;
use crate::decode::{Event, Finish};
use crate::json::{self, inside};
use crate::limits::Limits;
use crate::plan::Exchange;
use crate::sse;

/// How the stream goes on after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    /// Nothing is to be done to what follows.
    Unread,
    /// The answer was ended: nothing that the upstream may still say counts.
    Over,
}

/// Whether events are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    On,
    /// The answer has had its end, `[DONE]` or an error: what follows goes on unread.
    Ended,
    /// A limit was reached: what follows goes on unread.
    BailedOut,
}

/// What is done to the events of a stream whose text is read.
#[derive(Debug)]
pub(super) struct Splice {
    exchange: Exchange,
    limits: Limits,
    usage: Usage,
    /// How many choices the client asked for.
    choices_asked: usize,
    choices: Vec<Choice>,
    /// The choice whose shape the newest event had.
    newest: usize,
    reading: Reading,
    pub summary: Summary,
    /// Events in which the model said something.
    pub spoken: u64,
    bench: Bench,
}

impl Splice {
    pub(super) fn new(exchange: &Exchange, limits: &Limits) -> Self {
        Self {
            exchange: exchange.clone(),
            limits: limits.clone(),
            usage: exchange.usage,
            choices_asked: exchange.choices.max(1),
            // Nearly every answer has one; by itself the list would begin with room for four.
            choices: Vec::with_capacity(1),
            newest: 0,
            reading: Reading::On,
            summary: Summary::default(),
            spoken: 0,
            bench: Bench::new(exchange.ids()),
        }
    }

    /// Goes on behind events that were not read, of which this was the first.
    pub(super) fn resume(&mut self, first: &[u8], name: Option<&str>) {
        let mut events = sse::Decoder::new(usize::MAX);
        events.push(Bytes::copy_from_slice(first));
        let Ok(Some(event)) = events.next_event() else { return };
        let object = event.data().and_then(object);
        let Some(chunk) = object.as_ref().and_then(Chunk::of) else { return };
        for view in &chunk.choices {
            if let Some(choice) = self.slot(view.index).and_then(|slot| self.choices.get_mut(slot)) {
                choice.writer.adopt(&chunk, view.index, event.raw, name);
                choice.writer.begin();
            }
        }
    }

    /// Writes what comes of one event. The alias, if there is one, is said in it.
    pub(super) fn take(&mut self, event: &sse::Event<'_>, alias: &mut Option<Alias>, out: &mut Out) -> Flow {
        if self.reading != Reading::On {
            pass(event, alias, out);
            return Flow::On;
        }
        if !self.take_known_shape(event, out) && self.parse(event, alias, out) == Flow::Over {
            return Flow::Over;
        }
        if self.is_over() {
            self.conclude(&mut out.made);
            out.made.extend_from_slice(DONE);
            return Flow::Over;
        }
        Flow::On
    }

    /// Nothing more comes: unless the answer is complete, says so.
    pub(super) fn end(&mut self, error: Error<'_>, out: &mut BytesMut) {
        if self.reading == Reading::Ended {
            return;
        }
        if self.is_finished() {
            self.summary.complete = true;
            out.extend_from_slice(DONE);
        } else {
            self.let_go(Finish::Cut, out);
            out.extend_from_slice(error.event().as_bytes());
        }
    }

    /// Lets go of everything that is held; what follows is not read.
    pub(super) fn let_go(&mut self, finish: Finish, out: &mut BytesMut) {
        let Bench { pieces, writing, reasoning, .. } = &mut self.bench;
        for choice in &mut self.choices {
            pieces.clear();
            choice.speaker.end(finish, pieces, &mut self.summary);
            choice.speaker.end_telling(finish, pieces);
            for piece in pieces.iter() {
                choice.writer.write(piece, *reasoning, writing, out);
            }
        }
    }

    /// Bytes held back, over all choices.
    pub(super) fn held(&self) -> usize {
        self.choices.iter().map(|choice| choice.speaker.held()).sum()
    }

    /// A limit is reached: lets go of everything, and reads no more.
    pub(super) fn bail_out(&mut self, out: &mut BytesMut) {
        self.let_go(Finish::Cut, out);
        self.reading = Reading::BailedOut;
        self.summary.bailed_out = true;
    }

    /// Whether a limit was reached.
    pub(super) fn has_bailed_out(&self) -> bool {
        self.reading == Reading::BailedOut
    }

    #[cfg(test)]
    pub(super) fn forget_shapes(&mut self) {
        self.choices.iter_mut().for_each(|choice| choice.shape.forget());
    }

    /// Whether all that counts was said: each choice had its one call. Where usage was asked for, it is waited for.
    fn is_over(&self) -> bool {
        self.exchange.decoding.calls == Calls::First
            && self.usage == Usage::Unasked
            && self.reading == Reading::On
            && !self.is_finished()
            && self.choices.len() >= self.choices_asked
            && self.choices.iter().all(|choice| choice.speaker.is_over())
    }

    /// Whether everything was said but what it cost.
    pub(super) fn is_said(&self) -> bool {
        self.reading == Reading::Ended || (self.reading == Reading::On && self.is_finished())
    }

    /// Whether all choices have come, and each has its finish reason.
    fn is_finished(&self) -> bool {
        self.choices.len() >= self.choices_asked
            && self.choices.iter().all(|choice| choice.speaker.finish_reason.is_some())
    }

    /// Makes the finish reasons that the upstream did not send; where there is nothing to finish, an error.
    fn conclude(&mut self, out: &mut BytesMut) {
        self.reading = Reading::Ended;
        self.summary.complete = !self.choices.is_empty();
        if self.choices.is_empty() {
            out.extend_from_slice(UNFINISHED.event().as_bytes());
        }
        self.let_go(Finish::Stop, out);
        for (slot, choice) in self.choices.iter_mut().enumerate() {
            if choice.speaker.finish_reason.is_some() {
                continue;
            }
            let reason = choice.speaker.close(STOP, choice.writer.calls());
            choice.writer.finish(reason, out);
            if slot == 0 {
                self.summary.finish_reason = Some(reason.to_owned());
            }
        }
    }

    /// The shortcut for an event that differs from an earlier one only in its text; `false` when it does not apply.
    /// Such an event carries nothing else, so it is dropped when nothing of its text goes on.
    fn take_known_shape(&mut self, event: &sse::Event<'_>, out: &mut Out) -> bool {
        // Choices take turns.
        let next = if self.newest + 1 < self.choices.len() { self.newest + 1 } else { 0 };
        let Bench { pieces, writing, reasoning, text: scratch, .. } = &mut self.bench;
        for slot in [self.newest, next] {
            let Some(choice) = self.choices.get_mut(slot) else { continue };
            let Some(inside) = choice.shape.fit(event.raw) else { continue };
            let Some(Text { text, cut }) = choice.speaker.text(inside, scratch) else {
                return false;
            };
            self.newest = slot;
            self.spoken += u64::from(!inside.is_empty());
            pieces.clear();
            choice.speaker.push(text, pieces, &mut self.summary);
            if pieces.are("", text) && !cut {
                match choice.shape.renamed() {
                    None => out.pass(event),
                    Some((before, behind)) => out.put([before, inside, behind]),
                }
                choice.writer.begin();
                return true;
            }
            let mut pieces = pieces.iter().peekable();
            if let Some(Event::Text(text)) = pieces.next_if(|piece| matches!(piece, Event::Text(_))) {
                let (before, behind) = choice.shape.around();
                scratch.clear();
                json::escape_into(text, scratch);
                out.put([before, scratch.as_bytes(), behind]);
                choice.writer.begin();
            }
            if pieces.peek().is_some() {
                // What is made of an event is hardly longer than it.
                out.made.reserve(event.raw.len() + 64);
            }
            for piece in pieces {
                choice.writer.write(piece, *reasoning, writing, &mut out.made);
            }
            return true;
        }
        false
    }

    fn parse(&mut self, event: &sse::Event<'_>, alias: &mut Option<Alias>, out: &mut Out) -> Flow {
        let data = event.data().unwrap_or_default();
        let object = object(data);
        let chunk = object.as_ref().and_then(Chunk::of);
        if let Some(error) = ServerError::of_event(event) {
            return self.fail(event, error, chunk.as_ref(), alias, out);
        }
        if is_done(data) {
            self.conclude(&mut out.made);
            out.pass(event);
            return Flow::On;
        }
        let Some(chunk) = chunk else {
            pass(event, alias, out);
            return Flow::On;
        };
        if let Some(tokens) = chunk.tokens(self.choices_asked) {
            self.summary.tokens = Some(tokens.or(self.summary.tokens.unwrap_or_default()));
        }
        self.spoken += u64::from(chunk.speaks());
        if let Some(error) = chunk.error {
            return self.fail(event, error, Some(&chunk), alias, out);
        }
        let slots: Option<Vec<usize>> = chunk.choices.iter().map(|view| self.slot(view.index)).collect();
        match slots {
            Some(slots) => self.rewrite(event, &chunk, &slots, alias.as_ref(), out),
            None => {
                self.bail_out(&mut out.made);
                pass(event, alias, out);
            }
        }
        Flow::On
    }

    /// The server tells an error, in which the answer ends. A client gets it in the shape that it knows, or what it
    /// tells of the answer.
    fn fail(
        &mut self,
        event: &sse::Event<'_>,
        error: ServerError<'_>,
        chunk: Option<&Chunk<'_>>,
        alias: &mut Option<Alias>,
        out: &mut Out,
    ) -> Flow {
        // Behind the server's own calls an error may tell of them, and nothing may be doubled.
        let is_open = !self.is_finished() && !self.choices.iter().any(|choice| choice.speaker.is_served());
        let unparsed = error.unparsed().filter(|_| is_open);
        let salvaged = unparsed.map(|unparsed| Salvaged::of(unparsed, &self.exchange.decoding, &self.limits));
        if let Some((slot, salvaged)) = self.slot(FIRST).zip(salvaged) {
            self.salvage(slot, &salvaged, (chunk, event.raw, alias.as_ref().map(Alias::name)), &mut out.made);
            self.conclude(&mut out.made);
            out.made.extend_from_slice(DONE);
            return Flow::Over;
        }
        self.let_go(Finish::Cut, &mut out.made);
        self.reading = Reading::Ended;
        self.summary.complete = true;
        if error.is_openais() {
            pass(event, alias, out);
        } else {
            out.put([error.event().as_bytes()]);
        }
        Flow::On
    }

    /// What an error tells of a choice. Its event is the first of the answer, perhaps.
    fn salvage(
        &mut self,
        slot: usize,
        salvaged: &Salvaged,
        (chunk, raw, name): (Option<&Chunk<'_>>, &[u8], Option<&str>),
        out: &mut BytesMut,
    ) {
        let Some(choice) = self.choices.get_mut(slot) else { return };
        let Bench { pieces, writing, reasoning, .. } = &mut self.bench;
        if let Some(chunk) = chunk.filter(|_| !choice.writer.is_addressed()) {
            choice.writer.adopt(chunk, choice.index, raw, name);
        }
        pieces.clear();
        choice.speaker.salvage(salvaged, pieces, &mut self.summary);
        for piece in pieces.iter() {
            choice.writer.write(piece, *reasoning, writing, out);
        }
    }

    fn rewrite(
        &mut self,
        event: &sse::Event<'_>,
        chunk: &Chunk<'_>,
        slots: &[usize],
        alias: Option<&Alias>,
        out: &mut Out,
    ) {
        self.bench.edits.clear();
        self.bench.behind.clear();
        let name = alias.map(Alias::name);
        let edits = &mut self.bench.edits;
        let renamed = alias.and_then(|alias| alias.edit(chunk.object, &event.joined, edits)).zip(name);
        let mut kept = chunk.choices.is_empty() || chunk.carries || !event.only_data;
        for (view, slot) in chunk.choices.iter().zip(slots) {
            let Some(choice) = self.choices.get_mut(*slot) else { continue };
            choice.writer.adopt(chunk, view.index, event.raw, name);
            if let Some(content) = view.message.content
                && !kept
                && !choice.carries(view)
                && !view.message.reasons()
                && chunk.choices.len() == 1
                && view.finished().is_none()
                && inside(content).is_some()
                && matches!(event.joined, Cow::Borrowed(_))
            {
                choice.shape.remember(event.raw, place(event.raw, content), renamed.clone());
            }
            kept |= choice.rewrite(view, &event.joined, &mut self.bench, &mut self.summary, &mut out.made);
            let reason = choice.finish(view, &event.joined, &mut self.bench.edits);
            if let Some(reason) = reason.filter(|_| *slot == 0) {
                self.summary.finish_reason = Some(reason.to_owned());
            }
        }
        if kept && self.bench.edits.is_empty() {
            out.pass(event);
        } else if kept {
            self.bench.edits.apply(&event.joined, &mut out.made);
        }
        out.made.extend_from_slice(&self.bench.behind);
    }

    /// The place of a choice among those that are known; a new one gets a decoder. `None` when there are too many.
    fn slot(&mut self, index: u64) -> Option<usize> {
        let known = self.choices.iter().position(|choice| choice.index == index);
        if known.is_some() || self.choices.len() >= self.limits.choices_max {
            return known;
        }
        self.choices.push(Choice::new(index, &self.exchange, &self.limits));
        Some(self.choices.len() - 1)
    }
}

/// The choice that a server means that names none.
const FIRST: u64 = 0;

/// An event goes on, whatever it says, under the alias if there is one.
fn pass(event: &sse::Event<'_>, alias: &mut Option<Alias>, out: &mut Out) {
    match alias {
        None => out.pass(event),
        Some(alias) => alias.write(event, out),
    }
}
