//! The policies compared on simulated agents: the table in `docs/PERFORMANCE.md`, and what it promises.
//! `UPDATE_GOLDEN=1 cargo test --test balance` writes the table.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, reason = "the whole target is a test")]

mod boxes;
mod oracle;
mod simulation;
mod traffic;

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use toolgate::balance::Policy;

use boxes::Make;
use simulation::{Figures, Scene, Scheduler, Twist, simulate};

const GPU: Make = Make { slots: 4, reads: 2_000, writes: 20_000, remembers: 200_000, lies: false };
const SCHEDULERS: [(&str, Scheduler); 5] = [
    ("`round-robin`", Scheduler::Balancer(Policy::RoundRobin)),
    ("`random-two`", Scheduler::Balancer(Policy::RandomTwo)),
    ("`slots`", Scheduler::Balancer(Policy::Slots)),
    ("`prefix`", Scheduler::Balancer(Policy::Prefix)),
    ("*an oracle*", Scheduler::Oracle),
];

const BUSY: &str = "4 boxes, 24 agents";
const CROWDED: &str = "4 boxes that are too few, 60 agents";
const REPLICAS: &str = "12 boxes, 48 agents, 3 replicas";
/// Boxes that remember so many tokens for each agent remember what they were asked.
const REMEMBERED_MIN: u64 = 20_000;

fn scenes() -> Vec<Scene> {
    let slow = Make { slots: 2, reads: 700, writes: 40_000, ..GPU };
    let forgetful = Make { remembers: 50_000, ..GPU };
    let liar = Make { remembers: 0, lies: true, ..GPU };
    let scene = |name, boxes, agents, replicas| Scene { name, boxes, agents, replicas, twist: Twist::None };
    vec![
        scene("4 boxes, 12 agents", vec![GPU; 4], 12, 1),
        scene(BUSY, vec![GPU; 4], 24, 1),
        scene(CROWDED, vec![GPU; 4], 60, 1),
        scene("4 boxes that forget soon, 12 agents", vec![forgetful; 4], 12, 1),
        scene("2 fast boxes and 3 slow ones, 12 agents", vec![GPU, GPU, slow, slow, slow], 12, 1),
        scene(REPLICAS, vec![GPU; 12], 48, 3),
        Scene { twist: Twist::Bursts, ..scene("4 boxes, 24 agents in bursts", vec![GPU; 4], 24, 1) },
        scene("4 boxes of which one forgets and says that it does not, 12 agents", vec![GPU, liar, GPU, GPU], 12, 1),
        Scene {
            twist: Twist::Slower,
            ..scene("4 boxes, two of them half as fast from the middle on, 16 agents", vec![GPU; 4], 16, 1)
        },
    ]
}

/// The table stands between these in the document.
const BEGIN: &str = "<!-- tests/balance writes this table -->\n";
const END: &str = "<!-- to here -->\n";

#[test]
fn prefix_finds_more_in_the_cache_and_the_document_says_how_much() {
    let mut table = String::from(
        "| traffic | policy | prompt tokens from cache | of an endless one | first token, median | 99 % | queued, 99 % | all done | busiest over mean |\n\
         |--|--|--|--|--|--|--|--|--|\n",
    );
    let all = scenes().into_iter().map(|scene| {
        let figures = SCHEDULERS.map(|(name, scheduler)| (name, simulate(&scene, scheduler)));
        (scene, figures)
    });
    let all: Vec<_> = all.collect();
    for (scene, figures) in &all {
        for (at, (policy, figures)) in figures.iter().enumerate() {
            let name = if at == 0 { scene.name } else { "" };
            writeln!(table, "| {name} | {policy} | {figures} |").unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PERFORMANCE.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("the table's beginning");
    let (found, after) = rest.split_once(END).expect("the table's end");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(found, table, "the document has another table; UPDATE_GOLDEN=1 writes this one");
    }
    all.iter().for_each(|(scene, figures)| holds(scene, figures));
}

/// What the policy promises, whatever the exact figures are.
fn holds(scene: &Scene, figures: &[(&str, Figures)]) {
    let of = |name: &str| figures.iter().find(|(scheduler, _)| *scheduler == name).unwrap().1;
    let (slots, prefix) = (of("`slots`"), of("`prefix`"));
    let compared = format!("{}: {slots} against {prefix}", scene.name);
    assert!(prefix.cached_percent >= slots.cached_percent + 15., "{compared}");
    let ([slots_p50, slots_p99], [p50, p99]) = (slots.first_token, prefix.first_token);
    assert!(p50 < slots_p50 && p99 < slots_p99 && prefix.took < slots.took, "{compared}");
    let remembers = scene.boxes.iter().map(|of| of.remembers).sum::<u64>() / scene.agents;
    if remembers >= REMEMBERED_MIN && scene.boxes.iter().all(|of| !of.lies) {
        assert!(prefix.cached_percent >= 0.95 * prefix.ideal_percent, "{compared}");
    }
    match scene.name {
        CROWDED => {
            assert!(prefix.cached_percent >= 80. && p50 <= 17. && p99 <= 45. && prefix.took <= 1_900., "{compared}");
        }
        BUSY => assert!(p99 <= 7., "{compared}"),
        REPLICAS => assert!(prefix.cached_percent >= 86., "{compared}"),
        _ => {}
    }
}
