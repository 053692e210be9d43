//! The soonest first token: who overtakes whom, who waits for a full peer, and that both have an end.

use super::*;
use crate::balance::affinity::SentTo;
use crate::balance::policy::{self, Candidate};
use crate::balance::prefix::{BLOCK_BYTES, Hasher};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const SECOND: Duration = Duration::from_secs(1);

/// A prompt of so many blocks, of one conversation.
fn prompt(conversation: u8, blocks: usize) -> Request {
    let mut hasher = Hasher::default();
    hasher.part(&[conversation]);
    hasher.anchor();
    hasher.part(&vec![conversation; blocks * BLOCK_BYTES]);
    Request { prefix: Some(hasher.finish()), ..any() }
}

/// Of parts of so many blocks.
fn fingerprint(parts: &[(u8, usize)]) -> Fingerprint {
    let mut hasher = Hasher::default();
    parts.iter().for_each(|(part, blocks)| hasher.part(&vec![*part; blocks * BLOCK_BYTES]));
    hasher.finish()
}

/// Peers of one place each, where a request stays a second, and a block takes 100 ms to read.
fn pool(settings: Settings, peers: &[&str]) -> Pool {
    let mut pool = Pool::new(settings, &peers.iter().map(|name| (*name, slots(1))).collect::<Vec<_>>());
    for conversation in 200..200 + 4 * u8::try_from(peers.len()).unwrap() {
        answer(&mut pool, prompt(conversation, 10), SECOND);
    }
    pool
}

/// One request that is answered after so long. Where it was.
fn answer(pool: &mut Pool, request: Request, stay: Duration) -> &'static str {
    let mut assignment = pool.go(request);
    let peer = name(assignment.peer());
    pool.pass(stay);
    let took = Some(SECOND);
    pool.balancer.learn(&mut assignment, Reuse { cached_tokens: 0, prompt_tokens: 100, took });
    pool.end(assignment, Outcome::Served);
    peer
}

/// Who has a place, and why, once that one is given back.
fn woken(pool: &mut Pool, place: Assignment) -> Vec<(Ticket, Assignment)> {
    pool.end(place, Outcome::Served);
    pool.next()
}

fn shown(woken: &[(Ticket, Assignment)]) -> Vec<String> {
    woken.iter().map(|(_, assignment)| format!("{}: {}", name(assignment.peer()), assignment.why())).collect()
}

#[test]
fn who_can_be_answered_the_soonest_goes_first() {
    let mut pool = pool(Settings::default(), &["a"]);
    answer(&mut pool, prompt(1, 50), SECOND);
    let held = pool.go(any());
    let cold = pool.wait(prompt(2, 50));
    let known = pool.wait(prompt(1, 50));
    let woken = woken(&mut pool, held);
    assert_eq!((woken[0].0, shown(&woken)), (known, vec!["a: prefix 50 blocks".to_owned()]));
    assert_eq!(pool.balancer.position(cold), Some(0));
}

#[test]
fn a_request_that_waits_long_goes_before_a_known_one() {
    let mut pool = pool(Settings::default(), &["a"]);
    answer(&mut pool, prompt(1, 50), SECOND);
    let held = pool.go(any());
    let cold = pool.wait(prompt(2, 50));
    // Each second counts for 300 ms of the five seconds that its prompt takes to read.
    pool.pass(17 * SECOND);
    let known = pool.wait(prompt(1, 50));
    assert_eq!(woken(&mut pool, held)[0].0, cold);
    assert_eq!(pool.balancer.position(known), Some(0));
}

#[test]
fn nobody_is_overtaken_more_often_than_allowed() {
    for (overtaken_max, expected) in [(0, 0), (1, 1), (3, 3), (100, 9)] {
        let mut pool = pool(Settings { overtaken_max, ..Settings::default() }, &["a"]);
        answer(&mut pool, prompt(1, 50), SECOND);
        let mut held = pool.go(any());
        let cold = pool.wait(prompt(2, 50));
        let known: Vec<_> = (0..9).map(|_| pool.wait(prompt(1, 50))).collect();
        let mut before = 0;
        loop {
            let mut woken = woken(&mut pool, held);
            let (ticket, assignment) = woken.remove(0);
            if ticket == cold {
                break;
            }
            assert_eq!(ticket, known[before], "those that are alike keep their order");
            (before, held) = (before + 1, assignment);
        }
        assert_eq!(before, expected, "at most {overtaken_max}");
    }
}

