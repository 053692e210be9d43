//! The reverse proxy: Pingora's phases, and what a request needs on its way through them.
//! Decides nothing about tools, and nothing about who is next: `plan`, `answer` and `balance` do.
//!
//! `phases` is where to begin to read. Clients' connections are `client`'s.

mod accounting;
mod addressed;
mod admit;
mod affinity;
mod agent;
mod anthropic;
mod attempt;
mod body;
mod body_memory;
mod client;
mod complaint;
mod constraint;
mod context;
mod conversation;
mod ending;
mod exchange;
mod fault;
mod headers;
mod keepalive;
mod kept_stream;
mod lifecycle;
mod listing;
mod long_work;
mod models_cache;
mod moment;
mod nesting;
mod ollama;
mod ollama_pages;
mod path;
mod phases;
mod priority;
mod quarantine;
mod reply;
mod retell;
mod rounds;
mod route;
mod running_turn;
mod session;
mod settings;
mod shared;
mod turn_memory;

pub use client::{ClientListener, descriptors};
pub use context::Context;
pub use fault::Fault;
pub use lifecycle::Lifecycle;
pub use settings::{Current, Settings};
pub use shared::Gateway;
