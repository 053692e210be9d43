//! A server that exists, as the configuration names it.
//! Whether it is alive and whether it is next are the balancer's questions; here is only what was noticed of it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::balance::{PeerId, Spec};
use crate::config;

use super::keep::Noticed;
use crate::upstream::wire::address::Addresses;

/// One server of a pool.
#[derive(Debug)]
pub struct Peer {
    id: PeerId,
    config: config::Peer,
    authority: String,
    pub(in crate::upstream) addresses: Addresses,
    is_away: AtomicBool,
    returns: AtomicU32,
    /// Held while it is asked.
    pub(in crate::upstream) noticed: Mutex<Noticed>,
}

impl Peer {
    pub fn new(config: config::Peer) -> Self {
        let host = &config.host;
        let authority = config.authority.clone().unwrap_or_else(|| authority(host, config.port));
        let addresses = Addresses::new(host, config.port);
        let id = PeerId::of(&config.url);
        Self {
            id,
            config,
            authority,
            addresses,
            is_away: AtomicBool::default(),
            returns: AtomicU32::default(),
            noticed: Mutex::default(),
        }
    }

    pub fn config(&self) -> &config::Peer {
        &self.config
    }

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

    pub(in crate::upstream) fn spec(&self) -> Spec {
        Spec { weight: self.config.weight, tier: self.config.priority, max_inflight: self.config.max_inflight }
    }

    /// Whether nobody listens there any more, so that nothing that was asked of it can still run.
    pub async fn is_gone(&self) -> bool {
        let Ok(addresses) = self.addresses.resolve().await else { return false };
        for address in addresses.iter() {
            if !timeout(DYING, nobody_listens(*address)).await.unwrap_or(false) {
                return false;
            }
        }
        true
    }

    pub(in crate::upstream) fn connected(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            self.returns.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(in crate::upstream) fn unreachable(&self) {
        self.is_away.store(true, Ordering::Relaxed);
    }

    /// How often it came back: what was learnt of it before may no longer hold.
    pub(in crate::upstream) fn returns(&self) -> u32 {
        self.returns.load(Ordering::Relaxed)
    }
}

/// Host and port as URLs write them.
pub fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// How long a process that was killed may take to let go of its sockets: it frees its memory first, and a GPU's.
const DYING: Duration = Duration::from_millis(500);
/// One that ends with the process, one that is refused, and another for the moment between.
const CONNECTIONS_MAX: usize = 3;

/// A process that was killed closes its sockets one after the other, and may take a connection until it has closed the
/// last; that connection ends then. One that lives keeps it open.
async fn nobody_listens(address: SocketAddr) -> bool {
    for _ in 0..CONNECTIONS_MAX {
        let end = async { TcpStream::connect(address).await?.read(&mut [0]).await };
        match end.await {
            Ok(0) => {}
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => {}
            Err(e) => return e.kind() == io::ErrorKind::ConnectionRefused,
            Ok(_) => return false,
        }
    }
    false
}
