//! Keeper of a pool: runs its time, its service discovery and the health checks of its servers.
//! What they are asked stands in `health`, and what follows from it in `balance`.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::balance::{Action, Answer, ModelId, Order, PeerId, State, Status};
use crate::config;
use crate::engine::{Answered, Call};
use crate::upstream::health::check::{self, Interest, Runs};
use crate::upstream::wire::ask;

use super::dns::{self, Resolve};
use super::knowledge::Knowledge;
use super::members::Members;
use super::models;
use super::orders;
use super::peer::Peer;
use super::peers_file;
use super::places::Places;

/// A server that requests may be waiting for is asked again this soon. llama.cpp does not notice who leaves a whole
/// answer while it is asked for its metrics more often.
const PAUSE_WHEN_WANTED: Duration = Duration::from_secs(1);

/// What a box tells in a moment is asked for once.
const PAUSE_TOLD: Duration = Duration::from_millis(50);
/// How often a box is asked for its models that does not tell of changes.
const PAUSE_UNTOLD: Duration = Duration::from_secs(1);

/// Keeps one pool by one configuration.
#[derive(Debug)]
pub struct Keeper {
    pub config: Arc<config::Pool>,
    pub places: Arc<Places>,
    pub members: Arc<Members>,
    pub knowledge: watch::Sender<Knowledge>,
}

impl Keeper {
    /// Runs for ever.
    pub async fn keep(self: Arc<Self>, resolver: Arc<dyn Resolve>) {
        let ask = async {
            self.members.looked_up().await;
            let interest = check::interest(&self.config);
            match interest {
                Interest::None => {
                    self.places.trust_all();
                    // Nobody would see what is loaded.
                    self.forget_models();
                    self.knowledge.send_replace(Knowledge::Complete);
                }
                Interest::Models(_) => {
                    self.places.trust_all();
                    Arc::clone(&self).keep_asking(interest).await;
                }
                Interest::Health(_) => Arc::clone(&self).keep_asking(interest).await,
            }
        };
        tokio::join!(
            self.places.keep_time(),
            dns::keep(&self.config.name, &self.members, &resolver),
            peers_file::watch(&self.config, &self.members),
            Arc::clone(&self).keep_ordering(),
            ask,
        );
    }

    fn forget_models(&self) {
        for peer in self.places.peers().iter() {
            peer.has_told(None::<std::iter::Empty<_>>);
            self.places.catalog(peer.id(), None);
        }
    }

    async fn keep_asking(self: Arc<Self>, interest: Interest) {
        let mut changes = self.places.changes();
        let mut asked = Arc::clone(&changes.borrow_and_update());
        let mut asking = JoinSet::new();
        // Nothing is sent: it closes when everybody has been asked once.
        let (first, mut all_first) = mpsc::channel(1);
        for peer in asked.iter() {
            asking.spawn(Arc::clone(&self).follow(Arc::clone(peer), interest, Some(first.clone())));
        }
        drop(first);
        let first_round = async {
            all_first.recv().await;
            self.knowledge.send_replace(Knowledge::Complete);
            self.warn_of_unknown_models();
        };
        let those_who_come = async {
            // An error means that nobody is left who could change anything.
            while changes.changed().await.is_ok() {
                let peers = Arc::clone(&changes.borrow_and_update());
                let is_new = |peer: &&Arc<Peer>| !asked.iter().any(|other| Arc::ptr_eq(other, peer));
                for peer in peers.iter().filter(is_new) {
                    asking.spawn(Arc::clone(&self).follow(Arc::clone(peer), interest, None));
                }
                asked = peers;
                while asking.try_join_next().is_some() {}
            }
        };
        tokio::join!(first_round, those_who_come);
    }

    /// A name that no server lists may be a mistake, or that of a model that is still to come.
    fn warn_of_unknown_models(&self) {
        let config = &self.config;
        for model in config.models_loaded.names().filter(|name| self.places.model(ModelId::of(name)).is_none()) {
            log::warn!("pool {}: no server has {model}, which models_loaded names", config.name);
        }
    }

