//! Clients of Anthropic's API: what they ask as OpenAI's API says it, and what they are answered.
//! Decides nothing about tools, and knows no server.

mod answer;
mod ids;
mod request;
mod told;

pub use answer::{Events, Facts, Folder, Refusal, ServerCall, ServerResult, error, message_start, ping, whole};
pub use request::{
    Asked, HostedTools, Mistake, Model, OwnTool, Server, count_request, counted, estimate, model, model_entry, models,
    request, session,
};
pub use told::Told;
