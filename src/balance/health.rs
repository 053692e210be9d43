//! Health of a peer, alive or not: what it said when it was asked, and what became of its requests.
//! Asks nothing by itself.

use std::time::Duration;

use super::Settings;
use super::breaker::{Breaker, Gate, Kind};
use super::random::Random;

/// What a peer says of itself when it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It serves; also what is assumed of a peer that was never asked.
    #[default]
    Ready,
    /// It will serve soon.
    Loading,
    /// It serves, and the first request has to wake it.
    Sleeping,
    /// It does not answer, or not as it should.
    Failed,
}

impl State {
    /// As a log says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Loading => "loading",
            Self::Sleeping => "asleep",
            Self::Failed => "not answering",
        }
    }
}

/// What became of a request at its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered well, to the end.
    Served,
    /// It says nothing about the peer: a 4xx, a client that left.
    Unjudged,
    /// It is not ready: llama.cpp's 503 `Loading model`.
    Loading,
    /// It asks to be left alone, with a 429 or 503, for as long as `Retry-After` says.
    Busy { retry_after: Option<Duration> },
    /// It is the peer's fault.
    Failed(Failure),
}

/// How a peer failed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: nothing was asked of it.
    Connect,
    /// The connection ended before the answer did.
    Reset,
    /// A 5xx.
    Status,
    /// It fell silent for longer than is allowed.
    Stall,
}

/// What can be asked of a peer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    Serves,
    /// One request, to see whether it is back.
    Trial,
    /// It serves once it is woken.
    Sleeping,
    /// Nothing yet, but soon.
    Loading,
    /// Nothing before then, as it asked.
    Resting(Duration),
    /// Nothing while its trial goes on.
    Trying,
    /// Nothing before then, because it failed.
    Open(Duration),
    /// Nothing until it says that it is ready.
    Failed,
}

/// Without a `Retry-After`, and while a peer loads that nobody asks: soon enough to be noticed by no one.
const REST_DEFAULT: Duration = Duration::from_secs(1);
/// Longer rests are a mistake or an attack.
const REST_MAX: Duration = Duration::from_secs(300);

/// What an outcome is judged by.
pub struct Judge<'a> {
    pub settings: &'a Settings,
    pub random: &'a mut Random,
    pub now: Duration,
}

/// The health of one peer, or of one model at a peer that has many.
#[derive(Clone, Debug, Default)]
pub struct Health {
    state: State,
    breaker: Breaker,
    rests_until: Duration,
}

impl Health {
    /// What can be asked of it now, by what it said of itself, by its breaker, and by how long it asked to be left
    /// alone.
    pub fn standing(&self, now: Duration) -> HealthState {
        match (self.state, self.breaker.gate(now)) {
            (State::Failed, _) => HealthState::Failed,
            (State::Loading, _) => HealthState::Loading,
            (_, Gate::Trying) => HealthState::Trying,
            (_, Gate::Open(until)) => HealthState::Open(until.max(self.rests_until)),
            _ if now < self.rests_until => HealthState::Resting(self.rests_until),
            (_, Gate::Due) => HealthState::Trial,
            (State::Sleeping, Gate::Closed) => HealthState::Sleeping,
            (State::Ready, Gate::Closed) => HealthState::Serves,
        }
    }

    /// A request is about to go there.
    pub fn begin(&mut self, now: Duration) -> Kind {
        match self.breaker.gate(now) {
            Gate::Closed | Gate::Trying => Kind::Regular,
            Gate::Open(_) | Gate::Due => {
                self.breaker.begin_trial();
                Kind::Trial
            }
        }
    }

    /// It was asked how it is, and said this. One that could not be reached and now answers is tried at once.
    pub fn asked(&mut self, state: State, now: Duration) {
        self.state = state;
        if matches!(state, State::Ready | State::Sleeping) {
            self.breaker.reachable(now);
        }
    }

    /// The answer has begun well, long before it ends.
    pub fn began(&mut self, kind: Kind) {
        if kind == Kind::Trial {
            self.breaker.succeeded(kind);
        }
    }

    /// A request has ended. Tells the breaker, and lets the peer rest if it is loading or asked to be left alone: for
    /// as long as it asked, for a second if it did not say, and never for longer than five minutes.
    pub fn ended(&mut self, outcome: Outcome, kind: Kind, judge: &mut Judge<'_>) {
        let now = judge.now;
        match outcome {
            Outcome::Served => self.breaker.succeeded(kind),
            Outcome::Failed(failure) => self.breaker.failed(failure, kind, now, judge.settings, judge.random),
            Outcome::Unjudged | Outcome::Loading | Outcome::Busy { .. } => self.breaker.undecided(kind, now),
        }
        let rest = match outcome {
            Outcome::Loading => Some(REST_DEFAULT),
            Outcome::Busy { retry_after } => Some(retry_after.unwrap_or(REST_DEFAULT).min(REST_MAX)),
            Outcome::Served | Outcome::Unjudged | Outcome::Failed(_) => None,
        };
        if let Some(rest) = rest {
            self.rests_until = self.rests_until.max(now.saturating_add(rest));
        }
    }
}

impl HealthState {
    /// Every name that a standing can have.
    pub const NAMES: [&'static str; 8] =
        ["ready", "half-open", "sleeping", "loading", "resting", "trying", "open", "failed"];

    /// Whether it answers what it is sent now, were it but slowly at first.
    pub fn is_awake(self) -> bool {
        matches!(self, Self::Serves | Self::Trial | Self::Sleeping)
    }

    /// For people. `open`, `half-open` and `trying` are a breaker's that is not closed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serves => "ready",
            Self::Trial => "half-open",
            Self::Sleeping => "sleeping",
            Self::Loading => "loading",
            Self::Resting(_) => "resting",
            Self::Trying => "trying",
            Self::Open(_) => "open",
            Self::Failed => "failed",
        }
    }

    /// Whether it is thought not to answer. One that is tried has not answered yet.
    pub fn is_down(self) -> bool {
        matches!(self, Self::Open(_) | Self::Trying | Self::Failed)
    }

    /// When it changes by time alone.
    pub fn until(self) -> Option<Duration> {
        match self {
            Self::Resting(until) | Self::Open(until) => Some(until),
            _ => None,
        }
    }
}
