//! Whole answer of a stream: what the server would have sent had it not been asked to stream.
//! Has no socket and no clock, and says nothing before everything has come.

use bytes::Bytes;

use crate::api::openai::{AssembleError, Assembler, ToldText};
use crate::limits::Limits;

use super::part::Message;

/// The answer in the making.
#[derive(Debug)]
pub struct Whole {
    assembler: Assembler,
}

impl Whole {
    /// Of which nothing has come.
    pub fn new(choices_asked: usize, limits: &Limits, told_text: ToldText) -> Self {
        Self { assembler: Assembler::new(choices_asked, limits, told_text) }
    }

    /// Takes data of its body.
    pub fn push(&mut self, data: Bytes) -> Result<(), AssembleError> {
        self.assembler.push(data)
    }

    /// Whether everything was said but what it cost.
    pub fn is_said(&self) -> bool {
        self.assembler.is_said()
    }

    /// Whether nothing follows.
    pub fn is_done(&self) -> bool {
        self.assembler.is_done()
    }

    /// In how many events the model has said something.
    pub fn spoken(&self) -> u64 {
        self.assembler.spoken()
    }

    /// Nothing more comes: the answer.
    pub fn finish(self) -> Result<Message, AssembleError> {
        self.assembler.finish().map(|body| Message::json(200, body)).or_else(refusal)
    }
}

/// The answer of a server that told an error instead; any other error is for the gateway to tell.
pub fn refusal(e: AssembleError) -> Result<Message, AssembleError> {
    match e {
        AssembleError::Reported(reported) => Ok(Message::json(reported.status, reported.body)),
        e => Err(e),
    }
}
