//! Streamable HTTP, as MCP uses it: what is posted, what comes back, and the streams of events in which it does.
//! Sessions, versions and the order of messages are the library's.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::{HeaderName, HeaderValue};
use pingora::http::Method;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::common::client_side_sse::SseRetryPolicy;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::Sse;

use super::http::{Answer, HttpError, Place};
use super::meter::{Breach, MESSAGE_BYTES_MAX, Meter};
use crate::sse::{self, Event};

/// A client of one server, for one connection as the protocol counts it.
#[derive(Clone, Debug)]
pub struct HttpClient {
    place: Arc<Place>,
    meter: Arc<Meter>,
}

/// How often a stream that has ended is asked for again.
#[derive(Debug)]
pub struct Reconnects;

type Result<T, E = StreamableHttpError<HttpError>> = std::result::Result<T, E>;

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const SESSION: &str = "mcp-session-id";
/// After that the server's list of tools is asked for from time to time, which tells the same.
const RECONNECTS_MAX: usize = 5;
/// A server may say how long to wait before its stream is asked for again: not less, or it keeps the gateway busy.
const RETRY_MS: (u64, u64) = (1_000, 60_000);

/// What an exchange with a server failed of, where the library hands on an error of it.
pub fn failure(error: &DynamicTransportError) -> Option<String> {
    match error.error.downcast_ref::<StreamableHttpError<HttpError>>()? {
        StreamableHttpError::Client(error) => Some(error.to_string()),
        _ => None,
    }
}

impl SseRetryPolicy for Reconnects {
    fn retry(&self, tries: usize) -> Option<Duration> {
        let shift = u32::try_from(tries).unwrap_or(u32::MAX);
        (tries < RECONNECTS_MAX).then(|| Duration::from_secs(1_u64.checked_shl(shift).unwrap_or(u64::MAX)))
    }
}

impl HttpClient {
    /// Of a server at a place, whose events the meter counts.
    pub fn new(place: Place, meter: Arc<Meter>) -> Self {
        Self { place: Arc::new(place), meter }
    }

    async fn ask(
        &self,
        method: Method,
        own: &[(&str, Option<&str>)],
        library: &HashMap<HeaderName, HeaderValue>,
        body: Bytes,
    ) -> Result<Answer> {
        let library = library.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let own = own.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        let fields: Vec<_> = library.chain(own).collect();
        let answer = self.place.ask(method, &fields, body).await.map_err(StreamableHttpError::Client)?;
        match answer.status() {
            status @ (401 | 403) => failed(HttpError::Unauthorized(status)),
            status @ (301 | 302 | 303 | 307 | 308) => failed(HttpError::Elsewhere(status)),
            _ if answer.field("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) => {
                failed(HttpError::NotMcp("compressed"))
            }
            _ => Ok(answer),
        }
    }

    /// The one message that an answer is; an error that names no request is the answer to this one.
    async fn message(&self, mut answer: Answer, asked: &ClientJsonRpcMessage) -> Result<Option<ServerJsonRpcMessage>> {
        let body = answer.whole().await.map_err(StreamableHttpError::Client)?;
        let message = match serde_json::from_slice(&body) {
            Ok(JsonRpcMessage::Error(mut error)) => {
                if let (None, JsonRpcMessage::Request(request)) = (&error.id, asked) {
                    error.id = Some(request.id.clone());
                }
                Some(JsonRpcMessage::Error(error))
            }
            Ok(message) => Some(message),
            Err(_) => None,
        };
        Ok(message)
    }

