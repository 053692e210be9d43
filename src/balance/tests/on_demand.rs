//! Boxes that load what they are asked for: what a request may bring about there.

use super::models::{LOAD, NOTHING, SECOND, boxes, orders, tell, wants, woken};
use super::*;

const HERE: ModelState = ModelState::Loaded;

/// The same boxes, and nobody orders them to load anything.
fn on_demand(loaded: &[(&str, &str)]) -> Pool {
    let mut pool = boxes(loaded);
    let loads = Loads { by: LoadBy::Request, ..Loads::default() };
    pool.balancer.configure(Settings { policy: Policy::Slots, loads, ..Settings::default() });
    pool
}

#[test]
fn a_request_goes_where_its_model_is_loaded_and_waits_there() {
    let mut pool = on_demand(&[("a", "x"), ("b", "y")]);
    let held = pool.go(wants("x"));
    assert_eq!(pool.shown(wants("x")), "wait", "it is there, and full");
    pool.end(held, Outcome::Served);
    assert_eq!(woken(&mut pool), ["a: loaded"]);
    assert_eq!(orders(&mut pool), NOTHING);
}

#[test]
fn the_first_request_for_a_model_loads_it_and_the_others_wait_for_that() {
    let mut pool = on_demand(&[("a", "x"), ("b", "y")]);
    pool.run(wants("x"), Outcome::Served);
    assert_eq!(pool.shown(wants("z")), "b: loads on demand", "that one was not used for longer");
    assert_eq!(pool.shown(wants("z")), "wait");
    assert_eq!(pool.shown(wants("w")), "a: loads on demand", "another model at another box");
    assert_eq!(pool.shown(wants("y")), "wait", "nothing is idle");
    tell(&mut pool, "b", &[("z", ModelState::Loading)]);
    assert_eq!(woken(&mut pool), NOTHING);
    pool.pass(LOAD);
    tell(&mut pool, "b", &[("z", HERE)]);
    assert_eq!(orders(&mut pool), NOTHING);
}

#[test]
fn nobody_who_has_an_answer_loses_it_to_a_request_for_another_model() {
    let mut pool = on_demand(&[("a", "x")]);
    let held = pool.go(wants("x"));
    let _waits = pool.wait(wants("z"));
    pool.pass(LOAD * 10);
    assert_eq!(woken(&mut pool), NOTHING);
    pool.end(held, Outcome::Served);
    assert_eq!(woken(&mut pool), ["a: loads on demand"]);
}

#[test]
fn a_free_place_is_taken_first() {
    let mut pool = on_demand(&[("a", "x"), ("b", "y"), ("c", "w")]);
    tell(&mut pool, "b", &[]);
    assert_eq!(pool.shown(wants("z")), "b: loads on demand");
}

#[test]
fn the_place_of_who_had_it_loaded_is_that_of_the_model_that_came() {
    let mut pool = on_demand(&[("a", "x")]);
    let loads_it = pool.go(wants("z"));
    assert_eq!(pool.balancer.model_state(&loads_it), Some(ModelState::Unloaded));
    tell(&mut pool, "a", &[("z", HERE)]);
    assert_eq!(pool.balancer.model_state(&loads_it), Some(HERE));
    pool.end(loads_it, Outcome::Served);
    assert_eq!(pool.shown(wants("z")), "a: loaded");
}

#[test]
fn a_model_that_does_not_load_is_left_alone_for_a_while() {
    let mut pool = on_demand(&[("a", "x")]);
    let loads_it = pool.go(wants("z"));
    tell(&mut pool, "a", &[("z", ModelState::Loading)]);
    pool.pass(SECOND);
    tell(&mut pool, "a", &[("z", ModelState::Failed)]);
    pool.end(loads_it, Outcome::Unjudged);
    assert_eq!(pool.shown(wants("z")), "Unloadable 1s");
    pool.pass(SECOND * 60);
    assert_eq!(pool.shown(wants("z")), "a: loads on demand");
}
