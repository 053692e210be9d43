//! Peer: a server of a pool, as the configuration names it.
//! Whether it is alive and whether it is next are the balancer's questions.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::balance::{PeerId, Spec};
use crate::config;
use crate::upstream::health::history::History;
use crate::upstream::wire::endpoint::Endpoint;

/// One server of a pool.
#[derive(Debug)]
pub struct Peer {
    id: PeerId,
    config: config::Peer,
    endpoint: Arc<Endpoint>,
    /// Held while it is asked how it is.
    pub(super) history: Mutex<History>,
}

impl Peer {
    /// Resolves no name.
    pub fn new(config: config::Peer) -> Self {
        let (id, endpoint) = (PeerId::of(&config.url), Arc::new(Endpoint::new(&config)));
        Self { id, config, endpoint, history: Mutex::default() }
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

    /// What the balancer is told of it.
    pub(super) fn spec(&self) -> Spec {
        Spec { weight: self.config.weight, tier: self.config.priority, max_inflight: self.config.max_inflight }
    }
}
