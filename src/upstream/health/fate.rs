//! Fate of a server whose connection broke before it answered: whether what was asked of it can still run.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config;
use crate::engine::Engine;
use crate::upstream::wire::ask::{self, AskError};
use crate::upstream::wire::endpoint::Endpoint;

/// What became of a server whose connection broke before it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It may still run what it was asked.
    Lives,
    /// It has begun anew, and loads its model.
    Restarted,
    /// It lives, and does not have the model any more.
    Unloaded,
    Gone,
}

impl Fate {
    /// As a log says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lives => "it lives, and may still be at it",
            Self::Restarted => "it has begun anew",
            Self::Unloaded => "its model is not there any more",
            Self::Gone => "it is gone",
        }
    }
}

/// Finds out what became of a server. A fresh process is told from an old one where its engine says that it loads.
pub async fn fate(endpoint: &Arc<Endpoint>, engine: Engine, timeouts: config::Timeouts) -> Fate {
    let row = engine.row();
    if let (Some(path), Some(loading)) = (row.health, &row.loading) {
        match ask::page(endpoint, path, None, timeouts).await {
            Ok(page) if loading.is_told_by(page.status, &page.body) => return Fate::Restarted,
            Ok(_) | Err(AskError::Late) => return Fate::Lives,
            Err(e) if e.is_shortage() => return Fate::Lives,
            Err(_) => {}
        }
    }
    if is_gone(endpoint).await { Fate::Gone } else { Fate::Lives }
}

/// Whether nobody listens there any more, so that nothing that was asked of it can still run.
async fn is_gone(endpoint: &Endpoint) -> bool {
    let Ok(addresses) = endpoint.addresses().await else { return false };
    for address in addresses.iter() {
        if !timeout(DYING, nobody_listens(*address)).await.unwrap_or(false) {
            return false;
        }
    }
    true
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
