//! Boxes of many models: what is loaded where for whom, step by step, and what makes room.

use super::*;

pub(super) const LOAD: Duration = Duration::from_secs(20);
pub(super) const SECOND: Duration = Duration::from_secs(1);
const ALL: [&str; 4] = ["x", "y", "z", "w"];

pub(super) fn wants(model: &str) -> Request {
    Request { model: Some(ModelId::of(model)), ..any() }
}

/// What a box tells: how these of its four models are; the others are not loaded.
pub(super) fn catalog(places: u32, states: &[(&str, ModelState)]) -> Catalog {
    let state = |model: &str| {
        let named = states.iter().find(|(known, _)| *known == model);
        named.map_or(ModelState::Unloaded, |(_, state)| *state)
    };
    let report = |model: &str| ModelReport {
        name: model.into(),
        aliases: Vec::new(),
        may_load: true,
        state: state(model),
        slots: Some(1),
        bytes: None,
        failure: (state(model) == ModelState::Failed).then(|| "exit code 1".into()),
    };
    Catalog { places: Some(places), models: ALL.iter().map(|model| report(model)).collect() }
}

/// Boxes of one place and models of one slot, with these models loaded long ago.
pub(super) fn boxes(loaded: &[(&str, &str)]) -> Pool {
    let mut pool =
        Pool::policy(Policy::Slots, &loaded.iter().map(|(peer, _)| (*peer, Spec::default())).collect::<Vec<_>>());
    for (peer, model) in loaded {
        tell(&mut pool, peer, &[(model, ModelState::Loaded)]);
    }
    pool.pass(LOAD);
    pool
}

pub(super) fn tell(pool: &mut Pool, peer: &str, states: &[(&str, ModelState)]) -> Vec<Change> {
    pool.balancer.catalog(id(peer), Some(&catalog(1, states)), pool.now)
}

/// What boxes are told to do, each of which they take.
pub(super) fn orders(pool: &mut Pool) -> Vec<String> {
    answered(pool, Answer::Taken)
}

pub(super) fn answered(pool: &mut Pool, answer: Answer) -> Vec<String> {
    pool.balancer.lapse(pool.now);
    let orders = pool.balancer.orders(pool.now);
    orders.iter().for_each(|order| pool.balancer.answered(order, answer, pool.now));
    let shown = |order: &Order| format!("{}: {:?} {}", name(order.peer), order.action, order.name);
    orders.iter().map(shown).collect()
}

pub(super) fn woken(pool: &mut Pool) -> Vec<String> {
    let woken = pool.next();
    woken.iter().map(|(_, assignment)| format!("{}: {}", name(assignment.peer()), assignment.why())).collect()
}

pub(super) const NOTHING: [&str; 0] = [];

#[test]
fn a_request_goes_where_its_model_is_loaded() {
    let mut pool = boxes(&[("a", "x"), ("b", "y"), ("c", "x")]);
    assert_eq!(pool.shown(wants("y")), "b: loaded");
    assert_eq!(pool.shown(wants("x")), "a: least-busy 0/1");
    assert_eq!(pool.shown(wants("x")), "c: only one free");
    assert_eq!(orders(&mut pool), NOTHING);
}

#[test]
fn it_waits_where_its_model_is_full_or_loading() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    let held = pool.go(wants("x"));
    let _waits = pool.wait(wants("x"));
    assert_eq!(orders(&mut pool), NOTHING, "that model is there, and a request takes no longer than a load");
    pool.end(held, Outcome::Served);
    assert_eq!(woken(&mut pool), ["a: loaded"]);
    tell(&mut pool, "b", &[("z", ModelState::Loading)]);
    let _waits = pool.wait(wants("z"));
    pool.pass(LOAD);
    assert_eq!(orders(&mut pool), NOTHING, "it is on its way");
    tell(&mut pool, "b", &[("z", ModelState::Loaded)]);
    assert_eq!(woken(&mut pool), ["b: loading"]);
}

