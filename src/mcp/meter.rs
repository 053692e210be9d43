//! Meter of what a server sends: how much and how fast, whatever it says.
//! Reads no message. Whoever finds a limit broken breaks the connection off for all who use it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Bytes of one message: a line, an event, or an answer. What is larger is no result that a model could read.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// How long a server may leave what it was sent in its pipe.
pub const DEAF_MAX: Duration = Duration::from_secs(60);

/// A server that shows every step of its work sends some hundred messages a second; one that sends more keeps a thread
/// of the gateway busy with reading them.
const MESSAGES: Rate = Rate { burst: 4_096, per_second: 512 };
/// Each is answered, and a server that takes no answers has them pile up. One that is alive asks for a sign of life now
/// and then, and everything else is refused.
const REQUESTS: Rate = Rate { burst: 64, per_second: 2 };
const BYTES: Rate = Rate { burst: 64 << 20, per_second: 8 << 20 };

/// A limit that a server has broken. Its connection ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    #[error("it sent more than {} messages a second", MESSAGES.per_second)]
    Messages,
    #[error("it asked more than {} questions a second", REQUESTS.per_second)]
    Requests,
    #[error("it sent more than {} bytes a second", BYTES.per_second)]
    Bytes,
    #[error("it sent a message of more than {MESSAGE_BYTES_MAX} bytes")]
    Message,
    #[error("it read nothing of what it was sent for {} s", DEAF_MAX.as_secs())]
    Deaf,
}

/// Of one connection.
#[derive(Debug)]
pub struct Meter {
    budget: Mutex<Budget>,
    broken: watch::Sender<Option<Breach>>,
}

#[derive(Debug)]
struct Rate {
    burst: u64,
    per_second: u64,
}

/// What may still come at once.
#[derive(Debug)]
struct Budget {
    messages: u64,
    requests: u64,
    bytes: u64,
    counted_at: Instant,
}

/// What has come.
struct Amounts {
    messages: usize,
    requests: usize,
    bytes: usize,
}

/// In which every rate brings something.
const REFILL: Duration = Duration::from_millis(500);

impl Meter {
    /// Of a connection of which nothing has come.
    pub fn new(now: Instant) -> Self {
        let budget = Budget { messages: MESSAGES.burst, requests: REQUESTS.burst, bytes: BYTES.burst, counted_at: now };
        Self { budget: Mutex::new(budget), broken: watch::Sender::new(None) }
    }

    /// Counts what has come. Fails when it is too much, and from then on.
    pub fn count(&self, messages: usize, bytes: usize, now: Instant) -> Result<(), Breach> {
        self.take(Amounts { messages, bytes, requests: 0 }, now)
    }

    /// Counts a question among the messages that have come, in the same way.
    pub fn count_request(&self, now: Instant) -> Result<(), Breach> {
        self.take(Amounts { messages: 0, bytes: 0, requests: 1 }, now)
    }

    fn take(&self, amounts: Amounts, now: Instant) -> Result<(), Breach> {
        if let Some(breach) = self.breach() {
            return Err(breach);
        }
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(&amounts, now).map_err(|breach| self.break_off(breach))
    }

    /// Of what the connection was broken off, if it was.
    pub fn breach(&self) -> Option<Breach> {
        *self.broken.borrow()
    }

    /// Breaks the connection off.
    pub fn break_off(&self, breach: Breach) -> Breach {
        self.broken.send_replace(Some(breach));
        breach
    }

    /// Waits until the connection is broken off.
    pub async fn broken(&self) -> Breach {
        let mut broken = self.broken.subscribe();
        loop {
            if let Some(breach) = *broken.borrow_and_update() {
                return breach;
            }
            // It cannot fail: the sender is here.
            let _ = broken.changed().await;
        }
    }
}

impl Budget {
    fn take(&mut self, amounts: &Amounts, now: Instant) -> Result<(), Breach> {
        let passed = now.saturating_duration_since(self.counted_at);
        // Time that brings nothing yet is counted with the next.
        if passed >= REFILL {
            self.messages = MESSAGES.refilled(self.messages, passed);
            self.requests = REQUESTS.refilled(self.requests, passed);
            self.bytes = BYTES.refilled(self.bytes, passed);
            self.counted_at = now;
        }
        let left = |have: u64, taken: usize| have.checked_sub(u64::try_from(taken).unwrap_or(u64::MAX));
        self.messages = left(self.messages, amounts.messages).ok_or(Breach::Messages)?;
        self.requests = left(self.requests, amounts.requests).ok_or(Breach::Requests)?;
        self.bytes = left(self.bytes, amounts.bytes).ok_or(Breach::Bytes)?;
        Ok(())
    }
}

impl Rate {
    fn refilled(&self, have: u64, passed: Duration) -> u64 {
        let more = u128::from(self.per_second) * passed.as_millis() / 1_000;
        have.saturating_add(u64::try_from(more).unwrap_or(u64::MAX)).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_a_flood_is_not() {
        let begin = Instant::now();
        let meter = Meter::new(begin);
        assert_eq!(meter.count(4_096, 0, begin), Ok(()));
        assert_eq!(meter.count(512, 0, begin + Duration::from_secs(1)), Ok(()));
        assert_eq!(meter.count(1, 0, begin + Duration::from_secs(1)), Err(Breach::Messages));
        assert_eq!(meter.count(0, 0, begin + Duration::from_secs(99)), Err(Breach::Messages), "it stays broken");
        let meter = Meter::new(begin);
        assert!((0..64).all(|_| meter.count_request(begin).is_ok()));
        assert_eq!(meter.count_request(begin + REFILL), Ok(()));
        assert_eq!(meter.count_request(begin + REFILL), Err(Breach::Requests));
        let meter = Meter::new(begin);
        assert_eq!(meter.count(1, 64 << 20, begin), Ok(()));
        assert_eq!(meter.count(1, 1, begin), Err(Breach::Bytes));
    }

    #[test]
    fn what_was_not_used_does_not_pile_up() {
        let begin = Instant::now();
        let meter = Meter::new(begin);
        let later = begin + Duration::from_secs(1_000_000);
        assert_eq!(meter.count(4_097, 0, later), Err(Breach::Messages));
    }

    #[tokio::test]
    async fn whoever_waits_learns_that_it_is_broken() {
        let meter = Meter::new(Instant::now());
        let (breach, told) = tokio::join!(meter.broken(), async { meter.break_off(Breach::Deaf) });
        assert_eq!(breach, told);
    }
}
