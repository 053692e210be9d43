//! Roster: the peers of a pool, how much each can take and how much it has.
//! Chooses none of them.

use std::time::Duration;

use super::breaker::Kind;
use super::health::{Failure, Health, HealthState, Judge, Outcome, State};
use super::model::Model;
use super::models::{Models, Obstacle, Place};
use super::prefix;
use super::seat::{ModelId, Seat, SeatId, Want};
use super::swap::{Step, Swap};

/// What tells a peer from others: a hash of its name, the same on every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub(super) u64);

impl PeerId {
    /// Of a name that stays when the configuration is read again: its URL.
    pub fn of(name: &str) -> Self {
        Self(prefix::key(name.as_bytes()))
    }
}

/// What the configuration says of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its share of the requests, relative to the others; 0 counts as 1.
    pub weight: u32,
    /// Lower goes first: a peer of a higher tier is taken only when nobody below can.
    pub tier: u8,
    /// Requests that it may have at once, whatever it says itself.
    pub max_inflight: Option<u32>,
    /// Models that it may have loaded at once, if it says more or nothing.
    pub places: Option<u32>,
}

impl Default for Spec {
    fn default() -> Self {
        Self { weight: 1, tier: 0, max_inflight: None, places: None }
    }
}

/// What a peer told when it was asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    pub state: State,
    /// llama.cpp's `total_slots`; none leaves what was known.
    pub slots: Option<u32>,
    pub work: Work,
}

/// What a peer told of the requests that it works on, everybody's: llama.cpp's `requests_processing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// Nothing, so nobody else is assumed: an old number that no new one replaces would keep places for ever.
    #[default]
    Untold,
    /// It was not asked for it this time, and what it told last holds.
    Unasked,
    Told(u32),
}

/// How a peer stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub id: PeerId,
    /// Requests of ours that are there.
    pub inflight: u32,
    /// Requests of others, when it was last asked.
    pub elsewhere: u32,
    /// Requests that it can have at once; none means no limit.
    pub capacity: Option<u32>,
    pub standing: HealthState,
    /// Removed; it ends with its last request.
    pub leaving: bool,
}

impl Status {
    /// Whether it had room for one request more when this was read.
    pub fn has_room(&self) -> bool {
        self.capacity.is_none_or(|capacity| self.inflight.saturating_add(self.elsewhere) < capacity)
    }
}

/// What a peer without a limit counts for beside peers that have one: as many slots as llama.cpp has by default.
pub const SLOTS_NOMINAL: u32 = 4;

/// One peer.
#[derive(Clone, Debug)]
pub struct Peer {
    pub id: PeerId,
    pub spec: Spec,
    pub health: Health,
    seats: Seats,
    presence: Presence,
}

/// What runs at a peer.
#[derive(Clone, Debug)]
enum Seats {
    /// One model, and any name fits it.
    One(Seat),
    /// Models that it loads and unloads.
    Many(Box<Models>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Here,
    Leaving,
}

impl Peer {
    fn new(id: PeerId, spec: Spec) -> Self {
        let seats = Seats::One(Seat::new(SeatId::of(id, Want::Any)));
        Self { id, spec, health: Health::default(), seats, presence: Presence::Here }
    }

    /// Its models, if it loads and unloads some.
    pub fn models(&self) -> Option<&Models> {
        if let Seats::Many(models) = &self.seats { Some(models) } else { None }
    }

    /// The same, to be changed.
    pub fn models_mut(&mut self) -> Option<&mut Models> {
        if let Seats::Many(models) = &mut self.seats { Some(models) } else { None }
    }

    /// It turned out to load and unload models.
    pub fn has_many_models(&mut self) {
        if let Seats::One(seat) = &self.seats {
            self.seats = Seats::Many(Box::new(Models::new(seat.clone())));
        }
    }

