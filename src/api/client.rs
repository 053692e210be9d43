//! API that a client speaks: how it hears that it is still waited for, of an error, and what its streams are called.
//! What becomes of an answer's words is `answer`'s.

use std::sync::Arc;

use bytes::Bytes;

use super::ollama::client::{self, EmbedPage, Moment, Told};

/// The API that a client speaks.
#[derive(Clone, Debug, Default)]
pub enum ClientApi {
    #[default]
    OpenAi,
    /// Ollama's, at a page of which no model's words come.
    OllamaPage,
    /// Ollama's, and how the answer is told.
    Ollama(Arc<Told>),
    /// Ollama's, and of which model it wants vectors.
    OllamaEmbed(EmbedPage, Arc<str>),
}

impl ClientApi {
    /// What its streams are called.
    pub fn stream_type(&self) -> &'static str {
        match self {
            Self::OpenAi => "text/event-stream",
            Self::OllamaPage | Self::Ollama(_) | Self::OllamaEmbed(..) => "application/x-ndjson",
        }
    }

    /// What goes into a stream so that its client hears something; `words` say how its request stands.
    pub fn keep_alive(&self, words: &str, now: Moment) -> Bytes {
        match self {
            Self::OpenAi | Self::OllamaPage | Self::OllamaEmbed(..) => Bytes::from(format!(": {words}\n\n")),
            Self::Ollama(told) => client::keep_alive(told, now),
        }
    }

    /// The body of an error, given as OpenAI's clients get it.
    pub fn error(&self, status: u16, body: Bytes) -> Bytes {
        match self {
            Self::OpenAi => body,
            Self::OllamaPage => client::error(status, &body, None),
            Self::Ollama(told) => client::error(status, &body, Some(&told.model)),
            Self::OllamaEmbed(_, model) => client::error(status, &body, Some(model)),
        }
    }

    /// Whether its clients get other words than OpenAI's.
    pub fn is_foreign(&self) -> bool {
        !matches!(self, Self::OpenAi)
    }
}
