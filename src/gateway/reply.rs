//! What is done to a reply: chosen by its head, then fed with its body.
//! The reading itself is `answer`'s.

use std::sync::PoisonError;

use bytes::{Bytes, BytesMut};
use pingora::Result;
use pingora::http::ResponseHeader;

use crate::answer::{AnswerTooLarge, BodyRewriter, ModelRewriter, StreamRewriter, Summary};
use crate::limits::Limits;
use crate::metrics::Reading;
use crate::plan::Plan;

use super::context::Context;
use super::headers;
use super::listing::List;
use super::refusal::Refusal;
use super::route::Kind;
use super::shared::Gateway;

/// A reply in the making.
#[derive(Debug, Default)]
pub enum Reply {
    /// It passes through.
    #[default]
    Passing,
    /// It passes through as events, unread but for where one ends.
    Events(Tail),
    Stream(Box<StreamRewriter>),
    Whole(Box<BodyRewriter>),
    /// It goes on as an error event.
    Refused(Box<Refusal>),
    /// A list of models, which goes on without what is private.
    List(Box<List>),
}

/// The last bytes of a stream that passes through: an event may follow only what ends one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tail([u8; 4]);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes.get(bytes.len().saturating_sub(self.0.len())..).unwrap_or_default() {
            self.0.rotate_left(1);
            self.0[3] = *byte;
        }
    }

    fn is_between_events(self) -> bool {
        self.0 == [0; 4] || [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].iter().any(|end| self.0.ends_with(end))
    }
}

/// Why a reply that was to be read passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("its status is {0}")]
    Status(u16),
    #[error("it is compressed although `identity` was asked for")]
    Compressed,
    #[error("it is neither JSON nor an event stream")]
    ContentType,
}

/// How a reply that can be read comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Stream,
    Whole,
}

impl Form {
    fn of(header: &ResponseHeader) -> Result<Self, Unread> {
        if header.status.as_u16() != 200 {
            return Err(Unread::Status(header.status.as_u16()));
        }
        let encoding = header.headers.get("content-encoding");
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(Unread::Compressed);
        }
        if is_event_stream(header) {
            Ok(Self::Stream)
        } else if essence(header).eq_ignore_ascii_case(b"application/json") {
            Ok(Self::Whole)
        } else {
            Err(Unread::ContentType)
        }
    }
}

impl Gateway {
    /// How the reply is read, and what of its head changes with it.
    pub(super) fn choose_reading(&self, response: &mut ResponseHeader, context: &mut Context) -> Result<()> {
        match Reply::to(response, &context.plan, &context.settings.limits) {
            Ok(Reply::Passing) => {
                // Of other APIs it is not known how an error is told within a stream.
                let generates = context.route.generates();
                if generates && is_plain_stream(response) && !response.headers.contains_key("content-length") {
                    context.reply = Reply::Events(Tail::default());
                } else if context.route.kind == Kind::ServersModels
                    && response.status.is_success()
                    && !is_event_stream(response)
                {
                    headers::unframe_response(response);
                    context.reply = Reply::List(Box::new(List::new(&context.settings.limits)));
                }
            }
            Ok(reply) => {
                context.seen.reading = Some(Reading::Read);
                headers::unframe_response(response);
                if matches!(reply, Reply::Stream(_)) {
                    headers::keep_streaming(response)?;
                    self.follow(context);
                }
                context.reply = reply;
            }
            Err(why) => {
                context.seen.reading = Some(Reading::Unread);
                self.say_unread(context.terms.pool.as_ref().map_or("", |pool| pool.name()), why);
            }
        }
        if let Some(alias) = &context.plan.alias
            && let Some(renaming) = renaming(response, alias, &context.settings.limits)
        {
            headers::unframe_response(response);
            context.renaming = Some(renaming);
        }
        Ok(())
    }

    /// Says once for each pool and reason that replies are not read.
    fn say_unread(&self, pool: &str, why: Unread) {
        let said = format!("pool {pool}: an answer to a request with tools passes unread: {why}");
        let mut known = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&said) {
            log::warn!("{said}");
            known.insert(said);
        }
    }
}

/// What says `alias` in a reply that says the model's name. `None` when the reply cannot be read.
pub fn renaming(header: &ResponseHeader, alias: &str, limits: &Limits) -> Option<ModelRewriter> {
    Some(match Form::of(header).ok()? {
        Form::Stream => ModelRewriter::stream(alias, limits),
        Form::Whole => ModelRewriter::whole(alias, limits),
    })
}

/// How a died reply was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The client was told all it needs: the body ends properly.
    Properly,
    /// The client must see that something is missing: the connection is cut.
    Cut,
}