#[test]
fn an_urgent_request_is_overtaken_by_urgent_ones_only() {
    let mut pool = pool(Settings::default(), &["a"]);
    answer(&mut pool, prompt(1, 50), SECOND);
    let held = pool.go(any());
    let urgent = |request: Request| Request { priority: 0, ..request };
    let later = |request: Request| Request { priority: 1, ..request };
    let known = pool.wait(later(prompt(1, 50)));
    let cold = pool.wait(urgent(prompt(2, 50)));
    let mut next = woken(&mut pool, held);
    assert_eq!(next[0].0, cold);
    let held = next.remove(0).1;
    assert_eq!(woken(&mut pool, held)[0].0, known);
}

#[test]
fn who_came_back_is_not_overtaken() {
    let mut pool = pool(Settings::default(), &["a", "b"]);
    let home = answer(&mut pool, prompt(1, 50), SECOND);
    let other = if home == "a" { "b" } else { "a" };
    let mut held: Vec<_> = [any(), any()].map(|request| pool.go(request)).into();
    let back = pool.wait(Request { tried: vec![id(other)], ..prompt(2, 50) });
    let _known = pool.wait(prompt(1, 50));
    let at = held.iter().position(|held| name(held.peer()) == home).unwrap();
    assert_eq!(woken(&mut pool, held.remove(at))[0].0, back);
}

/// A pool whose peer with the known conversation is full while the other has room.
fn known_but_full(settings: Settings) -> (Pool, Assignment, &'static str) {
    let mut pool = pool(settings, &["a", "b"]);
    let home = answer(&mut pool, prompt(1, 80), SECOND);
    let held = pool.go(prompt(1, 80));
    assert_eq!(name(held.peer()), home);
    (pool, held, home)
}

#[test]
fn a_full_peer_that_knows_the_prompt_is_waited_for() {
    let (mut pool, held, home) = known_but_full(Settings::default());
    let waits = pool.wait(prompt(1, 80));
    assert!(pool.next().is_empty());
    pool.pass(Duration::from_millis(1_240));
    let woken = woken(&mut pool, held);
    assert_eq!(woken[0].0, waits);
    assert_eq!(shown(&woken), [format!("{home}: waited 1.2 s for its prefix")]);
}

#[test]
fn patience_ends_when_reading_elsewhere_would_have_been_as_quick() {
    for (patience, expected) in [(10 * SECOND, 6..8), (2 * SECOND, 2..3)] {
        let (mut pool, _held, home) = known_but_full(Settings { patience, ..Settings::default() });
        let waits = pool.wait(prompt(1, 80));
        let began = pool.now;
        let until = pool.balancer.wake_at(began).unwrap();
        assert!(expected.contains(&(until - began).as_secs()), "{:?}", until - began);
        pool.pass(until - began - Duration::from_millis(1));
        assert!(pool.next().is_empty());
        pool.pass(Duration::from_millis(1));
        let woken = pool.next();
        assert_eq!(woken[0].0, waits);
        assert_ne!(name(woken[0].1.peer()), home);
    }
}

#[test]
fn without_patience_the_first_free_place_is_taken() {
    let (mut pool, _held, home) = known_but_full(Settings { patience: Duration::ZERO, ..Settings::default() });
    let assignment = pool.go(prompt(1, 80));
    assert_ne!(name(assignment.peer()), home);
}

#[test]
fn a_place_is_not_waited_for_when_nobody_may_wait() {
    let (mut pool, _held, home) = known_but_full(Settings { queue_max: 0, ..Settings::default() });
    let assignment = pool.go(prompt(1, 80));
    assert_ne!(name(assignment.peer()), home);
}

#[test]
fn a_short_prompt_waits_for_nobody() {
    let mut pool = pool(Settings::default(), &["a", "b"]);
    let home = answer(&mut pool, prompt(1, 3), SECOND);
    let held = pool.go(prompt(1, 3));
    let second = pool.go(prompt(1, 3));
    assert_eq!((name(held.peer()) == home, name(second.peer()) == home), (true, false));
}

