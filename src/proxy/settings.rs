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
}
