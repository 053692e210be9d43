//! Plan of a request: what goes up as its body, and what becomes of its answer.
//! A pure function of what its head says, its body, which is read once and written at most once, and its pool's policy.
//! Touches only members that toolgate answers for; every other byte stays. Knows no member's name, which is `api`'s.

mod agent;
mod constraints;
mod content;
mod head;
mod history;
mod messages;
mod offer;
mod policy;
mod single;
mod tools;
mod turn;

use std::time::Duration;

use bytes::Bytes;

pub use self::agent::{Agent, AgentFormat, Asked, FormatError};
pub use self::constraints::{RequiredCall, Shape};
pub use self::head::{Conversation, Head, Operation, Page};
pub use self::policy::{Chats, Ollama, Policy, Tools};

use self::tools::Rewriting;
use crate::api::ollama::server::{self, Unservable};
use crate::api::openai::{Edits, Ids, Request, Stream, Usage};
use crate::chat::Calls;
use crate::decode::Settings;
use crate::engine::Constraint;
use crate::limits::Limits;

/// What is to become of a request's answer. Every question about it is answered here and nowhere else.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The model that the request names, where its body was read; behind an alias, the one that it stands for.
    pub model: Option<String>,
    /// The alias by which the client knows the model.
    pub alias: Option<String>,
    /// How the answer's text is read, when it is.
    pub exchange: Option<Box<Exchange>>,
    /// Where it is not, since its server reads the calls: how an error is read that tells what the model wrote.
    pub salvage: Option<Box<Exchange>>,
    pub shape: Shape,
    pub required_call: RequiredCall,
    pub constraint: Constraint,
    pub delivery: Delivery,
    pub storage: Storage,
    pub server_api: ServerApi,
}

/// The API in which a server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerApi {
    /// The client's own request goes up, edited or not.
    #[default]
    OpenAi,
    /// It is a chat in Ollama's words, and so is what comes back.
    Ollama {
        /// Whether `usage` is wanted of the answer.
        usage: Usage,
        /// How many calls it may have: there is no way to tell the server.
        calls: Calls,
    },
}

/// How an answer's text is read.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub decoding: Settings,
    /// Whether the client asked for `usage` in a stream: then the upstream is read to its end even after the
    /// last call that counts.
    pub usage: Usage,
    /// How many choices were asked for (`n`): until all are there, the upstream is not left early.
    pub choices: usize,
    /// The ids of the calls that the conversation has, where the dialect gives such a form; "" for one without.
    pub past_ids: Vec<String>,
    /// How the client wants calls.
    pub format: AgentFormat,
}

impl Exchange {
    /// One choice, to a request that says nothing else.
    pub fn new(decoding: Settings) -> Self {
        let (usage, format) = (Usage::default(), AgentFormat::default());
        Self { decoding, usage, choices: 1, past_ids: Vec::new(), format }
    }

    /// The ids of the answer's calls.
    pub fn ids(&self) -> Ids {
        Ids::new(&self.decoding.dialect.spec().ids.mint, &self.past_ids)
    }
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

/// Whether a server keeps an answer's stream for a client that comes back for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    #[default]
    Nowhere,
    AtServer,
}

/// A plan, and the body that goes up in the place of the one that came, where it is another.
#[derive(Debug, Default)]
pub struct Planned {
    pub plan: Plan,
    pub body: Option<Bytes>,
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("tool_choice names `{0}`, which is not among the tools")]
    UnknownToolChoice(String),
    #[error("tool_choice is `auto`, `none`, `required`, a function or `allowed_tools`, not {0}")]
    ToolChoice(String),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Unservable(#[from] Unservable),
    #[error("the request is larger than {bytes_max} bytes once its tools and past calls are written out")]
    TooLarge { bytes_max: usize },
}

impl RequestError {
    fn too_large(limits: &Limits) -> Self {
        Self::TooLarge { bytes_max: limits.request_body_bytes_max }
    }
}

impl Plan {
    /// The plan of a request whose body was not read, or is no JSON object.
    pub fn of_unread(head: Head, policy: &Policy) -> Self {
        let mut plan = Self::default();
        plan.storage = plan.stored(head, policy);
        plan
    }

