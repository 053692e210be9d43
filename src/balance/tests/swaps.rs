//! Random events at boxes of many models, and what must hold after each of them: requests come and go, boxes tell late
//! what they have, do what they are told or do not, fall, and are told other things by others.

use std::time::Duration;

use proptest::prelude::*;

use super::{Pool, id, name};
use crate::balance::models::Models;
use crate::balance::roster::Peer;
use crate::balance::seat::Want;
use crate::balance::swap::{Step, Swap};
use crate::balance::*;

const NAMES: [&str; 3] = ["a", "b", "c"];
const MODELS: [&str; 4] = ["x", "y", "z", "w"];

#[derive(Clone, Debug)]
enum Event {
    Claim {
        model: usize,
        tried: u8,
    },
    Release {
        which: usize,
        outcome: Outcome,
    },
    Leave {
        which: usize,
    },
    /// A box says something to the first order that nobody has answered yet.
    Answer {
        answer: Answer,
    },
    /// A load comes to its end, or is begun or a model unloaded by somebody else.
    Becomes {
        peer: usize,
        model: usize,
        state: ModelState,
    },
    /// A box tells what it has.
    Tell {
        peer: usize,
    },
    /// Its place or a model of it is there no more, or again.
    Changes {
        peer: usize,
        places: Option<u32>,
        models: u8,
    },
    Says {
        peer: usize,
        state: State,
    },
    SetPeers {
        which: u8,
    },
    Pass {
        ms: u64,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Served),
        1 => Just(Outcome::Unjudged),
        1 => Just(Outcome::Loading),
        1 => Just(Outcome::Failed(Failure::Connect)),
        1 => Just(Outcome::Failed(Failure::Status)),
    ];
    let answer = prop_oneof![
        6 => Just(Answer::Taken),
        1 => Just(Answer::Busy),
        1 => Just(Answer::Refused),
        1 => Just(Answer::Silent),
    ];
    let becomes = prop_oneof![
        6 => Just(ModelState::Loaded),
        1 => Just(ModelState::Failed),
        1 => Just(ModelState::Loading),
        1 => Just(ModelState::Unloaded),
        1 => Just(ModelState::Sleeping),
        1 => Just(ModelState::Stopping),
    ];
    let state = prop_oneof![3 => Just(State::Ready), 1 => Just(State::Loading), 1 => Just(State::Failed)];
    let (peer, model) = (|| 0..NAMES.len(), || 0..MODELS.len());
    let event = prop_oneof![
        8 => (model(), prop_oneof![9 => Just(0), 1 => 0..8_u8]).prop_map(|(model, tried)| Event::Claim { model, tried }),
        6 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Event::Release { which, outcome }),
        1 => any::<usize>().prop_map(|which| Event::Leave { which }),
        8 => answer.prop_map(|answer| Event::Answer { answer }),
        6 => (peer(), model(), becomes).prop_map(|(peer, model, state)| Event::Becomes { peer, model, state }),
        8 => peer().prop_map(|peer| Event::Tell { peer }),
        1 => (peer(), prop::option::of(0..3_u32), 0..16_u8)
            .prop_map(|(peer, places, models)| Event::Changes { peer, places, models }),
        1 => (peer(), state).prop_map(|(peer, state)| Event::Says { peer, state }),
        1 => (0..8_u8).prop_map(|which| Event::SetPeers { which }),
        4 => prop_oneof![0..2_000_u64, 0..70_000_u64].prop_map(|ms| Event::Pass { ms }),
    ];
    prop::collection::vec(event, 0..200)
}

/// What the caller and the boxes know.
struct World {
    pool: Pool,
    boxes: [Catalog; 3],
    running: Vec<Assignment>,
    waiting: Vec<(Ticket, usize, Duration)>,
    orders: Vec<Order>,
    /// The places that each box told last.
    told: [Option<u32>; 3],
}

impl World {
    fn new(loads: Loads) -> Self {
        let settings = Settings { loads, ..Settings::default() };
        let pool = Pool::new(settings, &NAMES.map(|name| (name, Spec::default())));
        let mut world = Self {
            pool,
            boxes: [1, 1, 2].map(|places| Catalog { places: Some(places), models: MODELS.map(report).into() }),
            running: Vec::new(),
            waiting: Vec::new(),
            orders: Vec::new(),
            told: [None; 3],
        };
        (0..NAMES.len()).for_each(|peer| world.tell(peer));
        world
    }

