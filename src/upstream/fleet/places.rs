//! The balancer of one pool, shared: places that give themselves back, and requests that sleep until they have one.
//! Decides nothing; `balance` does, and this is its clock, its lock and its bell.
//!
//! Who exists may change at any time. The balancer and the peers change under one lock, so that a place always has its
//! peer: one that left stays known until its last request has ended.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use crate::balance::{
    Assignment, Balancer, Decision, Outcome, PeerId, Refusal, Report, Request, Reuse, Settings, Standing, Status,
    Ticket, Why,
};
use crate::upstream::lock::lock;

use super::peer::Peer;

/// Who has a place, and who waits for one.
#[derive(Debug)]
pub struct Places {
    /// Where the balancer's time begins.
    began: Instant,
    state: Mutex<State>,
    /// Rung when the next moment at which time alone changes something may have moved.
    moved: Notify,
    /// Those that may get requests, in the order in which they were named.
    peers: watch::Sender<Arc<[Arc<Peer>]>>,
}

#[derive(Debug)]
struct State {
    balancer: Balancer,
    waiting: HashMap<Ticket, oneshot::Sender<Place>>,
    /// Those that may get requests, and those that leave.
    known: HashMap<PeerId, Arc<Peer>>,
}

/// What becomes of a request at once.
#[derive(Debug)]
pub enum Entry {
    Place(Place),
    Waiting(Waiting),
    Refused(Refusal),
}

impl Places {
    /// Places at nobody yet.
    pub fn new(settings: Settings) -> Self {
        let balancer = Balancer::new(settings, RandomState::new().hash_one(0));
        let state = State { balancer, waiting: HashMap::new(), known: HashMap::new() };
        let (peers, _) = watch::channel(Arc::default());
        Self { began: Instant::now(), state: Mutex::new(state), moved: Notify::new(), peers }
    }

    /// Exactly these peers exist. Of those that are new this much is assumed until they are asked.
    pub fn set_peers(self: &Arc<Self>, peers: Arc<[Arc<Peer>]>, assumed: Report) {
        {
            let state = &mut *lock(&self.state);
            state.balancer.set_peers(peers.iter().map(|peer| (peer.id(), peer.spec())));
            for peer in peers.iter() {
                if state.known.insert(peer.id(), Arc::clone(peer)).is_none() {
                    state.balancer.asked(peer.id(), assumed, self.now());
                }
            }
            let State { balancer, known, .. } = state;
            known.retain(|id, _| balancer.knows(*id));
            self.peers.send_replace(peers);
        }
        self.settle();
    }

    /// The pool is balanced otherwise from here on; who has a place or waits keeps it.
    pub fn configure(self: &Arc<Self>, settings: Settings) {
        lock(&self.state).balancer.configure(settings);
        self.settle();
    }

    /// Nobody is asked any more how it is, so what was said last says nothing.
    pub fn trust_all(self: &Arc<Self>) {
        for status in self.statuses() {
            if matches!(status.standing, Standing::Loading | Standing::Failed) {
                self.asked(status.id, Report::default());
            }
        }
    }

    /// Those that may get requests, in the order in which they were named.
    pub fn peers(&self) -> Arc<[Arc<Peer>]> {
        Arc::clone(&self.peers.borrow())
    }

    /// One that has a place is known until it is given back, whether it may get more or not.
    pub fn peer(&self, id: PeerId) -> Option<Arc<Peer>> {
        lock(&self.state).known.get(&id).cloned()
    }

    /// Tells when they change.
    pub fn changes(&self) -> watch::Receiver<Arc<[Arc<Peer>]>> {
        self.peers.subscribe()
    }

    pub fn enter(self: &Arc<Self>, request: Request) -> Entry {
        let state = &mut *lock(&self.state);
        match state.balancer.claim(request, self.now()) {
            Decision::Go(assignment) => Entry::Place(Place::new(self, assignment)),
            Decision::Refuse(refusal) => Entry::Refused(refusal),
            Decision::Wait(ticket) => {
                let (give, given) = oneshot::channel();
                state.waiting.insert(ticket, give);
                self.moved.notify_one();
                Entry::Waiting(Waiting { places: Arc::clone(self), ticket, given })
            }
        }
    }

    /// A peer is about to be asked how it is.
    pub fn asking(&self, peer: PeerId) {
        lock(&self.state).balancer.asking(peer);
    }

    /// A peer told how it is.
    pub fn asked(self: &Arc<Self>, peer: PeerId, report: Report) {
        lock(&self.state).balancer.asked(peer, report, self.now());
        self.settle();
    }

    pub fn statuses(&self) -> Vec<Status> {
        lock(&self.state).balancer.statuses(self.now()).collect()
    }

