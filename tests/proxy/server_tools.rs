//! Requests whose tools run on the server: what each round asks, and what the client gets of all of them.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};

use serde_json::{Value, json};
use toolgate::config::{Config, Glob, Pool, ToolsChoice};
use toolgate::server::Running;

use crate::harness::{Message, PATIENCE, Upstream, ask, config, gateway_of, peer, pool};

const CHAT: &str = "/v1/chat/completions";
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A folder of its own, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("toolgate-rounds-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("a.txt"), "hello\n").unwrap();
        Self(path)
    }
}

impl Drop for Folder {
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

fn configured(folder: &Folder, peers: &[&Upstream], with: impl FnOnce(&mut Pool)) -> Config {
    let mut pool = pool("default", peers.iter().map(|upstream| peer(upstream.address)).collect());
    pool.tools = ToolsChoice::Native;
    pool.server_tools.names = vec![Glob::new("*")];
    with(&mut pool);
    let mut config = config(vec![pool]);
    config.tools.workspace.root = Some(folder.0.clone());
    config
}

fn gateway(folder: &Folder, upstream: &Upstream, with: impl FnOnce(&mut Pool)) -> Running {
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
    let folder = Folder::new();
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
    let folder = Folder::new();
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
