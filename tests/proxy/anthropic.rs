//! Clients of Anthropic's API: what they are answered of every way in which a server can say it, and that they get nothing
//! but events in their order.

use std::sync::mpsc::Sender;

use serde_json::{Value, json};
use toolgate::config::{Alias, Checks, Config, Pool, ToolsChoice};
use toolgate::mock::{Api, Mock, Running as Llama, Script};
use toolgate::server::Running;

use crate::harness::{Message, PATIENCE, Wire, ask, config, dead_address, gateway_of, models, ok, peer, pool, post};
use crate::led::{HEAD, answering, end, event, led, word};
use crate::ollama::pool_at;

const ANSWERS: &str = r#"
model: m
answers:
  - when: { marker: call }
    text: 'I look. <tool_call>{"name": "weather", "arguments": {"city": "Oslo", "n": 12345678901234567890}}</tool_call>'
  - when: { marker: two }
    text: '<tool_call>{"name": "weather", "arguments": {}}</tool_call><tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'
  - when: { marker: error }
    error: { status: 500, message: the model fell over }
  - when: { marker: late }
    text: This answer ends early.
    error: { status: 500, message: the model fell over, after: 3 }
  - when: { marker: die }
    text: This answer ends without a word of farewell.
    die_after: 3
  - text: Hello there, all of you.
"#;

pub const TOOLS: &str =
    r#","tools":[{"name":"weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}]"#;
pub const STREAM: &str = r#","stream":true"#;

pub fn llama() -> Llama {
    Mock::start("127.0.0.1:0", Script::from_yaml(ANSWERS).unwrap()).unwrap()
}

/// A request of this model.
pub fn message_of(model: &str, user: &str, more: &str) -> String {
    let user = Value::from(user);
    let body =
        format!(r#"{{"model":"{model}","max_tokens":100,"messages":[{{"role":"user","content":{user}}}]{more}}}"#);
    post("/v1/messages", &body)
}

pub fn message(user: &str, more: &str) -> String {
    message_of("m", user, more)
}

/// The same request with these fields in its head.
pub fn with(request: &str, fields: &str) -> String {
    request.replacen("Host", &format!("{fields}\r\nHost"), 1)
}

/// The events of a stream, once every byte of it was looked at.
pub fn events(answer: &Message) -> Vec<Value> {
    let text = answer.text();
    let kind = (answer.status(), answer.field("content-type"));
    assert_eq!(kind, (200, Some("text/event-stream; charset=utf-8")), "{text}");
    assert!(answer.is_complete, "it was cut off: {text}");
    check(&text)
}

/// The events of a stream without pings. Nothing stands there but comments and events of a name; the message starts
/// before all else and once; blocks have numbers without a gap and are never two at a time; the last event and no other
/// says that it is over, or why, and an error leaves its block open.
pub fn check(text: &str) -> Vec<Value> {
    let all = pieces(text);
    let (mut blocks, mut open) = (0, None);
    for (at, event) in all.iter().enumerate() {
        let kind = event["type"].as_str().unwrap();
        assert_eq!(kind == "message_start", at == 0, "{text}");
        assert_eq!(matches!(kind, "message_stop" | "error"), at + 1 == all.len(), "{text}");
        match kind {
            "content_block_start" => {
                assert_eq!((open.replace(blocks), &event["index"]), (None, &json!(blocks)), "{text}");
                blocks += 1;
            }
            "content_block_delta" => assert_eq!(Some(&event["index"]), open.map(Value::from).as_ref(), "{text}"),
            "content_block_stop" => assert_eq!(Some(&event["index"]), open.take().map(Value::from).as_ref(), "{text}"),
            "message_stop" => assert_eq!(all[at - 1]["type"], "message_delta", "{text}"),
            "message_delta" => assert_eq!(open, None, "{text}"),
            other => assert!(matches!(other, "message_start" | "error"), "{text}"),
        }
    }
    all
}

/// Each event but pings, as far as it came.
pub fn pieces(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with("\n\n"), "{text:?}");
    let mut all = Vec::new();
    for (at, piece) in text.split_terminator("\n\n").filter(|piece| !piece.starts_with(':')).enumerate() {
        let (name, data) = piece.split_once("\ndata: ").unwrap_or_else(|| panic!("{piece:?} is no event"));
        let value: Value = serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {piece}"));
        assert_eq!(name.strip_prefix("event: "), value["type"].as_str(), "{piece}");
        assert!(at > 0 || value["type"] == "message_start", "{text}");
        if value["type"] != "ping" {
            all.push(value);
        }
    }
    all
}

