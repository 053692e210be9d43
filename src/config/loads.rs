//! Loads of models: which are kept loaded at servers that have several, and who decides that one is loaded.
//! Loads nothing; `balance` says what is loaded where.

use std::ops::RangeInclusive;

use super::Pool;
use super::balancing::Checks;
use super::fields::Reader;
use super::read::{FLAG, MILLISECONDS};
use super::tree::Node;
use crate::balance::LoadBy;

/// Which models are loaded at servers that have several, beside those that requests ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelsLoaded {
    pub by: LoadBy,
    /// Names of models of which so many copies are kept loaded.
    pub pins: Vec<(String, u32)>,
    /// Names of models that are loaded at the start, where there is a free place.
    pub preload: Vec<String>,
    /// How long a model stays at least before it makes room for another. None means for as long as it took to load.
    pub stay_ms: Option<u64>,
    /// How long requests wait for their model before it gets the place of one that is wanted, too. None means for as
    /// long as three loads take.
    pub patience_ms: Option<u64>,
}

impl ModelsLoaded {
    /// The models that it names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let pinned = self.pins.iter().map(|(name, _)| name);
        pinned.chain(&self.preload).map(String::as_str)
    }
}

pub(super) const MODELS_LOADED: &[&str] = &["pin", "preload", "swaps", "stay_ms", "patience_ms"];
const COPIES: RangeInclusive<u32> = 1..=1_000;

impl Reader<'_> {
    pub(super) fn models_loaded(&mut self, node: &Node, pool: &Pool) -> ModelsLoaded {
        let mut loaded = ModelsLoaded::default();
        let Some(fields) = self.fields(node, "models_loaded", MODELS_LOADED) else { return loaded };
        let mut swaps = true;
        self.choose(&fields, "swaps", "swaps", FLAG, &mut swaps);
        if !swaps {
            loaded.by = LoadBy::Request;
        }
        if let Some(node) = fields.find("pin") {
            for (name, copies) in self.entries(node, "pin", "models and how many copies of each, as in {NAME: 1}") {
                let copies = self.number(copies, "the number of copies", COPIES);
                loaded.pins.extend(copies.map(|copies| (name.name.clone(), copies)));
            }
        }
        for model in fields.find("preload").map_or(&[][..], |node| self.items(node, "preload")) {
            loaded.preload.extend(self.text(model, "a model").map(str::to_owned));
        }
        let hint = if pool.balancing.queue.max == 0 {
            "with `queue: {max: 0}` servers load what they are asked for"
        } else if pool.balancing.checks == Checks::Never {
            "with `check_ms: null` nobody sees what is loaded"
        } else {
            "with `swaps: false` servers load what they are asked for"
        };
        let is_ordered = swaps && pool.balancing.queue.max > 0 && pool.balancing.checks != Checks::Never;
        for key in ["pin", "preload", "stay_ms", "patience_ms"] {
            if let Some(node) = fields.find(key).filter(|_| !is_ordered) {
                self.mistake(node.place, format!("{key} where no server is told what to load"), hint);
            }
        }
        for (key, value) in [("stay_ms", &mut loaded.stay_ms), ("patience_ms", &mut loaded.patience_ms)] {
            *value = fields.find(key).and_then(|node| self.number(node, key, MILLISECONDS));
        }
        loaded
    }
}
