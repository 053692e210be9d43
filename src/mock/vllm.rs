//! The mock's pages as vLLM has them, besides chat: what it is, and prompts in tokens, each of which is a byte.
//! Only the fields that a gateway is known to read.

use serde::Deserialize;
use serde_json::json;

use super::http::{Reply, Request};
use super::model::Model;
use super::template;

/// The page that is asked for, if there is one.
pub(super) fn page(model: &Model, request: &Request) -> Option<Reply> {
    match (request.method.as_str(), request.path()) {
        ("GET" | "HEAD", path @ ("/health" | "/v1/models")) => model.page(path),
        ("GET", "/version") => Some(Reply::json(&json!({ "version": VERSION }))),
        ("POST", "/v1/chat/completions/render") => Some(match template::prompt(&model.script, request) {
            Ok(prompt) => Reply::json(&json!({ "token_ids": prompt.as_bytes() })),
            Err(reply) => reply,
        }),
        ("POST", "/detokenize") => Some(spelled(request)),
        _ => None,
    }
}

fn spelled(request: &Request) -> Reply {
    #[derive(Deserialize)]
    struct Body {
        tokens: Vec<u8>,
    }
    match serde_json::from_slice::<Body>(&request.body) {
        Ok(body) => Reply::json(&json!({ "prompt": String::from_utf8_lossy(&body.tokens) })),
        Err(error) => Reply::error(400, "BadRequestError", &error.to_string()),
    }
}

const VERSION: &str = "0.31.0-mock";
