//! What names stand for in code: literals, and the results of calls.

use std::collections::HashSet;

use crate::python::{Value, Variables};

/// Names, in the code of one answer.
#[derive(Debug, Default)]
pub(in crate::decode) struct Scope {
    /// Those that a literal was assigned to.
    pub(super) variables: Variables,
    /// Those that have a call's result.
    results: HashSet<String>,
}

/// Results of more calls are not told from other names.
const RESULTS_MAX: usize = 256;

impl Scope {
    /// Code begins that shares no names with what was read before.
    pub(in crate::decode) fn begin(&mut self) {
        self.variables.clear();
        self.results.clear();
    }

    /// Code was passed over that may have changed what names stand for.
    pub(in crate::decode) fn forget(&mut self) {
        self.variables.clear();
    }

    pub(super) fn assign(&mut self, name: String, value: Value) {
        self.results.remove(&name);
        self.variables.assign(name, value);
    }

    pub(super) fn assign_result(&mut self, name: String) {
        self.variables.forget(&name);
        if self.results.len() < RESULTS_MAX {
            self.results.insert(name);
        }
    }

    /// Whether a source names a call's result.
    pub(super) fn has_result(&self, source: &str) -> bool {
        let mut words = source.split(|c: char| c != '_' && !c.is_alphanumeric());
        words.any(|word| self.results.contains(word))
    }
}
