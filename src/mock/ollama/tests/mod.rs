//! Ollama's API on real sockets: what is asked, what is told of models, and answers.

mod answers;
mod asking;
mod faults;
mod pages;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::mock::tests::{body, chunks, exchange};
use crate::mock::{Mock, Running, Script};

/// A box of this script.
fn start(yaml: &str) -> Running {
    Mock::start("127.0.0.1:0", Script::from_yaml(&format!("api: ollama\nmodel: m\n{yaml}")).unwrap()).unwrap()
}

fn post(mock: &Running, path: &str, body: &str) -> String {
    let length = body.len();
    exchange(mock, &format!("POST {path} HTTP/1.1\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
}

/// The reply to a chat about one message; `fields` are more of the request.
fn chat(mock: &Running, text: &str, fields: &str) -> String {
    post(mock, "/api/chat", &format!(r#"{{"model":"m","messages":[{{"role":"user","content":{text:?}}}]{fields}}}"#))
}

/// Waits for what will be so; a test that hangs fails instead.
fn until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it never is so");
        std::thread::yield_now();
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

fn status(reply: &str) -> u16 {
    reply["HTTP/1.1 ".len()..][..3].parse().unwrap()
}

/// The message of an error that came before the first line.
fn error(reply: &str) -> String {
    value(body(reply))["error"].as_str().unwrap().to_owned()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The lines of a stream that has ended as it should, without their LF.
fn lines(reply: &str) -> Vec<String> {
    assert!(reply.ends_with("\r\n0\r\n\r\n"), "{reply}");
    let text = chunks(reply).concat();
    let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
    lines.map(str::to_owned).collect()
}

/// What each line says: its message without the role, and `done_reason` on the last.
fn told(reply: &str) -> Vec<Value> {
    let told = |line: &String| {
        let mut line = value(line);
        if line.get("error").is_some() {
            return line;
        }
        assert_eq!((&line["model"], &line["message"]["role"]), (&json!("m"), &json!("assistant")), "{line}");
        let mut message = line["message"].take();
        message.as_object_mut().unwrap().remove("role");
        if line["done"] == true {
            message["done_reason"] = line["done_reason"].take();
        }
        message
    };
    lines(reply).iter().map(told).collect()
}
