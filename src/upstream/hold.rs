//! An answer's beginning on its way out of a connection: what is held of it, what is handed on, and when whoever waits
//! is to hear that it is still waited for.
//! Reads no socket; what the bytes mean is `opening`'s.

use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use crate::response::Progress;

use super::opening::{Asked, Opening};

/// A head of our own that Pingora takes for the server's. It comes to the gateway's phases where a session is at hand,
/// and goes no further.
pub(super) const TICK: &[u8] = b"HTTP/1.1 102 Processing\r\n\r\n";

/// How an exchange's answers are held.
#[derive(Clone, Copy, Debug)]
pub struct Holding {
    pub asked: Asked,
    /// For a client that is to hear something meanwhile.
    pub ticks: Option<Ticks>,
}

/// When a client that waits is to hear something.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    pub next: Instant,
    pub every: Duration,
}

/// One answer that is held.
#[derive(Debug)]
pub(super) struct Hold {
    opening: Opening,
    ticks: Option<Ticks>,
    /// What is to be handed on.
    out: Bytes,
}

impl Hold {
    pub fn new(holding: Holding) -> Self {
        Self { opening: Opening::new(holding.asked), ticks: holding.ticks, out: Bytes::new() }
    }

    /// Takes what the server sent.
    pub fn push(&mut self, bytes: &[u8]) {
        self.opening.push(bytes);
    }

    /// Puts into `buf` what may be handed on; whether there was anything.
    pub fn hand_on(&mut self, buf: &mut ReadBuf<'_>) -> Handed {
        if self.out.is_empty() && self.opening.is_open() {
            self.out = self.opening.take();
        }
        if self.out.is_empty() {
            return if self.opening.is_open() { Handed::All } else { Handed::Nothing };
        }
        let length = self.out.len().min(buf.remaining());
        buf.put_slice(self.out.get(..length).unwrap_or_default());
        self.out.advance(length);
        Handed::Some
    }

    /// Whether the server has sent nothing yet.
    pub fn is_untouched(&self) -> bool {
        self.opening.is_untouched()
    }

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
        }
    }
}

/// What was handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    Nothing,
    Some,
    /// Nothing, and nothing more is held.
    All,
}

/// What became of the last tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Arrived,
    OnItsWay,
}