    /// Asks one server, until it is none of the pool's any more.
    async fn follow(self: Arc<Self>, peer: Arc<Peer>, interest: Interest, first: Option<mpsc::Sender<Infallible>>) {
        let mut changes = self.places.changes();
        let leaves = changes.wait_for(|peers| !peers.iter().any(|other| Arc::ptr_eq(other, &peer)));
        let asks = async {
            let mut first = first;
            if matches!(interest, Interest::Models(_)) && !self.config.names_models(peer.config()) {
                first = None;
                self.meet(&peer).await;
            }
            loop {
                let (found, returns) = (self.ask(&peer, interest).await, peer.endpoint().returns());
                drop(first.take());
                match (found, interest) {
                    (Found::Models, _) => self.follow_models(&peer, interest).await,
                    (Found::OneModel, Interest::Models(_)) => {
                        while peer.endpoint().returns() == returns {
                            self.meet(&peer).await;
                        }
                    }
                    (Found::OneModel | Found::Nothing, _) => sleep(self.pause(&peer, interest)).await,
                }
            }
        };
        tokio::select! {
            _ = leaves => {}
            () = asks => {}
        }
    }

    /// Waits until a request has been answered by what it was configured as. One server without others is asked
    /// nothing before: it gets what its clients send and no more, unless it turns out to have several models.
    async fn meet(&self, peer: &Peer) {
        peer.met.notified().await;
    }

    fn pause(&self, peer: &Peer, interest: Interest) -> Duration {
        let pause = interest.pause();
        if self.is_wanted_soon(peer.id()) { pause.min(PAUSE_WHEN_WANTED) } else { pause }
    }

    /// Follows the models of a box until it is time to ask how it is: each time that it tells of a change, and each
    /// second while it does not.
    async fn follow_models(&self, peer: &Arc<Peer>, interest: Interest) {
        let events = self.config.engine.row().models.and_then(|pages| pages.events);
        let is_told = AtomicBool::new(false);
        let listen = async {
            let Some(path) = events else { return };
            let ring = |_| {
                is_told.store(true, Ordering::Relaxed);
                peer.bell.notify_one();
            };
            if let Err(e) = ask::follow(peer.endpoint(), path, self.config.timeouts, ring).await {
                log::debug!("pool {}: {}: {path}: {e}", self.config.name, peer.url());
            }
        };
        let ask = async {
            loop {
                let is_complete = self.ask_models(peer).await;
                let waits = is_told.load(Ordering::Relaxed) && is_complete;
                let pause = if waits { Duration::MAX } else { PAUSE_UNTOLD };
                let _ = timeout(pause, peer.bell.notified()).await;
                // A load tells of each step that it takes.
                sleep(PAUSE_TOLD).await;
            }
        };
        let listens = async {
            listen.await;
            is_told.store(false, Ordering::Relaxed);
            peer.bell.notify_one();
            std::future::pending().await
        };
        tokio::select! {
            () = listens => {}
            () = ask => {}
            () = sleep(self.pause(peer, interest)) => {}
        }
    }

    /// Says whether each model that is loaded has told of itself.
    async fn ask_models(&self, peer: &Arc<Peer>) -> bool {
        let mut history = peer.history.lock().await;
        models::ask(&self.config, &self.places, peer, &mut history).await;
        !history.known.inventory.is_incomplete()
    }

    /// Has the orders carried out that the balancer gives.
    async fn keep_ordering(self: Arc<Self>) {
        loop {
            for order in self.places.orders().await {
                // It goes on to its end when another configuration holds meanwhile: who waits, waits for that.
                tokio::spawn(Arc::clone(&self).carry_out(order));
            }
        }
    }

