//! Settings that requests are held to. Replaced as a whole when the configuration is read again:
//! a request keeps what it began with, so that no two of its phases see different settings.

use std::sync::{Arc, PoisonError, RwLock};

use crate::api::ollama::client;
use crate::config::{Config, Messages, ModelsList, TurnLimits, TurnMemory, View};
use crate::dialect::{Dialects, Glob};
use crate::limits::Limits;
use crate::toolbox::Toolbox;
use crate::upstream::{Pool, Upstream};

use super::models_cache::ModelsCache;

/// What one configuration says of requests.
#[derive(Debug)]
pub struct Settings {
    pub upstream: Upstream,
    pub(super) view: View,
    pub(super) limits: Limits,
    /// Those whose names clients may say.
    pub(super) dialects: Dialects,
    /// The list of the models of its servers.
    pub(super) models: ModelsCache,
    /// Tools that run here, and what a turn with them may take.
    pub(super) toolbox: Arc<Toolbox>,
    pub(super) turn_limits: TurnLimits,
    pub(super) turn_memory: TurnMemory,
    /// Names of hosts by which clients may reach them.
    pub(super) hosts: Vec<String>,
}

impl Settings {
    /// Settings for a gateway that starts: nothing is known yet of any server.
    pub fn new(config: &Config) -> Self {
        Self::with(config, Upstream::new(&config.pools, &config.dialects))
    }

    /// The same, with these tools that run on the server.
    #[must_use]
    pub fn with_toolbox(self, toolbox: Arc<Toolbox>) -> Self {
        Self { toolbox, ..self }
    }

    /// The tools that run on the server.
    pub fn toolbox(&self) -> Arc<Toolbox> {
        Arc::clone(&self.toolbox)
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

    /// Whether the list of models is made here. With one server that has one model it is that server's own answer.
    pub(super) fn lists_models(&self) -> bool {
        let peers: usize = self.upstream.pools().iter().map(|pool| pool.peers().len()).sum();
        self.view.models_list == ModelsList::Merge
            && (peers > 1 || self.places_by_model() || !self.view.aliases.is_empty())
    }

    /// Whether a request of Anthropic's API is anywhere served as a chat.
    pub(super) fn translates_messages(&self) -> bool {
        self.upstream.pools().iter().any(|pool| pool.config().messages == Messages::Chat)
    }

    /// Whether it makes a difference which model a request names: there are several pools, or aliases.
    pub(super) fn tells_names_apart(&self) -> bool {
        self.upstream.pools().len() > 1 || !self.view.aliases.is_empty()
    }

    /// The model that another name stands for: an alias, or the model's own name but for a tag that says nothing.
    pub(super) fn behind<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let bare = || self.untagged(name).map(|bare| self.view.behind(bare).unwrap_or(bare));
        self.view.behind(name).or_else(bare).or_else(|| self.tagged(name))
    }

    /// A name without the tag that clients of Ollama's API give to every one, where it is not part of an alias or of a
    /// model's name: to servers of other kinds it says nothing.
    pub(super) fn untagged<'n>(&self, name: &'n str) -> Option<&'n str> {
        self.view.ollama_api.as_ref()?;
        let is_own = || self.names().any(|own| own.eq_ignore_ascii_case(name));
        client::untagged(name).filter(|_| self.view.behind(name).is_none() && !is_own())
    }

    /// A model's name that has the tag, where clients of Ollama's API leave it out and no pool takes a model without.
    fn tagged(&self, name: &str) -> Option<&str> {
        self.view.ollama_api.as_ref()?;
        let is_it = |own: &&str| client::untagged(own).is_some_and(|bare| bare.eq_ignore_ascii_case(name));
        self.names().find(is_it).filter(|_| self.upstream.running(name).is_none())
    }

    /// The models that pools name by their whole names.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.upstream.pools().iter().flat_map(|pool| &pool.config().models).filter_map(Glob::literal)
    }

    /// Whether requests to any pool are placed by the model that they name, wherever they name it.
    pub(super) fn places_by_model(&self) -> bool {
        self.upstream.pools().iter().any(|pool| pool.places_by_model())
    }

    /// Whether those are that are asked at this path.
    pub(super) fn places_by_model_for(&self, path: &[u8]) -> bool {
        let is_aside = |pool: &Pool| {
            let pages = pool.config().engine.row().models;
            pages.is_some_and(|pages| pages.unloaded.iter().any(|aside| aside.as_bytes() == path))
        };
        self.upstream.pools().iter().any(|pool| pool.places_by_model() && !is_aside(pool))
    }

    /// The pools whose servers keep streams for clients that come back.
    pub(super) fn keepers(&self) -> Vec<Arc<Pool>> {
        self.upstream.pools().iter().filter(|pool| keeps(pool)).cloned().collect()
    }

    fn with(config: &Config, upstream: Upstream) -> Self {
        let (view, limits) = (config.view.clone(), config.limits.clone());
        let tools = &config.tools;
        Self {
            upstream,
            view,
            limits,
            dialects: config.dialects.clone(),
            models: ModelsCache::default(),
            toolbox: Arc::default(),
            turn_limits: tools.limits.clone(),
            turn_memory: tools.memory,
            hosts: tools.hosts.clone(),
        }
    }
}

/// Whether the servers of a pool keep streams for clients that come back.
pub(super) fn keeps(pool: &Pool) -> bool {
    pool.config().engine.row().keeps_streams
}

/// The settings of requests that begin now.
#[derive(Debug)]
pub struct Current(RwLock<Arc<Settings>>);

impl Current {
    /// Where these hold until others replace them.
    pub fn new(settings: Settings) -> Self {
        Self(RwLock::new(Arc::new(settings)))
    }

    /// Those that hold now. A request takes them once and keeps them.
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
