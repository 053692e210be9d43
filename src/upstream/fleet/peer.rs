//! Peer: a server of a pool, as the configuration names it.
//! Whether it is alive and whether it is next are the balancer's questions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, Notify};

use crate::balance::{ModelId, PeerId, Spec};
use crate::config;
use crate::upstream::health::history::History;
use crate::upstream::lock::lock;
use crate::upstream::wire::endpoint::Endpoint;

/// One server of a pool.
#[derive(Debug)]
pub struct Peer {
    id: PeerId,
    config: config::Peer,
    endpoint: Arc<Endpoint>,
    /// Held while it is asked how it is.
    pub(super) history: Mutex<History>,
    /// Rung when an answer shows that it is what it was configured as.
    pub(super) met: Notify,
    /// Rung when it may have something new to tell of its models.
    pub(super) bell: Notify,
    has_models: AtomicBool,
    /// The chat templates of its models, as far as they were loaded once.
    templates: std::sync::Mutex<HashMap<ModelId, Arc<str>>>,
}

impl Peer {
    /// Resolves no name.
    pub fn new(config: config::Peer) -> Self {
        let (id, endpoint) = (PeerId::of(&config.url), Arc::new(Endpoint::new(&config)));
        Self {
            id,
            config,
            endpoint,
            history: Mutex::default(),
            met: Notify::new(),
            bell: Notify::new(),
            has_models: AtomicBool::default(),
            templates: std::sync::Mutex::default(),
        }
    }

    /// What the configuration says of it.
    pub fn config(&self) -> &config::Peer {
        &self.config
    }

    /// By which the balancer knows it.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// By which clients and operators know it.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// As written in the configuration, for logs.
    pub fn url(&self) -> &str {
        &self.config.url
    }

    /// How it is reached.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// An answer of it shows its engine's signature.
    pub fn meet(&self) {
        self.met.notify_one();
    }

    /// Whether it loads and unloads models.
    pub fn has_models(&self) -> bool {
        self.has_models.load(Ordering::Relaxed)
    }

    /// The chat template of one of its models.
    pub fn template(&self, model: ModelId) -> Option<Arc<str>> {
        lock(&self.templates).get(&model).cloned()
    }

    /// It told which models it has: the templates of those that were loaded once, by name. `None` when it has one.
    pub(super) fn has_told<'t>(&self, templates: Option<impl Iterator<Item = (&'t str, &'t Arc<str>)>>) {
        self.has_models.store(templates.is_some(), Ordering::Relaxed);
        let templates = templates.into_iter().flatten();
        *lock(&self.templates) = templates.map(|(name, template)| (ModelId::of(name), Arc::clone(template))).collect();
    }

    /// What the balancer is told of it.
    pub(super) fn spec(&self) -> Spec {
        Spec { weight: self.config.weight, tier: self.config.priority, max_inflight: self.config.max_inflight }
    }
}
