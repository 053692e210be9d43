//! Models of a box that has more of them on its disk than in its memory: which are loaded, and how many can be.
//! Decides nothing: which is loaded for whom is `swap`'s to say.

use std::sync::Arc;
use std::time::Duration;

use super::breaker::Kind;
use super::health::{Health, HealthState};
use super::roster::PeerId;
use super::seat::{ModelId, Seat, SeatId, Want};
use super::swap::{Step, Swap};

/// What a box tells of its models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// How many can be loaded at once; none when it does not say.
    pub places: Option<u32>,
    pub models: Vec<ModelReport>,
}

impl Catalog {
    fn names(&self, model: ModelId) -> bool {
        self.models.iter().any(|report| ModelId::of(&report.name) == model)
    }
}

/// What a box tells of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelReport {
    pub name: Arc<str>,
    pub aliases: Vec<Arc<str>>,
    pub state: ModelState,
    /// Whether it may be loaded there.
    pub may_load: bool,
    /// Requests that it can have at once; none leaves what was known.
    pub slots: Option<u32>,
    /// Its size in bytes, where that is told.
    pub bytes: Option<u64>,
    /// What the box says of its last failure.
    pub failure: Option<Arc<str>>,
}

/// How a model is at a box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelState {
    #[default]
    Unloaded,
    /// It was to be loaded and has failed.
    Failed,
    Loading,
    Loaded,
    /// In memory as a process, and woken by the next request.
    Sleeping,
    /// It is being unloaded.
    Stopping,
}

impl ModelState {
    /// Every name that a state can have.
    pub const NAMES: [&'static str; 6] = ["unloaded", "failed", "loading", "loaded", "sleeping", "stopping"];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unloaded => "unloaded",
            Self::Failed => "failed",
            Self::Loading => "loading",
            Self::Loaded => "loaded",
            Self::Sleeping => "sleeping",
            Self::Stopping => "stopping",
        }
    }

    /// Whether requests can go to it.
    pub fn is_here(self) -> bool {
        matches!(self, Self::Loaded | Self::Sleeping)
    }

    /// Whether it takes a place in memory.
    pub fn is_in_memory(self) -> bool {
        !matches!(self, Self::Unloaded | Self::Failed)
    }
}

/// How a model came to be where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// There was a place for it.
    FreePlace,
    /// In the place of that one.
    SwappedOut(Arc<str>),
    /// Somebody else loaded it, or it was there from the beginning.
    Elsewise,
}

/// One model at one box.
#[derive(Clone, Debug)]
pub struct Model {
    pub id: ModelId,
    pub name: Arc<str>,
    aliases: Vec<ModelId>,
    pub state: ModelState,
    /// Whether it may be loaded here.
    pub may_load: bool,
    /// Whether it is kept, and makes no room.
    pub is_pinned: bool,
    /// Since when it is in that state.
    pub since: Duration,
    pub arrival: Arrival,
    /// How often it came.
    pub arrivals: u32,
    /// Whether it was asked for since it arrived.
    pub is_used: bool,
    /// Since when nobody has it, where somebody had since it came.
    idle_since: Option<Duration>,
    pub seat: Seat,
    pub health: Health,
    /// How long it took to load, on average of the last few.
    load_time: Option<Duration>,
    bytes: Option<u64>,
    pub failure: Option<Arc<str>>,
    /// It failed to load, so often in a row, and is left alone until then.
    failures: u32,
    pub rests_until: Duration,
    /// Others have requests there, as its box said, and it makes no room before then.
    pub held_until: Duration,
}

/// What has become of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Arrived {
        took: Option<Duration>,
    },
    Gone,
    Failed,
    /// It is as it was, or on its way.
    Nothing,
}

/// Why a model cannot be loaded at a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It failed, so lately that it is left alone; what the box says of that.
    Failed(Option<Arc<str>>),
    /// It may not be loaded there.
    NotAllowed,
    /// Models that are kept have every place.
    Pinned,
}

/// Whether a box has a place for one more model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Free,
    /// It does not say; if it has none, it makes room.
    Perhaps,
    Taken,
}

/// What is known of how many can be loaded at once at a box that does not say it. Such a box makes room by itself, of
/// models that nobody has: so it is tried whether one more can be.
#[derive(Clone, Copy, Debug)]
enum Room {
    ForOneMore,
    /// So many were there when it made room, at that time.
    For(usize, Duration),
}

/// The models of one box.
#[derive(Clone, Debug)]
pub struct Models {
    places: Option<u32>,
    room: Room,
    /// For requests that name no model of the box's.
    pub other: Seat,
    pub list: Vec<Model>,
    pub swap: Option<Swap>,
    /// Nothing is loaded or unloaded before.
    pub rests_until: Duration,
}

/// A model that failed to load is left alone for so long at first, for twice as long each time, and at most for so
/// long.
const REST_MIN: Duration = Duration::from_secs(60);
const REST_MAX: Duration = Duration::from_secs(3_600);
const RETRY: Duration = Duration::from_secs(1);
/// So long after a box made room it is tried again whether one more can be loaded: models differ in size, and one that
/// went then may have gone by itself.
const ROOM_HOLDS: Duration = Duration::from_secs(600);
/// What a second of loading reads at first, in bytes: what a disk reads.
const READS: u64 = 1_000_000_000;

