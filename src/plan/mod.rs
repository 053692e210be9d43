//! Plan of a request: what goes up as its body, and what becomes of its answer.
//! Rewrites a body for a model that knows tools only as text; it touches nothing but `messages`, `tools` and the keys that toolgate answers for: every other byte stays.

mod choice;
mod content;
mod history;
mod messages;
mod offer;
mod stream;
mod turn;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::stream::{asking_for_progress, streamed};

use self::choice::Choice;
use self::offer::Offer;
use crate::decode::{Reasoning, Settings, UnknownTools};
use crate::dialect::Dialect;
use crate::engine::{Engine, ToolsMode};
use crate::exchange::{Exchange, Usage};
use crate::json::{self, Edit, Object};
use crate::limits::Limits;
use crate::schema::Tools;

/// What is to become of a request's answer. Every question about it is answered here and nowhere else.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The model that the request names, where its body was read; behind an alias, the one that it stands for.
    pub model: Option<String>,
    /// The alias by which the client knows the model.
    pub alias: Option<String>,
    /// How the answer's text is read, when it is.
    pub exchange: Option<Box<Exchange>>,
    pub delivery: Delivery,
}

/// How an answer gets to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// From its head on.
    #[default]
    AtOnce,
    /// Once it is known whether it is a stream.
    OnceKnown,
    /// Once it says something. The client hears comments meanwhile, one after each `comments` of silence.
    OnceSpoken { comments: Option<Duration>, progress: Progress },
    /// As one body, put together of a stream of so many choices.
    Assembled { choices: usize },
}

/// Who asked a server how far it is with the prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// The client, if anybody: it gets what comes.
    #[default]
    Clients,
    /// The gateway: the client hears of it in a comment.
    Gateways,
}

impl Plan {
    /// Whether anything of the answer's body is read or written.
    pub fn touches_answer(&self) -> bool {
        self.exchange.is_some() || self.alias.is_some() || self.is_assembled()
    }

    /// Whether the answer must not be compressed: nothing can be put into or before one that is.
    pub fn needs_identity(&self) -> bool {
        self.touches_answer() || self.comments().is_some()
    }

    /// Whether the server may keep the stream for a client that comes back for it. Places in such a stream are counted
    /// in bytes, so the client must get the bytes that the server has.
    pub fn may_be_kept(&self) -> bool {
        !self.touches_answer()
    }

    /// Whether the server streams what the client gets as one body.
    pub fn is_assembled(&self) -> bool {
        matches!(self.delivery, Delivery::Assembled { .. })
    }

    /// How long the client may hear nothing, if it may hear comments.
    pub fn comments(&self) -> Option<Duration> {
        match self.delivery {
            Delivery::OnceSpoken { comments, .. } => comments,
            Delivery::AtOnce | Delivery::OnceKnown | Delivery::Assembled { .. } => None,
        }
    }

    /// The dialect that the answer is read as.
    pub fn dialect(&self) -> Option<&str> {
        self.exchange.as_ref().map(|exchange| exchange.decoding.dialect.name())
    }
}

/// What a pool wants done with its requests.
#[derive(Clone, Debug)]
pub struct Policy {
    pub dialect: Arc<Dialect>,
    pub mode: ToolsMode,
    pub engine: Engine,
    pub reasoning: Reasoning,
    pub unknown_tools: UnknownTools,
}

/// What became of a request body.
#[derive(Debug)]
pub enum Rewritten {
    /// It goes up as it came, and nothing of the reply is read.
    Untouched,
    /// This goes up instead, and nothing of the reply is read: it may call nothing, but its conversation has.
    Unread(Bytes),
    /// This goes up instead (possibly the same bytes), and the reply is read as the exchange says.
    Body { bytes: Bytes, exchange: Box<Exchange>, response_format: ResponseFormat },
}

/// What became of a `response_format` beside injected tools. It would forbid a call, so it is worth a line in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseFormat {
    /// There was none, or the tools were not injected.
    #[default]
    Unconcerned,
    /// It went up: the model may choose not to call.
    Kept,
    /// It was taken out, because a call is required.
    Dropped,
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("tool_choice names `{0}`, which is not among the tools")]
    UnknownToolChoice(String),
    #[error("tool_choice is `auto`, `none`, `required`, a function or `allowed_tools`, not {0}")]
    ToolChoice(String),
    #[error("the request is larger than {bytes_max} bytes once its tools and past calls are written out")]
    TooLarge { bytes_max: usize },
}

