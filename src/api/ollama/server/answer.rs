//! Answer of a chat: lines of JSON in, OpenAI's event stream of chunks out, as the lines come.
//! Reads no text: what a model wrote goes on as it was written, and calls in it are for whoever reads the chunks.
//!
//! ```text
//! nothing said --a word--> said --done, error--> ended
//!       \-----------done, error-------------------^
//! ```
//!
//! An answer that its server ends without its last line ends in an error event, and never as if it were complete.

use super::chunks::Chunks;
use super::costs::Costs;
use super::error::{EMPTY, NOTHING_GENERATED, Told};
use super::line::{Line, Misread, read};
use super::logprobs;
use crate::api::ollama::lines::Lines;
use crate::api::openai::finish::{STOP, Truncated, for_client, is_cut};
use crate::api::openai::{DONE, Error, Usage, upstream_error};
use crate::chat::Calls;
use crate::limits::Limits;

/// Turns the lines of one answer into events.
#[derive(Debug)]
pub struct Answer {
    /// None once a line was too long: what follows cannot be told from it.
    lines: Option<Lines>,
    telling: Telling,
}

/// What is told of an answer, and how far it is.
#[derive(Debug)]
struct Telling {
    chunks: Chunks,
    usage: Usage,
    wanted: Calls,
    state: State,
    /// Lines behind the last one.
    dropped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    /// Nothing was generated: the server only loaded its model, or let go of it.
    Empty,
}

impl Answer {
    /// Ready for an answer; `usage` is what its request asked for.
    pub fn new(usage: Usage, limits: &Limits) -> Self {
        let chunks = Chunks::new(limits.event_bytes_max);
        let telling = Telling { chunks, usage, wanted: Calls::All, state: State::Open, dropped: 0 };
        Self { lines: Some(Lines::new(limits.line_bytes_max())), telling }
    }

    /// The same, with so many calls: the server knows no such wish.
    #[must_use]
    pub fn of_calls(mut self, calls: Calls) -> Self {
        self.telling.wanted = calls;
        self
    }

    /// Takes the next bytes of the server's answer and appends the events that come of them.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(lines) = &mut self.lines else { return };
        if lines.push(bytes, &mut |line| self.telling.take(line, out)).is_err() {
            self.lines = None;
            self.telling.fail(PROTOCOL, "the upstream sent a line that is too long", out);
        }
    }

    /// The server's answer ends, cleanly or not. Half a line at its end is none.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(rest) = self.lines.take().and_then(|mut lines| lines.finish())
            && !matches!(read(&rest), Err(Misread::NoJson))
        {
            self.telling.take(&rest, out);
        }
        self.telling.fail(INCOMPLETE, "the upstream ended the stream without a final line", out);
    }

    /// Whether everything was said: what the server still sends is dropped.
    pub fn is_done(&self) -> bool {
        self.telling.state != State::Open
    }

    /// Whether it ended with nothing generated, since the server only loaded its model: asked again, it may answer.
    pub fn is_empty(&self) -> bool {
        self.telling.state == State::Empty
    }

    /// How many lines stood behind the last one.
    pub fn dropped(&self) -> u64 {
        self.telling.dropped
    }
}

impl Telling {
    fn take(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if self.state != State::Open {
            self.dropped += 1;
            return;
        }
        match read(line) {
            Ok(line) => self.tell(&line, out),
            Err(Misread::Error(told)) => self.fail_as_told(&told, out),
            Err(Misread::NoJson) => self.fail(PROTOCOL, "the upstream sent a line that is not JSON", out),
            Err(Misread::NoLine) => self.fail(PROTOCOL, "the upstream sent a line of a wrong shape", out),
        }
    }

    fn tell(&mut self, line: &Line<'_>, out: &mut Vec<u8>) {
        self.chunks.address(&line.object);
        let known = line.logprobs().map(|list| logprobs::lists(list, self.chunks.bytes_max()));
        let mut logprobs = known.unwrap_or_default().into_iter();
        if let Some(thinking) = line.thinking {
            // What is known of each token goes with the text, if there is some.
            let own = if line.content.is_none() { logprobs.next() } else { None };
            self.chunks.thinking(thinking, own.as_deref(), out);
        }
        if let Some(content) = line.content {
            self.chunks.content(content, logprobs.next().as_deref(), out);
        }
        for more in logprobs {
            self.chunks.logprobs(&more, out);
        }
        for call in &line.calls {
            if self.wanted == Calls::All || self.chunks.calls() == 0 {
                self.chunks.call(call, out);
            }
        }
        if line.is_done {
            self.end(line, out);
        }
    }

    fn end(&mut self, line: &Line<'_>, out: &mut Vec<u8>) {
        let said = line.object.string("done_reason").unwrap_or_default();
        if matches!(&*said, "load" | "unload") && !self.chunks.has_begun() {
            self.fail(EMPTY, NOTHING_GENERATED, out);
            self.state = State::Empty;
            return;
        }
        // Any other reason is the server's own, and calls do not change it there.
        let said = if is_cut(&said) { &*said } else { STOP };
        let reason = for_client(said, self.chunks.calls(), Truncated::No);
        let costs = Costs::of(&line.object);
        let timings = costs.timings();
        match self.usage {
            Usage::Asked => {
                self.chunks.finish(reason, "", out);
                self.chunks.usage(&costs.usage(), &timings, out);
            }
            Usage::Unasked => self.chunks.finish(reason, &timings, out),
        }
        out.extend_from_slice(DONE);
        self.state = State::Ended;
    }

    /// An error that tells what the model wrote may be the first that is known of the answer: then whoever reads it
    /// needs to know whose it is.
    fn fail_as_told(&mut self, told: &Told, out: &mut Vec<u8>) {
        let error = upstream_error(&told.message);
        if told.is_of_the_model {
            self.chunks.error(error, out);
        } else {
            out.extend_from_slice(error.event().as_bytes());
        }
        self.state = State::Ended;
    }

    /// Ends what has not ended.
    fn fail(&mut self, code: &str, message: &str, out: &mut Vec<u8>) {
        if self.state == State::Open {
            let error = Error { code, ..upstream_error(message) };
            out.extend_from_slice(error.event().as_bytes());
            self.state = State::Ended;
        }
    }
}

/// The server said what no server of its kind says.
const PROTOCOL: &str = "upstream_protocol";
const INCOMPLETE: &str = "upstream_incomplete";
