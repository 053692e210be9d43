//! Peer: a server of a pool, as the configuration names it.
//! Whether it is alive and whether it is next are the balancer's questions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Mutex, Notify};

use crate::balance::{ModelId, PeerId, SeatStatus, Spec, Status};
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
    /// What it has against the last order.
    objection: std::sync::Mutex<Option<String>>,
    /// The chat templates of its models, as far as they were loaded once.
    templates: std::sync::Mutex<HashMap<ModelId, Arc<str>>>,
    /// How many tokens a conversation may have; 0 when it has not said.
    context: AtomicU64,
}

/// How a peer stands, and each of its models, if it has several.
#[derive(Clone, Debug)]
pub struct Standing {
    pub peer: Arc<Peer>,
    pub status: Status,
    pub seats: Vec<SeatStatus>,
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
            objection: std::sync::Mutex::default(),
            templates: std::sync::Mutex::default(),
            context: AtomicU64::default(),
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

    /// Whether a model of this name may be loaded there.
    pub(super) fn may_load(&self, model: &str) -> bool {
        let models = &self.config.models;
        models.is_empty() || models.iter().any(|glob| glob.matches(model))
    }

    /// The chat template of one of its models.
    pub fn template(&self, model: ModelId) -> Option<Arc<str>> {
        lock(&self.templates).get(&model).cloned()
    }

    /// How many tokens a conversation with its one model may have, where a check has told.
    pub fn context(&self) -> Option<u64> {
        Some(self.context.load(Ordering::Relaxed)).filter(|tokens| *tokens > 0)
    }

    /// It told how many, or that it has several models, each with a context of its own.
    pub(super) fn holds(&self, tokens: Option<u64>) {
        self.context.store(tokens.unwrap_or_default(), Ordering::Relaxed);
    }

    /// It told which models it has: the templates of those that were loaded once, by name. `None` when it has one.
    pub(super) fn has_told<'t>(&self, templates: Option<impl Iterator<Item = (&'t str, &'t Arc<str>)>>) {
        self.has_models.store(templates.is_some(), Ordering::Relaxed);
        let templates = templates.into_iter().flatten();
        *lock(&self.templates) = templates.map(|(name, template)| (ModelId::of(name), Arc::clone(template))).collect();
    }

    /// It has this against an order, or nothing. Answers what it did not say the last time: an order that comes to
    /// nothing is given again each second.
    pub(super) fn objects(&self, objection: Option<String>) -> Option<String> {
        let mut last = lock(&self.objection);
        let is_new = *last != objection;
        last.clone_from(&objection);
        objection.filter(|_| is_new)
    }

    /// What the balancer is told of it.
    pub(super) fn spec(&self) -> Spec {
        let config::Peer { weight, priority: tier, max_inflight, places, .. } = self.config;
        Spec { weight, tier, max_inflight, places }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objection_is_said_once_until_an_order_is_taken() {
        let config = config::Config::from_upstreams(&["http://127.0.0.1:1".to_owned()], &[], Some("hermes")).unwrap();
        let peer = Peer::new(config.pools[0].peers[0].clone());
        for (objection, said) in [
            (Some("full"), true),
            (Some("full"), false),
            (Some("busy"), true),
            (Some("full"), true),
            (None, false),
            (Some("full"), true),
        ] {
            let answer = peer.objects(objection.map(str::to_owned));
            assert_eq!(answer.as_deref(), objection.filter(|_| said));
        }
    }
}
