//! Swap of one model for another at a box, in steps: the requests of the one that has to go end, it is unloaded, it is
//! gone, the other is loaded, it is there. Each step is ordered and then awaited, and a box has one swap at a time.
//! Which model is loaded where, and which makes room, is `loads`' to say.

use std::sync::Arc;
use std::time::Duration;

use super::balancer::Balancer;
use super::model::{Arrival, Event, ModelState};
use super::models::Models;
use super::roster::{Peer, PeerId};
use super::seat::ModelId;

/// A swap at one box.
#[derive(Clone, Copy, Debug)]
pub struct Swap {
    /// Who makes room, and why that one; nobody where there is a free place.
    pub victim: Option<(ModelId, Departure)>,
    pub model: ModelId,
    pub step: Step,
    /// Whether its box has taken the order of that step.
    pub is_taken: bool,
    /// Since when it is at that step, and since when it goes on.
    pub since: Duration,
    pub began: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nobody new goes to the victim, and its last requests end.
    Drain,
    /// The victim is to be unloaded, and has been ordered to be.
    Unload,
    Unloading,
    /// The model is to be loaded, and has been ordered to be.
    Load,
    Loading,
    /// A request has gone there that makes the box load the model, and make room for it.
    OnDemand,
}

/// What a box is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub peer: PeerId,
    pub action: Action,
    pub model: ModelId,
    /// The model's name at that box.
    pub name: Arc<str>,
    /// Whether the model can be asked what it works on without being woken.
    pub is_awake: bool,
    /// When it was given: an order of a swap that has come to nothing is no other's.
    pub given: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Load,
    Unload,
}

/// What a box said to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It does it; what comes of it is told by the model's state.
    Taken,
    /// Not now: the model has requests of others, or every place is taken.
    Busy,
    /// It will not.
    Refused,
    /// It was not reached, or did not say.
    Silent,
}

/// A model that came, went, or did not come; for the log and the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub peer: PeerId,
    pub name: Arc<str>,
    pub kind: ChangeKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// How long that took, where it was seen from its beginning.
    Loaded {
        took: Option<Duration>,
        arrival: Arrival,
    },
    /// Which model it made room for, where it was unloaded for one.
    Unloaded {
        why: Departure,
        room_for: Option<Arc<str>>,
    },
    Failed,
}

/// Why a model was unloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Departure {
    /// It was idle, and another was wanted.
    Idle,
    /// It was wanted, and another for longer.
    Hunger,
    /// Somebody else did it, or it fell.
    Elsewise,
}

impl Departure {
    /// Every name that a reason can have.
    pub const NAMES: [&'static str; 3] = ["idle", "hunger", "elsewise"];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Hunger => "hunger",
            Self::Elsewise => "elsewise",
        }
    }
}

/// After an order that came to nothing a box is left alone for so long.
const REST: Duration = Duration::from_secs(1);
/// An order is answered sooner, be it by nobody.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// An unload takes no longer; llama.cpp kills what does not stop within ten seconds.
const UNLOAD_MAX: Duration = Duration::from_secs(60);
/// So long after it was taken an order to load must show.
const LOAD_SHOWS: Duration = Duration::from_secs(10);

impl Step {
    /// How long it can last before it has come to nothing.
    fn limit(self) -> Option<Duration> {
        match self {
            Self::Unloading => Some(UNLOAD_MAX),
            Self::Loading => Some(LOAD_SHOWS),
            Self::Drain | Self::Unload | Self::Load | Self::OnDemand => None,
        }
    }
}

impl Swap {
    /// When it has come to nothing, unless something changes.
    pub fn limit(&self) -> Option<Duration> {
        let limit = self.step.limit()?;
        Some(self.since.saturating_add(if self.is_taken { limit } else { ANSWER_MAX }))
    }

    /// Whether a model is on its way out, so that nobody new goes there.
    pub fn closes(&self, model: ModelId) -> bool {
        matches!(self.step, Step::Drain | Step::Unload | Step::Unloading) && self.is_victim(model)
    }

