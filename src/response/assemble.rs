//! Puts a stream together to the body that the server would have sent had it been asked for a whole answer.
//! Understands no text: calls in it are found by `body`, which reads what is made here as it reads any other answer.
//!
//! A server that streams notices that its client has left; llama.cpp does not always when it does not stream. So it is
//! asked to stream for clients that did not, and they get this. Nothing goes out before everything is there: half an
//! answer must not look like a whole one.

use bytes::{Bytes, BytesMut};

use super::assembly::{AssembleError, Assembly};
use super::chunk::Chunk;
use super::{BodyRewriter, Summary};
use crate::exchange::Exchange;
use crate::limits::Limits;
use crate::sse;

/// Makes one body of an event stream.
#[derive(Debug)]
pub struct Assembler {
    events: sse::Decoder,
    assembly: Assembly,
    spoken: u64,
    /// Reads the text of the body, where the request offered tools.
    rewriter: Option<BodyRewriter>,
}

impl Assembler {
    /// `exchange` is that of a request with tools.
    pub fn new(exchange: Option<&Exchange>, limits: &Limits) -> Self {
        Self {
            events: sse::Decoder::new(limits.event_bytes_max),
            assembly: Assembly::new(limits.answer_bytes_max),
            spoken: 0,
            rewriter: exchange.map(|exchange| BodyRewriter::new(exchange, limits)),
        }
    }

    /// Takes the next bytes of the stream. After an error nothing can come of it any more.
    pub fn push(&mut self, bytes: Bytes) -> Result<(), AssembleError> {
        self.events.push(bytes);
        while let Some(event) = self.events.next_event()? {
            let data = event.data().unwrap_or_default();
            self.assembly.take(data)?;
            self.spoken += u64::from(Chunk::parse(data).is_some_and(|chunk| chunk.speaks()));
        }
        Ok(())
    }

    /// Events so far in which the model said something.
    pub fn spoken(&self) -> u64 {
        self.spoken
    }

    /// The stream ended, cleanly or not: appends the body, if everything of it has come.
    pub fn finish(self, out: &mut BytesMut) -> Result<Summary, AssembleError> {
        let Self { mut assembly, rewriter, .. } = self;
        assembly.complete()?;
        let body = Bytes::from(assembly.into_body());
        if let Some(mut rewriter) = rewriter {
            rewriter.push(body, out);
            return Ok(rewriter.finish(out));
        }
        out.extend_from_slice(&body);
        let answer = Chunk::parse(&body);
        let first = answer.as_ref().and_then(|answer| answer.choices.first()?.finished());
        Ok(Summary {
            finish_reason: first.map(str::to_owned),
            tokens: answer.as_ref().and_then(|answer| answer.tokens(answer.choices.len())),
            complete: true,
            ..Summary::default()
        })
    }
}
