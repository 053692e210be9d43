//! The pages of Ollama, before the same models: what needs a model loads it, and says nothing of it before it is there.
//! What is in an answer is the model's.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::After;
use super::super::http::{Connection, Reply, Request};
use super::super::ollama::asked::{Asked, is_no_time};
use super::super::ollama::{error, is_foreign, not_found, pages, without_answer};
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
        _ if is_foreign(request) => error(403, ""),
        ("GET" | "HEAD", "/") => Reply::plain(200, "Ollama is running"),
        ("GET" | "HEAD", "/api/version") => Reply::json(&json!({ "version": "0.30.0-mock" })),
        ("GET" | "HEAD", "/api/tags") => pages::tags(router.table().entries().iter().map(script)),
        ("GET" | "HEAD", "/v1/models") => pages::models(router.table().entries().iter().map(script)),
        // One that loads is listed as if it were there.
        ("GET", "/api/ps") => {
            pages::processes(router.table().entries().iter().filter(|entry| entry.state.model().is_some()).map(script))
        }
        ("POST", "/v1/chat/completions") => match model_of(request) {
            Ok(name) => return router.forward(connection, request, &name, number).await,
            Err(reply) => reply,
        },
        ("POST", "/api/chat") => return chat(router, connection, request, number).await,
        ("POST", path @ ("/api/show" | "/api/embed" | "/api/generate")) => {
            match answer_of(router, connection, request, path).await {
                Some(reply) => reply,
                None => return Ok(After::Close),
            }
        }
        _ => Reply::plain(404, "404 page not found"),
    };
    write(connection, request, &reply).await
}

/// Nothing when the client leaves.
async fn answer_of(router: &Arc<Router>, connection: &mut Connection, request: &Request, path: &str) -> Option<Reply> {
    let body: Value = match serde_json::from_slice(&request.body) {
        Ok(body) => body,
        Err(problem) => return Some(error(400, &problem.to_string())),
    };
    let text = |member: &str| body.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(name) = text("model").or_else(|| text("name")) else { return Some(error(400, "model is required")) };
    let Some(at) = find(router, name) else { return Some(not_found(name)) };
    let is_farewell = match is_no_time(body.get("keep_alive").unwrap_or(&Value::Null)) {
        Ok(is_farewell) => is_farewell,
        Err(message) => return Some(error(400, &message)),
    };
    let loaded = |reason| Reply::json(&without_answer(name, "response", &"".into(), reason));
    Some(match path {
        "/api/show" => {
            router.table().entries().get(at).map_or_else(|| not_found(name), |entry| pages::show(&entry.script))
        }
        "/api/generate" if text("prompt").is_some() => error(501, "the mock has answers at /api/chat alone"),
        "/api/generate" if is_farewell => {
            router.change(|table| table.unload(at));
            loaded("unload")
        }
        _ => match load(router, connection, at).await? {
            Err(reply) => reply,
            Ok(_) if path == "/api/generate" => loaded("load"),
            Ok(_) => embedded(name, body.get("input").unwrap_or(&Value::Null)),
        },
    })
}

async fn chat(router: &Arc<Router>, connection: &mut Connection, request: &Request, number: u64) -> io::Result<After> {
    let (asked, at) = match wanted(router, request) {
        Ok(wanted) => wanted,
        Err(reply) => return write(connection, request, &reply).await,
    };
    let nothing = json!({ "role": "assistant", "content": "" });
    let silent = |reason| Reply::json(&without_answer(&asked.model, "message", &nothing, reason));
    let after = if asked.body.is_empty() && asked.is_farewell {
        write(connection, request, &silent("unload")).await
    } else {
        match load(router, connection, at).await {
            None => return Ok(After::Close),
            Some(Err(reply)) => write(connection, request, &reply).await,
            Some(Ok(_)) if asked.body.is_empty() => write(connection, request, &silent("load")).await,
            Some(Ok(visit)) => visit.model.chat_in_lines(connection, request, &asked, number).await,
        }
    };
    if asked.is_farewell {
        router.change(|table| table.unload(at));
    }
    after
}

/// What a chat asks, and the model that it asks, as far as that will answer.
fn wanted(router: &Arc<Router>, request: &Request) -> Result<(Asked, usize), Reply> {
    let asked = Asked::read(request)?;
    let at = find(router, &asked.model).ok_or_else(|| not_found(&asked.model))?;
    let about = router.table().entries().get(at).map(|entry| entry.script.about.clone());
    asked.check(&about.unwrap_or_default())?;
    Ok((asked, at))
}

/// Nothing when the client leaves, which ends the load; else the model, which stays for as long as the visit lasts, or
/// what is answered in its place.
async fn load(router: &Arc<Router>, connection: &mut Connection, at: usize) -> Option<Result<Visit, Reply>> {
    let Some(admission) = router.wait(connection, at).await else {
        router.change(|table| table.unload(at));
        return None;
    };
    Some(match admission {
        Admission::Go(model) => Ok(Visit { router: Arc::clone(router), at, model }),
        _ => Err(error(500, "runner process has terminated: exit status 1")),
    })
}

/// The model of this name, whose tag is the latest where none is given.
fn find(router: &Arc<Router>, name: &str) -> Option<usize> {
    let table = router.table();
    let bare = name.strip_suffix(":latest").map(str::to_owned);
    table.find(name).or_else(|| table.find(&bare.unwrap_or_else(|| format!("{name}:latest"))))
}

fn script(entry: &Entry) -> &super::super::script::Script {
    &entry.script
}

/// A vector of length 1 for each text.
fn embedded(name: &str, input: &Value) -> Reply {
    let texts = match input {
        Value::Array(texts) => texts.len(),
        Value::Null => 0,
        _ => 1,
    };
    let mut page = json!({ "model": name, "embeddings": vec![[0.6, 0.8]; texts] });
    if let Some(count) = page.as_object_mut().filter(|_| texts > 0) {
        count.insert("prompt_eval_count".to_owned(), texts.into());
    }
    Reply::json(&page)
}