    fn tell(&mut self, peer: usize) {
        self.told[peer] = self.boxes[peer].places;
        self.pool.balancer.catalog(id(NAMES[peer]), Some(&self.boxes[peer]), self.pool.now);
    }

    fn happen(&mut self, event: &Event) {
        let mut now = self.pool.now;
        match *event {
            Event::Claim { model, tried } => self.claim(model, tried),
            Event::Release { which, outcome } if !self.running.is_empty() => {
                let assignment = self.running.remove(which % self.running.len());
                self.pool.end(assignment, outcome);
            }
            Event::Leave { which } if !self.waiting.is_empty() => {
                let (ticket, ..) = self.waiting.remove(which % self.waiting.len());
                self.pool.balancer.leave(ticket);
            }
            Event::Answer { answer } if !self.orders.is_empty() => {
                let order = self.orders.remove(0);
                self.pool.balancer.answered(&order, answer, now);
                if answer == Answer::Taken {
                    let loads = order.action == Action::Load;
                    self.becomes(&order, if loads { ModelState::Loading } else { ModelState::Unloaded });
                }
            }
            Event::Becomes { peer, model, state } => {
                let report = self.boxes[peer].models.iter_mut().find(|report| *report.name == *MODELS[model]);
                report.into_iter().for_each(|report| report.state = state);
            }
            Event::Tell { peer } => self.tell(peer),
            Event::Changes { peer, places, models } => {
                let known: Vec<_> = MODELS.iter().enumerate().filter(|(at, _)| models & 1 << at != 0).collect();
                self.boxes[peer] = Catalog { places, models: known.iter().map(|(_, name)| report(name)).collect() };
            }
            Event::Says { peer, state } => self.pool.says(NAMES[peer], state),
            Event::SetPeers { which } => {
                let named = NAMES.iter().enumerate().filter(|(at, _)| which & 1 << at != 0);
                self.pool.balancer.set_peers(named.map(|(_, name)| (id(name), Spec::default())));
            }
            Event::Pass { ms } => {
                self.pool.pass(Duration::from_millis(ms));
                now = self.pool.now;
            }
            Event::Release { .. } | Event::Leave { .. } | Event::Answer { .. } => {}
        }
        // A box that drains no more has places again.
        for _ in 0..NAMES.len() {
            self.settle();
            if self.pool.balancer.wake_at(now) != Some(now) {
                break;
            }
        }
        self.check();
    }

    fn becomes(&mut self, order: &Order, state: ModelState) {
        let peer = NAMES.iter().position(|name| id(name) == order.peer).unwrap();
        let report = self.boxes[peer].models.iter_mut().find(|report| report.name == order.name);
        report.into_iter().for_each(|report| report.state = state);
    }

    fn claim(&mut self, model: usize, tried: u8) {
        let tried = NAMES.iter().enumerate().filter(|(at, _)| tried & 1 << at != 0).map(|(_, name)| id(name)).collect();
        let request = Request { model: Some(ModelId::of(MODELS[model])), tried, ..Request::default() };
        match self.pool.claim(request) {
            Decision::Go(assignment) => self.goes(assignment),
            Decision::Wait(ticket) => self.waiting.push((ticket, model, self.pool.now)),
            Decision::Refuse(_) => {}
        }
    }

    fn goes(&mut self, assignment: Assignment) {
        let peer = self.pool.balancer.roster.get(assignment.peer()).unwrap();
        // Where nobody is thought to be alive, what is known of the models does not count either.
        if let (Want::Model(wanted), true) = (assignment.want, assignment.why() != Why::LastResort) {
            let models = peer.models().unwrap();
            let makes_it_load = models.swap.is_some_and(|swap| swap.step == Step::OnDemand && swap.model == wanted);
            if makes_it_load && assignment.why() == Why::OnDemand {
                self.may_load_on_demand(&assignment, models);
            } else {
                assert!(models.get(wanted).unwrap().state.is_here(), "a request where its model is not");
            }
            let is_held = models.get(wanted).unwrap().is_held(self.pool.now);
            let closes = |swap: Swap| swap.closes(wanted) && !(swap.step == Step::Drain && is_held);
            assert!(!models.swap.is_some_and(closes), "a request to one that is on its way out");
        }
        self.running.push(assignment);
    }

