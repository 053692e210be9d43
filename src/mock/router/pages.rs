//! The router's own pages and events, with the members that a gateway or a client is known to read.
//! A model's pages are the model's.

use serde_json::{Value, json};

use super::super::http::Reply;
use super::super::pages::{CONTEXT_TOKENS, FINGERPRINT, unix_seconds};
use super::entry::{Entry, State};

/// Healthy whatever its models do.
pub(super) fn health() -> Reply {
    Reply::json(&json!({ "status": "ok" }))
}

/// An order was taken; what comes of it is told by the models' states.
pub(super) fn success() -> Reply {
    Reply::json(&json!({ "success": true }))
}

/// The router's `/props`: no slots and no template, which are its models'.
pub(super) fn props(places: usize) -> Reply {
    Reply::json(&json!({
        "role": "router",
        "max_instances": places,
        "models_autoload": true,
        "model_alias": "llama-server",
        "model_path": "none",
        "default_generation_settings": { "params": null, "n_ctx": 0 },
        "build_info": FINGERPRINT,
    }))
}

/// All models, loaded or not.
pub(super) fn models(entries: &[Entry]) -> Reply {
    let data: Value = entries.iter().map(model).collect();
    Reply::json(&json!({ "data": data, "object": "list" }))
}

fn model(entry: &Entry) -> Value {
    let name = &entry.script.model;
    let (path, slots) = (format!("/models/{name}.gguf"), entry.script.slots.to_string());
    let mut status = json!({
        "value": entry.state.word(),
        "args": ["/app/llama-server", "--host", "127.0.0.1", "--alias", name, "--model", path, "--parallel", slots],
        "preset": format!("[{name}]\nmodel = {path}\nparallel = {slots}\n"),
    });
    if entry.exit_code != 0 {
        add(&mut status, "exit_code", entry.exit_code.into());
        add(&mut status, "failed", true.into());
    }
    let mut page = json!({
        "id": name,
        "aliases": entry.aliases,
        "tags": [],
        "object": "model",
        "owned_by": "llamacpp",
        "created": unix_seconds(),
        "status": status,
        "architecture": { "input_modalities": ["text"], "output_modalities": ["text"] },
        "source": "preset",
        "can_remove": false,
    });
    if !matches!(entry.state, State::Unloaded | State::Loading(_)) {
        add(&mut page, "meta", json!({ "n_ctx": CONTEXT_TOKENS, "n_params": 1_000_000, "size": 2_000_000 }));
    }
    page
}

fn add(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.into(), value);
    }
}

/// A model's process was started.
pub(super) fn start_event(name: &str) -> String {
    event("model_status", name, &json!({ "status": "loading" }))
}

/// A model's state has become another.
pub(super) fn state_event(name: &str, state: &State, exit_code: u8) -> String {
    let status = state.word();
    let data = match state {
        State::Unloaded => json!({ "status": status, "exit_code": exit_code }),
        State::Loading(_) => {
            let progress = json!({ "stages": ["text_model"], "current": "text_model", "value": 0.0 });
            json!({ "status": status, "progress": progress })
        }
        _ => json!({ "status": status }),
    };
    event("status_change", name, &data)
}

fn event(kind: &str, name: &str, data: &Value) -> String {
    format!("data: {}\n\n", json!({ "model": name, "event": kind, "data": data }))
}
