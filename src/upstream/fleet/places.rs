//! Places at the servers of a pool, and its queue: the balancer, shared. Places give themselves back, and requests
//! sleep until they have one.
//! Decides nothing; `balance` does, and this is its clock, its lock and its bell.
//!
//! Who exists may change at any time. The balancer and the peers change under one lock, so that a place always has its
//! peer: one that left stays known until its last request has ended.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use crate::balance::{
    Answer, Assignment, Awaited, Balancer, Catalog, Change, Decision, HealthState, ModelId, ModelState, Obstacle,
    Order, Outcome, PeerId, Reason, Refusal, Report, Request, Reuse, Settings, Sight, Status, Ticket, Why,
};
use crate::upstream::lock::lock;

use super::observer::ModelObserver;
use super::peer::{Peer, Standing};

/// Who has a place, and who waits for one.
#[derive(Debug)]
pub struct Places {
    /// Where the balancer's time begins.
    began: Instant,
    ledger: Mutex<Ledger>,
    /// Rung when the next moment at which time alone changes something may have moved.
    moved: Notify,
    /// Rung when there are orders for boxes.
    ordered: Notify,
    /// Whether any peer loads and unloads models.
    has_models: AtomicBool,
    /// Told what becomes of models, from when the pool is kept.
    observer: OnceLock<Arc<dyn ModelObserver>>,
    /// Those that may get requests, in the order in which they were named.
    peers: watch::Sender<Arc<[Arc<Peer>]>>,
}