impl Reply {
    /// Chooses by the reply's Content-Type, whatever the request asked for. Without an exchange no text is read, and of
    /// what was put together only what it cost.
    pub fn to(header: &ResponseHeader, plan: &Plan, limits: &Limits) -> Result<Self, Unread> {
        match (Form::of(header), &plan.exchange) {
            (Ok(Form::Whole), None) if plan.is_assembled() => {
                Ok(Self::Whole(Box::new(BodyRewriter::unchanging(limits))))
            }
            (_, None) => Ok(Self::Passing),
            (Ok(Form::Stream), Some(exchange)) => Ok(Self::Stream(Box::new(StreamRewriter::new(exchange, limits)))),
            (Ok(Form::Whole), Some(exchange)) => Ok(Self::Whole(Box::new(BodyRewriter::new(exchange, limits)))),
            (Err(why), Some(_)) => Err(why),
        }
    }

    /// Takes a piece of the body; what goes to the client takes its place.
    pub fn push(&mut self, piece: &mut Option<Bytes>) -> Result<(), AnswerTooLarge> {
        match (self, piece.take()) {
            (Self::Passing, passing) => *piece = passing,
            (Self::Events(tail), passing) => {
                tail.push(passing.as_deref().unwrap_or_default());
                *piece = passing;
            }
            (_, None) => {}
            (Self::Stream(stream), Some(bytes)) => *piece = Some(stream.push(bytes)),
            (Self::Whole(whole), Some(bytes)) => {
                let mut out = BytesMut::new();
                whole.push(bytes, &mut out);
                *piece = Some(out.freeze());
            }
            (Self::Refused(refusal), Some(bytes)) => {
                refusal.push(&bytes);
                *piece = Some(Bytes::new());
            }
            (Self::List(list), Some(bytes)) => {
                list.push(&bytes)?;
                *piece = Some(Bytes::new());
            }
        }
        Ok(())
    }

    /// Whether a comment may follow what went to the client so far.
    pub fn takes_comments(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.is_between_events())
    }

    /// Whether an event may follow what passed through so far.
    pub fn takes_event(&self) -> bool {
        matches!(self, Self::Events(tail) if tail.is_between_events())
    }

    /// Whether it is a stream that is read.
    pub fn is_followed(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Of a stream that is read: how many of its events had words in them, and how many bytes are held back.
    pub fn progress(&self) -> Option<(u64, usize)> {
        match self {
            Self::Stream(stream) => Some((stream.spoken(), stream.held())),
            Self::Passing | Self::Events(_) | Self::Whole(_) | Self::Refused(_) | Self::List(_) => None,
        }
    }

    /// Whether nothing more of the upstream's body is needed.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.is_done())
    }

    /// Whether everything was said but what it cost.
    pub fn is_said(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.is_said())
    }

    /// The upstream's body is complete: what is left goes behind `piece`.
    pub fn finish(&mut self, piece: &mut Option<Bytes>) -> Option<Summary> {
        let mut out = BytesMut::from(piece.take().unwrap_or_default());
        let summary = match std::mem::take(self) {
            Self::Passing | Self::Events(_) => None,
            Self::Stream(stream) => Some(stream.finish(&mut out)),
            Self::Whole(whole) => Some(whole.finish(&mut out)),
            Self::Refused(refusal) => {
                out.extend_from_slice(&refusal.event());
                None
            }
            Self::List(list) => {
                out.extend_from_slice(&list.finish());
                None
            }
        };
        *piece = (!out.is_empty()).then(|| out.freeze());
        summary
    }

    /// The upstream died with the answer begun: lets go of everything held, and says so where that can be said.
    pub fn fail(&mut self, message: &str) -> (Bytes, Close, Option<Summary>) {
        let mut out = BytesMut::new();
        match std::mem::take(self) {
            Self::Passing | Self::Events(_) | Self::List(_) => (Bytes::new(), Close::Cut, None),
            Self::Stream(stream) => {
                let summary = stream.fail(message, &mut out);
                (out.freeze(), Close::Properly, Some(summary))
            }
            // Half a JSON body cannot carry an error; a proper end would make it look whole.
            Self::Whole(whole) => {
                let summary = whole.finish(&mut out);
                (out.freeze(), Close::Cut, Some(summary))
            }
            Self::Refused(refusal) => (refusal.event(), Close::Properly, None),
        }
    }
}

/// Whether it is an event stream to which events can be added.
pub fn is_plain_stream(header: &ResponseHeader) -> bool {
    Form::of(header) == Ok(Form::Stream)
}

pub fn is_event_stream(header: &ResponseHeader) -> bool {
    essence(header).eq_ignore_ascii_case(b"text/event-stream")
}

/// The Content-Type without its parameters.
fn essence(header: &ResponseHeader) -> &[u8] {
    let content_type = header.headers.get("content-type").map_or(&b""[..], |value| value.as_bytes());
    content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}
