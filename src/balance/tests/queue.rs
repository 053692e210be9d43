//! Who waits, in which order, and how each wait ends.

use super::*;

fn with_priority(priority: u8) -> Request {
    Request { priority, ..any() }
}

#[test]
fn first_in_first_out_within_a_priority() {
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(1))]);
    let mut held = pool.go(any());
    let third = pool.wait(with_priority(1));
    let fourth = pool.wait(with_priority(1));
    let second = pool.wait(with_priority(0));
    let first = pool.wait(Request { tried: vec![id("x")], ..any() });
    let back_from_one_that_loads = pool.wait(Request { turn: Turn::Again, ..with_priority(1) });
    let order = [first, second, back_from_one_that_loads, third, fourth];
    assert_eq!(order.map(|ticket| pool.balancer.position(ticket)), [0, 1, 2, 3, 4].map(Some));
    for expected in order {
        assert!(pool.next().is_empty());
        pool.end(held, Outcome::Served);
        let mut woken = pool.next();
        assert_eq!(woken.len(), 1);
        let (ticket, assignment) = woken.remove(0);
        assert_eq!(ticket, expected);
        assert_eq!(pool.balancer.position(ticket), None);
        held = assignment;
    }
}

#[test]
fn nobody_goes_before_those_that_wait() {
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(1))]);
    let held = pool.go(any());
    let first = pool.wait(any());
    pool.end(held, Outcome::Served);
    // The place is free and the caller has not called `next` yet.
    let second = pool.wait(any());
    let woken: Vec<_> = pool.next().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(woken, [first]);
    assert_eq!(pool.balancer.position(second), Some(0));
}

#[test]
fn one_that_waits_for_a_certain_peer_does_not_hold_up_the_rest() {
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(1)), ("b", slots(1))]);
    let at_a = pool.go(any());
    let at_b = pool.go(any());
    let only_b = pool.wait(after(&["a"]));
    let anywhere = pool.wait(any());
    pool.end(at_a, Outcome::Served);
    let woken: Vec<_> = pool.next().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(woken, [anywhere]);
    pool.end(at_b, Outcome::Served);
    let woken: Vec<_> = pool.next().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(woken, [only_b]);
}

#[test]
fn a_queue_is_bounded_in_number_and_time() {
    let settings = Settings { queue_max: 2, wait_max: Duration::from_secs(30), ..Settings::default() };
    let mut pool = Pool::new(settings, &[("a", slots(1))]);
    let _held = pool.go(any());
    let first = pool.wait(any());
    pool.pass(Duration::from_secs(10));
    let second = pool.wait(any());
    // Ten seconds a request, three to go, one place.
    assert_eq!(pool.shown(any()), "QueueFull 30s");
    assert_eq!(pool.balancer.wake_at(pool.now), Some(Duration::from_secs(30)));
    assert_eq!(pool.balancer.expire(Duration::from_secs(29)), []);
    assert_eq!(pool.balancer.expire(Duration::from_secs(30)), [(first, Reason::Busy)]);
    assert_eq!(pool.balancer.expire(Duration::from_secs(30)), []);
    assert_eq!(pool.balancer.position(second), Some(0));
    pool.balancer.leave(second);
    assert_eq!(pool.balancer.position(second), None);
    assert_eq!(pool.balancer.wake_at(pool.now), None);
}

#[test]
fn without_a_queue_nobody_waits() {
    let mut pool = Pool::new(Settings { queue_max: 0, ..Settings::default() }, &[("a", slots(1))]);
    let held = pool.go(any());
    assert_eq!(pool.shown(any()), "Busy 10s");
    pool.pass(Duration::from_secs(2));
    pool.end(held, Outcome::Served);
    assert_eq!(pool.shown(any()), "a: only one alive");
    // Requests are seen to take less.
    assert_eq!(pool.shown(any()), "Busy 9s");
}

#[test]
fn who_has_tried_everybody_who_is_left_waits_no_more() {
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(1)), ("b", slots(1))]);
    let (at_a, at_b) = (pool.go(any()), pool.go(any()));
    let only_b = pool.wait(after(&["a"]));
    let anywhere = pool.wait(any());
    assert_eq!(pool.balancer.expire(pool.now), []);
    pool.balancer.set_peers([(id("a"), slots(1))]);
    assert_eq!(pool.balancer.expire(pool.now), [(only_b, Reason::Unreachable)]);
    // Where nobody is, somebody may come.
    let only_b = pool.wait(after(&["x"]));
    pool.balancer.set_peers([]);
    assert_eq!(pool.balancer.expire(pool.now), []);
    assert_eq!([only_b, anywhere].map(|ticket| pool.balancer.position(ticket)), [Some(0), Some(1)]);
    pool.end(at_a, Outcome::Served);
    pool.end(at_b, Outcome::Served);
}

#[test]
fn a_moment_that_was_missed_is_now() {
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(1))]);
    pool.run(any(), Outcome::Busy { retry_after: None });
    let first = pool.wait(any());
    let rests_until = Duration::from_secs(1);
    assert_eq!(pool.balancer.wake_at(pool.now), Some(rests_until));
    // The caller is woken by the second before its own clock rings.
    pool.pass(rests_until);
    let second = pool.wait(any());
    assert_eq!(pool.balancer.wake_at(pool.now), Some(rests_until));
    let woken: Vec<_> = pool.next().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(woken, [first]);
    assert!(pool.balancer.wake_at(pool.now) > Some(rests_until));
    assert_eq!(pool.balancer.position(second), Some(0));
}
