//! Refusal in place of an answer, held until it is known whether it tells what the model wrote.
//! Reads no calls: one that does goes on as an answer in which the server tells an error, and whoever reads answers reads
//! that.

use super::part::{EVENTS, Message};
use crate::api::openai::{Complaint, ToldText, told_answer};

/// The body of a refusal, as far as it has come.
#[derive(Debug)]
pub struct Refused {
    body: Vec<u8>,
    told_text: ToldText,
}

/// What the client has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Stream,
    Body,
}

impl Refused {
    /// Of which nothing has come; what it tells is an answer, or is not.
    pub fn new(told_text: ToldText) -> Self {
        Self { body: Vec::new(), told_text }
    }

    /// Takes data of the body.
    pub fn push(&mut self, data: &[u8]) {
        self.body.extend_from_slice(data);
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.body.len()
    }

    /// All of it has come: the answer that it becomes, if it becomes one.
    pub fn answer(&self, asked: Asked) -> Option<Message> {
        if self.told_text != ToldText::Read {
            return None;
        }
        Some(match asked {
            Asked::Body => Message::json(200, told_answer(&self.body, "chat.completion")?),
            Asked::Stream => {
                let body = told_answer(&self.body, "chat.completion.chunk")?;
                Message { status: 200, content_type: EVENTS, body: format!("data: {body}\n\n").into() }
            }
        })
    }

    /// What it complains of.
    pub fn complaint(&self) -> Option<Complaint> {
        Complaint::of(&self.body)
    }

    /// It goes on as it came.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}
