//! Pool: servers that run the same models, claims on them, how they are, and the dialect that they write.
//! Decides nothing of who is next; `balance` does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::balance::{Awaited, HealthState, LoadBy, ModelId, ModelState, Obstacle, PeerId, Reason, Refusal, Request};
use crate::config::{self, DialectChoice};
use crate::dialect::Dialects;
use crate::upstream::health::family::{self};
use crate::upstream::health::fate::{self, Fate};
use crate::upstream::health::probe::Probe;
use crate::upstream::wire::ask::{self, Question};

use super::claim::Claim;
use super::dns::Resolve;
use super::members::Changes;
use super::models;
use super::observer::ModelObserver;
use super::peer::{Peer, Standing};
use super::places::{Entry, Place, Waiting};
use super::pool_state::PoolState;

/// One pool of the configuration, alive.
#[derive(Debug)]
pub struct Pool {
    pub(super) config: Arc<config::Pool>,
    pub(super) lasting: Arc<PoolState>,
    pub(super) probe: Arc<Probe>,
    pub(super) dialects: Arc<Dialects>,
}

/// What a request wants of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// One of its slots, for as long as it runs. It waits for one.
    #[default]
    Slot,
    /// None: it is over soon, never waits, and may be one too many.
    NoSlot,
}

/// Why a model is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It may be gone; the list of its box tells.
    Gone,
    /// It may be about to stop too, and is listed as if it were not.
    Stopping,
}

/// What becomes of a request at once.
#[derive(Debug)]
pub enum Placement {
    Claim(Claim),
    Queued(Queued),
}

/// Why no peer was claimed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    #[error("every server of the pool is busy, and so many requests wait that no more may")]
    Full { retry_after: Duration },
    #[error("no server of the pool had room in time")]
    Late { retry_after: Duration },
    #[error("no server of the pool can be reached")]
    Unreachable,
    /// Who says what of it.
    #[error("the model cannot be loaded{0}")]
    Unloadable(String),
}

impl Pool {
    /// A pool that follows no other.
    pub(super) fn new(config: config::Pool, dialects: Arc<Dialects>) -> Self {
        let config = Arc::new(config);
        let lasting = Arc::new(PoolState::new(&config));
        Self { config, lasting, probe: Arc::default(), dialects }
    }

    /// The pool that follows another of its name. Places, queue and what is known of the servers stay; who has come
    /// and who leaves is told.
    pub(super) fn after(former: &Arc<PoolState>, config: config::Pool, dialects: Arc<Dialects>) -> (Self, Changes) {
        let config = Arc::new(config);
        let changes = former.adopt(&config);
        (Self { config, lasting: Arc::clone(former), probe: Arc::default(), dialects }, changes)
    }

    /// What the pool that follows takes over.
    pub(super) fn lasting(&self) -> &Arc<PoolState> {
        &self.lasting
    }

    /// Keeps the pool for as long as anybody has it, whether it is configured still or not.
    pub(super) fn keep(&self, resolver: Arc<dyn Resolve>, observer: Arc<dyn ModelObserver>) {
        if matches!(self.config.dialect, DialectChoice::Auto) && family::is_open(&self.config) {
            // Made here, so that no request waits for it.
            self.dialects.union();
        }
        self.lasting.keep(&self.config, resolver, observer);
    }

    /// What the configuration says of it.
    pub fn config(&self) -> &config::Pool {
        &self.config
    }

    /// By which logs and metrics know it.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The peers that there are now, in the order in which they were named.
    pub fn peers(&self) -> Arc<[Arc<Peer>]> {
        self.lasting.places.peers()
    }

    /// How each peer stands, for people. Those that leave are among them until their last request has ended.
    pub fn standings(&self) -> Vec<Standing> {
        self.lasting.places.standings()
    }

    /// Requests that wait for a place, by priority; the priorities that they can have are all there.
    pub fn waiting(&self) -> BTreeMap<u8, usize> {
        let mut waiting: BTreeMap<_, _> = self.config.balancing.queue.priorities().map(|any| (any, 0)).collect();
        waiting.extend(self.lasting.places.waiting_by_priority());
        waiting
    }

    /// A place at the best peer, or in the queue.
    pub async fn claim(self: &Arc<Self>, request: Request, need: Need) -> Result<Placement, ClaimError> {
        self.lasting.learn().await;
        let (tried, session, model) = (request.tried.clone(), request.session, request.model);
        match (self.lasting.places.enter(request), need) {
            (Entry::Place(place), _) => self.claimed(place).map(Placement::Claim),
            (Entry::Waiting(waiting), Need::Slot) => {
                Ok(Placement::Queued(Queued { pool: Arc::clone(self), model, waiting }))
            }
            (Entry::Refused(Refusal { reason: reason @ (Reason::Unreachable | Reason::Unloadable), .. }), _) => {
                Err(self.late(reason, model))
            }
            (Entry::Refused(Refusal { retry_after, .. }), Need::Slot) => Err(ClaimError::Full { retry_after }),
            (Entry::Waiting(_) | Entry::Refused(_), Need::NoSlot) => {
                self.claim_without_slot(&tried, session).map(Placement::Claim)
            }
        }
    }