    /// As the caller does after each call.
    fn settle(&mut self) {
        let now = self.pool.now;
        for (ticket, _) in self.pool.balancer.expire(now) {
            self.waits_no_more(ticket);
        }
        for (ticket, assignment) in self.pool.next() {
            self.waits_no_more(ticket);
            self.goes(assignment);
        }
        let before = self.swaps();
        let kept = self.kept();
        let ordered = self.pool.balancer.orders(now);
        for (peer, swap) in self.swaps() {
            let known = before.iter().find(|(other, _)| *other == peer).map(|(_, swap)| *swap);
            if known.is_none_or(|known| known.model != swap.model || known.began != swap.began) {
                self.may_begin(peer, swap);
            }
        }
        for order in &ordered {
            if order.action == Action::Unload {
                let wanted = Want::Model(order.model);
                let at_it = |place: &&Assignment| place.peer() == order.peer && place.want == wanted;
                assert_eq!(self.running.iter().filter(at_it).count(), 0, "{order:?} under an answer");
                // One that was kept when its swap began may have become another's copy since.
                let began = before.iter().any(|(peer, swap)| *peer == order.peer && swap.closes(order.model));
                assert!(began || !kept.contains(&(order.peer, order.model)), "{order:?} of one that is kept");
            }
        }
        self.orders.extend(ordered);
    }

    fn waits_no_more(&mut self, ticket: Ticket) {
        let at = self.waiting.iter().position(|(known, ..)| *known == ticket);
        self.waiting.remove(at.expect("a ticket that does not wait"));
    }

    fn models(&self) -> impl Iterator<Item = (PeerId, &Models)> {
        self.pool.balancer.roster.here().filter_map(|peer: &Peer| Some((peer.id, peer.models()?)))
    }

    fn swaps(&self) -> Vec<(PeerId, Swap)> {
        self.models().filter_map(|(peer, models)| Some((peer, models.swap?))).collect()
    }

    /// The copies that are kept, where no more are left than are to be.
    fn kept(&self) -> Vec<(PeerId, ModelId)> {
        let Pool { balancer, now, .. } = &self.pool;
        let is_awake = |peer: PeerId| balancer.roster.get(peer).unwrap().health.standing(*now).is_awake();
        let copies = |model: ModelId| {
            let has_it = |(peer, models): &(PeerId, &Models)| {
                is_awake(*peer) && models.get(model).is_some_and(|model| model.state.is_here())
            };
            self.models().filter(has_it).map(|(peer, _)| (peer, model)).collect::<Vec<_>>()
        };
        let pins = balancer.settings.loads.pins.iter().map(|(model, count)| (copies(*model), *count));
        pins.filter(|(copies, count)| copies.len() <= usize::try_from(*count).unwrap())
            .flat_map(|(copies, _)| copies)
            .collect()
    }

    /// Only the box says what makes room, so that nobody else may be there unless there is a place for it.
    fn may_load_on_demand(&self, assignment: &Assignment, models: &Models) {
        let others = models.list.iter().filter(|model| Want::Model(model.id) != assignment.want);
        let in_memory = others.clone().filter(|model| model.state.is_in_memory()).count();
        let most = self.pool.balancer.roster.get(assignment.peer()).unwrap().spec.places;
        let at = NAMES.iter().position(|name| id(name) == assignment.peer()).unwrap();
        let is_free = self.told[at].or(most).is_some_and(|places| in_memory < usize::try_from(places).unwrap());
        let busy = others.filter(|model| model.seat.inflight > 0).count();
        assert!(is_free || in_memory == 0 || busy == 0, "a load beside others that have requests");
    }

    /// Only an idle one makes room that nobody waits for, but where somebody is hungry.
    fn may_begin(&self, peer: PeerId, swap: Swap) {
        let waits =
            |wanted: ModelId| self.waiting.iter().filter(move |(_, model, _)| ModelId::of(MODELS[*model]) == wanted);
        let loads = &self.pool.balancer.settings.loads;
        let is_pinned = loads.pins.iter().any(|(model, _)| *model == swap.model);
        let first = waits(swap.model).map(|(.., since)| *since).min();
        assert!(first.is_some() || is_pinned || loads.preload.contains(&swap.model), "nobody wants {swap:?}");
        let Some((victim, why)) = swap.victim else { return };
        let models = self.models().find(|(known, _)| *known == peer).unwrap().1;
        match why {
            Departure::Idle => {
                assert_eq!(models.get(victim).unwrap().seat.inflight, 0, "{swap:?}");
                assert_eq!(waits(victim).count(), 0, "{swap:?}");
            }
            Departure::Hunger => {
                let patience = self.pool.balancer.load_time(swap.model) * 3;
                let is_hungry = first.is_some_and(|first| self.pool.now - first >= patience);
                assert!(is_hungry || is_pinned, "{swap:?} at {:?}, waited for since {first:?}", self.pool.now);
            }
            Departure::Elsewise => panic!("{swap:?}"),
        }
    }

