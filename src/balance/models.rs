//! Models of a box that has more of them on its disk than in its memory: which are loaded, and how many can be.
//! Decides nothing: which is loaded for whom is `swap`'s to say.

use std::sync::Arc;
use std::time::Duration;

use super::model::{Event, Model, ModelReport, ModelState};
use super::roster::PeerId;
use super::seat::{ModelId, Seat};
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

/// So long after a box made room it is tried again whether one more can be loaded: models differ in size, and one that
/// went then may have gone by itself.
const ROOM_HOLDS: Duration = Duration::from_secs(600);

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
        let is_others_load = self.is_others_load(catalog);
        let unnamed = self.list.iter_mut().filter(|model| !catalog.names(model.id));
        let mut told: Vec<_> =
            unnamed.map(|model| (model.id, model.becomes(ModelState::Unloaded, None, now))).collect();
        told.extend(catalog.models.iter().map(|report| self.model_told(peer, report, now)));
        if is_others_load {
            self.acquit(&mut told, now);
        }
        let others_went = |swap: &Swap| told.iter().any(|(id, event)| *event == Event::Gone && *id != swap.model);
        let makes_room = self.swap.is_some_and(|swap| swap.loads() && others_went(&swap));
        self.room = self.room.after(makes_room.then(|| self.in_memory()), now);
        told
    }

    /// Whether a model is listed that has come by nobody's order from here.
    fn is_others_load(&self, catalog: &Catalog) -> bool {
        let is_new = |report: &&ModelReport| {
            let id = ModelId::of(&report.name);
            report.state.is_in_memory() && self.get(id).is_none_or(|model| !model.state.is_in_memory())
        };
        let is_ordered = |report: &ModelReport| self.swap.is_some_and(|swap| swap.model == ModelId::of(&report.name));
        catalog.models.iter().filter(is_new).any(|report| !is_ordered(report))
    }

    /// A box that makes room by itself stops even what it is loading. That looks like a failure, and is none: one whose
    /// load ended just when somebody else began another may be loaded again.
    fn acquit(&mut self, told: &mut [(ModelId, Event)], now: Duration) {
        for (id, event) in told.iter_mut().filter(|(_, event)| *event == Event::Failed) {
            if let Some(model) = self.get_mut(*id) {
                model.acquit(now);
            }
            *event = Event::Gone;
        }
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