    fn events(&self, answer: Answer) -> BoxStream<'static, Result<Sse, SseError>> {
        let reading = Reading {
            answer,
            decoder: sse::Decoder::new(MESSAGE_BYTES_MAX),
            meter: Arc::clone(&self.meter),
            events: VecDeque::new(),
        };
        stream::unfold(Some(reading), |reading| async {
            let mut reading = reading?;
            match reading.next().await {
                Ok(None) => None,
                Ok(Some(event)) => Some((Ok(event), Some(reading))),
                // Nothing follows an error.
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

impl StreamableHttpClient for HttpClient {
    type Error = HttpError;

    async fn post_message(
        &self,
        _: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse> {
        let own = [
            ("accept", Some("application/json, text/event-stream")),
            ("content-type", Some(JSON)),
            (SESSION, session.as_deref()),
        ];
        let body = serde_json::to_vec(&message)?;
        let answer = self.ask(Method::POST, &own, &headers, body.into()).await?;
        let is_asking = matches!(message, JsonRpcMessage::Request(_));
        let new_session = answer.field(SESSION).map(str::to_owned);
        match answer.status() {
            202 | 204 => return Ok(StreamableHttpPostResponse::Accepted),
            404 if session.is_some() => return Err(StreamableHttpError::SessionExpired),
            status if answer.is(JSON) => {
                return match self.message(answer, &message).await? {
                    Some(message) if matches!(message, JsonRpcMessage::Error(_)) || (200..300).contains(&status) => {
                        Ok(StreamableHttpPostResponse::Json(message, new_session))
                    }
                    None if !is_asking && (200..300).contains(&status) => Ok(StreamableHttpPostResponse::Accepted),
                    None if (200..300).contains(&status) => failed(HttpError::NotMcp("no message of MCP")),
                    _ => failed(HttpError::Status(status)),
                };
            }
            200..300 => {}
            _ => return failed(HttpError::Status(answer.status())),
        }
        match () {
            () if answer.is(EVENTS) => Ok(StreamableHttpPostResponse::Sse(self.events(answer), new_session)),
            () if !is_asking => Ok(StreamableHttpPostResponse::Accepted),
            () => failed(HttpError::NotMcp("neither JSON nor events")),
        }
    }

    async fn get_stream(
        &self,
        _: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>> {
        let own = [("accept", Some(EVENTS)), (SESSION, session.as_deref()), ("last-event-id", last_event.as_deref())];
        let answer = self.ask(Method::GET, &own, &headers, Bytes::new()).await?;
        match answer.status() {
            200..300 if answer.is(EVENTS) => Ok(self.events(answer)),
            // Not every server has something to say by itself.
            200..300 | 405 => Err(StreamableHttpError::ServerDoesNotSupportSse),
            404 if session.is_some() => Err(StreamableHttpError::SessionExpired),
            _ => failed(HttpError::Status(answer.status())),
        }
    }

    async fn delete_session(
        &self,
        _: Arc<str>,
        session: Arc<str>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<()> {
        // Some servers do not forget one so early.
        self.ask(Method::DELETE, &[(SESSION, Some(&session))], &headers, Bytes::new()).await.map(|_| ())
    }
}

fn failed<T>(error: HttpError) -> Result<T> {
    Err(StreamableHttpError::Client(error))
}

/// A stream of events that is read.
struct Reading {
    answer: Answer,
    decoder: sse::Decoder,
    meter: Arc<Meter>,
    events: VecDeque<Sse>,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Sse>, SseError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let bytes = self.answer.next().await.map_err(|error| SseError::Body(Box::new(error)))?;
            let Some(bytes) = bytes else { return Ok(None) };
            self.read(bytes).map_err(|breach| SseError::Body(Box::new(breach)))?;
        }
    }

    fn read(&mut self, bytes: Bytes) -> Result<(), Breach> {
        let length = bytes.len();
        self.decoder.push(bytes);
        let mut count = 0;
        loop {
            match self.decoder.next_event() {
                Ok(Some(event)) => {
                    count += 1;
                    self.events.extend(as_sse(&event));
                }
                Ok(None) => break,
                Err(_) => return Err(self.meter.break_off(Breach::Message)),
            }
        }
        self.meter.count(count, length, Instant::now())
    }
}

/// An event as the library wants it; none of a comment.
fn as_sse(event: &Event<'_>) -> Option<Sse> {
    let field = |name: &str| {
        let lines = event.raw.split(|byte| matches!(byte, b'\n' | b'\r'));
        let value = lines.filter_map(|line| line.strip_prefix(name.as_bytes())).next_back()?;
        std::str::from_utf8(value.strip_prefix(b" ").unwrap_or(value)).ok()
    };
    let data = event.data().and_then(|data| std::str::from_utf8(data).ok());
    let retry = field("retry:").and_then(|value| value.parse::<u64>().ok());
    let sse = Sse {
        event: field("event:").map(str::to_owned),
        data: data.map(str::to_owned),
        id: field("id:").map(str::to_owned),
        retry: retry.map(|ms| ms.clamp(RETRY_MS.0, RETRY_MS.1)),
    };
    (sse != Sse::default()).then_some(sse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<Sse> {
        let mut decoder = sse::Decoder::new(MESSAGE_BYTES_MAX);
        decoder.push(Bytes::copy_from_slice(text.as_bytes()));
        let mut events = Vec::new();
        while let Some(event) = decoder.next_event().unwrap() {
            events.extend(as_sse(&event));
        }
        events
    }

    #[test]
    fn an_event_keeps_what_the_protocol_reads() {
        let event = Sse::default().event("message").id("7").data("{\"a\": 1}");
        assert_eq!(events(": hello\n\nevent: message\r\nid: 7\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n"), [event]);
        assert_eq!(events("id: 1\ndata:\n\n"), [Sse::default().id("1").data("")]);
    }

    #[test]
    fn a_server_cannot_have_its_stream_asked_for_without_end() {
        assert_eq!(events("retry: 0\ndata: x\n\n"), [Sse::default().retry(1_000).data("x")]);
        assert_eq!(events("retry: 99999999\ndata: x\n\n"), [Sse::default().retry(60_000).data("x")]);
        let pauses: Vec<_> = (0..9).map_while(|tries| Reconnects.retry(tries)).map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16]);
    }
}
