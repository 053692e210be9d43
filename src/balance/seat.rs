//! Seat: one model at one peer, how much it can take there and how much it has.
//! A peer of one model has one seat, which any name fits.

use std::time::Duration;

use super::pace::Pace;
use super::prefix;
use super::random::mix;
use super::roster::{PeerId, Work};

/// What tells a model from others: a hash of its name, to the letter as boxes take it, the same on every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(u64);

impl ModelId {
    /// Of a model's name, or another name that it goes by.
    pub fn of(name: &str) -> Self {
        Self(prefix::key(name.as_bytes()))
    }

    /// For rendezvous hashing.
    pub(super) fn key(self) -> u64 {
        self.0
    }
}

/// What a request wants of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Want {
    /// Whatever runs there.
    #[default]
    Any,
    /// A model that some peers of the pool load and unload.
    Model(ModelId),
}

/// What tells a seat from others: whose cache it is that prompts are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeatId(u64);

impl SeatId {
    /// The seat of a model at a peer, or that of all else there.
    pub fn of(peer: PeerId, want: Want) -> Self {
        match want {
            Want::Any => Self(peer.0),
            Want::Model(model) => Self(mix(peer.0 ^ mix(model.0))),
        }
    }
}

/// One seat.
#[derive(Clone, Debug)]
pub struct Seat {
    pub id: SeatId,
    pub pace: Pace,
    pub inflight: u32,
    /// The most that it had at once since it was last asked.
    inflight_max: u32,
    /// When it was last taken, in claims: among equals the one that waited longest is next.
    pub taken_at: u64,
    pub slots: Option<u32>,
    pub elsewhere: u32,
}

impl Seat {
    /// One that nobody has taken yet.
    pub fn new(id: SeatId) -> Self {
        Self { id, pace: Pace::default(), inflight: 0, inflight_max: 0, taken_at: 0, slots: None, elsewhere: 0 }
    }

    /// Requests that it has, ours and others'.
    pub fn load(&self) -> u32 {
        self.inflight.saturating_add(self.elsewhere)
    }

    /// A request of ours goes there.
    pub fn take(&mut self, claims: u64) {
        self.taken_at = claims;
        self.inflight += 1;
        self.inflight_max = self.inflight_max.max(self.inflight);
    }

    /// A request of ours has left. Says how long it stayed.
    pub fn leave(&mut self, end: impl FnOnce(&mut Pace) -> Duration) -> Duration {
        debug_assert!(self.inflight > 0, "a place that was never taken");
        self.inflight = self.inflight.saturating_sub(1);
        end(&mut self.pace)
    }

    /// It is about to be asked what it works on: from here on the most requests of ours are counted that it can have
    /// seen.
    pub fn asking(&mut self) {
        self.inflight_max = self.inflight;
    }

    /// Between the question and the answer requests of ours may have come and gone, and nobody knows which of them the
    /// peer has counted. Taking all of them for counted errs by a request too many at the peer; the other way
    /// round, ours would be somebody else's and keep a place that nobody uses.
    pub fn asked(&mut self, work: Work) {
        self.elsewhere = match work {
            Work::Untold => 0,
            Work::Unasked => self.elsewhere,
            Work::Told(requests) => requests.saturating_sub(self.inflight_max),
        };
    }
}
