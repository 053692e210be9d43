//! What a client that asked for a stream hears until the first words of its answer: a head of the gateway's own, and
//! comments that say how its request stands.
//! Waits for nothing itself; whoever waits calls, and a connection whose answer is held ticks.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pingora::http::{ResponseHeader, Version};
use pingora::proxy::Session;
use pingora::{Error, Result};

use crate::answer;
use crate::limits::Limits;
use crate::plan::{Delivery, Plan, Progress};
use crate::upstream::{Asked, Comments, Holding, Listener, Ticks, Until};

use super::context::Context;
use super::session::has_answered;
use super::{explain, headers};

/// How a request waits for its answer.
#[derive(Debug, Default)]
pub struct Wait {
    /// Absent when the answer is shown as it comes.
    held: Option<Until>,
    /// How long the client may hear nothing; absent when it hears nothing at all.
    every: Option<Duration>,
    /// When it last heard something; absent while its answer comes.
    heard: Option<Instant>,
    stage: Stage,
}

/// What the client has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing of the gateway's.
    #[default]
    Silence,
    /// The gateway's own head, and comments.
    Comments,
    /// A server's answer, behind comments or not.
    Answer,
}

/// How a request stands.
#[derive(Clone, Copy, Debug)]
pub enum Standing {
    /// In the queue, with so many before it.
    Queued { before: Option<usize> },
    /// A server has it.
    Asked(Option<answer::Progress>),
}

impl Wait {
    /// The wait that a plan asks for, from now on.
    pub fn of(plan: &Plan, limits: &Limits) -> Self {
        let held = match plan.delivery {
            Delivery::AtOnce => return Self::default(),
            Delivery::OnceKnown => Until::Known,
            Delivery::OnceSpoken { progress: Progress::Clients, .. } => Until::Spoken(Asked::Client, Comments::Servers),
            Delivery::OnceSpoken { progress: Progress::Gateways, .. } => {
                Until::Spoken(Asked::Gateway, Comments::Servers)
            }
            Delivery::Assembled { choices } => Until::Whole { choices, limits: limits.clone() },
        };
        Self { held: Some(held), every: plan.comments(), heard: Some(Instant::now()), stage: Stage::default() }
    }

    /// When it is to hear something next.
    pub fn next(&self) -> Option<Instant> {
        self.heard?.checked_add(self.every?)
    }

    /// How the answer to the next try is held. `listener` is told how one grows that goes on whole.
    pub fn holding(&self, listener: Option<Arc<dyn Listener>>) -> Option<Holding> {
        let ticks = self.next().zip(self.every).map(|(next, every)| Ticks { next: next.into(), every });
        let mut until = self.held.clone()?;
        if let Until::Spoken(_, comments) = &mut until
            && self.is_commented()
        {
            *comments = Comments::Gateways;
        }
        Some(Holding { until, ticks, listener })
    }

    /// Whether the client has got a head and no answer.
    pub fn is_commented(&self) -> bool {
        self.stage == Stage::Comments
    }

    /// A server's answer follows.
    pub fn answered(&mut self) {
        self.stage = Stage::Answer;
    }
}

impl Context {
    /// Whether the client has got anything of a server's answer, or one in its place.
    pub fn has_begun(&self, session: &Session) -> bool {
        has_answered(session) && !self.wait.is_commented()
    }

    /// Tells the client how its request stands. Fails when it has left.
    pub async fn comment(&mut self, session: &mut Session, standing: Standing) -> Result<()> {
        if self.wait.stage == Stage::Silence {
            let head = self.own_head(session)?;
            session.as_downstream_mut().set_ignore_info_resp(true);
            session.write_response_header(Box::new(head), false).await.map_err(Error::into_down)?;
            self.wait.stage = Stage::Comments;
        }
        session.write_response_body(Some(standing.comment()), false).await.map_err(Error::into_down)?;
        self.wait.heard = Some(Instant::now());
        Ok(())
    }

    /// A piece of the answer has gone through the reply. Where nothing comes of one piece after the other, since what the
    /// model writes is not decided yet, the client hears a comment.
    pub fn fill_silence(&mut self, piece: &mut Option<Bytes>) {
        let Some(every) = self.wait.every.filter(|_| self.reply.takes_comments()) else { return };
        if piece.as_ref().is_some_and(|piece| !piece.is_empty()) {
            self.wait.heard = None;
            return;
        }
        let now = Instant::now();
        let heard = *self.wait.heard.get_or_insert(now);
        if now.saturating_duration_since(heard) >= every {
            self.wait.heard = Some(now);
            *piece = Some(Standing::Asked(None).comment());
        }
    }

    /// The head of a stream whose server has not answered yet.
    fn own_head(&self, session: &Session) -> Result<ResponseHeader> {
        let mut head = ResponseHeader::build(200, Some(6))?;
        head.insert_header("Content-Type", "text/event-stream")?;
        headers::keep_streaming(&mut head)?;
        head.insert_header("X-Request-Id", self.id.as_str())?;
        explain::explain(session.req_header(), &mut head, &self.target)?;
        if session.req_header().version != Version::HTTP_10 {
            head.insert_header("Transfer-Encoding", "chunked")?;
        }
        Ok(head)
    }
}

impl Standing {
    fn comment(self) -> Bytes {
        Bytes::from(format!(": {self}\n\n"))
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued { before: Some(before) } => write!(f, "queued position={}", before + 1),
            Self::Asked(Some(answer::Progress { processed, total })) => {
                write!(f, "prefill processed={processed} total={total}")
            }
            Self::Queued { before: None } | Self::Asked(None) => f.write_str("waiting"),
        }
    }
}