#[test]
fn prompts_that_are_read_in_no_time_go_by_load() {
    let mut pool = Pool::new(Settings::default(), &four(slots(4)));
    let mut shown: Vec<_> = (0..8).map(|_| pool.shown(prompt(1, 0))).collect();
    shown.sort_unstable();
    let expected = NAMES.map(|name| [0, 1].map(|load| format!("{name}: least-busy {load}/4")));
    assert_eq!(shown, expected.concat());
}

#[test]
fn one_that_waits_for_its_peer_lets_others_have_the_place() {
    let (mut pool, held, home) = known_but_full(Settings::default());
    let waits = pool.wait(prompt(1, 80));
    let other = pool.go(prompt(3, 2));
    assert_ne!(name(other.peer()), home);
    assert_eq!(woken(&mut pool, held)[0].0, waits);
}

#[test]
fn a_session_is_waited_for_at_its_home() {
    let mut pool = pool(Settings::default(), &["a", "b"]);
    let session = |request: Request| Request { session: Some(7), ..request };
    let home = answer(&mut pool, session(prompt(1, 80)), SECOND);
    let held = pool.go(session(prompt(2, 80)));
    assert_eq!((name(held.peer()), held.why()), (home, Why::Session));
    // Its client says that it belongs there, whatever it begins with.
    let waits = pool.wait(session(prompt(3, 80)));
    let woken = woken(&mut pool, held);
    assert_eq!((woken[0].0, shown(&woken)), (waits, vec![format!("{home}: session")]));
}

#[test]
fn the_faster_peer_reads_what_nobody_knows() {
    let mut pool = Pool::new(Settings::default(), &[("a", slots(4)), ("b", slots(4))]);
    for conversation in 0..40 {
        let mut assignment = pool.go(prompt(conversation, 40));
        let slow = if name(assignment.peer()) == "a" { 4 } else { 1 };
        pool.pass(slow * SECOND);
        let took = Some(slow * SECOND);
        pool.balancer.learn(&mut assignment, Reuse { cached_tokens: 0, prompt_tokens: 100, took });
        pool.end(assignment, Outcome::Served);
    }
    let chosen: Vec<_> = (100..110).map(|conversation| pool.run(prompt(conversation, 200), Outcome::Served)).collect();
    assert_eq!(chosen, ["b"; 10]);
}

#[test]
fn the_more_wait_for_a_peer_the_sooner_one_goes_elsewhere() {
    let (mut pool, _held, home) = known_but_full(Settings::default());
    let waits = (0..20).take_while(|_| matches!(pool.claim(prompt(1, 80)), Decision::Wait(_))).count();
    // Each lengthens the wait by 750 ms. Reading elsewhere takes eight seconds, so the sixth would not have its place
    // before its patience ends.
    assert!((4..=6).contains(&waits), "{waits} wait for {home}");
}

#[test]
fn a_long_prompt_that_is_being_read_sends_others_elsewhere() {
    let mut pool = Pool::new(Settings::default(), &[("a", slots(4)), ("b", slots(4))]);
    let home = answer(&mut pool, prompt(1, 80), SECOND);
    assert_eq!(answer(&mut pool, prompt(1, 80), SECOND), home);
    pool.balancer.settle_session(7, id(home));
    let mut long = pool.go(Request { session: Some(7), ..prompt(2, 900) });
    let other = pool.go(prompt(1, 80));
    assert_eq!((name(long.peer()), name(other.peer()) == home), (home, false));
    // Once it is read there is nothing to wait for.
    pool.balancer.first_token(&mut long, Sight::Word, pool.now);
    assert_eq!(name(pool.go(prompt(1, 80)).peer()), home);
}

#[test]
fn a_prompt_that_is_being_read_delays_the_next() {
    let mut pool = Pool::new(Settings::default(), &[("a", slots(4)), ("b", slots(4))]);
    let first = pool.go(prompt(1, 500));
    let second = pool.go(prompt(2, 500));
    assert_ne!(first.peer(), second.peer());
}

