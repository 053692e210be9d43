//! Stream of events: framed once, each event then taken by what is done to it.
//! Decides when the answer is over; what becomes of one event is `splice`'s and `alias`'s.

use bytes::{Bytes, BytesMut};

use super::Summary;
use super::alias::Alias;
use super::errors::{Errors, Sight};
use super::out::Out;
use super::pipeline::Close;
use super::splice::{Flow, Splice};
use super::tail::Tail;
use crate::api::openai::chunk::is_whole;
use crate::api::openai::{Error, UNFINISHED, upstream_error};
use crate::limits::Limits;
use crate::plan::Exchange;
use crate::sse;

/// Rewrites an event stream as its bytes arrive.
#[derive(Debug)]
pub struct StreamRewriter {
    framing: Framing,
    handling: Handling,
}

/// What is done to each event.
#[derive(Debug, Default)]
struct Handling {
    /// Absent where no text is read.
    splice: Option<Box<Splice>>,
    /// Where none is read but what an error tells, as long as one may come.
    errors: Option<Box<Errors>>,
    alias: Option<Alias>,
}

#[derive(Debug)]
enum Framing {
    Events(sse::Decoder),
    /// The bytes go on unread: nothing is to be done to them, or a limit was reached.
    Through(Tail),
    /// The answer was ended here; what the upstream still sends is dropped.
    Closed,
}

impl StreamRewriter {
    /// For a stream whose text is read.
    pub fn new(exchange: &Exchange, limits: &Limits) -> Self {
        let splice = Some(Box::new(Splice::new(exchange, limits)));
        Self { framing: Framing::events(limits), handling: Handling { splice, ..Handling::default() } }
    }

    /// For a stream of which nothing is read but an error that tells what the model wrote.
    pub fn looking_for_errors(exchange: &Exchange, limits: &Limits) -> Self {
        let errors = Some(Box::new(Errors::new(exchange, limits)));
        Self { framing: Framing::events(limits), handling: Handling { errors, ..Handling::default() } }
    }

    /// For a stream to which nothing is done but that it may end in an event of the gateway's.
    pub fn unread() -> Self {
        Self { framing: Framing::Through(Tail::default()), handling: Handling::default() }
    }

    /// The same, and this name in the place of the model's.
    #[must_use]
    pub fn with_alias(self, name: &str, limits: &Limits) -> Self {
        let handling = Handling { alias: Some(Alias::new(name)), ..self.handling };
        Self { framing: Framing::events(limits), handling }
    }

    /// Takes the next bytes of the upstream's body; returns what goes to the client.
    pub fn push(&mut self, bytes: Bytes) -> Bytes {
        let events = match &mut self.framing {
            Framing::Closed => return Bytes::new(),
            Framing::Through(tail) => {
                tail.push(&bytes);
                return bytes;
            }
            Framing::Events(events) => events,
        };
        events.push(bytes);
        let mut out = Out::default();
        loop {
            match events.next_event() {
                Ok(None) => return out.finish(events.reclaim()),
                Err(sse::EventTooLarge(_)) => break,
                Ok(Some(event)) => match self.handling.take(&event, &mut out) {
                    Flow::On => {}
                    Flow::Unread => break,
                    Flow::Over => {
                        let piece = events.reclaim();
                        self.framing = Framing::Closed;
                        return out.finish(piece);
                    }
                },
            }
        }
        let piece = events.reclaim();
        if let Some(splice) = &mut self.handling.splice {
            splice.bail_out(&mut out.made);
        }
        let mut tail = Tail::default();
        if let Framing::Events(events) = std::mem::replace(&mut self.framing, Framing::Closed) {
            let rest = events.finish();
            tail.push(&rest);
            out.put([&rest]);
        }
        self.framing = Framing::Through(tail);
        out.finish(piece)
    }

    /// Whether its text is read.
    pub fn is_read(&self) -> bool {
        self.handling.splice.is_some()
    }

    /// Whether anything is done to it as long as it does not fail.
    pub fn changes(&self) -> bool {
        self.handling.splice.is_some() || self.handling.alias.is_some()
    }

    /// Whether nothing more from upstream is needed: the upstream may be closed.
    pub fn is_done(&self) -> bool {
        matches!(self.framing, Framing::Closed)
    }

    /// Whether the answer is over but for its end and what it cost: no more words are to come.
    pub fn is_said(&self) -> bool {
        matches!(self.framing, Framing::Events(_))
            && self.handling.splice.as_ref().is_some_and(|splice| splice.is_said())
    }

