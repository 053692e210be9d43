//! Bounded labels: names that may become labels: so many, and no more.
//! Every name that became one would be kept, and scraped, for ever.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// The label of what has none of its own.
pub const OTHER: &str = "other";

/// The names that are labels.
#[derive(Debug, Default)]
pub struct Names(RwLock<BTreeSet<String>>);

impl Names {
    fn is_known(&self, name: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// The name itself, learnt if it is new; `other` when that would be one more than `max`.
    pub fn label<'a>(&self, name: &'a str, max: usize) -> &'a str {
        if name.is_empty() || self.is_known(name) {
            return name;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= max && !known.contains(name) {
            return OTHER;
        }
        known.insert(name.to_owned());
        name
    }
}