impl Model {
    fn new(peer: PeerId, report: &ModelReport, now: Duration) -> Self {
        let id = ModelId::of(&report.name);
        Self {
            id,
            name: Arc::clone(&report.name),
            aliases: Vec::new(),
            // What failed before it was known here may be tried again.
            state: if report.state == ModelState::Failed { ModelState::Unloaded } else { report.state },
            may_load: report.may_load,
            is_pinned: false,
            since: now,
            arrival: Arrival::Elsewise,
            arrivals: 0,
            is_used: false,
            idle_since: None,
            seat: Seat::new(SeatId::of(peer, Want::Model(id))),
            health: Health::default(),
            load_time: None,
            bytes: None,
            failure: None,
            failures: 0,
            rests_until: Duration::ZERO,
            held_until: Duration::ZERO,
        }
    }

    /// Whether it goes by this name.
    pub fn is(&self, model: ModelId) -> bool {
        self.id == model || self.aliases.contains(&model)
    }

    /// How long it takes to load, as far as that was seen here, or its size says.
    pub fn load_time(&self) -> Option<Duration> {
        self.load_time.or_else(|| self.bytes.map(|bytes| Duration::from_secs((bytes / READS).max(1))))
    }

    /// Its box told how it is. `ordered` is when that was told to load it, if it was.
    fn told(&mut self, report: &ModelReport, ordered: Option<Duration>, now: Duration) -> Event {
        self.aliases = report.aliases.iter().map(|name| ModelId::of(name)).collect();
        self.may_load = report.may_load;
        self.seat.slots = report.slots.or(self.seat.slots);
        self.bytes = report.bytes.or(self.bytes);
        self.failure.clone_from(&report.failure);
        self.becomes(report.state, ordered, now)
    }

    /// It is in this state now.
    fn becomes(&mut self, state: ModelState, ordered: Option<Duration>, now: Duration) -> Event {
        let (before, since) = (self.state, self.since);
        if before != state {
            (self.state, self.since) = (state, now);
        }
        match (before, state) {
            (_, ModelState::Loaded | ModelState::Sleeping) if !before.is_here() => {
                // What loads fast may never be seen to.
                let began = (before == ModelState::Loading).then_some(since).or(ordered);
                let took = began.map(|began| now.saturating_sub(began));
                if let Some(took) = took {
                    self.load_time = Some(self.load_time.map_or(took, |mean| mean.saturating_add(took) / 2));
                }
                (self.failures, self.rests_until, self.is_used) = (0, Duration::ZERO, false);
                self.idle_since = None;
                (self.health, self.arrival) = (Health::default(), Arrival::Elsewise);
                self.arrivals = self.arrivals.wrapping_add(1);
                Event::Arrived { took }
            }
            (ModelState::Loading, ModelState::Failed) => {
                self.fails(now);
                Event::Failed
            }
            // The same, but too fast to be seen loading. One that had failed before may not have been asked since.
            (ModelState::Loading, ModelState::Unloaded) | (ModelState::Unloaded, ModelState::Failed)
                if ordered.is_some() =>
            {
                self.fails(now);
                Event::Failed
            }
            (ModelState::Unloaded | ModelState::Failed, ModelState::Failed | ModelState::Unloaded) => Event::Nothing,
            (_, ModelState::Unloaded | ModelState::Failed) => Event::Gone,
            _ => Event::Nothing,
        }
    }

    /// It does not load, and is left alone for a while.
    pub fn fails(&mut self, now: Duration) {
        // One that did load here may have been stopped by somebody, which looks the same: it is tried once more soon.
        let in_a_row = self.failures.checked_sub(u32::from(self.load_time.is_some()));
        let rest = in_a_row
            .map_or(RETRY, |failures| REST_MIN.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(REST_MAX));
        self.failures = self.failures.saturating_add(1);
        self.rests_until = now.saturating_add(rest);
        (self.state, self.since) = (ModelState::Failed, now);
    }

    /// A request has left it.
    pub fn ended(&mut self, now: Duration) {
        if self.seat.inflight == 0 {
            self.idle_since = Some(now);
        }
    }

    /// Since when nobody has it, where somebody had since it came.
    pub fn idle_since(&self) -> Option<Duration> {
        self.idle_since
    }

    /// Whether it is left alone, since it did not load.
    pub fn rests(&self, now: Duration) -> bool {
        now < self.rests_until
    }

    /// Whether that is because it does not load, and not because it was kept from it once.
    pub fn has_failed(&self, now: Duration) -> bool {
        self.rests(now) && self.failures > u32::from(self.load_time.is_some())
    }

    /// Whether others have it.
    pub fn is_held(&self, now: Duration) -> bool {
        now < self.held_until
    }

