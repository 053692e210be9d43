//! Keeper of a pool: runs its time, its service discovery and the health checks of its servers.
//! What they are asked stands in `health`, and what follows from it in `balance`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::balance::{PeerId, State, Status};
use crate::config;
use crate::upstream::health::check;

use super::dns::{self, Resolve};
use super::members::Members;
use super::peer::Peer;
use super::peers_file;
use super::places::Places;

/// A server that requests may be waiting for is asked again this soon. llama.cpp does not notice who leaves a whole
/// answer while it is asked for its metrics more often.
const PAUSE_WHEN_WANTED: Duration = Duration::from_secs(1);

/// Keeps one pool by one configuration.
#[derive(Debug)]
pub struct Keeper {
    pub config: Arc<config::Pool>,
    pub places: Arc<Places>,
    pub members: Arc<Members>,
    /// Set once every name has been looked up and every server asked.
    pub is_known: watch::Sender<bool>,
}

impl Keeper {
    /// Runs for ever.
    pub async fn keep(self: Arc<Self>, resolver: Arc<dyn Resolve>) {
        let ask = async {
            self.members.looked_up().await;
            match check::pause(&self.config) {
                Some(pause) => Arc::clone(&self).keep_asking(pause).await,
                None => {
                    self.places.trust_all();
                    self.is_known.send_replace(true);
                }
            }
        };
        tokio::join!(
            self.places.keep_time(),
            dns::keep(&self.config.name, &self.members, &resolver),
            peers_file::watch(&self.config, &self.members),
            ask,
        );
    }

    async fn keep_asking(self: Arc<Self>, pause: Duration) {
        let mut changes = self.places.changes();
        let mut asked = Arc::clone(&changes.borrow_and_update());
        let mut asking = JoinSet::new();
        // Nothing is sent: it closes when everybody has been asked once.
        let (first, mut all_first) = mpsc::channel(1);
        for peer in asked.iter() {
            asking.spawn(Arc::clone(&self).follow(Arc::clone(peer), pause, Some(first.clone())));
        }
        drop(first);
        let first_round = async {
            all_first.recv().await;
            self.is_known.send_replace(true);
        };
        let those_who_come = async {
            // An error means that nobody is left who could change anything.
            while changes.changed().await.is_ok() {
                let peers = Arc::clone(&changes.borrow_and_update());
                let is_new = |peer: &&Arc<Peer>| !asked.iter().any(|other| Arc::ptr_eq(other, peer));
                for peer in peers.iter().filter(is_new) {
                    asking.spawn(Arc::clone(&self).follow(Arc::clone(peer), pause, None));
                }
                asked = peers;
                while asking.try_join_next().is_some() {}
            }
        };
        tokio::join!(first_round, those_who_come);
    }

    /// Asks one server, until it is none of the pool's any more.
    async fn follow(self: Arc<Self>, peer: Arc<Peer>, pause: Duration, first: Option<mpsc::Sender<Infallible>>) {
        let mut changes = self.places.changes();
        let leaves = changes.wait_for(|peers| !peers.iter().any(|other| Arc::ptr_eq(other, &peer)));
        let asks = async {
            self.ask(&peer).await;
            drop(first);
            loop {
                let is_urgent = self.is_wanted_soon(peer.id());
                sleep(if is_urgent { pause.min(PAUSE_WHEN_WANTED) } else { pause }).await;
                self.ask(&peer).await;
            }
        };
        tokio::select! {
            _ = leaves => {}
            () = asks => {}
        }
    }

    async fn ask(&self, peer: &Arc<Peer>) {
        let mut history = peer.history.lock().await;
        self.places.asking(peer.id());
        let check = check::check(peer.endpoint(), self.config.engine, self.config.timeouts, &mut history.load).await;
        let before = history.state();
        let Some(report) = history.add(check) else { return };
        if report.state == State::Failed {
            peer.endpoint().unreachable();
        }
        if let Some(state) = history.state().filter(|state| Some(*state) != before) {
            log::info!("pool {}: {} is {}", self.config.name, peer.url(), state.name());
        }
        self.places.asked(peer.id(), report);
    }

    /// Whether a server is one that requests may be waiting for: because it is not ready, or because others use it.
    fn is_wanted_soon(&self, id: PeerId) -> bool {
        let status = self.places.statuses().into_iter().find(|status| status.id == id);
        let is_shared = |status: &Status| status.elsewhere > 0 && self.places.waiting() > 0;
        status.is_none_or(|status| !status.standing.is_awake() || is_shared(&status))
    }
}
