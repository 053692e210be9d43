//! A server by HTTP that answers each request as it is told, in bytes, and closes its connection after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::peer::{configured, text, tool};
use crate::mcp::server::{Server, Standing};

/// A request that it has got.
#[derive(Clone, Debug)]
pub struct Got {
    pub method: String,
    pub headers: BTreeMap<String, String>,
    pub message: Value,
}

/// What it answers.
pub enum Told {
    Bytes(String),
    /// The same, and the connection stays open.
    Open(String),
    /// And then the same over and over.
    Endless(String, String),
}

pub struct Web {
    pub server: Arc<Server>,
    got: UnboundedReceiver<Got>,
}

/// Keeps a server that answers by this script, and is configured with this besides its `url`.
pub async fn keep(more: Value, script: impl Fn(&Got) -> Told + Send + Sync + 'static) -> Web {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = json!({"name": "docs", "url": format!("http://{}/mcp/?", listener.local_addr().unwrap())});
    config["url"] = config["url"].as_str().unwrap().trim_end_matches('?').into();
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (tell, got) = unbounded_channel();
    let script: Arc<dyn Fn(&Got) -> Told + Send + Sync> = Arc::new(script);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, Arc::clone(&script), tell.clone()));
        }
    });
    let server = Arc::new(Server::new(configured(&json!([config])).remove(0), Box::new(|| {})));
    tokio::spawn(Arc::clone(&server).keep());
    Web { server, got }
}

async fn serve(
    mut connection: TcpStream,
    script: Arc<dyn Fn(&Got) -> Told + Send + Sync>,
    tell: UnboundedSender<Got>,
) -> Option<()> {
    let mut reader = BufReader::new(&mut connection);
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let method = words.next()?;
    assert_eq!(words.next()?, "/mcp/", "the path is asked for as it is written");
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.ok()?;
    let got = Got { method, headers, message: serde_json::from_slice(&body).unwrap_or(Value::Null) };
    let told = script(&got);
    let _ = tell.send(got);
    match told {
        Told::Bytes(bytes) => connection.write_all(bytes.as_bytes()).await.ok(),
        Told::Open(bytes) => {
            connection.write_all(bytes.as_bytes()).await.ok()?;
            // Until the client closes it.
            connection.read_u8().await.ok().map(|_| ())
        }
        Told::Endless(bytes, more) => {
            connection.write_all(bytes.as_bytes()).await.ok()?;
            let more = more.repeat(1 + 65_536 / more.len());
            while connection.write_all(more.as_bytes()).await.is_ok() {}
            Some(())
        }
    }
}

impl Web {
    pub async fn up(&self) {
        self.server.until(|standing| *standing == Standing::Up).await;
    }

    /// Why it is not there, the first time that it is not.
    pub async fn down(&self) -> String {
        match self.server.until(|standing| matches!(standing, Standing::Down(_))).await {
            Standing::Down(why) => why,
            _ => unreachable!(),
        }
    }

    /// Calls a tool, once the server is there.
    pub async fn call(&self) -> String {
        self.up().await;
        self.server.call("search", serde_json::Map::new()).await.text
    }

    /// Waits until it has got a request of which this is true.
    pub async fn got(&mut self, is_it: impl Fn(&Got) -> bool) -> Got {
        loop {
            let got = self.got.recv().await.unwrap();
            if is_it(&got) {
                return got;
            }
        }
    }
}

impl Got {
    /// The method of its message.
    pub fn asks(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }
}

pub fn response(status: &str, headers: &str, body: &str) -> Told {
    Told::Bytes(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()))
}

pub fn answered(got: &Got, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": got.message["id"], "result": result})
}

pub fn in_json(message: &Value) -> Told {
    response("200 OK", "Content-Type: application/json; charset=utf-8\r\n", &message.to_string())
}

/// The head of a stream of events, whose end is that of its connection.
pub const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

pub fn in_events(messages: &[Value]) -> Told {
    let event = |message: &Value| format!("event: message\ndata: {message}\n\n");
    Told::Bytes(format!("{EVENTS}: hello\n\n{}", messages.iter().map(event).collect::<String>()))
}

/// What any good server does, but for calls.
pub fn greeting(got: &Got) -> Told {
    match (got.method.as_str(), got.asks()) {
        ("POST", "initialize") => {
            let info = json!({"name": "web", "version": "1"});
            let begun = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info});
            let headers = "Content-Type: application/json\r\nMcp-Session-Id: s-1\r\n";
            response("200 OK", headers, &answered(got, begun).to_string())
        }
        ("POST", "tools/list") => in_json(&answered(got, json!({"tools": [tool("search")]}))),
        ("POST", "tools/call") => in_json(&answered(got, text("found"))),
        ("POST", _) => response("202 Accepted", "", ""),
        _ => response("405 Method Not Allowed", "", ""),
    }
}
