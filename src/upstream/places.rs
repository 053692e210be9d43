//! The balancer of one pool, shared: places that give themselves back, and requests that sleep until they have one.
//! Decides nothing; `balance` does, and this is its clock, its lock and its bell.
//!
//! Who exists may change at any time. The balancer and the peers change under one lock, so that a place always has its
//! peer: one that left stays known until its last request has ended.

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

use super::lock;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::balance::State as Assumed;
    use crate::config;

    fn peers(names: &[&str], slots: u32) -> Arc<[Arc<Peer>]> {
        let urls: Vec<_> = names.iter().map(|name| format!("http://{name}")).collect();
        let config = config::Config::from_upstreams(&urls, &[], None).unwrap();
        let peers = config.pools[0].peers.iter().cloned();
        peers.map(|peer| Arc::new(Peer::new(config::Peer { max_inflight: Some(slots), ..peer }))).collect()
    }

    fn places(settings: Settings, slots: u32) -> Arc<Places> {
        let places = Arc::new(Places::new(settings));
        places.set_peers(peers(&["a"], slots), Report::default());
        places
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

    fn standings(places: &Places) -> Vec<String> {
        let standings = places.standings().into_iter();
        standings.map(|(peer, status)| format!("{} {} {}", peer.name(), status.inflight, status.leaving)).collect()
    }

    #[tokio::test]
    async fn peers_come_and_go_and_a_place_stays_good() {
        let places = places(Settings::default(), 1);
        let Entry::Place(first) = enter(&places) else { panic!() };
        let Entry::Waiting(mut second) = enter(&places) else { panic!() };
        let loading = Report { state: Assumed::Loading, ..Report::default() };
        places.set_peers(peers(&["b"], 1), loading);
        assert_eq!(standings(&places), ["b:80 0 false", "a:80 1 true"]);
        assert_eq!((places.waiting(), places.peer(first.peer()).unwrap().name()), (1, "a:80"));
        // Nobody knows yet whether the new one is ready.
        places.asked(PeerId::of("http://b"), Report::default());
        let second = second.place().await.unwrap();
        assert_eq!(places.peer(second.peer()).unwrap().name(), "b:80");
        let a = first.peer();
        drop(first);
        assert_eq!(standings(&places), ["b:80 1 false"]);
        assert!(places.peer(a).is_none());
        places.set_peers(peers(&["b", "c"], 1), loading);
        let Entry::Waiting(mut third) = enter(&places) else { panic!() };
        places.trust_all();
        assert_eq!(places.peer(third.place().await.unwrap().peer()).unwrap().name(), "c:80");
        // Without any peer requests wait for one.
        places.set_peers(Arc::default(), Report::default());
        let Entry::Waiting(mut third) = enter(&places) else { panic!() };
        places.set_peers(peers(&["b"], 2), loading);
        drop((second, third.place().await.unwrap()));
        assert_eq!(standings(&places), ["b:80 0 false"]);
    }

    #[derive(Clone, Debug)]
    enum Event {
        Enter,
        /// Gives a place back, or leaves the queue.
        Leave(usize),
        Take,
        SetPeers {
            which: u8,
            slots: u32,
        },
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_place_is_lost_while_peers_come_and_go(events in prop::collection::vec(prop_oneof![
            4 => Just(Event::Enter),
            3 => any::<usize>().prop_map(Event::Leave),
            2 => Just(Event::Take),
            2 => (0..8_u8, 1..3_u32).prop_map(|(which, slots)| Event::SetPeers { which, slots }),
        ], 0..100)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _inside = runtime.enter();
            let places = places(Settings { queue_max: 4, ..Settings::default() }, 2);
            let (mut running, mut waiting) = (Vec::new(), Vec::new());
            for event in events {
                match event {
                    Event::Enter => match enter(&places) {
                        Entry::Place(place) => running.push(place),
                        Entry::Waiting(entry) => waiting.push(entry),
                        Entry::Refused(_) => assert_eq!(places.waiting(), 4),
                    },
                    Event::Leave(which) if which % 2 == 0 && !running.is_empty() => {
                        running.swap_remove(which % running.len());
                    }
                    Event::Leave(which) if !waiting.is_empty() => drop(waiting.swap_remove(which % waiting.len())),
                    Event::Leave(_) => {}
                    Event::Take => waiting.retain_mut(|entry| match entry.given.try_recv() {
                        Ok(place) => {
                            running.push(place);
                            false
                        }
                        Err(_) => true,
                    }),
                    Event::SetPeers { which, slots } => {
                        let named = ["a", "b", "c"].into_iter().enumerate().filter(|(at, _)| which & 1 << at != 0);
                        places.set_peers(peers(&named.map(|(_, name)| name).collect::<Vec<_>>(), slots), Report::default());
                    }
                }
                let given = waiting.len() - places.waiting();
                assert_eq!(usize::try_from(inflight(&places)).unwrap(), running.len() + given);
                assert!(running.iter().all(|place| places.peer(place.peer()).is_some()), "a place without its peer");
                assert_eq!(places.standings().len(), places.statuses().len());
            }
            drop((running, waiting));
            places.set_peers(Arc::default(), Report::default());
            assert_eq!(lock(&places.state).known.len(), 0);
        }
    }
}
