//! The conformance vectors of clients that speak Anthropic's API: what their requests become, and those that one such
//! client was seen to send.
//!
//! They lie beside the project, in `../shared/conformance`; a clone without them says so. No socket is opened.
//! Statuses, fields and the shape of an error are the gateway's.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

mod vectors;

use std::fs;

use serde_json::{Value, json};
use toolgate::api::anthropic::{Asked, HostedTools, Mistake, Server, count_request, model, request, session};
use toolgate::engine::Engine;
use toolgate::json::Object;

#[test]
fn requests() {
    check_all(51, |vector, body| {
        if vector["kind"] != "request" {
            return None;
        }
        let got = || request(body.as_bytes(), &server(vector)).map_err(|mistake| mistake.message.into_owned());
        Some(got().and_then(|asked| {
            is_equal(&comparable(parsed(&asked.body)), &comparable(vector["chat_request"].clone()))?;
            is_equal(&json!(asked.ignored), vector.get("ignored").unwrap_or(&json!([])))?;
            is_equal(&json!(model(body.as_bytes()).unwrap()), &vector["messages_request"]["model"])?;
            (Ok(asked) == got()).then_some(()).ok_or_else(|| "another chat for the same request".to_owned())
        }))
    });
}

#[test]
fn errors() {
    check_all(9, |vector, body| {
        if vector["kind"] != "error" || vector.get("messages_request").is_none() {
            return None;
        }
        let told = match request(body.as_bytes(), &server(vector)) {
            Err(Mistake { message }) => json!(message),
            Ok(Asked { body, .. }) => parsed(&body),
        };
        Some(
            is_equal(&told, &vector["body"]["error"]["message"])
                .and_then(|()| is_equal(&json!(400), &vector["status"])),
        )
    });
}

#[test]
fn captured_requests_become_chats() {
    let Some(folder) = vectors::shared("claude-code") else { return };
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 16, "{paths:?}");
    let mut failures = vec![];
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let capture = Object::parse(&text).unwrap();
        // The first is a HEAD.
        let Some(body) = capture.present("body") else { continue };
        for engine in Engine::ALL {
            let is_count = capture.string("path").unwrap().contains("count_tokens");
            failures.extend(captured(body, engine, is_count).err().map(|why| format!("{}: {why}", path.display())));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Holds what a captured request becomes to what is true of each.
fn captured(body: &str, engine: Engine, is_count: bool) -> Result<(), String> {
    let asked: Value = serde_json::from_str(body).unwrap();
    let mut server = Server {
        takes: engine.row().messages,
        sees: None,
        thinks: None,
        hosted_tools: HostedTools::Refuse,
        runs: std::sync::Arc::default(),
    };
    let ask = if is_count { count_request } else { request };
    if body.contains("web_search_20250305") {
        let refused = ask(body.as_bytes(), &server).unwrap_err();
        is_equal(&json!(refused.message.split(':').next()), &json!("tools.0"))?;
        server.hosted_tools = HostedTools::Drop;
    }
    let Asked { body: chat, told, .. } =
        ask(body.as_bytes(), &server).map_err(|mistake| mistake.message.into_owned())?;
    let chat = parsed(&chat);
    let holds = |is_so: bool, what: &str| is_so.then_some(()).ok_or_else(|| format!("{what}: {chat}"));
    holds(told.model == "local" || asked["model"] == told.model, "the client's word for the model")?;
    holds(
        chat["max_tokens"] == asked["max_tokens"] && told.is_streamed == (asked["stream"] == true),
        "how it is told",
    )?;
    holds(!chat.to_string().contains("x-anthropic-billing-header"), "the billing header is gone")?;
    holds(is_count || session(body.as_bytes()).is_some_and(|id| id.starts_with("00000000-")), "its session")?;
    let offered =
        asked["tools"].as_array().map_or(0, |tools| tools.iter().filter(|tool| !tool["type"].is_string()).count());
    holds(chat["tools"].as_array().map_or(0, Vec::len) == offered, "its tools")?;
    conversation(&asked, &chat)
}

/// What is true of the messages of any chat that a conversation becomes.
fn conversation(asked: &Value, chat: &Value) -> Result<(), String> {
    let messages = chat["messages"].as_array().unwrap();
    let holds = |is_so: bool, what: String| is_so.then_some(()).ok_or_else(|| format!("{what}: {chat}"));
    for (at, message) in messages.iter().enumerate() {
        match message["role"].as_str().unwrap() {
            "system" => holds(at == 0, format!("a system message at {at}"))?,
            "tool" => {
                let caller = messages[..at].iter().rposition(|message| message["role"] != "tool").unwrap();
                let calls = messages[caller]["tool_calls"].as_array();
                let called = calls.is_some_and(|calls| calls.iter().any(|call| call["id"] == message["tool_call_id"]));
                holds(called, format!("a result at {at} that stands behind no call"))?;
            }
            _ => {}
        }
    }
    // What the system says within the conversation stands where it was said.
    let within = asked["messages"].as_array().unwrap().iter().filter(|message| message["role"] == "system");
    for said in within {
        let reminder = format!("<system-reminder>\n{}\n</system-reminder>", said["content"].as_str().unwrap());
        let at = messages
            .iter()
            .position(|message| message["content"].as_str().is_some_and(|content| content.ends_with(&reminder)));
        holds(at == Some(1), "a reminder at the end of the first turn".to_owned())?;
    }
    Ok(())
}

fn server(vector: &Value) -> Server {
    let name = vector["engine"].as_str().unwrap_or("llama.cpp");
    let engine = Engine::ALL.into_iter().find(|engine| engine.name() == name).unwrap();
    let hosted_tools = match vector["server_tools"].as_str() {
        None | Some("refuse") => HostedTools::Refuse,
        Some("drop") => HostedTools::Drop,
        Some(other) => panic!("{other} is no setting"),
    };
    Server {
        takes: engine.row().messages,
        sees: vector["vision"].as_bool(),
        thinks: None,
        hosted_tools,
        runs: std::sync::Arc::default(),
    }
}

/// A chat in which the arguments of calls are values.
fn comparable(mut chat: Value) -> Value {
    for message in chat["messages"].as_array_mut().into_iter().flatten() {
        for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
            let arguments = &mut call["function"]["arguments"];
            *arguments = serde_json::from_str(arguments.as_str().unwrap()).unwrap();
        }
    }
    chat
}

fn is_equal(got: &Value, expected: &Value) -> Result<(), String> {
    (got == expected).then_some(()).ok_or_else(|| format!("\n  got {got}\n  not {expected}"))
}

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

/// Checks the vectors with the request as it is written, so that nothing is made of its numbers and keys.
fn check_all(least: usize, check: impl Fn(&Value, &str) -> Option<Result<(), String>>) {
    vectors::check_all("anthropic.jsonl", least, |vector, line| {
        check(vector, Object::parse(line).unwrap().get("messages_request").unwrap_or_default())
    });
}