#[test]
fn a_model_that_is_nowhere_gets_a_free_place() {
    let mut pool = boxes(&[("a", "x"), ("b", "y"), ("c", "z")]);
    tell(&mut pool, "b", &[]);
    tell(&mut pool, "c", &[]);
    let _waits = pool.wait(wants("w"));
    // Which of both is the hash's to say, and every replica comes to the same.
    let ordered = orders(&mut pool);
    assert!(ordered == ["b: Load w"] || ordered == ["c: Load w"], "{ordered:?}");
    assert_eq!(orders(&mut pool), NOTHING);
    let peer = if ordered == ["b: Load w"] { "b" } else { "c" };
    pool.pass(LOAD);
    let changes = tell(&mut pool, peer, &[("w", ModelState::Loaded)]);
    assert_eq!(changes[0].kind, ChangeKind::Loaded { took: Some(LOAD), arrival: Arrival::FreePlace });
    assert_eq!(woken(&mut pool), [format!("{peer}: free place")]);
}

#[test]
fn an_idle_model_that_nobody_waits_for_makes_room_once_it_has_stayed() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    let at_x = pool.go(wants("x"));
    tell(&mut pool, "b", &[]);
    tell(&mut pool, "b", &[("y", ModelState::Loaded)]);
    let _waits = pool.wait(wants("z"));
    assert_eq!(orders(&mut pool), NOTHING, "one has a request, and the other has just come");
    assert_eq!(pool.balancer.wake_at(pool.now), Some(pool.now + LOAD));
    pool.pass(LOAD);
    assert_eq!(orders(&mut pool), ["b: Unload y"]);
    assert_eq!(pool.shown(wants("y")), "wait", "it is on its way out");
    assert_eq!(orders(&mut pool), NOTHING, "one swap at a time");
    let changes = tell(&mut pool, "b", &[]);
    assert_eq!(changes[0].kind, ChangeKind::Unloaded { why: Departure::Idle, room_for: Some("z".into()) });
    assert_eq!(orders(&mut pool), ["b: Load z"]);
    pool.pass(LOAD);
    tell(&mut pool, "b", &[("z", ModelState::Loaded)]);
    assert_eq!(woken(&mut pool), ["b: swapped out y"]);
    pool.end(at_x, Outcome::Served);
}

#[test]
fn it_makes_room_sooner_the_more_are_waiting_while_nobody_has_it() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    let _at_x = pool.go(wants("x"));
    tell(&mut pool, "b", &[]);
    tell(&mut pool, "b", &[("y", ModelState::Loaded)]);
    let at_y = pool.go(wants("y"));
    let _waits: Vec<_> = (0..4).map(|_| pool.wait(wants("z"))).collect();
    pool.pass(LOAD / 2);
    pool.end(at_y, Outcome::Served);
    assert_eq!(orders(&mut pool), NOTHING, "nobody has lost anything by it yet");
    assert_eq!(pool.balancer.wake_at(pool.now), Some(pool.now + LOAD / 4));
    pool.pass(LOAD / 4);
    assert_eq!(orders(&mut pool), ["b: Unload y"]);
}

#[test]
fn the_least_wanted_makes_room_and_a_copy_before_the_last_one() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    for model in ["y", "y", "x"] {
        pool.run(wants(model), Outcome::Served);
    }
    let _waits = pool.wait(wants("z"));
    assert_eq!(orders(&mut pool), ["a: Unload x"]);
    let mut pool = boxes(&[("a", "x"), ("b", "y"), ("c", "y")]);
    for model in ["y", "y", "x"] {
        pool.run(wants(model), Outcome::Served);
    }
    let _waits = pool.wait(wants("z"));
    assert_eq!(orders(&mut pool), ["b: Unload y"], "the one that was used for the last time longer ago");
}

#[test]
fn who_is_hungry_gets_the_place_of_a_wanted_one() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    let (at_x, at_y) = (pool.go(wants("x")), pool.go(wants("y")));
    let hungry = pool.wait(wants("z"));
    pool.pass(LOAD);
    let _waits = [pool.wait(wants("x")), pool.wait(wants("x")), pool.wait(wants("y"))];
    pool.pass(LOAD * 2 - SECOND);
    assert_eq!(orders(&mut pool), NOTHING);
    assert_eq!(pool.balancer.wake_at(pool.now), Some(pool.now + SECOND));
    pool.pass(SECOND);
    assert_eq!(orders(&mut pool), NOTHING, "the last request of the model with the fewest that wait goes on");
    pool.end(at_x, Outcome::Served);
    assert_eq!(woken(&mut pool), ["a: loaded"], "the other one serves on");
    pool.end(at_y, Outcome::Served);
    assert_eq!(woken(&mut pool), NOTHING, "nobody new goes there");
    assert_eq!(orders(&mut pool), ["b: Unload y"]);
    let changes = tell(&mut pool, "b", &[]);
    assert_eq!(changes[0].kind, ChangeKind::Unloaded { why: Departure::Hunger, room_for: Some("z".into()) });
    assert_eq!(orders(&mut pool), ["b: Load z"]);
    assert_eq!(pool.balancer.position(hungry), Some(0));
}