    /// Whether its model is to come now.
    pub fn loads(&self) -> bool {
        matches!(self.step, Step::Loading | Step::OnDemand)
    }

    fn is_victim(&self, model: ModelId) -> bool {
        self.victim.is_some_and(|(victim, _)| victim == model)
    }

    fn at(self, step: Step, now: Duration) -> Self {
        Self { step, is_taken: false, since: now, ..self }
    }
}

impl Models {
    /// Ends a swap that has come to nothing.
    pub fn lapse(&mut self, now: Duration) {
        if self.swap.is_some_and(|swap| swap.step == Step::OnDemand && !self.is_demanded(swap.model)) {
            self.swap = None;
        }
        let Some(swap) = self.swap.filter(|swap| swap.limit().is_some_and(|limit| limit <= now)) else { return };
        if swap.step != Step::Loading || !swap.is_taken {
            return self.rest(now);
        }
        let model = self.get_mut(swap.model).filter(|model| model.state != ModelState::Loading);
        if let Some(model) = model {
            model.fails(now);
            self.swap = None;
        }
    }

    /// Ends a swap that nobody wants any more, unless its order is out already.
    pub fn give_up(&mut self, is_wanted: impl Fn(ModelId) -> bool) {
        let is_out = |swap: &Swap| matches!(swap.step, Step::Unloading | Step::Loading | Step::OnDemand);
        self.swap = self.swap.filter(|swap| is_out(swap) || is_wanted(swap.model));
    }

    /// Its model comes to another box sooner.
    pub fn drains_no_more_for(&mut self, model: ModelId) {
        self.swap = self.swap.filter(|swap| swap.step != Step::Drain || swap.model != model);
    }

    /// What the swap's next step asks of the box, if that can be taken now.
    pub fn next_order(&mut self, peer: PeerId, now: Duration) -> Option<Order> {
        let swap = self.swap.as_mut()?;
        if swap.step == Step::Drain {
            let victim = swap.victim.and_then(|(victim, _)| self.list.iter().find(|model| model.id == victim));
            if victim.is_none_or(|victim| victim.seat.inflight == 0 && !victim.is_held(now)) {
                *swap = swap.at(Step::Unload, now);
            }
        }
        let (action, model, step) = match (swap.step, swap.victim) {
            (Step::Unload, Some((victim, _))) => (Action::Unload, victim, Step::Unloading),
            (Step::Unload, None) | (Step::Load, _) => (Action::Load, swap.model, Step::Loading),
            (Step::Drain | Step::Unloading | Step::Loading | Step::OnDemand, _) => return None,
        };
        *swap = swap.at(step, now);
        let known = self.get(model)?;
        let (name, is_awake) = (Arc::clone(&known.name), known.state == ModelState::Loaded);
        Some(Order { peer, action, model, name, is_awake, given: now })
    }

    /// Whether an order is that of the swap's step still, and nobody has answered it.
    fn awaits(&self, order: &Order) -> bool {
        let step = match order.action {
            Action::Unload => Step::Unloading,
            Action::Load => Step::Loading,
        };
        self.swap.is_some_and(|swap| swap.step == step && swap.since == order.given && !swap.is_taken)
    }

    /// What the box said to an order.
    pub fn answered(&mut self, order: &Order, answer: Answer, now: Duration) {
        let Some(swap) = self.swap.filter(|_| self.awaits(order)) else { return };
        let model = self.list.iter_mut().find(|model| model.id == order.model);
        match (order.action, answer) {
            // Whether it comes, or is gone, its state says: what was told meanwhile may have been asked before.
            (Action::Load | Action::Unload, Answer::Taken) | (Action::Unload, Answer::Refused) => {
                self.swap = Some(Swap { is_taken: true, since: now, ..swap });
            }
            // Whoever is hungry waits until those have ended, too; for another there may be another victim.
            (Action::Unload, Answer::Busy) => {
                if let Some(model) = model {
                    model.held_until = now.saturating_add(REST);
                }
                let is_hungry = swap.victim.is_some_and(|(_, why)| why == Departure::Hunger);
                self.swap = is_hungry.then(|| swap.at(Step::Drain, now));
            }
            (_, Answer::Busy | Answer::Silent) => self.rest(now),
            (Action::Load, Answer::Refused) => {
                if let Some(model) = model {
                    model.fails(now);
                }
                self.swap = None;
            }
        }
    }

