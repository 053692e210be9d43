//! Refusal in place of an answer, held until it is known whether it tells what the model wrote.
//! Reads no calls: one that does goes on as an answer in which the server tells an error, and whoever reads answers reads
//! that.

use bytes::Bytes;

use super::whole::{JSON, message};
use crate::api::openai::told_answer;

/// The body of a refusal, as far as it has come.
#[derive(Debug, Default)]
pub struct Refused {
    body: Vec<u8>,
}

/// What the client has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Stream,
    Body,
}

impl Refused {
    /// Takes data of the body.
    pub fn push(&mut self, data: &[u8]) {
        self.body.extend_from_slice(data);
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.body.len()
    }

    /// All of it has come: the answer that it becomes behind this head, if it becomes one.
    pub fn answer(&self, head: &[u8], asked: Asked) -> Option<Bytes> {
        Some(match asked {
            Asked::Body => message(head, 200, JSON, told_answer(&self.body, "chat.completion")?.as_bytes()),
            Asked::Stream => {
                let body = told_answer(&self.body, "chat.completion.chunk")?;
                message(head, 200, "text/event-stream", format!("data: {body}\n\n").as_bytes())
            }
        })
    }

    /// Whether it speaks of a grammar.
    pub fn names_grammar(&self) -> bool {
        const WORD: &[u8] = b"grammar";
        self.body.windows(WORD.len()).any(|part| part.eq_ignore_ascii_case(WORD))
    }

    /// It goes on as it came.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}
