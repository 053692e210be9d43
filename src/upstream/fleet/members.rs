//! Service discovery: who is in a pool, of the servers that are named and those that names lead to.
//! Looks up no name and reads no file; `dns` and `peers_file` do, and whether a server is alive is not asked here.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::balance::Report;
use crate::config::{self, Entries, Name};
use crate::upstream::health::check::assumed;
use crate::upstream::lock::lock;
use crate::upstream::wire::endpoint::authority;

use super::peer::Peer;
use super::places::Places;

/// A pool of more is a mistake, or a name server's joke.
const PEERS_MAX: usize = 1_000;

/// The servers of a pool.
#[derive(Debug)]
pub struct Members {
    pub places: Arc<Places>,
    enlisted: watch::Sender<Arc<Enlisted>>,
    /// Where each name led to last; nowhere, when it never led anywhere.
    answers: watch::Sender<HashMap<String, Vec<IpAddr>>>,
    /// Held from reading those two until the peers are set, so that no older set replaces a newer one.
    turn: Mutex<()>,
}

/// Who is named now.
#[derive(Debug)]
pub struct Enlisted {
    /// The configuration that holds.
    pool: Arc<config::Pool>,
    pub entries: Entries,
}

impl Members {
    /// Those whom a configuration names.
    pub fn new(pool: &Arc<config::Pool>, places: Arc<Places>) -> Self {
        let enlisted = Enlisted { pool: Arc::clone(pool), entries: pool.entries() };
        let enlisted = watch::Sender::new(Arc::new(enlisted));
        let members = Self { places, enlisted, answers: watch::Sender::default(), turn: Mutex::default() };
        members.gather();
        members
    }

    /// From here on those whom another configuration names.
    pub fn adopt(&self, pool: &Arc<config::Pool>) -> Changes {
        let entries = pool.entries();
        self.enlisted.send_replace(Arc::new(Enlisted { pool: Arc::clone(pool), entries }));
        let enlisted = Arc::clone(&self.enlisted.borrow());
        self.answers.send_modify(|answers| {
            answers.retain(|known, _| enlisted.entries.names.iter().any(|name| name.each.host == *known));
        });
        self.gather()
    }

    /// The file of a configuration lists these now. No matter, if that configuration holds no more.
    pub fn list(&self, pool: &Arc<config::Pool>, listed: &Entries) -> Changes {
        let entries = pool.with_listed(listed);
        self.enlisted.send_if_modified(|known| {
            let is_new = Arc::ptr_eq(&known.pool, pool) && known.entries != entries;
            if is_new {
                *known = Arc::new(Enlisted { pool: Arc::clone(pool), entries });
            }
            is_new
        });
        self.gather()
    }

    /// Tells when others are named.
    pub fn enlisted(&self) -> watch::Receiver<Arc<Enlisted>> {
        self.enlisted.subscribe()
    }

    /// A name leads to these addresses.
    pub fn found(&self, name: &Name, mut addresses: Vec<IpAddr>) -> Changes {
        // A name server turns them about, and the order of servers must not change with that.
        addresses.sort_unstable();
        addresses.dedup();
        self.answers.send_modify(|answers| {
            answers.insert(name.each.host.clone(), addresses);
        });
        self.gather()
    }

    /// A name leads nowhere now. What it led to before stands.
    pub fn missed(&self, name: &Name) {
        self.answers.send_modify(|answers| {
            answers.entry(name.each.host.clone()).or_default();
        });
    }

    /// Waits until every name has been looked up once.
    pub async fn looked_up(&self) {
        let mut answers = self.answers.subscribe();
        let enlisted = Arc::clone(&self.enlisted.borrow());
        let are_known = |answers: &HashMap<String, Vec<IpAddr>>| {
            enlisted.entries.names.iter().all(|name| answers.contains_key(&name.each.host))
        };
        // An error means that nobody is left who could look one up.
        let _ = answers.wait_for(are_known).await;
    }

    /// Makes peers of all that is known. One that is the same as before stays the same.
    fn gather(&self) -> Changes {
        let _turn = lock(&self.turn);
        let enlisted = Arc::clone(&self.enlisted.borrow());
        let before = self.places.peers();
        let mut peers: Vec<Arc<Peer>> = Vec::new();
        let configs = self.configs(&enlisted.entries);
        let too_many = configs.len().saturating_sub(PEERS_MAX);
        for config in configs.into_iter().take(PEERS_MAX) {
            if peers.iter().all(|peer| peer.url() != config.url) {
                let known = before.iter().find(|peer| *peer.config() == config).cloned();
                peers.push(known.unwrap_or_else(|| Arc::new(Peer::new(config))));
            }
        }
        if peers.len() == before.len() && peers.iter().zip(before.iter()).all(|(a, b)| Arc::ptr_eq(a, b)) {
            return Changes::default();
        }
        if too_many > 0 {
            log::warn!("pool {}: {too_many} servers more than {PEERS_MAX} are left out", enlisted.pool.name);
        }
        let changes = Changes::between(&before, &peers);
        self.places.set_peers(peers.into(), Report { state: assumed(&enlisted.pool), ..Report::default() });
        changes
    }

    fn configs(&self, entries: &Entries) -> Vec<config::Peer> {
        let answers = self.answers.borrow();
        let led_to = entries.names.iter().flat_map(|name| {
            let addresses = answers.get(&name.each.host).into_iter().flatten();
            addresses.map(move |address| at(name, *address))
        });
        entries.peers.iter().cloned().chain(led_to).filter(|peer| !peer.drain).collect()
    }
}

/// Who has come and who leaves, by URL.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    come: Vec<String>,
    gone: Vec<String>,
}

impl Changes {
    fn between(before: &[Arc<Peer>], after: &[Arc<Peer>]) -> Self {
        let missing = |from: &[Arc<Peer>], others: &[Arc<Peer>]| {
            let is_missing = |peer: &&Arc<Peer>| others.iter().all(|other| other.url() != peer.url());
            from.iter().filter(is_missing).map(|peer| peer.url().to_owned()).collect()
        };
        Self { come: missing(after, before), gone: missing(before, after) }
    }

    /// Whether everybody is who was there before.
    pub fn is_empty(&self) -> bool {
        self.come.is_empty() && self.gone.is_empty()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let come = self.come.iter().map(|url| ('+', url));
        let gone = self.gone.iter().map(|url| ('-', url));
        for (at, (sign, url)) in come.chain(gone).enumerate() {
            let separator = if at == 0 { "" } else { " " };
            write!(f, "{separator}{sign}{url}")?;
        }
        Ok(())
    }
}

/// The server at one of a name's addresses.
fn at(name: &Name, address: IpAddr) -> config::Peer {
    let host = address.to_string();
    let authority = authority(&host, name.each.port);
    let url = format!("http://{authority}{}", name.each.prefix);
    config::Peer { name: authority, url, host, ..name.each.clone() }
}