/// Rewrites one chat-completions body.
///
/// A body that has nothing to do with tools, that is not JSON, or whose parts are of a wrong shape is left for the server
/// to judge. The limit on a body's size holds for what is made of it too.
pub fn rewrite(body: &Bytes, policy: &Policy, limits: &Limits) -> Result<Rewritten, RequestError> {
    let Some(object) = (policy.mode != ToolsMode::Native).then(|| Object::of_body(body)).flatten() else {
        return Ok(Rewritten::Untouched);
    };
    let Some(offer) = offer::read(&object)? else { return Ok(Rewritten::Untouched) };
    let Some(messages) = object.get("messages").and_then(messages::read) else { return Ok(Rewritten::Untouched) };
    if offer.tools.is_empty() && !messages::has_called(&messages) {
        return Ok(Rewritten::Untouched);
    }

    let mut edits = vec![];
    if policy.mode == ToolsMode::Inject {
        let messages = messages::as_text(messages, &offer, &policy.dialect, limits).map_err(|_| too_large(limits))?;
        let Some(messages) = messages else { return Ok(Rewritten::Untouched) };
        edits.push(("messages", Edit::Set(messages.into())));
        edits.extend(["tools", "tool_choice", "parallel_tool_calls"].map(|key| (key, Edit::Remove)));
    } else if let Some(messages) = messages::for_template(messages, limits) {
        edits.push(("messages", Edit::Set(messages.into())));
    }
    if !offer.may_call() {
        let bytes = edited(body, &object, &edits, limits)?;
        return Ok(if bytes == body { Rewritten::Untouched } else { Rewritten::Unread(bytes) });
    }

    let response_format = ResponseFormat::beside(&object, &offer, policy.mode);
    if response_format == ResponseFormat::Dropped {
        edits.push(("response_format", Edit::Remove));
    }
    let needs = policy.engine.row().needs.of(policy.mode);
    edits.extend(needs.iter().map(|(key, value)| (*key, Edit::Set((*value).into()))));
    let bytes = edited(body, &object, &edits, limits)?;
    let exchange = Box::new(exchange(&object, offer, policy));
    Ok(Rewritten::Body { bytes, exchange, response_format })
}

/// The body with some members changed; the very same where nothing is.
fn edited(
    body: &Bytes,
    object: &Object<'_>,
    edits: &[(&str, Edit<'_>)],
    limits: &Limits,
) -> Result<Bytes, RequestError> {
    let bytes = if edits.is_empty() { body.clone() } else { object.edited(edits).into() };
    if bytes.len() > limits.request_body_bytes_max { Err(too_large(limits)) } else { Ok(bytes) }
}

fn exchange(object: &Object<'_>, offer: Offer<'_>, policy: &Policy) -> Exchange {
    let stream_options = object.get("stream_options").and_then(Object::parse);
    let usage = stream_options.and_then(|options| options.get("include_usage"));
    Exchange {
        usage: if usage == Some("true") { Usage::Asked } else { Usage::Unasked },
        choices: object.get("n").and_then(|n| n.parse().ok()).unwrap_or(1),
        decoding: Settings {
            dialect: Arc::clone(&policy.dialect),
            calls: offer.calls,
            tools: Arc::new(Tools::new(offer.callable())),
            reasoning: policy.reasoning,
            unknown_tools: policy.unknown_tools,
        },
    }
}

impl ResponseFormat {
    fn beside(object: &Object<'_>, offer: &Offer<'_>, mode: ToolsMode) -> Self {
        let kind = object.get("response_format").and_then(Object::parse).and_then(|format| format.string("type"));
        match (kind.as_deref(), &offer.choice) {
            _ if mode != ToolsMode::Inject => Self::Unconcerned,
            (None | Some("text"), _) | (_, Choice::None) => Self::Unconcerned,
            (Some(_), Choice::Auto) => Self::Kept,
            (Some(_), Choice::Required | Choice::Named(_)) => Self::Dropped,
        }
    }
}

fn too_large(limits: &Limits) -> RequestError {
    RequestError::TooLarge { bytes_max: limits.request_body_bytes_max }
}

/// What a request says of itself, whatever it asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// By which a pool is chosen.
    pub model: Option<String>,
    pub is_streamed: bool,
    /// Whether it offers tools, or its conversation has called some: `rewrite` leaves any other as it is.
    pub concerns_tools: bool,
}

impl Outline {
    /// Reads the top level of a body. One that is no JSON object says nothing.
    pub fn of(body: &[u8]) -> Self {
        let Some(object) = Object::of_body(body) else { return Self::default() };
        let has_called = |written: &str| messages::read(written).is_some_and(|read| messages::has_called(&read));
        let told = object.get("messages").filter(|written| messages::may_have_called(written));
        Self {
            model: object.string("model").map(Cow::into_owned),
            is_streamed: object.get("stream") == Some("true"),
            concerns_tools: object.present("tools").is_some_and(|tools| tools != "[]") || told.is_some_and(has_called),
        }
    }
}

/// The body with another `model`, every other byte as it was. `None` when it is not a JSON object.
pub fn with_model(body: &[u8], model: &str) -> Option<Bytes> {
    let mut name = String::new();
    json::write_string(model, &mut name);
    let object = Object::of_body(body)?;
    Some(object.edited(&[("model", Edit::Set(Cow::Owned(name)))]).into())
}

#[cfg(test)]
mod tests;
