//! Lines of a streamed answer: the events of OpenAI's stream as the lines of Ollama's.
//! Judges no text; calls are gathered (`calls`), and all else goes out as it comes.
//!
//! ```text
//!            finish reason          what it cost, or the end
//!   Speaking -------------> Finished ------------------------> Ended (a done line)
//!      |  '---- an error, an event that is none, an end ------> Ended (an error line)
//! ```

use bytes::Bytes;

use super::answer::{Ending, Frame, Words};
use super::asked::Told;
use super::calls::{Calls, Close, Closed};
use super::cost::{Cost, Moment};
use super::mistake::error_body;
use super::shape::{Kind, Shape};
use crate::api::openai::ServerError;
use crate::api::openai::chunk::{self, Choice, Chunk, is_done, place};
use crate::api::openai::finish::{STOP, is_cut};
use crate::api::openai::served;
use crate::json::{Object, inside};
use crate::limits::Limits;
use crate::sse;

/// Makes lines of an event stream.
#[derive(Debug)]
pub struct Lines {
    events: sse::Decoder,
    teller: Teller,
}

#[derive(Debug)]
struct Teller {
    frame: Frame,
    shape: Shape,
    calls: Calls,
    cost: Cost,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Speaking,
    /// Its reason has come, in Ollama's word.
    Finished(&'static str),
    Ended,
}

impl Lines {
    /// Ready for a stream. Its events, and its open calls together, may take `answer_bytes_max` of `limits`: a call may
    /// come in one event, and is kept whole in any case. A longer event ends the answer with an error; longer calls
    /// become text.
    pub fn new(told: &Told, limits: &Limits) -> Self {
        let teller = Teller {
            frame: Frame::new(told),
            shape: Shape::default(),
            calls: Calls::new(limits.answer_bytes_max),
            cost: Cost::default(),
            state: State::Speaking,
        };
        Self { events: sse::Decoder::new(limits.answer_bytes_max), teller }
    }

    /// Takes the next bytes of the stream, and gives the lines that they make: all of them whole, or none. What comes
    /// behind the last line is dropped.
    pub fn push(&mut self, bytes: Bytes, now: Moment) -> Bytes {
        let mut out = String::new();
        if !self.is_done() {
            self.events.push(bytes);
            self.read(now, &mut out);
        }
        out.into()
    }

    /// The stream has ended, cleanly or not: what is still to be said.
    pub fn finish(&mut self, now: Moment) -> Bytes {
        let mut out = String::new();
        let rest = std::mem::replace(&mut self.events, sse::Decoder::new(usize::MAX)).finish();
        let rest = rest.strip_prefix(b"\n").unwrap_or(&rest);
        // The last blank line may have been left out. Half an event is none.
        self.events.push([rest, b"\n\n"].concat().into());
        if let Ok(Some(event)) = self.events.next_event()
            && event.data().is_some_and(chunk::is_whole)
        {
            self.teller.take(&event, now, &mut out);
        }
        self.teller.end(now, &mut out);
        out.into()
    }

    /// Whether the last line is out.
    pub fn is_done(&self) -> bool {
        self.teller.state == State::Ended
    }

    fn read(&mut self, now: Moment, out: &mut String) {
        loop {
            match self.events.next_event() {
                Ok(Some(event)) => self.teller.take(&event, now, out),
                Ok(None) => return,
                Err(error) => return self.teller.fail(&error.to_string(), now, out),
            }
        }
    }
}

impl Teller {
    fn take(&mut self, event: &sse::Event<'_>, now: Moment, out: &mut String) {
        if self.state == State::Ended {
            return;
        }
        let data = event.data().unwrap_or_default();
        let fitting = if event.only_data { self.shape.fit(data) } else { None };
        if let Some((kind, text)) = fitting {
            self.say(kind, text, None, now, out);
        } else if let Some(error) = ServerError::of_event(event) {
            self.fail(&error.words(), now, out);
        } else if is_done(data) {
            self.end(now, out);
        } else if !data.trim_ascii().is_empty() {
            self.read(data, now, out);
        }
    }

    fn read(&mut self, data: &[u8], now: Moment, out: &mut String) {
        let object = chunk::object(data);
        let Some(chunk) = object.as_ref().and_then(Chunk::of) else {
            return self.fail(NO_CHUNK, now, out);
        };
        if let Some(error) = &chunk.error {
            return self.fail(&error.words(), now, out);
        }
        for choice in chunk.choices.iter().filter(|choice| choice.index == FIRST) {
            self.take_choice(choice, now, out);
        }
        let is_told = self.cost.take(&chunk);
        match self.state {
            // What sums up an answer is its last chunk.
            State::Finished(_) if is_told && chunk.choices.is_empty() => self.end(now, out),
            State::Speaking => self.remember(data, &chunk),
            State::Finished(_) | State::Ended => {}
        }
    }

