//! State of attempts: what has become of a request's attempts so far, and the one that runs.
//! Decides nothing; it is what attempts leave to the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::api::ollama::server::Complaint;
use crate::balance::PeerId;
use crate::gateway::quarantine::{Probation, Sent};
use crate::upstream::{Claim, Pool, Watch};

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
    /// The deadlines of a connection of its own; those of the whole answer go on over attempts.
    pub watch: Option<Arc<Watch>>,
    /// How the pool's other servers stood, for a client that asks.
    pub others: Option<String>,
    /// The body as it went to the peer.
    pub sent: Option<Sent>,
    /// That nobody else under suspicion is at the peer.
    pub probation: Option<Probation>,
}

/// Whether a connection that others have used may be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distrust {
    #[default]
    None,
    Shared,
}

impl Tries {
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
    /// Whether the answer was ended because nothing more of it is needed.
    pub fn is_stopped(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.is_stopped())
    }

    /// The server's place and trial are given back; what is known of the attempt stays.
    pub(super) fn give_back(&mut self) {
        (self.claim, self.probation) = (None, None);
    }
}
