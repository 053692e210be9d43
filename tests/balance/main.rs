//! The policies compared on simulated agents: the table in `docs/PERFORMANCE.md`, and what it promises.
//! `UPDATE_GOLDEN=1 cargo test --test balance` writes the table.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, reason = "the whole target is a test")]

mod boxes;
mod simulation;
mod traffic;

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use toolgate::balance::Policy;

use boxes::Make;
use simulation::{Figures, Scene, simulate};

const GPU: Make = Make { slots: 4, reads: 2_000, writes: 20_000, remembers: 200_000 };
const POLICIES: [(&str, Policy); 4] = [
    ("`round-robin`", Policy::RoundRobin),
    ("`random-two`", Policy::RandomTwo),
    ("`slots`", Policy::Slots),
    ("`prefix`", Policy::Prefix),
];

fn scenes() -> Vec<Scene> {
    let slow = Make { slots: 2, reads: 700, writes: 40_000, ..GPU };
    let forgetful = Make { remembers: 50_000, ..GPU };
    let scene = |name, boxes, agents, replicas| Scene { name, boxes, agents, replicas };
    vec![
        scene("4 boxes, 12 agents", vec![GPU; 4], 12, 1),
        scene("4 boxes, 24 agents", vec![GPU; 4], 24, 1),
        scene("4 boxes that are too few, 60 agents", vec![GPU; 4], 60, 1),
        scene("4 boxes that forget soon, 12 agents", vec![forgetful; 4], 12, 1),
        scene("2 fast boxes and 3 slow ones, 12 agents", vec![GPU, GPU, slow, slow, slow], 12, 1),
        scene("12 boxes, 48 agents, 3 replicas", vec![GPU; 12], 48, 3),
    ]
}

/// The table stands between these in the document.
const BEGIN: &str = "<!-- tests/balance writes this table -->\n";
const END: &str = "<!-- to here -->\n";

#[test]
fn prefix_finds_more_in_the_cache_and_the_document_says_how_much() {
    let mut table = String::from(
        "| traffic | policy | prompt tokens from cache | first token, median | 99 % | queued, 99 % | busiest over mean |\n\
         |--|--|--|--|--|--|--|\n",
    );
    for scene in scenes() {
        let figures = POLICIES.map(|(name, policy)| (name, simulate(&scene, policy)));
        holds(&scene, &figures);
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
}

/// What the policy promises, whatever the exact figures are.
fn holds(scene: &Scene, figures: &[(&str, Figures)]) {
    let of = |name: &str| figures.iter().find(|(policy, _)| *policy == name).unwrap().1;
    let (turns, prefix) = (of("`round-robin`"), of("`prefix`"));
    // Where every place is always taken there is nothing to choose.
    let more = if prefix.queue_p99 > 10. { 0. } else { 20. };
    assert!(prefix.cached_percent >= turns.cached_percent + more, "{}: {turns} against {prefix}", scene.name);
    let ([_, turns_p99], [_, prefix_p99]) = (turns.first_token, prefix.first_token);
    assert!(prefix_p99 <= turns_p99 * 1.1, "{}: {turns} against {prefix}", scene.name);
}