    /// It turned out to run one model. What it has of others is counted there.
    pub fn has_one_model(&mut self) {
        if let Seats::Many(models) = &self.seats {
            let mut seat = models.other.clone();
            seat.inflight = models.seats().map(|seat| seat.inflight).fold(0, u32::saturating_add);
            self.seats = Seats::One(seat);
        }
    }

    /// Where a request for this goes here, be it loaded or not; `None` when the peer does not have it at all.
    pub fn seat(&self, want: Want) -> Option<&Seat> {
        match (&self.seats, want) {
            (Seats::One(seat), _) => Some(seat),
            (Seats::Many(models), Want::Any) => Some(&models.other),
            (Seats::Many(models), Want::Model(model)) => models.get(model).map(|model| &model.seat),
        }
    }

    /// The same, to be changed.
    pub fn seat_mut(&mut self, want: Want) -> Option<&mut Seat> {
        match (&mut self.seats, want) {
            (Seats::One(seat), _) => Some(seat),
            (Seats::Many(models), Want::Any) => Some(&mut models.other),
            (Seats::Many(models), Want::Model(model)) => models.get_mut(model).map(|model| &mut model.seat),
        }
    }

    /// The seat that a request has which wanted this: where its peer has turned from one model to several since, or back,
    /// it is counted with all else.
    pub fn taken_seat_mut(&mut self, want: Want) -> Option<&mut Seat> {
        let is_counted = self.seat(want).is_some_and(|seat| seat.inflight > 0);
        self.seat_mut(if is_counted { want } else { Want::Any })
    }