#[derive(Debug)]
struct Ledger {
    balancer: Balancer,
    waiting: HashMap<Ticket, oneshot::Sender<Result<Place, Reason>>>,
    /// What boxes are to do, and nobody has told them yet.
    orders: Vec<Order>,
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
        let ledger = Ledger { balancer, waiting: HashMap::new(), orders: Vec::new(), known: HashMap::new() };
        let (peers, _) = watch::channel(Arc::default());
        Self {
            began: Instant::now(),
            ledger: Mutex::new(ledger),
            moved: Notify::new(),
            ordered: Notify::new(),
            has_models: AtomicBool::default(),
            observer: OnceLock::new(),
            peers,
        }
    }

    /// What becomes of models is told to this observer from here on; it stays the one.
    pub fn observe(&self, observer: Arc<dyn ModelObserver>) {
        let _ = self.observer.set(observer);
    }

    /// Told what becomes of models, if there is one.
    pub fn observer(&self) -> Option<&dyn ModelObserver> {
        self.observer.get().map(Arc::as_ref)
    }

    /// Exactly these peers exist. Of those that are new this much is assumed until they are asked.
    pub fn set_peers(self: &Arc<Self>, peers: Arc<[Arc<Peer>]>, assumed: Report) {
        {
            let ledger = &mut *lock(&self.ledger);
            ledger.balancer.set_peers(peers.iter().map(|peer| (peer.id(), peer.spec())));
            for peer in peers.iter() {
                if ledger.known.insert(peer.id(), Arc::clone(peer)).is_none() {
                    ledger.balancer.asked(peer.id(), assumed, self.now());
                }
            }
            let Ledger { balancer, known, .. } = ledger;
            known.retain(|id, _| balancer.knows(*id));
            self.has_models.store(balancer.has_models(), Ordering::Relaxed);
            self.peers.send_replace(peers);
        }
        self.settle();
    }

    /// The pool is balanced otherwise from here on; who has a place or waits keeps it.
    pub fn configure(self: &Arc<Self>, settings: Settings) {
        lock(&self.ledger).balancer.configure(settings);
        self.settle();
    }

    /// Nobody is asked any more how it is, so what was said last says nothing.
    pub fn trust_all(self: &Arc<Self>) {
        for status in self.statuses() {
            if matches!(status.standing, HealthState::Loading | HealthState::Failed) {
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
        lock(&self.ledger).known.get(&id).cloned()
    }

    /// Tells when they change.
    pub fn changes(&self) -> watch::Receiver<Arc<[Arc<Peer>]>> {
        self.peers.subscribe()
    }

    /// A place, a place in the queue, or neither.
    pub fn enter(self: &Arc<Self>, request: Request) -> Entry {
        let ledger = &mut *lock(&self.ledger);
        match ledger.balancer.claim(request, self.now()) {
            Decision::Go(assignment) => Entry::Place(Place::new(self, assignment)),
            Decision::Refuse(refusal) => Entry::Refused(refusal),
            Decision::Wait(ticket) => {
                let (give, given) = oneshot::channel();
                ledger.waiting.insert(ticket, give);
                self.order(ledger);
                self.moved.notify_one();
                Entry::Waiting(Waiting { places: Arc::clone(self), ticket, given })
            }
        }
    }

    /// A peer is about to be asked how it is.
    pub fn asking(&self, peer: PeerId) {
        lock(&self.ledger).balancer.asking(peer);
    }

    /// A peer told how it is.
    pub fn asked(self: &Arc<Self>, peer: PeerId, report: Report) {
        lock(&self.ledger).balancer.asked(peer, report, self.now());
        self.settle();
    }

    /// A peer told which models it has, or that it has no choice of them. What has become of each is returned.
    pub fn catalog(self: &Arc<Self>, peer: PeerId, catalog: Option<&Catalog>) -> Vec<Change> {
        let changes = {
            let balancer = &mut lock(&self.ledger).balancer;
            let changes = balancer.catalog(peer, catalog, self.now());
            self.has_models.store(balancer.has_models(), Ordering::Relaxed);
            changes
        };
        self.settle();
        changes
    }

    /// The model that goes by this name at any peer that loads and unloads models.
    pub fn model(&self, name: ModelId) -> Option<ModelId> {
        if self.has_models() { lock(&self.ledger).balancer.model(name) } else { None }
    }

    /// Whether a peer besides those could take a request for this model now.
    pub fn has_another(&self, model: Option<ModelId>, tried: &[PeerId]) -> bool {
        lock(&self.ledger).balancer.has_another(model, tried, self.now())
    }

    /// The name of a model at a peer.
    pub fn model_name(&self, peer: PeerId, model: ModelId) -> Option<Arc<str>> {
        lock(&self.ledger).balancer.model_name(peer, model)
    }

    /// Whether any peer loads and unloads models.
    pub fn has_models(&self) -> bool {
        self.has_models.load(Ordering::Relaxed)
    }

    /// What boxes are to do from now on; waits until there is something. Each order is to be `answered`.
    pub async fn orders(&self) -> Vec<Order> {
        loop {
            let orders = std::mem::take(&mut lock(&self.ledger).orders);
            if !orders.is_empty() {
                return orders;
            }
            self.ordered.notified().await;
        }
    }

    /// Whether an order is to be carried out still.
    pub fn awaits(&self, order: &Order) -> bool {
        lock(&self.ledger).balancer.awaits(order)
    }

    /// What a box said to an order.
    pub fn answered(self: &Arc<Self>, order: &Order, answer: Answer) {
        lock(&self.ledger).balancer.answered(order, answer, self.now());
        self.settle();
    }

    /// How each stands that may get requests or has some.
    pub fn statuses(&self) -> Vec<Status> {
        lock(&self.ledger).balancer.statuses(self.now()).collect()
    }

    /// How each stands that has requests or may get some.
    pub fn standings(&self) -> Vec<Standing> {
        let ledger = lock(&self.ledger);
        let now = self.now();
        let seats = ledger.balancer.seats(now);
        let standing = |status: Status| {
            let peer = Arc::clone(ledger.known.get(&status.id)?);
            let seats = seats.iter().filter(|seat| seat.status.id == status.id).cloned().collect();
            Some(Standing { peer, status, seats })
        };
        ledger.balancer.statuses(now).filter_map(standing).collect()
    }

    /// Where a model cannot be loaded, each with the reason.
    pub fn obstacles(&self, model: ModelId) -> Vec<(Arc<Peer>, Obstacle)> {
        let ledger = lock(&self.ledger);
        let all = ledger.balancer.obstacles(model, self.now()).into_iter();
        all.filter_map(|(peer, obstacle)| Some((Arc::clone(ledger.known.get(&peer)?), obstacle))).collect()
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        lock(&self.ledger).balancer.waiting()
    }

    /// Requests that wait, by priority.
    pub fn waiting_by_priority(&self) -> BTreeMap<u8, usize> {
        lock(&self.ledger).balancer.waiting_by_priority()
    }

    /// Where a session is at home.
    pub fn session(&self, key: u64) -> Option<PeerId> {
        lock(&self.ledger).balancer.session(key)
    }

    /// A session is at home at that peer, however it came there.
    pub fn settle_session(&self, key: u64, peer: PeerId) {
        lock(&self.ledger).balancer.settle_session(key, peer);
    }

    /// When whoever is refused may try again.
    pub fn retry_after(&self) -> Duration {
        lock(&self.ledger).balancer.retry_after()
    }

    /// Does what time alone brings: those who waited too long go, and those go on whose server is asked again.
    /// Runs for ever.
    pub async fn keep_time(self: &Arc<Self>) {
        loop {
            let now = self.now();
            let wake_at = lock(&self.ledger).balancer.wake_at(now);
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

    fn order(&self, ledger: &mut Ledger) {
        ledger.orders.extend(ledger.balancer.orders(self.now()));
        if !ledger.orders.is_empty() {
            self.ordered.notify_one();
        }
    }

    /// Wakes those who need wait no more. One who has left meanwhile gives the place back, which wakes the next.
    fn settle(self: &Arc<Self>) {
        let given: Vec<_> = {
            let ledger = &mut *lock(&self.ledger);
            let now = self.now();
            for (ticket, reason) in ledger.balancer.expire(now) {
                if let Some(give) = ledger.waiting.remove(&ticket) {
                    let _ = give.send(Err(reason));
                }
            }
            let woken = ledger.balancer.next(now);
            self.order(ledger);
            woken
                .into_iter()
                .map(|(ticket, assignment)| (ledger.waiting.remove(&ticket), Place::new(self, assignment)))
                .collect()
        };
        // Outside the lock: a place that nobody takes is dropped here, and comes back through it.
        for (give, place) in given {
            if let Some(give) = give {
                let _ = give.send(Ok(place));
            }
        }
        self.moved.notify_one();
    }
}

/// A place at one peer, given back when dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    assignment: Option<Box<Assignment>>,
    peer: PeerId,
    model: Option<ModelId>,
    why: Why,
    /// `None` until there is a word on it.
    outcome: Option<Outcome>,
}

impl Place {
    fn new(places: &Arc<Places>, assignment: Assignment) -> Self {
        let (peer, model, why) = (assignment.peer(), assignment.model(), assignment.why());
        Self { places: Arc::clone(places), assignment: Some(Box::new(assignment)), peer, model, why, outcome: None }
    }

    /// Where it is.
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// The model that it is for, where the peer has several.
    pub fn model(&self) -> Option<ModelId> {
        self.model
    }

    /// How that model is; `None` when it has gone since and come back.
    pub fn model_state(&self) -> Option<ModelState> {
        lock(&self.places.ledger).balancer.model_state(self.assignment.as_ref()?)
    }

    /// Why there.
    pub fn why(&self) -> &Why {
        &self.why
    }

    /// What became of the request, for when the place is given back. The first word counts: what follows a failure
    /// follows from it.
    pub fn judge(&mut self, outcome: Outcome) {
        self.outcome.get_or_insert(outcome);
    }

    /// The answer has begun well.
    pub fn began(&self) {
        if let Some(assignment) = &self.assignment {
            lock(&self.places.ledger).balancer.began(assignment);
            self.places.settle();
        }
    }

    /// The first token of the answer has come, or something that may be it. Only the first word on it counts.
    pub fn first_token(&mut self, sight: Sight) {
        if let Some(assignment) = self.assignment.as_mut().filter(|assignment| assignment.awaits_first_token()) {
            lock(&self.places.ledger).balancer.first_token(assignment, sight, self.places.now());
            // Who waited for another peer may rather come here now.
            self.places.moved.notify_one();
        }
    }

    /// The answer told how much of the prompt was cached.
    pub fn learn(&mut self, reuse: Reuse) {
        if let Some(assignment) = &mut self.assignment {
            lock(&self.places.ledger).balancer.learn(assignment, reuse);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(assignment) = self.assignment.take() {
            let places = &self.places;
            {
                let ledger = &mut *lock(&places.ledger);
                ledger.balancer.release(*assignment, self.outcome.unwrap_or(Outcome::Unjudged), places.now());
                if !ledger.balancer.knows(self.peer) {
                    ledger.known.remove(&self.peer);
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
    given: oneshot::Receiver<Result<Place, Reason>>,
}

impl Waiting {
    /// The place, once there is one, or why there will be none.
    pub async fn place(&mut self) -> Result<Place, Reason> {
        (&mut self.given).await.unwrap_or(Err(Reason::Busy))
    }

    /// How many are before it.
    pub fn position(&self) -> Option<usize> {
        lock(&self.places.ledger).balancer.position(self.ticket)
    }

    /// How it stands with the model that it waits for, and the peer that loads it, if one does; `None` where it waits
    /// for no model.
    pub fn awaited(&self) -> Option<(Awaited, Option<Arc<Peer>>)> {
        let ledger = lock(&self.places.ledger);
        let awaited = ledger.balancer.awaited(self.ticket, self.places.now())?;
        let peer = awaited.loading.and_then(|loading| ledger.known.get(&loading.peer).cloned());
        Some((awaited, peer))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // From here on a place that is sent comes back to its sender; one that has come is dropped with the receiver.
        self.given.close();
        {
            let ledger = &mut *lock(&self.places.ledger);
            ledger.balancer.leave(self.ticket);
            ledger.waiting.remove(&self.ticket);
        }
        self.places.settle();
    }
}
