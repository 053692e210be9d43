//! The conformance vectors that say what must go up for a request, as far as they speak of systems that prompt for calls.
//!
//! They lie beside the project, in `../shared/conformance`; a clone without them says so.
//! What the proxy makes of an error is told here by its kind alone; its own tests hold it to the status.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

mod vectors;

use std::sync::Arc;

use serde_json::Value;
use toolgate::api::openai::Request;
use toolgate::dialect::Dialects;
use toolgate::engine::{Engine, ToolsMode};
use toolgate::limits::Limits;
use toolgate::plan::{Head, Plan, Policy, RequestError, Tools};

/// What systems whose vectors these are prompt for.
const DIALECTS: [(&str, &str); 2] = [("000", "json-envelope"), ("002", "python-code")];

/// What is shown elsewhere.
const ELSEWHERE: [(&str, &str); 1] = [(
    "002-key",
    "the gateway sends a server's key: `proxy/fleet.rs::a_box_with_a_key_is_asked_with_it_and_clients_need_none`",
)];

#[test]
fn systems_upstream_requests() {
    check_all("upstream_request", 13, |dialect, input| sent(dialect, &input["request"]));
}

#[test]
fn systems_stubs() {
    check_all("stub_gen", 6, |dialect, input| {
        sent(dialect, &serde_json::json!({"messages": [{"role": "user", "content": "hi"}], "tools": input["tools"]}))
    });
}

/// Checks the vectors of a kind.
fn check_all(kind: &str, least: usize, send: impl Fn(&str, &Value) -> Result<Value, RequestError>) {
    vectors::check_all("systems.jsonl", least, |vector, _| {
        let dialect = DIALECTS.iter().find(|(system, _)| vector["system"] == *system);
        let is_elsewhere = ELSEWHERE.iter().any(|(id, _)| vector["id"] == *id);
        let (_, dialect) = dialect.filter(|_| vector["kind"] == kind && !is_elsewhere)?;
        Some(check(send(dialect, &vector["input"]), &vector["expect"]))
    });
}

/// What goes up for a request.
fn sent(dialect: &str, request: &Value) -> Result<Value, RequestError> {
    let body = request.to_string();
    let tools = Tools::new(ToolsMode::Inject, Arc::clone(Dialects::builtin().get(dialect).unwrap()));
    let policy = Policy::of_tools(Engine::OpenAi, tools);
    let request = Request::read(body.as_bytes()).unwrap();
    let planned = Plan::of(Head::CHAT, request, None, &policy, &Limits::default())?;
    Ok(serde_json::from_slice(&planned.body.unwrap_or(body.clone().into())).unwrap())
}

fn check(up: Result<Value, RequestError>, expected: &Value) -> Result<(), String> {
    let up = match up {
        Ok(up) => up,
        Err(RequestError::UnknownToolChoice(_)) => return expect_refusal(expected),
        Err(other) => return Err(other.to_string()),
    };
    for (key, expected) in expected.as_object().unwrap() {
        meets(&up, key, expected).then_some(()).ok_or_else(|| format!("{key} {expected}\n  {up}"))?;
    }
    Ok(())
}

fn expect_refusal(expected: &Value) -> Result<(), String> {
    let refusal = serde_json::json!({ "status": 400, "error_type": "invalid_request_error" });
    (*expected == refusal).then_some(()).ok_or_else(|| "refused".to_owned())
}

/// Whether what goes up is as one key of an expectation says.
fn meets(up: &Value, key: &str, expected: &Value) -> bool {
    let messages = up["messages"].as_array().unwrap();
    let list = || expected.as_array().unwrap().iter();
    let words = || list().map(|word| word.as_str().unwrap());
    match key {
        "message_count" => Some(messages.len()) == expected.as_u64().and_then(|n| usize::try_from(n).ok()),
        "messages_role" => messages.iter().map(|m| &m["role"]).eq(list()),
        "system_starts" => messages[0]["content"].as_str().unwrap().starts_with(expected.as_str().unwrap()),
        "contains" => words().all(|word| messages[0]["content"].as_str().unwrap().contains(word)),
        "lacks" => !words().any(|word| messages[0]["content"].as_str().unwrap().contains(word)),
        "system_contains" => words().all(|word| messages[0]["content"].as_str().unwrap().contains(word)),
        "body_has" => expected.as_object().unwrap().iter().all(|(key, value)| &up[key] == value),
        "body_lacks" => words().all(|key| up.get(key).is_none()),
        "messages_tail" => messages.iter().rev().zip(list().rev()).all(|(m, expected)| is_message(m, expected)),
        "all_in_order" => {
            let contents: Vec<_> = messages.iter().skip(1).map(|m| m["content"].as_str().unwrap()).collect();
            let text = contents.join("\n");
            words().try_fold(text.as_str(), |rest, word| rest.split_once(word).map(|(_, rest)| rest)).is_some()
        }
        _ => false,
    }
}

fn is_message(message: &Value, expected: &Value) -> bool {
    expected.as_object().unwrap().iter().all(|(key, value)| match key.as_str() {
        "content_json" => serde_json::from_str::<Value>(message["content"].as_str().unwrap()).unwrap() == *value,
        key => message[key] == *value,
    })
}
