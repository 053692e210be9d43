//! Pinned and preloaded models: those that are to be loaded although nobody asks for them.
//! Where they are loaded, and what makes room, is `loads`' to say.
//!
//! Of a pinned model so many copies are kept: they make no room, and are loaded again when they fall. A preloaded one is
//! loaded once, where there is a free place, and is then like any other.

use std::collections::HashMap;
use std::time::Duration;

use super::balancer::Balancer;
use super::health::HealthState;
use super::loads::{Need, Wanted};
use super::model::ModelState;
use super::models::Models;
use super::policy::{self, Candidate};
use super::roster::{Peer, PeerId};
use super::seat::{ModelId, Want};

/// What has become of them so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// When the boxes are taken to be known: before, all would go to the one that told of itself first.
    begins_at: Option<Duration>,
    /// Since when copies of a pinned model are missing.
    missing: HashMap<ModelId, Duration>,
    /// Preloaded models that have been somewhere.
    preloaded: Vec<ModelId>,
}

/// A box that has not told how it is by then is not waited for.
const BEGINS_AFTER: Duration = Duration::from_secs(2);

impl Balancer {
    /// Takes note of where they are now. Nothing of it changes by time alone.
    pub(super) fn note_pins(&mut self, now: Duration) {
        let policy = &self.settings.loads;
        let is_unused = policy.pins.is_empty() && policy.preload.is_empty();
        if is_unused && self.pins == Pins::default() {
            return;
        }
        self.pins.begins_at.get_or_insert(now.saturating_add(BEGINS_AFTER));
        let kept: Vec<_> =
            policy.pins.iter().map(|(model, copies)| (*model, self.kept(*model, *copies, now))).collect();
        for models in self.roster.here_mut().filter_map(Peer::models_mut) {
            models.list.iter_mut().for_each(|model| model.is_pinned = false);
        }
        for (model, peers) in &kept {
            for peer in peers {
                if let Some(model) = self.roster.get_mut(*peer).and_then(|peer| peer.models_mut()?.get_mut(*model)) {
                    model.is_pinned = true;
                }
            }
        }
        let is_missing = |model: ModelId| {
            let copies = policy.pins.iter().find(|(pinned, _)| *pinned == model).map_or(0, |(_, copies)| *copies);
            let here = kept.iter().find(|(kept, _)| *kept == model).map_or(0, |(_, peers)| peers.len());
            here < usize::try_from(copies).unwrap_or(usize::MAX)
        };
        self.pins.missing.retain(|model, _| is_missing(*model));
        for (model, _) in policy.pins.iter().filter(|(model, _)| is_missing(*model)) {
            self.pins.missing.entry(*model).or_insert(now);
        }
        let is_somewhere = |model: &ModelId| self.copies(*model, now) > 0;
        let arrived: Vec<_> = policy.preload.iter().copied().filter(is_somewhere).collect();
        self.pins.preloaded.extend(arrived);
        self.pins.preloaded.retain(|model| self.settings.loads.preload.contains(model));
        self.pins.preloaded.sort_unstable();
        self.pins.preloaded.dedup();
        if is_unused {
            self.pins = Pins::default();
        }
    }

    /// Those of which copies are missing, and those that have been nowhere yet.
    pub(super) fn unasked(&self, now: Duration) -> Vec<Wanted> {
        if self.pins_begin_at(now).is_some() {
            return Vec::new();
        }
        let policy = &self.settings.loads;
        let pinned = policy.pins.iter().filter_map(|(model, copies)| {
            let since = *self.pins.missing.get(model)?;
            Some(Wanted { need: Need::Copies(*copies), ..Wanted::unasked(*model, since) })
        });
        let preloaded = policy.preload.iter().filter(|model| !self.pins.preloaded.contains(model));
        pinned.chain(preloaded.map(|model| Wanted::unasked(*model, now))).collect()
    }

    /// When the first of them may be loaded, if that is to come.
    pub(super) fn pins_begin_at(&self, now: Duration) -> Option<Duration> {
        let is_unknown = |peer: &Peer| peer.health.standing(now) == HealthState::Loading;
        self.pins.begins_at.filter(|begins_at| now < *begins_at && self.roster.here().any(is_unknown))
    }

    /// How many copies there are at boxes that are alive, or will be.
    pub(super) fn copies_to_be(&self, model: ModelId, now: Duration) -> u32 {
        let comes = |models: &Models| {
            models.swap.is_some_and(|swap| swap.model == model)
                || models.get(model).is_some_and(|model| model.state == ModelState::Loading)
        };
        let is_there = |(peer, models): &(&Peer, &Models)| {
            is_up(peer, now) && (comes(models) || models.get(model).is_some_and(|model| model.state.is_here()))
        };
        u32::try_from(self.boxes().filter(is_there).count()).unwrap_or(u32::MAX)
    }

    /// Which of a model's copies are kept: every replica comes to the same.
    fn kept(&self, model: ModelId, copies: u32, now: Duration) -> Vec<PeerId> {
        let has_it = |peer: &&Peer| {
            is_up(peer, now) && peer.model(Want::Model(model)).is_some_and(|model| model.state.is_here())
        };
        let there = self.roster.here().filter(has_it);
        let mut there: Vec<_> = there.filter_map(|peer| Some(Candidate::new(peer, &peer.models()?.other))).collect();
        let mut kept = Vec::new();
        for _ in 0..copies {
            let Some(favourite) = policy::favourite(model.key(), &there) else { break };
            there.retain(|candidate| candidate.id != favourite.id);
            kept.push(favourite.id);
        }
        kept
    }
}

/// Whether what it has loaded counts. A breaker that opens for a while is no reason to load another copy.
fn is_up(peer: &Peer, now: Duration) -> bool {
    !matches!(peer.health.standing(now), HealthState::Failed | HealthState::Loading)
}
