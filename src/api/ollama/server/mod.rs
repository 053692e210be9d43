//! Ollama as a server: a chat as it is asked there, and what it answers as OpenAI's API says it.
//! Decides nothing about tools, and opens no connection.
//!
//! Sources: Ollama's `api/types.go`, `server/routes.go`, `openai/openai.go`.

mod answer;
mod chunks;
mod costs;
mod counting;
mod error;
mod line;
mod logprobs;
mod messages;
mod parts;
mod request;
mod sampling;
mod schema;
mod show;
#[cfg(test)]
mod tests;
mod time;
mod tools;

pub use answer::Answer;
pub use counting::{Counted, Counting};
pub use error::{Complaint, Refusal, no_answer, refusal};
pub use request::{Defaults, Thinking, Unservable, is_about_thinking, request, with_defaults};
pub use show::{Description, question};

/// Where chats are asked.
pub const CHAT: &str = "/api/chat";
