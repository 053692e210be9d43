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

#[test]
fn answers_lead_to_their_events() {
    let goldens = support::goldens();
    for golden in &goldens {
        let (items, ending) = golden.case.read([golden.text.as_str()]);
        let events = support::render(&items, ending);
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden.events, &events).unwrap();
        }
        let expected = fs::read_to_string(&golden.events).unwrap_or_default();
        assert!(events == expected, "{} differs:\n{events}", golden.events.display());
    }
    assert!(goldens.len() >= 40, "goldens vanished: {} are left", goldens.len());
}