    /// A claim that takes no place: on the peer where a session is at home, else on one that is awake.
    pub fn claim_without_slot(&self, tried: &[PeerId], session: Option<u64>) -> Result<Claim, ClaimError> {
        let peer = self.peer_without_slot(tried, session).ok_or(ClaimError::Unreachable)?;
        Ok(Claim::uncounted(peer, self.config.timeouts))
    }

    /// Where a session is at home.
    pub fn home(&self, session: u64) -> Option<PeerId> {
        self.lasting.places.session(session)
    }

    /// A session is at home at that peer, however it came there.
    pub fn settle_session(&self, session: u64, peer: PeerId) {
        self.lasting.places.settle_session(session, peer);
    }

    /// What became of a peer whose connection broke before it answered, and of the model there that had the request.
    pub async fn fate(&self, claim: &Claim) -> Fate {
        let fate = fate::fate(claim.peer().endpoint(), self.config.engine, self.config.timeouts).await;
        match claim.model() {
            Some(model) if fate == Fate::Lives => {
                let state = self.doubted(claim, model, Doubt::Stopping).await;
                if state.is_some_and(ModelState::is_here) { Fate::Lives } else { Fate::Unloaded }
            }
            _ => fate,
        }
    }

    /// A claim on one peer, be it full or thought dead: whoever asks for it by name has a reason.
    pub fn claim_at(&self, peer: &Arc<Peer>) -> Claim {
        Claim::uncounted(Arc::clone(peer), self.config.timeouts)
    }

    /// Whether there is a peer besides those.
    pub fn has_untried(&self, tried: &[PeerId]) -> bool {
        self.lasting.places.peers().iter().any(|peer| !tried.contains(&peer.id()))
    }

    /// Whether another peer than those could take a request for this model now.
    pub fn has_another(&self, model: Option<ModelId>, tried: &[PeerId]) -> bool {
        self.lasting.places.has_another(model, tried)
    }

    /// Where a session is at home, else the first that is awake, else the first.
    fn peer_without_slot(&self, tried: &[PeerId], session: Option<u64>) -> Option<Arc<Peer>> {
        let home = session.and_then(|key| self.lasting.places.session(key));
        let statuses = self.lasting.places.statuses();
        let untried = || statuses.iter().filter(|status| !status.leaving && !tried.contains(&status.id));
        let chosen = untried()
            .find(|status| Some(status.id) == home)
            .or_else(|| untried().find(|status| status.standing.is_awake()))
            .or_else(|| untried().next())?;
        self.lasting.places.peer(chosen.id)
    }

    /// Why a request that waited has no place.
    fn late(&self, reason: Reason, model: Option<ModelId>) -> ClaimError {
        match reason {
            Reason::Unreachable => ClaimError::Unreachable,
            Reason::Unloadable => ClaimError::Unloadable(self.obstacles(model)),
            Reason::Busy | Reason::QueueFull => ClaimError::Late { retry_after: self.lasting.places.retry_after() },
        }
    }

    /// Where a model cannot be loaded, in words behind a sentence.
    fn obstacles(&self, model: Option<ModelId>) -> String {
        let obstacles = model.map(|model| self.lasting.places.obstacles(model)).unwrap_or_default();
        let told = obstacles.iter().map(|(peer, obstacle)| match obstacle {
            Obstacle::Failed(Some(word)) => format!("{} ({word})", peer.name()),
            Obstacle::Failed(None) => peer.name().to_owned(),
            Obstacle::NotAllowed => format!("{} (it is none of the models that may be)", peer.name()),
            Obstacle::Pinned => format!("{} (pinned models have every place)", peer.name()),
        });
        let told: Vec<_> = told.collect();
        if told.is_empty() { String::new() } else { format!(" at {}", told.join(", ")) }
    }

    fn claimed(&self, place: Place) -> Result<Claim, ClaimError> {
        let peer = self.lasting.places.peer(place.peer()).ok_or(ClaimError::Unreachable)?;
        Ok(Claim::new(peer, place, self.config.timeouts))
    }

    /// The bodies of a page at every peer that answers in 2 s, in the order of the peers.
    /// A peer without a key of its own is shown the client's `authorization`.
    pub async fn pages(&self, path: &'static str, authorization: Option<&str>) -> Vec<(Arc<Peer>, Vec<u8>)> {
        self.ask_all(&Question::page(path), authorization).await
    }

