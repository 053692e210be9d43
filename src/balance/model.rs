//! One model of a box: how it stands there, how it came, how long it loads, and what its failures mean.

use std::sync::Arc;
use std::time::Duration;

use super::breaker::Kind;
use super::health::{Health, HealthState};
use super::roster::PeerId;
use super::seat::{ModelId, Seat, SeatId, Want};

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

/// A model that failed to load is left alone for so long at first, for twice as long each time, and at most for so
/// long.
const REST_MIN: Duration = Duration::from_secs(60);
const REST_MAX: Duration = Duration::from_secs(3_600);
const RETRY: Duration = Duration::from_secs(1);
/// What a second of loading reads at first, in bytes: what a disk reads.
const READS: u64 = 1_000_000_000;
impl Model {
    /// As its box tells of it for the first time.
    pub fn new(peer: PeerId, report: &ModelReport, now: Duration) -> Self {
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
    pub fn told(&mut self, report: &ModelReport, ordered: Option<Duration>, now: Duration) -> Event {
        self.aliases = report.aliases.iter().map(|name| ModelId::of(name)).collect();
        self.may_load = report.may_load;
        self.seat.slots = report.slots.or(self.seat.slots);
        self.bytes = report.bytes.or(self.bytes);
        self.failure.clone_from(&report.failure);
        self.becomes(report.state, ordered, now)
    }

    /// It is in this state now.
    pub fn becomes(&mut self, state: ModelState, ordered: Option<Duration>, now: Duration) -> Event {
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

    /// Its last failure was none, and it may be loaded again soon.
    pub fn acquit(&mut self, now: Duration) {
        self.failures = self.failures.saturating_sub(1);
        self.rests_until = now.saturating_add(RETRY);
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
