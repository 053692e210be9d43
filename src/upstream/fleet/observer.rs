//! Observer of a pool's models: who is told what becomes of them, to count it.
//! Counts nothing itself.

use std::fmt;

use crate::balance::Change;

/// Whoever counts loads of models.
pub trait ModelObserver: fmt::Debug + Send + Sync {
    /// At a server of this pool a model has come, or has gone, or did not come.
    fn model_changed(&self, pool: &str, change: &Change);
}
