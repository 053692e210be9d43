//! Retelling of an answer: what would go to a client of OpenAI's API goes to it in the words of its own.
//! Reads no model's text; that has been done.

use bytes::{Bytes, BytesMut};

use crate::api::ClientApi;
use crate::api::ollama::client::{self, Lines, Moment, Told};
use crate::api::openai::AnswerTooLarge;
use crate::limits::Limits;

/// An answer on its last way.
#[derive(Debug)]
pub enum Retelling {
    /// An event stream, which goes on in lines.
    Lines(Box<Lines>),
    /// A body that is told once all of it is there.
    Whole(Box<Body>),
}

/// What has come of a body.
#[derive(Debug)]
pub struct Body {
    client: ClientApi,
    status: u16,
    bytes: BytesMut,
    bytes_max: usize,
}

impl Retelling {
    /// Of an event stream, for a client of Ollama's API.
    pub fn of_stream(told: &Told, limits: &Limits) -> Self {
        Self::Lines(Box::new(Lines::new(told, limits)))
    }

    /// Of a whole answer, or of an error.
    pub fn of_body(client: &ClientApi, status: u16, limits: &Limits) -> Self {
        let (client, bytes_max) = (client.clone(), limits.answer_bytes_max);
        Self::Whole(Box::new(Body { client, status, bytes: BytesMut::new(), bytes_max }))
    }

    /// Takes what goes out next; returns what goes to the client.
    pub fn push(&mut self, bytes: Bytes, now: Moment) -> Result<Bytes, AnswerTooLarge> {
        match self {
            Self::Lines(lines) => Ok(lines.push(bytes, now)),
            Self::Whole(body) => {
                if body.bytes.len() + bytes.len() > body.bytes_max {
                    return Err(AnswerTooLarge(body.bytes_max));
                }
                body.bytes.extend_from_slice(&bytes);
                Ok(Bytes::new())
            }
        }
    }

    /// Nothing more goes out: what is left for the client.
    pub fn finish(&mut self, now: Moment) -> Bytes {
        match self {
            Self::Lines(lines) => lines.finish(now),
            Self::Whole(body) => {
                let bytes = std::mem::take(&mut body.bytes);
                match (&body.client, body.status) {
                    (ClientApi::Ollama(told), 200..=299) => client::whole(told, &bytes, now),
                    (ClientApi::OllamaEmbed(page, model), 200..=299) => client::embedded(*page, model, &bytes, now),
                    (client, status) => client.error(status, bytes.freeze()),
                }
            }
        }
    }
}
