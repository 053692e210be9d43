//! Edges of the wire: what is asked of servers, and what their streams look like.

use std::sync::Arc;

use serde_json::{Value, json};
use toolgate::api::openai::Request;
use toolgate::dialect::Dialects;
use toolgate::engine::{Engine, ToolsMode};
use toolgate::limits::Limits;
use toolgate::plan::{Head, Plan, Policy, Tools};

use crate::harness::{DONE, TOOLS, chunk, exchange, folded, read, rewritten, shown};

/// What goes up for a request with tools.
fn up(dialect: &str, engine: Engine, mode: ToolsMode, more: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true});
    body["tools"] = serde_json::from_str(TOOLS).unwrap();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let body = body.to_string();
    let dialect = Arc::clone(Dialects::builtin().get(dialect).unwrap());
    let policy = Policy::of_tools(engine, Tools::new(mode, dialect));
    let request = Request::read(body.as_bytes()).unwrap();
    let planned = Plan::of(Head::CHAT, request, None, &policy, &Limits::default()).unwrap();
    serde_json::from_slice(&planned.body.unwrap_or(body.into())).unwrap()
}

/// Letters cut in two are whole: halves of a pair in two events, bytes of a letter in two pieces.
#[test]
fn letters_cut_in_two_are_whole() {
    let event = |inside: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{inside}\"}},\"finish_reason\":null}}]}}\n\n"
        )
    };
    let hermes = exchange("hermes");
    let call = [r#"<tool_call>{\"name\": \"put\", \"arguments\": {\"text\":\"\ud83d"#, r#"\ude00 ◁｜\"}}</tool_call>"#];
    let end = [chunk(&json!({}), Some("stop")), DONE.to_owned()].concat();
    let events = [event(call[0]), event(call[1]), end.clone()].concat();
    let expected = "put {\"text\":\"😀 ◁｜\"} / tool_calls";
    for piece in [1, 2, 3, 5] {
        let out = rewritten(&hermes, events.as_bytes().chunks(piece));
        assert_eq!(shown(&folded(&out).messages[&0]), expected);
    }
    let dsml = "<｜DSML｜tool_calls><｜DSML｜invoke name=\"now\"></｜DSML｜invoke></｜DSML｜tool_calls>";
    let events = [chunk(&json!({"content": dsml}), None), end].concat();
    for piece in [1, 2, 3, 5] {
        let out = rewritten(&exchange("deepseek-dsml"), events.as_bytes().chunks(piece));
        assert_eq!(shown(&folded(&out).messages[&0]), "now {} / tool_calls");
    }
    // JSON's own escapes stay whole within arguments, too.
    let escaped = r#"<tool_call>{"name": "put", "arguments": {"text":"\ud83d\ude00"}}</tool_call>"#;
    assert_eq!(read(&hermes, escaped), "put {\"text\":\"\\ud83d\\ude00\"} / tool_calls");
}

/// Servers that strip special tokens are asked not to; where the markers are gone all the same, calls that stand
/// alone are found.
#[test]
fn markers_that_servers_strip_are_asked_for() {
    for engine in [Engine::Vllm, Engine::Sglang] {
        let body = up("hermes", engine, ToolsMode::Inject, &json!({}));
        assert_eq!(body["skip_special_tokens"], false, "{engine:?}");
    }
    for (dialect, text) in [
        ("sarashina", "[{'name': 'get', 'arguments': {'city': 'Rome'}}]"),
        ("llama3-json", "{\"name\": \"get\", \"parameters\": {\"city\": \"Rome\"}}"),
        ("granite3", "[{\"name\": \"get\", \"arguments\": {\"city\": \"Rome\"}}]"),
        ("xlam", "[{\"name\": \"get\", \"arguments\": {\"city\": \"Rome\"}}]"),
    ] {
        assert_eq!(read(&exchange(dialect), text), "get {\"city\": \"Rome\"} / tool_calls", "{dialect}");
    }
    assert_eq!(read(&exchange("pythonic"), "[get(city='Rome')]"), "get {\"city\":\"Rome\"} / tool_calls");
}

