//! State of a pool that outlives its configuration: places and queue, who its servers are and what is known of them.
//! Gives no claims; `Pool` does, by the configuration that it has.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::balance::{Loads, ModelId, Settings};
use crate::config;
use crate::upstream::health::check::{Interest, interest};
use crate::upstream::lock::lock;

use super::dns::Resolve;
use super::keep::Keeper;
use super::knowledge::Knowledge;
use super::members::{Changes, Members};
use super::observer::ModelObserver;
use super::places::Places;

/// What the first requests wait at most to learn how the servers are.
const FIRST_CHECK_MAX: Duration = Duration::from_secs(2);

/// Shared by the pools of one name, one after the other.
#[derive(Debug)]
pub struct PoolState {
    pub places: Arc<Places>,
    members: Arc<Members>,
    knowledge: watch::Sender<Knowledge>,
    /// What keeps it. Nothing of that holds this, so that it ends with the last request of the last pool.
    keeping: Mutex<JoinSet<()>>,
}

impl PoolState {
    /// Nobody is asked and no name is looked up before `keep`.
    pub fn new(config: &Arc<config::Pool>) -> Self {
        let places = Arc::new(Places::new(settings(config)));
        let members = Arc::new(Members::new(config, Arc::clone(&places)));
        let is_asked = matches!(interest(config), Interest::Health(_)) || !config.entries().names.is_empty();
        let knowledge = watch::Sender::new(if is_asked { Knowledge::Awaited } else { Knowledge::Complete });
        Self { places, members, knowledge, keeping: Mutex::default() }
    }

    /// Another configuration holds from here on.
    pub fn adopt(&self, config: &Arc<config::Pool>) -> Changes {
        self.places.configure(settings(config));
        self.members.adopt(config)
    }

    /// Keeps it from here on, by this configuration and no other: its time, who the servers are, and how they are.
    /// `observer` is told what becomes of their models.
    pub fn keep(&self, config: &Arc<config::Pool>, resolver: Arc<dyn Resolve>, observer: Arc<dyn ModelObserver>) {
        self.places.observe(observer);
        let keeper = Keeper {
            config: Arc::clone(config),
            places: Arc::clone(&self.places),
            members: Arc::clone(&self.members),
            knowledge: self.knowledge.clone(),
        };
        let mut keeping = JoinSet::new();
        keeping.spawn(Arc::new(keeper).keep(resolver));
        *lock(&self.keeping) = keeping;
    }

    /// Waits until every server has been asked once: before that nobody knows how much each can take. Says how much is
    /// known then.
    pub async fn learn(&self) -> Knowledge {
        let mut knowledge = self.knowledge.subscribe();
        let is_over = timeout(FIRST_CHECK_MAX, knowledge.wait_for(|known| *known != Knowledge::Awaited)).await.is_err();
        if is_over {
            self.knowledge.send_if_modified(|known| {
                let is_late = *known == Knowledge::Awaited;
                *known = if is_late { Knowledge::Late } else { *known };
                is_late
            });
        }
        *self.knowledge.borrow()
    }
}

fn settings(config: &config::Pool) -> Settings {
    let (balancing, loaded) = (&config.balancing, &config.models_loaded);
    let id = |name: &String| ModelId::of(name);
    Settings {
        policy: balancing.policy,
        queue_max: balancing.queue.max,
        wait_max: Duration::from_millis(balancing.queue.timeout_ms),
        overtaken_max: balancing.queue.overtaken_max,
        patience: Duration::from_millis(balancing.queue.patience_ms),
        loads: Loads {
            by: loaded.by,
            pins: loaded.pins.iter().map(|(name, copies)| (id(name), *copies)).collect(),
            preload: loaded.preload.iter().map(id).collect(),
            stay: loaded.stay_ms.map(Duration::from_millis),
            patience: loaded.patience_ms.map(Duration::from_millis),
        },
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_say_how_it_is_is_waited_for_once() {
        let urls = ["http://127.0.0.1:1", "http://127.0.0.1:2"].map(str::to_owned);
        let config = config::Config::from_upstreams(&urls, &[], None).unwrap();
        let state = PoolState::new(&Arc::new(config.pools[0].clone()));
        assert_eq!(state.learn().await, Knowledge::Late);
        let since = tokio::time::Instant::now();
        assert_eq!(state.learn().await, Knowledge::Late);
        assert_eq!(since.elapsed(), Duration::ZERO);
        state.knowledge.send_replace(Knowledge::Complete);
        assert_eq!(state.learn().await, Knowledge::Complete);
    }
}
