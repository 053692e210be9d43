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
    /// Whether every name has been looked up, and every server asked how it is, if they are asked at all.
    is_known: watch::Sender<bool>,
    /// What keeps it. Nothing of that holds this, so that it ends with the last request of the last pool.
    keeping: Mutex<JoinSet<()>>,
}

impl PoolState {
    /// Nobody is asked and no name is looked up before `keep`.
    pub fn new(config: &Arc<config::Pool>) -> Self {
        let places = Arc::new(Places::new(settings(config)));
        let members = Arc::new(Members::new(config, Arc::clone(&places)));
        let is_known = !matches!(interest(config), Interest::Health(_)) && config.entries().names.is_empty();
        Self { places, members, is_known: watch::Sender::new(is_known), keeping: Mutex::default() }
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
            is_known: self.is_known.clone(),
        };
        let mut keeping = JoinSet::new();
        keeping.spawn(Arc::new(keeper).keep(resolver));
        *lock(&self.keeping) = keeping;
    }

    /// Waits until every server has been asked once: before that nobody knows how much each can take.
    pub async fn learn(&self) {
        let mut is_known = self.is_known.subscribe();
        if timeout(FIRST_CHECK_MAX, is_known.wait_for(|is_known| *is_known)).await.is_err() {
            self.is_known.send_replace(true);
        }
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