#[test]
fn a_busy_peer_without_slots_keeps_its_conversations_until_it_has_far_more_than_the_other() {
    for (there, elsewhere, stays) in [(50, 50, true), (58, 42, true), (95, 5, false)] {
        let mut pool = Pool::new(Settings::default(), &[("a", Spec::default()), ("b", Spec::default())]);
        let home = answer(&mut pool, prompt(1, 40), 20 * SECOND);
        for name in ["a", "b"] {
            let load = if name == home { there } else { elsewhere };
            pool.asked(name, Report { work: Work::Told(load), ..Report::default() });
        }
        let chosen = name(pool.go(prompt(1, 40)).peer());
        assert_eq!(chosen == home, stays, "{there} there, {elsewhere} elsewhere");
    }
}

/// What many answers tell of prompts that are at home and were never sent from here.
fn homes_know(pool: &mut Pool, cached_tokens: u64) {
    for conversation in 0..100 {
        let mut assignment = pool.go(prompt(conversation, 10));
        pool.pass(SECOND);
        pool.balancer.learn(&mut assignment, Reuse { cached_tokens, prompt_tokens: 100, took: Some(SECOND) });
        pool.end(assignment, Outcome::Served);
    }
}

#[test]
fn replicas_share_homes_only_where_answers_show_it() {
    let mut homes = Vec::new();
    for (cached_tokens, goes_home) in [(100, true), (0, false)] {
        let mut pool = Pool::new(Settings::default(), &four(slots(4)));
        homes_know(&mut pool, cached_tokens);
        // Half of it is known where it is not at home.
        let candidates: Vec<_> =
            pool.balancer.roster.seats(Want::Any).map(|(peer, seat)| Candidate::new(peer, seat)).collect();
        let home = |request: &Request| {
            name(policy::favourite(request.prefix.as_ref().unwrap().anchor(), &candidates).unwrap().id)
        };
        let at_home = (100..200).filter(|conversation| {
            let short = prompt(*conversation, 40);
            let away = NAMES.into_iter().find(|name| *name != home(&short)).unwrap();
            pool.balancer.affinity.note(short.prefix.as_ref().unwrap(), seat(away), SentTo::Elsewhere);
            let assignment = pool.go(prompt(*conversation, 80));
            let is_home = name(assignment.peer()) == home(&short);
            pool.end(assignment, Outcome::Unjudged);
            is_home
        });
        homes.push((at_home.count() > 50, goes_home));
    }
    assert!(homes.iter().all(|(found, expected)| found == expected), "{homes:?}");
}

#[test]
fn where_no_answer_tells_what_was_cached_replicas_are_not_believed_in() {
    for is_told in [true, false] {
        let mut pool = Pool::new(Settings::default(), &four(slots(4)));
        if is_told {
            homes_know(&mut pool, 100);
        }
        for conversation in 100..200 {
            pool.run(prompt(conversation, 10), Outcome::Served);
        }
        assert_eq!(pool.balancer.affinity.shared() > 500, is_told, "{}", pool.balancer.affinity.shared());
    }
}

#[test]
fn a_prompt_is_known_where_it_was_sent_however_many_know_its_beginning() {
    let mut pool = Pool::new(Settings::default(), &four(slots(4)));
    let (mine, other) = (fingerprint(&[(1, 60), (2, 20)]), fingerprint(&[(1, 60), (3, 20)]));
    let affinity = &mut pool.balancer.affinity;
    affinity.note(&mine, seat("a"), SentTo::Elsewhere);
    for peer in 0..20 {
        affinity.note(&other, seat(&peer.to_string()), SentTo::Elsewhere);
    }
    assert_eq!((affinity.known(&mine, seat("a")), affinity.known(&other, seat("a"))), (80, 60));
}

#[test]
fn one_that_has_waited_for_half_of_its_time_is_not_overtaken() {
    let settings = Settings { wait_max: 60 * SECOND, ..Settings::default() };
    let mut pool = pool(settings, &["a"]);
    answer(&mut pool, prompt(1, 50), SECOND);
    let held = pool.go(any());
    // A hundred seconds of reading are worth more than it may wait.
    let long = pool.wait(prompt(2, 1_000));
    pool.pass(29 * SECOND);
    let mut next = woken_after(&mut pool, held, prompt(1, 50));
    assert_ne!(next[0].0, long);
    pool.pass(2 * SECOND);
    let held = next.remove(0).1;
    assert_eq!(woken_after(&mut pool, held, prompt(1, 50))[0].0, long);
}

