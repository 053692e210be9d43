//! llama.cpp's streams that outlive their client: whoever sends `X-Conversation-Id` may leave and come back for the
//! rest at `/v1/stream`, which only the server that has the stream can give.
//! Keeps no stream itself, and reads none.

use std::sync::Arc;

use bytes::Bytes;
use pingora::Result;
use pingora::http::{Method, RequestHeader, ResponseHeader};
use pingora::proxy::Session;

use crate::balance::{PeerId, prefix};
use crate::config::Conversations;
use crate::exchange::Engine;
use crate::upstream::{Claim, ClaimError, Pool, Question};

use super::body::Read;
use super::context::Context;
use super::context::{Delivery, Target};
use super::fault::Fault;
use super::path;
use super::shared::Gateway;

const HEADER: &str = "X-Conversation-Id";
/// A longer name is none: it would stand in a path.
const ID_BYTES_MAX: usize = 512;
/// Between a conversation and its model, in the names of a server that runs several.
const MODEL: &str = "::";

/// A conversation whose stream its server keeps.
#[derive(Debug)]
pub struct Conversation {
    /// As the client wrote it.
    id: Vec<u8>,
    /// What the pools know it by.
    pub key: u64,
}

/// What is asked of a kept stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// Its bytes, from some place on.
    Read,
    /// Its end, at the server that has it.
    End,
    /// Its end, wherever it is: every server is told.
    EndEverywhere,
}

/// A request about kept streams.
#[derive(Debug)]
enum Wanted {
    Stream(Conversation),
    Lookup,
}

impl Conversation {
    fn new(id: Vec<u8>) -> Option<Self> {
        // Another name space than that of the sessions.
        let key = prefix::key(&[b"conversation ", id.as_slice()].concat());
        (!id.is_empty() && id.len() <= ID_BYTES_MAX).then_some(Self { id, key })
    }

    /// The one that a request names in its head.
    fn named(request: &RequestHeader) -> Option<Self> {
        Self::new(request.headers.get(HEADER)?.as_bytes().to_vec())
    }

    /// The model in its name, where a server that runs several needs one.
    fn model(&self) -> Option<&str> {
        Some(std::str::from_utf8(&self.id).ok()?.rsplit_once(MODEL)?.1)
    }

    fn end(&self) -> Question {
        Question {
            method: Method::DELETE,
            path: format!("/v1/stream?conv_id={}", escaped(&self.id)),
            body: Bytes::new(),
        }
    }
}

impl Wanted {
    fn of(request: &RequestHeader) -> Option<Self> {
        let segments = path::segments(request);
        let segments: Vec<&[u8]> = segments.iter().map(Vec::as_slice).collect();
        match (&request.method, segments.as_slice()) {
            (&Method::GET | &Method::DELETE, [b"v1", b"stream"]) => {
                let id = request.uri.query()?.split('&').find_map(|pair| pair.strip_prefix("conv_id="))?;
                Conversation::new(path::decoded(id.replace('+', " ").as_bytes())).map(Self::Stream)
            }
            (&Method::POST, [b"v1", b"streams", b"lookup"]) => Some(Self::Lookup),
            _ => None,
        }
    }
}

impl Gateway {
    /// Answers a request about kept streams, or directs it at the server that has the stream. With one server there
    /// is no question.
    pub(super) async fn resume(&self, session: &mut Session, context: &mut Context) -> Result<Resumed> {
        let settings = Arc::clone(&context.settings);
        let keepers: Vec<_> = settings.upstream.pools().iter().filter(|pool| keeps(pool)).cloned().collect();
        if keepers.iter().map(|pool| pool.peers().len()).sum::<usize>() < 2 {
            return Ok(Resumed::No);
        }
        match Wanted::of(session.req_header()) {
            None => Ok(Resumed::No),
            Some(Wanted::Lookup) => self.look_up(session, context, &keepers).await,
            Some(Wanted::Stream(conversation)) => {
                let has_it = keepers.iter().find(|pool| pool.home(conversation.key).is_some());
                let runs_it = || conversation.model().and_then(|model| settings.upstream.running(model));
                context.target.pool = has_it.or_else(runs_it).or(keepers.first()).cloned();
                context.target.resumption = Some(match (&session.req_header().method, has_it) {
                    (&Method::DELETE, Some(_)) => Resumption::End,
                    (&Method::DELETE, None) => Resumption::EndEverywhere,
                    _ => Resumption::Read,
                });
                context.target.session = Some(conversation.key);
                Ok(Resumed::Directed)
            }
        }
    }

