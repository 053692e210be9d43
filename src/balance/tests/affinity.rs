//! Where conversations and sessions go.

use super::prefix::{BLOCK_BYTES, Hasher};
use super::*;

/// A prompt of so many blocks: a system prompt, then what tells the conversation from others.
fn prompt(system: (u8, usize), conversation: (u8, usize)) -> Request {
    let mut hasher = Hasher::default();
    hasher.part(&vec![system.0; system.1 * BLOCK_BYTES]);
    hasher.part(&vec![conversation.0; conversation.1 * BLOCK_BYTES]);
    hasher.anchor();
    Request { prefix: Some(hasher.finish()), ..any() }
}

/// The same conversation, grown.
fn grown(system: (u8, usize), conversation: (u8, usize), more: usize) -> Request {
    let mut hasher = Hasher::default();
    hasher.part(&vec![system.0; system.1 * BLOCK_BYTES]);
    hasher.part(&vec![conversation.0; conversation.1 * BLOCK_BYTES]);
    hasher.anchor();
    hasher.part(&vec![b'm'; more * BLOCK_BYTES]);
    Request { prefix: Some(hasher.finish()), ..any() }
}

fn session(name: &str) -> Request {
    Request { session: Some(prefix::key(name.as_bytes())), ..any() }
}

#[test]
fn a_conversation_stays_where_it_began() {
    let mut pool = Pool::policy(Policy::Prefix, &four(slots(4)));
    for conversation in 0..20 {
        let first = pool.run(prompt((b's', 2), (conversation, 3)), Outcome::Served);
        for more in 1..10 {
            let next = pool.go(grown((b's', 2), (conversation, 3), more));
            assert_eq!(name(next.peer()), first);
            let known = 5 + more - 1;
            assert_eq!(next.why(), Why::Prefix { blocks: known });
            pool.end(next, Outcome::Served);
        }
    }
}

#[test]
fn a_full_peer_is_not_waited_for_when_reading_elsewhere_is_quicker() {
    let mut pool = Pool::policy(Policy::Prefix, &four(slots(1)));
    let first = pool.go(prompt((b's', 2), (0, 3)));
    let home = name(first.peer());
    let second = pool.go(prompt((b's', 2), (0, 3)));
    assert_ne!(name(second.peer()), home);
    assert_eq!(second.why(), Why::Soonest);
    pool.end(first, Outcome::Served);
    pool.end(second, Outcome::Served);
    let third = pool.go(prompt((b's', 2), (0, 3)));
    assert_eq!(third.why(), Why::Prefix { blocks: 5 });
}

#[test]
fn a_peer_without_slots_is_left_when_it_is_hot() {
    let mut pool = Pool::policy(Policy::Prefix, &four(Spec::default()));
    let mut loads = [0; 4];
    for _ in 0..100 {
        let peer = name(pool.go(prompt((b's', 2), (0, 3))).peer());
        loads["abcd".find(peer).unwrap()] += 1;
    }
    // Its home has at most twice its share.
    assert!(loads.iter().all(|load| *load <= 100 * 200 / 400), "{loads:?}");
}

#[test]
fn a_short_common_beginning_does_not_gather_everybody() {
    let mut pool = Pool::policy(Policy::Prefix, &four(slots(100)));
    for conversation in 0..100 {
        let _kept = pool.go(prompt((b's', 1), (conversation, 3)));
    }
    let loads: Vec<u32> = pool.balancer.statuses(pool.now).map(|peer| peer.inflight).collect();
    assert!(loads.iter().all(|load| *load <= 32), "{loads:?}");
}

#[test]
fn replicas_agree_without_a_word() {
    let mut one = Pool::policy(Policy::Prefix, &four(slots(4)));
    let mut other = Pool::policy(Policy::Prefix, &four(slots(4)));
    other.balancer.set_peers(four(slots(4)).iter().rev().map(|(name, spec)| (id(name), *spec)));
    for conversation in 0..50 {
        let home = one.run(prompt((conversation, 1), (conversation, 2)), Outcome::Served);
        // The other has not seen how it began.
        assert_eq!(other.run(grown((conversation, 1), (conversation, 2), 4), Outcome::Served), home);
        let named = conversation.to_string();
        assert_eq!(one.run(session(&named), Outcome::Served), other.run(session(&named), Outcome::Served));
    }
}

#[test]
fn when_a_peer_goes_only_its_own_conversations_move() {
    let home = |peers: &[(&str, Spec)], conversation| {
        Pool::policy(Policy::Prefix, peers).run(prompt((conversation, 1), (0, 1)), Outcome::Served)
    };
    let mut moved = 0;
    for conversation in 0..100 {
        let (before, after) = (home(&four(slots(4)), conversation), home(&four(slots(4))[..3], conversation));
        assert!(before == "d" || before == after);
        moved += u32::from(before == "d");
    }
    assert!((15..=35).contains(&moved), "{moved} of 100 lived on one of four");
}