    /// All of its seats.
    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        let (one, many) = match &self.seats {
            Seats::One(seat) => (Some(seat), None),
            Seats::Many(models) => (None, Some(models.seats())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// How it stands for a request that wants this: its own health, and that of the model there.
    pub fn standing(&self, want: Want, now: Duration) -> HealthState {
        let own = self.health.standing(now);
        let (Seats::Many(models), Want::Model(model)) = (&self.seats, want) else { return own };
        let Some(model) = models.get(model).filter(|_| own.is_awake()) else { return own };
        // While others have it in any case, it is not closed to our own.
        let is_shared = |swap: &Swap| swap.step == Step::Drain && model.is_held(now);
        let is_closed = |swap: &Swap| {
            swap.closes(model.id) && !is_shared(swap) || models.may_make_room(swap, model.id, self.spec.places)
        };
        if models.swap.as_ref().is_some_and(is_closed) {
            return HealthState::Loading;
        }
        match (own, model.standing(now)) {
            (HealthState::Trial, HealthState::Serves) => HealthState::Trial,
            (_, standing) => standing,
        }
    }

    /// What keeps this peer from loading a model, and not for a moment only.
    pub fn obstacle(&self, model: ModelId, now: Duration) -> Option<Obstacle> {
        let models = self.models()?;
        let model = models.get(model).filter(|model| !model.state.is_in_memory())?;
        match model {
            _ if !model.may_load => Some(Obstacle::NotAllowed),
            _ if model.has_failed(now) => Some(Obstacle::Failed(model.failure.clone())),
            _ if models.is_all_pinned(self.spec.places) => Some(Obstacle::Pinned),
            _ => None,
        }
    }

    /// Whether what is wanted is not loaded here, and cannot be.
    pub fn cannot_load(&self, want: Want, now: Duration) -> bool {
        matches!(want, Want::Model(model) if self.obstacle(model, now).is_some())
    }

    /// Whether one more model can be loaded beside those that are.
    pub fn place(&self) -> Place {
        self.models().map_or(Place::Taken, |models| models.place(self.spec.places))
    }

    /// Requests that a seat can have at once; none means no limit.
    pub fn capacity(&self, seat: &Seat) -> Option<u32> {
        self.spec.max_inflight.or(seat.slots).map(|capacity| capacity.max(1))
    }

    /// Requests of ours that it has.
    pub fn inflight(&self) -> u32 {
        self.seats().map(|seat| seat.inflight).fold(0, u32::saturating_add)
    }

    /// Requests of others that it has.
    fn elsewhere(&self) -> u32 {
        self.seats().map(|seat| seat.elsewhere).fold(0, u32::saturating_add)
    }

    /// Whether a seat can take one request more, by what is known of its places.
    pub fn has_room(&self, seat: &Seat) -> bool {
        let most = self.spec.max_inflight.filter(|_| self.models().is_some());
        self.capacity(seat).is_none_or(|capacity| seat.load() < capacity)
            && most.is_none_or(|most| self.inflight() < most.max(1))
    }

    /// What a seat counts for beside others.
    pub fn size(&self, seat: &Seat) -> u64 {
        u64::from(self.capacity(seat).unwrap_or(SLOTS_NOMINAL)) * u64::from(self.spec.weight.max(1))
    }

    /// What it counts for beside others, with all that it has loaded.
    pub fn places(&self) -> u64 {
        match &self.seats {
            Seats::One(seat) => self.size(seat),
            Seats::Many(models) => {
                let here = models.list.iter().filter(|model| model.state.is_here());
                here.map(|model| self.size(&model.seat)).fold(0, u64::saturating_add)
            }
        }
    }

    /// When it, or a model there, is to be asked again.
    pub fn returns(&self, now: Duration) -> impl Iterator<Item = Duration> {
        let models = self.models().into_iter().flat_map(move |models| &models.list);
        let of_models = models.filter_map(move |model| model.health.standing(now).until());
        self.health.standing(now).until().into_iter().chain(of_models)
    }

    /// Requests that it can have at once with what is loaded; none means no limit.
    fn capacity_now(&self) -> Option<u32> {
        match &self.seats {
            Seats::One(seat) => self.capacity(seat),
            Seats::Many(models) => {
                let here = || models.list.iter().filter(|model| model.state.is_here());
                let told: Option<Vec<_>> = here().map(|model| self.capacity(&model.seat)).collect();
                self.spec.max_inflight.or_else(|| told.map(|told| told.into_iter().fold(0, u32::saturating_add)))
            }
        }
    }

    /// It is about to be asked how it is.
    pub fn asking(&mut self) {
        if let Some(seat) = self.seat_mut(Want::Any) {
            seat.asking();
        }
    }

    /// It was asked how it is.
    pub fn asked(&mut self, report: Report, now: Duration) {
        self.health.asked(report.state, now);
        if let Seats::One(seat) = &mut self.seats {
            seat.slots = report.slots.or(seat.slots);
            seat.asked(report.work);
        }
    }

    /// A request for this is about to go there.
    pub fn begin(&mut self, want: Want, claims: u64, now: Duration) -> Kinds {
        if let Some(seat) = self.seat_mut(want) {
            seat.take(claims);
        }
        let of_model = self.model_mut(want).map(|model| model.begin(now));
        Kinds { of_peer: self.health.begin(now), of_model }
    }

    /// A request has left it.
    pub fn left(&mut self, want: Want, now: Duration) {
        if let Some(model) = self.model_mut(want) {
            model.ended(now);
        }
    }

    /// An answer has begun well.
    pub fn began(&mut self, want: Want, kinds: Kinds) {
        self.health.began(kinds.of_peer);
        if let (Some(model), Some(kind)) = (self.model_mut(want), kinds.of_model) {
            model.health.began(kind);
        }
    }

    /// A request has ended. Of a peer with many models only a connection that it did not take is its own fault.
    pub fn ended(&mut self, want: Want, outcome: Outcome, kinds: Kinds, judge: &mut Judge<'_>) {
        let of_peer = match (outcome, kinds.of_model) {
            (Outcome::Failed(Failure::Connect) | Outcome::Unjudged, _) | (_, None) => outcome,
            (_, Some(_)) => Outcome::Served,
        };
        self.health.ended(of_peer, kinds.of_peer, judge);
        let of_model = if outcome == Outcome::Failed(Failure::Connect) { Outcome::Unjudged } else { outcome };
        if let (Some(model), Some(kind)) = (self.model_mut(want), kinds.of_model) {
            model.health.ended(of_model, kind, judge);
        }
    }

    /// The model that is wanted, if it has several and that among them.
    pub fn model(&self, want: Want) -> Option<&Model> {
        let Want::Model(model) = want else { return None };
        self.models()?.get(model)
    }

    fn model_mut(&mut self, want: Want) -> Option<&mut Model> {
        let Want::Model(model) = want else { return None };
        self.models_mut()?.get_mut(model)
    }

    /// Whether it may get requests; else it leaves.
    pub fn is_here(&self) -> bool {
        self.presence == Presence::Here
    }
}

/// Whether a request is one that tries a peer, or the model there.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    of_peer: Kind,
    of_model: Option<Kind>,
}

/// The peers, in the order in which they were named.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    peers: Vec<Peer>,
}

impl Roster {
    /// Exactly these exist. Who was known keeps its counts and its health; who is not named any more gets no new
    /// request and ends with its last one. Those that are gone are returned.
    pub fn set(&mut self, named: impl IntoIterator<Item = (PeerId, Spec)>) -> Vec<Peer> {
        let mut former = std::mem::take(&mut self.peers);
        for (id, spec) in named {
            if self.get(id).is_some() {
                continue;
            }
            let known = former.iter().position(|peer| peer.id == id).map(|at| former.remove(at));
            let peer = known.unwrap_or_else(|| Peer::new(id, spec));
            self.peers.push(Peer { spec, presence: Presence::Here, ..peer });
        }
        let gone = former.clone();
        let busy = former.into_iter().filter(|peer| peer.inflight() > 0);
        self.peers.extend(busy.map(|peer| Peer { presence: Presence::Leaving, ..peer }));
        gone
    }

