//! Turn on its way: its state between a round's answer and the client, and where its answer goes.
//! Asks nobody and runs nothing; `rounds` does.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use pingora::http::ResponseHeader;

use crate::answer::Summary;
use crate::api::anthropic::Folder;
use crate::api::openai::{AssembleError, Assembler, ToldText};
use crate::balance::PeerId;
use crate::config::ShowCalls;
use crate::limits::Limits;
use crate::toolbox::{Effect, OfferedTool, Toolbox};
use crate::turn::{After, Next, Room, Time, Trail, Turn};

use super::turn_memory::TurnMemory;

/// A turn on its way, and what runs its tools.
#[derive(Debug)]
pub struct RunningTurn {
    pub(super) turn: Turn,
    pub(super) toolbox: Arc<Toolbox>,
    /// Those that the request is offered.
    pub(super) tools: Vec<Arc<OfferedTool>>,
    pub(super) show: ShowCalls,
    pub(super) began: Instant,
    /// The conversation before the turn, and where what the client does not see of it is kept.
    pub(super) trail: Option<Trail>,
    pub(super) memory: Option<Arc<TurnMemory>>,
    pub(super) room: Room,
    /// Whether more was known of the conversation than its client sent.
    pub(super) is_recalled: bool,
    /// The server that had the last round.
    pub(super) home: Option<PeerId>,
    /// Where the answer goes.
    pub(super) outlet: Outlet,
    /// Whether the answer that comes is read as a round's; an error that came in its place is not.
    pub(super) is_read: bool,
    /// Whether the last answer was a round's.
    pub(super) is_rounds: bool,
    pub(super) is_given_up: bool,
    /// What follows the round that has ended.
    pub(super) next: Option<Next>,
}

/// What is put together for a client that wants its answer whole.
#[derive(Debug)]
pub(super) struct Whole {
    pub assembler: Option<Assembler>,
    pub folder: Option<Folder>,
    /// Why nothing can come of it.
    pub failed: Option<AssembleError>,
    /// The head of a round's answer.
    pub head: Option<Box<ResponseHeader>>,
}

/// Where a turn's answer goes.
#[derive(Debug)]
pub(super) enum Outlet {
    /// To the client, as it comes.
    Stream,
    /// Into a body for a client that wants it whole.
    Whole(Box<Whole>),
}

impl RunningTurn {
    /// Takes a part of a round's answer; returns what goes to the client.
    pub fn push(&mut self, bytes: Bytes) -> Bytes {
        if !self.is_read {
            return bytes;
        }
        let shown = self.turn.push(bytes);
        self.outlet.take(shown)
    }

    /// The round's answer has ended.
    pub fn end_round(&mut self) -> Bytes {
        if !std::mem::take(&mut self.is_read) {
            return Bytes::new();
        }
        let (rest, next) = self.turn.end_round();
        if next == Next::Over {
            self.remember();
        }
        self.next = Some(next);
        self.outlet.take(rest)
    }

    /// What is known of the round that has ended, where nobody else has read it.
    pub fn summary(&self) -> Option<Summary> {
        let tokens = Some(self.turn.tokens()?);
        Some(Summary { tokens, complete: true, ..Summary::default() })
    }

    /// Calls have run, with these results: what goes to the client, and what follows.
    pub fn ran(&mut self, results: Vec<String>, time: Time) -> (Bytes, After) {
        let (bytes, after) = self.turn.ran(results, time);
        if after == After::Over {
            self.remember();
        }
        (self.outlet.take(bytes), after)
    }

    /// What the client does not see of the turn is kept for its next request, which may come as soon as it has the end.
    fn remember(&self) {
        let kept = self.memory.as_ref().zip(self.trail.as_ref());
        if let (Some((memory, trail)), Some(hidden)) = (kept, self.turn.hidden()) {
            memory.remember(trail, hidden, self.room);
        }
    }

    /// Nothing more comes of it: what has come is all.
    pub fn give_up(&mut self) {
        self.is_given_up = true;
    }

    /// What a tool does.
    pub fn effect(&self, name: &str) -> Effect {
        self.tools.iter().find(|tool| tool.name == name).map_or(Effect::Changes, |tool| tool.effect)
    }

    /// Whether more follows the round that has ended.
    pub fn goes_on(&self) -> bool {
        !self.is_given_up && matches!(self.next, Some(Next::Run(_)))
    }

    /// The head of an answer has come: whether it is read as a round's.
    pub fn expect(&mut self, is_round: bool) {
        (self.is_read, self.is_rounds) = (is_round, is_round);
    }

    /// Whether nothing goes to the client before all is there.
    pub fn is_whole(&self) -> bool {
        matches!(self.outlet, Outlet::Whole(_))
    }

    /// Whether the round that runs, or has just ended, goes into a body that is put together.
    pub fn is_put_together(&self) -> bool {
        self.is_whole() && self.is_rounds
    }

    /// Whether it is put together of what its client would have heard.
    pub fn is_retold(&self) -> bool {
        matches!(&self.outlet, Outlet::Whole(whole) if whole.folder.is_some())
    }

    /// Keeps the head of a round's answer for a body that is put together.
    pub fn keep_head(&mut self, came: &mut Option<Box<ResponseHeader>>) {
        let is_kept = self.is_put_together();
        if let Outlet::Whole(whole) = &mut self.outlet
            && is_kept
        {
            whole.head = came.take().or(whole.head.take());
        }
    }

    /// Whether what ends now is not the end of what the client gets.
    pub fn keeps_open(&self) -> bool {
        self.goes_on() || self.is_put_together()
    }
}

impl Outlet {
    /// Into a body that is put together, within these limits. `folder` is for a client that hears of calls in words of its
    /// own API.
    pub fn whole(limits: &Limits, folder: Option<Folder>) -> Self {
        let assembler = Some(Assembler::new(1, limits, ToldText::Ignored));
        Self::Whole(Box::new(Whole { assembler, folder, failed: None, head: None }))
    }

    /// Takes what the client is to get; returns what goes on.
    pub fn take(&mut self, bytes: Bytes) -> Bytes {
        match self {
            Self::Stream => bytes,
            Self::Whole(whole) => {
                if let Some(assembler) = whole.assembler.as_mut().filter(|_| whole.failed.is_none()) {
                    whole.failed = assembler.push(bytes.clone()).err();
                }
                if whole.folder.is_some() { bytes } else { Bytes::new() }
            }
        }
    }

    /// Takes what would have gone to the client in its own words. Whether it is kept here.
    pub fn keep(&mut self, bytes: &Bytes) -> bool {
        match self {
            Self::Stream => false,
            Self::Whole(whole) => {
                whole.folder.iter_mut().for_each(|folder| folder.push(bytes.clone()));
                true
            }
        }
    }
}
