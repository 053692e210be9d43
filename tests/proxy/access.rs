//! Each request leaves one line in the log, and none of what it said.

use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use log::{Log, Metadata, Record};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Upstream, Wire, ask, dead_address, gateway, get, ok, post};

/// Keeps the access log's lines and those that say that something is wrong; everything else goes where `RUST_LOG` says.
struct Listener {
    lines: Mutex<Vec<String>>,
    more: Condvar,
    other: env_logger::Logger,
}

static LISTENER: OnceLock<Listener> = OnceLock::new();

impl Log for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "access" || self.other.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == "access" || record.level() == log::Level::Error {
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(record.args().to_string());
            self.more.notify_all();
        }
        self.other.log(record);
    }

    fn flush(&self) {}
}

/// Starts to keep the lines, once for all tests.
pub fn listen() {
    let listener = LISTENER.get_or_init(|| Listener {
        lines: Mutex::default(),
        more: Condvar::new(),
        other: env_logger::builder().is_test(true).build(),
    });
    if log::set_logger(listener).is_ok() {
        log::set_max_level(listener.other.filter().max(log::LevelFilter::Info));
    }
}

/// Waits until a line has this in it. A test that fails here fails no other.
pub fn hear(part: &str) {
    let listener = LISTENER.get().unwrap();
    let lines = listener.lines.lock().unwrap_or_else(PoisonError::into_inner);
    let wait = |lines: &mut Vec<String>| !lines.iter().any(|line| line.contains(part));
    let (_lines, timeout) = listener.more.wait_timeout_while(lines, PATIENCE, wait).unwrap();
    assert!(!timeout.timed_out(), "`{part}` was never said");
}

/// The line of one request, as it was written and what it means.
pub fn line_of(id: &str) -> (String, Value) {
    let listener = LISTENER.get().unwrap();
    let is_it = |line: &&String| line.contains(&format!("\"id\":\"{id}\""));
    let lines = listener.lines.lock().unwrap_or_else(PoisonError::into_inner);
    let wait = |lines: &mut Vec<String>| !lines.iter().any(|line| is_it(&line));
    let (lines, timeout) = listener.more.wait_timeout_while(lines, PATIENCE, wait).unwrap();
    assert!(!timeout.timed_out(), "{id} was never logged");
    let line = lines.iter().find(is_it).unwrap().clone();
    assert_eq!(lines.iter().filter(is_it).count(), 1, "{id} was logged twice");
    let value = serde_json::from_str(&line).unwrap();
    (line, value)
}

pub fn named(id: &str, request: String) -> String {
    request.replacen("Host", &format!("X-Request-Id: {id}\r\nHost"), 1)
}

#[test]
fn a_line_says_what_happened_and_not_what_was_said() {
    let (upstream, _requests) = Upstream::answering(|_| ok("{\"answer\":\"secret\"}"));
    let gateway = gateway(upstream.address);
    let body = r#"{"model":"the-model","messages":"secret"}"#;
    let request = post("/v1/chat/completions?key=secret", body).replace("Host", "Authorization: Bearer secret\r\nHost");
    assert_eq!(ask(gateway.addr, named("line-1", request)).status(), 200);
    let (line, value) = line_of("line-1");
    assert!(!line.contains("secret"), "{line}");
    let expected = [
        ("client", json!("127.0.0.1")),
        ("method", json!("POST")),
        ("path", json!("/v1/chat/completions")),
        ("status", json!(200)),
        ("model", json!("the-model")),
        ("pool", json!("default")),
        ("peer", json!(format!("http://{}", upstream.address))),
        ("engine", json!("llama.cpp")),
        ("why", json!("only one alive")),
        ("queue_ms", json!(0)),
        ("dialect", Value::Null),
        ("request_bytes", json!(body.len())),
        ("bytes", json!(19)),
        ("calls", Value::Null),
        ("finish", Value::Null),
        ("outcome", json!("ok")),
    ];
    for (name, expected) in expected {
        assert_eq!(value[name], expected, "{name}");
    }
    let time = value["time"].as_str().unwrap();
    assert!(line.starts_with("{\"time\":\"20") && time.len() == 24 && time.ends_with('Z'), "{line}");
    assert!(value["first_byte_ms"].is_u64() && value["duration_ms"].is_u64(), "{line}");
}

#[test]
fn every_outcome_has_its_name() {
    let dead = gateway(dead_address());
    ask(dead.addr, named("outcome-1", post("/x", "{}")));
    let fields = "X-Many: x\r\n".repeat(200);
    ask(dead.addr, named("outcome-2", get("/").replace("Host", &format!("{fields}Host"))));
    let upstream = Upstream::start(|mut wire| {
        wire.request();
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire.expect_close();
    });
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send(named("outcome-3", get("/")));
    client.head().unwrap();
    drop(client);
    for (id, status, outcome, fault, error) in [
        ("outcome-1", 502, "upstream_failed", "upstream", "upstream_unreachable"),
        ("outcome-2", 431, "refused", "client", "request_header_too_large"),
        ("outcome-3", 200, "client_left", "client", "client_left"),
    ] {
        let (_, value) = line_of(id);
        assert_eq!(
            (&value["status"], &value["outcome"], &value["fault"], &value["error"]),
            (&json!(status), &json!(outcome), &json!(fault), &json!(error))
        );
    }
}
