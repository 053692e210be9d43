//! Metric family: one instrument for each set of labels.
//! Bounds nothing: whoever makes labels of what clients say must.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::page::Labels;

/// Instruments by their labels, in the order of the labels.
#[derive(Debug)]
pub struct Family<M>(RwLock<BTreeMap<Labels, Arc<M>>>);

impl<M> Default for Family<M> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<M> Family<M> {
    /// The instrument with these labels, if it was made before. Makes none.
    pub fn known(&self, labels: &Labels) -> Option<Arc<M>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(labels).cloned()
    }

    /// The instrument with these labels; made when it is asked for first.
    pub fn at(&self, labels: Labels, make: impl FnOnce() -> M) -> Arc<M> {
        if let Some(known) = self.known(&labels) {
            return known;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(labels).or_insert_with(|| Arc::new(make())))
    }

    /// How many instruments were made; none is ever dropped.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// All of them as they are now.
    pub fn all(&self) -> Vec<(Labels, Arc<M>)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(labels, instrument)| (labels.clone(), Arc::clone(instrument))).collect()
    }
}