    async fn carry_out(self: Arc<Self>, order: Order) {
        let (Some(peer), Some(pages)) = (self.places.peer(order.peer), self.config.engine.row().models) else {
            return self.places.answered(&order, Answer::Silent);
        };
        if order.action == Action::Load && pages.load.answered == Answered::Done {
            return self.load(&order, &peer, &pages.load).await;
        }
        // What is asked meanwhile would be told of the time before.
        let mut history = peer.history.lock().await;
        if !self.places.awaits(&order) {
            return;
        }
        let (answer, objection) = orders::carry_out(&order, peer.endpoint(), pages, self.config.timeouts).await;
        if answer == Answer::Taken {
            self.say(&peer, &order);
        }
        self.object(&peer, objection);
        self.places.answered(&order, answer);
        models::ask(&self.config, &self.places, &peer, &mut history).await;
    }

    /// Has a model loaded that is there once that is answered. The box is asked meanwhile how the others are.
    async fn load(&self, order: &Order, peer: &Arc<Peer>, call: &Call) {
        let Keeper { config, places, .. } = self;
        let ordered = {
            let mut history = peer.history.lock().await;
            if !places.awaits(order) {
                return;
            }
            let ordered = history.known.inventory.ordered(&order.name);
            self.say(peer, order);
            models::ask(config, places, peer, &mut history).await;
            ordered
        };
        let (answer, objection) = orders::load(order, peer.endpoint(), call, config).await;
        let mut history = peer.history.lock().await;
        drop(ordered);
        match (answer, &objection) {
            (Answer::Refused, Some(word)) => history.known.inventory.failed(&order.name, word),
            (Answer::Taken, _) => history.known.inventory.loaded(&order.name),
            // It is tried again in a while.
            _ => places.answered(order, answer),
        }
        self.object(peer, objection);
        models::ask(config, places, peer, &mut history).await;
    }

    fn say(&self, peer: &Peer, order: &Order) {
        log::info!("pool {}: {} {} {}", self.config.name, peer.url(), doing(order.action), order.name);
    }

    fn object(&self, peer: &Peer, objection: Option<String>) {
        if let Some(objection) = peer.objects(objection) {
            log::info!("pool {}: {}: {objection}", self.config.name, peer.url());
        }
    }

    async fn ask(&self, peer: &Arc<Peer>, interest: Interest) -> Found {
        let mut history = peer.history.lock().await;
        self.places.asking(peer.id());
        let Keeper { config, .. } = self;
        let (check, runs) = check::check(peer.endpoint(), config.engine, config.timeouts, &mut history.known).await;
        peer.holds(history.known.context.filter(|_| history.known.several.is_none()));
        let runs_one = matches!(runs, Runs::One);
        let has_models = models::tell(config, &self.places, peer, runs, &history) || history.known.several.is_some();
        let found = match (has_models, runs_one) {
            (true, _) => Found::Models,
            (false, true) => Found::OneModel,
            (false, false) => Found::Nothing,
        };
        if found != Found::Models && matches!(interest, Interest::Models(_)) {
            return found;
        }
        if found == Found::Models && !peer.has_models() {
            // Before its models are known it would get requests for any.
            return found;
        }
        let before = history.state();
        let Some(report) = history.add(check) else { return found };
        if report.state == State::Failed {
            peer.endpoint().unreachable();
        }
        if let Some(state) = history.state().filter(|state| Some(*state) != before) {
            log::info!("pool {}: {} is {}", self.config.name, peer.url(), state.name());
        }
        self.places.asked(peer.id(), report);
        found
    }

    /// Whether a server is one that requests may be waiting for: because it is not ready, or because others use it.
    fn is_wanted_soon(&self, id: PeerId) -> bool {
        let status = self.places.statuses().into_iter().find(|status| status.id == id);
        let is_shared = |status: &Status| status.elsewhere > 0 && self.places.waiting() > 0;
        status.is_none_or(|status| !status.standing.is_awake() || is_shared(&status))
    }
}

/// What a server was found to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    OneModel,
    Models,
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Load => "loads",
        Action::Unload => "unloads",
    }
}
