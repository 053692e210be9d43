//! Deadlines of an exchange with a server: the first byte, silence, the whole, and how long the rest of an answer is
//! waited for once all is said.
//! A queue, a prefill and a pause between two tokens are three different waits. Time counts only while somebody waits:
//! a client that reads slowly does not make its server late.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::Timeouts;

/// The wait that took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Expired {
    #[error("no byte of the answer within {0} ms")]
    FirstByte(u64),
    #[error("nothing came for {0} ms")]
    Idle(u64),
    #[error("not finished within {0} ms")]
    Total(u64),
}

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    FirstByte,
    Body,
    Write,
}

/// What is due in a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It took too long.
    Late(Expired),
    /// Nothing that counts can still come.
    Rest,
}

/// How long a server may take, after the last finish reason, to say what the answer cost, and that it is over. It is
/// work of milliseconds; a server that says neither would keep its client until the answer is taken for a stalled one.
const REST_MAX: Duration = Duration::from_secs(2);

/// The deadlines of one connection.
#[derive(Debug)]
pub struct Deadlines {
    timeouts: Timeouts,
    /// Since when `total_ms` counts.
    began: Instant,
    /// The wait that goes on, when it is over, and why.
    current: Option<(Wait, Option<(Instant, Expired)>)>,
    /// When the rest of an answer has come that may still follow its last word.
    rested_at: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Deadlines {
    /// `total_ms` counts from `began`.
    pub fn new(timeouts: Timeouts, began: Instant) -> Self {
        Self { timeouts, began, current: None, rested_at: None, timer: Box::pin(sleep_until(began)) }
    }

    /// The wait that goes on is over: something came, or went.
    pub fn progress(&mut self) {
        self.current = None;
    }

    /// Everything was said: what may follow is waited for a short while.
    pub fn rest(&mut self) {
        self.rested_at.get_or_insert_with(|| Instant::now() + REST_MAX);
    }

    /// Polled while a wait goes on: what of it is due.
    pub fn poll(&mut self, wait: Wait, cx: &mut Context<'_>) -> Poll<Due> {
        let deadline = match self.current {
            Some((current, deadline)) if current == wait => deadline,
            _ => self.deadline(wait),
        };
        self.current = Some((wait, deadline));
        let late = deadline.map(|(at, why)| (at, Due::Late(why)));
        let rest = self.rested_at.filter(|_| wait == Wait::Body).map(|at| (at, Due::Rest));
        let Some((at, due)) = late.into_iter().chain(rest).min_by_key(|(at, _)| *at) else { return Poll::Pending };
        // A timer that is set too early is set anew when it rings, which costs less than to do it at every read.
        if self.timer.deadline() > at {
            self.timer.as_mut().reset(at);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.timer.deadline() >= at {
                return Poll::Ready(due);
            }
            self.timer.as_mut().reset(at);
        }
        Poll::Pending
    }

    /// When a wait that begins now is over, and why.
    fn deadline(&self, wait: Wait) -> Option<(Instant, Expired)> {
        let now = Instant::now();
        let after = |ms: Option<u64>, from: Instant, why: fn(u64) -> Expired| {
            ms.and_then(|ms| Some((from.checked_add(Duration::from_millis(ms))?, why(ms))))
        };
        let phase = match wait {
            Wait::FirstByte => after(self.timeouts.first_byte_ms, now, Expired::FirstByte),
            Wait::Body | Wait::Write => after(self.timeouts.idle_ms, now, Expired::Idle),
        };
        let total = after(self.timeouts.total_ms, self.began, Expired::Total);
        phase.into_iter().chain(total).min_by_key(|(at, _)| *at)
    }
}
