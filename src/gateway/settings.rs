//! What requests are held to. Replaced as a whole when the configuration is read again: a request keeps what it began
//! with, so that no two of its phases see different settings.

use std::sync::{Arc, PoisonError, RwLock};

use crate::config::{Config, View};
use crate::limits::Limits;
use crate::upstream::Upstream;

use super::listing::Listing;

/// What one configuration says of requests.
#[derive(Debug)]
pub struct Settings {
    pub upstream: Upstream,
    pub(super) view: View,
    pub(super) limits: Limits,
    /// Whose models those are that it has.
    pub(super) listing: Listing,
}

impl Settings {
    pub fn new(config: &Config) -> Self {
        Self::with(config, Upstream::new(&config.pools, &config.dialects))
    }

    /// Those of another configuration. Pools keep what they have; what has changed is told, in words.
    pub fn succeed(&self, config: &Config) -> (Self, Vec<String>) {
        let (upstream, mut notes) = self.upstream.succeed(&config.pools, &config.dialects);
        let settings = Self::with(config, upstream);
        if settings.view != self.view {
            notes.push("what clients see has changed".to_owned());
        }
        if settings.limits != self.limits {
            notes.push("the limits have changed".to_owned());
        }
        (settings, notes)
    }

    fn with(config: &Config, upstream: Upstream) -> Self {
        let (view, limits) = (config.view.clone(), config.limits.clone());
        Self { upstream, view, limits, listing: Listing::default() }
    }
}

/// The settings of requests that begin now.
#[derive(Debug)]
pub struct Current(RwLock<Arc<Settings>>);

impl Current {
    pub fn new(settings: Settings) -> Self {
        Self(RwLock::new(Arc::new(settings)))
    }

    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Requests that begin from here on are held to these.
    pub fn replace(&self, settings: Settings) {
        let settings = Arc::new(settings);
        // The former ones are dropped after the lock is given back.
        let _former = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), settings);
    }
}
