//! Loads of models: which is loaded where for those that wait, and which makes room for it.
//! Places no request: who waits for a model is placed once it is there. How a swap goes is `swap`'s.
//!
//! A model that is loaded or loading somewhere is waited for there. One that is nowhere gets a free place, else that of
//! one that is idle and not waited for and has stayed for as long as it took to load, or has let those that wait wait as
//! long, together; of those the least wanted. Who has waited for three loads gets the place of one that is waited for,
//! too. Another copy is loaded where that is sooner than waiting, and nobody wants the one that makes room.

use std::time::Duration;

use super::balancer::Balancer;
use super::choose::Known;
use super::model::{Model, ModelState};
use super::models::{Models, Place};
use super::on_demand::LoadBy;
use super::pace::mean;
use super::policy::{self, Candidate};
use super::roster::{Peer, PeerId};
use super::seat::{ModelId, Want};
use super::swap::{Departure, Order, Step, Swap};

/// What a load takes before any was seen.
const LOAD_AT_FIRST: Duration = Duration::from_secs(20);
/// Who has waited for so many loads of its model gets the place of one that is wanted.
const PATIENCE_LOADS: u32 = 3;

/// What loads for so many times as long as usual is looked for elsewhere.
const LATE_LOADS: u32 = 4;
const LATE_MIN: Duration = Duration::from_secs(60);

/// A model that is wanted where it is not.
pub struct Wanted {
    pub model: ModelId,
    pub need: Need,
    /// Since when the first of the requests waits that want it, how many do, and who has failed the first.
    pub since: Duration,
    pub sinces: Vec<Duration>,
    pub tried: Vec<PeerId>,
}

/// How much a model is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Requests wait for it.
    Requests,
    /// So many copies are kept of it.
    Copies(u32),
    /// It may take a free place.
    FreePlace,
}

/// Whether a model is on its way to a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Coming {
    Nowhere,
    /// Once the requests of the one that makes room have ended, whenever that is.
    Drained,
    UnderWay,
}

impl Coming {
    /// One that loads for far longer than it should may never come.
    fn at(model: &Model, models: &Models, late_after: Duration, now: Duration) -> Self {
        let is_late = now.saturating_sub(model.since) >= late_after;
        match models.swap.filter(|swap| swap.model == model.id) {
            _ if model.state == ModelState::Loading && is_late => Self::Nowhere,
            _ if model.state == ModelState::Loading => Self::UnderWay,
            Some(Swap { step: Step::Drain, .. }) => Self::Drained,
            Some(_) => Self::UnderWay,
            None => Self::Nowhere,
        }
    }
}

/// A model that may make room.
struct Victim<'b> {
    peer: &'b Peer,
    model: &'b Model,
    copies: usize,
    demand: f64,
}

impl Balancer {
    /// What boxes are to do now, for those that wait. Each order is to be answered with `answered`, and what comes of
    /// it is told with `catalog`.
    pub fn orders(&mut self, now: Duration) -> Vec<Order> {
        if !self.orders_loads() {
            return Vec::new();
        }
        let wanted = self.wanted(now);
        for models in self.roster.here_mut().filter_map(Peer::models_mut) {
            models.give_up(|model| wanted.iter().any(|one| one.model == model));
        }
        // Each one changes what the next may do, and there is one at a time on a box.
        for _ in 0..self.roster.here().count() {
            let Some((peer, swap)) = self.swap_due(&wanted, now) else { break };
            for models in self.roster.here_mut().filter_map(Peer::models_mut) {
                models.drains_no_more_for(swap.model);
            }
            if let Some(models) = self.roster.get_mut(peer).and_then(Peer::models_mut) {
                models.swap = Some(swap);
            }
        }
        let order = |peer: &mut Peer| {
            let id = peer.id;
            peer.models_mut()?.next_order(id, now)
        };
        self.roster.here_mut().filter_map(order).collect()
    }

    /// Ends the swaps that have come to nothing, and takes note of what is kept.
    pub(super) fn lapse(&mut self, now: Duration) {
        self.roster.here_mut().filter_map(Peer::models_mut).for_each(|models| models.lapse(now));
        self.note_pins(now);
    }

    /// How long a model takes to load: as was seen, of this model or else of any.
    pub fn load_time(&self, model: ModelId) -> Duration {
        let all = || self.roster.here().filter_map(Peer::models).flat_map(|models| &models.list);
        let of_it = mean(all().filter(|other| other.is(model)).filter_map(Model::load_time));
        of_it.or_else(|| mean(all().filter_map(Model::load_time))).unwrap_or(LOAD_AT_FIRST)
    }