#[test]
fn a_box_that_drains_keeps_no_other_from_being_sooner() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    let (at_x, at_y) = (pool.go(wants("x")), pool.go(wants("y")));
    let _hungry = pool.wait(wants("z"));
    let _waits = pool.wait(wants("x"));
    pool.pass(LOAD * 3);
    assert_eq!(orders(&mut pool), NOTHING, "the other one drains");
    // Its place is held, but the one that is waited for is served and idle first.
    pool.end(at_x, Outcome::Served);
    let woken = pool.next();
    assert_eq!(woken.len(), 1);
    pool.balancer.release(woken.into_iter().next().unwrap().1, Outcome::Served, pool.now);
    assert_eq!(orders(&mut pool), ["a: Unload x"]);
    assert_eq!(pool.shown(wants("y")), "wait", "it has its one request still");
    pool.end(at_y, Outcome::Served);
    assert_eq!(super::models::woken(&mut pool), ["b: loaded"], "it drains no more");
}

#[test]
fn another_copy_comes_where_waiting_takes_longer_than_a_load() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    let held = pool.go(wants("x"));
    // Ten seconds a request, by what is known at first.
    let _waits = [pool.wait(wants("x")), pool.wait(wants("x"))];
    assert_eq!(orders(&mut pool), NOTHING);
    let _waits = pool.wait(wants("x"));
    assert_eq!(orders(&mut pool), ["b: Unload y"]);
    pool.end(held, Outcome::Served);
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    pool.run(wants("y"), Outcome::Served);
    let _held = pool.go(wants("x"));
    let _waits = [pool.wait(wants("x")), pool.wait(wants("x")), pool.wait(wants("x"))];
    assert_eq!(orders(&mut pool), NOTHING, "somebody wants the other one of late");
}

#[test]
fn a_model_that_does_not_load_is_left_alone_for_twice_as_long_each_time() {
    let mut pool = boxes(&[("a", "x")]);
    let minute = Duration::from_secs(60);
    for rest in [minute, minute * 2, minute * 4] {
        let ticket = pool.wait(wants("z"));
        assert_eq!(orders(&mut pool), ["a: Unload x"]);
        tell(&mut pool, "a", if rest > minute { &[("z", ModelState::Failed)] } else { &[] });
        assert_eq!(orders(&mut pool), ["a: Load z"]);
        if rest > minute {
            // It has failed before, so that only this tells that it is tried again.
            tell(&mut pool, "a", &[("z", ModelState::Failed)]);
            tell(&mut pool, "a", &[("z", ModelState::Loading)]);
        }
        pool.pass(SECOND);
        let changes = tell(&mut pool, "a", &[("z", ModelState::Failed)]);
        assert_eq!(changes[0].kind, ChangeKind::Failed);
        assert_eq!(pool.balancer.expire(pool.now), [(ticket, Reason::Unloadable)]);
        assert_eq!(pool.shown(wants("z")), "Unloadable 1s");
        let obstacles = pool.balancer.obstacles(ModelId::of("z"), pool.now);
        assert_eq!(obstacles, [(id("a"), Obstacle::Failed(Some("exit code 1".into())))]);
        tell(&mut pool, "a", &[("x", ModelState::Loaded), ("z", ModelState::Failed)]);
        assert_eq!(pool.run(wants("x"), Outcome::Served), "a", "the box is well");
        pool.pass(rest - SECOND);
        assert_eq!(pool.shown(wants("z")), "Unloadable 1s");
        pool.pass(SECOND);
    }
}