    /// What all servers say of the conversations that the client asks about, as one list.
    async fn look_up(&self, session: &mut Session, context: &mut Context, keepers: &[Arc<Pool>]) -> Result<Resumed> {
        let Read::Whole(body) = self.read(session, context).await? else { return Ok(Resumed::No) };
        let question =
            Question { method: Method::POST, path: "/v1/streams/lookup".to_owned(), body: body.bytes.clone() };
        let authorization = session.get_header("authorization").and_then(|value| value.to_str().ok());
        let mut found: Vec<serde_json::Value> = Vec::new();
        let mut answers = 0;
        for pool in keepers {
            for (_, page) in pool.ask_all(&question, authorization).await {
                answers += 1;
                found.extend(serde_json::from_slice::<Vec<serde_json::Value>>(&page).unwrap_or_default());
            }
        }
        if answers == 0 {
            return Err(context.fail(Fault::Claim(ClaimError::Unreachable)));
        }
        self.answer_json(session, context, serde_json::Value::from(found).to_string()).await?;
        Ok(Resumed::Answered)
    }

    /// A request is over before its answer: who is left goes, and a server that would go on for a client that may
    /// come back is told to stop, unless it is to wait. Its place is counted until it has answered.
    pub(super) fn abandon(&self, session: &Session, context: &mut Context, claim: Claim) {
        let policy = context.target.pool.as_ref().map(|pool| pool.config().conversations);
        let Some(conversation) = context.conversation.take().filter(|_| policy == Some(Conversations::Cancel)) else {
            return;
        };
        let authorization = session.get_header("authorization").and_then(|value| value.to_str().ok());
        let authorization = authorization.map(str::to_owned);
        let (busy, id) = (self.lifecycle.enter(), context.id.clone());
        tokio::spawn(async move {
            if let Err(e) = claim.ask(&conversation.end(), authorization).await {
                log::warn!("{id}: {} could not be told to stop: {e}", claim.peer().url());
            }
            drop((claim, busy));
        });
    }
}

/// Notes the conversation of a request that goes to this pool. Its stream can be kept only as it comes: places in it are
/// counted in bytes, and bytes that were rewritten are others than the server has.
pub fn converse(session: &mut Session, context: &mut Context, pool: &Pool) {
    let Some(conversation) = Conversation::named(session.req_header()).filter(|_| keeps(pool)) else { return };
    context.target.session = context.target.session.or(Some(conversation.key));
    let comes_as_it_is =
        context.exchange.is_none() && context.alias.is_none() && context.delivery == Delivery::AsItComes;
    if comes_as_it_is {
        log::debug!("{}: its stream is kept by a server of pool {}", context.id, pool.name());
        context.conversation = Some(conversation);
    } else {
        session.req_header_mut().remove_header(HEADER);
    }
}

/// What became of a request about kept streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// It is about something else, or there is one server only.
    No,
    /// Its pool is known, and that it goes to the server that has the stream.
    Directed,
    Answered,
}

impl Target {
    /// Whether another server is to be asked for a kept stream: this one does not have it, or may not.
    pub(super) fn resumes_elsewhere(&mut self, response: &ResponseHeader, asked: PeerId) -> bool {
        let Some(resumption) = self.resumption else { return false };
        let is_elsewhere = response.status == 404 || resumption == Resumption::EndEverywhere;
        if is_elsewhere {
            self.tried.push(asked);
        }
        is_elsewhere && self.has_untried()
    }
}

fn keeps(pool: &Pool) -> bool {
    pool.config().engine == Engine::LlamaCpp
}

/// As it may stand in a query.
fn escaped(text: &[u8]) -> String {
    let escape = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.iter().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str) -> RequestHeader {
        RequestHeader::build(method, target.as_bytes(), None).unwrap()
    }

    #[test]
    fn a_request_about_a_stream_names_its_conversation() {
        for (method, target, expected) in [
            ("GET", "/v1/stream?conv_id=a&from=12", Some("a")),
            ("GET", "/v1/stream?from=0&conv_id=a%2Fb%3A%3Am", Some("a/b::m")),
            ("DELETE", "//v1/stream?conv_id=a+b", Some("a b")),
            ("GET", "/v1/stream", None),
            ("GET", "/v1/stream?conv_id=", None),
            ("POST", "/v1/stream?conv_id=a", None),
            ("GET", "/v1/streams?conv_id=a", None),
        ] {
            let id = match Wanted::of(&request(method, target)) {
                Some(Wanted::Stream(conversation)) => Some(String::from_utf8(conversation.id).unwrap()),
                _ => None,
            };
            assert_eq!(id.as_deref(), expected, "{method} {target}");
        }
        assert!(matches!(Wanted::of(&request("POST", "/v1/streams/lookup")), Some(Wanted::Lookup)));
        assert!(Wanted::of(&request("GET", "/v1/streams/lookup")).is_none());
    }

    #[test]
    fn a_name_is_escaped_and_read_back() {
        let id = "a b/c::m?&=é%20";
        let mut post = request("POST", "/v1/chat/completions");
        post.insert_header(HEADER, id).unwrap();
        let named = Conversation::named(&post).unwrap();
        let Some(Wanted::Stream(found)) = Wanted::of(&request("DELETE", &named.end().path)) else { panic!() };
        assert_eq!((found.id.as_slice(), found.key), (id.as_bytes(), named.key));
        assert_eq!(named.model(), Some("m?&=é%20"));
        assert!(Conversation::new(vec![b'x'; ID_BYTES_MAX + 1]).is_none());
    }
}
