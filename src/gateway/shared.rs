//! Shared state of all requests: the settings, the metrics, and what is remembered from one request to the
//! next. Does nothing with it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::metrics::Metrics;

use super::body_memory::BodyMemory;
use super::lifecycle::Lifecycle;
use super::quarantine::Quarantine;
use super::settings::Current;
use super::turn_memory::TurnMemory;

/// The proxy.
#[derive(Debug)]
pub struct Gateway {
    pub(super) current: Arc<Current>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) lifecycle: Arc<Lifecycle>,
    /// What has been said once about replies that could not be read.
    pub(super) said: Mutex<HashSet<String>>,
    /// What servers died of.
    pub(super) quarantine: Quarantine,
    pub(super) bodies: BodyMemory,
    /// What clients did not see of turns whose tools ran here.
    pub(super) memory: Arc<TurnMemory>,
    /// Where clients of Ollama's API are served, if they have addresses of their own.
    pub(super) ollama_at: Vec<SocketAddr>,
}

impl Gateway {
    /// The gateway over what it shares with the admin address and the server. It remembers nothing yet.
    pub fn new(current: Arc<Current>, metrics: Arc<Metrics>, lifecycle: Arc<Lifecycle>) -> Self {
        Self {
            current,
            metrics,
            lifecycle,
            said: Mutex::default(),
            quarantine: Quarantine::default(),
            bodies: BodyMemory::default(),
            memory: Arc::default(),
            ollama_at: Vec::new(),
        }
    }

    /// The same, and at these addresses clients of Ollama's API are served.
    #[must_use]
    pub fn with_ollama_at(self, ollama_at: Vec<SocketAddr>) -> Self {
        Self { ollama_at, ..self }
    }
}
