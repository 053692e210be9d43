//! The servers behind the gateway: who exists, who is alive, who is next, and how they are reached.
//! Knows nothing of requests and answers; it hands out claims, connections and dialects.
//!
//! Three questions, three types: a `Peer` exists, its `Health` says whether it is alive, the `Rota` says whose turn
//! it is. A `Claim` is a place at one peer, given back when it is dropped.

mod address;
mod ask;
mod claim;
mod dial;
mod health;
mod peer;
mod pool;
mod probe;
mod rota;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use claim::{Claim, Connection};
pub use peer::Peer;
pub use pool::{ClaimError, Family, Pool};
pub use watch::{Expired, Watch};

use crate::config;
use crate::dialect::Dialects;

/// Every pool, in the order of the configuration.
#[derive(Debug)]
pub struct Upstream {
    pools: Vec<Arc<Pool>>,
}

impl Upstream {
    /// Opens no connection and resolves no name.
    pub fn new(pools: &[config::Pool], dialects: &Dialects) -> Self {
        let dialects = Arc::new(dialects.clone());
        Self { pools: pools.iter().map(|pool| Arc::new(Pool::new(pool.clone(), Arc::clone(&dialects)))).collect() }
    }

    pub fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }

    /// Where everything goes that names no model.
    pub fn first(&self) -> Option<&Arc<Pool>> {
        self.pools.first()
    }

    /// The pool that runs a model: one that names it before one that takes any.
    pub fn running(&self, model: &str) -> Option<&Arc<Pool>> {
        let takers = || self.pools.iter().filter(|pool| pool.config().takes(model));
        takers().find(|pool| !pool.config().models.is_empty()).or_else(|| takers().next())
    }

    /// The models that the configuration names, for an error that says what there is.
    pub fn known_models(&self) -> Vec<String> {
        self.pools.iter().flat_map(|pool| &pool.config().models).map(ToString::to_string).collect()
    }
}

/// A panic elsewhere leaves these plain values whole, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
