//! One choice of a stream that is spliced: who speaks in it, and what is written of that for the client.
//! Knows no events of other choices; `splice` decides where what is written goes.

use bytes::BytesMut;

use super::pieces::Pieces;
use super::scribe::Coming;
use super::shape::Shape;
use super::speaker::Speaker;
use super::telling::Telling;
use super::{Summary, finish};
use crate::api::openai::chunk::{self, ReasoningKey, ServersReasoning, place};
use crate::api::openai::{ChoiceWriter, Ids, Scratch, served};
use crate::decode::{Event, Finish};
use crate::json::{self, Edits};
use crate::limits::Limits;
use crate::plan::Exchange;

/// One choice.
#[derive(Debug)]
pub(super) struct Choice {
    pub index: u64,
    pub speaker: Speaker,
    pub writer: ChoiceWriter,
    /// What its newest events look like.
    pub shape: Shape,
}

/// What one event makes, and what it is made with; kept for their memory.
#[derive(Debug, Default)]
pub(super) struct Bench {
    pub pieces: Pieces,
    /// What changes in the event.
    pub edits: Edits,
    /// What goes behind it.
    pub behind: BytesMut,
    pub writing: Scratch,
    pub reasoning: ReasoningKey,
    pub text: String,
    thought: String,
}

impl Bench {
    pub(super) fn new(ids: Ids) -> Self {
        Self { writing: Scratch::new(ids), ..Self::default() }
    }
}

impl Choice {
    pub(super) fn new(index: u64, exchange: &Exchange, limits: &Limits) -> Self {
        Self {
            index,
            speaker: Speaker::new(&exchange.decoding, Telling::of(exchange, Coming::InPieces), limits),
            writer: ChoiceWriter::default(),
            shape: Shape::default(),
        }
    }

    /// Whether an event must go on even when none of what is read of it does.
    pub(super) fn carries(&self, view: &chunk::Choice<'_>) -> bool {
        let message = &view.message;
        view.carries
            || message.carries
            || (message.reasons() && self.reasoning(view) == ServersReasoning::Kept)
            || (message.role.is_some() && !self.writer.has_begun())
    }

    /// What becomes of the server's own reasoning in an event.
    fn reasoning(&self, view: &chunk::Choice<'_>) -> ServersReasoning {
        let is_text = view.message.reasoning.is_some_and(|member| member.inside().is_some());
        if is_text && self.speaker.reads_thoughts() { ServersReasoning::Read } else { ServersReasoning::Kept }
    }

    /// Reads what an event says of the choice, notes what changes in the event and what goes behind it, and appends to
    /// `out` what goes before it. Returns whether the event goes on for the choice's sake.
    pub(super) fn rewrite(
        &mut self,
        view: &chunk::Choice<'_>,
        data: &[u8],
        bench: &mut Bench,
        summary: &mut Summary,
        out: &mut BytesMut,
    ) -> bool {
        let (message, carries, reasoning) = (&view.message, self.carries(view), self.reasoning(view));
        let came = self.read(view, bench, summary);
        let Bench { pieces, edits, behind, writing, .. } = bench;
        if let Some(member) = message.reasoning {
            bench.reasoning = member.key;
        }
        let (key, mut kept, mut role_moves) = (bench.reasoning, true, false);
        if came == Came::AsItWas {
            self.writer.begin();
        } else if self.speaker.is_read() {
            let beginning = Beginning::of(pieces, reasoning);
            beginning.say(message, data, reasoning, edits);
            kept = carries || beginning.pieces > 0;
            if kept {
                self.writer.begin();
            }
            for piece in pieces.iter().skip(beginning.pieces) {
                self.writer.write(piece, key, writing, behind);
            }
        } else {
            // The event ends the choice, or its reading, so it goes last. The first event has the role, whichever it is.
            let had_begun = self.writer.has_begun();
            for piece in pieces.iter() {
                self.writer.write(piece, key, writing, out);
            }
            role_moves = self.writer.has_begun() && !had_begun && message.role.is_some();
            self.writer.begin();
            if !role_moves {
                Beginning::default().say(message, data, reasoning, edits);
            }
        }
        if came == Came::AsText && !role_moves {
            let thinks = message.reasons() && reasoning == ServersReasoning::Kept;
            kept = view.carries || message.has_others || thinks || view.finished().is_some();
        }
        let calls = match came {
            Came::AsText => Some("[]".to_owned()),
            Came::AsItWas | Came::Else => message.calls().and_then(|list| self.serve(list)),
        };
        if role_moves {
            edits.replace(place(data, message.raw), |to| to.push_str(&message.rest(reasoning, calls)));
        } else if let (Some(list), Some(calls)) = (message.tool_calls, calls) {
            edits.replace(place(data, list), |to| to.push_str(&calls));
        }
        kept
    }

