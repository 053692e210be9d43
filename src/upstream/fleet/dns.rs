//! Service discovery by DNS: looks up the names of a pool, again and again.
//! A name that cannot be looked up leads where it led before: servers do not go because a name server does.

use std::fmt::Debug;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::config::Name;
use crate::upstream::wire::address::look_up;

use super::members::Members;

/// A name that leads nowhere is looked up again this soon: requests may be waiting for its servers.
const PAUSE_WHEN_MISSING: Duration = Duration::from_secs(1);

/// Whoever knows where names lead to.
#[async_trait]
pub trait Resolve: Debug + Send + Sync {
    /// The addresses of a name; none is an error.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's own resolver.
#[derive(Debug)]
pub struct System;

#[async_trait]
impl Resolve for System {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // Whatever the port, the addresses are the same.
        Ok(look_up(name, 0).await?.iter().map(|address| address.ip()).collect())
    }
}

/// Follows the names of a pool, as its members say which they are. Runs for ever.
pub async fn keep(pool: &str, members: &Arc<Members>, resolver: &Arc<dyn Resolve>) {
    let mut changes = members.enlisted();
    loop {
        let enlisted = Arc::clone(&changes.borrow_and_update());
        let mut following = JoinSet::new();
        for name in &enlisted.entries.names {
            let (members, resolver) = (Arc::clone(members), Arc::clone(resolver));
            following.spawn(follow(pool.to_owned(), name.clone(), members, resolver));
        }
        // An error means that nobody is left who could name anybody.
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn follow(pool: String, name: Name, members: Arc<Members>, resolver: Arc<dyn Resolve>) {
    let refresh = Duration::from_millis(name.refresh_ms);
    let mut has_failed = false;
    loop {
        let pause = match resolver.addresses(&name.each.host).await {
            Ok(addresses) => {
                let changes = members.found(&name, addresses);
                if !changes.is_empty() {
                    log::info!("pool {pool}: dns name {}: {changes}", name.each.name);
                }
                has_failed = false;
                refresh
            }
            Err(e) => {
                if !has_failed {
                    log::warn!("pool {pool}: dns name {}: {e}; its servers stay as they are", name.each.name);
                }
                members.missed(&name);
                has_failed = true;
                refresh.min(PAUSE_WHEN_MISSING)
            }
        };
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use super::*;
    use crate::balance::Settings;
    use crate::config::{self, Entries};
    use crate::upstream::fleet::places::Places;
    use crate::upstream::lock::lock;

    /// Longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A name server whose answers a test changes.
    #[derive(Debug, Default)]
    struct Table(Mutex<HashMap<&'static str, Vec<&'static str>>>);

    impl Table {
        fn set(&self, name: &'static str, addresses: &[&'static str]) {
            lock(&self.0).insert(name, addresses.to_vec());
        }
    }

    #[async_trait]
    impl Resolve for Table {
        async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            let found = lock(&self.0).get(name).cloned().unwrap_or_default();
            if found.is_empty() {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(found.iter().map(|address| address.parse().unwrap()).collect())
        }
    }

    fn pool(yaml: &str) -> Arc<config::Pool> {
        let Entries { peers, names } = Entries::from_yaml(yaml, "t.yaml", &|_| None).unwrap();
        Arc::new(config::Pool { peers, names, ..config::Pool::named("p") })
    }

    async fn wait_for(members: &Members, urls: &[&str]) {
        let mut changes = members.places.changes();
        let are_there = changes.wait_for(|peers| peers.iter().map(|peer| peer.url()).eq(urls.iter().copied()));
        tokio::time::timeout(PATIENCE, are_there).await.expect("these servers").unwrap();
    }

    #[tokio::test]
    async fn servers_come_and_go_with_the_addresses_of_their_name() {
        let table = Arc::new(Table::default());
        table.set("a", &["10.0.0.2", "10.0.0.1", "10.0.0.2"]);
        let yaml = "[{dns: 'a:8080/llm', refresh_ms: 1, weight: 3}, http://10.0.0.9:8080, {dns: b, refresh_ms: 1}]";
        let members = Arc::new(Members::new(&pool(yaml), Arc::new(Places::new(Settings::default()))));
        let (kept, resolver): (_, Arc<dyn Resolve>) = (Arc::clone(&members), Arc::<Table>::clone(&table));
        let keeper = tokio::spawn(async move { keep("p", &kept, &resolver).await });
        let own = "http://10.0.0.9:8080";
        wait_for(&members, &[own, "http://10.0.0.1:8080/llm", "http://10.0.0.2:8080/llm"]).await;
        members.looked_up().await;
        let before = members.places.peers();
        let endpoint = before[1].endpoint();
        assert_eq!((before[1].name(), endpoint.authority(), endpoint.prefix()), ("10.0.0.1:8080", "a:8080", "/llm"));
        assert_eq!(before[1].config().weight, 3);

        // The order of the answers is no matter, and who stays is the same.
        table.set("a", &["10.0.0.2", "10.0.0.3", "10.0.0.1"]);
        wait_for(&members, &[own, "http://10.0.0.1:8080/llm", "http://10.0.0.2:8080/llm", "http://10.0.0.3:8080/llm"])
            .await;
        assert!(Arc::ptr_eq(&before[2], &members.places.peers()[2]));

        // A name server that fails takes no server away.
        table.set("a", &[]);
        table.set("b", &["::1"]);
        let all = [
            own,
            "http://10.0.0.1:8080/llm",
            "http://10.0.0.2:8080/llm",
            "http://10.0.0.3:8080/llm",
            "http://[::1]:80",
        ];
        wait_for(&members, &all).await;
        table.set("b", &["10.0.0.9"]);
        wait_for(&members, &[&all[..4], &["http://10.0.0.9:80"]].concat()).await;

        // What is named otherwise is looked up otherwise; what is drained is not there.
        table.set("c", &["10.0.0.7"]);
        let yaml = "[{dns: 'c:1', refresh_ms: 1}, {url: 'http://10.0.0.9:8080', drain: true}, {dns: 'a:8080/llm'}]";
        members.adopt(&pool(yaml));
        wait_for(&members, &[&["http://10.0.0.7:1"], &all[1..4]].concat()).await;
        keeper.abort();
    }

    #[tokio::test]
    async fn the_system_knows_localhost() {
        let addresses = System.addresses("localhost").await.unwrap();
        assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
        assert_eq!(System.addresses("::1").await.unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
    }
}