/// Who goes next when another has come and that place is given back.
fn woken_after(pool: &mut Pool, held: Assignment, request: Request) -> Vec<(Ticket, Assignment)> {
    pool.wait(request);
    woken(pool, held)
}

#[test]
fn nobody_declines_a_place_for_one_that_is_expected_too_late() {
    let mut pool = Pool::new(Settings::default(), &four(slots(4)));
    let first = pool.go(prompt(1, 900));
    let home = name(first.peer());
    pool.pass(10 * SECOND);
    pool.end(first, Outcome::Served);
    pool.asked(home, Report { work: Work::Told(4), ..Report::default() });
    let decisions: Vec<_> = (0..12).map(|_| pool.claim(prompt(1, 900))).collect();
    let held = decisions.iter().filter(|decision| matches!(decision, Decision::Wait(_))).count();
    assert!((1..=6).contains(&held), "{held} of 12 wait although three have room");
}

#[test]
fn a_request_that_would_wait_for_a_better_place_is_looked_at_again_in_time() {
    let mut pool = pool(Settings::default(), &["a", "b"]);
    let home = answer(&mut pool, prompt(1, 80), SECOND);
    let _held = pool.go(prompt(1, 80));
    let other = pool.go(any());
    assert_ne!(name(other.peer()), home);
    pool.end(other, Outcome::Busy { retry_after: Some(SECOND) });
    pool.wait(prompt(1, 80));
    assert!(pool.next().is_empty());
    // The other has room again, and nobody has called `next` yet.
    pool.pass(2 * SECOND);
    assert_eq!(pool.balancer.wake_at(pool.now), Some(pool.now));
    assert!(pool.next().is_empty());
    assert!(pool.balancer.wake_at(pool.now).unwrap() <= pool.now + 10 * SECOND);
}

#[test]
fn behind_many_that_wait_for_a_certain_peer_a_place_is_still_found() {
    let settings = Settings { patience: 1_000 * SECOND, ..Settings::default() };
    let mut pool = Pool::new(settings, &[("a", slots(1)), ("b", slots(400))]);
    pool.balancer.settle_session(7, id("a"));
    let session = |request: Request| Request { session: Some(7), ..request };
    let mut held = pool.go(session(prompt(1, 900)));
    assert_eq!(name(held.peer()), "a");
    pool.balancer.first_token(&mut held, Sight::Word, pool.now);
    answer(&mut pool, prompt(2, 2), SECOND);
    let waiting: Vec<_> = (0..300).map(|_| pool.claim(session(prompt(1, 900)))).collect();
    assert!(waiting.iter().filter(|decision| matches!(decision, Decision::Wait(_))).count() == 300);
    assert_eq!(name(pool.go(prompt(3, 2)).peer()), "b");
}

#[test]
fn what_is_not_known_to_be_short_overtakes_nobody() {
    let mut pool = pool(Settings::default(), &["a"]);
    let held = pool.go(any());
    let chat = pool.wait(prompt(1, 50));
    let _unknown = pool.wait(any());
    assert_eq!(woken(&mut pool, held)[0].0, chat);
}

#[test]
fn servers_that_tell_nothing_are_measured_by_what_was_sent_there() {
    let mut pool = Pool::new(Settings::default(), &[("a", slots(4)), ("b", slots(4))]);
    for conversation in 0..200 {
        let mut assignment = pool.go(prompt(conversation, 80));
        pool.pass(8 * SECOND);
        pool.balancer.first_token(&mut assignment, Sight::Word, pool.now);
        pool.pass(SECOND);
        pool.end(assignment, Outcome::Served);
    }
    let blocks: Vec<_> = pool.balancer.roster.seats(Want::Any).filter_map(|(_, seat)| seat.pace.seen().0).collect();
    assert_eq!(blocks, [Duration::from_millis(100); 2]);
    assert!((200..208).all(|conversation| matches!(pool.claim(prompt(conversation, 80)), Decision::Go(_))));
}
