//! The clients: each sends one request on a connection of its own and reads the answer to its end.
//! Reads no events; it knows when the first came, and looks at the last bytes.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::upstream::{STAMP, nanos};

/// An answer that has begun.
pub struct Answer {
    stream: TcpStream,
    api: Api,
    read: Vec<u8>,
    /// From before the connection was made to the first event.
    pub first: Duration,
}

/// The API that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Chat,
    Messages,
    Ollama,
}

impl Api {
    fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::Ollama => "/api/chat",
        }
    }

    /// What the first event begins with.
    fn first(self) -> &'static [u8] {
        match self {
            Self::Chat | Self::Messages => b"data:",
            Self::Ollama => b"{\"model\":",
        }
    }

    /// What the last has.
    fn last(self) -> &'static [u8] {
        match self {
            Self::Chat => b"data: [DONE]",
            Self::Messages => b"event: message_stop",
            Self::Ollama => b"\"done\":true",
        }
    }
}

/// Sends a request and waits for the first event.
pub async fn begin(addr: SocketAddr, api: Api, body: &str) -> io::Result<Answer> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {addr}\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        api.path(),
        body.len()
    );
    stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).await?;
    let mut read = Vec::with_capacity(1 << 10);
    while memmem::find(&read, api.first()).is_none() {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::Error::other(String::from_utf8_lossy(&read)));
        }
    }
    Ok(Answer { stream, api, read, first: began.elapsed() })
}

impl Answer {
    /// Reads on to the end, which must be a proper one. Returns the last bytes.
    pub async fn end(mut self) -> io::Result<Vec<u8>> {
        self.read.reserve(READ_BYTES);
        loop {
            if self.read.len() > READ_BYTES / 2 {
                let last = self.read.len() - TAIL_BYTES;
                self.read.drain(..last);
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                break;
            }
        }
        match memmem::find(&unchunked(&self.read), self.api.last()) {
            Some(_) => Ok(self.read),
            None => Err(io::Error::other(format!("cut off: {}", String::from_utf8_lossy(&self.read)))),
        }
    }
}

impl Answer {
    /// Reads on to the end: how long each event that says when it was sent took from there, in microseconds.
    pub async fn delays(mut self) -> io::Result<Vec<f64>> {
        let mut delays = Vec::new();
        // What came with the first waited for it.
        self.read.clear();
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                break;
            }
            let now = nanos();
            let mut from = 0;
            while let Some(at) = self.read.get(from..).and_then(|rest| memmem::find(rest, STAMP.as_bytes())) {
                let digits = from + at + STAMP.len();
                let Some(stamp) = self.read.get(digits..digits + 20) else { break };
                let sent: u128 = str::from_utf8(stamp).ok().and_then(|stamp| stamp.parse().ok()).unwrap_or(0);
                if sent > 0 {
                    delays.push(now.saturating_sub(sent) as f64 / 1e3);
                }
                from = digits + 20;
            }
            let keep = from.max(self.read.len().saturating_sub(TAIL_BYTES));
            self.read.drain(..keep.min(self.read.len()));
        }
        if delays.is_empty() { Err(io::Error::other("no event was stamped")) } else { Ok(delays) }
    }
}

/// Without what frames chunks: proxies may cut events in two.
fn unchunked(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memmem::find(rest, b"\r\n") {
        let (before, behind) = rest.split_at(at);
        plain.extend_from_slice(before);
        let line = memmem::find(behind.get(2..).unwrap_or_default(), b"\r\n");
        let size = line.and_then(|line| behind.get(2..2 + line)).unwrap_or_default();
        let is_size = size.iter().all(u8::is_ascii_hexdigit);
        rest = behind.get(if is_size && line.is_some() { size.len() + 4 } else { 2 }..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    plain
}

const READ_BYTES: usize = 64 << 10;
const TAIL_BYTES: usize = 1 << 10;
