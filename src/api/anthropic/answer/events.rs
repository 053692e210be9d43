//! Events of a streamed answer: OpenAI's chunks as Anthropic's events.
//! Judges no text: what is said becomes blocks (`blocks`), which are written as they come (`frames`).
//!
//! ```text
//!          a chunk, or its client waits       finish reason        what it took, any end
//!   Silent ---------------------------> Speaking ------> Finished ----------------------> Ended
//!      |          (message_start)          |                    (message_delta, message_stop)
//!      '-----------------------------------'--- an error, an event that is none, the connection's end --> Ended
//!                                                                   (error, and the open block stays open)
//! ```

use std::borrow::Cow;

use bytes::Bytes;

use super::blocks::Blocks;
use super::error::write_error_event;
use super::frames::{Frames, Writer, ping};
use super::message::write_start;
use super::said::{FIRST, refusal, words};
use super::server_calls::{self, ServerCall, ServerResult};
use super::shape::{Shape, Slot};
use super::stop::{Bounds, Calls, Facts, Stop};
use super::told::Told;
use super::usage::Usage;
use crate::api::openai::ServerError;
use crate::api::openai::chunk::{self, Choice, Chunk, is_done, place};
use crate::api::openai::served::{self, CallPiece};
use crate::limits::Limits;
use crate::sse;

/// Makes Anthropic's events of an event stream.
#[derive(Debug)]
pub struct Events {
    events: sse::Decoder,
    teller: Teller,
}

#[derive(Debug)]
struct Teller {
    model: String,
    bounds: Bounds,
    blocks: Blocks,
    frames: Frames,
    shape: Shape,
    usage: Usage,
    stop: Stop,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not even the message's start is out.
    Silent,
    Speaking,
    /// The finish reason has come.
    Finished,
    Ended,
}

impl Events {
    /// Ready for a stream. One of its events, and what waits for a call to be complete, may take `answer_bytes_max` of
    /// `limits` each. A longer event ends the answer with an error; for more that waits the call ends as it is.
    pub fn new(told: &Told, facts: Facts, limits: &Limits) -> Self {
        let teller = Teller {
            model: told.model.clone(),
            bounds: Bounds::new(told, facts),
            blocks: Blocks::new(limits.answer_bytes_max),
            frames: Frames::default(),
            shape: Shape::default(),
            usage: Usage::default(),
            stop: Stop::default(),
            state: State::Silent,
        };
        Self { events: sse::Decoder::new(limits.answer_bytes_max), teller }
    }

    /// The same where [`message_start`](super::message_start) has gone out.
    pub fn begun(told: &Told, facts: Facts, limits: &Limits) -> Self {
        let mut events = Self::new(told, facts, limits);
        events.teller.state = State::Speaking;
        events
    }

    /// Takes the next bytes of the stream, and gives the events that they make, all of them whole. Comments stay. What
    /// comes behind the last event is dropped.
    pub fn push(&mut self, bytes: Bytes) -> Bytes {
        let mut out = String::new();
        if !self.is_done() {
            self.events.push(bytes);
            self.read(&mut out);
        }
        out.into()
    }

    /// The stream has ended, cleanly or not: what is still to be said.
    pub fn finish(&mut self) -> Bytes {
        let mut out = String::new();
        let rest = std::mem::replace(&mut self.events, sse::Decoder::new(usize::MAX)).finish();
        let rest = rest.strip_prefix(b"\n").unwrap_or(&rest);
        // The last blank line may have been left out. Half an event is none.
        self.events.push([rest, b"\n\n"].concat().into());
        if let Ok(Some(event)) = self.events.next_event()
            && event.data().is_some_and(chunk::is_whole)
        {
            self.teller.take(&event, &mut out);
        }
        if !self.is_done() {
            self.teller.fail(ServerError::Data(UNFINISHED), &mut out);
        }
        out.into()
    }

    /// For a client that has heard nothing for long: the message's start if it is not out, else a ping. Nothing behind
    /// the last event.
    pub fn wait(&mut self) -> Bytes {
        match self.teller.state {
            State::Silent => {
                let mut out = String::new();
                self.teller.begin(&mut out);
                out.into()
            }
            State::Speaking | State::Finished => Bytes::from_static(ping().as_bytes()),
            State::Ended => Bytes::new(),
        }
    }

    /// A call that runs here, between two events of the stream.
    pub fn server_call(&mut self, call: &ServerCall<'_>) -> Bytes {
        self.teller.interrupt(|index, out| server_calls::write_call(index, call, out))
    }

    /// What came of one.
    pub fn server_result(&mut self, result: &ServerResult<'_>) -> Bytes {
        self.teller.interrupt(|index, out| server_calls::write_result(index, result, out))
    }

    /// Whether the last event is out.
    pub fn is_done(&self) -> bool {
        self.teller.state == State::Ended
    }

    fn read(&mut self, out: &mut String) {
        loop {
            match self.events.next_event() {
                Ok(Some(event)) => self.teller.take(&event, out),
                Ok(None) => return,
                Err(error) => return self.teller.fail(ServerError::Data(&error.to_string()), out),
            }
        }
    }
}

impl Teller {
    fn take(&mut self, event: &sse::Event<'_>, out: &mut String) {
        if self.state == State::Ended {
            return;
        }
        let data = event.data().unwrap_or_default();
        let fitting = if event.only_data { self.shape.fit(data) } else { None };
        if let Some((slot, text)) = fitting {
            self.say(slot, text, out);
        } else if let Some(error) = ServerError::of_event(event) {
            self.fail(error, out);
        } else if is_done(data) {
            self.end(out);
        } else if !data.trim_ascii().is_empty() {
            self.read(data, out);
        } else if event.data.is_none() {
            keep_comments(event.raw, out);
        }
    }

