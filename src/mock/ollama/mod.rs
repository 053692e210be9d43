//! Ollama's own API: what a request may look like, what is told of a model, and an answer in lines of JSON.
//! Knows nothing of other models beside the one that answers: its box is the router's.
//!
//! Wire and wording are those of Ollama at commit fb307609: `api/types.go`, `server/routes.go`, `server/sched.go`.

pub(super) mod asked;
mod chat;
mod lines;
pub(super) mod pages;
pub(super) mod script;
mod shapes;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::http::{Reply, Request};
use crate::record::access_log::utc;

/// An error before the first line. One without a message has no body.
pub(super) fn error(status: u16, message: &str) -> Reply {
    if message.is_empty() {
        return Reply::plain(status, "");
    }
    Reply { status, ..Reply::json(&json!({ "error": message })) }
}

/// The error for a model that there is not.
pub(super) fn not_found(name: &str) -> Reply {
    error(404, &format!("model '{name}' not found"))
}

/// Whether a browser's page asks that may not, as by default.
pub(super) fn is_foreign(request: &Request) -> bool {
    let Some(origin) = &request.origin else { return false };
    let (scheme, rest) = origin.split_once("://").unwrap_or((origin, ""));
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    let is_near = matches!(scheme, "http" | "https") && matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0");
    !is_near && !matches!(scheme, "app" | "file" | "tauri" | "vscode-webview" | "vscode-file")
}

/// What stands at `/api/chat` in place of an answer to no messages, and with `response` at `/api/generate`.
pub(super) fn without_answer(model: &str, member: &str, nothing: &Value, reason: &str) -> Value {
    json!({ "model": model, "created_at": now(), member: nothing, "done": true, "done_reason": reason })
}

fn now() -> String {
    utc(std::time::SystemTime::now())
}
