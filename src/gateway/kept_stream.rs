//! Resumable streams, llama.cpp's, which outlive their client: whoever sends `X-Conversation-Id` may leave and
//! come back for the rest at `/v1/stream`, which only the server that has the stream can give.
//! Says what is asked of them; keeps no stream, and reads none.

use bytes::Bytes;
use pingora::http::{Method, RequestHeader};

use crate::balance::prefix;
use crate::upstream::Question;

use super::path::{Segments, decoded};

pub const HEADER: &str = "X-Conversation-Id";
/// A longer name is none: it would stand in a path.
const ID_BYTES_MAX: usize = 512;
/// Between a conversation and its model, in the names of a server that runs several.
const MODEL: &str = "::";

/// A conversation whose stream its server keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What is asked about kept streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Stream(Conversation),
    Lookup,
}

impl Resumption {
    /// Whether another server is to be asked too: the one that answered does not have the stream, or may not.
    pub fn goes_on_elsewhere(self, status: u16) -> bool {
        status == 404 || self == Self::EndEverywhere
    }
}

impl Conversation {
    fn new(id: Vec<u8>) -> Option<Self> {
        // Another name space than that of the sessions.
        let key = prefix::key(&[b"conversation ", id.as_slice()].concat());
        (!id.is_empty() && id.len() <= ID_BYTES_MAX).then_some(Self { id, key })
    }

    /// The one that a request names in its head.
    pub fn named(request: &RequestHeader) -> Option<Self> {
        Self::new(request.headers.get(HEADER)?.as_bytes().to_vec())
    }

    /// The model in its name, where a server that runs several needs one.
    pub fn model(&self) -> Option<&str> {
        Some(std::str::from_utf8(&self.id).ok()?.rsplit_once(MODEL)?.1)
    }

    /// Asks its server to end the stream.
    pub fn end(&self) -> Question {
        Question {
            method: Method::DELETE,
            path: format!("/v1/stream?conv_id={}", escaped(&self.id)),
            body: Bytes::new(),
        }
    }
}

impl Asked {
    /// `None` when the request is about something else.
    pub fn of(request: &RequestHeader, segments: &Segments) -> Option<Self> {
        match (&request.method, segments.list().as_slice()) {
            (&Method::GET | &Method::DELETE, [b"v1", b"stream"]) => {
                let id = request.uri.query()?.split('&').find_map(|pair| pair.strip_prefix("conv_id="))?;
                Conversation::new(decoded(id.replace('+', " ").as_bytes())).map(Self::Stream)
            }
            (&Method::POST, [b"v1", b"streams", b"lookup"]) => Some(Self::Lookup),
            _ => None,
        }
    }
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

    fn asked(method: &str, target: &str) -> Option<Asked> {
        let request = request(method, target);
        Asked::of(&request, &Segments::of(&request))
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
            let id = match asked(method, target) {
                Some(Asked::Stream(conversation)) => Some(String::from_utf8(conversation.id).unwrap()),
                _ => None,
            };
            assert_eq!(id.as_deref(), expected, "{method} {target}");
        }
        assert!(matches!(asked("POST", "/v1/streams/lookup"), Some(Asked::Lookup)));
        assert!(asked("GET", "/v1/streams/lookup").is_none());
    }

    #[test]
    fn a_name_is_escaped_and_read_back() {
        let id = "a b/c::m?&=é%20";
        let mut post = request("POST", "/v1/chat/completions");
        post.insert_header(HEADER, id).unwrap();
        let named = Conversation::named(&post).unwrap();
        let Some(Asked::Stream(found)) = asked("DELETE", &named.end().path) else { panic!() };
        assert_eq!((found.id.as_slice(), found.key), (id.as_bytes(), named.key));
        assert_eq!(named.model(), Some("m?&=é%20"));
        assert!(Conversation::new(vec![b'x'; ID_BYTES_MAX + 1]).is_none());
    }
}