    /// When the passing of time alone may begin or end a swap.
    pub(super) fn loads_at(&self, now: Duration) -> Option<Duration> {
        if !self.roster.has_models() {
            return None;
        }
        let wanted = self.wanted(now);
        let hungry = wanted.iter().map(|one| one.since.saturating_add(self.patience(one.model)));
        let boxes = || self.roster.here().filter_map(Peer::models);
        let limits = boxes().filter_map(|models| models.swap?.limit());
        let of_boxes = boxes().flat_map(|models| {
            let stays = models.list.iter().filter(|model| model.state.is_here()).flat_map(|model| {
                let stay = self.stay_of(model);
                wanted.iter().map(move |one| one.outweighs(model, stay))
            });
            let late = models.list.iter().filter(|model| model.state == ModelState::Loading);
            let late = late.map(|model| model.since.saturating_add(self.late_after(model)));
            let rests = models
                .list
                .iter()
                .flat_map(|model| [model.rests_until, model.held_until, self.demand.none_at(model.id)]);
            stays.chain(rests).chain(late).chain([models.rests_until])
        });
        let returns = self.roster.here().flat_map(|peer| peer.returns(now));
        let of_boxes = of_boxes.chain(returns).filter(|_| !wanted.is_empty());
        let of_pins = self.pins_begin_at(now);
        hungry.chain(limits).chain(of_boxes).chain(of_pins).filter(|moment| *moment > now).min()
    }

    /// When a load is not expected to end any more.
    fn late_after(&self, model: &Model) -> Duration {
        self.load_time_of(model).saturating_mul(LATE_LOADS).max(LATE_MIN)
    }

    fn patience(&self, model: ModelId) -> Duration {
        self.settings.loads.patience.unwrap_or_else(|| self.load_time(model).saturating_mul(PATIENCE_LOADS))
    }

    pub(super) fn load_time_of(&self, model: &Model) -> Duration {
        model.load_time().unwrap_or_else(|| self.load_time(model.id))
    }

    /// The models that are waited for, by their first request. Who declines a place waits for none.
    fn wanted(&self, now: Duration) -> Vec<Wanted> {
        let mut known = Known::new(self, now);
        let mut wanted: Vec<Wanted> = Vec::new();
        for (_, waiting) in self.queue.all() {
            let Want::Model(model) = known.want(waiting.request.model) else { continue };
            if waiting.hold.is_some_and(|hold| now < hold.until) {
                continue;
            }
            match wanted.iter_mut().find(|known| known.model == model) {
                Some(known) => {
                    known.sinces.push(waiting.since);
                    known.since = known.since.min(waiting.since);
                    // Who came back is not to keep the others from where it failed.
                    known.tried.retain(|peer| waiting.request.tried.contains(peer));
                }
                None => {
                    let tried = waiting.request.tried.clone();
                    let (since, sinces) = (waiting.since, vec![waiting.since]);
                    wanted.push(Wanted { model, need: Need::Requests, since, sinces, tried });
                }
            }
        }
        wanted.extend(self.behind(now));
        wanted.extend(self.unasked(now));
        wanted
    }

    /// The models whose requests may wait at their boxes, which do not say how many they work on: those behind the first
    /// at each of them.
    fn behind(&self, now: Duration) -> Vec<Wanted> {
        let mut behind: Vec<(ModelId, u32, u32)> = Vec::new();
        let all = self.boxes().flat_map(|(peer, models)| models.list.iter().map(move |model| (peer, model)));
        for (_, model) in all.filter(|(peer, model)| model.state.is_here() && peer.capacity(&model.seat).is_none()) {
            match behind.iter_mut().find(|(known, ..)| *known == model.id) {
                Some((_, load, seats)) => (*load, *seats) = (load.saturating_add(model.seat.load()), *seats + 1),
                None => behind.push((model.id, model.seat.load(), 1)),
            }
        }
        let wanted = |(model, load, seats): (ModelId, u32, u32)| {
            let sinces: Vec<_> = (seats..load).map(|_| now).collect();
            (!sinces.is_empty()).then_some(Wanted { need: Need::Requests, sinces, ..Wanted::unasked(model, now) })
        };
        behind.into_iter().filter_map(wanted).collect()
    }

