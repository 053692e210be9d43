//! Pools of the configuration, and what becomes of them when another one follows.
//! Keeps none that is configured no more, but knows what is left of it.

use std::sync::{Arc, Weak};

use crate::config;
use crate::dialect::Dialects;

use super::dns;
use super::observer::ModelObserver;
use super::pool::Pool;
use super::pool_state::PoolState;

/// Every pool, in the order of the configuration.
#[derive(Debug)]
pub struct Upstream {
    pools: Vec<Arc<Pool>>,
    /// What is left of those that are configured no more and have requests still, by name: one may be configured again
    /// before they have ended.
    gone: Vec<(String, Weak<PoolState>)>,
}

impl Upstream {
    /// Opens no connection and resolves no name.
    pub fn new(pools: &[config::Pool], dialects: &Dialects) -> Self {
        let dialects = Arc::new(dialects.clone());
        let pools = pools.iter().map(|pool| Arc::new(Pool::new(pool.clone(), Arc::clone(&dialects))));
        Self { pools: pools.collect(), gone: Vec::new() }
    }

    /// The pools of another configuration. One whose name was there before keeps its places, its queue and what is
    /// known of its servers. What has changed is told, in words.
    pub fn succeed(&self, pools: &[config::Pool], dialects: &Dialects) -> (Self, Vec<String>) {
        let dialects = Arc::new(dialects.clone());
        let mut notes = Vec::new();
        let here = self.pools.iter().map(|pool| (pool.name().to_owned(), Arc::clone(pool.lasting())));
        let left = self.gone.iter().filter_map(|(name, lasting)| Some((name.clone(), lasting.upgrade()?)));
        let known: Vec<(String, Arc<PoolState>)> = here.chain(left).collect();
        let succeed = |config: &config::Pool| {
            let (config, dialects) = (config.clone(), Arc::clone(&dialects));
            let Some((_, former)) = known.iter().find(|(name, _)| *name == config.name) else {
                notes.push(format!("pool {} is new", config.name));
                return Arc::new(Pool::new(config, dialects));
            };
            let (pool, changes) = Pool::after(former, config, dialects);
            if !changes.is_empty() {
                notes.push(format!("pool {}: {changes}", pool.name()));
            }
            Arc::new(pool)
        };
        let pools: Vec<_> = pools.iter().map(succeed).collect();
        let is_gone = |name: &str| pools.iter().all(|pool| pool.name() != name);
        let goes = self.pools.iter().filter(|former| is_gone(former.name()));
        notes.extend(goes.map(|pool| format!("pool {} is gone", pool.name())));
        let gone = known.iter().filter(|(name, _)| is_gone(name));
        let gone = gone.map(|(name, lasting)| (name.clone(), Arc::downgrade(lasting))).collect();
        (Self { pools, gone }, notes)
    }

    /// In the order of the configuration.
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

    /// Keeps every pool from here on, and for as long as anybody has it. `observer` is told what becomes of models.
    pub fn keep<M: ModelObserver + 'static>(&self, observer: &Arc<M>) {
        for pool in &self.pools {
            pool.keep(Arc::new(dns::System), Arc::<M>::clone(observer));
        }
    }

    /// The models that the configuration names, for an error that says what there is.
    pub fn known_models(&self) -> Vec<String> {
        self.pools.iter().flat_map(|pool| &pool.config().models).map(ToString::to_string).collect()
    }
}
