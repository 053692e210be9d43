//! Rewrites an event stream as its bytes arrive.
//! Frames events and decides when the answer is over; what becomes of one event is `answer`'s.

use bytes::{Bytes, BytesMut};

use super::answer::{Answer, Flow, is_whole};
use super::out::Out;
use super::{Summary, envelope};
use crate::limits::Limits;
use crate::plan::Exchange;
use crate::sse;

/// Rewrites an event stream as its bytes arrive.
#[derive(Debug)]
pub struct StreamRewriter {
    framing: Framing,
    answer: Answer,
}

#[derive(Debug)]
enum Framing {
    Events(sse::Decoder),
    /// A limit was reached: the bytes go on unread.
    Through,
    /// The answer was ended here; what the upstream still sends is dropped.
    Closed,
}

impl StreamRewriter {
    pub fn new(exchange: &Exchange, limits: &Limits) -> Self {
        let framing = Framing::Events(sse::Decoder::new(limits.event_bytes_max));
        Self { framing, answer: Answer::new(exchange, limits) }
    }

    /// Takes the next bytes of the upstream's body; returns what goes to the client.
    pub fn push(&mut self, bytes: Bytes) -> Bytes {
        let events = match &mut self.framing {
            Framing::Closed => return Bytes::new(),
            Framing::Through => return bytes,
            Framing::Events(events) => events,
        };
        events.push(bytes);
        let mut out = Out::default();
        let flow = loop {
            match events.next_event() {
                Ok(None) => return out.finish(events.reclaim()),
                Err(sse::EventTooLarge(_)) => break Flow::BailOut,
                Ok(Some(event)) => match self.answer.take(&event, &mut out) {
                    Flow::On => {}
                    Flow::BailOut => {
                        self.answer.bail_out(&mut out.made);
                        out.pass(&event);
                        break Flow::BailOut;
                    }
                    Flow::Over => break Flow::Over,
                },
            }
        };
        let piece = events.reclaim();
        let next = if flow == Flow::Over { Framing::Closed } else { Framing::Through };
        if let Framing::Events(events) = std::mem::replace(&mut self.framing, next)
            && flow == Flow::BailOut
        {
            self.answer.bail_out(&mut out.made);
            out.made.extend_from_slice(&events.finish());
        }
        out.finish(piece)
    }

    /// Whether nothing more from upstream is needed: the upstream may be closed.
    pub fn is_done(&self) -> bool {
        matches!(self.framing, Framing::Closed)
    }

    /// Whether the answer is over but for its end and what it cost: no more words are to come.
    pub fn is_said(&self) -> bool {
        matches!(self.framing, Framing::Events(_)) && self.answer.is_said()
    }

    /// Whether all that was written so far is whole events.
    pub fn is_between_events(&self) -> bool {
        matches!(self.framing, Framing::Events(_))
    }

    /// Events so far in which the model said something; whoever has a clock can tell when its first words came.
    pub fn spoken(&self) -> u64 {
        self.answer.spoken
    }

    /// Bytes of the model's text that are held back now.
    pub fn held(&self) -> usize {
        self.answer.held()
    }

    /// The upstream's body ended cleanly.
    pub fn finish(mut self, out: &mut BytesMut) -> Summary {
        self.read_rest(out);
        if !matches!(self.framing, Framing::Through) {
            self.answer.end(&envelope::UNFINISHED, out);
        }
        self.answer.summary
    }

    /// The upstream died: lets go of what is held, then says so in one error event.
    pub fn fail(mut self, message: &str, out: &mut BytesMut) -> Summary {
        if matches!(self.framing, Framing::Through) {
            // What went through may have stopped in mid-event.
            out.extend_from_slice(b"\n\n");
        }
        self.answer.end(&envelope::upstream_error(message), out);
        self.answer.summary
    }

    /// Makes the next event take the long way.
    #[cfg(test)]
    pub(super) fn forget_shapes(&mut self) {
        self.answer.forget_shapes();
    }

    /// Reads what came after the last blank line: the upstream may have left out the last one.
    /// Half an event is nothing that a client could read, and is dropped.
    fn read_rest(&mut self, out: &mut BytesMut) {
        let Framing::Events(events) = &mut self.framing else { return };
        let rest = std::mem::replace(events, sse::Decoder::new(usize::MAX)).finish();
        // A line feed in front is the late half of the line end before it, and no event.
        let late = usize::from(rest.first() == Some(&b'\n'));
        let (late, rest) = rest.split_at(late);
        out.extend_from_slice(late);
        if rest.is_empty() {
            return;
        }
        events.push([rest, b"\n\n"].concat().into());
        let mut last = Out::default();
        if let Ok(Some(event)) = events.next_event()
            && event.data().is_none_or(is_whole)
        {
            self.answer.take(&event, &mut last);
        }
        out.extend_from_slice(&last.finish(events.reclaim()));
    }
}
