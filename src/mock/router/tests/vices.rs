//! Who gets a place, who loses it and who waits, by what the box does when every place is taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::entry::{Admission, State};
use super::super::table::{Effect, Table};
use crate::mock::model::Model;
use crate::mock::{ModelScript, Script};

/// A table with its requests, played step by step.
struct Play {
    table: Table,
    /// Requests that wait.
    wishes: Vec<(usize, u64)>,
    /// Requests that a model has.
    visits: Vec<(usize, Arc<Model>)>,
    /// Models that run or ran.
    models: Vec<(usize, Arc<Model>)>,
}

impl Play {
    fn new(keys: &str) -> Self {
        let yaml =
            format!("answers: [{{ text: x }}]\nmodels: {{ a: {{}}, b: {{}}, c: {{}}, x: {{ fails: true }} }}\n{keys}");
        let script = Script::from_yaml(&yaml).unwrap();
        let models: &BTreeMap<String, ModelScript> = script.models.as_ref().unwrap();
        Self { table: Table::new(&script, models), wishes: Vec::new(), visits: Vec::new(), models: Vec::new() }
    }

    /// Does one step, `VERB MODEL`, and returns what came of it.
    fn step(&mut self, step: &str) -> String {
        let (verb, name) = step.split_once(' ').unwrap();
        let at = self.table.find(name).unwrap();
        let mut told = Vec::new();
        match verb {
            "ask" => {
                let falls = self.table.join(at);
                self.wishes.push((at, falls));
            }
            "take" => {
                let admission = self.table.take(at);
                told.push(self.admitted(at, admission));
            }
            "leave" => {
                self.wishes.remove(self.wishes.iter().position(|(wish, _)| *wish == at).unwrap());
                self.table.leave(at);
            }
            "end" => {
                let visit = self.visits.iter().position(|(visit, _)| *visit == at).unwrap();
                let (_, model) = self.visits.remove(visit);
                self.table.answered(at, &model);
            }
            "ready" => {
                let (_, model) = self.models.iter().rfind(|(model, _)| *model == at).unwrap();
                self.table.load_ended(at, model);
            }
            "gone" => self.table.gone(at, 0),
            "load" => told.extend(self.table.load(at).err().map(|refusal| format!("{refusal:?}"))),
            "unload" => assert!(self.table.unload(at)),
            _ => panic!("what is {verb}?"),
        }
        // What one of them brings about, the others hear.
        for _ in 0..2 {
            for (at, falls) in std::mem::take(&mut self.wishes) {
                match self.table.ask(at, falls) {
                    Admission::Wait => self.wishes.push((at, falls)),
                    admission => {
                        told.push(self.admitted(at, admission));
                        self.table.leave(at);
                    }
                }
            }
        }
        let effects = self.table.take_effects();
        told.splice(0..0, effects.into_iter().filter_map(|effect| self.effect(effect)));
        told.join(", ")
    }

    fn admitted(&mut self, at: usize, admission: Admission) -> String {
        let word = match admission {
            Admission::Go(model) => {
                self.visits.push((at, model));
                "go"
            }
            Admission::Failed => "failed",
            Admission::Unreachable => "unreachable",
            Admission::NotLoaded => "not-loaded",
            Admission::Wait => "wait",
        };
        format!("{word} {}", self.table.name(at))
    }

    fn effect(&mut self, effect: Effect) -> Option<String> {
        let (word, at) = match effect {
            Effect::Mind(at, model) => {
                self.models.push((at, model));
                ("start", at)
            }
            Effect::End(at, _) => ("stop", at),
            Effect::TellState { at, state: State::Unloaded, .. } => ("unloaded", at),
            Effect::TellState { .. } | Effect::TellStart(_) => return None,
        };
        Some(format!("{word} {}", self.table.name(at)))
    }
}

fn check(keys: &str, steps: &[(&str, &str)]) {
    let mut play = Play::new(keys);
    for (number, (step, expected)) in steps.iter().enumerate() {
        assert_eq!(play.step(step), *expected, "{keys}: step {number}, {step}");
    }
}

#[test]
fn a_box_without_vice_spares_the_busy_and_loses_nobody() {
    check(
        "places: 1",
        &[
            ("ask a", "start a"),
            ("ask a", ""),
            ("take a", "unreachable a"),
            ("ready a", "go a, go a"),
            ("ask b", ""),
            ("ask c", ""),
            // Those of a loaded model go at once.
            ("ask a", "go a"),
            ("end a", ""),
            ("end a", ""),
            ("load c", "Full"),
            ("end a", "stop a"),
            ("load b", "Full"),
            // It waits until the model is gone, and is then loaded again in its turn.
            ("ask a", ""),
            ("gone a", "unloaded a, start b"),
            ("ready b", "go b"),
            ("end b", "stop b"),
            ("gone b", "unloaded b, start c"),
            // The load goes on, and makes room when it is over.
            ("leave c", ""),
            ("ready c", "stop c"),
            ("gone c", "unloaded c, start a"),
            ("ready a", "go a"),
        ],
    );
}