    fn check(&self) {
        let Pool { balancer, now, .. } = &self.pool;
        assert_eq!(balancer.waiting(), self.waiting.len());
        let counted: u32 = balancer.statuses(*now).map(|peer| peer.inflight).sum();
        assert_eq!(usize::try_from(counted).unwrap(), self.running.len(), "places taken and places given back");
        for (peer, models) in self.models() {
            for model in &models.list {
                let at_it = |place: &&Assignment| place.peer() == peer && place.want == Want::Model(model.id);
                let running = self.running.iter().filter(at_it).count();
                assert_eq!(usize::try_from(model.seat.inflight).unwrap(), running, "{} {}", name(peer), model.name);
            }
        }
        self.wakes_in_time();
    }

    /// Before it wants to be woken there is nothing to say.
    fn wakes_in_time(&self) {
        let Pool { balancer, now, .. } = &self.pool;
        let wake_at = balancer.wake_at(*now);
        assert!(wake_at.is_none_or(|at| at > *now), "it would be woken at once again");
        let until = wake_at.unwrap_or(*now + Duration::from_secs(7_200));
        for then in [*now + (until - *now) / 2, until - Duration::from_nanos(1)] {
            let mut later = balancer.clone();
            assert_eq!(later.expire(then), [], "at {then:?} of {until:?}");
            assert!(later.next(then).is_empty(), "at {then:?} of {until:?}");
            assert_eq!(later.orders(then), [], "at {then:?} of {until:?}");
        }
    }

    /// All that runs ends and all that waits leaves: no swap is left but those whose model still loads.
    fn end(mut self) {
        for (ticket, ..) in std::mem::take(&mut self.waiting) {
            self.pool.balancer.leave(ticket);
        }
        for assignment in std::mem::take(&mut self.running) {
            self.pool.end(assignment, Outcome::Served);
        }
        self.pool.balancer.configure(Settings::default());
        for _ in 0..3 {
            self.settle();
            self.pool.pass(Duration::from_secs(60));
        }
        self.settle();
        self.check();
        for (peer, models) in self.models() {
            let Some(swap) = models.swap else { continue };
            let state = models.get(swap.model).map(|model| model.state);
            assert_eq!(state, Some(ModelState::Loading), "{} hangs in {swap:?}", name(peer));
        }
    }
}

fn report(name: &str) -> ModelReport {
    ModelReport {
        name: name.into(),
        aliases: Vec::new(),
        may_load: true,
        state: ModelState::Unloaded,
        slots: Some(2),
        bytes: None,
        failure: None,
    }
}

/// Mostly what requests ask for and no more; also models that are pinned or preloaded, and boxes that are told nothing.
fn loads() -> impl Strategy<Value = Loads> {
    let model = || (0..MODELS.len()).prop_map(|at| ModelId::of(MODELS[at]));
    let pins = prop::collection::btree_map(model(), 1..3_u32, 0..3).prop_map(|pins| pins.into_iter().collect());
    let unasked = (pins, prop::collection::vec(model(), 0..2));
    let unasked = unasked.prop_map(|(pins, preload)| Loads { pins, preload, ..Loads::default() });
    let on_demand = Loads { by: LoadBy::Request, ..Loads::default() };
    prop_oneof![2 => Just(Loads::default()), 2 => unasked, 1 => Just(on_demand)]
}

proptest! {
    #[test]
    fn nothing_swaps_under_an_answer_and_no_swap_hangs(events in events(), loads in loads()) {
        let mut world = World::new(loads);
        events.iter().for_each(|event| world.happen(event));
        world.end();
    }
    #[test]
    fn a_box_with_one_model_of_many_is_a_box_of_one(events in plain_events()) {
        let mut twins = Twins::new();
        events.iter().for_each(|event| twins.happen(event));
    }
}

