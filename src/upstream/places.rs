//! The balancer of one pool, shared: places that give themselves back, and requests that sleep until they have one.
//! Decides nothing; `balance` does, and this is its clock, its lock and its bell.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::balance::{
    Assignment, Balancer, Decision, Outcome, PeerId, Refusal, Report, Request, Reuse, Settings, Spec, Status, Ticket,
    Why,
};

use super::lock;

/// Who has a place, and who waits for one.
#[derive(Debug)]
pub struct Places {
    /// Where the balancer's time begins.
    began: Instant,
    state: Mutex<State>,
    /// Rung when the next moment at which time alone changes something may have moved.
    moved: Notify,
}

#[derive(Debug)]
struct State {
    balancer: Balancer,
    waiting: HashMap<Ticket, oneshot::Sender<Place>>,
}

/// What becomes of a request at once.
#[derive(Debug)]
pub enum Entry {
    Place(Place),
    Waiting(Waiting),
    Refused(Refusal),
}

impl Places {
    pub fn new(settings: Settings, peers: impl IntoIterator<Item = (PeerId, Spec)>) -> Self {
        let mut balancer = Balancer::new(settings, RandomState::new().hash_one(0));
        balancer.set_peers(peers);
        let state = Mutex::new(State { balancer, waiting: HashMap::new() });
        Self { began: Instant::now(), state, moved: Notify::new() }
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

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        lock(&self.state).balancer.waiting()
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
            lock(&places.state).balancer.release(assignment, self.outcome.unwrap_or(Outcome::Unjudged), places.now());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn places(settings: Settings, slots: u32) -> Arc<Places> {
        let spec = Spec { max_inflight: Some(slots), ..Spec::default() };
        Arc::new(Places::new(settings, [(PeerId::of("a"), spec)]))
    }

    fn enter(places: &Arc<Places>) -> Entry {
        places.enter(Request::default())
    }

    fn inflight(places: &Places) -> u32 {
        places.statuses().iter().map(|status| status.inflight).sum()
    }

    #[tokio::test]
    async fn a_place_given_back_wakes_the_first_who_waits() {
        let places = places(Settings::default(), 1);
        let Entry::Place(first) = enter(&places) else { panic!() };
        let (Entry::Waiting(mut second), Entry::Waiting(third)) = (enter(&places), enter(&places)) else { panic!() };
        assert_eq!((second.position(), third.position(), places.waiting()), (Some(0), Some(1), 2));
        drop(first);
        let second = second.place().await.unwrap();
        assert_eq!((third.position(), inflight(&places)), (Some(0), 1));
        drop(second);
        // Its place had come when it left.
        drop(third);
        assert_eq!((inflight(&places), places.waiting()), (0, 0));
        assert!(matches!(enter(&places), Entry::Place(_)));
    }

    #[tokio::test]
    async fn who_leaves_the_queue_is_passed_over() {
        let places = places(Settings::default(), 1);
        let Entry::Place(first) = enter(&places) else { panic!() };
        let (Entry::Waiting(second), Entry::Waiting(mut third)) = (enter(&places), enter(&places)) else { panic!() };
        drop(second);
        drop(first);
        let _third = third.place().await.unwrap();
        assert_eq!((inflight(&places), places.waiting()), (1, 0));
    }

    #[tokio::test]
    async fn a_wait_ends_in_time() {
        let places = places(Settings { wait_max: Duration::from_millis(5), ..Settings::default() }, 1);
        let Entry::Place(_first) = enter(&places) else { panic!() };
        let keeper = Arc::clone(&places);
        let keeper = tokio::spawn(async move { keeper.keep_time().await });
        let Entry::Waiting(mut second) = enter(&places) else { panic!() };
        assert!(second.place().await.is_none());
        assert_eq!(places.waiting(), 0);
        keeper.abort();
    }
}