/// The message that a client makes of events.
pub fn folded(events: &[Value]) -> Value {
    let mut message = events[0]["message"].clone();
    let mut inputs = Vec::new();
    for event in events {
        let index = event["index"].as_u64().map(|index| usize::try_from(index).unwrap());
        let content = message["content"].as_array_mut().unwrap();
        match (event["type"].as_str().unwrap(), index) {
            ("content_block_start", _) => {
                content.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            ("content_block_delta", Some(at)) => {
                let delta = event["delta"].as_object().unwrap();
                for (key, value) in delta.iter().filter(|(key, _)| *key != "type") {
                    match (key.as_str(), content[at].get_mut(key)) {
                        ("partial_json", _) => inputs[at] += value.as_str().unwrap(),
                        (_, Some(Value::String(text))) => text.push_str(value.as_str().unwrap()),
                        other => panic!("{other:?}"),
                    }
                }
            }
            ("content_block_stop", Some(at)) if content[at]["type"] == "tool_use" => {
                content[at]["input"] = serde_json::from_str(&inputs[at]).unwrap_or_else(|e| panic!("{e}: {inputs:?}"));
            }
            ("message_delta", _) => {
                for key in ["stop_reason", "stop_sequence"] {
                    message[key] = event["delta"][key].clone();
                }
                message["usage"] = event["usage"].clone();
            }
            _ => {}
        }
    }
    message
}

/// The message of an answer, streamed or whole, with every member that it must have. Ids are as good as their prefix.
pub fn told(answer: &Message) -> Value {
    let is_streamed = answer.field("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
    let mut message = if is_streamed { folded(&events(answer)) } else { answer.json() };
    assert_eq!(answer.status(), 200, "{message}");
    assert!(answer.field("request-id").is_some_and(|id| answer.field("x-request-id") == Some(id)));
    assert!(message["id"].as_str().unwrap().starts_with("msg_"), "{message}");
    message["id"].take();
    assert_eq!((&message["type"], &message["role"]), (&json!("message"), &json!("assistant")), "{message}");
    for block in message["content"].as_array_mut().unwrap() {
        block["id"].take();
    }
    message
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text, "id": null })
}

fn call(input: &Value) -> Value {
    json!({ "type": "tool_use", "name": "weather", "input": input, "id": null })
}

fn gateway(pools: Vec<Pool>) -> Running {
    gateway_of(config(pools))
}

fn gateway_with(pools: Vec<Pool>, change: impl FnOnce(&mut Config)) -> Running {
    let mut config = config(pools);
    change(&mut config);
    gateway_of(config)
}

#[test]
fn an_answer_is_a_message_streamed_or_whole() {
    let llama = llama();
    for tools in [ToolsChoice::Inject, ToolsChoice::Parse, ToolsChoice::Native] {
        let gateway = gateway(vec![Pool { tools, ..pool("p", vec![peer(llama.addr())]) }]);
        for offered in ["", TOOLS] {
            for more in ["", STREAM] {
                let answer = ask(gateway.addr, message("hi", &format!("{offered}{more}")));
                let message = told(&answer);
                assert_eq!(message["content"], json!([text("Hello there, all of you.")]), "{message}");
                assert_eq!((&message["model"], &message["stop_reason"]), (&json!("m"), &json!("end_turn")));
                assert_eq!(message["stop_sequence"], Value::Null);
                let count = |key: &str| message["usage"][key].as_u64();
                assert!(count("input_tokens") > Some(0) && count("output_tokens") > Some(3), "{message}");
                assert_eq!(message["usage"].get("estimated"), None, "{message}");
                match more {
                    STREAM => assert_eq!(answer.field("cache-control"), Some("no-cache")),
                    _ => assert_eq!(answer.field("content-type"), Some("application/json")),
                }
                if more == STREAM {
                    assert!(answer.text().matches("text_delta").count() > 2, "{}", answer.text());
                }
            }
        }
    }
}

#[test]
fn calls_in_text_are_blocks() {
    let llama = llama();
    for tools in [ToolsChoice::Inject, ToolsChoice::Parse] {
        let gateway = gateway(vec![Pool { tools, ..pool("p", vec![peer(llama.addr())]) }]);
        for more in ["", STREAM] {
            let answer = ask(gateway.addr, message("[[call]]", &format!("{TOOLS}{more}")));
            assert!(answer.text().contains("12345678901234567890"), "{}", answer.text());
            let message = told(&answer);
            let input = json!({ "city": "Oslo", "n": 12_345_678_901_234_567_890_u64 });
            let content = message["content"].as_array().unwrap();
            assert_eq!((content[0]["text"].as_str().unwrap().trim(), &content[1]), ("I look.", &call(&input)));
            assert_eq!((content.len(), &message["stop_reason"]), (2, &json!("tool_use")));
            let two = told(&ask(gateway.addr, self::message("[[two]]", &format!("{TOOLS}{more}"))));
            assert_eq!(two["content"], json!([call(&json!({})), call(&json!({ "city": "Rome" }))]));
        }
    }
}

