//! Pinned and preloaded models: where they are loaded, that they stay, and what may be loaded where.

use super::models::{LOAD, NOTHING, SECOND, answered, boxes, catalog, orders, tell, tell_untold, wants, woken};
use super::*;

const HERE: ModelState = ModelState::Loaded;

fn pin(pool: &mut Pool, pins: &[(&str, u32)], preload: &[&str]) {
    let loads = Loads {
        pins: pins.iter().map(|(model, copies)| (ModelId::of(model), *copies)).collect(),
        preload: preload.iter().map(|model| ModelId::of(model)).collect(),
        ..Loads::default()
    };
    pool.balancer.configure(Settings { policy: Policy::Slots, loads, ..Settings::default() });
}

/// Boxes of one place with nothing loaded.
fn empty(peers: &[&str]) -> Pool {
    let mut pool = Pool::policy(Policy::Slots, &peers.iter().map(|peer| (*peer, Spec::default())).collect::<Vec<_>>());
    for peer in peers {
        tell(&mut pool, peer, &[]);
    }
    pool
}

/// What is loaded for nobody, each at once.
fn loaded(pool: &mut Pool) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let ordered = orders(pool);
        if ordered.is_empty() {
            all.sort();
            return all;
        }
        pool.pass(SECOND);
        for order in &ordered {
            let (peer, model) = (&order[..1], &order[order.len() - 1..]);
            let there = [(model, HERE)];
            tell(pool, peer, if order.contains("Unload") { &[] } else { &there });
        }
        all.extend(ordered);
    }
}

#[test]
fn pinned_models_are_loaded_at_the_start_so_many_copies_of_each() {
    let mut pool = empty(&["a", "b", "c"]);
    pin(&mut pool, &[("x", 2), ("y", 1)], &[]);
    let orders = loaded(&mut pool);
    let of = |model: &str| orders.iter().filter(|order| order.ends_with(&format!("Load {model}"))).count();
    assert_eq!((of("x"), of("y"), orders.len()), (2, 1, 3), "{orders:?}");
    // A second balancer comes to the same.
    let mut other = empty(&["c", "b", "a"]);
    pin(&mut other, &[("x", 2), ("y", 1)], &[]);
    assert_eq!(loaded(&mut other), orders);
}

#[test]
fn what_is_there_already_is_not_loaded_again() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    pin(&mut pool, &[("x", 1), ("y", 1)], &["x"]);
    assert_eq!(orders(&mut pool), NOTHING);
}

#[test]
fn a_pinned_model_makes_no_room_and_another_copy_of_it_does() {
    let mut pool = boxes(&[("a", "x"), ("b", "x")]);
    pin(&mut pool, &[("x", 1)], &[]);
    let _waits = pool.wait(wants("z"));
    let first = orders(&mut pool);
    assert_eq!(first.len(), 1);
    let peer = first[0][..1].to_owned();
    tell(&mut pool, &peer, &[]);
    assert_eq!(orders(&mut pool), [format!("{peer}: Load z")]);
    pool.pass(LOAD);
    tell(&mut pool, &peer, &[("z", HERE)]);
    assert_eq!(woken(&mut pool), [format!("{peer}: swapped out x")]);
    // However long somebody waits: the last copy stays.
    let _waits = pool.wait(wants("y"));
    pool.pass(LOAD * 10);
    assert_eq!(orders(&mut pool), NOTHING);
}

#[test]
fn a_model_for_which_only_pinned_ones_could_make_room_is_refused() {
    let mut pool = boxes(&[("a", "x")]);
    pin(&mut pool, &[("x", 1)], &[]);
    assert_eq!(orders(&mut pool), NOTHING);
    assert_eq!(pool.shown(wants("z")), "Unloadable 1s");
    assert_eq!(pool.balancer.obstacles(ModelId::of("z"), pool.now), [(id("a"), Obstacle::Pinned)]);
    assert_eq!(pool.shown(wants("x")), "a: loaded");
    pin(&mut pool, &[], &[]);
    assert_eq!(orders(&mut pool), NOTHING);
    assert_eq!(pool.shown(wants("z")), "wait");
}

#[test]
fn a_pinned_model_that_falls_is_loaded_again_where_it_may_make_room() {
    let mut pool = boxes(&[("a", "x"), ("b", "y")]);
    pin(&mut pool, &[("x", 1)], &[]);
    assert_eq!(orders(&mut pool), NOTHING);
    tell(&mut pool, "a", &[("w", HERE)]);
    // One has just come; the other has been there for long.
    assert_eq!(orders(&mut pool), ["b: Unload y"]);
    tell(&mut pool, "b", &[]);
    assert_eq!(orders(&mut pool), ["b: Load x"]);
    // It fails there, and is not tried without end.
    assert_eq!(tell(&mut pool, "b", &[("x", ModelState::Failed)]).len(), 1);
    pool.pass(LOAD);
    assert_eq!(orders(&mut pool), ["a: Unload w"]);
}

#[test]
fn a_pinned_model_waits_for_no_longer_than_a_request_does() {
    let mut pool = boxes(&[("a", "y")]);
    let held = pool.go(wants("y"));
    let _waits = pool.wait(wants("y"));
    pin(&mut pool, &[("x", 1)], &[]);
    assert_eq!(orders(&mut pool), NOTHING);
    assert_eq!(pool.balancer.wake_at(pool.now), Some(pool.now + LOAD * 3));
    pool.pass(LOAD * 3);
    assert_eq!(orders(&mut pool), NOTHING, "it drains");
    pool.end(held, Outcome::Served);
    assert_eq!(woken(&mut pool), NOTHING);
    assert_eq!(orders(&mut pool), ["a: Unload y"]);
}

