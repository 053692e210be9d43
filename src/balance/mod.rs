//! Who exists, who is alive, who is next: places at the servers of one pool, and the requests that wait for one.
//! Does no IO, reads no clock and wakes nobody: time is handed in, and so is the seed of its randomness.
//!
//! Three questions, three types. The `Roster` says who exists, each peer's `Health` whether it is
//! alive, the [`Policy`] who is next. [`Balancer`] puts them together with a queue. With [`Policy::Prefix`] it estimates
//! for each request when its first token could come from each peer, and who waits need not go in turn.
//!
//! ```text
//!            claim                       release
//!  Request ────────▶ Go(Assignment) ───────────────▶ counted back
//!             │              ▲
//!             │              │ next, after every call that may have freed a place
//!             ├────▶ Wait(Ticket) ──▶ leave │ expire
//!             └────▶ Refuse
//! ```
//!
//! The law: every [`Assignment`] is given to [`Balancer::release`] once, whatever became of its request; it cannot be
//! copied. Every [`Ticket`] ends once: in `next`, `leave` or `expire`. After each call that changes something, and at
//! [`Balancer::wake_at`], the caller calls `expire` and `next` and wakes whom they name, and then `orders`, each of which
//! is answered.
//!
//! `now` is a duration since a moment of the caller's choice and never runs backwards.
//!
//! ```
//! use std::time::Duration;
//! use toolgate::balance::{Balancer, Decision, Outcome, PeerId, Request, Settings, Spec};
//!
//! let mut balancer = Balancer::new(Settings::default(), 1);
//! let gpu = PeerId::of("http://gpu:8080");
//! balancer.set_peers([(gpu, Spec { max_inflight: Some(1), ..Spec::default() })]);
//!
//! let now = Duration::ZERO;
//! let Decision::Go(first) = balancer.claim(Request::default(), now) else { panic!() };
//! let Decision::Wait(second) = balancer.claim(Request::default(), now) else { panic!() };
//! balancer.release(first, Outcome::Served, now);
//! let woken = balancer.next(now);
//! assert_eq!((woken[0].0, woken[0].1.peer()), (second, gpu));
//! ```

mod affinity;
mod balancer;
mod breaker;
mod choose;
mod demand;
mod dispatch;
mod estimate;
mod health;
mod loads;
mod model;
mod models;
mod on_demand;
mod pace;
mod pins;
mod poison;
mod policy;
pub mod prefix;
mod queue;
mod random;
mod recent;
mod roster;
mod seat;
mod seats;
mod swap;
#[cfg(test)]
mod tests;
mod why;

use std::time::Duration;

pub use self::affinity::Reuse;
pub use self::balancer::{Assignment, Balancer, Decision, Reason, Refusal};
pub use self::health::{Failure, HealthState, Outcome, State};
pub use self::model::{Arrival, ModelReport, ModelState};
pub use self::models::{Catalog, Obstacle};
pub use self::on_demand::LoadBy;
pub use self::pace::Sight;
pub use self::poison::PoisonBodies;
pub use self::policy::Policy;
pub use self::prefix::Fingerprint;
pub use self::queue::{Ticket, Turn};
pub use self::roster::{PeerId, Report, Spec, Status, Work};
pub use self::seat::ModelId;

pub use self::seats::{Awaited, Loading, SeatStatus};
pub use self::swap::{Action, Answer, Change, ChangeKind, Departure, Order};
pub use self::why::Why;

/// How a pool is balanced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub policy: Policy,
    /// Requests that may wait; each holds its body and its client's connection. With 0 nobody waits.
    pub queue_max: usize,
    /// How long a request waits at most.
    pub wait_max: Duration,
    /// How often a request may be overtaken by one behind it that is answered sooner. With 0 it is first come, first
    /// served.
    pub overtaken_max: u32,
    /// How long a request may decline free places for a better one. With 0 it declines none.
    pub patience: Duration,
    /// How far a peer's share of the load may exceed the pool's mean, in percent of it, before the hash of a session
    /// stops choosing it.
    pub load_percent_max: u32,
    /// Blocks of text whose place is remembered; without a limit every conversation ever seen would be.
    pub blocks_max: usize,
    /// Sessions whose place is remembered.
    pub sessions_max: usize,
    /// Failures among a peer's last ten answers that open its breaker: 1 to 10.
    pub failures_max: u32,
    /// How long a failing peer is left alone at first; doubled each time it fails its trial.
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    pub loads: Loads,
}

/// Which models are loaded at boxes that have several, beside what requests ask for, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loads {
    pub by: LoadBy,
    /// Models of which so many copies are kept loaded.
    pub pins: Vec<(ModelId, u32)>,
    /// Models that are loaded once where there is a free place.
    pub preload: Vec<ModelId>,
    /// How long a model stays at least before it makes room; none means for as long as it took to load.
    pub stay: Option<Duration>,
    /// How long requests wait for their model before it gets the place of one that is wanted, too; none means for three
    /// loads.
    pub patience: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            queue_max: 1024,
            wait_max: Duration::from_secs(300),
            overtaken_max: 32,
            patience: Duration::from_secs(10),
            load_percent_max: 125,
            blocks_max: 1 << 16,
            sessions_max: 1 << 14,
            failures_max: 5,
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            loads: Loads::default(),
        }
    }
}

/// What a balancer needs to know of a request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Lower goes first.
    pub priority: u8,
    /// The model that it names, which matters to peers that have several.
    pub model: Option<ModelId>,
    /// The client's own word on what belongs together, hashed by [`prefix::key`]. Outranks the prefix.
    pub session: Option<u64>,
    /// What the prompt begins with; only [`Policy::Prefix`] reads it.
    pub prefix: Option<Fingerprint>,
    /// One that comes back goes before those that wait.
    pub turn: Turn,
    /// Peers that have failed this request; it comes back.
    pub tried: Vec<PeerId>,
}

impl Request {
    /// What its prompt begins with, where that takes any time to read.
    fn long_prefix(&self) -> Option<&Fingerprint> {
        self.prefix.as_ref().filter(|prefix| !prefix.blocks().is_empty())
    }
}
