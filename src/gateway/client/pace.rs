//! Slow uploads: how fast a client has to send the body of its request.
//! Reads nothing: `socket` says what came and when it waits. Time counts only while it does.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// In each `period` that a client is waited for, so much.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub period: Duration,
    pub bytes_per_second: u64,
}

/// A body on its way, as far as this period goes.
#[derive(Debug)]
pub struct Upload {
    pace: Pace,
    bytes: u64,
    /// How long it was waited for, but for the wait that goes on.
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Pace {
    /// It may take for ever.
    pub const ANY: Self = Self { period: Duration::MAX, bytes_per_second: 0 };

    /// What has to come in one period, at least something.
    fn bytes(self) -> u64 {
        let millis = u64::try_from(self.period.as_millis()).unwrap_or(u64::MAX);
        (self.bytes_per_second.saturating_mul(millis) / 1000).max(1)
    }
}

impl Upload {
    /// A body of which nothing has come and for which nobody waits yet.
    pub fn new(pace: Pace) -> Self {
        Self { pace, bytes: 0, waited: Duration::ZERO, waiting: None }
    }

    /// So many bytes of it have come.
    pub fn came(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// The wait is over.
    pub fn pause(&mut self) {
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
    }

    /// Polled while it is waited for: ready when too little came in a period. Otherwise the next period begins.
    pub fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let left = self.pace.period.saturating_sub(self.waited);
            let (_, timer) = self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
            ready!(timer.as_mut().poll(cx));
            if self.bytes < self.pace.bytes() {
                return Poll::Ready(());
            }
            *self = Self::new(self.pace);
        }
    }
}
