//! Wire APIs: what their clients and servers write. One folder an API; nothing outside of it knows its member names.
//! Decides nothing about tools, servers or clients; `plan` and `answer` do.

pub mod anthropic;
mod client;
mod model;
pub mod ollama;
pub mod openai;
pub mod time;
mod tokens;

pub use client::{ClientApi, ToldError};
pub use model::{Depth, ModelName};
pub use tokens::Tokens;

/// What an event of an answer's beginning says: who speaks, or how far the server is with the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// At most whose words will follow.
    Nothing,
    /// How far the server is with the prompt, and nothing else.
    Prefill(Progress),
    /// Anything that a client could miss.
    Something,
}

/// How much of a prompt has been read, in tokens, what was cached included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub processed: u64,
    pub total: u64,
}
