//! Turn on its way: its state between a round's answer and the client, and where its answer goes.
//! Asks nobody and runs nothing; `rounds` does.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use pingora::http::ResponseHeader;

use crate::api::openai::{AssembleError, Assembler, ToldText};
use crate::config::ShowCalls;
use crate::limits::Limits;
use crate::toolbox::{Effect, ServerTool, Toolbox};
use crate::turn::{Next, Trail, Turn};

/// A turn on its way, and what runs its tools.
#[derive(Debug)]
pub struct RunningTurn {
    pub(super) turn: Turn,
    pub(super) toolbox: Arc<Toolbox>,
    /// Those that the request is offered.
    pub(super) tools: Vec<ServerTool>,
    pub(super) show: ShowCalls,
    pub(super) began: Instant,
    /// The conversation before the turn.
    pub(super) trail: Trail,
    /// Where the answer goes.
    pub(super) outlet: Outlet,
    /// Whether the answer that comes is read as a round's; an error that came in its place is not.
    pub(super) is_read: bool,
    /// What follows the round that has ended.
    pub(super) next: Option<Next>,
}

/// Where a turn's answer goes.
#[derive(Debug)]
pub(super) enum Outlet {
    /// To the client, as it comes.
    Stream,
    /// Into a body for a client that wants it whole, with the head of the first round's answer.
    Whole { assembler: Option<Box<Assembler>>, head: Option<Box<ResponseHeader>> },
}

impl RunningTurn {
    /// Takes a part of a round's answer; returns what goes to the client.
    pub fn push(&mut self, bytes: Bytes) -> Result<Bytes, AssembleError> {
        if !self.is_read {
            return Ok(bytes);
        }
        let shown = self.turn.push(bytes);
        self.outlet.take(shown)
    }

    /// The round's answer has ended.
    pub fn end_round(&mut self) -> Result<Bytes, AssembleError> {
        if !std::mem::take(&mut self.is_read) {
            return Ok(Bytes::new());
        }
        let (rest, next) = self.turn.end_round();
        self.next = Some(next);
        self.outlet.take(rest)
    }

    /// What a tool does.
    pub fn effect(&self, name: &str) -> Effect {
        self.tools.iter().find(|tool| tool.name == name).map_or(Effect::Changes, |tool| tool.effect)
    }

    /// Whether more follows the round that has ended.
    pub fn goes_on(&self) -> bool {
        matches!(self.next, Some(Next::Run(_)))
    }

    /// The head of an answer has come: whether it is read as a round's.
    pub fn expect(&mut self, is_round: bool) {
        self.is_read = is_round;
    }

    /// Whether nothing goes to the client before all is there.
    pub fn is_whole(&self) -> bool {
        matches!(self.outlet, Outlet::Whole { .. })
    }

    /// Whether the round that runs, or has just ended, goes into a body that is put together.
    pub fn is_put_together(&self) -> bool {
        self.is_whole() && (self.is_read || self.next.is_some())
    }

    /// Keeps the head of a round's answer for a body that is put together.
    pub fn keep_head(&mut self, came: &mut Option<Box<ResponseHeader>>) {
        let is_kept = self.is_put_together();
        if let Outlet::Whole { head, .. } = &mut self.outlet
            && is_kept
        {
            *head = came.take().or(head.take());
        }
    }

    /// Whether what ends now is not the end of what the client gets.
    pub fn keeps_open(&self) -> bool {
        self.goes_on() || self.is_put_together()
    }
}

impl Outlet {
    /// Into a body that is put together, within these limits.
    pub fn whole(limits: &Limits) -> Self {
        let assembler = Some(Box::new(Assembler::new(1, limits, ToldText::Ignored)));
        Self::Whole { assembler, head: None }
    }

    /// Takes what the client is to get; returns what it gets at once.
    pub fn take(&mut self, bytes: Bytes) -> Result<Bytes, AssembleError> {
        match self {
            Self::Stream => Ok(bytes),
            Self::Whole { assembler, .. } => {
                assembler.as_mut().map_or(Ok(()), |assembler| assembler.push(bytes))?;
                Ok(Bytes::new())
            }
        }
    }
}
