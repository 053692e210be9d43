//! A server in memory that does as it is told, and toolgate's side of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rmcp::transport::async_rw::AsyncRwTransport;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex, split};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::config::{Changes, Config, Glob, Reach, Surroundings, ToolServer};
use crate::mcp::meter::{DEAF_MAX, Meter};
use crate::mcp::server::{Server, Standing};
use crate::mcp::session::Session;
use crate::mcp::stdio::{Metered, Patient};
use crate::tooling::Outcome;

/// What a server does when it has heard something.
pub enum Deed {
    Say(Value),
    Raw(String),
    Wait(Duration),
    /// Says the same for as long as anybody reads it.
    Flood(&'static str),
    /// Reads no more.
    Deafen,
    Die,
}

/// What it does about a message of its nth session.
pub type Script = dyn Fn(usize, &Value) -> Vec<Deed> + Send + Sync;

/// A server that is kept, and what it has heard.
pub struct Rig {
    pub server: Arc<Server>,
    heard: UnboundedReceiver<Value>,
}

pub fn config() -> ToolServer {
    ToolServer {
        name: "docs".to_owned(),
        reach: Reach::Command { program: String::new(), arguments: Vec::new(), environment: Vec::new() },
        tools: vec![Glob::new("*")],
        aliases: Vec::new(),
        timeout: Duration::from_secs(60),
        changes: Changes::Told,
    }
}

/// Keeps a server of a script.
pub fn keep(config: ToolServer, script: impl Fn(usize, &Value) -> Vec<Deed> + Send + Sync + 'static) -> Rig {
    let server = Arc::new(Server::new(config, Box::new(|| {})));
    let (tell, heard) = unbounded_channel();
    let script: Arc<Script> = Arc::new(script);
    let sessions = AtomicUsize::new(0);
    tokio::spawn(Arc::clone(&server).keep_by(move |server, beginning, orders| {
        let number = sessions.fetch_add(1, Ordering::Relaxed);
        let (script, tell) = (Arc::clone(&script), tell.clone());
        Box::pin(async move {
            let (near, far) = duplex(1 << 16);
            let serving = tokio::spawn(serve(far, number, script, tell));
            let meter = Arc::new(Meter::new(Instant::now()));
            let (reader, writer) = split(near);
            let reader = Metered::new(reader, Arc::clone(&meter));
            let writer = Patient::new(writer, Arc::clone(&meter), DEAF_MAX);
            let session = Session { beginning, audience: &*server, orders, meter, look_again: None };
            let end = session.over(AsyncRwTransport::new_client(reader, writer)).await;
            serving.abort();
            end
        })
    }));
    Rig { server, heard }
}

async fn serve(stream: DuplexStream, session: usize, script: Arc<Script>, tell: UnboundedSender<Value>) {
    let (reader, mut writer) = split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message = serde_json::from_str(&line).unwrap();
        let _ = tell.send(Value::clone(&message));
        for deed in script(session, &message) {
            let text = match deed {
                Deed::Say(message) => format!("{message}\n"),
                Deed::Raw(text) => text,
                Deed::Wait(pause) => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
                Deed::Flood(text) => {
                    while writer.write_all(text.as_bytes()).await.is_ok() {}
                    return;
                }
                Deed::Deafen => std::future::pending().await,
                Deed::Die => return,
            };
            if writer.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

impl Rig {
    /// Waits until the server is so.
    pub async fn until(&self, is_so: impl Fn(&Standing) -> bool) -> Standing {
        self.server.until(is_so).await
    }

    pub async fn up(&self) {
        self.until(|standing| *standing == Standing::Up).await;
    }

    /// Why it is not there, the first time that it is not.
    pub async fn down(&self) -> String {
        match self.until(|standing| matches!(standing, Standing::Down(_))).await {
            Standing::Down(why) => why,
            _ => unreachable!(),
        }
    }

    pub fn tools(&self) -> Vec<String> {
        self.server.tools().into_iter().map(|tool| tool.name).collect()
    }

    /// Calls a tool, once the server is there.
    pub async fn call(&self, tool: &str) -> Outcome {
        self.up().await;
        self.server.call(tool, serde_json::Map::new()).await
    }

    /// Waits until it has heard a message of this method.
    pub async fn heard(&mut self, method: &str) -> Value {
        loop {
            let message = self.heard.recv().await.unwrap();
            if message["method"] == method {
                return message;
            }
        }
    }

    /// Waits until it has heard the answer to something that it asked.
    pub async fn answered(&mut self, id: &str) -> Value {
        loop {
            let message = self.heard.recv().await.unwrap();
            if message["id"] == id && message.get("method").is_none() {
                return message;
            }
        }
    }
}

pub fn say(message: Value) -> Vec<Deed> {
    vec![Deed::Say(message)]
}

pub fn result(asked: &Value, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": asked["id"], "result": result})
}

pub fn tool(name: &str) -> Value {
    json!({"name": name, "description": format!("Does {name}."), "inputSchema": {"type": "object"}})
}

pub fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// What any good server does, but for calls and lists.
pub fn greeting(message: &Value) -> Vec<Deed> {
    let info = json!({"name": "script", "version": "1"});
    let capabilities = json!({"tools": {"listChanged": true}});
    match message["method"].as_str() {
        Some("initialize") => say(result(
            message,
            json!({
                "protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info,
            }),
        )),
        _ => Vec::new(),
    }
}

/// A good server of one tool, but for what it does about a call.
pub fn with_call(message: &Value, call: impl FnOnce(&Value) -> Vec<Deed>) -> Vec<Deed> {
    match message["method"].as_str() {
        Some("tools/list") => say(result(message, json!({"tools": [tool("search")]}))),
        Some("tools/call") => call(message),
        _ => greeting(message),
    }
}

/// The servers that a configuration names in `tools`.
pub fn configured(servers: &Value) -> Vec<ToolServer> {
    let pools = json!([{"name": "a", "peers": "http://127.0.0.1:1"}]);
    // JSON is YAML.
    let text = json!({"pools": pools, "tools": {"servers": servers}}).to_string();
    Config::from_yaml(&text, "test", &Nowhere).unwrap().tools.servers
}

struct Nowhere;

impl Surroundings for Nowhere {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn dialects(&self, _: &str) -> Result<Vec<(String, String)>, String> {
        Err("there are none".to_owned())
    }

    fn file(&self, _: &str) -> Result<(String, String), String> {
        Err("there are none".to_owned())
    }
}
