//! Questions to servers: asks them for their own pages.
//! Takes no place there: what is asked says nothing about a server's slots, and reads nothing of the answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora::connectors::http::Connector;
use pingora::http::{Method, RequestHeader};
use pingora::protocols::http::client::HttpSession;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config;

use super::cause::{Cause, is_shortage};
use super::connection::Connection;
use super::dial::Dial;
use super::endpoint::Endpoint;
use super::watch::Watch;

/// What is waited for one server. A request may be waiting too, for its first token or for a list.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// What takes longer is not waited for. A load from a slow disk takes minutes.
const DONE_MAX_MS: u64 = 3_600_000;
/// Templates of 20 KiB are usual, and lists of some hundred models with their command lines; an answer over this is none.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// What a server is asked.
#[derive(Clone, Debug)]
pub struct Question {
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// JSON, or nothing.
    pub body: Bytes,
}

impl Question {
    /// That gives an order, in JSON.
    pub fn order(path: &str, body: String) -> Self {
        Self { method: Method::POST, path: path.to_owned(), body: body.into() }
    }

    /// The same with its body as it is to be, where that differs.
    pub fn edited(mut self, edit: impl FnOnce(&[u8]) -> Option<Bytes>) -> Self {
        self.body = edit(&self.body).unwrap_or(self.body);
        self
    }

    /// For a page.
    pub fn page(path: &str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), body: Bytes::new() }
    }
}

/// An answer as it came.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Why a page was not had.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("{0}")]
    Address(#[from] std::io::Error),
    #[error("{}", Cause(.0))]
    Http(#[from] Box<pingora::Error>),
    #[error("the answer is over {PAGE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("no answer within {ANSWER_MAX:?}")]
    Late,
}

impl AskError {
    /// Whether it was not asked at all, for want of a descriptor.
    pub fn is_shortage(&self) -> bool {
        match self {
            Self::Address(e) => is_shortage(e),
            Self::Http(e) => Cause(e).is_shortage(),
            Self::TooLarge | Self::Late => false,
        }
    }
}

/// The body of each server's answer, in the order of the servers; none of one that does not answer in time.
/// A server without a key of its own is shown the client's `authorization`.
pub async fn all(
    pool: &config::Pool,
    endpoints: impl Iterator<Item = &Arc<Endpoint>>,
    question: &Question,
    authorization: Option<&str>,
) -> Vec<Option<Vec<u8>>> {
    let mut asking = JoinSet::new();
    for (place, endpoint) in endpoints.enumerate() {
        let (endpoint, timeouts) = (Arc::clone(endpoint), pool.timeouts);
        let (question, authorization) = (question.clone(), authorization.map(str::to_owned));
        asking.spawn(async move {
            let answer = ask(&endpoint, &question, authorization, timeouts).await;
            (place, endpoint, answer)
        });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(place, ..)| *place);
    let body = |(_, endpoint, answer): (usize, Arc<Endpoint>, Result<Reply, AskError>)| {
        let why = match answer {
            Ok(Reply { status: 200, body }) => return Some(body),
            Ok(Reply { status, .. }) => format!("it answered {status}"),
            Err(e) => e.to_string(),
        };
        log::warn!("pool {}: asking {} for `{}`: {why}", pool.name, endpoint.url(), question.path);
        None
    };
    answers.into_iter().map(body).collect()
}

/// One page, on a connection of its own. A server without a key of its own is shown the `authorization`.
pub async fn page(
    endpoint: &Arc<Endpoint>,
    path: &str,
    authorization: Option<String>,
    timeouts: config::Timeouts,
) -> Result<Reply, AskError> {
    ask(endpoint, &Question::page(path), authorization, timeouts).await
}

/// One question, on a connection of its own.
pub async fn ask(
    endpoint: &Arc<Endpoint>,
    question: &Question,
    authorization: Option<String>,
    timeouts: config::Timeouts,
) -> Result<Reply, AskError> {
    timeout(ANSWER_MAX, exchange(endpoint, question, authorization, timeouts)).await.unwrap_or(Err(AskError::Late))
}

/// The same of something that is answered once it is done, however long that takes.
pub async fn await_done(endpoint: &Arc<Endpoint>, question: &Question, connect_ms: u64) -> Result<Reply, AskError> {
    let timeouts = config::Timeouts {
        connect_ms,
        first_byte_ms: None,
        idle_ms: None,
        total_ms: Some(DONE_MAX_MS),
        client_ms: None,
    };
    exchange(endpoint, question, None, timeouts).await
}

/// Tells of each piece of an answer that goes on for ever. Returns when it has ended, or does not begin in time; a
/// status other than 200 ends it at once.
pub async fn follow(
    endpoint: &Arc<Endpoint>,
    path: &str,
    timeouts: config::Timeouts,
    mut piece: impl FnMut(Bytes),
) -> Result<(), AskError> {
    let opened = timeout(ANSWER_MAX, open(endpoint, &Question::page(path), None, timeouts)).await;
    let mut session = opened.unwrap_or(Err(AskError::Late))?;
    if status(&session) != 200 {
        return Ok(());
    }
    // Whoever listens learns first that it does.
    piece(Bytes::new());
    while let Some(bytes) = session.read_response_body().await? {
        piece(bytes);
    }
    Ok(())
}

async fn exchange(
    endpoint: &Arc<Endpoint>,
    question: &Question,
    authorization: Option<String>,
    timeouts: config::Timeouts,
) -> Result<Reply, AskError> {
    let mut session = open(endpoint, question, authorization, timeouts).await?;
    let mut body = Vec::new();
    while let Some(bytes) = session.read_response_body().await? {
        if body.len() + bytes.len() > PAGE_BYTES_MAX {
            return Err(AskError::TooLarge);
        }
        body.extend_from_slice(&bytes);
        // No page has them, and they may come for as long as a model writes.
        if is_events(&body) {
            break;
        }
    }
    Ok(Reply { status: status(&session), body })
}

/// Whether a body begins as a stream of events does, whatever its head calls it.
fn is_events(body: &[u8]) -> bool {
    ["data:", "event:", ":"].iter().any(|begin| body.trim_ascii_start().starts_with(begin.as_bytes()))
}

fn status(session: &HttpSession) -> u16 {
    session.response_header().map_or(0, |header| header.status.as_u16())
}

/// Sends a question, and reads the head of its answer.
async fn open(
    endpoint: &Arc<Endpoint>,
    question: &Question,
    authorization: Option<String>,
    timeouts: config::Timeouts,
) -> Result<HttpSession, AskError> {
    let connection = Connection::Own(Arc::new(Watch::new(timeouts)));
    let http_peer = connection.to(Dial::to(endpoint, timeouts).await?)?;
    let connector: Connector = Connector::new(None);
    let (mut session, _) = connector.get_http_session(&http_peer).await?;
    let path = format!("{}{}", endpoint.prefix(), question.path);
    let mut request = RequestHeader::build(question.method.clone(), path.as_bytes(), Some(5))?;
    request.insert_header("Host", endpoint.authority())?;
    request.insert_header("Connection", "close")?;
    if let Some(authorization) = endpoint.authorization().or(authorization) {
        request.insert_header("Authorization", authorization)?;
    }
    if !question.body.is_empty() {
        request.insert_header("Content-Type", "application/json")?;
        request.insert_header("Content-Length", question.body.len())?;
    }
    session.write_request_header(Box::new(request)).await?;
    if !question.body.is_empty() {
        session.write_request_body(question.body.clone(), true).await?;
    }
    session.finish_request_body().await?;
    session.read_response_header().await?;
    Ok(session)
}
