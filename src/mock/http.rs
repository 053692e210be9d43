//! As much of HTTP/1.1 as the mock needs: requests in, replies and chunked streams out.
//! Does no pipelining, no trailers and no compression.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// Requests on one connection.
pub(super) const REQUESTS_MAX: usize = 100;
/// How long a connection may be idle between requests.
const IDLE: Duration = Duration::from_secs(5);
/// Without it a client could fill the memory with a head that never ends.
const HEAD_BYTES_MAX: u64 = 1 << 20;
/// Without it a client could fill the memory with one body.
const BODY_BYTES_MAX: usize = 256 << 20;

#[derive(Debug)]
pub(super) struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// What the server says of itself in each head.
    common: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Request {
    pub method: String,
    pub target: String,
    pub body: Vec<u8>,
    /// The page from which a browser sends it.
    pub origin: Option<String>,
    /// Whether the client wants the connection closed after the answer.
    pub closes: bool,
}

/// A reply that is known whole.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
    pub is_chunked: bool,
}

impl Reply {
    /// A 200 with a JSON body.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::of(200, JSON, value.to_string())
    }

    /// A 200 with a body in Prometheus' text format.
    pub fn text(body: String) -> Self {
        Self::of(200, "text/plain; version=0.0.4", body)
    }

    /// An error as the real server words it.
    pub fn error(status: u16, kind: &str, message: &str) -> Self {
        let error = serde_json::json!({ "error": { "code": status, "message": message, "type": kind } });
        Self::of(status, JSON, error.to_string())
    }

    /// What a router says of a child that it cannot reach.
    pub fn unreachable(request: &Request) -> Self {
        Self::of_proxy(request, "proxy error: Could not establish connection")
    }

    /// What a router says of a child that went before it answered.
    pub fn cut_off(request: &Request) -> Self {
        Self::of_proxy(request, "proxy error: Failed to read connection")
    }

    /// The words are no JSON, though they are called that where the answer to a POST was to come.
    fn of_proxy(request: &Request, words: &str) -> Self {
        if request.method == "POST" {
            Self { is_chunked: true, ..Self::of(500, JSON, words.into()) }
        } else {
            Self::plain(500, words)
        }
    }

    fn of(status: u16, content_type: &'static str, body: String) -> Self {
        Self { status, content_type, body, is_chunked: false }
    }

    /// Plain text.
    pub fn plain(status: u16, text: &str) -> Self {
        Self::of(status, "text/plain; charset=utf-8", text.into())
    }

    /// The error for a page that there is not.
    pub fn not_found() -> Self {
        Self::error(404, "not_found_error", "File Not Found")
    }
}

impl Request {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A parameter of the target's query, percent-decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| decode(value))
    }
}

impl Connection {
    /// A connection on which nothing was read yet.
    pub fn new(stream: TcpStream, manner: Manner) -> Self {
        let (reader, writer) = stream.into_split();
        let common = match manner {
            Manner::LlamaCpp => COMMON,
            Manner::Plain => "",
        };
        Self { reader: BufReader::new(reader), writer, common }
    }