/// Those that both kinds of boxes take alike. What a model fails, or that it is not ready, is held against it, and not
/// against its box unless that has no other.
fn plain_events() -> impl Strategy<Value = Vec<Event>> {
    let plain = |event| match event {
        Event::Release { which, outcome: Outcome::Failed(_) } => {
            Some(Event::Release { which, outcome: Outcome::Failed(Failure::Connect) })
        }
        Event::Release { which, outcome: Outcome::Loading } => {
            Some(Event::Release { which, outcome: Outcome::Unjudged })
        }
        Event::Claim { .. } | Event::Release { .. } | Event::Leave { .. } | Event::Says { .. } | Event::Pass { .. } => {
            Some(event)
        }
        _ => None,
    };
    events().prop_map(move |events| events.into_iter().filter_map(plain).collect())
}

/// The same events at boxes of one model, and at boxes that have many on their disks and one of them loaded.
struct Twins {
    pools: [Pool; 2],
    running: Vec<[Assignment; 2]>,
    waiting: Vec<[Ticket; 2]>,
}

impl Twins {
    fn new() -> Self {
        let pool = || Pool::policy(Policy::default(), &NAMES.map(|name| (name, Spec::default())));
        let mut pools = [pool(), pool()];
        let loaded = ModelReport { state: ModelState::Loaded, ..report("x") };
        let many = Catalog { places: Some(1), models: [loaded, report("y")].into() };
        for name in NAMES {
            pools[0].asked(name, Report { slots: Some(2), ..Report::default() });
            pools[1].balancer.catalog(id(name), Some(&many), Duration::ZERO);
        }
        Self { pools, running: Vec::new(), waiting: Vec::new() }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Claim { tried, .. } => self.claim(tried),
            Event::Release { which, outcome } if !self.running.is_empty() => {
                let places = self.running.remove(which % self.running.len());
                self.pools.iter_mut().zip(places).for_each(|(pool, place)| pool.end(place, outcome));
            }
            Event::Leave { which } if !self.waiting.is_empty() => {
                let tickets = self.waiting.remove(which % self.waiting.len());
                self.pools.iter_mut().zip(tickets).for_each(|(pool, ticket)| pool.balancer.leave(ticket));
            }
            Event::Says { peer, state } => self.pools.iter_mut().for_each(|pool| pool.says(NAMES[peer], state)),
            Event::Pass { ms } => self.pools.iter_mut().for_each(|pool| pool.pass(Duration::from_millis(ms))),
            _ => {}
        }
        self.next();
    }

    fn claim(&mut self, tried: u8) {
        let tried: Vec<_> =
            NAMES.iter().enumerate().filter(|(at, _)| tried & 1 << at != 0).map(|(_, name)| id(name)).collect();
        let request = || Request { model: Some(ModelId::of("x")), tried: tried.clone(), ..Request::default() };
        match self.pools.each_mut().map(|pool| pool.claim(request())) {
            [Decision::Go(one), Decision::Go(many)] => self.goes([one, many]),
            [Decision::Wait(one), Decision::Wait(many)] => self.waiting.push([one, many]),
            [Decision::Refuse(one), Decision::Refuse(many)] => assert_eq!(one, many),
            others => panic!("{others:?}"),
        }
    }

    fn goes(&mut self, places: [Assignment; 2]) {
        assert_eq!(places[0].peer(), places[1].peer(), "{places:?}");
        self.running.push(places);
    }

    fn next(&mut self) {
        let [one, many] = self.pools.each_mut().map(|pool| pool.balancer.expire(pool.now));
        assert_eq!(one, many);
        self.waiting.retain(|[ticket, _]| one.iter().all(|(over, _)| over != ticket));
        let [one, many] = self.pools.each_mut().map(Pool::next);
        assert_eq!(one.len(), many.len());
        for ((ticket, place), (twin, other)) in one.into_iter().zip(many) {
            assert_eq!(ticket, twin);
            self.waiting.retain(|[known, _]| *known != ticket);
            self.goes([place, other]);
        }
        let [one, many] = self.pools.each_mut().map(|pool| pool.balancer.orders(pool.now));
        assert!(one.is_empty() && many.is_empty(), "{many:?}");
    }
}
