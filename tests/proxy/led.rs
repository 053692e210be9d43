//! A server that does as its test says: its stream goes on when it is told to, or it answers some pages and no others.

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};

use serde_json::{Value, json};

use crate::harness::{Message, PATIENCE, Upstream};

/// A server whose stream goes on as it is told, and its requests.
pub fn led() -> (Upstream, Receiver<Message>, Sender<String>) {
    let (report, requests) = mpsc::channel();
    let (say, next) = mpsc::channel::<String>();
    let (report, next) = (Mutex::new(report), Mutex::new(next));
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        if !request.first_line.contains("completions") {
            return wire.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
        report.lock().unwrap().send(request).unwrap();
        let next = next.lock().unwrap();
        while let Ok(bytes) = next.recv_timeout(PATIENCE) {
            if bytes.is_empty() || wire.try_send(bytes).is_err() {
                return;
            }
        }
    });
    (upstream, requests, say)
}

/// The head of a stream.
pub const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// An event, in a chunk of its own.
pub fn event(delta: &Value, finish: &Value) -> String {
    let data = json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
    let data = format!("data: {data}\n\n");
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// One that says a text.
pub fn word(text: &str) -> String {
    event(&json!({ "content": text }), &Value::Null)
}

/// The last ones, and the end of the body.
pub fn end() -> String {
    event(&json!({}), &json!("stop")) + "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
}

/// What a server of OpenAI's API answers to anything, and what it was asked of those; nobody else is there.
pub fn answering(
    answers: impl Fn(&Message) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (Upstream, Receiver<Message>) {
    let (report, requests) = mpsc::channel();
    let report = Mutex::new(report);
    let none = || b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    let (upstream, _) = Upstream::answering(move |request| match answers(request) {
        Some(answer) => {
            report.lock().unwrap().send(request.clone()).unwrap();
            answer
        }
        None => none(),
    });
    (upstream, requests)
}
