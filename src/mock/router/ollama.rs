//! The pages of Ollama, before the same models: what needs a model loads it, and says nothing of it before it is there.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::After;
use super::super::http::{Connection, Reply, Request};
use super::super::write;
use super::entry::{Admission, Entry};
use super::{Router, Visit, model_of};

/// Answers one request, or has it answered by the model that it is for.
pub(super) async fn answer(
    router: &Arc<Router>,
    connection: &mut Connection,
    request: &Request,
    number: u64,
) -> io::Result<After> {
    let reply = match (request.method.as_str(), request.path()) {
        ("GET" | "HEAD", "/") => Reply::plain(200, "Ollama is running"),
        ("GET", "/api/version") => Reply::json(&json!({ "version": "0.30.0-mock" })),
        ("GET", "/api/tags") => list(router.table().entries().iter()),
        // One that loads is listed as if it were there.
        ("GET", "/api/ps") => list(router.table().entries().iter().filter(|entry| entry.state.model().is_some())),
        ("POST", path @ ("/api/embed" | "/api/generate" | "/v1/chat/completions")) => {
            let name = match model_of(request) {
                Ok(name) => name,
                Err(reply) => return write(connection, request, &reply).await,
            };
            match path {
                "/v1/chat/completions" => return router.forward(connection, request, &name, number).await,
                "/api/generate" if is_farewell(request) => unload(router, &name),
                _ => match load(router, connection, &name).await {
                    Some(reply) => reply,
                    None => return Ok(After::Close),
                },
            }
        }
        _ => Reply::plain(404, "404 page not found"),
    };
    write(connection, request, &reply).await
}

/// Nothing when the client leaves, which ends the load.
async fn load(router: &Arc<Router>, connection: &mut Connection, name: &str) -> Option<Reply> {
    let Some(at) = router.table().find(name) else { return Some(not_found(name)) };
    let Some(admission) = router.wait(connection, at).await else {
        router.change(|table| table.unload(at));
        return None;
    };
    Some(match admission {
        Admission::Go(model) => {
            drop(Visit { router: Arc::clone(router), at, model });
            Reply::json(&json!({ "model": name, "embeddings": [] }))
        }
        _ => error(500, "runner process has terminated: exit status 1"),
    })
}

fn unload(router: &Arc<Router>, name: &str) -> Reply {
    let Some(at) = router.table().find(name) else { return not_found(name) };
    router.change(|table| table.unload(at));
    Reply::json(&json!({ "model": name, "response": "", "done": true, "done_reason": "unload" }))
}

/// Whether the model is to be kept for no time.
fn is_farewell(request: &Request) -> bool {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    body.get("keep_alive") == Some(&json!(0))
}

fn list<'e>(entries: impl Iterator<Item = &'e Entry>) -> Reply {
    let model = |entry: &Entry| {
        let name = &entry.script.model;
        json!({ "name": name, "model": name, "size": 2_000_000, "digest": name, "details": { "format": "gguf" } })
    };
    let models: Value = entries.map(model).collect();
    Reply::json(&json!({ "models": models }))
}

fn not_found(name: &str) -> Reply {
    error(404, &format!("model '{name}' not found"))
}

fn error(status: u16, message: &str) -> Reply {
    Reply { status, ..Reply::json(&json!({ "error": message })) }
}
