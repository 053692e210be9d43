//! Random events in random order, and what must hold after each of them.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Pool, id, slots};
use crate::balance::*;

const PATIENCE: Duration = Duration::from_millis(1_500);
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Event {
    Claim { priority: u8, tried: u8, conversation: u8, session: Option<u8> },
    Release { which: usize, outcome: Outcome },
    Began { which: usize },
    Leave { which: usize },
    Next,
    Expire,
    SetPeers { which: u8, slots: Option<u32>, tier: u8 },
    Configure { policy: Policy, queue_max: usize },
    Asked { peer: usize, report: Report },
    Pass { ms: u64 },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Served),
        2 => Just(Outcome::Unjudged),
        1 => Just(Outcome::Loading),
        1 => (0..5_u64).prop_map(|s| Outcome::Busy { retry_after: s.checked_sub(1).map(Duration::from_secs) }),
        1 => Just(Outcome::Failed(Failure::Connect)),
        3 => prop_oneof![Just(Failure::Reset), Just(Failure::Status), Just(Failure::Stall)].prop_map(Outcome::Failed),
    ];
    let state = prop_oneof![
        4 => Just(State::Ready),
        1 => Just(State::Loading),
        1 => Just(State::Sleeping),
        1 => Just(State::Failed),
    ];
    let number = || prop::option::of(prop_oneof![9 => 0..4_u32, 1 => Just(u32::MAX)]);
    let work = prop_oneof![number().prop_map(|told| told.map_or(Work::Untold, Work::Told)), Just(Work::Unasked)];
    let report = (state, number(), work).prop_map(|(state, slots, work)| Report { state, slots, work });
    let tried = prop_oneof![3 => Just(0), 1 => 0..16_u8];
    let claim = (0..3_u8, tried, 0..6_u8, prop::option::weighted(0.2, 0..4_u8))
        .prop_map(|(priority, tried, conversation, session)| Event::Claim { priority, tried, conversation, session });
    let event = prop_oneof![
        8 => claim,
        6 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Event::Release { which, outcome }),
        1 => any::<usize>().prop_map(|which| Event::Began { which }),
        1 => any::<usize>().prop_map(|which| Event::Leave { which }),
        6 => Just(Event::Next),
        1 => Just(Event::Expire),
        1 => (0..16_u8, number(), 0..2_u8)
            .prop_map(|(which, slots, tier)| Event::SetPeers { which, slots, tier }),
        1 => (policy(), 0..9_usize).prop_map(|(policy, queue_max)| Event::Configure { policy, queue_max }),
        1 => (0..4_usize, report).prop_map(|(peer, report)| Event::Asked { peer, report }),
        2 => (0..3_000_u64).prop_map(|ms| Event::Pass { ms }),
    ];
    prop::collection::vec(event, 0..200)
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Slots), Just(Policy::RoundRobin), Just(Policy::RandomTwo), Just(Policy::Prefix)]
}

fn settings(policy: Policy) -> Settings {
    Settings {
        policy,
        queue_max: 8,
        wait_max: Duration::from_secs(10),
        overtaken_max: 2,
        patience: PATIENCE,
        blocks_max: 16,
        sessions_max: 2,
        failures_max: 3,
        ..Settings::default()
    }
}

/// What the caller knows: the requests that it has running and waiting.
struct Caller {
    pool: Pool,
    running: Vec<Assignment>,
    waiting: Vec<(Ticket, Request)>,
    /// How often each that waits was overtaken.
    overtaken: HashMap<Ticket, u32>,
}

impl Caller {
    fn new(policy: Policy) -> Self {
        let pool = Pool::new(settings(policy), &[("a", slots(2)), ("b", slots(1)), ("c", Spec::default())]);
        Self { pool, running: Vec::new(), waiting: Vec::new(), overtaken: HashMap::new() }
    }

