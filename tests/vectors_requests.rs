//! The conformance vectors that say what must go up for a request, as far as they speak of the JSON envelope.
//!
//! They lie beside the project, in `../shared/conformance`; a clone without them says so.
//! What the proxy makes of an error is told here by its kind alone; its own tests hold it to the status.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use serde_json::Value;
use toolgate::api::openai::Request;
use toolgate::dialect::Dialects;
use toolgate::engine::{Engine, ToolsMode};
use toolgate::limits::Limits;
use toolgate::plan::{Head, Plan, Policy, RequestError, Tools};

#[test]
fn systems_upstream_requests() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/systems.jsonl");
    let Ok(vectors) = fs::read_to_string(&path) else {
        // Written past the test's captured output, so that it is seen.
        writeln!(io::stderr(), "absent, so not run: {}", path.display()).unwrap();
        return;
    };
    let mut failures = vec![];
    let mut run = 0;
    for line in vectors.lines().filter(|line| !line.trim().is_empty()) {
        let vector: Value = serde_json::from_str(line).unwrap();
        if vector["kind"] != "upstream_request" || vector["system"] != "000" {
            continue;
        }
        run += 1;
        if let Err(why) = check(&vector) {
            failures.push(format!("{}: {why}", vector["id"]));
        }
    }
    assert!(failures.is_empty() && run > 0, "{run} run\n{}", failures.join("\n"));
}

fn check(vector: &Value) -> Result<(), String> {
    let body = vector["input"]["request"].to_string();
    let tools = Tools::new(ToolsMode::Inject, Arc::clone(Dialects::builtin().get("json-envelope").unwrap()));
    let policy = Policy::of_tools(Engine::OpenAi, tools);
    let request = Request::read(body.as_bytes()).unwrap();
    let up = match Plan::of(Head::CHAT, request, None, &policy, &Limits::default()) {
        Ok(planned) => planned.body.map_or(body.clone(), |bytes| String::from_utf8(bytes.to_vec()).unwrap()),
        Err(RequestError::UnknownToolChoice(_)) => return expect_refusal(&vector["expect"]),
        Err(other) => return Err(other.to_string()),
    };
    let up: Value = serde_json::from_str(&up).unwrap();
    for (key, expected) in vector["expect"].as_object().unwrap() {
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
