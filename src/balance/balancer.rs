//! Load balancer: roster, health, policy, affinity and queue as one machine.
//! Decides who gets a place and counts the places; how a request reaches its peer is not its business.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::affinity::{Affinity, Belief, Reuse};
use super::choose::{Known, Options};
use super::demand::Demand;
use super::dispatch::{Choice, Dispatch};
use super::health::{Failure, Judge, Outcome, State};
use super::model::ModelState;
use super::models::Catalog;
use super::pace::{Reading, Served, Sight, Told};
use super::pins::Pins;
use super::policy::Turns;
use super::queue::{Hold, Patience, Queue, Ticket, Waiting};
use super::random::Random;
use super::roster::{Kinds, Peer, PeerId, Report, Roster, Spec, Status};
use super::seat::{ModelId, SeatId, Want};
use super::swap::Change;
use super::why::Why;
use super::{Request, Settings};

/// Who gets a place at the peers of one pool.
#[derive(Clone, Debug)]
pub struct Balancer {
    pub(super) settings: Settings,
    pub(super) roster: Roster,
    pub(super) queue: Queue,
    pub(super) affinity: Affinity,
    pub(super) turns: Turns,
    pub(super) random: Random,
    pub(super) demand: Demand,
    pub(super) pins: Pins,
    pub(super) claims: u64,
    /// How long a request takes, on average of the last few.
    pub(super) service: Duration,
}

/// A place at a peer. It is counted until it is released.
#[derive(Debug)]
#[must_use = "a place that is not released is lost"]
pub struct Assignment {
    pub(super) peer: PeerId,
    /// What it wanted there, and the seat that it has for that.
    pub(super) want: Want,
    pub(super) seat: SeatId,
    /// How often its model had come by then.
    pub(super) arrivals: u32,
    pub(super) why: Why,
    pub(super) kinds: Kinds,
    pub(super) reading: Reading,
    pub(super) belief: Option<Belief>,
    pub(super) told: Option<Told>,
}

impl Assignment {
    /// Where the request is to go.
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// Whether its first token is still to come.
    pub fn awaits_first_token(&self) -> bool {
        self.reading.awaits_first_token()
    }

    /// The model that it is for, where the peer has several.
    pub fn model(&self) -> Option<ModelId> {
        if let Want::Model(model) = self.want { Some(model) } else { None }
    }

