//! State of attempts: what has become of a request's attempts so far, and the one that runs.
//! Decides nothing; it is what attempts leave to the next.

use std::sync::Arc;
use std::time::Duration;

use crate::api::ollama::server::Complaint;
use crate::api::openai::{self, AssembleError};
use tokio::time::Instant;

use crate::balance::PeerId;
use crate::gateway::quarantine::{Probation, Sent};
use crate::upstream::{Claim, Expired, Pool, Watch};

/// The attempts so far.
#[derive(Debug, Default)]
pub struct Tries {
    /// The peers that failed it.
    pub tried: Vec<PeerId>,
    /// A peer that broke off before it answered: the request goes elsewhere if it is gone.
    pub suspect: Option<Claim>,
    /// How often it did, after such a peer.
    pub failovers: u32,
    /// Since when it has been held for a peer that is not ready yet.
    pub(super) held_since: Option<Instant>,
    /// Whether it goes on with what has had a place before.
    pub is_again: bool,
    /// What servers have refused of it, and it does not say any more.
    pub complaints: Vec<Complaint>,
    /// A shared connection turned out dead: the next is fresh.
    pub distrust: Distrust,
}

/// The attempt that runs.
#[derive(Debug, Default)]
pub struct Attempt {
    /// A place at the peer that has the request now.
    pub claim: Option<Claim>,
    /// The deadlines of a connection of its own that Pingora reads; those of the whole answer go on over attempts.
    pub watch: Option<Arc<Watch>>,
    /// When the first connection was made.
    pub began: Option<Instant>,
    /// What is known of the answer by the time that it is shown.
    pub heard: Heard,
    /// The wait that ended the connection, if one did.
    pub expired: Option<Expired>,
    /// How the pool's other servers stood, for a client that asks.
    pub others: Option<String>,
    /// The body as it went to the peer.
    pub sent: Option<Sent>,
    /// That nobody else under suspicion is at the peer.
    pub probation: Option<Probation>,
}

/// What is known of an answer that was held.
#[derive(Debug, Default)]
pub struct Heard {
    /// Whether it is an event stream, whatever its head says.
    pub is_events: bool,
    /// Whether it was put together of a stream, or an error that was told in one.
    pub is_made: bool,
    /// What it complains of, where it is a refusal; the same in the words of a server's own API.
    pub complaint: Option<openai::Complaint>,
    pub own_complaint: Option<Complaint>,
    /// Why no whole answer could be made of a stream.
    pub failed: Option<AssembleError>,
}

/// Whether a connection that others have used may be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distrust {
    #[default]
    None,
    Shared,
}

impl Tries {
    /// Those of a request that goes on with what has had a place before.
    pub fn again() -> Self {
        Self { is_again: true, ..Self::default() }
    }

    /// A peer could not be reached: the request goes elsewhere, and others avoid it for a while.
    pub(super) fn give_up(&mut self, mut claim: Claim) {
        claim.unreachable();
        self.tried.push(claim.peer().id());
    }

    /// Whether a request may be held for a peer that is not ready yet: as long as it might wait in the queue.
    pub(super) fn may_hold(&mut self, pool: &Pool) -> bool {
        let queue = &pool.config().balancing.queue;
        let since = *self.held_since.get_or_insert_with(Instant::now);
        queue.max > 0 && since.elapsed() < Duration::from_millis(queue.timeout_ms)
    }
}

impl Attempt {
    /// The place and the trial of the one before are given back, and what was heard of its answer is forgotten.
    pub(super) fn begin(&mut self) {
        (self.claim, self.probation, self.heard) = (None, None, Heard::default());
        self.expired = None;
    }
}
