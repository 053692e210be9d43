//! Demand for models: how often each was asked for of late.

use std::collections::HashMap;
use std::time::Duration;

use super::seat::ModelId;

/// How fast a request is forgotten: after so long it counts for little more than a third.
const MEMORY: Duration = Duration::from_secs(120);
/// Less than this is none: one request, eight minutes ago.
const NONE: f64 = 0.02;
/// Of more models the least wanted are forgotten.
const MODELS_MAX: usize = 4_096;

/// An exponential mean for each model.
#[derive(Clone, Debug, Default)]
pub struct Demand(HashMap<ModelId, (f64, Duration)>);

impl Demand {
    /// A request asks for it.
    pub fn note(&mut self, model: ModelId, now: Duration) {
        if self.0.len() >= MODELS_MAX && !self.0.contains_key(&model) {
            self.0.retain(|_, (count, at)| faded(*count, *at, now) >= NONE);
        }
        let (count, at) = self.0.entry(model).or_insert((0., now));
        (*count, *at) = (faded(*count, *at, now) + 1., now);
    }

    /// How many requests asked for it of late.
    pub fn of(&self, model: ModelId, now: Duration) -> f64 {
        self.0.get(&model).map_or(0., |(count, at)| faded(*count, *at, now))
    }

    /// Whether hardly anybody asked for it of late.
    pub fn is_none(&self, model: ModelId, now: Duration) -> bool {
        self.none_at(model) <= now
    }

    /// When hardly anybody will have asked for it of late.
    pub fn none_at(&self, model: ModelId) -> Duration {
        let Some((count, at)) = self.0.get(&model) else { return Duration::ZERO };
        at.saturating_add(MEMORY.mul_f64((count / NONE).ln().max(0.)))
    }
}

fn faded(count: f64, at: Duration, now: Duration) -> f64 {
    count * (-now.saturating_sub(at).as_secs_f64() / MEMORY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demand_fades() {
        let (model, mut demand) = (ModelId::of("m"), Demand::default());
        assert!(demand.is_none(model, Duration::ZERO));
        demand.note(model, Duration::ZERO);
        demand.note(model, Duration::ZERO);
        let after = demand.of(model, MEMORY);
        assert!(after > 0.7 && after < 0.8, "{after}");
        assert!(!demand.is_none(model, MEMORY) && demand.is_none(model, MEMORY * 6));
    }
}
