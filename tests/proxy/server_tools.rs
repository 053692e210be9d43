//! Requests whose tools run on the server: what each round asks, and what the client gets of all of them.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use toolgate::api::anthropic::Folder;
use toolgate::balance::Policy;
use toolgate::config::{Changes, Config, Glob, Offer, OllamaApi, Pool, Reach, ShowCalls, ToolServer, ToolsChoice};
use toolgate::server::Running;

use crate::access::named;
use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, assert_error, config, gateway_of, get, ok, peer, pool, wait_until,
};

const CHAT: &str = "/v1/chat/completions";
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A folder of its own, removed with it.
pub struct Files(PathBuf);

impl Files {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("toolgate-rounds-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("a.txt"), "hello\n").unwrap();
        Self(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One round's answer, as a server of calls streams it.
fn round(id: &str, pieces: &[&str], calls: &[(&str, &str, &str)]) -> String {
    let event = |choices: Value, more: Value| {
        let mut chunk =
            json!({"id": id, "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": choices});
        for (key, value) in more.as_object().unwrap() {
            chunk[key] = value.clone();
        }
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value| event(json!([{"index": 0, "delta": delta, "finish_reason": null}]), json!({}));
    let mut out = delta(json!({"role": "assistant", "content": null}));
    out.extend(pieces.iter().map(|piece| delta(json!({"content": piece}))));
    for (index, (id, name, arguments)) in calls.iter().enumerate() {
        let function = json!({"name": name, "arguments": ""});
        out += &delta(json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}));
        out += &delta(json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}));
    }
    let reason = if calls.is_empty() { "stop" } else { "tool_calls" };
    out += &event(json!([{"index": 0, "delta": {}, "finish_reason": reason}]), json!({}));
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
    out + &event(json!([]), json!({"usage": usage})) + "data: [DONE]\n\n"
}

/// What a client's own tool looks like.
fn own_tool(name: &str) -> Value {
    json!([{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}])
}

/// A server that gives these answers, one after the other, and reports what it is asked.
fn answering(rounds: Vec<String>) -> (Upstream, Receiver<Message>) {
    let (report, requests) = mpsc::channel();
    let (report, asked) = (Mutex::new(report), AtomicUsize::new(0));
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        let _ = report.lock().unwrap().send(request);
        let Some(round) = rounds.get(asked.fetch_add(1, Ordering::SeqCst)) else { return };
        wire.send(STREAM_HEAD);
        wire.chunk(round);
        wire.last_chunk();
    });
    (upstream, requests)
}

pub fn configured(folder: &Files, peers: &[&Upstream], with: impl FnOnce(&mut Pool)) -> Config {
    let mut pool = pool("default", peers.iter().map(|upstream| peer(upstream.address)).collect());
    pool.tools = ToolsChoice::Native;
    pool.server_tools.names = vec![Glob::new("*")];
    with(&mut pool);
    let mut config = config(vec![pool]);
    config.tools.workspace.root = Some(folder.0.clone());
    config
}

fn gateway(folder: &Files, upstream: &Upstream, with: impl FnOnce(&mut Pool)) -> Running {
    gateway_of(configured(folder, &[upstream], with))
}

fn post(path: &str, body: &Value, fields: &str) -> String {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn chat(stream: bool) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "What is in a.txt?"}], "stream": stream})
}

/// A server of tools whose program is not there.
pub fn absent_server(name: &str) -> ToolServer {
    let reach = Reach::Command { program: "/nowhere".to_owned(), arguments: Vec::new(), environment: Vec::new() };
    let (tools, aliases) = (vec![Glob::new("*")], Vec::new());
    ToolServer { name: name.to_owned(), reach, tools, aliases, timeout: PATIENCE, changes: Changes::Told }
}

/// A server of the model `t` that reads a file once, and two requests of one conversation.
pub fn remembered() -> (Upstream, [String; 2]) {
    let rounds = vec![round("1", &[], &[READ]), round("2", &["hello"], &[]), round("3", &["bye"], &[])];
    let mut body = chat(true);
    body["model"] = json!("t");
    let first = named("series-6", post(CHAT, &body, ""));
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": "hello"}));
    messages.push(json!({"role": "user", "content": "Thanks"}));
    (answering(rounds).0, [first, named("series-7", post(CHAT, &body, ""))])
}

fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// All that a stream says at this member of its deltas.
fn said(text: &str, member: &str) -> String {
    let said = |event: &Value| event["choices"][0]["delta"][member].as_str().map(str::to_owned);
    events(text).iter().filter_map(said).collect()
}

