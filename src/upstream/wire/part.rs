//! Parts of a server's answer, without their framing: heads, data, and the end.

use bytes::Bytes;
use pingora::Result;
use pingora::http::{ResponseHeader, Version};

/// A part of an answer.
#[derive(Debug)]
pub enum Part {
    /// Informational, or the one that the body follows.
    Head(Box<ResponseHeader>),
    /// Of the body; never empty.
    Data(Bytes),
    End(Ending),
}

/// What ends an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its framing.
    Framed,
    /// The end of its connection, since it has no other.
    Closed,
}

/// What a head says of an answer, beside its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub status: u16,
    pub form: Form,
    pub is_json: bool,
    /// Whether its length is said in advance.
    pub has_length: bool,
}

/// What a head says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It is an event stream.
    Events,
    /// It is something else, or nothing is said. Servers are known that send events all the same.
    Unsaid,
}

impl Facts {
    /// What a head says. `None` of an answer that is compressed.
    pub fn of(head: &ResponseHeader) -> Option<Self> {
        let field = |name| head.headers.get(name).map(|value| value.as_bytes().trim_ascii());
        let is_plain = field("content-encoding").is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"));
        let essence = field("content-type").and_then(|value| value.split(|byte| *byte == b';').next());
        let is_essence = |name: &[u8]| essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(name));
        is_plain.then(|| Self {
            status: head.status.as_u16(),
            form: if is_essence(b"text/event-stream") { Form::Events } else { Form::Unsaid },
            is_json: is_essence(b"application/json"),
            has_length: head.headers.contains_key("content-length"),
        })
    }
}

/// Members of a stream's head that a whole answer has otherwise, or not at all. The last keeps proxies from collecting a
/// stream.
const NOT_KEPT: [&str; 5] = ["content-length", "content-type", "trailer", "transfer-encoding", "x-accel-buffering"];

/// What a whole answer is.
pub const JSON: &str = "application/json; charset=utf-8";
/// What a stream is.
pub const EVENTS: &str = "text/event-stream";

/// The head of an answer that is made of another: its fields, but for those that say something of its body.
pub fn remade(head: &ResponseHeader, status: u16, content_type: &'static str) -> Result<Box<ResponseHeader>> {
    let mut remade = Box::new(head.clone());
    for name in NOT_KEPT {
        remade.remove_header(name);
    }
    remade.set_version(Version::HTTP_11);
    remade.set_reason_phrase(None)?;
    remade.set_status(status)?;
    remade.insert_header("Content-Type", content_type)?;
    Ok(remade)
}

/// An answer with the fields of another, all of it.
#[derive(Debug)]
pub struct Message {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Bytes,
}

impl Message {
    /// That is JSON.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: JSON, body: body.into() }
    }

    /// Shows it behind the fields of this head.
    pub fn show(self, head: &ResponseHeader, shown: &mut Vec<Part>) -> Result<()> {
        let mut head = remade(head, self.status, self.content_type)?;
        head.set_content_length(self.body.len())?;
        shown.push(Part::Head(head));
        if !self.body.is_empty() {
            shown.push(Part::Data(self.body));
        }
        shown.push(Part::End(Ending::Framed));
        Ok(())
    }
}
