//! Boxes of many models, in a simulation: what is gained by knowing what is loaded where. The table in
//! `docs/PERFORMANCE.md`, and what it promises.
//! `UPDATE_GOLDEN=1 cargo test --test models` writes the table.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, reason = "the whole target is a test")]

mod boxes;
mod simulation;
mod traffic;

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use boxes::Make;
use simulation::{Figures, Scene, Scheduler, Twist, simulate};
use traffic::{Deal, Pattern, SECOND};

const ONE: Make = Make { places: 1, slots: 4, load: 20 * SECOND, broken: None };
const TWO: Make = Make { places: 2, ..ONE };
const SEEDS: u64 = 3;

/// The most that a scene may come to: loads, and until the first token the mean, 99 of a hundred and the worst; and
/// when the last answer has ended. All but the first in seconds.
struct Aim {
    loads: f64,
    mean: f64,
    p99: f64,
    worst: f64,
    took: f64,
}

const NO_AIM: Aim =
    Aim { loads: f64::INFINITY, mean: f64::INFINITY, p99: f64::INFINITY, worst: f64::INFINITY, took: f64::INFINITY };

fn base() -> Scene {
    Scene {
        name: "4 boxes, 6 models, 0.5 requests a second",
        boxes: 4,
        make: ONE,
        models: 6,
        pattern: Pattern::Single { every: 2 * SECOND },
        replicas: 1,
        twist: Twist::None,
    }
}

fn crowded() -> Scene {
    let pattern = Pattern::Single { every: SECOND * 10 / 7 };
    Scene { name: "4 boxes of two places, 12 models, 0.7 a second", make: TWO, models: 12, pattern, ..base() }
}

fn scenes() -> Vec<(Scene, Aim)> {
    let aim = |loads, mean, p99| Aim { loads, mean, p99, ..NO_AIM };
    let conversations = |count, models| Pattern::Conversations { count, models };
    let roomy = Scene { name: "4 boxes of two places, 6 models, 1 a second", make: TWO, ..base() };
    let small = Scene { name: "2 boxes, 3 models, 0.3 a second", boxes: 2, models: 3, ..base() };
    let slow = Scene { name: "4 boxes, 6 models, 0.4 a second, loads of 90 s", ..base() };
    let long = Make { load: 90 * SECOND, ..ONE };
    let talks =
        Scene { name: "4 boxes, 6 models, 12 conversations", pattern: conversations(12, Deal::Drawn), ..base() };
    let pair = Scene { name: "1 box, 2 models, 2 conversations of each", boxes: 1, models: 2, ..base() };
    let fashion = Scene { name: "the first, and a model gives way to a new one", models: 7, ..base() };
    let broken = Make { broken: Some(2), ..ONE };
    vec![
        (base(), Aim { worst: 69., ..aim(280., 12., 50.) }),
        (Scene { pattern: Pattern::Single { every: SECOND }, ..roomy }, aim(10., 0.8, 16.)),
        (crowded(), aim(440., 7.6, 37.)),
        (Scene { pattern: Pattern::Single { every: SECOND * 10 / 3 }, ..small }, aim(134., 14.7, 60.)),
        (Scene { pattern: Pattern::Single { every: SECOND * 5 / 2 }, make: long, ..slow }, aim(88., 75., 235.)),
        (talks, Aim { took: 640., ..aim(40., 7., 50.) }),
        (Scene { pattern: conversations(4, Deal::InTurn), ..pair }, Aim { took: 1_240., ..aim(25., 26., 110.) }),
        (Scene { pattern: Pattern::Fashion { every: 2 * SECOND }, ..fashion }, aim(280., 12., 50.)),
        (Scene { twist: Twist::Falls, name: "the first, and a box falls in a load", ..base() }, aim(280., 12., 55.)),
        (Scene { make: broken, name: "the first, and a model does not load", ..base() }, aim(280., 12., 50.)),
        (Scene { replicas: 2, name: "the first, two replicas", ..base() }, NO_AIM),
        (Scene { replicas: 2, name: "the third, two replicas", ..crowded() }, NO_AIM),
    ]
}

/// The table stands between these in the document.
const BEGIN: &str = "<!-- tests/models writes this table -->\n";
const END: &str = "<!-- to here, that of the models -->\n";

fn mean(scene: &Scene, scheduler: Scheduler) -> Figures {
    let runs: Vec<_> = (0..SEEDS).map(|seed| simulate(scene, scheduler, seed)).collect();
    Figures::mean(&runs)
}

#[test]
fn going_where_a_model_is_loaded_or_awaited_saves_loads_and_the_document_says_how_many() {
    let mut table = String::from(
        "| boxes and requests | who loads | loads | first token, mean | 99 % | worst | all done | not loaded |\n\
         |--|--|--|--|--|--|--|--|\n",
    );
    let mut all = Vec::new();
    for (scene, aim) in scenes() {
        // Without a queue of the balancer's a box that falls or a model that does not load has no remedy to compare.
        let is_plain = scene.twist == Twist::None && scene.make.broken.is_none() && scene.replicas == 1;
        if is_plain {
            writeln!(table, "| {} | the boxes | {} |", scene.name, mean(&scene, Scheduler::Boxes)).unwrap();
        }
        let figures = mean(&scene, Scheduler::Balancer);
        writeln!(table, "| {} | toolgate | {figures} |", if is_plain { "" } else { scene.name }).unwrap();
        all.push((scene, aim, figures));
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
    for (scene, aim, figures) in &all {
        let Figures { loads, mean, p99, worst, took, .. } = *figures;
        let reached = loads.round() <= aim.loads && mean <= aim.mean && p99 <= aim.p99;
        assert!(reached && worst <= aim.worst && took <= aim.took, "{}: {figures}", scene.name);
    }
    replicas_wait_little_longer(&all);
}

/// With two replicas nobody waits for more than three loads longer than with one.
fn replicas_wait_little_longer(all: &[(Scene, Aim, Figures)]) {
    for (two, _, of_two) in all.iter().filter(|(scene, ..)| scene.replicas == 2) {
        let is_same = |(one, ..): &&(Scene, Aim, Figures)| one.replicas == 1 && one.models == two.models;
        let (_, _, of_one) = all.iter().find(is_same).unwrap();
        let load = two.make.load as f64 / SECOND as f64;
        assert!(of_two.worst <= of_one.worst + 3. * load, "{}: {of_two} against {of_one}", two.name);
    }
}
