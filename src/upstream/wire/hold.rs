//! Hold on an answer's beginning, on its way out of a connection: what is held of it, what is handed on, and when whoever
//! waits is to hear that it is still waited for.
//! Reads no socket; what the bytes mean is `opening`'s.

use std::fmt;
use std::sync::Arc;
use std::time::{self, Duration};

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use crate::api::Progress;
use crate::api::openai::{AssembleError, Complaint, ToldText};

use super::opening::{End, Opening, Until, Wordless};

/// A head of our own that Pingora takes for the server's. It comes to the gateway's phases where a session is at hand,
/// and goes no further.
pub const TICK: &[u8] = b"HTTP/1.1 102 Processing\r\n\r\n";

/// How an exchange's answers are held.
#[derive(Clone, Debug)]
pub struct Holding {
    pub until: Until,
    pub wordless: Wordless,
    pub told_text: ToldText,
    /// For a client that is to hear something meanwhile.
    pub ticks: Option<Heartbeat>,
    /// For an answer that is put together.
    pub listener: Option<Arc<dyn AssemblyObserver>>,
}

/// Who is told how an answer grows that nobody sees before it is whole.
pub trait AssemblyObserver: fmt::Debug + Send + Sync {
    /// A piece that was read from then on has brought it to so many events in which the model said something.
    fn spoke(&self, spoken: u64, from: time::Instant);
}

/// When a client that waits is to hear something.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    pub next: Instant,
    pub every: Duration,
}

/// One answer that is held.
#[derive(Debug)]
pub struct Hold {
    opening: Opening,
    ticks: Option<Heartbeat>,
    listener: Option<Arc<dyn AssemblyObserver>>,
    /// What is to be handed on.
    out: Bytes,
}

impl Hold {
    /// Of which nothing has come.
    pub fn new(holding: Holding) -> Self {
        let Holding { until, wordless, told_text, ticks, listener } = holding;
        Self { opening: Opening::new(until, wordless).with_told_text(told_text), ticks, listener, out: Bytes::new() }
    }

    /// Takes what the server sent.
    pub fn push(&mut self, bytes: &[u8]) {
        let from = time::Instant::now();
        self.opening.push(bytes);
        if let Some(listener) = &self.listener {
            listener.spoke(self.opening.spoken(), from);
        }
    }

    /// The server sends nothing more.
    pub fn end(&mut self) -> End {
        self.opening.end()
    }

    /// Puts into `buf` what may be handed on; whether there was anything.
    pub fn hand_on(&mut self, buf: &mut ReadBuf<'_>) -> Handed {
        if self.out.is_empty() {
            self.out = self.opening.take();
        }
        if self.out.is_empty() {
            return match &self.opening {
                opening if opening.is_open() => Handed::All,
                opening if opening.is_made() => Handed::Last,
                _ => Handed::Nothing,
            };
        }
        let length = self.out.len().min(buf.remaining());
        buf.put_slice(self.out.get(..length).unwrap_or_default());
        self.out.advance(length);
        Handed::Some
    }

    /// Whether it is an event stream, whatever its head says.
    pub fn is_events(&self) -> bool {
        self.opening.is_events()
    }

    /// What it complains of, where it is a refusal.
    pub fn complaint(&self) -> Option<Complaint> {
        self.opening.complaint()
    }

    /// Whether it was put together, or an error that was told instead.
    pub fn is_made(&self) -> bool {
        self.opening.is_made()
    }

    /// Whether all was said of an answer that is put together but what it cost.
    pub fn is_said(&self) -> bool {
        self.opening.is_said()
    }

    /// Why no whole answer can be made of it.
    pub fn failed(&self) -> Option<&AssembleError> {
        self.opening.failed()
    }

    /// How far the server is with the prompt, where it was the gateway that asked.
    pub fn progress(&self) -> Option<Progress> {
        self.opening.progress()
    }

    /// When the next tick is due.
    pub fn tick_at(&self) -> Option<Instant> {
        self.ticks.map(|ticks| ticks.next)
    }

    /// It is due: hands it on, unless the last one has not arrived yet.
    pub fn tick(&mut self, last: Last) {
        if let Some(ticks) = &mut self.ticks {
            ticks.next = Instant::now() + ticks.every;
        }
        if last == Last::Arrived {
            self.out = Bytes::from_static(TICK);
            self.opening.comment();
        }
    }
}

/// What was handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    Nothing,
    Some,
    /// Nothing, and nothing more is held.
    All,
    /// Nothing, and nothing more is to be.
    Last,
}

/// What became of the last tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    Arrived,
    OnItsWay,
}