    /// What decided for that peer, for people.
    pub fn why(&self) -> Why {
        self.why.clone()
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Decision {
    Go(Assignment),
    Wait(Ticket),
    Refuse(Refusal),
}

/// Why there is no place, and when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub retry_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("every server of the pool is busy")]
    Busy,
    #[error("every server of the pool is busy, and so many requests wait that no more may")]
    QueueFull,
    #[error("no server of the pool can be reached")]
    Unreachable,
    #[error("no server of the pool can load the model")]
    Unloadable,
}

/// A guess until the first request has ended.
const SERVICE_AT_FIRST: Duration = Duration::from_secs(10);
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

impl Balancer {
    /// With a seed of its own each replica draws and jitters differently.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            affinity: Affinity::new(settings.blocks_max, settings.sessions_max),
            settings,
            roster: Roster::default(),
            queue: Queue::default(),
            turns: Turns::default(),
            random: Random::new(seed),
            demand: Demand::default(),
            pins: Pins::default(),
            claims: 0,
            service: SERVICE_AT_FIRST,
        }
    }

    /// Balances otherwise from here on. Who has a place keeps it, and who waits waits as long as it was told.
    /// How much is remembered of conversations stays as it was.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Exactly these peers exist. Those that are known keep their health and their counts; those that are not named
    /// any more get nothing new and end with their last request.
    pub fn set_peers(&mut self, peers: impl IntoIterator<Item = (PeerId, Spec)>) {
        for gone in self.roster.set(peers) {
            for seat in gone.seats() {
                self.affinity.forget(seat.id);
            }
            self.turns.forget(gone.id);
        }
    }

    /// A peer is about to be asked how it is: of what it tells then, all that we had there meanwhile is ours.
    pub fn asking(&mut self, peer: PeerId) {
        if let Some(peer) = self.roster.get_mut(peer) {
            peer.asking();
        }
    }

    /// A peer was asked how it is.
    pub fn asked(&mut self, peer: PeerId, report: Report, now: Duration) {
        if let Some(peer) = self.roster.get_mut(peer) {
            peer.asked(report, now);
        }
        if matches!(report.state, State::Loading | State::Sleeping) {
            self.emptied(peer);
        }
    }

    /// A peer told which models it has, or that it has no choice of them. What has become of each is returned.
    pub fn catalog(&mut self, id: PeerId, catalog: Option<&Catalog>, now: Duration) -> Vec<Change> {
        let Some(peer) = self.roster.get_mut(id) else { return Vec::new() };
        let Some(catalog) = catalog else {
            peer.has_one_model();
            return Vec::new();
        };
        peer.has_many_models();
        let told = peer.models_mut().map(|models| models.told(id, catalog, now)).unwrap_or_default();
        let changes = told.into_iter().filter_map(|(model, event)| self.follow(id, model, event, now)).collect();
        if let Some(models) = self.roster.get_mut(id).and_then(Peer::models_mut) {
            models.forget_unnamed(catalog);
        }
        changes
    }

    /// The model that goes by this name at any peer that loads and unloads models.
    pub fn model(&self, name: ModelId) -> Option<ModelId> {
        if let Want::Model(model) = self.roster.want(Some(name)) { Some(model) } else { None }
    }

    /// Whether a peer besides those could take a request for this model now.
    pub fn has_another(&self, model: Option<ModelId>, tried: &[PeerId], now: Duration) -> bool {
        matches!(self.options(self.roster.want(model), tried, now), Options::Now(_))
    }

    /// The name of a model at a peer.
    pub fn model_name(&self, peer: PeerId, model: ModelId) -> Option<Arc<str>> {
        self.roster.get(peer)?.models()?.get(model).map(|model| Arc::clone(&model.name))
    }

    /// How the model is that a place is for; `None` when it has gone since and come back.
    pub fn model_state(&self, assignment: &Assignment) -> Option<ModelState> {
        let model = self.roster.get(assignment.peer).and_then(|peer| peer.model(assignment.want));
        let (state, arrivals) = model.map_or_else(Default::default, |model| (model.state, model.arrivals));
        (arrivals == assignment.arrivals || !state.is_here()).then_some(state)
    }

    /// Whether any peer loads and unloads models.
    pub fn has_models(&self) -> bool {
        self.roster.has_models()
    }

    /// A place for a request, now or later. Who waits already and could go now goes first.
    pub fn claim(&mut self, request: Request, now: Duration) -> Decision {
        let may_wait = self.queue.len() < self.settings.queue_max;
        if let Want::Model(model) = self.roster.want(request.model) {
            self.demand.note(model, now);
        }
        // Who may not wait may not wait for a better place either.
        let patience = if may_wait { Patience::Some } else { Patience::None };
        let ticket = self.queue.enqueue(request, now, now.saturating_add(self.settings.wait_max), patience);
        let Dispatch { goes, holds, overtaken } = self.dispatch(now);
        self.hold(holds);
        if let Some((first, choice)) = goes.filter(|(first, _)| *first == ticket)
            && let Some(assignment) = self.goes(first, choice, &overtaken, now)
        {
            return Decision::Go(assignment);
        }
        let refuse = |reason, retry_after| Decision::Refuse(Refusal { reason, retry_after });
        let hopeless = |waiting: &Waiting| Known::new(self, now).of(&waiting.request, &mut None).hopeless();
        if let Some(reason) = self.queue.get(ticket).map_or(Some(Reason::Unreachable), hopeless) {
            self.queue.take(ticket);
            return refuse(reason, RETRY_AFTER_MIN);
        }
        if !may_wait {
            self.queue.take(ticket);
            let reason = if self.settings.queue_max == 0 { Reason::Busy } else { Reason::QueueFull };
            return refuse(reason, self.retry_after());
        }
        Decision::Wait(ticket)
    }

    /// The answer to a request has begun well. Without this a peer that is tried stays half open until the answer has
    /// ended.
    pub fn began(&mut self, assignment: &Assignment) {
        if let Some(peer) = self.roster.get_mut(assignment.peer) {
            peer.began(assignment.want, assignment.kinds);
        }
    }

    /// The first token of an answer has come, or something that may be it.
    pub fn first_token(&mut self, assignment: &mut Assignment, sight: Sight, now: Duration) {
        let seat = self.roster.get_mut(assignment.peer).and_then(|peer| peer.seat_mut(assignment.want));
        if let Some(seat) = seat {
            seat.pace.first_token(&mut assignment.reading, sight, now);
        }
    }

    /// An answer told how much of its prompt was cached.
    pub fn learn(&mut self, assignment: &mut Assignment, reuse: Reuse) {
        if let Some(belief) = assignment.belief {
            assignment.told = Some(belief.told(reuse));
            self.affinity.learn(belief, assignment.seat, reuse);
        }
    }

    /// A request has left its peer, in whatever way.
    pub fn release(&mut self, assignment: Assignment, outcome: Outcome, now: Duration) {
        let Some(peer) = self.roster.get_mut(assignment.peer) else {
            debug_assert!(false, "a place at a peer that does not exist");
            return;
        };
        let mut judge = Judge { settings: &self.settings, random: &mut self.random, now };
        peer.ended(assignment.want, outcome, assignment.kinds, &mut judge);
        let served = if outcome == Outcome::Served { Served::Yes } else { Served::No };
        let Some(seat) = peer.taken_seat_mut(assignment.want) else {
            debug_assert!(false, "a place at a model that does not exist");
            return;
        };
        let stayed = seat.leave(|pace| pace.end(assignment.reading, assignment.told, served, now));
        peer.left(assignment.want, now);
        match outcome {
            Outcome::Served => {
                self.service = (self.service * 7).saturating_add(stayed) / 8;
                if let (Some(belief), None) = (assignment.belief, assignment.told) {
                    self.affinity.untold(belief);
                }
            }
            Outcome::Failed(Failure::Connect) => self.emptied(assignment.peer),
            Outcome::Loading => self.affinity.emptied(assignment.seat),
            Outcome::Failed(_) | Outcome::Busy { .. } | Outcome::Unjudged => {}
        }
        self.roster.sweep();
    }

    /// Those that waited and have a place now, in the order in which they go.
    pub fn next(&mut self, now: Duration) -> Vec<(Ticket, Assignment)> {
        let mut woken = Vec::new();
        loop {
            let Dispatch { goes, holds, overtaken } = self.dispatch(now);
            self.hold(holds);
            let Some((ticket, choice)) = goes else { return woken };
            let Some(assignment) = self.goes(ticket, choice, &overtaken, now) else { return woken };
            woken.push((ticket, assignment));
        }
    }

    /// Those that have waited too long, and those whom nobody who is left can serve, each with the reason. They are out
    /// of the queue.
    pub fn expire(&mut self, now: Duration) -> Vec<(Ticket, Reason)> {
        self.lapse(now);
        let mut known = Known::new(self, now);
        let mut hopeless = |request: &Request| {
            // Where it matters neither who has failed it nor what it wants, somebody may come.
            let may_be = !request.tried.is_empty() || known.want(request.model) != Want::Any;
            may_be.then(|| known.of(request, &mut None).hopeless()).flatten()
        };
        let mut why = |waiting: &Waiting| {
            if waiting.deadline <= now { Some(Reason::Busy) } else { hopeless(&waiting.request) }
        };
        let over = self.queue.all().filter_map(|(ticket, waiting)| Some((ticket, why(waiting)?)));
        let over: Vec<_> = over.collect();
        for (ticket, _) in &over {
            self.queue.take(*ticket);
        }
        over
    }

    /// All that a peer had in its caches is gone.
    fn emptied(&mut self, peer: PeerId) {
        for seat in self.roster.get(peer).into_iter().flat_map(Peer::seats) {
            self.affinity.emptied(seat.id);
        }
    }

    /// A request does not wait any more, because its client left.
    pub fn leave(&mut self, ticket: Ticket) {
        self.queue.take(ticket);
    }

    /// How many are before it; `None` when it does not wait.
    pub fn position(&self, ticket: Ticket) -> Option<usize> {
        self.queue.position(ticket)
    }

    /// How many requests wait for a place.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// How many wait of each priority of which any do.
    pub fn waiting_by_priority(&self) -> BTreeMap<u8, usize> {
        self.queue.by_priority()
    }

    /// When `expire` and `next` may have something to say by time alone.
    pub fn wake_at(&self, now: Duration) -> Option<Duration> {
        let loads_at = self.loads_at(now);
        let Some(deadline) = self.queue.first_deadline() else { return loads_at };
        // A moment that has passed unseen is no peer's next one.
        let Dispatch { goes, holds, .. } = self.dispatch(now);
        let is_new = |(ticket, hold): &(Ticket, Hold)| self.queue.get(*ticket).is_none_or(|w| w.hold != Some(*hold));
        if goes.is_some() || holds.iter().any(is_new) {
            return Some(now);
        }
        let returns = self.roster.here().flat_map(|peer| peer.returns(now));
        let holds = self.queue.all().filter_map(|(_, waiting)| waiting.hold).map(|hold| hold.until);
        Some(returns.chain(holds.filter(|until| *until > now)).chain(loads_at).fold(deadline, Duration::min))
    }

    /// When somebody who finds everything busy may ask again.
    pub fn retry_after(&self) -> Duration {
        let places = self.roster.here().map(Peer::places).fold(0, u64::saturating_add);
        let ahead = u32::try_from(self.queue.len()).unwrap_or(u32::MAX).saturating_add(1);
        let places = u32::try_from(places).unwrap_or(u32::MAX).max(1);
        (self.service.saturating_mul(ahead) / places).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }

    /// Where a session is at home, for requests that only that peer can answer.
    pub fn session(&self, key: u64) -> Option<PeerId> {
        self.affinity.session(key).filter(|peer| self.knows(*peer))
    }

    /// Whether a peer may get requests, or has some still.
    pub fn knows(&self, peer: PeerId) -> bool {
        self.roster.get(peer).is_some()
    }

    /// A session is at home at that peer from now on.
    pub fn settle_session(&mut self, key: u64, peer: PeerId) {
        self.affinity.note_session(key, peer);
    }

    /// How each peer stands, in the order in which they were named; those that leave come last.
    pub fn statuses(&self, now: Duration) -> impl Iterator<Item = Status> {
        self.roster.statuses(now)
    }

    /// A place for one that waits, before those.
    fn goes(
        &mut self,
        ticket: Ticket,
        choice: Option<Choice>,
        overtaken: &[Ticket],
        now: Duration,
    ) -> Option<Assignment> {
        let waiting = self.queue.take(ticket)?;
        let assignment = self.assign(&waiting, choice, now);
        debug_assert!(assignment.is_some(), "one that could go has no place");
        for ticket in overtaken {
            if let Some(waiting) = self.queue.get_mut(*ticket) {
                waiting.overtaken += 1;
            }
        }
        assignment
    }

    fn hold(&mut self, holds: Vec<(Ticket, Hold)>) {
        for (ticket, hold) in holds {
            if let Some(waiting) = self.queue.get_mut(ticket) {
                waiting.hold = Some(hold);
            }
        }
    }
}