#[test]
fn a_load_that_ends_when_somebody_else_begins_one_has_not_failed() {
    for (beside, is_refused) in [(("y", ModelState::Loading), false), (("y", ModelState::Unloaded), true)] {
        let mut pool = boxes(&[("a", "x")]);
        tell(&mut pool, "a", &[]);
        let ticket = pool.wait(wants("z"));
        assert_eq!(orders(&mut pool), ["a: Load z"]);
        tell(&mut pool, "a", &[("z", ModelState::Loading)]);
        tell(&mut pool, "a", &[("z", ModelState::Failed), beside]);
        assert_eq!(pool.balancer.expire(pool.now) == [(ticket, Reason::Unloadable)], is_refused, "{beside:?}");
        tell(&mut pool, "a", &[("z", ModelState::Failed), ("y", ModelState::Loaded)]);
        pool.pass(LOAD);
        assert_eq!(orders(&mut pool).is_empty(), is_refused, "{beside:?}");
    }
}

#[test]
fn what_a_box_says_to_an_order() {
    // What it says to the order to unload, and when it is told again.
    for (answer, again) in [(Answer::Busy, Some(SECOND)), (Answer::Silent, Some(SECOND)), (Answer::Taken, None)] {
        let mut pool = boxes(&[("a", "x")]);
        let _waits = pool.wait(wants("z"));
        assert_eq!(answered(&mut pool, answer), ["a: Unload x"]);
        assert_eq!(orders(&mut pool), NOTHING, "{answer:?}");
        let again = again.unwrap_or(Duration::from_secs(60));
        assert_eq!(pool.balancer.wake_at(pool.now), Some(pool.now + again), "{answer:?}");
        pool.pass(again);
        assert_eq!(pool.balancer.expire(pool.now), []);
        let ordered = orders(&mut pool);
        assert_eq!(ordered.is_empty(), answer == Answer::Taken, "{answer:?}: {ordered:?}");
        pool.pass(SECOND);
        assert_eq!(orders(&mut pool).is_empty(), answer != Answer::Taken, "{answer:?}");
    }
    // To the order to load: one that never shows has failed.
    for (answer, fails_after) in [(Answer::Refused, Duration::ZERO), (Answer::Taken, Duration::from_secs(10))] {
        let mut pool = boxes(&[("a", "x")]);
        tell(&mut pool, "a", &[]);
        let ticket = pool.wait(wants("z"));
        assert_eq!(answered(&mut pool, answer), ["a: Load z"]);
        tell(&mut pool, "a", &[]);
        assert_eq!(orders(&mut pool), NOTHING);
        pool.pass(fails_after);
        assert_eq!(pool.balancer.expire(pool.now), [(ticket, Reason::Unloadable)], "{answer:?}");
    }
}

#[test]
fn what_was_asked_before_an_order_takes_nothing_back() {
    let mut pool = boxes(&[("a", "x")]);
    let _waits = pool.wait(wants("z"));
    assert_eq!(orders(&mut pool), ["a: Unload x"]);
    tell(&mut pool, "a", &[("x", ModelState::Loaded)]);
    assert_eq!(orders(&mut pool), NOTHING);
    tell(&mut pool, "a", &[]);
    assert_eq!(orders(&mut pool), ["a: Load z"]);
    tell(&mut pool, "a", &[]);
    assert_eq!(orders(&mut pool), NOTHING);
    pool.pass(SECOND);
    // A load that nobody saw took as long as it was waited for.
    let changes = tell(&mut pool, "a", &[("z", ModelState::Loaded)]);
    assert_eq!(changes[0].kind, ChangeKind::Loaded { took: Some(SECOND), arrival: Arrival::SwappedOut("x".into()) });
}

#[test]
fn a_model_that_others_load_again_ends_the_swap_that_took_it_away() {
    let mut pool = boxes(&[("a", "x")]);
    let _waits = pool.wait(wants("z"));
    assert_eq!(orders(&mut pool), ["a: Unload x"]);
    // It was gone for less than it takes to be told so.
    tell(&mut pool, "a", &[("x", ModelState::Loading)]);
    tell(&mut pool, "a", &[("x", ModelState::Loaded)]);
    pool.pass(LOAD);
    assert_eq!(orders(&mut pool), ["a: Unload x"]);
}

