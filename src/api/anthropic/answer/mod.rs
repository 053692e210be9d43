//! Answers to Anthropic's clients: a chat's answer as a message, streamed or whole, and errors.
//! Decides nothing about tools, and knows no server.
//!
//! ```text
//! events ◀─ Events ◀─ an event stream
//! a message ◀─ whole ◀─ a whole answer
//! an error ◀─ error ◀─ a refusal of any form
//! ```
//!
//! Source of the forms: Anthropic's SDKs (`anthropic` 2.14.0 for Python, `@anthropic-ai/sdk` 1.14.0).

mod arguments;
mod blocks;
mod calls;
mod content;
mod cut;
mod error;
mod events;
mod fold;
mod frames;
mod message;
mod overflow;
mod said;
mod server_calls;
mod shape;
mod space;
mod stop;
mod usage;
mod waiting;
mod whole;

use super::{ids, told};

pub use error::{Refusal, error};
pub use events::Events;
pub use fold::Folder;
pub use frames::ping;
pub use message::message_start;
pub(super) use server_calls::ID as SERVER_CALL_ID;
pub use server_calls::{ServerCall, ServerResult};
pub use stop::Facts;
pub use whole::whole;
