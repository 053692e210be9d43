//! One table a policy: what a row of claims leads to when no place is given back.

use super::*;

fn check(case: &str, policy: Policy, peers: &[(&str, Spec)], expected: &[&str]) {
    let mut pool = Pool::policy(policy, peers);
    let shown: Vec<_> = expected.iter().map(|_| pool.shown(any())).collect();
    assert_eq!(shown, expected, "{case}");
}

fn weight(weight: u32) -> Spec {
    Spec { weight, ..Spec::default() }
}

#[test]
fn slots_takes_the_smallest_share() {
    let slots_policy = |case, peers: &[(&str, Spec)], expected: &[&str]| check(case, Policy::Slots, peers, expected);
    slots_policy(
        "by free share",
        &[("a", slots(2)), ("b", slots(4))],
        &[
            "b: least-busy 0/4",
            "a: least-busy 0/2",
            "b: least-busy 1/4",
            "b: least-busy 2/4",
            "a: least-busy 1/2",
            "b: only one free",
            "wait",
        ],
    );
    slots_policy(
        "equals take turns",
        &[("a", Spec::default()), ("b", Spec::default())],
        &["a: least-busy 0", "b: least-busy 0", "a: least-busy 1", "b: least-busy 1"],
    );
    slots_policy(
        "by weight",
        &[("a", weight(1)), ("b", weight(2))],
        &["b: least-busy 0", "a: least-busy 0", "b: least-busy 1", "b: least-busy 2", "a: least-busy 1"],
    );
    slots_policy(
        "a spare when the first are full",
        &[("a", Spec { tier: 1, ..slots(9) }), ("b", slots(1))],
        &["b: only one free", "a: only one free"],
    );
    slots_policy("one", &[("a", slots(1))], &["a: only one alive", "wait"]);
    slots_policy("nobody yet", &[], &["wait"]);
    slots_policy("no slot is one slot", &[("a", slots(0))], &["a: only one alive", "wait"]);
}

#[test]
fn round_robin_gives_turns_by_weight() {
    let peers = [("a", weight(2)), ("b", weight(1))];
    let mut pool = Pool::policy(Policy::RoundRobin, &peers);
    let taken: String = (0..6).map(|_| pool.run(any(), Outcome::Served)).collect();
    assert_eq!(taken, "ababaa");
    check(
        "no turn without room",
        Policy::RoundRobin,
        &[("a", slots(1)), ("b", slots(2))],
        &["a: turn", "b: only one free", "b: only one free", "wait"],
    );
}

#[test]
fn who_was_away_does_not_catch_up_its_turns() {
    let mut pool = Pool::policy(Policy::RoundRobin, &[("a", slots(9)), ("b", slots(9))]);
    pool.says("b", State::Failed);
    for _ in 0..10 {
        assert_eq!(pool.run(any(), Outcome::Served), "a");
    }
    pool.says("b", State::Ready);
    let taken: String = (0..4).map(|_| pool.run(any(), Outcome::Served)).collect();
    assert_eq!(taken, "baba");
}

#[test]
fn random_two_avoids_the_busiest() {
    let mut pool = Pool::policy(Policy::RandomTwo, &[("a", slots(100)), ("b", slots(100)), ("c", slots(100))]);
    for _ in 0..150 {
        let _kept = pool.go(any());
    }
    let loads: Vec<u32> = pool.balancer.statuses(pool.now).map(|peer| peer.inflight).collect();
    assert!(loads.iter().all(|load| (45..=55).contains(load)), "{loads:?}");
}

#[test]
fn capacity_is_configured_or_learnt_and_others_use_it_too() {
    let told = |slots, work| Report { state: State::Ready, slots, work };
    let mut pool = Pool::policy(Policy::Slots, &[("a", Spec::default()), ("b", slots(2))]);
    pool.asked("a", told(Some(4), Work::Untold));
    pool.asked("b", told(Some(8), Work::Told(1)));
    let capacities: Vec<_> = pool.balancer.statuses(pool.now).map(|peer| (peer.capacity, peer.elsewhere)).collect();
    assert_eq!(capacities, [(Some(4), 0), (Some(2), 1)]);
    let shown: Vec<_> = (0..6).map(|_| pool.shown(any())).collect();
    assert_eq!(
        shown,
        [
            "a: least-busy 0/4",
            "a: least-busy 1/4",
            "a: least-busy 2/4",
            "b: least-busy 1/2",
            "a: only one free",
            "wait"
        ]
    );
    // Ours are not counted twice, and an old number stays only until the next question.
    pool.asked("b", told(None, Work::Unasked));
    assert_eq!(pool.balancer.statuses(pool.now).map(|peer| peer.elsewhere).collect::<Vec<_>>(), [0, 1]);
    pool.asked("a", told(None, Work::Told(4)));
    pool.asked("b", told(None, Work::Untold));
    let loads: Vec<_> = pool.balancer.statuses(pool.now).map(|peer| (peer.inflight, peer.elsewhere)).collect();
    assert_eq!(loads, [(4, 0), (1, 0)]);
}

#[test]
fn what_came_and_went_while_a_peer_was_asked_is_nobody_else_s() {
    let told = |requests| Report { work: Work::Told(requests), ..Report::default() };
    let elsewhere = |pool: &Pool| pool.balancer.statuses(pool.now).map(|peer| peer.elsewhere).next();
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(4))]);
    let (stays, before) = (pool.go(any()), pool.go(any()));
    pool.end(before, Outcome::Served);
    pool.balancer.asking(id("a"));
    let during = pool.go(any());
    pool.end(during, Outcome::Served);
    // It has counted one of somebody's, the one that stays, and maybe the one that came and went.
    for (told_of, expected) in [(2, 0), (3, 1)] {
        pool.balancer.asked(id("a"), told(told_of), pool.now);
        assert_eq!(elsewhere(&pool), Some(expected));
    }
    pool.asked("a", told(2));
    assert_eq!(elsewhere(&pool), Some(1));
    pool.end(stays, Outcome::Served);
}

#[test]
fn a_peer_that_failed_a_request_is_not_asked_again() {
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(1)), ("b", slots(1))]);
    assert_eq!(pool.shown(after(&["a"])), "b: failover 1");
    assert_eq!(pool.shown(after(&["b", "x"])), "a: failover 2");
    assert_eq!(pool.shown(after(&["a", "b"])), "Unreachable 1s");
}

#[test]
fn a_set_of_peers_keeps_the_counts_of_those_that_stay() {
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(1)), ("b", slots(1))]);
    let (first, second) = (pool.go(any()), pool.go(any()));
    let ticket = pool.wait(any());
    pool.balancer.set_peers([(id("b"), slots(1)), (id("c"), slots(1)), (id("c"), slots(9))]);
    let statuses: Vec<_> =
        pool.balancer.statuses(pool.now).map(|peer| (name(peer.id), peer.inflight, peer.leaving)).collect();
    assert_eq!(statuses, [("b", 1, false), ("c", 0, false), ("a", 1, true)]);
    let woken = pool.next();
    assert_eq!((woken[0].0, name(woken[0].1.peer())), (ticket, "c"));
    assert_eq!(name(first.peer()), "a");
    pool.end(first, Outcome::Served);
    assert_eq!(pool.standings(), "b ready, c ready");
    // It comes back while its last request runs: the request still counts.
    pool.balancer.set_peers([(id("a"), slots(1))]);
    pool.balancer.set_peers([(id("a"), slots(1)), (id("b"), slots(1))]);
    assert_eq!(pool.shown(any()), "a: only one free");
    pool.end(second, Outcome::Served);
    assert_eq!(pool.shown(any()), "b: only one free");
}
