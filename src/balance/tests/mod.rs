//! The balancer as its caller sees it: tables of decisions, the queue, health, and random events.

mod affinity;
mod decisions;
mod events;
mod first_token;
mod health;
mod models;
mod on_demand;
mod pins;
mod queue;
mod seats;
mod swaps;

use std::time::Duration;

use super::seat::{SeatId, Want};
use super::*;

/// A pool whose peers are called `a`, `b`, `c`, …
struct Pool {
    balancer: Balancer,
    now: Duration,
}

fn id(name: &str) -> PeerId {
    PeerId::of(name)
}

/// The seat of a peer that has one.
fn seat(name: &str) -> SeatId {
    SeatId::of(id(name), Want::Any)
}

fn name(id: PeerId) -> &'static str {
    ["a", "b", "c", "d"].into_iter().find(|name| PeerId::of(name) == id).unwrap_or("?")
}

fn slots(slots: u32) -> Spec {
    Spec { max_inflight: Some(slots), ..Spec::default() }
}

fn four(spec: Spec) -> [(&'static str, Spec); 4] {
    ["a", "b", "c", "d"].map(|name| (name, spec))
}

impl Pool {
    fn new(settings: Settings, peers: &[(&str, Spec)]) -> Self {
        let mut balancer = Balancer::new(settings, 7);
        balancer.set_peers(peers.iter().map(|(name, spec)| (id(name), *spec)));
        Self { balancer, now: Duration::ZERO }
    }

    fn policy(policy: Policy, peers: &[(&str, Spec)]) -> Self {
        Self::new(Settings { policy, ..Settings::default() }, peers)
    }

    fn claim(&mut self, request: Request) -> Decision {
        self.balancer.claim(request, self.now)
    }

    /// Claims a place that there must be.
    fn go(&mut self, request: Request) -> Assignment {
        match self.claim(request) {
            Decision::Go(assignment) => assignment,
            other => panic!("{other:?}"),
        }
    }

    fn wait(&mut self, request: Request) -> Ticket {
        match self.claim(request) {
            Decision::Wait(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    /// What a claim leads to, as text; the place is kept.
    fn shown(&mut self, request: Request) -> String {
        match self.claim(request) {
            Decision::Go(assignment) => format!("{}: {}", name(assignment.peer()), assignment.why()),
            Decision::Wait(_) => "wait".to_owned(),
            Decision::Refuse(refusal) => format!("{:?} {:?}", refusal.reason, refusal.retry_after),
        }
    }

    fn end(&mut self, assignment: Assignment, outcome: Outcome) {
        self.balancer.release(assignment, outcome, self.now);
    }

    /// One request that ends at once.
    fn run(&mut self, request: Request, outcome: Outcome) -> &'static str {
        let assignment = self.go(request);
        let peer = name(assignment.peer());
        self.end(assignment, outcome);
        peer
    }

    fn next(&mut self) -> Vec<(Ticket, Assignment)> {
        self.balancer.next(self.now)
    }

    /// Asked and answered in one moment.
    fn asked(&mut self, peer: &str, report: Report) {
        self.balancer.asking(id(peer));
        self.balancer.asked(id(peer), report, self.now);
    }

    fn says(&mut self, peer: &str, state: State) {
        self.asked(peer, Report { state, ..Report::default() });
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn standings(&self) -> String {
        let peers = self.balancer.statuses(self.now);
        peers.map(|peer| format!("{} {}", name(peer.id), peer.standing.name())).collect::<Vec<_>>().join(", ")
    }
}

/// A request that has failed at these.
fn after(tried: &[&str]) -> Request {
    Request { tried: tried.iter().map(|name| id(name)).collect(), ..Request::default() }
}

fn any() -> Request {
    Request::default()
}
