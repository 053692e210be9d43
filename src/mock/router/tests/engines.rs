//! The pages of llama-swap and of Ollama, before the same models.

use serde_json::{Value, json};

use super::sockets::{request, start};
use crate::mock::Running;
use crate::mock::tests::{body, exchange, get};

fn page(mock: &Running, path: &str) -> Value {
    serde_json::from_str(body(&get(mock, path))).unwrap()
}

/// What a list tells of its models by this key.
fn told(mock: &Running, path: &str, list: &str, key: &str) -> Vec<Value> {
    page(mock, path)[list].as_array().unwrap().iter().map(|entry| entry[key].clone()).collect()
}

#[test]
fn llama_swap_loads_whatever_is_asked_under_a_models_path() {
    let mock = start("pages: llama-swap");
    assert!(get(&mock, "/health").ends_with("\r\n\r\nOK"));
    assert_eq!(told(&mock, "/v1/models", "data", "id"), ["alpha", "beta", "broken", "endless", "slow"]);
    assert_eq!(page(&mock, "/running"), json!({ "running": [] }));
    assert_eq!(page(&mock, "/upstream/alpha/props")["total_slots"], 3);
    let running = page(&mock, "/running");
    assert_eq!((&running["running"][0]["model"], &running["running"][0]["state"]), (&json!("alpha"), &json!("ready")));
    assert!(get(&mock, "/upstream/a%2F1/health").starts_with("HTTP/1.1 200"));
    assert!(get(&mock, "/upstream/broken/health").starts_with("HTTP/1.1 500"));
    // It is gone by the time that this is answered.
    assert!(get(&mock, "/upstream/beta/health").starts_with("HTTP/1.1 200"));
    assert!(exchange(&mock, &request("/api/models/unload/beta", &Value::Null)).ends_with("OK"));
    assert_eq!(page(&mock, "/running"), json!({ "running": [] }));
}

#[test]
fn ollama_loads_what_it_is_asked_for_and_says_so_once_it_is_there() {
    let mock = start("pages: ollama");
    assert_eq!(told(&mock, "/api/tags", "models", "name"), ["alpha", "beta", "broken", "endless", "slow"]);
    assert_eq!(page(&mock, "/api/ps"), json!({ "models": [] }));
    let load = |model: &str| exchange(&mock, &request("/api/embed", &json!({ "model": model, "input": [] })));
    assert!(load("alpha").starts_with("HTTP/1.1 200"));
    assert_eq!(told(&mock, "/api/ps", "models", "name"), ["alpha"]);
    assert!(load("broken").starts_with("HTTP/1.1 500"));
    assert!(load("nobody").starts_with("HTTP/1.1 404"));
    assert!(load("beta").starts_with("HTTP/1.1 200"));
    let unload = exchange(&mock, &request("/api/generate", &json!({ "model": "beta", "keep_alive": 0 })));
    assert!(unload.contains(r#""done_reason":"unload""#), "{unload}");
    while page(&mock, "/api/ps") != json!({ "models": [] }) {}
}
