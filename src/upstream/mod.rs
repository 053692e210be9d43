//! The servers behind the gateway: who exists, who is alive, who is next, and how they are reached.
//! Knows nothing of requests and answers; it hands out claims, connections and dialects.
//!
//! Who exists, who is alive and who is next are `balance`'s three questions. `Places` gives it a clock and a lock,
//! `check` asks the servers, `Pool` puts both together. A `Claim` is a place at one peer, given back when it is
//! dropped.

mod address;
mod ask;
mod cause;
mod check;
mod claim;
mod dial;
mod hold;
mod keep;
mod listed;
mod load;
mod members;
mod names;
mod opening;
mod peer;
mod places;
mod pool;
mod probe;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use ask::Question;
pub use cause::Cause;
pub use check::Fate;
pub use claim::{Claim, Connection};
pub use hold::{Holding, Ticks};
pub use opening::Asked;
pub use peer::Peer;
pub use pool::{ClaimError, Family, Found, Need, Pool, Queued};
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

    /// The pools of another configuration. One whose name was there before keeps its places, its queue and what is
    /// known of its servers. What has changed is told, in words.
    pub fn succeed(&self, pools: &[config::Pool], dialects: &Dialects) -> (Self, Vec<String>) {
        let dialects = Arc::new(dialects.clone());
        let mut notes = Vec::new();
        let succeed = |config: &config::Pool| {
            let (config, dialects) = (config.clone(), Arc::clone(&dialects));
            let Some(former) = self.pools.iter().find(|pool| pool.name() == config.name) else {
                notes.push(format!("pool {} is new", config.name));
                return Arc::new(Pool::new(config, dialects));
            };
            let (pool, changes) = former.succeed(config, dialects);
            if !changes.is_empty() {
                notes.push(format!("pool {}: {changes}", pool.name()));
            }
            Arc::new(pool)
        };
        let succeeded = Self { pools: pools.iter().map(succeed).collect() };
        let gone = self.pools.iter().filter(|former| succeeded.pools.iter().all(|pool| pool.name() != former.name()));
        notes.extend(gone.map(|pool| format!("pool {} is gone", pool.name())));
        (succeeded, notes)
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

    /// Keeps every pool from here on, and for as long as anybody has it.
    pub fn keep(&self) {
        for pool in &self.pools {
            pool.keep(Arc::new(names::System));
        }
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