/// A call begins with its index, id, type, whole name and empty arguments, once, and then there are arguments only.
#[test]
fn a_call_begins_with_its_whole_name_once() {
    let text = "<tool_call>\n{\"name\": \"get_all\", \"arguments\": {\"id\": 1}}\n</tool_call>\n<tool_call>\n{\"name\": \"get\", \"arguments\": {\"city\": \"a\"}}\n</tool_call>";
    let deltas = text.split_inclusive(|_: char| true).map(|letter| chunk(&json!({"content": letter}), None));
    let events: String = deltas.chain([chunk(&json!({}), Some("stop")), DONE.to_owned()]).collect();
    let out = rewritten(&exchange("hermes"), [events.as_bytes()]);
    let mut calls: Vec<Vec<Value>> = Vec::new();
    for data in out.split("\n\n").filter_map(|event| event.strip_prefix("data: {")) {
        let event: Value = serde_json::from_str(&format!("{{{data}")).unwrap();
        for call in event["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            calls.resize(calls.len().max(index + 1), Vec::new());
            calls[index].push(call.clone());
        }
    }
    assert_eq!(calls.len(), 2);
    for (call, name) in calls.iter().zip(["get_all", "get"]) {
        let (first, rest) = call.split_first().unwrap();
        assert_eq!(first["function"], json!({"name": name, "arguments": ""}));
        assert_eq!(first["type"], "function");
        assert!(first["id"].as_str().unwrap().starts_with("call_"));
        assert!(!rest.is_empty());
        for more in rest {
            let arguments = &more["function"]["arguments"];
            assert!(arguments.is_string());
            assert_eq!(more, &json!({"index": first["index"], "function": {"arguments": arguments}}));
        }
    }
}

/// No stop of the gateway's own cuts an answer at a closer, and a client's own stays.
#[test]
fn no_stop_is_added() {
    for mode in [ToolsMode::Inject, ToolsMode::Parse] {
        let body = up("hermes", Engine::LlamaCpp, mode, &json!({"parallel_tool_calls": false}));
        assert_eq!(body.get("stop"), None);
        let body = up("hermes", Engine::LlamaCpp, mode, &json!({"stop": ["</tool_call>"]}));
        assert_eq!(body["stop"], json!(["</tool_call>"]));
    }
}

/// Calls that the server itself has read are the calls.
#[test]
fn calls_of_the_server_s_own_are_not_doubled() {
    let call = json!({"index": 0, "id": "s", "type": "function", "function": {"name": "now", "arguments": ""}});
    let more = json!({"index": 0, "function": {"arguments": "{}"}});
    let own = [chunk(&json!({"tool_calls": [call]}), None), chunk(&json!({"tool_calls": [more]}), None)].concat();
    let end = [chunk(&json!({}), Some("tool_calls")), DONE.to_owned()].concat();
    let hermes = exchange("hermes");
    let out = rewritten(&hermes, [[own.clone(), end.clone()].concat().as_bytes()]);
    assert_eq!(out, [own.clone(), end.clone()].concat());
    // Beside one that stood in the text it is one of two.
    let text = "<tool_call>{\"name\": \"get\", \"arguments\": {}}</tool_call>";
    let out = rewritten(&hermes, [[chunk(&json!({"content": text}), None), own, end].concat().as_bytes()]);
    assert_eq!(shown(&folded(&out).messages[&0]), "get {} / now {} / tool_calls");
}

/// Every choice is read by itself, and events without one go on.
#[test]
fn choices_take_turns_and_usage_follows() {
    let delta = |index: u32, content: &str, finish: Option<&str>| {
        let chunk =
            json!({"id": "x", "choices": [{"index": index, "delta": {"content": content}, "finish_reason": finish}]});
        format!("data: {chunk}\n\n")
    };
    let call = "<tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call>";
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";
    let mut events = String::new();
    for (a, b) in call
        .split_inclusive(|_: char| true)
        .zip("<tool_call> is what opens a call, they say.".split_inclusive(|_: char| true))
    {
        events += &delta(0, a, None);
        events += &delta(1, b, None);
    }
    let rest: String = call.chars().skip("<tool_call> is what opens a call, they say.".len()).collect();
    events += &delta(0, &rest, None);
    events += &[&delta(0, "", Some("stop")), &delta(1, "", Some("stop")), usage, DONE].concat();
    let mut exchange = exchange("hermes");
    exchange.choices = 2;
    let out = rewritten(&exchange, [events.as_bytes()]);
    let folded = folded(&out);
    assert_eq!(shown(&folded.messages[&0]), "now {} / tool_calls");
    assert_eq!(shown(&folded.messages[&1]), "text \"<tool_call> is what opens a call, they say.\" / stop");
    assert!(folded.done && out.contains(usage));
}