/// A call that its server has read, in pieces.
fn called(index: u64, piece: &Value) -> String {
    event(&json!({ "tool_calls": [{ "index": index, "function": piece }] }), &Value::Null)
}

fn says(say: &Sender<String>, what: &str) {
    say.send(what.to_owned()).unwrap();
}

/// The next event of a stream.
fn next(client: &mut Wire) -> Value {
    let piece = String::from_utf8(client.next_chunk().unwrap()).unwrap();
    let (_, data) = piece.trim_end().rsplit_once("data: ").unwrap_or_else(|| panic!("{piece}"));
    serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {piece}"))
}

#[test]
fn what_its_server_reads_is_told_as_it_comes() {
    let (upstream, requests, say) = led();
    let gateway = gateway(vec![Pool { tools: ToolsChoice::Native, ..pool("p", vec![peer(upstream.address)]) }]);
    let mut client = Wire::connect(gateway.addr);
    client.send(message("hi", &format!("{TOOLS}{STREAM}")));
    let up = requests.recv_timeout(PATIENCE).unwrap().json();
    assert_eq!(up["tools"][0]["function"]["name"], "weather");
    says(&say, HEAD);
    says(&say, &event(&json!({ "reasoning_content": "hm" }), &Value::Null));
    client.head().unwrap();
    assert_eq!(next(&mut client)["delta"]["thinking"], "hm");
    says(&say, &word("I look."));
    assert_eq!(next(&mut client)["delta"]["text"], "I look.");
    says(
        &say,
        &event(
            &json!({ "tool_calls": [{ "index": 0, "id": "call_own", "type": "function", "function": { "name": "weather", "arguments": "" } }] }),
            &Value::Null,
        ),
    );
    let block = next(&mut client);
    let own = json!({ "type": "tool_use", "id": "call_own", "name": "weather", "input": {} });
    assert_eq!((&block["index"], &block["content_block"]), (&json!(2), &own));
    for piece in [r#"{"city":"#, r#""Oslo"}"#] {
        says(&say, &called(0, &json!({ "arguments": piece })));
        assert_eq!(next(&mut client)["delta"]["partial_json"], piece);
    }
    // What comes behind the end is nobody's.
    says(&say, &(end().replace("0\r\n\r\n", "") + &word("more") + "0\r\n\r\n"));
    says(&say, "");
    let rest: Vec<u8> =
        std::iter::from_fn(|| client.next_chunk().filter(|chunk| !chunk.is_empty())).flatten().collect();
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.starts_with("event: content_block_stop") && rest.contains(r#""stop_reason":"tool_use""#), "{rest}");
    assert!(rest.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"), "{rest}");
}

#[test]
fn an_event_goes_out_as_soon_as_its_piece_has_come() {
    let (upstream, requests, say) = led();
    let gateway = gateway(vec![pool("p", vec![peer(upstream.address)])]);
    for offered in ["", TOOLS] {
        let mut client = Wire::connect(gateway.addr);
        client.send(message("hi", &format!("{offered}{STREAM}")));
        requests.recv_timeout(PATIENCE).unwrap();
        says(&say, HEAD);
        for text in ["one ", "two ", "three "] {
            says(&say, &word(text));
            if text == "one " {
                client.head().unwrap();
            }
            assert_eq!(next(&mut client)["delta"]["text"], text);
        }
        says(&say, &end());
        says(&say, "");
        let rest: Vec<u8> =
            std::iter::from_fn(|| client.next_chunk().filter(|chunk| !chunk.is_empty())).flatten().collect();
        assert!(String::from_utf8(rest).unwrap().ends_with("{\"type\":\"message_stop\"}\n\n"));
    }
}

#[test]
fn what_nobody_told_of_the_cost_is_asked_for_and_then_estimated() {
    let (upstream, requests) = answering(|request| {
        request.first_line.contains("completions").then(|| format!("{HEAD}{}{}", word("Hi"), end()).into_bytes())
    });
    let gateway = gateway(vec![pool("p", vec![peer(upstream.address)])]);
    for offered in ["", TOOLS] {
        let message = told(&ask(gateway.addr, message("hi", &format!("{offered}{STREAM}"))));
        let up = requests.recv_timeout(PATIENCE).unwrap().json();
        assert_eq!(up["stream_options"], json!({ "include_usage": true }));
        assert_eq!((&message["usage"]["estimated"], &message["usage"]["output_tokens"]), (&json!(true), &json!(1)));
    }
}

#[test]
fn a_context_that_is_full_is_told_where_its_server_says_how_long_it_is() {
    for (tokens, expected) in [(40, "model_context_window_exceeded"), (4_000, "max_tokens")] {
        let finish = event(&json!({}), &json!("length"));
        let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":9}}\n\n";
        let usage = format!("{:x}\r\n{usage}\r\n", usage.len());
        let stream = format!("{HEAD}{}{finish}{usage}e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n", word("Hi"));
        let (upstream, _requests) = answering(move |request| {
            let props = json!({ "total_slots": 4, "default_generation_settings": { "n_ctx": tokens } });
            match request.first_line.split(' ').nth(1).unwrap() {
                "/health" => Some(ok("{}")),
                "/props" => Some(ok(&props.to_string())),
                path => path.contains("completions").then(|| stream.clone().into_bytes()),
            }
        });
        let mut pool = pool("p", vec![peer(upstream.address)]);
        pool.balancing.checks = Checks::Every { ms: 86_400_000 };
        let gateway = gateway(vec![pool]);
        for more in ["", STREAM, TOOLS] {
            assert_eq!(told(&ask(gateway.addr, message("hi", more)))["stop_reason"], expected, "{more}");
        }
    }
}

#[test]
fn a_model_goes_by_its_names_and_the_answer_repeats_what_was_said() {
    let llama = llama();
    let pools = vec![
        Pool { models: models(&["m"]), ..pool("p", vec![peer(llama.addr())]) },
        Pool { models: models(&["other"]), ..pool("q", vec![peer(dead_address())]) },
    ];
    let gateway = gateway_with(pools, |config| {
        config.view.aliases.push(Alias { name: "claude-local".to_owned(), model: "m".to_owned() });
    });
    for name in ["m", "claude-local"] {
        for more in ["", STREAM, TOOLS, &format!("{TOOLS}{STREAM}")] {
            assert_eq!(told(&ask(gateway.addr, message_of(name, "hi", more)))["model"], name, "{more}");
            let up: Value = serde_json::from_str(&llama.heard().last().unwrap().body).unwrap();
            assert_eq!(up["model"], "m", "{up}");
        }
    }
    assert_eq!(ask(gateway.addr, message_of("other", "hi", "")).status(), 502);
}

#[test]
fn a_server_of_ollamas_api_is_told_all_and_tells_all() {
    let script = r#"{ model: m, about: { capabilities: [completion, tools, thinking, vision] }, answers: [{
        thinking: hm, text: I look., tool_calls: [{ name: weather, arguments: { city: Oslo } }] }] }"#;
    let script = Script::from_yaml(script).unwrap().speaking(Api::Ollama).unwrap();
    let ollama = Mock::start("127.0.0.1:0", script).unwrap();
    let gateway = gateway(vec![Pool { tools: ToolsChoice::Native, ..pool_at(vec![peer(ollama.addr())]) }]);
    let image = json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "aGk=" } });
    let messages = json!([
        { "role": "user", "content": [image, { "type": "text", "text": "see" }] },
        { "role": "assistant", "content": [
            { "type": "thinking", "thinking": "so", "signature": "toolgate" },
            { "type": "tool_use", "id": "call_1", "name": "weather", "input": { "city": "Rome" } },
        ] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "call_1", "content": "rain" }] },
    ]);
    for more in ["", STREAM] {
        let body = format!(r#"{{"model":"m","max_tokens":100,"messages":{messages}{TOOLS}{more}}}"#);
        let message = told(&ask(gateway.addr, post("/v1/messages", &body)));
        let thought = json!({ "type": "thinking", "thinking": "hm", "signature": "toolgate", "id": null });
        assert_eq!(message["content"], json!([thought, text("I look."), call(&json!({ "city": "Oslo" }))]));
        assert_eq!(message["stop_reason"], "tool_use");
        let usage = &message["usage"];
        assert!(usage["input_tokens"].as_u64() > Some(0) && usage["output_tokens"].as_u64() > Some(0), "{usage}");
        assert_eq!(usage.get("estimated"), None);
        let heard = ollama.heard().into_iter().rfind(|heard| heard.target == "/api/chat").unwrap();
        let up: Value = serde_json::from_str(&heard.body).unwrap();
        assert_eq!(up["options"]["num_predict"], 100, "{up}");
        let [user, assistant, result] = &up["messages"].as_array().unwrap()[..] else { panic!("{up}") };
        assert_eq!((&user["images"], &user["content"]), (&json!(["aGk="]), &json!("see")));
        assert_eq!(
            (&assistant["thinking"], &assistant["tool_calls"][0]["function"]["name"]),
            (&json!("so"), &json!("weather"))
        );
        assert_eq!((&result["role"], &result["content"]), (&json!("tool"), &json!("rain")));
    }
}