#[test]
fn a_model_that_others_have_is_passed_over() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    pool.run(wants("y"), Outcome::Served);
    let _waits = pool.wait(wants("z"));
    assert_eq!(answered(&mut pool, Answer::Busy), ["a: Unload x"]);
    assert_eq!(orders(&mut pool), ["b: Unload y"]);
    // The hungry wait for the end of what others have.
    let mut pool = boxes(&[("a", "x")]);
    let held = pool.go(wants("x"));
    let _waits = [pool.wait(wants("z")), pool.wait(wants("x"))];
    pool.pass(LOAD * 3);
    assert_eq!(orders(&mut pool), NOTHING);
    pool.end(held, Outcome::Served);
    assert_eq!(answered(&mut pool, Answer::Busy), ["a: Unload x"]);
    // What others keep there in any case may have ours too, until it is asked again.
    let shares = pool.next().remove(0).1;
    pool.pass(SECOND);
    assert_eq!((pool.shown(wants("x")), orders(&mut pool)), ("wait".to_owned(), Vec::new()));
    pool.end(shares, Outcome::Served);
    assert_eq!(orders(&mut pool), ["a: Unload x"]);
}

#[test]
fn the_answer_to_an_order_that_came_to_nothing_is_no_other_swaps() {
    let mut pool = boxes(&[("a", "x")]);
    tell(&mut pool, "a", &[]);
    let ticket = pool.wait(wants("z"));
    let late = pool.balancer.orders(pool.now).remove(0);
    assert!(pool.balancer.awaits(&late));
    pool.pass(Duration::from_secs(60));
    assert_eq!(pool.balancer.expire(pool.now), []);
    pool.balancer.leave(ticket);
    pool.pass(SECOND);
    let _waits = pool.wait(wants("y"));
    let next = pool.balancer.orders(pool.now).remove(0);
    assert_eq!((&*late.name, &*next.name), ("z", "y"));
    pool.balancer.answered(&late, Answer::Refused, pool.now);
    assert!(!pool.balancer.awaits(&late) && pool.balancer.awaits(&next));
}

#[test]
fn a_model_that_loads_for_ever_is_looked_for_elsewhere() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    tell(&mut pool, "a", &[("z", ModelState::Loading)]);
    let _waits = pool.wait(wants("z"));
    assert_eq!(orders(&mut pool), NOTHING);
    pool.pass(LOAD * 4);
    assert_eq!(orders(&mut pool), ["b: Unload y"]);
}

#[test]
fn a_swap_ends_with_what_it_is_for() {
    let without_z = || Catalog { places: Some(1), models: catalog(1, &[]).models.into_iter().take(2).collect() };
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    let at_y = pool.go(wants("y"));
    let ticket = pool.wait(wants("z"));
    assert_eq!(orders(&mut pool), ["a: Unload x"]);
    tell(&mut pool, "a", &[]);
    assert_eq!(orders(&mut pool), ["a: Load z"]);
    // Its box has that model no more, and the other one is asked as soon as it can be.
    pool.balancer.catalog(id("a"), Some(&without_z()), pool.now);
    pool.end(at_y, Outcome::Served);
    assert_eq!(orders(&mut pool), ["b: Unload y"]);
    assert_eq!(pool.balancer.position(ticket), Some(0));
}

#[test]
fn one_that_is_tried_does_not_make_a_model_one_that_loads_nowhere() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    tell(&mut pool, "a", &[]);
    let at_b = pool.go(wants("y"));
    pool.end(at_b, Outcome::Failed(Failure::Connect));
    let ticket = pool.wait(wants("z"));
    assert_eq!(answered(&mut pool, Answer::Refused), ["a: Load z"]);
    pool.pass(SECOND * 2);
    let tries = pool.go(wants("y"));
    assert_eq!(tries.why(), Why::Trial);
    assert_eq!(pool.balancer.expire(pool.now), [], "the box that is tried may have it");
    pool.end(tries, Outcome::Served);
    assert_eq!(orders(&mut pool), ["b: Unload y"]);
    assert_eq!(pool.balancer.position(ticket), Some(0));
}

/// The same of a box that does not say how many models it can have loaded.
pub(super) fn tell_untold(pool: &mut Pool, peer: &str, states: &[(&str, ModelState)]) {
    pool.pass(SECOND);
    let untold = Catalog { places: None, ..catalog(1, states) };
    pool.balancer.catalog(id(peer), Some(&untold), pool.now);
}

/// Who is woken, and is answered at once.
fn served(pool: &mut Pool) -> Vec<String> {
    let woken = pool.next();
    let shown =
        woken.iter().map(|(_, assignment)| format!("{}: {}", name(assignment.peer()), assignment.why())).collect();
    woken.into_iter().for_each(|(_, assignment)| pool.end(assignment, Outcome::Served));
    shown
}