    /// How it stands at a box that is well.
    pub fn standing(&self, now: Duration) -> HealthState {
        match (self.state, self.health.standing(now)) {
            (ModelState::Loaded, standing) => standing,
            (ModelState::Sleeping, HealthState::Serves) => HealthState::Sleeping,
            (ModelState::Sleeping, standing) => standing,
            _ => HealthState::Loading,
        }
    }

    /// A request is about to go there.
    pub fn begin(&mut self, now: Duration) -> Kind {
        (self.idle_since, self.is_used) = (None, true);
        self.health.begin(now)
    }
}

impl Room {
    /// `made` is how many are there, where room was made for the last of them.
    fn after(self, made: Option<usize>, now: Duration) -> Self {
        match (made, self) {
            (Some(places), _) => Self::For(places, now),
            (None, Self::For(_, at)) if now.saturating_sub(at) >= ROOM_HOLDS => Self::ForOneMore,
            (None, known) => known,
        }
    }
}

impl Models {
    /// Of a box that was not known to have any. What was counted there before is counted still.
    pub fn new(other: Seat) -> Self {
        Self { places: None, room: Room::ForOneMore, other, list: Vec::new(), swap: None, rests_until: Duration::ZERO }
    }

    /// The box told all of its models. What it does not name is not loaded any more.
    pub fn told(&mut self, peer: PeerId, catalog: &Catalog, now: Duration) -> Vec<(ModelId, Event)> {
        self.places = catalog.places;
        let unnamed = self.list.iter_mut().filter(|model| !catalog.names(model.id));
        let mut told: Vec<_> =
            unnamed.map(|model| (model.id, model.becomes(ModelState::Unloaded, None, now))).collect();
        told.extend(catalog.models.iter().map(|report| self.model_told(peer, report, now)));
        let others_went = |swap: &Swap| told.iter().any(|(id, event)| *event == Event::Gone && *id != swap.model);
        let makes_room = self.swap.is_some_and(|swap| swap.loads() && others_went(&swap));
        self.room = self.room.after(makes_room.then(|| self.in_memory()), now);
        told
    }

    /// What it does not name is forgotten once its last request has ended, and is not loaded for anybody.
    pub fn forget_unnamed(&mut self, catalog: &Catalog) {
        self.list.retain(|model| catalog.names(model.id) || model.seat.inflight > 0);
        self.swap = self.swap.filter(|swap| catalog.names(swap.model));
    }

    fn model_told(&mut self, peer: PeerId, report: &ModelReport, now: Duration) -> (ModelId, Event) {
        let id = ModelId::of(&report.name);
        if !self.list.iter().any(|model| model.id == id) {
            self.list.push(Model::new(peer, report, now));
        }
        let swap = self.swap.filter(|swap| swap.loads() && swap.model == id);
        let ordered = swap.map(|swap| swap.since);
        let event = self.get_mut(id).map(|model| model.told(report, ordered, now));
        (id, event.unwrap_or(Event::Nothing))
    }

    /// The model of this name.
    pub fn get(&self, model: ModelId) -> Option<&Model> {
        self.list.iter().find(|known| known.is(model))
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, model: ModelId) -> Option<&mut Model> {
        self.list.iter_mut().find(|known| known.is(model))
    }

    /// Whether one more can be loaded beside those that are. `most` is how many may be, whatever the box says.
    pub fn place(&self, most: Option<u32>) -> Place {
        let here = self.in_memory();
        match self.known_places(most) {
            Some(places) if here < places => Place::Free,
            Some(_) => Place::Taken,
            None if here == 0 => Place::Free,
            // It would wait for one that is busy.
            None if self.has_idle() => Place::Perhaps,
            None => Place::Taken,
        }
    }

    /// Whether the box may choose a model to make room for one that a request makes it load.
    pub fn may_make_room(&self, swap: &Swap, model: ModelId, most: Option<u32>) -> bool {
        let others = self.list.iter().filter(|other| other.state.is_in_memory() && !other.is(swap.model)).count();
        let is_full = || self.known_places(most).is_none_or(|places| others >= places);
        swap.step == Step::OnDemand && swap.model != model && is_full()
    }

    /// Whether every place is one of a model that is kept.
    pub fn is_all_pinned(&self, most: Option<u32>) -> bool {
        let pinned = self.list.iter().filter(|model| model.is_pinned).count();
        self.known_places(most).is_some_and(|places| pinned >= places)
    }

    /// How many can be loaded at once; `None` when nobody knows.
    fn known_places(&self, most: Option<u32>) -> Option<usize> {
        let learnt = if let Room::For(places, _) = self.room { Some(places) } else { None };
        let said = [self.places, most].into_iter().flatten().min();
        said.map(|places| usize::try_from(places).unwrap_or(usize::MAX)).or(learnt)
    }

    fn has_idle(&self) -> bool {
        self.list.iter().any(|model| model.state.is_here() && model.seat.load() == 0)
    }

    fn in_memory(&self) -> usize {
        self.list.iter().filter(|model| model.state.is_in_memory()).count()
    }

    /// All seats.
    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.list.iter().map(|model| &model.seat).chain([&self.other])
    }
}