    /// Thoughts first, then text, then calls.
    fn take_choice(&mut self, choice: &Choice<'_>, now: Moment, out: &mut String) {
        let mut logprobs = choice.logprobs.and_then(token_list);
        for (kind, value) in texts(choice) {
            self.say(kind, inside(value).unwrap_or_default(), logprobs.take(), now, out);
        }
        if let Some(list) = choice.message.calls() {
            self.cost.speak(now);
            let (calls, frame) = (&mut self.calls, &mut self.frame);
            served::pieces(list).for_each(|piece| calls.take(&piece, &mut |closed| write(frame, closed, now, out)));
        }
        if let Some(reason) = choice.finished() {
            self.close(if is_cut(reason) { Close::Cut } else { Close::Over }, now, out);
            self.state = State::Finished(done_reason(reason));
        }
    }

    /// A text that is not empty is a line. Calls before it are over.
    fn say(&mut self, kind: Kind, text: &str, logprobs: Option<&str>, now: Moment, out: &mut String) {
        if text.is_empty() {
            return;
        }
        self.cost.speak(now);
        let words = match kind {
            Kind::Content => {
                self.close(Close::Over, now, out);
                Words { content: text, logprobs, ..Words::default() }
            }
            Kind::Thinking => Words { thinking: text, logprobs, ..Words::default() },
        };
        write_line(&mut self.frame, words, now, out);
    }

    /// Remembers an event that says one text, by which the next is known.
    fn remember(&mut self, data: &[u8], chunk: &Chunk<'_>) {
        let [choice] = chunk.choices.as_slice() else { return };
        let mut texts = texts(choice);
        let (Some((kind, value)), None) = (texts.next(), texts.next()) else { return };
        let says_more =
            chunk.carries || choice.message.calls().is_some() || choice.logprobs.is_some_and(|l| l != "null");
        if choice.index == FIRST && !says_more && inside(value).is_some() {
            self.shape.remember(kind, data, place(data, value));
        }
    }

    fn close(&mut self, why: Close, now: Moment, out: &mut String) {
        let frame = &mut self.frame;
        self.calls.close(why, &mut |closed| write(frame, closed, now, out));
    }

    /// Nothing follows.
    fn end(&mut self, now: Moment, out: &mut String) {
        match self.state {
            State::Speaking => self.fail(UNFINISHED, now, out),
            State::Finished(reason) => {
                // Whatever came behind the reason.
                self.close(Close::Over, now, out);
                self.frame.write(Words::default(), Ending::Done(reason, &self.cost), now, out);
                out.push('\n');
                self.state = State::Ended;
            }
            State::Ended => {}
        }
    }

    fn fail(&mut self, words: &str, now: Moment, out: &mut String) {
        self.close(Close::Cut, now, out);
        let words = if words.trim_ascii().is_empty() { UNSAID } else { words };
        out.push_str(&error_body(words));
        out.push('\n');
        self.state = State::Ended;
    }
}

/// The texts that a choice says, thoughts first, each as a string of JSON that is not empty.
pub(super) fn texts<'a>(choice: &Choice<'a>) -> impl Iterator<Item = (Kind, &'a str)> + use<'a> {
    let thinking = choice.message.reasoning.map(|reasoning| reasoning.value);
    let content = choice.message.content.or(choice.text);
    let texts = [(Kind::Thinking, thinking), (Kind::Content, content)];
    let texts = texts.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
    texts.filter(|(_, value)| inside(value).is_some_and(|text| !text.is_empty()))
}

/// The probabilities of tokens, which have the same form in both APIs.
pub(super) fn token_list(logprobs: &str) -> Option<&str> {
    Object::part(logprobs)?.present("content").filter(|list| list.starts_with('[') && *list != "[]")
}

/// Why an answer ended, in Ollama's words: it does not tell calls from a text.
pub(super) fn done_reason(reason: &str) -> &'static str {
    if is_cut(reason) { "length" } else { STOP }
}

fn write(frame: &mut Frame, closed: Closed<'_>, now: Moment, out: &mut String) {
    match closed {
        Closed::Call(call) => write_line(frame, Words { calls: &call, ..Words::default() }, now, out),
        Closed::Text(text) => write_line(frame, Words { content: text, ..Words::default() }, now, out),
    }
}

fn write_line(frame: &mut Frame, words: Words<'_>, now: Moment, out: &mut String) {
    frame.write(words, Ending::GoesOn, now, out);
    out.push('\n');
}

/// The one choice that has a place in Ollama's API.
pub(super) const FIRST: u64 = 0;
const NO_CHUNK: &str = "an event of the upstream's answer is no chunk";
const UNFINISHED: &str = "the upstream ended the stream without a finish reason";
pub(super) const UNSAID: &str = "the upstream failed within its answer";

#[cfg(test)]
mod tests;
