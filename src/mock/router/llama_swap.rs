//! The pages of llama-swap, before the same models: what is asked under a model's path is asked of the model, and has it
//! loaded before.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::After;
use super::super::http::{Connection, Reply, Request, decode};
use super::super::pages::unix_seconds;
use super::super::write;
use super::entry::{Entry, State};
use super::{Router, model_of};

/// Answers one request, or has it answered by the model that it is for.
pub(super) async fn answer(
    router: &Arc<Router>,
    connection: &mut Connection,
    request: &Request,
    number: u64,
) -> io::Result<After> {
    let path = request.path();
    if let Some((name, rest)) = path.strip_prefix("/upstream/").and_then(|rest| rest.split_once('/')) {
        let target = format!("/{rest}");
        let inner = Request {
            method: request.method.clone(),
            target,
            body: request.body.clone(),
            origin: request.origin.clone(),
            ..*request
        };
        return router.forward(connection, &inner, &decode(name), number).await;
    }
    let reply = match (request.method.as_str(), path) {
        ("GET" | "HEAD", "/health") => Reply::plain(200, "OK"),
        ("GET", "/v1/models") => models(router.table().entries()),
        ("GET", "/running") => running(router.table().entries()),
        ("POST", "/v1/chat/completions") => match model_of(request) {
            Ok(name) => return router.forward(connection, request, &name, number).await,
            Err(reply) => reply,
        },
        ("POST", path) => match path.strip_prefix("/api/models/unload/") {
            Some(name) => unload(router, &decode(name)).await,
            None => Reply::plain(404, "404 page not found"),
        },
        _ => Reply::plain(404, "404 page not found"),
    };
    write(connection, request, &reply).await
}

/// Answers when the model is gone, or was not there.
async fn unload(router: &Arc<Router>, name: &str) -> Reply {
    let Some(at) = router.table().find(name) else { return Reply::plain(404, "model not found") };
    router.change(|table| table.unload(at));
    router.gone(at).await;
    Reply::plain(200, "OK")
}

fn models(entries: &[Entry]) -> Reply {
    let model = |entry: &Entry| json!({ "id": entry.script.model, "object": "model", "created": unix_seconds(), "owned_by": "llama-swap" });
    let data: Value = entries.iter().map(model).collect();
    Reply::json(&json!({ "object": "list", "data": data }))
}

/// Those that are in memory, or on their way.
fn running(entries: &[Entry]) -> Reply {
    let process = |entry: &Entry| {
        let state = match entry.state {
            State::Unloaded => return None,
            State::Loading(_) => "starting",
            State::Loaded(_) | State::Sleeping(_) => "ready",
            State::Stopping(_) => "stopping",
        };
        let name = &entry.script.model;
        let cmd = format!("llama-server --model /models/{name}.gguf --port 5800");
        Some(json!({ "model": name, "state": state, "cmd": cmd, "proxy": "http://localhost:5800", "ttl": 0 }))
    };
    let running: Value = entries.iter().filter_map(process).collect();
    Reply::json(&json!({ "running": running }))
}
