//! What becomes of a peer that fails, loads, sleeps or asks for rest, and who gets its requests meanwhile.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn failing(failure: Failure) -> Outcome {
    Outcome::Failed(failure)
}

/// Peers `a` and `b`, of which `a` cannot be reached.
fn one_dead() -> Pool {
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(4)), ("b", slots(4))]);
    let at_a = pool.go(any());
    pool.end(at_a, failing(Failure::Connect));
    pool
}

#[test]
fn what_opens_a_breaker_and_what_does_not() {
    use Outcome::{Served, Unjudged};
    let failed = failing(Failure::Status);
    let cases: [(&str, &[Outcome], &str); 8] = [
        ("a connection refused", &[failing(Failure::Connect)], "a open"),
        ("one 5xx", &[failed], "a ready"),
        ("four 5xx in a row", &[failed; 4], "a ready"),
        ("five 5xx in a row", &[failed; 5], "a open"),
        (
            "stalls and resets count alike",
            &[failing(Failure::Stall), failing(Failure::Reset), failed, failed, failed],
            "a open",
        ),
        ("every second answer", &[failed, Served, failed, Served, failed, Served, failed, Served, failed], "a open"),
        (
            "every third answer",
            &[failed, Served, Served, failed, Served, Served, failed, Served, Served, failed, Served, Served],
            "a ready",
        ),
        ("a hundred bad requests", &[Unjudged; 100], "a ready"),
    ];
    for (case, outcomes, expected) in cases {
        let mut pool = Pool::policy(Policy::Slots, &[("a", slots(4))]);
        for outcome in outcomes {
            pool.run(any(), *outcome);
        }
        assert_eq!(pool.standings(), expected, "{case}");
    }
}

#[test]
fn a_dead_peer_is_spared_then_tried_by_one_request() {
    let mut pool = one_dead();
    assert_eq!(pool.standings(), "a open, b ready");
    assert_eq!(pool.shown(any()), "b: only one alive");
    pool.pass(SECOND * 2);
    assert_eq!(pool.standings(), "a half-open, b ready");
    let trial = pool.go(any());
    assert_eq!((name(trial.peer()), trial.why()), ("a", Why::Trial));
    assert_eq!(pool.standings(), "a trying, b ready");
    assert_eq!(pool.shown(any()), "b: only one alive");
    // The answer begins: that is enough.
    pool.balancer.began(&trial);
    assert_eq!(pool.standings(), "a ready, b ready");
    assert_eq!(pool.shown(any()), "a: least-busy 1/4");
}

#[test]
fn each_failed_trial_doubles_the_wait() {
    let mut pool = one_dead();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let began = pool.now;
        while pool.standings() == "a open, b ready" {
            pool.pass(Duration::from_millis(10));
        }
        waits.push((pool.now - began).as_secs_f64());
        assert_eq!(pool.run(after(&["b"]), failing(Failure::Connect)), "a");
    }
    for (wait, least) in waits.iter().zip([1., 2., 4., 8., 16., 32., 60., 60., 60.]) {
        assert!((least..=least * 1.2 + 0.01).contains(wait), "{waits:?}");
    }
    // A trial that goes well forgets them all.
    pool.pass(SECOND * 100);
    assert_eq!(pool.run(after(&["b"]), Outcome::Served), "a");
    assert_eq!(pool.run(after(&["b"]), failing(Failure::Connect)), "a");
    pool.pass(SECOND * 2);
    assert_eq!(pool.standings(), "a half-open, b ready");
}

#[test]
fn a_trial_that_shows_nothing_leads_to_another() {
    let mut pool = one_dead();
    pool.pass(SECOND * 2);
    assert_eq!(pool.run(after(&["b"]), Outcome::Unjudged), "a");
    assert_eq!(pool.standings(), "a half-open, b ready");
}

#[test]
fn answers_from_before_say_nothing_about_now() {
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(4))]);
    let old = [pool.go(any()), pool.go(any())];
    pool.run(any(), failing(Failure::Connect));
    for (assignment, outcome) in old.into_iter().zip([Outcome::Served, failing(Failure::Reset)]) {
        pool.end(assignment, outcome);
        assert_eq!(pool.standings(), "a open");
    }
    pool.pass(SECOND * 2);
    assert_eq!(pool.standings(), "a half-open");
}

#[test]
fn a_check_shortens_the_wait_for_one_that_was_unreachable() {
    let mut pool = one_dead();
    pool.says("a", State::Ready);
    assert_eq!(pool.standings(), "a half-open, b ready");
    // One whose answers are bad may well say that it is healthy.
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(9))]);
    for _ in 0..5 {
        pool.run(any(), failing(Failure::Status));
    }
    pool.says("a", State::Ready);
    assert_eq!(pool.standings(), "a open");
}

#[test]
fn when_all_are_dead_one_request_at_a_time_tries_them() {
    let mut pool = one_dead();
    assert_eq!(pool.run(any(), failing(Failure::Connect)), "b");
    assert_eq!(pool.standings(), "a open, b open");
    assert_eq!(pool.shown(any()), "a: last resort");
    assert_eq!(pool.shown(any()), "wait");
    assert_eq!(pool.shown(after(&["a"])), "b: last resort");
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(1))]);
    pool.says("a", State::Failed);
    assert_eq!(pool.shown(any()), "a: last resort");
}

#[test]
fn a_peer_that_loads_or_rests_holds_requests_when_nobody_else_serves() {
    let rests = |retry_after: Option<u64>| Outcome::Busy { retry_after: retry_after.map(Duration::from_secs) };
    let cases = [
        ("loading", Outcome::Loading, 1),
        ("busy", rests(None), 1),
        ("busy for a while", rests(Some(20)), 20),
        ("busy for ever", rests(Some(u64::MAX)), 300),
    ];
    for (case, outcome, seconds) in cases {
        let mut pool = Pool::policy(Policy::Slots, &[("a", slots(4)), ("b", slots(4))]);
        assert_eq!(pool.run(any(), outcome), "a", "{case}");
        assert_eq!(pool.standings(), "a resting, b ready", "{case}");
        assert_eq!(pool.shown(any()), "b: only one alive", "{case}");
        let ticket = pool.wait(after(&["b"]));
        assert_eq!(pool.balancer.wake_at(pool.now), Some(Duration::from_secs(seconds)), "{case}");
        assert!(pool.next().is_empty(), "{case}");
        pool.pass(Duration::from_secs(seconds));
        let woken: Vec<_> = pool.next().into_iter().map(|(ticket, _)| ticket).collect();
        assert_eq!(woken, [ticket], "{case}");
    }
}

#[test]
fn a_check_that_says_loading_holds_requests_and_ready_lets_them_go() {
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(1))]);
    pool.says("a", State::Loading);
    let ticket = pool.wait(any());
    pool.pass(SECOND * 60);
    assert!(pool.next().is_empty());
    pool.says("a", State::Ready);
    let woken: Vec<_> = pool.next().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(woken, [ticket]);
}

#[test]
fn a_sleeper_is_woken_only_under_need_and_before_a_spare() {
    let spare = Spec { tier: 1, ..slots(1) };
    let mut pool = Pool::policy(Policy::Slots, &[("a", slots(1)), ("b", slots(1)), ("c", spare)]);
    pool.says("a", State::Sleeping);
    assert_eq!(pool.standings(), "a sleeping, b ready, c ready");
    let shown = [pool.shown(any()), pool.shown(any()), pool.shown(any()), pool.shown(any())];
    assert_eq!(shown, ["b: only one free", "a: only one free", "c: only one free", "wait"]);
}
