//! Requests of Anthropic's clients: a message as the chat that it stands for.
//! Decides nothing about tools, and knows no server.
//!
//! ```text
//! /v1/messages, /v1/messages/count_tokens ─▶ request ─▶ /v1/chat/completions
//! ```
//!
//! Source of the forms: the types of Anthropic's own SDKs.

mod assistant;
mod blocks;
mod body;
mod builtin_tools;
mod count;
mod documents;
mod ignored;
mod images;
mod kinds;
mod messages;
mod mistake;
mod models;
mod results;
mod server;
mod system;
mod text;
mod thinking;
mod tools;
mod translate;
mod user;

use super::{ids, told};

pub use count::{counted, estimate};
pub use mistake::Mistake;
pub use models::{Model, model_entry, models};
pub use server::{HostedTools, OwnTool, Server};
pub use translate::{Asked, count_request, model, request, session};