    /// The next swap to begin, and where.
    fn swap_due(&self, wanted: &[Wanted], now: Duration) -> Option<(PeerId, Swap)> {
        wanted.iter().find_map(|one| match one.need {
            Need::Requests => self.swap_for_requests(one, wanted, now),
            Need::Copies(copies) if self.copies_to_be(one.model, now) < copies => {
                self.first_copy(one, Coming::Nowhere, wanted, now)
            }
            Need::FreePlace if self.copies_to_be(one.model, now) == 0 => {
                let boxes = self.boxes_for(one, now);
                let place = |place| place_at(place, one.model, &boxes, now);
                place(Place::Free).or_else(|| place(Place::Perhaps))
            }
            Need::Copies(_) | Need::FreePlace => None,
        })
    }

    fn swap_for_requests(&self, one: &Wanted, wanted: &[Wanted], now: Duration) -> Option<(PeerId, Swap)> {
        let (mut slots, mut coming) = (0_u64, Coming::Nowhere);
        for (peer, models) in self.boxes().filter(|(peer, _)| !one.tried.contains(&peer.id)) {
            let Some(model) = models.get(one.model) else { continue };
            if !peer.health.standing(now).is_awake() {
                continue;
            }
            coming = coming.max(Coming::at(model, models, self.late_after(model), now));
            if peer.standing(Want::Model(one.model), now).is_awake() {
                // Of what does not tell its slots, one is sure.
                let sure = peer.capacity(&model.seat).map_or(1, |_| peer.size(&model.seat));
                slots = slots.saturating_add(sure);
            }
        }
        match slots {
            _ if coming == Coming::UnderWay => None,
            0 => self.first_copy(one, coming, wanted, now),
            slots => self.another_copy(one, slots, wanted, now),
        }
    }

    /// While a box drains for it, it goes all the same where it can be sooner.
    fn first_copy(&self, one: &Wanted, coming: Coming, wanted: &[Wanted], now: Duration) -> Option<(PeerId, Swap)> {
        let boxes = self.boxes_for(one, now);
        let is_hungry = now.saturating_sub(one.since) >= self.patience(one.model);
        let idle = || {
            let may_go = |model: &Model| is_idle(model, wanted, now) && (is_hungry || self.has_stayed(model, one, now));
            let victim = self.least_wanted(&boxes, may_go, now)?;
            Some(victim.makes_room_for(one.model, Departure::Idle, Step::Unload, now))
        };
        let starved = || {
            let victims = self.victims(&boxes, |_| is_hungry && coming == Coming::Nowhere, now);
            let victim = victims.into_iter().min_by_key(|victim| waiting_for(victim.model, wanted))?;
            Some(victim.makes_room_for(one.model, Departure::Hunger, Step::Drain, now))
        };
        let place = |place| place_at(place, one.model, &boxes, now);
        place(Place::Free).or_else(|| place(Place::Perhaps)).or_else(idle).or_else(starved)
    }

    /// Where those that wait for a model would wait for longer than another copy takes to load.
    fn another_copy(&self, one: &Wanted, slots: u64, wanted: &[Wanted], now: Duration) -> Option<(PeerId, Swap)> {
        let wait = self.usual_stay(Want::Model(one.model)).unwrap_or(self.service).saturating_mul(one.waiting());
        if wait / u32::try_from(slots).unwrap_or(u32::MAX).max(1) <= self.load_time(one.model) {
            return None;
        }
        let boxes = self.boxes_for(one, now);
        place_at(Place::Free, one.model, &boxes, now).or_else(|| {
            let may_go = |model: &Model| {
                is_idle(model, wanted, now) && self.has_stayed(model, one, now) && self.demand.is_none(model.id, now)
            };
            let victim = self.least_wanted(&boxes, may_go, now)?;
            Some(victim.makes_room_for(one.model, Departure::Idle, Step::Unload, now))
        })
    }

    pub(super) fn boxes(&self) -> impl Iterator<Item = (&Peer, &Models)> {
        self.roster.here().filter_map(|peer| Some((peer, peer.models()?)))
    }

    /// Where a model that is waited for could be loaded, of the first tier that has such boxes.
    fn boxes_for(&self, wanted: &Wanted, now: Duration) -> Vec<(&Peer, &Models)> {
        let could_load = |(peer, models): &(&Peer, &Models)| {
            let is_loadable = |model: &Model| !model.state.is_in_memory() && model.may_load && !model.rests(now);
            peer.health.standing(now).is_awake()
                && !wanted.tried.contains(&peer.id)
                && models.swap.is_none()
                && models.rests_until <= now
                && models.get(wanted.model).is_some_and(is_loadable)
        };
        let boxes: Vec<_> = self.boxes().filter(could_load).collect();
        let tier = boxes.iter().map(|(peer, _)| peer.spec.tier).min();
        boxes.into_iter().filter(|(peer, _)| Some(peer.spec.tier) == tier).collect()
    }

