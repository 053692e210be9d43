//! Report on seats: how each model stands at a peer that has several, and with those who wait for one, for people.
//! Decides nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::balancer::Balancer;
use super::model::{Model, ModelState};
use super::models::{Models, Obstacle};
use super::queue::Ticket;
use super::roster::{Peer, PeerId, Status};
use super::seat::{ModelId, Want};
use super::swap::Step;

/// How a model stands at one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatStatus {
    pub model: ModelId,
    pub name: Arc<str>,
    pub state: ModelState,
    /// Whether it may be loaded there.
    pub may_load: bool,
    /// Whether it is kept loaded.
    pub is_pinned: bool,
    /// For how long it is in that state.
    pub age: Duration,
    /// How long a load takes there, as was seen, or as its size says.
    pub load_time: Option<Duration>,
    /// What the peer says of its last failure.
    pub failure: Option<Arc<str>>,
    /// Requests that wait for the model, wherever they will find it.
    pub waiting: usize,
    /// As of a peer that has nothing but this model.
    pub status: Status,
}

/// How it stands with a model that a request waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    pub model: Arc<str>,
    /// Where it is about to be, if it is.
    pub loading: Option<Loading>,
    /// How many wait for it that are before that request.
    pub before: usize,
}

/// A load that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loading {
    pub peer: PeerId,
    /// For how long, and how long it is expected to take, without the unloading before.
    pub since: Duration,
    pub takes: Duration,
}

impl Balancer {
    /// How it stands with the model that a request waits for; `None` where it waits for no model, or that is there.
    pub fn awaited(&self, ticket: Ticket, now: Duration) -> Option<Awaited> {
        let request = &self.queue.get(ticket)?.request;
        let Want::Model(wanted) = self.roster.want(request.model) else { return None };
        let (mut name, mut loading) = (None, None);
        for (peer, models) in self.boxes() {
            let Some(model) = models.get(wanted) else { continue };
            if peer.standing(Want::Model(wanted), now).is_awake() {
                return None;
            }
            name = name.or(Some(&model.name));
            let since = match models.swap {
                Some(swap) if swap.model == model.id && swap.step != Step::Drain => Some(swap.began),
                _ => (model.state == ModelState::Loading).then_some(model.since),
            };
            loading = loading.or_else(|| {
                let takes = self.load_time_of(model);
                Some(Loading { peer: peer.id, since: now.saturating_sub(since?), takes })
            });
        }
        let before = self.queue.all().take_while(|(other, _)| *other < ticket);
        let before = before.filter(|(_, other)| self.roster.want(other.request.model) == Want::Model(wanted)).count();
        Some(Awaited { model: Arc::clone(name?), loading, before })
    }

    /// Where a model cannot be loaded, each with the reason.
    pub fn obstacles(&self, model: ModelId, now: Duration) -> Vec<(PeerId, Obstacle)> {
        self.roster.here().filter_map(|peer| Some((peer.id, peer.obstacle(model, now)?))).collect()
    }

    /// How the models of all peers stand that have several, each peer's in the order in which it lists them.
    pub fn seats(&self, now: Duration) -> Vec<SeatStatus> {
        let boxes = || self.roster.all().filter_map(|peer| Some((peer, peer.models()?)));
        if boxes().next().is_none() {
            return Vec::new();
        }
        let mut waiting: HashMap<Want, usize> = HashMap::new();
        for (_, one) in self.queue.all() {
            *waiting.entry(self.roster.want(one.request.model)).or_default() += 1;
        }
        let seats = boxes().flat_map(|(peer, models)| models.list.iter().map(move |model| (peer, models, model)));
        let status = |(peer, models, model): (&Peer, &Models, &Model)| SeatStatus {
            model: model.id,
            name: Arc::clone(&model.name),
            state: state(models, model),
            may_load: model.may_load,
            is_pinned: model.is_pinned,
            age: now.saturating_sub(model.since),
            load_time: model.load_time(),
            failure: model.failure.clone().filter(|_| model.state == ModelState::Failed),
            waiting: waiting.get(&Want::Model(model.id)).copied().unwrap_or_default(),
            status: Status {
                id: peer.id,
                inflight: model.seat.inflight,
                elsewhere: model.seat.elsewhere,
                capacity: peer.capacity(&model.seat),
                standing: peer.standing(Want::Model(model.id), now),
                leaving: !peer.is_here(),
            },
        };
        seats.map(status).collect()
    }
}

/// A peer may list one that it unloads as if it stayed.
fn state(models: &Models, model: &Model) -> ModelState {
    let is_unloaded = models.swap.is_some_and(|swap| swap.step == Step::Unloading && swap.closes(model.id));
    if is_unloaded && model.state.is_here() { ModelState::Stopping } else { model.state }
}