const READ: (&str, &str, &str) = ("call_1", "read_file", r#"{"file_path":"a.txt"}"#);

#[test]
fn a_turn_reads_a_file_and_answers() {
    let folder = Files::new();
    let (upstream, requests) =
        answering(vec![round("first", &["Let me ", "look."], &[READ]), round("second", &["It says hello."], &[])]);
    let gateway = gateway(&folder, &upstream, |_| {});
    let answer = ask(gateway.addr, post(CHAT, &chat(true), ""));
    assert_eq!((answer.status(), answer.is_complete), (200, true));
    let text = answer.text();
    assert_eq!(said(&text, "content"), "Let me look.\n\nIt says hello.", "{text}");
    assert!(!text.contains("tool_calls") && text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(text.contains("\n\n: tool read_file running\n\n: tool read_file done ms="), "{text}");
    let events = events(&text);
    assert!(events.iter().all(|event| event["id"] == "first" && event["usage"].is_null()), "{text}");
    let reasons: Vec<_> = events.iter().filter_map(|event| event["choices"][0]["finish_reason"].as_str()).collect();
    assert_eq!(reasons, ["stop"]);

    let first = requests.recv_timeout(PATIENCE).unwrap().json();
    let names: Vec<_> =
        first["tools"].as_array().unwrap().iter().map(|tool| tool["function"]["name"].clone()).collect();
    assert_eq!(names, ["read_file", "list_directory", "glob_files", "grep_search"]);
    let second = requests.recv_timeout(PATIENCE).unwrap().json();
    assert_eq!(second["messages"][0], first["messages"][0]);
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": READ.2}});
    assert_eq!(second["messages"][1], json!({"role": "assistant", "content": "Let me look.", "tool_calls": [call]}));
    let result = json!({"role": "tool", "tool_call_id": "call_1", "content": "     1\thello"});
    assert_eq!(second["messages"][2], result);
    assert_eq!(second["tools"], first["tools"]);
}

#[test]
fn a_client_that_wants_no_stream_gets_one_body() {
    let folder = Files::new();
    let (upstream, _requests) =
        answering(vec![round("first", &["Let me look."], &[READ]), round("second", &["It says hello."], &[])]);
    let gateway = gateway(&folder, &upstream, |_| {});
    let answer = ask(gateway.addr, post(CHAT, &chat(false), ""));
    assert_eq!((answer.status(), answer.is_complete), (200, true), "{}", answer.text());
    assert_eq!(answer.field("content-type"), Some("application/json; charset=utf-8"));
    let usage = json!({"prompt_tokens": 14, "completion_tokens": 6, "total_tokens": 20});
    let message = json!({"role": "assistant", "content": "Let me look.\n\nIt says hello."});
    let expected = json!({
        "id": "first", "object": "chat.completion", "created": 7, "model": "m", "usage": usage,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    });
    assert_eq!(answer.json(), expected);
}

#[test]
fn what_a_turn_cost_is_told_once_to_who_asks() {
    let folder = Files::new();
    let rounds = || vec![round("first", &[], &[READ]), round("second", &["hello"], &[])];
    let mut body = chat(true);
    body["stream_options"] = json!({"include_usage": true});
    let (upstream, _requests) = answering(rounds());
    let text = ask(gateway(&folder, &upstream, |_| {}).addr, post(CHAT, &body, "")).text();
    let costs: Vec<_> = events(&text).into_iter().filter(|event| !event["usage"].is_null()).collect();
    assert_eq!(costs.len(), 1, "{text}");
    assert_eq!(costs[0]["usage"], json!({"prompt_tokens": 14, "completion_tokens": 6, "total_tokens": 20}));
    assert_eq!(said(&text, "content"), "hello");
}

#[test]
fn calls_of_both_sides_in_one_answer() {
    let folder = Files::new();
    let both = || round("first", &["Both."], &[("m", "mine", "{}"), READ]);
    let next = || round("second", &["Done."], &[]);
    for stream in [true, false] {
        let (upstream, requests) = answering(vec![both(), next()]);
        let gateway = gateway(&folder, &upstream, |pool| pool.server_tools.offer = Offer::Always);
        let mut body = chat(stream);
        body["tools"] = own_tool("mine");
        let answer = ask(gateway.addr, post(CHAT, &body, ""));
        let text = answer.text();
        assert!(!text.contains("call_1") && text.contains(r#""name":"mine""#), "{text}");
        assert!(text.contains(r#""finish_reason":"tool_calls""#), "{text}");
        let first = requests.recv_timeout(PATIENCE).unwrap().json();
        assert_eq!(first["tools"][0], body["tools"][0], "the client's stand first");
        assert_eq!(first["tools"].as_array().unwrap().len(), 5);

        // The next request says what the client saw; the model gets back what it did.
        let call = json!({"id": "m", "type": "function", "function": {"name": "mine", "arguments": "{}"}});
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": "Both.", "tool_calls": [call]}));
        messages.push(json!({"role": "tool", "tool_call_id": "m", "content": "mine too"}));
        let answer = ask(gateway.addr, post(CHAT, &body, ""));
        assert!(answer.text().contains("Done."));
        let second = requests.recv_timeout(PATIENCE).unwrap().json();
        let messages = second["messages"].as_array().unwrap();
        let calls: Vec<_> =
            messages[1]["tool_calls"].as_array().unwrap().iter().map(|call| call["id"].clone()).collect();
        assert_eq!(calls, ["m", "call_1"]);
        assert_eq!((&messages[2]["tool_call_id"], &messages[3]["tool_call_id"]), (&json!("call_1"), &json!("m")));
        assert_eq!(messages[2]["content"], "     1\thello");
    }
}

#[test]
fn what_the_client_did_not_see_is_in_its_next_prompt() {
    let folder = Files::new();
    let rounds = || vec![round("1", &["Look."], &[READ]), round("2", &["hello"], &[]), round("3", &["bye"], &[])];
    for (key, sees) in [("Authorization: Bearer a\r\n", true), ("Authorization: Bearer b\r\n", false)] {
        let (upstream, requests) = answering(rounds());
        let gateway = gateway(&folder, &upstream, |_| {});
        ask(gateway.addr, post(CHAT, &chat(true), "Authorization: Bearer a\r\n"));
        let mut body = chat(true);
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": "Look.\n\nhello"}));
        messages.push(json!({"role": "user", "content": "Thanks"}));
        ask(gateway.addr, post(CHAT, &body, key));
        let asked: Vec<_> = (0..3).map(|_| requests.recv_timeout(PATIENCE).unwrap().json()).collect();
        let (before, after) = (asked[1]["messages"].as_array().unwrap(), asked[2]["messages"].as_array().unwrap());
        if sees {
            // All that the model saw stands where it stood: its cache holds.
            assert_eq!(after[..before.len()], before[..]);
            assert_eq!(after[before.len()], json!({"role": "assistant", "content": "hello"}));
            assert_eq!(after.len(), before.len() + 2);
        } else {
            assert_eq!(after.len(), 3, "another client's rounds are its own");
        }
    }
}

#[test]
fn who_gets_which_tools() {
    let folder = Files::new();
    let all = ["read_file", "list_directory", "glob_files", "grep_search"];
    let own = own_tool("mine");
    let with = |more: Value| {
        let mut body = chat(true);
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        body
    };
    let table: &[(Offer, Value, &str, &[&str])] = &[
        (Offer::WithoutTools, json!({}), "", &all),
        (Offer::WithoutTools, json!({"tools": null}), "", &all),
        (Offer::WithoutTools, json!({"tools": []}), "", &[]),
        (Offer::WithoutTools, json!({"tools": own}), "", &["mine"]),
        (
            Offer::Always,
            json!({"tools": own}),
            "",
            &["mine", "read_file", "list_directory", "glob_files", "grep_search"],
        ),
        (Offer::Always, json!({"tools": []}), "", &[]),
        (
            Offer::Always,
            json!({"tools": own_tool("read_file")}),
            "",
            &["read_file", "list_directory", "glob_files", "grep_search"],
        ),
        (Offer::Asked, json!({}), "", &[]),
        (
            Offer::Asked,
            json!({}),
            "X-Toolgate-Tools: grep_search, read_file,write_file\r\n",
            &["read_file", "grep_search"],
        ),
        (Offer::Asked, json!({"tools": own}), "X-Toolgate-Tools: read_file\r\n", &["mine", "read_file"]),
        (Offer::Always, json!({"tool_choice": "none"}), "", &[]),
        (Offer::Always, json!({"n": 2}), "", &[]),
        (Offer::Always, json!({"response_format": {"type": "json_object"}}), "", &[]),
        (Offer::Always, json!({"response_format": {"type": "text"}}), "", &all),
        (Offer::Always, json!({"grammar": "root ::= \"a\""}), "", &[]),
        (
            Offer::Always,
            json!({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "It"}]}),
            "",
            &[],
        ),
        (Offer::Always, json!({"stream": "yes"}), "", &[]),
        (Offer::Always, json!({}), "Origin: http://evil.example\r\n", &[]),
        (Offer::Always, json!({}), "Origin: http://127.0.0.1\r\n", &all),
        (
            Offer::Asked,
            json!({"tools": [{"type": "mcp", "server_label": "toolgate", "allowed_tools": ["read_file"]}]}),
            "",
            &["read_file"],
        ),
        (
            Offer::Asked,
            json!({"tools": [{"type": "mcp", "server_label": "toolgate"}, own[0]]}),
            "",
            &["mine", "read_file", "list_directory", "glob_files", "grep_search"],
        ),
    ];
    for (offer, more, fields, expected) in table {
        let (upstream, requests) = answering(vec![round("1", &["."], &[])]);
        let gateway = gateway(&folder, &upstream, |pool| pool.server_tools.offer = *offer);
        ask(gateway.addr, post(CHAT, &with(more.clone()), fields));
        let asked = requests.recv_timeout(PATIENCE).unwrap().json();
        let tools = asked["tools"].as_array().cloned().unwrap_or_default();
        let names: Vec<_> = tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, *expected, "{offer:?} {more} {fields}");
    }
}

#[test]
fn a_web_page_cannot_drive_the_tools() {
    let folder = Files::new();
    let body = chat(true).to_string();
    let length = body.len();
    for (head, gets) in [
        ("Host: localhost:8000\r\nContent-Type: application/json", true),
        ("Host: [::1]:8000\r\nContent-Type: application/json; charset=utf-8", true),
        ("Host: gpu.example\r\nContent-Type: application/json", true),
        ("Host: rebound.example\r\nContent-Type: application/json", false),
        ("Host: rebound.example\r\nOrigin: http://rebound.example\r\nContent-Type: application/json", false),
        ("Host: 127.0.0.1\r\nContent-Type: text/plain", false),
        ("Host: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded", false),
        ("Host: 127.0.0.1", false),
        ("Host: 127.0.0.1\r\nOrigin: null\r\nContent-Type: application/json", false),
    ] {
        let (upstream, requests) = answering(vec![round("1", &["."], &[])]);
        let mut config = configured(&folder, &[&upstream], |_| {});
        config.tools.hosts = vec!["gpu.example".to_owned()];
        let gateway = gateway_of(config);
        let request = format!("POST {CHAT} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}");
        assert_eq!(ask(gateway.addr, request).status(), 200);
        assert_eq!(requests.recv_timeout(PATIENCE).unwrap().json()["tools"].is_array(), gets, "{head}");
    }
}

#[test]
fn a_server_of_tools_is_chosen_by_its_label_alone() {
    let folder = Files::new();
    let (upstream, _requests) = answering(vec![]);
    let gateway = gateway(&folder, &upstream, |_| {});
    for tool in [
        json!({"type": "mcp", "server_label": "nowhere"}),
        json!({"type": "mcp", "server_url": "http://192.0.2.1/mcp"}),
        json!({"type": "mcp", "server_label": "toolgate", "server_url": "http://192.0.2.1/mcp"}),
    ] {
        let mut body = chat(true);
        body["tools"] = json!([tool]);
        assert_error(&ask(gateway.addr, post(CHAT, &body, "")), 400, "invalid_tools");
    }
}

#[test]
fn an_error_of_the_first_round_is_the_answer_and_one_of_a_later_round_an_event() {
    let folder = Files::new();
    let busy = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{\"error\":{\"message\":\"no\"}} ";
    for (first_fails, stream) in [(true, true), (true, false), (false, true), (false, false)] {
        let asked = AtomicUsize::new(0);
        let upstream = Upstream::start(move |mut wire| {
            let Some(_) = wire.request() else { return };
            if asked.fetch_add(1, Ordering::SeqCst) == 0 && !first_fails {
                wire.send(STREAM_HEAD);
                wire.chunk(round("1", &["Look."], &[READ]));
                return wire.last_chunk();
            }
            wire.send(busy);
        });
        let gateway = gateway(&folder, &upstream, |_| {});
        let answer = ask(gateway.addr, post(CHAT, &chat(stream), ""));
        assert!(answer.is_complete && answer.text().contains(r#""message":"no""#), "{}", answer.text());
        if first_fails || !stream {
            assert_eq!(answer.status(), 400);
        } else {
            assert_eq!((answer.status(), said(&answer.text(), "content")), (200, "Look.".to_owned()));
            assert_eq!(answer.text().matches("\"error\"").count(), 1);
        }
    }
}

#[test]
fn another_server_takes_a_round_over() {
    let folder = Files::new();
    let (address, gone) = dying_in_its_second_answer();
    let (lives, requests) = answering(vec![round("2", &["hello"], &[])]);
    let mut config = configured(&folder, &[&lives], |_| {});
    let mut first = peer(address);
    first.priority = 0;
    config.pools[0].peers[0].priority = 1;
    config.pools[0].peers.insert(0, first);
    let gateway = gateway_of(config);
    let text = ask(gateway.addr, post(CHAT, &chat(true), "")).text();
    gone.join().unwrap();
    assert_eq!(said(&text, "content"), "Look.\n\nhello", "{text}");
    let asked = requests.recv_timeout(PATIENCE).unwrap().json();
    assert_eq!(asked["messages"].as_array().unwrap().len(), 3, "it gets the whole round");
}

/// A server that gives a first round, and is gone with the second once it has begun that.
fn dying_in_its_second_answer() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serves = std::thread::spawn(move || {
        let mut answers = 0;
        loop {
            let mut wire = Wire::new(listener.accept().unwrap().0);
            let Some(request) = wire.request() else { continue };
            if !request.first_line.starts_with("POST") {
                wire.send(ok("{}"));
                continue;
            }
            answers += 1;
            if answers == 2 {
                drop(listener);
                return wire.send(STREAM_HEAD);
            }
            wire.send(STREAM_HEAD);
            wire.chunk(round("1", &["Look."], &[READ]));
            wire.last_chunk();
        }
    });
    (address, serves)
}

#[test]
fn the_next_round_prefers_the_server_of_the_one_before() {
    let folder = Files::new();
    for policy in [Policy::Slots, Policy::RoundRobin, Policy::Prefix] {
        let rounds = || vec![round("1", &[], &[READ]), round("2", &[], &[READ]), round("3", &["hello"], &[])];
        let ((one, of_one), (other, of_other)) = (answering(rounds()), answering(rounds()));
        let config = configured(&folder, &[&one, &other], |pool| pool.balancing.policy = policy);
        let gateway = gateway_of(config);
        assert!(ask(gateway.addr, post(CHAT, &chat(true), "")).text().contains("hello"));
        let asked = [of_one.try_iter().count(), of_other.try_iter().count()];
        assert!(asked == [3, 0] || asked == [0, 3], "{policy:?} {asked:?}");
    }
}

#[test]
fn a_round_gives_its_place_back_before_the_next_asks_for_one() {
    let folder = Files::new();
    let (upstream, _requests) = answering(vec![round("1", &[], &[READ]), round("2", &["hello"], &[])]);
    let gateway = gateway_of(configured(&folder, &[&upstream], |pool| pool.peers[0].max_inflight = Some(1)));
    assert!(ask(gateway.addr, post(CHAT, &chat(true), "")).text().contains("hello"));
}

#[test]
fn a_server_that_answers_without_a_stream_in_its_place_is_an_error() {
    let folder = Files::new();
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"x","type":"function","function":{"name":"read_file","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#;
    let (upstream, _requests) = Upstream::answering(move |_| ok(body));
    for stream in [true, false] {
        let gateway = gateway(&folder, &upstream, |_| {});
        let answer = ask(gateway.addr, post(CHAT, &chat(stream), ""));
        assert!(!answer.text().contains("read_file"), "{}", answer.text());
        assert_error(&answer, 502, "upstream_error");
    }
}

const MESSAGES: &str = "/v1/messages";

fn message(stream: bool) -> Value {
    json!({"model": "m", "max_tokens": 99, "stream": stream, "messages": [{"role": "user", "content": "What is in a.txt?"}]})
}

/// The same conversation with an answer of the model, which goes on.
fn thanked(stream: bool, answer: &Value) -> Value {
    let mut body = message(stream);
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": answer}));
    messages.push(json!({"role": "user", "content": "Thanks"}));
    body
}

/// The blocks of a streamed message, each with all that was said of it.
fn blocks(text: &str) -> (Vec<Value>, Value) {
    let mut folder = Folder::default();
    folder.push(text.as_bytes().to_vec().into());
    let message: Value = serde_json::from_slice(&folder.finish().expect("it ends")).unwrap();
    (message["content"].as_array().unwrap().clone(), message["stop_reason"].clone())
}

#[test]
fn anthropic_s_clients_see_calls_and_results_as_blocks_and_echo_them() {
    let folder = Files::new();
    for stream in [true, false] {
        let rounds = vec![
            round("first", &["Let me look."], &[READ]),
            round("second", &["It says hello."], &[]),
            round("third", &["Bye."], &[]),
        ];
        let (upstream, requests) = answering(rounds);
        let gateway = gateway(&folder, &upstream, |_| {});
        let answer = ask(gateway.addr, post(MESSAGES, &message(stream), ""));
        assert_eq!((answer.status(), answer.is_complete), (200, true), "{}", answer.text());
        let (content, stop) = if stream {
            blocks(&answer.text())
        } else {
            assert_eq!(answer.field("content-type"), Some("application/json"));
            (answer.json()["content"].as_array().unwrap().clone(), answer.json()["stop_reason"].clone())
        };
        let expected = json!([
            {"type": "text", "text": "Let me look."},
            {"type": "mcp_tool_use", "id": "mcptoolu_call_1", "name": "read_file", "server_name": "toolgate", "input": {"file_path": "a.txt"}},
            {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_call_1", "is_error": false, "content": [{"type": "text", "text": "     1\thello"}]},
            {"type": "text", "text": "It says hello."},
        ]);
        assert_eq!((json!(content), stop), (expected, json!("end_turn")));

        ask(gateway.addr, post(MESSAGES, &thanked(stream, &json!(content)), ""));
        let asked: Vec<_> = (0..3).map(|_| requests.recv_timeout(PATIENCE).unwrap().json()).collect();
        let (before, after) = (asked[1]["messages"].as_array().unwrap(), asked[2]["messages"].as_array().unwrap());
        assert_eq!(after[..before.len()], before[..], "the model sees what it saw");
        assert_eq!((after.len(), &after[3]["content"]), (before.len() + 2, &json!("It says hello.")));
    }
}

#[test]
fn a_message_that_is_paused_goes_on() {
    let folder = Files::new();
    let rounds = vec![round("1", &["Look."], &[READ]), round("2", &["hello"], &[])];
    let (upstream, requests) = answering(rounds);
    let mut config = configured(&folder, &[&upstream], |_| {});
    config.tools.limits.rounds_max = 1;
    let gateway = gateway_of(config);
    let (content, stop) = blocks(&ask(gateway.addr, post(MESSAGES, &message(true), "")).text());
    assert_eq!(stop, "pause_turn");
    let mut body = message(true);
    body["messages"].as_array_mut().unwrap().push(json!({"role": "assistant", "content": content}));
    let (content, stop) = blocks(&ask(gateway.addr, post(MESSAGES, &body, "")).text());
    assert_eq!((json!(content), stop), (json!([{"type": "text", "text": "hello"}]), json!("end_turn")));
    requests.recv_timeout(PATIENCE).unwrap();
    let asked = requests.recv_timeout(PATIENCE).unwrap().json();
    let roles: Vec<_> = asked["messages"].as_array().unwrap().iter().map(|message| message["role"].clone()).collect();
    assert_eq!(roles, ["user", "assistant", "tool"]);
    assert_eq!(asked["add_generation_prompt"], Value::Null, "there is no beginning of an answer to go on with");
}

#[test]
fn where_blocks_are_not_shown_they_are_remembered() {
    let folder = Files::new();
    for stream in [true, false] {
        let rounds = vec![round("1", &["Look."], &[READ]), round("2", &["hello"], &[]), round("3", &["bye"], &[])];
        let (upstream, requests) = answering(rounds);
        let gateway = gateway(&folder, &upstream, |pool| pool.server_tools.show = ShowCalls::None);
        let answer = ask(gateway.addr, post(MESSAGES, &message(stream), ""));
        let content = if stream { json!(blocks(&answer.text()).0) } else { answer.json()["content"].clone() };
        assert_eq!(
            content.as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap()).collect::<String>(),
            "Look.\n\nhello"
        );
        ask(gateway.addr, post(MESSAGES, &thanked(stream, &json!(content)), ""));
        let asked: Vec<_> = (0..3).map(|_| requests.recv_timeout(PATIENCE).unwrap().json()).collect();
        assert_eq!(asked[2]["messages"].as_array().unwrap().len(), 5);
    }
}

#[test]
fn a_message_selects_a_server_of_tools_by_its_label() {
    let folder = Files::new();
    let (upstream, requests) = answering(vec![round("1", &["."], &[])]);
    let gateway = gateway(&folder, &upstream, |pool| pool.server_tools.offer = Offer::Asked);
    let mut body = message(true);
    body["tools"] = json!([{"type": "mcp_toolset", "mcp_server_name": "toolgate"}]);
    ask(gateway.addr, post(MESSAGES, &body, ""));
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().json()["tools"].as_array().unwrap().len(), 4);
    body["tools"] = json!([{"type": "mcp_toolset", "mcp_server_name": "elsewhere"}]);
    assert_eq!(ask(gateway.addr, post(MESSAGES, &body, "")).status(), 400);
}

#[test]
fn an_error_within_a_round_is_told_in_the_client_s_words() {
    let folder = Files::new();
    let broken = || {
        let round = round("2", &["It"], &[]);
        let end = round
            .find("data: {\"choices\":[{\"delta\":{},")
            .or_else(|| round.find("\"finish_reason\":\"stop\""))
            .unwrap();
        let end = round[..end].rfind("data: ").unwrap();
        format!("{}data: {{\"error\":{{\"message\":\"dead\",\"code\":500}}}}\n\n", &round[..end])
    };
    for (path, body) in [(CHAT, chat(true)), (CHAT, chat(false)), (MESSAGES, message(true)), (MESSAGES, message(false))]
    {
        let (upstream, _requests) = answering(vec![round("1", &["Look."], &[READ]), broken()]);
        let gateway = gateway(&folder, &upstream, |_| {});
        let answer = ask(gateway.addr, post(path, &body, ""));
        let text = answer.text();
        assert!(answer.is_complete && text.matches("dead").count() == 1, "{path} {text}");
        assert_eq!(answer.status(), if body["stream"] == true { 200 } else { 500 }, "{text}");
    }
}

#[test]
fn ollama_s_clients_get_one_answer_too() {
    let folder = Files::new();
    for stream in [true, false] {
        let rounds = vec![round("1", &["Look."], &[READ]), round("2", &["It says hello."], &[])];
        let (upstream, requests) = answering(rounds);
        let mut config = configured(&folder, &[&upstream], |_| {});
        config.view.ollama_api = Some(OllamaApi::default());
        let gateway = gateway_of(config);
        let answer = ask(gateway.addr, post("/api/chat", &chat(stream), ""));
        assert_eq!((answer.status(), answer.is_complete), (200, true), "{}", answer.text());
        let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let text: String = lines.iter().map(|line| line["message"]["content"].as_str().unwrap()).collect();
        assert_eq!(text, "Look.\n\nIt says hello.");
        assert!(!answer.text().contains("tool_calls"), "{}", answer.text());
        let last = lines.last().unwrap();
        assert_eq!((&last["done"], &last["done_reason"]), (&json!(true), &json!("stop")));
        assert_eq!((&last["prompt_eval_count"], &last["eval_count"]), (&json!(14), &json!(6)));
        assert_eq!(requests.iter().take(2).count(), 2);
    }
}

#[test]
fn a_client_of_http_1_0_gets_the_whole_turn() {
    let folder = Files::new();
    let (upstream, _requests) = answering(vec![round("1", &["Look."], &[READ]), round("2", &["hello"], &[])]);
    let gateway = gateway(&folder, &upstream, |_| {});
    let request = post(CHAT, &chat(true), "").replace("HTTP/1.1", "HTTP/1.0");
    let answer = ask(gateway.addr, request);
    assert_eq!((answer.status(), answer.field("transfer-encoding")), (200, None));
    assert_eq!(said(&answer.text(), "content"), "Look.\n\nhello");
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_gateway_that_stops_lets_turns_come_to_their_end() {
    let folder = Files::new();
    let (go_on, wait) = mpsc::channel::<()>();
    let (began, begins) = mpsc::channel::<()>();
    let (wait, began, asked) = (Mutex::new(wait), Mutex::new(began), AtomicUsize::new(0));
    let upstream = Upstream::start(move |mut wire| {
        let Some(_) = wire.request() else { return };
        let is_first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first {
            began.lock().unwrap().send(()).unwrap();
            wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        wire.send(STREAM_HEAD);
        wire.chunk(if is_first { round("1", &[], &[READ]) } else { round("2", &["hello"], &[]) });
        wire.last_chunk();
    });
    let mut config = configured(&folder, &[&upstream], |_| {});
    config.server.grace_seconds = 60;
    let gateway = gateway_of(config);
    let mut client = Wire::connect(gateway.addr);
    client.send(post(CHAT, &chat(true), ""));
    begins.recv_timeout(PATIENCE).unwrap();
    let admin = gateway.admin_addr.unwrap();
    let stops = std::thread::spawn(move || gateway.stop());
    wait_until("it stops", || ask(admin, get("/ready")).status() == 503);
    go_on.send(()).unwrap();
    assert!(client.response().text().contains("hello"));
    stops.join().unwrap();
}

#[test]
fn a_message_that_wants_no_tools_gets_none() {
    let folder = Files::new();
    for (more, gets) in [
        (json!({"tool_choice": {"type": "none"}}), 0),
        (json!({"tools": []}), 0),
        (json!({"tools": [], "tool_choice": {"type": "auto"}}), 0),
        (json!({"tool_choice": {"type": "any"}}), 4),
        (json!({"tool_choice": {"type": "tool", "name": "read_file"}}), 4),
        (json!({"mcp_servers": [{"type": "url", "name": "toolgate", "url": "http://192.0.2.1/"}]}), 4),
        (json!({}), 4),
    ] {
        let (upstream, requests) = answering(vec![round("1", &["."], &[])]);
        let gateway = gateway(&folder, &upstream, |pool| pool.server_tools.offer = Offer::Always);
        let mut body = message(true);
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        assert_eq!(ask(gateway.addr, post(MESSAGES, &body, "")).status(), 200);
        let asked = requests.recv_timeout(PATIENCE).unwrap().json();
        assert_eq!(asked["tools"].as_array().map_or(0, Vec::len), gets, "{more}");
    }
}

#[test]
fn a_tool_of_the_client_s_goes_before_one_of_the_same_name() {
    let folder = Files::new();
    let own = &own_tool("read_file")[0];
    let labelled = json!({"type": "mcp", "server_label": "toolgate"});
    for tools in [json!([own, labelled, labelled]), json!([own, {"type": "custom", "custom": {"name": "x"}}])] {
        let (upstream, requests) = answering(vec![round("1", &[], &[READ])]);
        let gateway = gateway(&folder, &upstream, |pool| pool.server_tools.offer = Offer::Always);
        let mut body = chat(true);
        body["tools"] = tools;
        let text = ask(gateway.addr, post(CHAT, &body, "")).text();
        assert!(text.contains(r#""name":"read_file""#) && text.contains(r#""finish_reason":"tool_calls""#), "{text}");
        let asked = requests.recv_timeout(PATIENCE).unwrap().json();
        let names = asked["tools"].as_array().unwrap().iter().filter_map(|tool| tool["function"]["name"].as_str());
        let names: Vec<_> = names.filter(|name| *name != "x").collect();
        assert_eq!(names, ["read_file", "list_directory", "glob_files", "grep_search"]);
    }
}

#[test]
fn many_calls_of_one_round_come_back_as_one_round() {
    let folder = Files::new();
    let ids: Vec<_> = (0..6).map(|n| format!("call_{n}")).collect();
    let calls: Vec<_> = ids.iter().map(|id| (id.as_str(), READ.1, READ.2)).collect();
    let rounds =
        vec![round("1", &["Look."], &calls), round("2", &["hello"], &[("m", "mine", "{}")]), round("3", &["bye"], &[])];
    let (upstream, requests) = answering(rounds);
    let gateway = gateway(&folder, &upstream, |pool| pool.server_tools.offer = Offer::Always);
    let mut body = message(true);
    body["tools"] = json!([{"name": "mine", "input_schema": {"type": "object"}}]);
    let (content, stop) = blocks(&ask(gateway.addr, post(MESSAGES, &body, "")).text());
    assert_eq!((content.len(), stop), (1 + 6 + 6 + 2, json!("tool_use")));
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": content}));
    messages
        .push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "m", "content": "mine too"}]}));
    ask(gateway.addr, post(MESSAGES, &body, ""));
    let asked: Vec<_> = (0..3).map(|_| requests.recv_timeout(PATIENCE).unwrap().json()).collect();
    let (before, after) = (asked[1]["messages"].as_array().unwrap(), asked[2]["messages"].as_array().unwrap());
    assert_eq!(before.len(), 1 + 1 + 6);
    assert_eq!(after[..before.len()], before[..], "the model sees what it saw, once");
    assert_eq!((after.len(), &after[9]["tool_call_id"]), (before.len() + 2, &json!("m")));
}

#[test]
fn a_call_that_was_left_while_it_ran_has_a_result_all_the_same() {
    let folder = Files::new();
    let (upstream, requests) = answering(vec![round("1", &["."], &[])]);
    let gateway = gateway(&folder, &upstream, |_| {});
    let mut body = message(true);
    let call = json!({"type": "mcp_tool_use", "id": "mcptoolu_x", "name": "read_file", "server_name": "toolgate", "input": {}});
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": [{"type": "text", "text": "Look."}, call]}));
    messages.push(json!({"role": "user", "content": "Go on"}));
    assert_eq!(ask(gateway.addr, post(MESSAGES, &body, "")).status(), 200);
    let asked = requests.recv_timeout(PATIENCE).unwrap().json();
    let result = &asked["messages"][2];
    assert_eq!((&result["role"], &result["tool_call_id"]), (&json!("tool"), &json!("x")));
    assert!(result["content"].as_str().unwrap().starts_with("Error"));
}

#[test]
fn a_stream_with_a_length_becomes_one_without() {
    let folder = Files::new();
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::start(move |mut wire| {
        let Some(_) = wire.request() else { return };
        let is_first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        let body = if is_first { round("1", &["Look."], &[READ]) } else { round("2", &["hello"], &[]) };
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n", body.len());
        wire.send(head + &body);
    });
    let gateway = gateway(&folder, &upstream, |_| {});
    let answer = ask(gateway.addr, post(CHAT, &chat(true), ""));
    assert!(answer.is_complete);
    assert_eq!((said(&answer.text(), "content").as_str(), answer.field("content-length")), ("Look.\n\nhello", None));
}

/// A server of tools with one that never answers: it says when that is called, and when whoever called has gone.
fn hanging_tools() -> (Upstream, Receiver<&'static str>) {
    slow_tools(|wire| {
        wire.expect_close();
        None
    })
}

/// The same with one that answers what `wait` returns, if anything.
fn slow_tools(wait: impl Fn(&mut Wire) -> Option<Value> + Send + Sync + 'static) -> (Upstream, Receiver<&'static str>) {
    let (report, events) = mpsc::channel();
    let report = Mutex::new(report);
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        if !request.first_line.starts_with("POST") {
            return wire.send("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
        }
        let asked = request.json();
        let tool = json!({"name": "wait", "description": "Waits.", "inputSchema": {"type": "object"}});
        let result = match asked["method"].as_str().unwrap_or_default() {
            "initialize" => json!({
                "protocolVersion": asked["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "slow", "version": "1"},
            }),
            "tools/list" => json!({"tools": [tool]}),
            "tools/call" => {
                report.lock().unwrap().send("called").unwrap();
                match wait(&mut wire) {
                    Some(result) => result,
                    None => return report.lock().unwrap().send("left").unwrap(),
                }
            }
            _ => return wire.send("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"),
        };
        wire.send(ok(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string()));
    });
    (upstream, events)
}

/// A gateway in front of a model that calls that tool, once it is there; and what that tells.
fn waiting_gateway(upstream: &Upstream, tools: &Upstream, with: impl FnOnce(&mut Config)) -> Running {
    let folder = Files::new();
    let mut config = configured(&folder, &[upstream], |_| {});
    let at = Box::new(peer(tools.address));
    let reach = Reach::Url { at, path: "/mcp".to_owned(), headers: Vec::new() };
    config.tools.servers = vec![ToolServer { reach, ..absent_server("slow") }];
    with(&mut config);
    let gateway = gateway_of(config);
    let page = || ask(gateway.admin_addr.unwrap(), get("/metrics")).text();
    wait_until("its tools are there", || page().contains("toolgate_tool_server_up{server=\"slow\"} 1"));
    gateway
}

const WAIT: (&str, &str, &str) = ("call_w", "slow__wait", "{}");

#[test]
fn a_client_that_leaves_ends_what_runs_for_it_and_another_has_the_place_meanwhile() {
    let (tools, events) = hanging_tools();
    let (upstream, _requests) = answering(vec![round("1", &[], &[WAIT]), round("2", &["free"], &[])]);
    let gateway = waiting_gateway(&upstream, &tools, |config| config.pools[0].peers[0].max_inflight = Some(1));
    let mut client = Wire::connect(gateway.addr);
    client.send(post(CHAT, &chat(true), ""));
    assert_eq!(events.recv_timeout(PATIENCE), Ok("called"));
    // The server has one place, and the turn does not hold it.
    let other = json!({"model": "m", "messages": [{"role": "user", "content": "?"}], "tools": []});
    assert_eq!(said(&ask(gateway.addr, post(CHAT, &with_stream(other), "")).text(), "content"), "free");
    drop(client);
    assert_eq!(events.recv_timeout(PATIENCE), Ok("left"));
    let page = || ask(gateway.admin_addr.unwrap(), get("/metrics")).text();
    wait_until("nobody is left", || page().contains("toolgate_requests_in_flight 0\n"));
}

fn with_stream(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body
}

#[test]
fn a_client_hears_that_a_tool_runs_on_until_the_gateway_stops() {
    for (path, body) in [(CHAT, chat(true)), (MESSAGES, message(true))] {
        let (tools, events) = hanging_tools();
        let (upstream, _requests) = answering(vec![round("1", &["Wait."], &[WAIT])]);
        let gateway = waiting_gateway(&upstream, &tools, |config| config.pools[0].keepalive_ms = Some(1));
        let mut client = Wire::connect(gateway.addr);
        client.send(post(path, &body, ""));
        client.head().unwrap();
        let (mut text, mark) =
            (String::new(), if path == CHAT { ": tool slow__wait running\n" } else { "event: ping" });
        while text.matches(mark).count() < 3 {
            text += &String::from_utf8_lossy(&client.next_chunk().expect("it goes on"));
        }
        assert_eq!(events.recv_timeout(PATIENCE), Ok("called"));
        let stops = std::thread::spawn(move || gateway.stop());
        while let Some(chunk) = client.next_chunk() {
            text += &String::from_utf8_lossy(&chunk);
        }
        stops.join().unwrap();
        assert_eq!(text.matches("toolgate stops").count(), 1, "{path} {text}");
    }
}

#[test]
fn a_round_that_follows_goes_before_newcomers() {
    let (finish, finished) = mpsc::channel::<()>();
    let finished = Mutex::new(finished);
    let (tools, events) = slow_tools(move |_| {
        finished.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        Some(json!({"content": [{"type": "text", "text": "done"}]}))
    });
    let (go, gone) = mpsc::channel::<()>();
    let (report, order) = mpsc::channel();
    let (gone, report) = (Mutex::new(gone), Mutex::new(report));
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        let messages = request.json()["messages"].as_array().unwrap().clone();
        let says = messages[0]["content"].as_str().unwrap().to_owned();
        report.lock().unwrap().send((says.clone(), messages.len())).unwrap();
        if says == "holds" {
            gone.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        let calls: &[_] = if says == "turn" && messages.len() == 1 { &[WAIT] } else { &[] };
        wire.send(STREAM_HEAD);
        wire.chunk(round("1", &["."], calls));
        wire.last_chunk();
    });
    let gateway = waiting_gateway(&upstream, &tools, |config| config.pools[0].peers[0].max_inflight = Some(1));
    let send = |says: &str| {
        let mut client = Wire::connect(gateway.addr);
        let messages = json!([{"role": "user", "content": says}]);
        client.send(post(CHAT, &json!({"model": "m", "stream": true, "messages": messages}), ""));
        client
    };
    let next = || order.recv_timeout(PATIENCE).unwrap();
    let waiting = |count: usize| {
        let page = ask(gateway.admin_addr.unwrap(), get("/status")).json();
        page["pools"][0]["queue"]["waiting"] == count
    };
    let mut turn = send("turn");
    assert_eq!(next(), ("turn".to_owned(), 1));
    assert_eq!(events.recv_timeout(PATIENCE), Ok("called"));
    let mut holder = send("holds");
    assert_eq!(next(), ("holds".to_owned(), 1));
    let mut newcomer = send("newcomer");
    wait_until("one waits", || waiting(1));
    finish.send(()).unwrap();
    wait_until("the turn waits, too", || waiting(2));
    go.send(()).unwrap();
    assert_eq!([next(), next()], [("turn".to_owned(), 3), ("newcomer".to_owned(), 1)]);
    assert!([&mut turn, &mut holder, &mut newcomer].into_iter().all(|client| client.response().status() == 200));
}