    /// The bodies of the answers to a question, of the peers that answer it in 2 s. Who is known not to answer is not
    /// waited for, unless nobody else is there.
    pub async fn ask_all(&self, question: &Question, authorization: Option<&str>) -> Vec<(Arc<Peer>, Vec<u8>)> {
        let asked = self.answering();
        let endpoints = asked.iter().map(|peer| peer.endpoint());
        let pages = ask::all(&self.config, endpoints, question, authorization).await;
        asked.iter().zip(pages).filter_map(|(peer, body)| Some((Arc::clone(peer), body?))).collect()
    }

    /// Its peers but for those that are known not to answer, unless there is no other.
    pub(super) fn answering(&self) -> Vec<Arc<Peer>> {
        let statuses = self.lasting.places.statuses();
        let has_failed = |peer: &Peer| {
            let known = statuses.iter().find(|status| status.id == peer.id());
            known.is_some_and(|status| status.standing == HealthState::Failed)
        };
        let all = self.lasting.places.peers();
        let living: Vec<_> = all.iter().filter(|peer| !has_failed(peer)).cloned().collect();
        if living.is_empty() { all.to_vec() } else { living }
    }

    /// Whether it says which models its servers load. Else they load what they are asked for.
    pub fn loads_models(&self) -> bool {
        self.places_by_model() && self.config.models_loaded.by == LoadBy::Order
    }

    /// Whether requests are placed by their models. Where nobody may wait, not even for a load, they are not.
    pub fn places_by_model(&self) -> bool {
        self.has_models() && self.has_queue()
    }

    /// Whether anybody may wait.
    pub fn has_queue(&self) -> bool {
        self.config.balancing.queue.max > 0
    }

    /// Whether its servers load and unload models.
    pub fn has_models(&self) -> bool {
        self.lasting.places.has_models()
    }

    /// Whether a server besides those has this model, loaded or not.
    pub fn is_elsewhere(&self, model: ModelId, tried: &[PeerId]) -> bool {
        let places = &self.lasting.places;
        let has_it = |peer: &Arc<Peer>| places.model_name(peer.id(), model).is_some();
        self.peers().iter().any(|peer| !tried.contains(&peer.id()) && has_it(peer))
    }

    /// Asks a server again how the model is that a request has gone to and that did not answer well; `None` when it has
    /// gone since and come back.
    pub async fn doubted(&self, claim: &Claim, model: ModelId, doubt: Doubt) -> Option<ModelState> {
        let (places, peer) = (&self.lasting.places, claim.peer());
        let since = Instant::now();
        let mut history = peer.history.lock().await;
        let inventory = &mut history.known.inventory;
        // One that is being stopped only tells itself, if it is asked.
        let stopping = places.model_name(peer.id(), model).filter(|_| doubt == Doubt::Stopping);
        let asked_at = match &stopping {
            Some(name) => inventory.model_asked_at(name),
            None => inventory.asked_at(),
        };
        // What was asked meanwhile for another request holds for this one, too.
        if asked_at < Some(since) {
            if let Some(name) = stopping {
                inventory.doubt(&name);
            }
            models::ask(&self.config, places, peer, &mut history).await;
        }
        // Who follows it asks again.
        peer.bell.notify_one();
        claim.model_state()
    }
}

/// A request in a pool's queue. It leaves when dropped.
#[derive(Debug)]
pub struct Queued {
    pool: Arc<Pool>,
    model: Option<ModelId>,
    waiting: Waiting,
}

impl Queued {
    /// The place, once it is this request's turn.
    pub async fn claim(&mut self) -> Result<Claim, ClaimError> {
        match self.waiting.place().await {
            Ok(place) => self.pool.claimed(place),
            Err(reason) => Err(self.pool.late(reason, self.model)),
        }
    }

    /// How many are before it.
    pub fn position(&self) -> Option<usize> {
        self.waiting.position()
    }

    /// How it stands with the model that it waits for, and who loads it, if anybody does; `None` where it waits for no
    /// model.
    pub fn awaited(&self) -> Option<(Awaited, Option<Arc<Peer>>)> {
        self.waiting.awaited()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ToolsChoice};

    /// Servers that are slow to say what they are may turn out to have the model, each with a template of its own.
    #[tokio::test(start_paused = true)]
    async fn how_a_model_writes_is_known_at_its_place_while_its_servers_have_not_said_what_they_are() {
        let urls = ["http://127.0.0.1:1", "http://127.0.0.1:2"].map(str::to_owned);
        let config = Config::from_upstreams(&urls, &[], None).unwrap();
        for (tools, expected) in [(ToolsChoice::Auto, true), (ToolsChoice::Inject, true), (ToolsChoice::Native, false)]
        {
            let pool = config::Pool { tools, ..config.pools[0].clone() };
            let pool = Pool::new(pool, Arc::new(config.dialects.clone()));
            assert_eq!(pool.awaits_template(Some("m")).await, expected, "{tools:?}");
        }
    }
}
