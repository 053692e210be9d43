//! Engines that are to be found (`engine: auto`): of which pools, what their servers have shown, and when they are asked
//! again. What a server shows is asked in `upstream`, and what follows for its pool stands in `config`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::config::{self, Config, EngineChoice, Pool};
use crate::engine::Engine;
use crate::upstream::{Search, Upstream, find_engine};

/// How long a start, or a reload, waits for servers to show what they are.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// How long servers are given when nobody waits for them.
const ROUND_MAX: Duration = Duration::from_secs(10);
/// The first pause before those are asked again that have shown nothing. Each is twice as long as the one before.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest where no server has answered: one may have begun to, and is taken for another until it is asked.
const PAUSE_UNREACHED: Duration = Duration::from_secs(5);
/// The longest where one answers and shows nothing: it may want a key, and each question may be a line in its log.
const PAUSE_UNTOLD: Duration = Duration::from_secs(60);

/// A configuration, and what was found of the pools in it whose engine it does not name.
#[derive(Debug)]
pub(super) struct Engines {
    /// As it was read.
    config: Config,
    /// By the pools' names.
    found: HashMap<String, Engine>,
    /// What those are taken for until something is found that had some of their servers before.
    assumed: HashMap<String, Engine>,
    /// When those are asked again of which nothing was found, by the pools' names.
    waits: HashMap<String, Wait>,
}

/// Until when servers are left alone that have shown nothing.
#[derive(Clone, Copy, Debug)]
struct Wait {
    pause: Duration,
    until: Instant,
}

impl Wait {
    fn first() -> Self {
        Self { pause: PAUSE_FIRST, until: Instant::now() + PAUSE_FIRST }
    }

    /// The next one, and no longer than `max`.
    fn next(self, max: Duration) -> Self {
        let pause = (self.pause * 2).min(max);
        Self { pause, until: Instant::now() + pause }
    }
}

impl Engines {
    /// Nobody has been asked yet.
    pub fn new(config: Config) -> Self {
        Self { config, found: HashMap::new(), assumed: HashMap::new(), waits: HashMap::new() }
    }

    /// Whether there is a pool whose engine is still to be found.
    pub fn are_open(&self) -> bool {
        self.open().next().is_some()
    }

    /// The configuration with what was found. What is not found yet is what is assumed.
    pub fn config(&self) -> Config {
        let pool = |pool: &Pool| match self.known(&pool.name) {
            Some(engine) if pool.engine_choice == EngineChoice::Auto => pool.suited_to(engine),
            _ => pool.clone(),
        };
        Config { pools: self.config.pools.iter().map(pool).collect(), ..self.config.clone() }
    }

    /// Asks the servers of every pool that is open, for two seconds at most, and says what is found and what is not.
    pub async fn find(&mut self) {
        let asked = self.open().map(|pool| (pool.clone(), named(pool))).collect();
        for (pool, search) in search(asked, WAIT_MAX).await {
            let assumed = self.known(&pool.name).unwrap_or(pool.engine).name();
            match &search {
                Search::Found { .. } => {}
                Search::Untold { url } => log::warn!(
                    "pool {}: {url} does not show which engine it is, and is taken for {assumed}; it may want its \
                     `api_key`, or name the `engine`",
                    pool.name
                ),
                Search::Unreached => log::warn!(
                    "pool {}: no server has answered which engine it is; {assumed} is assumed until one does",
                    pool.name
                ),
            }
            self.learn(&pool, &search);
        }
    }

    /// Another configuration holds. Servers are asked again where they are others than before.
    pub async fn follow(&mut self, config: Config) {
        let former = std::mem::replace(self, Self::new(config));
        let servers = |pool: &Pool| named(pool).into_iter().map(|server| server.url).collect::<HashSet<_>>();
        for pool in self.config.pools.iter().filter(|pool| pool.engine_choice == EngineChoice::Auto) {
            let Some(before) = former.config.pools.iter().find(|other| other.name == pool.name) else { continue };
            let (before, after) = (servers(before), servers(pool));
            if let Some(engine) = former.found.get(&pool.name).filter(|_| before == after) {
                self.found.insert(pool.name.clone(), *engine);
            } else if let Some(engine) = former.known(&pool.name).filter(|_| !before.is_disjoint(&after)) {
                self.assumed.insert(pool.name.clone(), engine);
            }
        }
        self.find().await;
    }

    /// Asks the servers of open pools again and again, as they are in `upstream` by then. Returns once a pool is open no
    /// more; never, where none is open.
    pub async fn find_more(&mut self, servers: impl Fn(&str) -> Vec<config::Peer>) {
        let first = Wait::first();
        loop {
            let waits = self.open().map(|pool| self.waits.get(&pool.name).unwrap_or(&first).until);
            let Some(until) = waits.min() else { return std::future::pending().await };
            sleep_until(until).await;
            // Whose time is about to come is asked as well.
            let soon = Instant::now() + PAUSE_FIRST;
            let due = self.open().filter(|pool| self.waits.get(&pool.name).is_none_or(|wait| wait.until <= soon));
            let asked = due.map(|pool| (pool.clone(), servers(&pool.name))).collect();
            let mut has_found = false;
            for (pool, search) in search(asked, ROUND_MAX).await {
                has_found |= self.learn(&pool, &search);
                let max = if search == Search::Unreached { PAUSE_UNREACHED } else { PAUSE_UNTOLD };
                let wait = self.waits.get(&pool.name).copied().unwrap_or(first);
                self.waits.insert(pool.name, wait.next(max));
            }
            if has_found {
                return;
            }
        }
    }

    fn known(&self, pool: &str) -> Option<Engine> {
        self.found.get(pool).or_else(|| self.assumed.get(pool)).copied()
    }

    fn open(&self) -> impl Iterator<Item = &Pool> {
        let is_open = |pool: &&Pool| pool.engine_choice == EngineChoice::Auto && !self.found.contains_key(&pool.name);
        self.config.pools.iter().filter(is_open)
    }

    /// Keeps what was found of a pool, and says it. Returns whether anything was.
    fn learn(&mut self, pool: &Pool, search: &Search) -> bool {
        let Search::Found { identity, url } = search else { return false };
        let version = identity.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        let engine = identity.engine;
        log::info!("pool {}: {url} is {}{version}, by {}", pool.name, engine.name(), identity.proof);
        for useless in pool.useless_with(engine) {
            log::warn!("pool {}: {useless}", pool.name);
        }
        self.found.insert(pool.name.clone(), engine);
        true
    }
}

/// Those of a pool that requests go to now.
pub(super) fn present(upstream: &Upstream, pool: &str) -> Vec<config::Peer> {
    let pool = upstream.pools().iter().find(|other| other.name() == pool);
    pool.map(|pool| pool.peers().iter().map(|peer| peer.config().clone()).collect()).unwrap_or_default()
}

/// Those that a configuration names; of a name that leads to several, one.
fn named(pool: &Pool) -> Vec<config::Peer> {
    let entries = pool.entries();
    let each = entries.names.into_iter().map(|name| name.each);
    entries.peers.into_iter().chain(each).filter(|peer| !peer.drain).collect()
}

/// What the servers of each pool show, asked side by side.
async fn search(asked: Vec<(Pool, Vec<config::Peer>)>, within: Duration) -> Vec<(Pool, Search)> {
    let mut searches = JoinSet::new();
    for (pool, servers) in asked {
        searches.spawn(async move {
            let search = find_engine(&pool, &servers, within).await;
            (pool, search)
        });
    }
    searches.join_all().await
}
