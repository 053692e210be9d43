//! An event-stream server in llama-server's shape: one event in an HTTP chunk and a write.
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
    /// Events in a chunk, of those of the text.
    pub burst: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Text,
    Call,
    /// A call of a tool that reads a file, and a text behind its result.
    Turn,
}

impl Plan {
    pub fn model(self) -> String {
        let answer = match self.answer {
            Answer::Text => "text",
            Answer::Call => "call",
            Answer::Turn => "turn",
        };
        format!("{answer} {} {} {}", self.events, self.pause_us, self.burst)
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
        let answer = match words.next()? {
            "call" => Answer::Call,
            "turn" if memmem::find(request, b"<tool_response>").is_none() => Answer::Turn,
            _ => Answer::Text,
        };
        let mut number = || words.next()?.parse().ok();
        let (events, pause_us) = (number()?, number()?);
        let burst = number().and_then(|burst| usize::try_from(burst).ok()).unwrap_or(1).max(1);
        Some(Self { answer, events: usize::try_from(events).ok()?, pause_us, burst })
    }
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It is closed, as llama-server does.
    Close,
    /// It is kept, if its client wants that.
    Keep,
}

/// Serves until the process is ended.
pub fn serve(addr: &str, after: After) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(addr).await?;
        let chunks = Arc::new(Chunks::new());
        loop {
            let (stream, _) = listener.accept().await?;
            let chunks = Arc::clone(&chunks);
            // A client that leaves is no concern of this server's.
            tokio::spawn(async move { serve_all(stream, &chunks, after).await });
        }
    })
}

/// Answers one request after the other, as long as its client wants that.
async fn serve_all(mut stream: TcpStream, chunks: &Chunks, after: After) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let request = read_request(&mut stream).await?;
        answer(&mut stream, &request, chunks).await?;
        let head = request.get(..memmem::find(&request, b"\r\n\r\n").unwrap_or(0)).unwrap_or_default();
        if after == After::Close || memmem::find(&head.to_ascii_lowercase(), b"connection: close").is_some() {
            return stream.shutdown().await;
        }
    }
}

async fn answer(stream: &mut TcpStream, request: &[u8], chunks: &Chunks) -> io::Result<()> {
    let plan = Plan::read(request).ok_or(io::ErrorKind::InvalidData)?;
    stream.write_all(HEAD.as_bytes()).await?;
    let is_call = plan.answer == Answer::Call;
    stream.write_all(chunks.role.as_bytes()).await?;
    for chunk in chunks.reading.iter().filter(|_| plan.answer == Answer::Turn) {
        stream.write_all(chunk.as_bytes()).await?;
    }
    if plan.answer == Answer::Turn {
        return stream.write_all(chunks.end.as_bytes()).await;
    }
    for chunk in chunks.opening.iter().filter(|_| is_call) {
        stream.write_all(chunk.as_bytes()).await?;
    }
    let mut ticks = (plan.pause_us > 0).then(|| interval(Duration::from_micros(plan.pause_us)));
    let bursts: Vec<String> = match plan.burst {
        1 => Vec::new(),
        burst => chunks
            .events
            .iter()
            .cycle()
            .take(burst * chunks.events.len())
            .collect::<Vec<_>>()
            .chunks(burst)
            .map(|events| chunk(&events.iter().map(|event| event.as_str()).collect::<String>()))
            .collect(),
    };
    let texts = if bursts.is_empty() { &chunks.texts } else { &bursts };
    for chunk in texts.iter().cycle().take(plan.events / plan.burst) {
        let Some(ticks) = &mut ticks else {
            stream.write_all(chunk.as_bytes()).await?;
            continue;
        };
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        ticks.tick().await;
        let mut stamped = chunk.clone().into_bytes();
        if let Some(at) = memmem::find(&stamped, STAMP.as_bytes()) {
            let now = format!("{:020}", nanos());
            stamped.splice(at + STAMP.len()..at + STAMP.len() + now.len(), now.bytes());
        }
        stream.write_all(&stamped).await?;
    }
    for chunk in chunks.closing.iter().filter(|_| is_call) {
        stream.write_all(chunk.as_bytes()).await?;
    }
    stream.write_all(chunks.end.as_bytes()).await
}

/// What stands before the time at which an event was sent, in 20 digits.
pub const STAMP: &str = "\"id\":\"chatcmpl-";

/// The time, for whoever shares this machine.
pub fn nanos() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_nanos())
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
    /// The same without their chunks.
    events: Vec<String>,
    closing: Vec<String>,
    reading: Vec<String>,
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
            events: TEXTS.iter().map(|text| event(text)).collect(),
            closing: texts(CLOSING),
            reading: texts(READING),
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
         \"created\":1795163173,\"id\":\"chatcmpl-00000000000000000000mSj05bUqEAOm\",\"model\":\"some-model.gguf\",\
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
/// A call of a tool that runs in the gateway.
const READING: &[&str] = &[
    "Look",
    ".",
    "<tool_call>",
    "\n",
    "{\"",
    "name",
    "\":",
    " \"",
    "read",
    "_file",
    "\",",
    " \"",
    "arguments",
    "\":",
    " {\"",
    "file_path",
    "\":",
    " \"",
    "a.txt",
    "\"",
    "}}",
    "\n",
    "</tool_call>",
];
const CLOSING: &[&str] = &["\"", "}}", "\n", "</tool_call>"];