    fn victims<'b>(
        &self,
        boxes: &[(&'b Peer, &'b Models)],
        may_go: impl Fn(&Model) -> bool,
        now: Duration,
    ) -> Vec<Victim<'b>> {
        let all = boxes.iter().flat_map(|(peer, models)| models.list.iter().map(move |model| (*peer, model)));
        let can_go = all.filter(|(_, model)| model.state.is_here() && !model.is_pinned && may_go(model));
        let victim = |(peer, model): (&'b Peer, &'b Model)| Victim {
            peer,
            model,
            copies: self.copies(model.id, now),
            demand: self.demand.of(model.id, now),
        };
        can_go.map(victim).collect()
    }

    /// Of which there is another copy; then by demand; then the one that was not used for longest.
    fn least_wanted<'b>(
        &self,
        boxes: &[(&'b Peer, &'b Models)],
        may_go: impl Fn(&Model) -> bool,
        now: Duration,
    ) -> Option<Victim<'b>> {
        let victims = self.victims(boxes, may_go, now);
        victims.into_iter().min_by(|a, b| {
            let is_last = |victim: &Victim<'_>| victim.copies < 2;
            let used = |victim: &Victim<'_>| victim.model.seat.taken_at;
            is_last(a).cmp(&is_last(b)).then(a.demand.total_cmp(&b.demand)).then(used(a).cmp(&used(b)))
        })
    }

    pub(super) fn copies(&self, model: ModelId, now: Duration) -> usize {
        let has_it = |(peer, models): &(&Peer, &Models)| {
            peer.health.standing(now).is_awake() && models.get(model).is_some_and(|model| model.state.is_here())
        };
        self.boxes().filter(has_it).count()
    }

    /// Whether it was there for long enough to make room.
    fn has_stayed(&self, model: &Model, wanted: &Wanted, now: Duration) -> bool {
        wanted.outweighs(model, self.stay_of(model)) <= now
    }

    /// How long a model stays at least.
    fn stay_of(&self, model: &Model) -> Duration {
        self.settings.loads.stay.unwrap_or_else(|| self.load_time_of(model))
    }

    /// Whether boxes are ordered to load models.
    fn orders_loads(&self) -> bool {
        self.settings.loads.by == LoadBy::Order && self.roster.has_models()
    }
}

impl Wanted {
    /// One that no request asks for.
    pub fn unasked(model: ModelId, since: Duration) -> Self {
        Self { model, need: Need::FreePlace, since, sinces: Vec::new(), tried: Vec::new() }
    }

    fn waiting(&self) -> u32 {
        u32::try_from(self.sinces.len()).unwrap_or(u32::MAX)
    }

    /// When another model that is there makes room for this: once it has stayed for that long, or those
    /// that wait for this have, while nobody had it, together waited for as long.
    fn outweighs(&self, model: &Model, stay: Duration) -> Duration {
        let stays = model.since.saturating_add(stay);
        let Some(idle) = model.idle_since() else { return stays };
        let begun = self.sinces.iter().map(|since| since.saturating_sub(idle));
        let begun = begun.fold(Duration::ZERO, Duration::saturating_add);
        stays.min(idle.saturating_add(stay.saturating_add(begun) / self.waiting().max(1)))
    }
}

impl Victim<'_> {
    fn makes_room_for(&self, model: ModelId, why: Departure, step: Step, now: Duration) -> (PeerId, Swap) {
        (
            self.peer.id,
            Swap { victim: Some((self.model.id, why)), model, step, is_taken: false, since: now, began: now },
        )
    }
}

/// Where replicas that see the same places load it, too.
fn place_at(place: Place, model: ModelId, boxes: &[(&Peer, &Models)], now: Duration) -> Option<(PeerId, Swap)> {
    let free = boxes.iter().filter(|(peer, _)| peer.place() == place);
    let free: Vec<_> = free.map(|(peer, models)| Candidate::new(peer, &models.other)).collect();
    let peer = policy::favourite(model.key(), &free)?.id;
    Some((peer, Swap { victim: None, model, step: Step::Load, is_taken: false, since: now, began: now }))
}

/// Whether nobody has it, and nobody waits for it.
fn is_idle(model: &Model, wanted: &[Wanted], now: Duration) -> bool {
    model.seat.load() == 0 && !model.is_held(now) && waiting_for(model, wanted) == 0
}

fn waiting_for(model: &Model, wanted: &[Wanted]) -> u32 {
    wanted.iter().find(|one| model.is(one.model)).map_or(0, Wanted::waiting)
}
