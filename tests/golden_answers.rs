//! What a model's whole answer leads to, in every dialect that is compiled in.
//!
//! `tests/golden/DIALECT/answer-NAME.txt` becomes `answer-NAME.events` beside it.
//! `UPDATE_GOLDEN=1` writes the expected files anew; review them with `git diff`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "the whole file is a test")]

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod fuzz;
mod support;

use std::{env, fs};

use toolgate::decode::Ending;

use fuzz::decode::Item;

#[test]
fn answers_lead_to_their_events() {
    let goldens = support::goldens();
    for golden in &goldens {
        let (items, ending) = golden.case.read([golden.text.as_str()]);
        let path = golden.path.with_extension("events");
        let events = render(&items, ending);
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &events).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(events == expected, "{} differs:\n{events}", path.display());
    }
    assert!(goldens.len() >= 40, "goldens vanished: {} are left", goldens.len());
}

/// One event a line, and the ending.
fn render(items: &[Item], ending: Ending) -> String {
    let mut lines: Vec<String> = items
        .iter()
        .map(|item| match item {
            Item::Text(text) => format!("text {text:?}"),
            Item::Reasoning(text) => format!("think {text:?}"),
            Item::Call { name, arguments, ended: true } => format!("call {name}\nargs {arguments:?}"),
            Item::Call { name, arguments, ended: false } => format!("call {name}\nargs {arguments:?} and no more"),
        })
        .collect();
    for (what, count) in [("repaired", ending.repaired), ("malformed", ending.malformed), ("rejected", ending.rejected)]
    {
        if count > 0 {
            lines.push(format!("{what} {count}"));
        }
    }
    lines.join("\n") + "\n"
}
