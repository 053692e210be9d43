//! A server that exists, as the configuration names it.
//! Whether it is alive and whether it is next are others' questions.

use std::time::Instant;

use crate::config;

use super::address::Addresses;
use super::health::Health;

/// One server of a pool.
#[derive(Debug)]
pub struct Peer {
    config: config::Peer,
    authority: String,
    pub(super) addresses: Addresses,
    pub(super) health: Health,
}

impl Peer {
    pub(super) fn new(config: config::Peer) -> Self {
        let host = &config.host;
        let authority =
            if host.contains(':') { format!("[{host}]:{}", config.port) } else { format!("{host}:{}", config.port) };
        let addresses = Addresses::new(host, config.port);
        Self { config, authority, addresses, health: Health::default() }
    }

    /// By which clients and operators know it.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// As written in the configuration, for logs.
    pub fn url(&self) -> &str {
        &self.config.url
    }

    /// What its `Host` header says.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What goes before the path of every request.
    pub fn prefix(&self) -> &str {
        &self.config.prefix
    }

    /// The `Authorization` that replaces the client's.
    pub fn authorization(&self) -> Option<String> {
        self.config.api_key.as_ref().map(|key| format!("Bearer {}", key.reveal()))
    }

    /// Whether the last attempt to connect to it, if it was not long ago, did not fail.
    pub fn is_alive(&self, now: Instant) -> bool {
        self.health.is_alive(now)
    }

    pub(super) fn weight(&self) -> u32 {
        self.config.weight.max(1)
    }

    /// Requests that it may have at once, where that is limited.
    pub fn max_inflight(&self) -> Option<u32> {
        self.config.max_inflight
    }
}
