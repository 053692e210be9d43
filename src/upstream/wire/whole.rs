//! Whole answer of a stream, head and all: what the server would have sent had it not been asked to stream.
//! Has no socket and no clock, and says nothing before everything has come.

use bytes::{Bytes, BytesMut};

use crate::api::openai::{AssembleError, Assembler, ToldText};
use crate::limits::Limits;

/// The answer in the making.
#[derive(Debug)]
pub struct Whole {
    assembler: Assembler,
}

/// Members of a stream's head that a whole answer has otherwise, or not at all. The last keeps proxies from collecting a
/// stream.
const NOT_KEPT: [&str; 5] = ["content-length", "content-type", "trailer", "transfer-encoding", "x-accel-buffering"];

impl Whole {
    /// Of which nothing has come.
    pub fn new(choices_asked: usize, limits: &Limits, told_text: ToldText) -> Self {
        Self { assembler: Assembler::new(choices_asked, limits, told_text) }
    }

    /// Takes data of its body.
    pub fn push(&mut self, data: &[u8]) -> Result<(), AssembleError> {
        self.assembler.push(Bytes::copy_from_slice(data))
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

    /// Nothing more comes: the answer, behind the stream's `head`.
    pub fn finish(self, head: &[u8]) -> Result<Bytes, AssembleError> {
        self.assembler.finish().map(|body| message(head, 200, JSON, &body)).or_else(|e| refusal(head, e))
    }
}

/// What a whole answer is.
pub(super) const JSON: &str = "application/json; charset=utf-8";

/// The answer of a server that told an error instead; any other error is for the gateway to tell.
pub fn refusal(head: &[u8], e: AssembleError) -> Result<Bytes, AssembleError> {
    match e {
        AssembleError::Reported(reported) => Ok(message(head, reported.status, JSON, reported.body.as_bytes())),
        e => Err(e),
    }
}

/// An answer with the fields of the last head that came.
pub(super) fn message(head: &[u8], status: u16, content_type: &str, body: &[u8]) -> Bytes {
    let mut message = fields(head, status);
    let own = format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    message.extend_from_slice(own.as_bytes());
    message.extend_from_slice(body);
    message.freeze()
}

/// The beginning of a head: a status, and the fields of one that came which say nothing of its body.
pub(super) fn fields(head: &[u8], status: u16) -> BytesMut {
    let mut fields = BytesMut::with_capacity(head.len() + 128);
    fields.extend_from_slice(format!("HTTP/1.1 {status} \r\n").as_bytes());
    for line in head.split_inclusive(|byte| *byte == b'\n').skip(1) {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
        let is_kept = !NOT_KEPT.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()));
        if is_kept && !name.is_empty() {
            fields.extend_from_slice(line);
        }
    }
    fields
}