#[test]
fn a_preloaded_model_takes_a_free_place_once() {
    let mut pool = boxes(&[("a", "y")]);
    pin(&mut pool, &[], &["x"]);
    pool.pass(LOAD * 5);
    assert_eq!(orders(&mut pool), NOTHING, "nobody makes room for it");
    tell(&mut pool, "a", &[]);
    assert_eq!(orders(&mut pool), ["a: Load x"]);
    tell(&mut pool, "a", &[("x", HERE)]);
    assert_eq!(orders(&mut pool), NOTHING);
    tell(&mut pool, "a", &[]);
    assert_eq!(orders(&mut pool), NOTHING, "it has been there");
}

#[test]
fn nothing_is_loaded_for_nobody_before_the_boxes_are_known() {
    let mut pool = Pool::policy(Policy::Slots, &[("a", Spec::default()), ("b", Spec::default())]);
    for peer in ["a", "b"] {
        pool.balancer.asked(id(peer), Report { state: State::Loading, ..Report::default() }, pool.now);
    }
    pin(&mut pool, &[("x", 1)], &[]);
    pool.balancer.asked(id("a"), Report::default(), pool.now);
    tell(&mut pool, "a", &[]);
    assert_eq!(orders(&mut pool), NOTHING);
    assert_eq!(pool.balancer.wake_at(pool.now), Some(pool.now + SECOND * 2));
    pool.pass(SECOND * 2);
    assert_eq!(orders(&mut pool), ["a: Load x"]);
}

#[test]
fn a_box_loads_what_it_may() {
    let mut pool = empty(&["a", "b"]);
    let without = |model: &str| {
        let mut catalog = catalog(1, &[]);
        catalog.models.iter_mut().filter(|report| &*report.name == model).for_each(|report| report.may_load = false);
        catalog
    };
    pool.balancer.catalog(id("a"), Some(&without("x")), pool.now);
    let _waits = pool.wait(wants("x"));
    assert_eq!(orders(&mut pool), ["b: Load x"]);
    pool.balancer.catalog(id("b"), Some(&without("y")), pool.now);
    pool.balancer.catalog(id("a"), Some(&without("y")), pool.now);
    assert_eq!(pool.shown(wants("y")), "Unloadable 1s");
    let forbidden = [(id("a"), Obstacle::NotAllowed), (id("b"), Obstacle::NotAllowed)];
    assert_eq!(pool.balancer.obstacles(ModelId::of("y"), pool.now), forbidden);
    // Where somebody else has loaded it, it is as good as any.
    let mut there = without("y");
    there.models.iter_mut().filter(|report| &*report.name == "y").for_each(|report| report.state = HERE);
    pool.balancer.catalog(id("a"), Some(&there), pool.now);
    assert_eq!(pool.shown(wants("y")), "a: loaded");
}

#[test]
fn the_places_of_a_box_are_the_fewest_that_are_said() {
    for (told, said, free) in [(Some(1), None, 0), (Some(3), Some(2), 1), (Some(1), Some(3), 0), (None, Some(2), 1)] {
        let mut pool = Pool::policy(Policy::Slots, &[("a", Spec { places: said, ..Spec::default() })]);
        let report = Catalog { places: told, ..catalog(1, &[("x", HERE)]) };
        pool.balancer.catalog(id("a"), Some(&report), pool.now);
        let _waits = pool.wait(wants("z"));
        // The one that is there has not stayed yet.
        assert_eq!(answered(&mut pool, Answer::Taken).len(), free, "{told:?} {said:?}");
    }
}

#[test]
fn a_box_that_tells_no_places_gets_what_is_pinned_beside_what_is_there() {
    let mut pool = Pool::policy(Policy::Slots, &[("a", Spec::default())]);
    pin(&mut pool, &[("x", 1), ("y", 1)], &[]);
    tell_untold(&mut pool, "a", &[]);
    assert_eq!(orders(&mut pool), ["a: Load x"]);
    tell_untold(&mut pool, "a", &[("x", HERE)]);
    assert_eq!(orders(&mut pool), ["a: Load y"]);
    // It had room for one, which is known from now on: there is no going to and fro.
    tell_untold(&mut pool, "a", &[("y", HERE)]);
    pool.pass(LOAD * 5);
    assert_eq!(orders(&mut pool), NOTHING);
}

#[test]
fn how_long_a_model_stays_and_is_waited_for_can_be_said() {
    let mut pool = boxes(&[("a", "x")]);
    let loads = Loads { stay: Some(SECOND * 90), patience: Some(SECOND * 300), ..Loads::default() };
    pool.balancer.configure(Settings { policy: Policy::Slots, loads, ..Settings::default() });
    tell(&mut pool, "a", &[]);
    tell(&mut pool, "a", &[("x", HERE)]);
    let _waits = pool.wait(wants("z"));
    pool.pass(SECOND * 89);
    assert_eq!(orders(&mut pool), NOTHING);
    pool.pass(SECOND);
    assert_eq!(orders(&mut pool), ["a: Unload x"]);
}
