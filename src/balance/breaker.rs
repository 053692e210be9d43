//! Circuit breaker: whether a peer that fails is left alone for now.
//! Knows nothing of requests: it is told of successes and failures, and refuses nobody by itself.
//!
//! ```text
//!   Closed ── too many of the last ten failed, or nothing answers ──▶ Open { until }
//!     ▲                                                                 │ until is over
//!     └── success ── Trying (one request at a time) ◀── begin_trial ────┘
//!                       └── failure ──▶ Open, for twice as long
//! ```

use std::time::Duration;

use super::Settings;
use super::health::Failure;
use super::random::Random;

/// How many answers a closed breaker remembers.
const REMEMBERED: u16 = (1 << 10) - 1;

/// One peer's breaker.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    state: State,
    /// How often it opened since a trial last went well.
    trips: u32,
}

#[derive(Clone, Debug)]
enum State {
    /// One bit an answer, the latest lowest; set ones failed.
    Closed {
        history: u16,
    },
    Open {
        until: Duration,
        cause: Failure,
    },
    Trying {
        cause: Failure,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { history: 0 }
    }
}

/// What a breaker says about the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Closed,
    /// Open until then.
    Open(Duration),
    /// A trial is due.
    Due,
    /// A trial is going on.
    Trying,
}

/// Whether a request is the one that tries a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Regular,
    Trial,
}

impl Breaker {
    /// What it says about a request that would begin now. Nothing changes by asking.
    pub fn gate(&self, now: Duration) -> Gate {
        match self.state {
            State::Closed { .. } => Gate::Closed,
            State::Open { until, .. } if now < until => Gate::Open(until),
            State::Open { .. } => Gate::Due,
            State::Trying { .. } => Gate::Trying,
        }
    }

    /// The next request is a trial, due or not.
    pub fn begin_trial(&mut self) {
        debug_assert!(matches!(self.state, State::Open { .. }), "a trial of what is not open");
        if let State::Open { cause, .. } = self.state {
            self.state = State::Trying { cause };
        }
    }

    /// Answers of requests that began before it opened say nothing about the peer as it is now.
    pub fn succeeded(&mut self, kind: Kind) {
        match (&mut self.state, kind) {
            (State::Closed { history }, _) => *history = *history << 1 & REMEMBERED,
            (State::Trying { .. }, Kind::Trial) => *self = Self::default(),
            _ => {}
        }
    }

    /// A request failed. Opens it when a trial fails, when the peer cannot be reached, or when `failures_max` of its
    /// last answers failed; each time that it opens again it stays so for longer.
    pub fn failed(&mut self, failure: Failure, kind: Kind, now: Duration, settings: &Settings, random: &mut Random) {
        let opens = match (&mut self.state, kind) {
            (State::Closed { history }, _) => {
                *history = (*history << 1 | 1) & REMEMBERED;
                // A peer that cannot be reached has nothing in flight and would be everybody's first choice.
                failure == Failure::Connect
                    || history.count_ones() >= settings.failures_max.clamp(1, REMEMBERED.count_ones())
            }
            (State::Trying { .. }, Kind::Trial) => true,
            _ => false,
        };
        if opens {
            let backoff = backoff(self.trips, settings, random);
            self.trips = self.trips.saturating_add(1);
            self.state = State::Open { until: now.saturating_add(backoff), cause: failure };
        }
    }

    /// A trial ended and showed nothing: the next one is due at once.
    pub fn undecided(&mut self, kind: Kind, now: Duration) {
        if let (State::Trying { cause }, Kind::Trial) = (&self.state, kind) {
            self.state = State::Open { until: now, cause: *cause };
        }
    }

    /// It can be reached again. That it answers well is not said, so a trial comes first.
    pub fn reachable(&mut self, now: Duration) {
        if let State::Open { until, cause: Failure::Connect } = &mut self.state {
            *until = now.min(*until);
        }
    }
}

/// Twice as long each time, and up to a fifth longer, so that replicas do not come back together.
fn backoff(trips: u32, settings: &Settings, random: &mut Random) -> Duration {
    let doubled = settings.backoff_min.saturating_mul(2_u32.saturating_pow(trips.min(16)));
    let capped = doubled.min(settings.backoff_max);
    let jitter = u64::try_from(capped.as_millis() / 5).unwrap_or(0);
    capped.saturating_add(Duration::from_millis(random.below(jitter + 1)))
}