    fn happen(&mut self, event: Event) {
        let now = self.pool.now;
        match event {
            Event::Claim { priority, tried, conversation, session } => {
                self.claim(request(priority, tried, conversation, session));
            }
            Event::Release { which, outcome } if !self.running.is_empty() => {
                let assignment = self.running.remove(which % self.running.len());
                self.pool.end(assignment, outcome);
            }
            Event::Began { which } if !self.running.is_empty() => {
                let which = which % self.running.len();
                let assignment = &mut self.running[which];
                self.pool.balancer.began(assignment);
                self.pool.balancer.first_token(assignment, Sight::Word, now);
                let took = Some(Duration::from_millis(5));
                self.pool.balancer.learn(assignment, Reuse { cached_tokens: 1, prompt_tokens: 3, took });
            }
            Event::Leave { which } if !self.waiting.is_empty() => {
                let (ticket, _) = self.waiting.remove(which % self.waiting.len());
                self.pool.balancer.leave(ticket);
            }
            Event::Next => self.next(),
            Event::Expire => {
                for (ticket, _) in self.pool.balancer.expire(now) {
                    self.waits_no_more(ticket);
                }
            }
            Event::SetPeers { which, slots, tier } => {
                let weight = if which == 15 { u32::MAX } else { which.into() };
                let spec = Spec { weight, tier, max_inflight: slots, places: None };
                let named = NAMES.iter().enumerate().filter(|(at, _)| which & 1 << at != 0);
                self.pool.balancer.set_peers(named.map(|(_, name)| (id(name), spec)));
            }
            Event::Configure { policy, queue_max } => {
                self.pool.balancer.configure(Settings { queue_max, ..settings(policy) });
            }
            Event::Asked { peer, report } => self.pool.asked(NAMES[peer], report),
            Event::Pass { ms } => self.pool.pass(Duration::from_millis(ms)),
            Event::Release { .. } | Event::Began { .. } | Event::Leave { .. } => {}
        }
        self.check();
    }

    fn claim(&mut self, request: Request) {
        let before = self.standings();
        match self.pool.claim(request.clone()) {
            Decision::Go(assignment) => {
                let is_before = |ticket: &Ticket| {
                    let turn = if request.tried.is_empty() { Turn::First } else { Turn::Again };
                    (ticket.priority(), ticket.turn()) <= (request.priority, turn)
                };
                self.overtakes(&request, assignment.peer(), is_before);
                self.takes(assignment, &request, &before);
            }
            Decision::Wait(ticket) => {
                assert!(self.waiting.iter().all(|(known, _)| *known != ticket), "a ticket twice");
                self.waiting.push((ticket, request));
            }
            Decision::Refuse(refusal) => match refusal.reason {
                Reason::QueueFull => assert!(self.waiting.len() >= self.pool.balancer.settings.queue_max),
                Reason::Unreachable => assert!(before.iter().all(|(peer, _)| request.tried.contains(peer))),
                Reason::Unloadable => panic!("nobody loads models"),
                Reason::Busy => assert_eq!(self.pool.balancer.settings.queue_max, 0),
            },
        }
    }

    fn next(&mut self) {
        let before = self.standings();
        for (ticket, assignment) in self.pool.next() {
            let request = self.waits_no_more(ticket);
            self.overtakes(&request, assignment.peer(), |other| *other < ticket);
            self.takes(assignment, &request, &before);
        }
        self.nobody_waits_in_vain();
    }

    /// A request goes to that peer, and those that stand before it do not: how often that may happen to each.
    fn overtakes(&mut self, request: &Request, peer: PeerId, is_before: impl Fn(&Ticket) -> bool) {
        let settings = &self.pool.balancer.settings;
        let max = if settings.policy == Policy::Prefix { settings.overtaken_max } else { 0 };
        for (ticket, waiting) in &self.waiting {
            // Only of those that could go there, too.
            if is_before(ticket) && !waiting.tried.contains(&peer) && waiting.tried == request.tried {
                let count = self.overtaken.entry(*ticket).or_default();
                *count += 1;
                assert!(*count <= max, "{waiting:?} is overtaken {count} times");
            }
        }
    }

    /// Nobody waits who could go anywhere while somebody serves and has room, but for as long as patience allows.
    fn nobody_waits_in_vain(&self) {
        let Pool { balancer, now, .. } = &self.pool;
        let serves = |peer: &Status| !peer.leaving && peer.standing == HealthState::Serves && peer.has_room();
        let Some(room) = balancer.statuses(*now).find(serves) else { return };
        for (ticket, request) in self.waiting.iter().filter(|(_, request)| request.tried.is_empty()) {
            let hold = balancer.queue.get(*ticket).and_then(|waiting| waiting.hold);
            let until = hold.map(|hold| hold.until).filter(|until| until > now);
            assert!(until.is_some(), "{room:?} has room and {request:?} waits");
            assert!(hold.is_some_and(|hold| hold.until <= hold.since + PATIENCE) && balancer.wake_at(*now) <= until);
        }
    }

