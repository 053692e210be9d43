//! An event-stream server in llama-server's shape: one event in an HTTP chunk and a write, closed after each stream.
//! Does as little as can be for an event, so that it is not what is measured; `toolgate mock` formats each of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval};

/// What a request asks for, written in its `model`: `text 100 20000` is 100 tokens of text, one each 20,000 us.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub answer: Answer,
    pub events: usize,
    pub pause_us: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Text,
    Call,
}

impl Plan {
    pub fn model(self) -> String {
        let answer = if self.answer == Answer::Text { "text" } else { "call" };
        format!("{answer} {} {}", self.events, self.pause_us)
    }

    /// Events in all: those that begin and end the answer too.
    pub fn all_events(self) -> usize {
        let around = if self.answer == Answer::Call { OPENING.len() + CLOSING.len() } else { 0 };
        self.events + around + 3
    }

    fn read(request: &[u8]) -> Option<Self> {
        let begins = memmem::find(request, br#""model":""#)? + 9;
        let model = request.get(begins..)?.split(|b| *b == b'"').next()?;
        let mut words = str::from_utf8(model).ok()?.split(' ');
        let answer = if words.next()? == "call" { Answer::Call } else { Answer::Text };
        Some(Self { answer, events: words.next()?.parse().ok()?, pause_us: words.next()?.parse().ok()? })
    }
}

/// Serves until the process is ended.
pub fn serve(addr: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(addr).await?;
        let chunks = Arc::new(Chunks::new());
        loop {
            let (stream, _) = listener.accept().await?;
            let chunks = Arc::clone(&chunks);
            // A client that leaves is no concern of this server's.
            tokio::spawn(async move { answer(stream, &chunks).await });
        }
    })
}

async fn answer(mut stream: TcpStream, chunks: &Chunks) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let request = read_request(&mut stream).await?;
    let plan = Plan::read(&request).ok_or(io::ErrorKind::InvalidData)?;
    stream.write_all(HEAD.as_bytes()).await?;
    let is_call = plan.answer == Answer::Call;
    stream.write_all(chunks.role.as_bytes()).await?;
    for chunk in chunks.opening.iter().filter(|_| is_call) {
        stream.write_all(chunk.as_bytes()).await?;
    }
    let mut ticks = (plan.pause_us > 0).then(|| interval(Duration::from_micros(plan.pause_us)));
    for chunk in chunks.texts.iter().cycle().take(plan.events) {
        if let Some(ticks) = &mut ticks {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            ticks.tick().await;
        }
        stream.write_all(chunk.as_bytes()).await?;
    }
    for chunk in chunks.closing.iter().filter(|_| is_call) {
        stream.write_all(chunk.as_bytes()).await?;
    }
    stream.write_all(chunks.end.as_bytes()).await?;
    stream.shutdown().await
}

async fn read_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = memmem::find(&request, b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(request.get(..head).unwrap_or_default()).to_lowercase();
        let length = text.split_once("content-length:").and_then(|(_, rest)| rest.lines().next()?.trim().parse().ok());
        if request.len() >= head + 4 + length.unwrap_or(0) {
            return Ok(request);
        }
    }
}

/// What every stream is made of, written once.
struct Chunks {
    role: String,
    opening: Vec<String>,
    texts: Vec<String>,
    closing: Vec<String>,
    end: String,
}

impl Chunks {
    fn new() -> Self {
        let finish = event_of(r#""stop""#, "{}");
        let texts = |texts: &[&str]| texts.iter().map(|text| chunk(&event(text))).collect();
        Self {
            role: chunk(&event_of("null", r#"{"role":"assistant","content":null}"#)),
            opening: texts(OPENING),
            texts: texts(TEXTS),
            closing: texts(CLOSING),
            end: chunk(&finish) + &chunk("data: [DONE]\n\n") + &chunk(""),
        }
    }
}

fn event(text: &str) -> String {
    event_of("null", &serde_json::json!({ "content": text }).to_string())
}

fn event_of(finish: &str, delta: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"finish_reason\":{finish},\"index\":0,\"delta\":{delta}}}],\
         \"created\":1795163173,\"id\":\"chatcmpl-w3uR26Su3x3lYdeXFf7mSj05bUqEAOme\",\"model\":\"some-model.gguf\",\
         \"system_fingerprint\":\"b11669-Debian\",\"object\":\"chat.completion.chunk\"}}\n\n"
    )
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nContent-Type: text/event-stream\r\n\
                    Transfer-Encoding: chunked\r\nKeep-Alive: timeout=5, max=100\r\n\r\n";

/// Tokens as they are; none needs an escape in JSON.
const TEXTS: &[&str] = &["The", " gate", " stands", " open", ",", " and", " no", " one", " waits", ".", " It", " is"];

/// The beginning of a call, in tokens.
const OPENING: &[&str] = &[
    "<tool_call>",
    "\n",
    "{\"",
    "name",
    "\":",
    " \"",
    "note",
    "\",",
    " \"",
    "arguments",
    "\":",
    " {\"",
    "text",
    "\":",
    " \"",
];
const CLOSING: &[&str] = &["\"", "}}", "\n", "</tool_call>"];