#[test]
fn homes_go_by_size() {
    let mut pool = Pool::policy(Policy::Prefix, &[("a", slots(12)), ("b", slots(4))]);
    let homes: String =
        (0..200).map(|conversation| pool.run(prompt((conversation, 1), (0, 1)), Outcome::Served)).collect();
    let share = homes.matches('a').count();
    assert!((130..=170).contains(&share), "{share} of 200 on three quarters");
}

#[test]
fn a_session_outranks_the_prefix() {
    let mut pool = Pool::policy(Policy::Prefix, &four(slots(4)));
    let knows = pool.run(prompt((b's', 2), (0, 3)), Outcome::Served);
    let named = (0..).map(|n| n.to_string()).find(|n| pool.run(session(n), Outcome::Served) != knows).unwrap();
    let both = Request { session: session(&named).session, ..prompt((b's', 2), (0, 3)) };
    let assignment = pool.go(both);
    assert_ne!(name(assignment.peer()), knows);
    assert_eq!(assignment.why(), Why::Session);
    assert_eq!(pool.balancer.session(prefix::key(named.as_bytes())), Some(assignment.peer()));
    assert_eq!(pool.balancer.session(prefix::key(b"nobody")), None);
}

#[test]
fn a_session_moves_when_its_peer_is_full_and_stays_there() {
    let mut pool = Pool::policy(Policy::Slots, &four(slots(1)));
    let first = pool.go(session("s"));
    let second = pool.go(session("s"));
    assert_ne!(first.peer(), second.peer());
    let moved = name(second.peer());
    pool.end(first, Outcome::Served);
    pool.end(second, Outcome::Served);
    assert_eq!(pool.run(session("s"), Outcome::Served), moved);
}

#[test]
fn a_cache_that_is_gone_is_not_believed_in() {
    for case in ["it loads", "it slept", "it could not be reached", "it was away"] {
        let mut pool = Pool::policy(Policy::Prefix, &four(slots(4)));
        let peer = pool.run(prompt((b's', 2), (0, 3)), Outcome::Served);
        match case {
            "it loads" => pool.says(peer, State::Loading),
            "it slept" => pool.says(peer, State::Sleeping),
            "it could not be reached" => {
                pool.run(prompt((b's', 2), (0, 3)), Outcome::Failed(Failure::Connect));
            }
            _ => pool.balancer.set_peers([]),
        }
        pool.balancer.set_peers(four(slots(4)).map(|(name, spec)| (id(name), spec)));
        pool.says(peer, State::Ready);
        let why = pool.go(prompt((b's', 2), (0, 3))).why();
        assert!(matches!(why, Why::Hash | Why::Trial), "{case}: {why}");
    }
}

/// One prompt at the only peer, and what its answer told of the cache.
fn answered(pool: &mut Pool, conversation: (u8, u8), cached_tokens: u64) -> Why {
    let mut assignment = pool.go(prompt((conversation.0, 4), (conversation.1, 4)));
    let why = assignment.why();
    pool.balancer.learn(&mut assignment, Reuse { cached_tokens, prompt_tokens: 100, took: None });
    pool.end(assignment, Outcome::Served);
    why
}

/// A peer and a spare one that nobody needs.
fn one_peer() -> Pool {
    let settings = Settings { policy: Policy::Prefix, blocks_max: 4096, ..Settings::default() };
    Pool::new(settings, &[("a", slots(4)), ("b", Spec { tier: 1, ..slots(4) })])
}

#[test]
fn answers_correct_how_long_a_cache_is_believed_in() {
    let mut pool = one_peer();
    let mut strangers = (1..=u8::MAX).flat_map(|a| (0..=u8::MAX).map(move |b| (a, b)));
    let mut after_twenty_strangers = |cached| {
        for stranger in strangers.by_ref().take(20) {
            pool.run(prompt((stranger.0, 4), (stranger.1, 4)), Outcome::Served);
        }
        answered(&mut pool, (0, 0), cached)
    };
    after_twenty_strangers(0);
    assert_eq!(after_twenty_strangers(100), Why::Prefix { blocks: 8 });
    for _ in 0..60 {
        after_twenty_strangers(0);
    }
    assert_eq!(after_twenty_strangers(0), Why::OnlyOneFree);
    // One answer that shows more is enough: it cannot be chance.
    assert_eq!(after_twenty_strangers(100), Why::OnlyOneFree);
    assert_eq!(after_twenty_strangers(100), Why::Prefix { blocks: 8 });
}

#[test]
fn what_was_not_cached_after_all_is_written_again() {
    let mut pool = one_peer();
    let mut whys = Vec::new();
    for _ in 0..80 {
        whys = (0..20).map(|conversation| answered(&mut pool, (conversation, conversation), 0)).collect();
    }
    assert_eq!(whys, [const { Why::OnlyOneFree }; 20]);
}