#[test]
fn an_idle_model_that_was_used_the_longest_ago_makes_room() {
    for vice in ["none", "stalls"] {
        check(
            &format!("places: 2\nvice: {vice}"),
            &[
                ("load a", "start a"),
                ("load a", "Running"),
                ("ask b", "start b"),
                ("ready a", ""),
                ("ready b", "go b"),
                ("end b", ""),
                ("ask a", "go a"),
                ("end a", ""),
                ("load c", "stop b"),
                ("gone b", "unloaded b, start c"),
                ("unload c", "unloaded c"),
                ("take c", "not-loaded c"),
            ],
        );
    }
}

#[test]
fn without_a_limit_nobody_makes_room() {
    check("places: 0", &[("ask a", "start a"), ("ask b", "start b"), ("ask c", "start c"), ("ready b", "go b")]);
}

#[test]
fn a_box_that_evicts_ends_the_model_that_was_started_first() {
    check(
        "places: 1\nvice: evicts",
        &[
            ("ask a", "start a"),
            ("ready a", "go a"),
            ("ask b", "stop a"),
            ("ask a", "unreachable a"),
            ("gone a", "unloaded a, start b"),
            // What loads is killed, and who waits for it hears so.
            ("ask c", "unloaded b, start c, failed b"),
            ("ask a", "unloaded c, start a, failed c"),
            ("ready a", "go a"),
            ("load b", "stop a"),
            ("gone a", "unloaded a, start b"),
        ],
    );
    check(
        "places: 2\nvice: evicts",
        &[
            ("ask a", "start a"),
            ("ask b", "start b"),
            ("ready a", "go a"),
            ("ready b", "go b"),
            // Neither use nor work spares it.
            ("ask a", "go a"),
            ("end a", ""),
            ("ask c", "stop a"),
        ],
    );
}

#[test]
fn a_box_that_stalls_looks_at_its_queue_only_as_an_answer_ends() {
    check(
        "places: 1\nvice: stalls",
        &[
            ("ask a", "start a"),
            ("ready a", "go a"),
            ("ask b", ""),
            ("ask c", ""),
            ("end a", "stop a"),
            ("ask a", "unreachable a"),
            ("gone a", "unloaded a, start b"),
            ("leave b", ""),
            // It is idle, and stays so while two models are waited for.
            ("ready b", ""),
            ("ask a", ""),
            ("ask b", "go b"),
            ("end b", "stop b"),
            ("gone b", "unloaded b, start c"),
            ("ready c", "go c"),
        ],
    );
    check(
        "places: 1\nvice: stalls",
        &[
            ("ask x", "start x"),
            ("ask a", ""),
            ("ready x", "unloaded x, failed x"),
            ("ask b", ""),
            // Its queue is empty when their clients have left.
            ("leave a", ""),
            ("leave b", ""),
            ("ask b", "start b"),
        ],
    );
}

#[test]
fn a_model_that_fails_has_taken_anothers_place() {
    for vice in ["none", "evicts", "stalls"] {
        check(
            &format!("places: 1\nvice: {vice}"),
            &[
                ("ask a", "start a"),
                ("ready a", "go a"),
                ("end a", ""),
                ("ask x", "stop a"),
                ("gone a", "unloaded a, start x"),
                ("ask x", ""),
                ("ready x", "unloaded x, failed x, failed x"),
                // The next one tries it again.
                ("ask x", "start x"),
            ],
        );
    }
}

#[test]
fn an_order_to_load_outlives_a_request_that_leaves() {
    check(
        "places: 1",
        &[
            ("load a", "start a"),
            ("ready a", ""),
            ("load b", "stop a"),
            ("ask b", ""),
            ("leave b", ""),
            ("gone a", "unloaded a, start b"),
        ],
    );
}

#[test]
fn an_answer_that_outlives_its_process_keeps_nobody_busy() {
    check(
        "places: 1",
        &[
            ("ask a", "start a"),
            ("ready a", "go a"),
            ("unload a", "stop a"),
            ("gone a", "unloaded a"),
            ("ask a", "start a"),
            ("ready a", "go a"),
            ("ask b", ""),
            // The first process' answer.
            ("end a", ""),
            ("end a", "stop a"),
        ],
    );
}