    /// Whether all that was written so far is whole events.
    pub fn is_between_events(&self) -> bool {
        matches!(self.framing, Framing::Events(_))
    }

    /// Events so far in which the model said something; whoever has a clock can tell when its first words came.
    pub fn spoken(&self) -> u64 {
        self.handling.splice.as_ref().map_or(0, |splice| splice.spoken)
    }

    /// Bytes of the model's text that are held back now.
    pub fn held(&self) -> usize {
        self.handling.splice.as_ref().map_or(0, |splice| splice.held())
    }

    /// The upstream's body ended cleanly.
    pub fn finish(mut self, out: &mut BytesMut) -> Summary {
        match &self.handling.splice {
            Some(splice) if !splice.has_bailed_out() => {
                self.read_rest(out);
                self.end(UNFINISHED, out)
            }
            _ => {
                self.let_rest_go(out);
                self.handling.splice.map(|splice| splice.summary).unwrap_or_default()
            }
        }
    }

    /// The upstream died, and the text is read: lets go of what is held, then says so in one error event. Half an event
    /// is dropped.
    pub fn fail(mut self, message: &str, out: &mut BytesMut) -> Summary {
        if matches!(self.framing, Framing::Through(_)) {
            // What went through may have stopped in mid-event.
            out.extend_from_slice(b"\n\n");
        }
        self.end(upstream_error(message), out)
    }

    /// What says that an answer whose text is not read has ended in the middle of an event, if it has.
    pub fn unfinished(&self) -> Option<Bytes> {
        let is_between_events = match &self.framing {
            Framing::Through(tail) => tail.is_between_events(),
            Framing::Events(events) => !events.has_begun(),
            Framing::Closed => true,
        };
        (!is_between_events).then(|| Bytes::from(format!("\n\n{}", UNFINISHED.event())))
    }

    /// The upstream died, and no text is read: an event may say so where the last one has ended.
    pub fn break_off(mut self, event: impl FnOnce() -> Bytes, out: &mut BytesMut) -> Close {
        let is_between_events = match &self.framing {
            Framing::Through(tail) => tail.is_between_events(),
            Framing::Events(_) | Framing::Closed => self.let_rest_go(out) == Rest::None,
        };
        if !is_between_events {
            return Close::Cut;
        }
        out.extend_from_slice(&event());
        Close::Properly
    }

    /// Makes the next event take the long way.
    #[cfg(test)]
    pub(super) fn forget_shapes(&mut self) {
        self.handling.splice.iter_mut().for_each(|splice| splice.forget_shapes());
    }

    fn end(&mut self, error: Error<'_>, out: &mut BytesMut) -> Summary {
        let Some(splice) = &mut self.handling.splice else { return Summary::default() };
        splice.end(error, out);
        std::mem::take(&mut splice.summary)
    }

    /// Lets go of what came after the last blank line, and says whether that was half an event.
    fn let_rest_go(&mut self, out: &mut BytesMut) -> Rest {
        let Framing::Events(events) = std::mem::replace(&mut self.framing, Framing::Closed) else { return Rest::None };
        let rest = events.finish();
        out.extend_from_slice(&rest);
        // A line feed is the late half of the line end before it.
        if matches!(rest.as_ref(), b"" | b"\n") { Rest::None } else { Rest::HalfAnEvent }
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
            self.handling.take(&event, &mut last);
        }
        out.extend_from_slice(&last.finish(events.reclaim()));
    }
}

impl Framing {
    fn events(limits: &Limits) -> Self {
        Self::Events(sse::Decoder::new(limits.event_bytes_max))
    }
}

/// What is behind the last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    None,
    HalfAnEvent,
}

impl Handling {
    /// Writes what comes of an event: its text is read, or at least its model gets the client's name.
    fn take(&mut self, event: &sse::Event<'_>, out: &mut Out) -> Flow {
        let sight = self.errors.as_mut().map_or(Sight::Nothing, |errors| errors.see(event));
        if sight == Sight::Told
            && let Some(errors) = self.errors.take()
        {
            self.splice = Some(Box::new(errors.into_splice(self.alias.as_ref().map(Alias::name))));
        }
        match (&mut self.splice, &mut self.alias) {
            (Some(splice), alias) => return splice.take(event, alias, out),
            (None, Some(alias)) => alias.write(event, out),
            (None, None) => out.pass(event),
        }
        if sight == Sight::Past {
            self.errors = None;
        }
        if self.errors.is_none() && self.alias.is_none() { Flow::Unread } else { Flow::On }
    }
}