    /// A model has arrived, or is gone: what that is to the swap. Says how one came that it brought, or why it took
    /// away one that is gone.
    fn follow(&mut self, id: ModelId, event: Event, now: Duration) -> (Arrival, Departure) {
        let Some(swap) = self.swap else { return (Arrival::Elsewise, Departure::Elsewise) };
        let victim = swap.victim.and_then(|(victim, _)| Some(Arc::clone(&self.get(victim)?.name)));
        match (swap.step, swap.victim, event) {
            (Step::Loading, _, Event::Arrived { .. }) if swap.model == id => {
                self.swap = None;
                (victim.map_or(Arrival::FreePlace, Arrival::SwappedOut), Departure::Elsewise)
            }
            (Step::Loading | Step::OnDemand, _, Event::Failed | Event::Gone)
            | (Step::OnDemand, _, Event::Arrived { .. })
                if swap.model == id =>
            {
                self.swap = None;
                (Arrival::Elsewise, Departure::Elsewise)
            }
            (Step::Drain | Step::Unload | Step::Unloading, Some((victim, why)), Event::Gone) if victim == id => {
                self.swap = Some(swap.at(Step::Load, now));
                (Arrival::Elsewise, if swap.step == Step::Unloading { why } else { Departure::Elsewise })
            }
            // Somebody had it loaded again before its going was seen.
            (Step::Unload | Step::Unloading, Some((victim, _)), Event::Arrived { .. }) if victim == id => {
                self.rest(now);
                (Arrival::Elsewise, Departure::Elsewise)
            }
            // It has come by itself.
            (Step::Drain | Step::Unload, _, Event::Arrived { .. }) if swap.model == id => {
                self.swap = None;
                (Arrival::Elsewise, Departure::Elsewise)
            }
            _ => (Arrival::Elsewise, Departure::Elsewise),
        }
    }

    fn rest(&mut self, now: Duration) {
        self.swap = None;
        self.rests_until = now.saturating_add(REST);
    }
}

impl Balancer {
    /// Whether an order is to be carried out still: its swap may have come to nothing.
    pub fn awaits(&self, order: &Order) -> bool {
        self.roster.get(order.peer).and_then(Peer::models).is_some_and(|models| models.awaits(order))
    }

    /// What a box said to an order.
    pub fn answered(&mut self, order: &Order, answer: Answer, now: Duration) {
        if let Some(models) = self.roster.get_mut(order.peer).and_then(Peer::models_mut) {
            models.answered(order, answer, now);
        }
    }

    /// What has become of a model has this for the swap at its box, and for what is known of its cache.
    pub(super) fn follow(&mut self, peer: PeerId, id: ModelId, event: Event, now: Duration) -> Option<Change> {
        let models = self.roster.get_mut(peer)?.models_mut()?;
        let wanted = models.swap.and_then(|swap| Some(Arc::clone(&models.get(swap.model)?.name)));
        let (arrival, why) = models.follow(id, event, now);
        let model = models.get_mut(id)?;
        let kind = match event {
            Event::Nothing => return None,
            Event::Failed => ChangeKind::Failed,
            Event::Gone => ChangeKind::Unloaded { why, room_for: wanted.filter(|_| why != Departure::Elsewise) },
            Event::Arrived { took } => {
                model.arrival = arrival.clone();
                ChangeKind::Loaded { took, arrival }
            }
        };
        let (name, cache) = (Arc::clone(&model.name), model.seat.id);
        self.affinity.emptied(cache);
        Some(Change { peer, name, kind })
    }
}