    /// How each stands that has requests or may get some.
    pub fn standings(&self) -> Vec<(Arc<Peer>, Status)> {
        let state = lock(&self.state);
        let statuses = state.balancer.statuses(self.now());
        statuses.filter_map(|status| Some((Arc::clone(state.known.get(&status.id)?), status))).collect()
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        lock(&self.state).balancer.waiting()
    }

    /// Requests that wait, by priority.
    pub fn waiting_by_priority(&self) -> BTreeMap<u8, usize> {
        lock(&self.state).balancer.waiting_by_priority()
    }

    /// Where a session is at home.
    pub fn session(&self, key: u64) -> Option<PeerId> {
        lock(&self.state).balancer.session(key)
    }

    pub fn settle_session(&self, key: u64, peer: PeerId) {
        lock(&self.state).balancer.settle_session(key, peer);
    }

    pub fn retry_after(&self) -> Duration {
        lock(&self.state).balancer.retry_after()
    }

    /// Does what time alone brings: those who waited too long go, and those go on whose server is asked again.
    /// Runs for ever.
    pub async fn keep_time(self: &Arc<Self>) {
        loop {
            let now = self.now();
            let wake_at = lock(&self.state).balancer.wake_at(now);
            match wake_at.and_then(|at| self.began.checked_add(at)) {
                None => self.moved.notified().await,
                Some(at) => {
                    tokio::select! {
                        () = self.moved.notified() => {}
                        () = tokio::time::sleep_until(at) => self.settle(),
                    }
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Wakes those who need wait no more. One who has left meanwhile gives the place back, which wakes the next.
    fn settle(self: &Arc<Self>) {
        let given: Vec<_> = {
            let state = &mut *lock(&self.state);
            let now = self.now();
            for ticket in state.balancer.expire(now) {
                // Without its sender it learns that there was no place.
                state.waiting.remove(&ticket);
            }
            let woken = state.balancer.next(now);
            woken
                .into_iter()
                .map(|(ticket, assignment)| (state.waiting.remove(&ticket), Place::new(self, assignment)))
                .collect()
        };
        // Outside the lock: a place that nobody takes is dropped here, and comes back through it.
        for (give, place) in given {
            if let Some(give) = give {
                let _ = give.send(place);
            }
        }
        self.moved.notify_one();
    }
}

/// A place at one peer, given back when dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    assignment: Option<Assignment>,
    peer: PeerId,
    why: Why,
    /// `None` until there is a word on it.
    outcome: Option<Outcome>,
}

impl Place {
    fn new(places: &Arc<Places>, assignment: Assignment) -> Self {
        let (peer, why) = (assignment.peer(), assignment.why());
        Self { places: Arc::clone(places), assignment: Some(assignment), peer, why, outcome: None }
    }

    pub fn peer(&self) -> PeerId {
        self.peer
    }

    pub fn why(&self) -> Why {
        self.why
    }

    /// What became of the request, for when the place is given back. The first word counts: what follows a failure
    /// follows from it.
    pub fn judge(&mut self, outcome: Outcome) {
        self.outcome.get_or_insert(outcome);
    }

    /// The answer has begun well.
    pub fn began(&self) {
        if let Some(assignment) = &self.assignment {
            lock(&self.places.state).balancer.began(assignment);
            self.places.settle();
        }
    }

    /// The answer told how much of the prompt was cached.
    pub fn learn(&self, reuse: Reuse) {
        if let Some(assignment) = &self.assignment {
            lock(&self.places.state).balancer.learn(assignment, reuse);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(assignment) = self.assignment.take() {
            let places = &self.places;
            {
                let state = &mut *lock(&places.state);
                state.balancer.release(assignment, self.outcome.unwrap_or(Outcome::Unjudged), places.now());
                if !state.balancer.knows(self.peer) {
                    state.known.remove(&self.peer);
                }
            }
            places.settle();
        }
    }
}

/// A place in the queue, left when dropped.
#[derive(Debug)]
pub struct Waiting {
    places: Arc<Places>,
    ticket: Ticket,
    given: oneshot::Receiver<Place>,
}

impl Waiting {
    /// The place, once there is one; `None` when that took too long.
    pub async fn place(&mut self) -> Option<Place> {
        (&mut self.given).await.ok()
    }

    /// How many are before it.
    pub fn position(&self) -> Option<usize> {
        lock(&self.places.state).balancer.position(self.ticket)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // From here on a place that is sent comes back to its sender; one that has come is dropped with the receiver.
        self.given.close();
        {
            let state = &mut *lock(&self.places.state);
            state.balancer.leave(self.ticket);
            state.waiting.remove(&self.ticket);
        }
        self.places.settle();
    }
}
