//! Endpoint of a server: where it listens, how requests to it are addressed, and whether it has been away.
//! Opens no connection; `dial` does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::config::{self, Secret};

use super::address::Addresses;

/// How one server is reached.
#[derive(Debug)]
pub struct Endpoint {
    url: String,
    authority: String,
    prefix: String,
    api_key: Option<Secret>,
    addresses: Addresses,
    is_away: AtomicBool,
    returns: AtomicU32,
}

impl Endpoint {
    /// Resolves no name.
    pub fn new(config: &config::Peer) -> Self {
        Self {
            url: config.url.clone(),
            authority: config.authority.clone().unwrap_or_else(|| authority(&config.host, config.port)),
            prefix: config.prefix.clone(),
            api_key: config.api_key.clone(),
            addresses: Addresses::new(&config.host, config.port),
            is_away: AtomicBool::default(),
            returns: AtomicU32::default(),
        }
    }

    /// As written in the configuration, for logs.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What its `Host` header says.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What goes before the path of every request.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The `Authorization` that replaces the client's.
    pub fn authorization(&self) -> Option<String> {
        self.api_key.as_ref().map(|key| format!("Bearer {}", key.reveal()))
    }

    /// Where it listens: at least one address, the one that worked last in front.
    pub async fn addresses(&self) -> io::Result<Arc<[SocketAddr]>> {
        self.addresses.resolve().await
    }

    /// It was reached.
    pub(super) fn connected(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            self.returns.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// This address answered: the next connection tries it first.
    pub(super) fn prefer(&self, address: SocketAddr) {
        self.addresses.prefer(address);
    }

    /// It could not be reached, or does not answer.
    pub fn unreachable(&self) {
        self.is_away.store(true, Ordering::Relaxed);
    }

    /// How often it came back: what was learnt of it before may no longer hold.
    pub fn returns(&self) -> u32 {
        self.returns.load(Ordering::Relaxed)
    }
}

/// Host and port as URLs write them.
pub fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