#[test]
fn a_box_that_does_not_tell_its_places_is_tried_until_it_makes_room() {
    const HERE: ModelState = ModelState::Loaded;
    let mut pool = Pool::policy(Policy::Slots, &[("a", Spec::default())]);
    tell_untold(&mut pool, "a", &[]);
    for (wanted, there) in [("x", vec![("x", HERE)]), ("y", vec![("x", HERE), ("y", HERE)])] {
        let _waits = pool.wait(wants(wanted));
        assert_eq!(orders(&mut pool), [format!("a: Load {wanted}")], "it may have room for one more");
        tell_untold(&mut pool, "a", &there);
        assert_eq!(served(&mut pool), ["a: free place"]);
    }
    let _waits = pool.wait(wants("z"));
    assert_eq!(orders(&mut pool), ["a: Load z"]);
    tell_untold(&mut pool, "a", &[("y", HERE), ("z", HERE)]);
    assert_eq!(served(&mut pool), ["a: free place"]);
    // It had room for two. So one is chosen that makes room, once it has stayed.
    let _waits = pool.wait(wants("x"));
    pool.pass(LOAD);
    let ordered = orders(&mut pool);
    assert!(matches!(ordered[..], [ref one] if one.starts_with("a: Unload")), "{ordered:?}");
    // Some time later it may have more again.
    let mut pool = Pool::policy(Policy::Slots, &[("a", Spec::default())]);
    tell_untold(&mut pool, "a", &[("x", HERE)]);
    let _waits = pool.wait(wants("y"));
    assert_eq!(orders(&mut pool), ["a: Load y"]);
    tell_untold(&mut pool, "a", &[("y", HERE)]);
    served(&mut pool);
    pool.pass(Duration::from_secs(600));
    tell_untold(&mut pool, "a", &[("y", HERE)]);
    let _waits = pool.wait(wants("z"));
    assert_eq!(orders(&mut pool), ["a: Load z"]);
}

#[test]
fn a_box_that_may_have_no_room_is_spared_while_all_of_it_is_busy_or_another_has_room() {
    const HERE: ModelState = ModelState::Loaded;
    let mut pool = Pool::policy(Policy::Slots, &[("a", Spec::default()), ("b", Spec::default())]);
    tell_untold(&mut pool, "a", &[("x", HERE)]);
    tell_untold(&mut pool, "b", &[]);
    let _waits = pool.wait(wants("y"));
    assert_eq!(orders(&mut pool), ["b: Load y"]);
    tell_untold(&mut pool, "b", &[("y", HERE)]);
    assert_eq!(served(&mut pool), ["b: free place"]);
    let _busy = [pool.go(wants("x")), pool.go(wants("y"))];
    let _waits = pool.wait(wants("z"));
    assert_eq!(orders(&mut pool), NOTHING, "the place would be had once they have ended");
}

#[test]
fn a_model_that_does_not_tell_its_slots_gets_another_copy_where_requests_may_stand_behind_each_other() {
    let untold = |model: &str, state| Catalog {
        places: Some(1),
        models: catalog(1, &[(model, state)])
            .models
            .into_iter()
            .map(|one| ModelReport { slots: None, ..one })
            .collect(),
    };
    let mut pool = Pool::policy(Policy::Slots, &[("a", Spec::default()), ("b", Spec::default())]);
    pool.balancer.catalog(id("a"), Some(&untold("x", ModelState::Loaded)), pool.now);
    pool.balancer.catalog(id("b"), Some(&untold("x", ModelState::Unloaded)), pool.now);
    let first = pool.go(wants("x"));
    pool.pass(SECOND * 15);
    pool.end(first, Outcome::Served);
    let mut held = vec![pool.go(wants("x")), pool.go(wants("x"))];
    assert_eq!(orders(&mut pool), NOTHING, "the second is answered sooner than a load takes");
    held.push(pool.go(wants("x")));
    assert_eq!(orders(&mut pool), ["b: Load x"]);
    pool.balancer.catalog(id("b"), Some(&untold("x", ModelState::Loaded)), pool.now);
    assert_eq!(pool.shown(wants("x")), "b: least-busy 0");
    assert_eq!(orders(&mut pool), NOTHING);
}