    /// Reads the text and the thoughts of an event.
    fn read(&mut self, view: &chunk::Choice<'_>, bench: &mut Bench, summary: &mut Summary) -> Came {
        let Bench { pieces, text: scratch, thought: other_scratch, .. } = bench;
        let (speaker, message) = (&mut self.speaker, &view.message);
        pieces.clear();
        let thought = message.reasoning.and_then(|member| member.inside());
        let thought = thought.and_then(|inside| speaker.thought(inside, other_scratch)).unwrap_or_default();
        speaker.think(thought.text, pieces);
        let text = message.inside().and_then(|inside| speaker.text(inside, scratch)).unwrap_or_default();
        speaker.push(text.text, pieces, summary);
        let finished = view.finished();
        if message.calls().is_some() || finished.is_some() {
            speaker.end(finished.map_or(Finish::Stop, finish), pieces, summary);
        }
        let is_written = message.calls().is_some_and(|list| speaker.serve_as_text(list, pieces));
        if let Some(reason) = finished {
            speaker.end_telling(finish(reason), pieces);
        }
        if is_written {
            return Came::AsText;
        }
        let is_cut = thought.cut || text.cut;
        if pieces.are(thought.text, text.text) && !is_cut { Came::AsItWas } else { Came::Else }
    }

    /// Notes the finish reason of an event, if it has one, as the client gets it.
    pub(super) fn finish(&mut self, view: &chunk::Choice<'_>, data: &[u8], edits: &mut Edits) -> Option<&str> {
        let (upstream, value) = (view.finished()?, view.finish_reason?);
        let reason = self.speaker.close(upstream, self.writer.calls());
        if reason != upstream {
            edits.replace(place(data, value), |to| json::write_string(reason, to));
        }
        Some(reason)
    }

    /// Notes calls that the server made itself, and says what becomes of their list, if anything does.
    fn serve(&mut self, list: &str) -> Option<String> {
        if self.speaker.had_its_call() {
            return Some("[]".to_owned());
        }
        self.speaker.serve(served::count(list));
        (self.writer.calls() > 0).then(|| served::behind(self.writer.calls(), list))
    }
}

/// What came out of what an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    AsItWas,
    /// Calls of the server's own, as text.
    AsText,
    Else,
}

/// What an event keeps: the thought and the text that its pieces begin with.
#[derive(Clone, Copy, Debug, Default)]
struct Beginning<'a> {
    thought: &'a str,
    text: &'a str,
    /// How many pieces that are.
    pieces: usize,
}

impl<'a> Beginning<'a> {
    fn of(pieces: &'a Pieces, reasoning: ServersReasoning) -> Self {
        let mut beginning = Self::default();
        for piece in pieces.iter() {
            match piece {
                Event::Reasoning(thought) if beginning.pieces == 0 && reasoning == ServersReasoning::Read => {
                    beginning.thought = thought;
                }
                Event::Text(text) => beginning.text = text,
                _ => break,
            }
            beginning.pieces += 1;
        }
        beginning
    }

    /// Notes it in the place of all that was read of the message.
    fn say(self, message: &chunk::Message<'_>, data: &[u8], reasoning: ServersReasoning, edits: &mut Edits) {
        if let Some(content) = message.content.filter(|_| message.inside().is_some()) {
            edits.replace(place(data, content), |to| json::write_string(self.text, to));
        }
        if let Some(member) = message.reasoning.filter(|_| reasoning == ServersReasoning::Read) {
            for value in member.values() {
                edits.replace(place(data, value), |to| json::write_string(self.thought, to));
            }
        }
    }
}