    /// The next request, or nothing when the client is done. What is not HTTP is `InvalidData`.
    pub async fn read_request(&mut self) -> io::Result<Option<Request>> {
        let Ok(first) = timeout(IDLE, self.reader.fill_buf()).await else { return Ok(None) };
        if first?.is_empty() {
            return Ok(None);
        }
        let mut head = (&mut self.reader).take(HEAD_BYTES_MAX);
        let line = read_line(&mut head).await?;
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(invalid("the request line is not HTTP"));
        };
        let mut request = Request { method: method.into(), target: target.into(), ..Request::default() };
        request.closes = version == "HTTP/1.0";
        let mut framing = Framing::Length(0);
        let mut waits = false;
        loop {
            let line = read_line(&mut head).await?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header has no colon"))?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" if framing != Framing::Chunked => {
                    framing = Framing::Length(value.parse().map_err(|_| invalid("Content-Length is not a number"))?);
                }
                "transfer-encoding" => framing = Framing::Chunked,
                "origin" => request.origin = Some(value.into()),
                "connection" if value.eq_ignore_ascii_case("close") => request.closes = true,
                "expect" => waits = true,
                _ => {}
            }
        }
        if waits {
            self.writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        request.body = self.read_body(framing).await?;
        Ok(Some(request))
    }

    async fn read_body(&mut self, framing: Framing) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        match framing {
            Framing::Length(length) => self.read_part(length, &mut body).await?,
            Framing::Chunked => loop {
                let line = read_line(&mut self.reader).await?;
                let size = line.split(';').next().unwrap_or_default();
                let size =
                    usize::from_str_radix(size.trim(), 16).map_err(|_| invalid("a chunk's size is not a number"))?;
                self.read_part(size, &mut body).await?;
                read_line(&mut self.reader).await?;
                if size == 0 {
                    break;
                }
            },
        }
        Ok(body)
    }

    async fn read_part(&mut self, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
        if length > BODY_BYTES_MAX.saturating_sub(body.len()) {
            return Err(invalid("the body is too large"));
        }
        let bytes = u64::try_from(length).map_err(|_| invalid("the body is too large"))?;
        match (&mut self.reader).take(bytes).read_to_end(body).await? {
            read if read == length => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Writes a reply as a whole; to `HEAD` without its body. Fails when the client has left.
    pub async fn write_reply(&mut self, request: &Request, reply: &Reply) -> io::Result<()> {
        let head = reply_head(request, reply, self.common);
        let body = if request.method == "HEAD" { "" } else { &reply.body };
        if reply.is_chunked {
            self.writer.write_all(head.as_bytes()).await?;
            self.write_chunk(body).await?;
            return self.write_chunk("").await;
        }
        self.writer.write_all(format!("{head}{body}").as_bytes()).await
    }

    /// Writes a reply's head and half of its body.
    pub async fn write_half(&mut self, request: &Request, reply: &Reply) -> io::Result<()> {
        let half = reply.body.len() / 2;
        let bytes = reply.body.as_bytes().get(..half).unwrap_or_default();
        self.writer.write_all(reply_head(request, reply, self.common).as_bytes()).await?;
        self.writer.write_all(bytes).await
    }

    /// Writes the head of a stream of events, whose chunks follow. Fails when the client has left.
    pub async fn write_stream_head(&mut self) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 200 OK\r\n{}X-Accel-Buffering: no\r\nContent-Type: text/event-stream\r\n\
             Transfer-Encoding: chunked\r\n{KEEP_ALIVE}\r\n",
            self.common
        );
        self.writer.write_all(head.as_bytes()).await
    }

    /// Writes the head of a stream of lines of JSON, whose chunks follow. Fails when the client has left.
    pub async fn write_lines_head(&mut self, request: &Request) -> io::Result<()> {
        let reply = Reply { is_chunked: true, ..Reply::of(200, NDJSON, String::new()) };
        self.writer.write_all(reply_head(request, &reply, self.common).as_bytes()).await
    }

    /// Writes one HTTP chunk; an empty one ends the body.
    pub async fn write_chunk(&mut self, data: &str) -> io::Result<()> {
        self.writer.write_all(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes()).await
    }

    /// Returns when the client has closed its side. What it sends meanwhile stays unread.
    pub async fn gone(&mut self) {
        let mut byte = [0];
        if matches!(self.reader.get_mut().peek(&mut byte).await, Ok(1..)) {
            std::future::pending().await
        }
    }
}

/// How a server's heads begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    LlamaCpp,
    /// It says nothing of itself.
    Plain,
}

/// Where a request's body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
}

fn reply_head(request: &Request, reply: &Reply, common: &str) -> String {
    let (status, reason) = (reply.status, reason(reply.status));
    let length = format!("Content-Length: {}", reply.body.len());
    let framing = if reply.is_chunked { "Transfer-Encoding: chunked" } else { &length };
    let connection = if request.closes { "Connection: close\r\n" } else { KEEP_ALIVE };
    format!(
        "HTTP/1.1 {status} {reason}\r\n{common}Content-Type: {}\r\n{framing}\r\n{connection}\r\n",
        reply.content_type
    )
}

async fn read_line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = Vec::new();
    reader.take(HEAD_BYTES_MAX).read_until(b'\n', &mut line).await?;
    let line = line.strip_suffix(b"\n").ok_or_else(|| invalid("a line does not end"))?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8(line.to_vec()).map_err(|_| invalid("a line is not UTF-8"))
}

/// A part of a target as it was before it was percent-encoded; what is no code stays as it is.
pub(super) fn decode(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let code = piece.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(code.unwrap_or(b'%'));
        bytes.extend_from_slice(piece.get(if code.is_some() { 2 } else { 0 }..).unwrap_or_default().as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json; charset=utf-8";
const COMMON: &str = "Server: llama.cpp\r\nAccess-Control-Allow-Origin: \r\n";
const KEEP_ALIVE: &str = "Keep-Alive: timeout=5, max=100\r\n";
