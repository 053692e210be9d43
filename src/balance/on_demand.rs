//! Loads on demand: boxes that load what they are asked for, where nobody orders them to. A request whose model is
//! nowhere goes to one of them, and that loads it.
//!
//! What makes room there is the box's to choose, so it is asked only while it has a free place or nothing to do, and for
//! one model at a time.

use std::time::Duration;

use super::balancer::Balancer;
use super::model::ModelState;
use super::models::{Models, Place};
use super::policy::{self, Candidate};
use super::roster::{Peer, PeerId};
use super::seat::{ModelId, Want};
use super::swap::{Step, Swap};

/// How models come to be loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadBy {
    /// Boxes are ordered to load and to unload them.
    #[default]
    Order,
    /// Boxes load what requests ask for.
    Request,
}

impl Balancer {
    /// Where a request goes whose model nobody has loaded; `None` when it has to wait.
    pub(super) fn loader(&self, want: Want, tried: &[PeerId], now: Duration) -> Option<Candidate> {
        let Want::Model(model) = want else { return None };
        if self.settings.loads.by == LoadBy::Order {
            return None;
        }
        let untried = || self.boxes().filter(|(peer, _)| !tried.contains(&peer.id));
        let is_awake = |peer: &Peer| peer.health.standing(now).is_awake();
        if untried().any(|(peer, models)| is_awake(peer) && is_there(models, model)) {
            return None;
        }
        let may_load = |(peer, models): &(&Peer, &Models)| {
            is_awake(peer)
                && models.swap.is_none()
                && !models.list.iter().any(|model| model.state == ModelState::Loading)
                && models.get(model).is_some_and(|model| !model.state.is_in_memory() && !model.rests(now))
                && !peer.cannot_load(want, now)
        };
        let able: Vec<_> = untried().filter(may_load).map(|(peer, _)| peer).collect();
        let tier = able.iter().map(|peer| peer.spec.tier).min()?;
        let able = || able.iter().filter(|peer| peer.spec.tier == tier);
        let candidate = |peer: &&Peer| Some(Candidate::new(peer, peer.seat(want)?));
        let free: Vec<_> = able().filter(|peer| peer.place() == Place::Free).filter_map(candidate).collect();
        let idle = able().filter(|peer| peer.seats().all(|seat| seat.load() == 0));
        let used = |peer: &&&Peer| peer.seats().map(|seat| seat.taken_at).max();
        policy::favourite(model.key(), &free).or_else(|| candidate(idle.min_by_key(used)?))
    }

    /// A request is about to go to a box, and makes it load the model if that is not there.
    pub(super) fn loads_on_demand(&mut self, peer: PeerId, want: Want, now: Duration) {
        let Want::Model(model) = want else { return };
        if let Some(models) = self.roster.get_mut(peer).and_then(Peer::models_mut).filter(|it| !it.has(model)) {
            let swap = Swap { victim: None, model, step: Step::OnDemand, is_taken: true, since: now, began: now };
            models.swap = Some(swap);
        }
    }
}

impl Models {
    /// Whether the model is in memory.
    fn has(&self, model: ModelId) -> bool {
        self.get(model).is_some_and(|model| model.state.is_in_memory())
    }

    /// Whether the load that a request was to bring about is still to come.
    pub fn is_demanded(&self, model: ModelId) -> bool {
        self.get(model).is_some_and(|model| model.state == ModelState::Loading || model.seat.inflight > 0)
    }
}

/// Whether requests can go to the model, or will.
fn is_there(models: &Models, model: ModelId) -> bool {
    models.swap.is_some_and(|swap| swap.model == model)
        || models.get(model).is_some_and(|model| model.state.is_here() || model.state == ModelState::Loading)
}