    fn read(&mut self, data: &[u8], out: &mut String) {
        let object = chunk::object(data);
        let Some(chunk) = object.as_ref().and_then(Chunk::of) else {
            return self.fail(ServerError::Data(NO_CHUNK), out);
        };
        if let Some(error) = chunk.error {
            return self.fail(error, out);
        }
        let tells_usage = self.usage.take(&chunk);
        self.begin(out);
        for choice in chunk.choices.iter().filter(|choice| choice.index == FIRST) {
            self.take_choice(choice, out);
        }
        match self.state {
            // What sums up an answer is its last chunk.
            State::Finished if tells_usage && chunk.choices.is_empty() => self.end(out),
            State::Speaking => self.remember(data, &chunk),
            State::Silent | State::Finished | State::Ended => {}
        }
    }

    /// Ends the open block, and has another written. Nothing behind the last event.
    fn interrupt(&mut self, write: impl FnOnce(u64, &mut String)) -> Bytes {
        let mut out = String::new();
        if self.state != State::Ended {
            self.begin(&mut out);
            self.blocks.interrupt(&mut Writer { frames: &mut self.frames, out: &mut out });
            self.shape = Shape::default();
            write(self.frames.take_index(), &mut out);
        }
        out.into()
    }

    /// The message's start, once.
    fn begin(&mut self, out: &mut String) {
        if self.state == State::Silent {
            write_start(&self.model, &self.usage, out);
            self.state = State::Speaking;
        }
    }

    /// Thoughts first, then text, then calls.
    fn take_choice(&mut self, choice: &Choice<'_>, out: &mut String) {
        for (kind, text) in words(choice) {
            self.say(Slot::Words(kind), text, out);
        }
        if refusal(choice).is_some() {
            self.stop.refuse();
        }
        for piece in choice.message.calls().into_iter().flat_map(served::pieces) {
            self.take_piece(&piece, out);
        }
        if let Some(reason) = choice.finished() {
            self.stop.take(reason, choice);
            self.blocks.close(&mut Writer { frames: &mut self.frames, out });
            self.state = State::Finished;
        }
    }

    fn say(&mut self, slot: Slot, text: &str, out: &mut String) {
        match slot {
            Slot::Words(kind) if !self.bounds.fills_cache() && !text.is_empty() => {
                self.usage.count_piece();
                self.blocks.say(kind, text, &mut Writer { frames: &mut self.frames, out });
            }
            Slot::Words(_) => {}
            Slot::Arguments(place) => {
                self.take_piece(&CallPiece { place, id: "", name: "", arguments: text.into() }, out);
            }
        }
    }

    fn take_piece(&mut self, piece: &CallPiece<'_>, out: &mut String) {
        if !self.bounds.fills_cache() {
            self.usage.count_piece();
            self.blocks.take(piece, &mut Writer { frames: &mut self.frames, out });
        }
    }

    /// Remembers a chunk that says one thing, by which the next is known. Of what it carries beside, the next has another.
    fn remember(&mut self, data: &[u8], chunk: &Chunk<'_>) {
        let [choice] = chunk.choices.as_slice() else { return };
        if chunk.carries || choice.carries || choice.index != FIRST {
            return;
        }
        let words = words(choice);
        let mut pieces = choice.message.calls().into_iter().flat_map(served::pieces);
        let (slot, text) = match (words.as_slice(), pieces.next(), pieces.next()) {
            ([(kind, text)], None, None) => (Slot::Words(*kind), *text),
            ([], Some(CallPiece { place, id: "", name: "", arguments: Cow::Borrowed(text) }), None)
                if !text.is_empty() =>
            {
                (Slot::Arguments(place), text)
            }
            _ => return,
        };
        self.shape.remember(slot, data, place(data, text));
    }

    /// Nothing follows.
    fn end(&mut self, out: &mut String) {
        self.begin(out);
        self.blocks.finish(&mut Writer { frames: &mut self.frames, out });
        out.push_str("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{");
        let calls = if self.blocks.has_calls() { Calls::Some } else { Calls::None };
        self.stop.write(self.bounds, calls, &self.usage, out);
        out.push_str("},\"usage\":");
        self.usage.write(out);
        out.push_str("}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
        self.state = State::Ended;
    }

    /// Nothing follows, and what was said is not all: the open block stays open, or a client would take half a call for a
    /// whole one. Behind a finish reason it was all.
    fn fail(&mut self, error: ServerError<'_>, out: &mut String) {
        if self.state == State::Finished {
            return self.end(out);
        }
        write_error_event(error, out);
        self.state = State::Ended;
    }
}

/// Appends the comments of an event that has nothing else, in a form that does not depend on how it was cut.
fn keep_comments(raw: &[u8], out: &mut String) {
    let lines = std::str::from_utf8(raw).unwrap_or_default().split(['\n', '\r']);
    let before = out.len();
    for comment in lines.filter(|line| line.starts_with(':')) {
        out.extend([comment, "\n"]);
    }
    if out.len() > before {
        out.push('\n');
    }
}

const NO_CHUNK: &str = "an event of the server's answer is no chunk";
const UNFINISHED: &str = "the server ended its answer before it was complete";

#[cfg(test)]
mod tests;
