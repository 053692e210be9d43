//! An Ollama that a test writes: its pages, its lines, and a pool of such servers.

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

use serde_json::{Value, json};
use toolgate::config::{DialectChoice, Pool, ToolsChoice};
use toolgate::engine::Engine;

use crate::harness::{Message, PATIENCE, Upstream, Wire, peer, pool};

pub const NDJSON: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
pub const HI: &str = "{\"model\":\"m\",\"created_at\":\"2026-08-21T10:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}\n";
pub const CALL: &str = "{\"model\":\"m\",\"created_at\":\"2026-08-21T10:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call_own\",\"function\":{\"index\":0,\"name\":\"weather\",\"arguments\":{\"city\":\"Oslo\"}}}]},\"done\":false}\n";
pub const DONE: &str = "{\"model\":\"m\",\"created_at\":\"2026-08-21T10:00:01Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":26,\"eval_count\":5}\n";
pub const LOADED: &str = "{\"model\":\"m\",\"created_at\":\"2026-08-21T10:00:01Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"load\"}\n";

/// A line that says a text.
pub fn line(text: &str) -> String {
    HI.replace("\"Hi\"", &Value::from(text).to_string())
}

/// An answer of these lines, each in a chunk of its own.
pub fn lines(lines: &[&str]) -> Vec<u8> {
    let chunks: String = lines.iter().map(|line| format!("{:x}\r\n{line}\r\n", line.len())).collect();
    format!("{NDJSON}{chunks}0\r\n\r\n").into_bytes()
}

/// A JSON body with a status.
pub fn reply(status: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = "Content-Type: application/json; charset=utf-8\r\nContent-Length";
    format!("HTTP/1.1 {status}\r\n{head}: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A refusal.
pub fn error(status: &str, message: &str) -> Vec<u8> {
    reply(status, &json!({ "error": message }))
}

/// A server with one model, `m`, that can do all, and what it is asked of chats.
pub struct Ollama {
    pub upstream: Upstream,
    chats: Receiver<Message>,
}

impl Ollama {
    /// It answers each chat like this.
    pub fn answering(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::scripted(move |chat, wire| {
            let _ = wire.try_send(answer(chat));
        })
    }

    /// It does this with each chat.
    pub fn scripted(script: impl Fn(&Message, &mut Wire) + Send + Sync + 'static) -> Self {
        Self::listing(|| true, script)
    }

    /// The same, and lists its model as long as it is so.
    pub fn listing(
        lists: impl Fn() -> bool + Send + Sync + 'static,
        script: impl Fn(&Message, &mut Wire) + Send + Sync + 'static,
    ) -> Self {
        let (report, chats) = mpsc::channel();
        let report = Mutex::new(report);
        let upstream = Upstream::start(move |mut wire| {
            while let Some(request) = wire.request() {
                let target = request.first_line.split(' ').nth(1).unwrap_or_default().to_owned();
                let models = if lists() { json!([{ "name": "m:latest", "size": 1 }]) } else { json!([]) };
                let page = match target.as_str() {
                    "/" => Some(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nOllama is running".to_vec()),
                    "/api/version" => Some(reply("200 OK", &json!({ "version": "0.30.0" }))),
                    // It is in memory, too.
                    "/api/tags" | "/api/ps" => Some(reply("200 OK", &json!({ "models": models }))),
                    "/api/embed" if request.text().contains("\"input\":[]") => {
                        Some(reply("200 OK", &json!({ "embeddings": [] })))
                    }
                    path if path.ends_with("/api/show") => {
                        let can = json!(["completion", "tools", "thinking"]);
                        Some(reply("200 OK", &json!({ "capabilities": can, "template": "", "modelfile": "" })))
                    }
                    _ => None,
                };
                match page {
                    Some(page) => drop(wire.try_send(page)),
                    None => {
                        let _ = report.lock().unwrap().send(request.clone());
                        script(&request, &mut wire);
                    }
                }
            }
        });
        Self { upstream, chats }
    }

    /// The next chat that it was asked.
    pub fn chat(&self) -> Message {
        self.chats.recv_timeout(PATIENCE).unwrap()
    }

    /// How many there were besides.
    pub fn others(&self) -> usize {
        self.chats.try_iter().count()
    }
}

/// A pool of these servers, asked in this order. What is done with tools is as they say.
pub fn pool_of(servers: &[&Ollama]) -> Pool {
    let peers = servers.iter().zip(0..).map(|(server, priority)| {
        let mut peer = peer(server.upstream.address);
        peer.priority = priority;
        peer
    });
    pool_at(peers.collect())
}

/// The same of servers that are described.
pub fn pool_at(peers: Vec<toolgate::config::Peer>) -> Pool {
    let (dialect, tools) = (DialectChoice::Auto, ToolsChoice::Auto);
    Pool { engine: Engine::Ollama, dialect, tools, ..pool("ollama", peers) }
}
