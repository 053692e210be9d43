//! HTTP to a server that has a URL: one request on a connection of its own, and its answer as it comes.
//! Knows nothing of MCP. Whoever waits keeps the time: an answer may be silent for as long as a tool works.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use pingora::ErrorType;
use pingora::http::{Method, RequestHeader, ResponseHeader};
use pingora::protocols::http::v1::client::http_req_header_to_wire;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::meter::MESSAGE_BYTES_MAX;
use crate::config::{Peer, Secret, Timeouts};
use crate::upstream::{Cause, Deadlines, Dial, Endpoint, Part, ServerConnection};

/// Where a server is.
#[derive(Debug)]
pub struct Place {
    endpoint: Arc<Endpoint>,
    path: String,
    /// Of every request.
    headers: Vec<(String, Secret)>,
}

/// An answer whose head has come.
#[derive(Debug)]
pub struct Answer {
    pub head: Box<ResponseHeader>,
    connection: ServerConnection<TcpStream>,
    parts: VecDeque<Part>,
    is_over: bool,
}

/// Why there is no answer, or none that is of use.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{0}")]
    Address(io::Error),
    #[error("{}", Cause(.0))]
    Exchange(Box<pingora::Error>),
    #[error("it answered {0}: its `headers` do not let toolgate in")]
    Unauthorized(u16),
    #[error("it answered {0}: its `url` is another one")]
    Elsewhere(u16),
    #[error("it answered {0}")]
    Status(u16),
    #[error("its answer is over {MESSAGE_BYTES_MAX} bytes")]
    Large,
    #[error("its answer is {0}")]
    NotMcp(&'static str),
}

const CONNECT_MS: u64 = 5_000;

impl Place {
    /// Of a server at a peer's address. Resolves no name.
    pub fn new(at: &Peer, path: &str, headers: &[(String, Secret)]) -> Self {
        Self { endpoint: Arc::new(Endpoint::new(at)), path: path.to_owned(), headers: headers.to_vec() }
    }

    /// Sends a request, and waits for the head of its answer. A header that is named twice is the later one.
    pub async fn ask(&self, method: Method, fields: &[(&str, &str)], body: Bytes) -> Result<Answer, HttpError> {
        let timeouts =
            Timeouts { connect_ms: CONNECT_MS, first_byte_ms: None, idle_ms: None, total_ms: None, client_ms: None };
        let head = self.head(method, fields, body.len()).map_err(HttpError::Exchange)?;
        let dial = Dial::to(&self.endpoint, timeouts).await.map_err(HttpError::Address)?;
        let transport = dial.connect_within().await.map_err(HttpError::Exchange)?;
        let connection = ServerConnection::new(transport, Deadlines::new(timeouts, Instant::now()), head, body);
        Answer::begin(connection).await
    }

    fn head(&self, method: Method, fields: &[(&str, &str)], body_bytes: usize) -> pingora::Result<Bytes> {
        let mut request = RequestHeader::build(method.clone(), self.path.as_bytes(), None)?;
        request.insert_header("Host", self.endpoint.authority())?;
        request.insert_header("Connection", "close")?;
        request.insert_header("User-Agent", concat!("toolgate/", env!("CARGO_PKG_VERSION")))?;
        for (name, value) in &self.headers {
            request.insert_header(name.clone(), value.reveal())?;
        }
        for (name, value) in fields {
            request.insert_header((*name).to_owned(), *value)?;
        }
        if method == Method::POST {
            request.insert_header("Content-Length", body_bytes)?;
        }
        let wire = http_req_header_to_wire(&request).map(bytes::BytesMut::freeze);
        wire.ok_or_else(|| pingora::Error::explain(ErrorType::InvalidHTTPHeader, "the request has no head"))
    }
}

impl Answer {
    async fn begin(connection: ServerConnection<TcpStream>) -> Result<Self, HttpError> {
        let mut answer = Self {
            head: Box::new(ResponseHeader::build(500, None).map_err(HttpError::Exchange)?),
            connection,
            parts: VecDeque::new(),
            is_over: false,
        };
        loop {
            match answer.part().await? {
                // Those before are informational.
                Some(Part::Head(head)) if head.status.is_informational() => {}
                Some(Part::Head(head)) => {
                    answer.head = head;
                    return Ok(answer);
                }
                Some(Part::Data(_)) => {}
                Some(Part::End(_)) | None => return Err(HttpError::NotMcp("none")),
            }
        }
    }

    /// What its head says of it, in one number.
    pub fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// The value of a header, where it is text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Whether its body is of this type.
    pub fn is(&self, media_type: &str) -> bool {
        let essence = self.field("content-type").and_then(|value| value.split(';').next());
        essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
    }

    /// The next bytes of its body; none when it has ended.
    pub async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            match self.part().await? {
                Some(Part::Data(data)) => return Ok(Some(data)),
                Some(Part::Head(_)) => {}
                Some(Part::End(_)) | None => {
                    self.is_over = true;
                    return Ok(None);
                }
            }
        }
    }

    /// All of its body, which has a limit.
    pub async fn whole(&mut self) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        while let Some(bytes) = self.next().await? {
            if body.len() + bytes.len() > MESSAGE_BYTES_MAX {
                return Err(HttpError::Large);
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }

    async fn part(&mut self) -> Result<Option<Part>, HttpError> {
        while self.parts.is_empty() && !self.is_over {
            let mut came = Vec::new();
            let read = self.connection.read(&mut came).await;
            self.parts.extend(came);
            if self.parts.is_empty() {
                read.map_err(HttpError::Exchange)?;
            }
        }
        Ok(self.parts.pop_front())
    }
}