    /// Those that may get requests, and those that leave.
    pub fn all(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter()
    }

    /// Those that may get requests.
    pub fn here(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| peer.is_here())
    }

    /// The same, to be changed.
    pub fn here_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.peers.iter_mut().filter(|peer| peer.is_here())
    }

    /// Whether any peer loads and unloads models.
    pub fn has_models(&self) -> bool {
        self.here().any(|peer| peer.models().is_some())
    }

    /// What a request for a model of this name wants: that model where some peer has it, else whatever runs.
    pub fn want(&self, model: Option<ModelId>) -> Want {
        let known = |peer: &Peer| Some(peer.models()?.get(model?)?.id);
        self.here().find_map(known).map_or(Want::Any, Want::Model)
    }

    /// Those that have what is wanted, each with its seat. What no peer of many models has goes to one of them only if
    /// there is no other.
    pub fn seats(&self, want: Want) -> impl Iterator<Item = (&Peer, &Seat)> {
        let is_open = want != Want::Any || !self.here().any(|peer| peer.models().is_none());
        let may_have = move |peer: &&Peer| is_open || peer.models().is_none();
        self.here().filter(may_have).filter_map(move |peer| Some((peer, peer.seat(want)?)))
    }

    /// Those that leave are among them.
    pub fn get(&self, id: PeerId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id == id)
    }

    /// The peer with this id, to be changed; it may be one that leaves. `None` when it is gone.
    pub fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.id == id)
    }

    /// Ends those that leave and have no request any more.
    pub fn sweep(&mut self) {
        self.peers.retain(|peer| peer.is_here() || peer.inflight() > 0);
    }

    /// How each stands, in the order in which they were named; those that leave come last.
    pub fn statuses(&self, now: Duration) -> impl Iterator<Item = Status> {
        self.peers.iter().map(move |peer| Status {
            id: peer.id,
            inflight: peer.inflight(),
            elsewhere: peer.elsewhere(),
            capacity: peer.capacity_now(),
            standing: peer.health.standing(now),
            leaving: !peer.is_here(),
        })
    }
}
