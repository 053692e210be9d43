//! Clients of Ollama's API: what they ask as OpenAI's API says it, and what they are answered.
//! Decides nothing about tools, and knows no server; no clock either: whoever asks says when it is ([`Moment`]).
//!
//! ```text
//! /api/chat, /api/generate ─▶ request ─▶ /v1/chat/completions, /v1/completions
//!                     lines ◀─ Lines  ◀─ an event stream
//!                one object ◀─ whole  ◀─ a whole answer
//! ```
//!
//! Source of the forms: Ollama's `docs/api.md` and `api/types.go`.

mod answer;
mod asked;
mod calls;
mod cost;
mod embed;
mod error;
mod generate;
mod images;
mod lines;
mod messages;
mod mistake;
mod model;
mod options;
mod pages;
mod request;
mod results;
mod shape;
mod text;
mod whole;

pub use answer::{keep_alive, loaded, unloaded};
pub use asked::{Page, Told};
pub use cost::Moment;
pub use embed::{EmbedPage, Embedded, embed_request, embedded};
pub use error::{error, error_line};
pub use lines::Lines;
pub use mistake::Mistake;
pub use model::{Capability, Model, name_key, same_name, untagged};
pub use pages::{NOT_MANAGED, PULLED, RUNNING, UNKNOWN_PULL, asked_model, ps, show, tags, unknown_model, version};
pub use request::{Request, request};
pub use whole::whole;
