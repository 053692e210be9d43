//! Assembler: puts a stream together to the body that the server would have sent had it been asked for a whole answer.
//! Understands no text: calls in it are found by whoever reads what is made here, as in any other answer.
//!
//! A server that streams notices that its client has left; llama.cpp does not always when it does not stream. So it is
//! asked to stream for clients that did not, and they get this. Nothing goes out before everything is there: half an
//! answer must not look like a whole one.

use bytes::Bytes;

use super::assembly::{AssembleError, Assembly, Speech};
use super::chunk::is_whole;
use super::unparsed::ToldText;
use crate::limits::Limits;
use crate::sse;

/// Makes one body of an event stream.
#[derive(Debug)]
pub struct Assembler {
    events: sse::Decoder,
    assembly: Assembly,
    /// How many choices the client asked for.
    choices_asked: usize,
    spoken: u64,
}

impl Assembler {
    /// Ready for a stream. `choices_asked` is the request's `n`; what an event and the whole body may take stands in
    /// `limits`, and more fails in `push`. An error that tells what the model wrote ends the answer, and stands in its
    /// body, where whoever gets that reads it.
    pub fn new(choices_asked: usize, limits: &Limits, told_text: ToldText) -> Self {
        Self {
            events: sse::Decoder::new(limits.event_bytes_max),
            assembly: Assembly::new(limits.answer_bytes_max, told_text),
            choices_asked,
            spoken: 0,
        }
    }

    /// Takes the next bytes of the stream. After an error nothing can come of it any more.
    pub fn push(&mut self, bytes: Bytes) -> Result<(), AssembleError> {
        self.events.push(bytes);
        while let Some(event) = self.events.next_event()? {
            self.spoken += u64::from(self.assembly.take(&event)? == Speech::Some);
        }
        Ok(())
    }

    /// Events so far in which the model said something.
    pub fn spoken(&self) -> u64 {
        self.spoken
    }

    /// Whether each choice has its finish reason: what may follow is what it cost.
    pub fn is_said(&self) -> bool {
        self.is_done() || self.assembly.is_finished(self.choices_asked)
    }

    /// Whether the server has said that nothing follows.
    pub fn is_done(&self) -> bool {
        self.assembly.is_done()
    }

    /// The stream ended, cleanly or not: the body, if everything of it has come.
    pub fn finish(mut self) -> Result<Bytes, AssembleError> {
        self.read_rest()?;
        if !self.is_said() {
            return Err(AssembleError::Incomplete);
        }
        Ok(self.assembly.complete()?.into_body().into())
    }

    /// Reads what came after the last blank line: the upstream may have left out the last one. Half an event is none.
    fn read_rest(&mut self) -> Result<(), AssembleError> {
        let rest = std::mem::replace(&mut self.events, sse::Decoder::new(usize::MAX)).finish();
        let rest = rest.strip_prefix(b"\n").unwrap_or(&rest);
        self.events.push([rest, b"\n\n"].concat().into());
        if let Some(event) = self.events.next_event()?
            && event.data().is_some_and(is_whole)
        {
            self.assembly.take(&event)?;
        }
        Ok(())
    }
}