    fn takes(&mut self, assignment: Assignment, request: &Request, before: &[(PeerId, HealthState)]) {
        let peer = assignment.peer();
        assert!(!request.tried.contains(&peer), "it has failed there");
        let status = self.pool.balancer.statuses(self.pool.now).find(|status| status.id == peer).unwrap();
        assert!(!status.leaving);
        let load = status.inflight.saturating_add(status.elsewhere);
        assert!(status.capacity.is_none_or(|capacity| load <= capacity), "above capacity: {status:?}");
        let standing = before.iter().find(|(id, _)| *id == peer).unwrap().1;
        let is_trial = matches!(assignment.why(), Why::Trial | Why::LastResort);
        assert_eq!(is_trial, matches!(standing, HealthState::Trial | HealthState::Open(_) | HealthState::Failed));
        let forbidden = matches!(standing, HealthState::Trying | HealthState::Resting(_) | HealthState::Loading);
        assert!(!forbidden, "a request at a peer that is {standing:?}");
        if assignment.why() == Why::LastResort {
            let others = before.iter().filter(|(id, _)| !request.tried.contains(id));
            assert!(others.clone().all(|(_, standing)| matches!(standing, HealthState::Open(_) | HealthState::Failed)));
        }
        self.running.push(assignment);
    }

    /// The request of a ticket that waited, and waits no more.
    fn waits_no_more(&mut self, ticket: Ticket) -> Request {
        let at = self.waiting.iter().position(|(known, _)| *known == ticket);
        self.waiting.remove(at.expect("a ticket that does not wait")).1
    }

    fn standings(&self) -> Vec<(PeerId, HealthState)> {
        let here = self.pool.balancer.statuses(self.pool.now).filter(|peer| !peer.leaving);
        here.map(|peer| (peer.id, peer.standing)).collect()
    }

    fn check(&self) {
        let balancer = &self.pool.balancer;
        let mut counted = 0;
        for status in balancer.statuses(self.pool.now) {
            let running = self.running.iter().filter(|running| running.peer() == status.id).count();
            assert_eq!(usize::try_from(status.inflight).unwrap(), running, "{status:?}");
            assert!(running > 0 || !status.leaving, "a peer that should be gone");
            counted += running;
        }
        assert_eq!(counted, self.running.len(), "a request at a peer that is not counted");
        assert_eq!(balancer.waiting(), self.waiting.len());
        let mut positions: Vec<_> =
            self.waiting.iter().map(|(ticket, _)| balancer.position(*ticket).expect("it waits")).collect();
        positions.sort_unstable();
        assert!(positions.into_iter().eq(0..self.waiting.len()));
        assert_eq!(balancer.wake_at(self.pool.now).is_some(), !self.waiting.is_empty());
    }

    /// All that runs ends and all that waits leaves: nothing is left.
    fn end(mut self) {
        for (ticket, _) in std::mem::take(&mut self.waiting) {
            self.pool.balancer.leave(ticket);
        }
        for assignment in std::mem::take(&mut self.running) {
            self.pool.end(assignment, Outcome::Served);
        }
        self.check();
        self.pool.balancer.set_peers([]);
        assert_eq!(self.pool.balancer.statuses(self.pool.now).count(), 0);
    }
}

fn request(priority: u8, tried: u8, conversation: u8, session: Option<u8>) -> Request {
    let mut hasher = prefix::Hasher::default();
    hasher.part(&vec![conversation; usize::from(conversation) * prefix::BLOCK_BYTES]);
    let tried = NAMES.iter().enumerate().filter(|(at, _)| tried & 1 << at != 0).map(|(_, name)| id(name)).collect();
    let session = session.map(u64::from);
    Request { priority, session, prefix: Some(hasher.finish()), tried, ..Request::default() }
}

proptest! {
    #[test]
    fn no_place_is_lost_and_no_ticket_ends_twice(
        policy in policy(),
        events in events(),
    ) {
        let mut caller = Caller::new(policy);
        for event in events {
            caller.happen(event);
        }
        caller.end();
    }
}