    /// The plan of a request, and the body that goes up. `model` is the one behind the alias that it names, if it does.
    pub fn of(
        head: Head,
        request: Request<'_>,
        model: Option<&str>,
        policy: &Policy,
        limits: &Limits,
    ) -> Result<Planned, RequestError> {
        let mut plan = Self { model: request.model().map(Into::into), ..Self::default() };
        let mut edits = Edits::default();
        if let Some(model) = model {
            edits.set_model(model);
            plan.alias = plan.model.replace(model.to_owned());
        }
        let chat = (head.operation == Operation::Chat).then_some(&request);
        let rewriting = match (chat, &policy.tools) {
            (Some(chat), Some(tools)) => tools::rewriting(chat, tools, policy.engine, &policy.format, limits)?,
            _ => Rewriting::default(),
        };
        let is_rewritten = !rewriting.edits.is_empty();
        edits.append(rewriting.edits);
        edits.append(request.without_format());
        (plan.exchange, plan.salvage) = (rewriting.exchange, rewriting.salvage);
        (plan.shape, plan.required_call) = (rewriting.shape, rewriting.required_call);
        plan.constraint = rewriting.constraint;
        if let Some(stream) = chat.filter(|_| policy.assembles(&plan)).and_then(Request::for_a_stream) {
            edits.append(stream);
            plan.delivery = Delivery::Assembled { choices: request.choices() };
        }
        plan.storage = plan.stored(head, policy);
        if plan.is_kept() {
            plan.salvage = None;
        }
        plan.delivery = plan.delivered(head, request.stream(), policy);
        if plan.comments().is_some()
            && let Some(asking) = chat.filter(|_| policy.progress.include(&plan)).and_then(Request::for_progress)
        {
            edits.append(asking);
            plan.delivery = Delivery::OnceSpoken { comments: policy.comments, progress: Progress::Gateways };
        }
        let ollama = policy.ollama.as_ref().filter(|_| chat.is_some());
        if ollama.is_some() {
            let usage = if plan.is_assembled() { Usage::Asked } else { request.usage() };
            plan.server_api = ServerApi::Ollama { usage, calls: request.calls() };
        }
        let sent = request.text();
        let mut body = request.edited(&edits);
        if let Some(ollama) = ollama {
            let chat = body.as_deref().unwrap_or(sent.as_bytes());
            body = Some(server::request(chat, &ollama.defaults, ollama.thinking)?);
        }
        if is_rewritten && body.as_ref().is_some_and(|body| body.len() > limits.request_body_bytes_max) {
            return Err(RequestError::too_large(limits));
        }
        Ok(Planned { plan, body })
    }

    /// Whether the server may keep the stream. Places in it are counted in bytes, so its client must get the bytes that
    /// the server has.
    fn stored(&self, head: Head, policy: &Policy) -> Storage {
        let is_wanted = head.conversation == Conversation::Named && policy.engine.row().keeps_streams;
        if is_wanted && !self.touches_answer() { Storage::AtServer } else { Storage::Nowhere }
    }

    /// How an answer that is not assembled gets to the client.
    fn delivered(&self, head: Head, stream: Stream, policy: &Policy) -> Delivery {
        match self.delivery {
            assembled @ Delivery::Assembled { .. } => assembled,
            _ if head.operation == Operation::Other || self.is_kept() => Delivery::AtOnce,
            _ if stream == Stream::Asked && head.page == Page::Own => {
                Delivery::OnceSpoken { comments: policy.comments, progress: Progress::Clients }
            }
            _ if self.touches_answer() || self.reads_errors() => Delivery::OnceKnown,
            _ => Delivery::AtOnce,
        }
    }

    /// Whether anything of the answer's body is read or written.
    pub fn touches_answer(&self) -> bool {
        self.exchange.is_some() || self.alias.is_some() || self.is_assembled()
    }

    /// Whether an error is read that tells what the model wrote.
    pub fn reads_errors(&self) -> bool {
        self.exchange.is_some() || self.salvage.is_some()
    }

    /// Whether the answer must not be compressed: nothing can be put into or before one that is.
    pub fn needs_identity(&self) -> bool {
        self.touches_answer() || self.comments().is_some() || self.is_translated()
    }

    /// Whether the answer comes in another API than the request did.
    pub fn is_translated(&self) -> bool {
        self.server_api != ServerApi::OpenAi
    }

    /// Whether the server may keep the stream for its client.
    pub fn is_kept(&self) -> bool {
        self.storage == Storage::AtServer
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

#[cfg(test)]
mod tests;
