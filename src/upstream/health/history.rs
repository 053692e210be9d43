//! Check history of one server: what its checks have shown so far, and what follows from the next.
//! Asks nothing; `check` does.

use crate::balance::{Report, State};

use super::check::{Check, Known};

/// A server that is merely busy may be silent once or twice.
const SILENCES_MAX: u32 = 3;

/// What the checks of one server have shown so far.
#[derive(Debug, Default)]
pub struct History {
    state: Option<State>,
    silences: u32,
    /// What they have shown beside its state.
    pub known: Known,
}

impl History {
    /// How it was when it was last known.
    pub fn state(&self) -> Option<State> {
        self.state
    }

    /// What follows from a check; `None` when everything stays as it was.
    pub fn add(&mut self, check: Check) -> Option<Report> {
        self.silences = if matches!(check, Check::Silent) { self.silences + 1 } else { 0 };
        let report = match check {
            Check::Told(report) => report,
            Check::Unasked => return None,
            // What was assumed until it was asked holds no longer.
            Check::Silent if self.silences == 1 && self.state.is_none() => return Some(Report::default()),
            Check::Silent if self.silences < SILENCES_MAX => return None,
            Check::Silent | Check::Refused => Report { state: State::Failed, ..Report::default() },
        };
        self.state = Some(report.state);
        Some(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> Check {
        let told = |state| Check::Told(Report { state, ..Report::default() });
        match name {
            "ready" => told(State::Ready),
            "loading" => told(State::Loading),
            "refused" => Check::Refused,
            "silent" => Check::Silent,
            "unasked" => Check::Unasked,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_server_has_failed_when_it_is_refused_once_or_silent_three_times() {
        let name = |state: Option<State>| state.map_or("-", State::name);
        for (checks, expected, known) in [
            ("loading ready", "loading, ready", "ready"),
            ("ready refused", "ready, not answering", "not answering"),
            ("ready silent silent silent", "ready, -, -, not answering", "not answering"),
            ("ready silent silent ready silent", "ready, -, -, ready, -", "ready"),
            ("ready unasked", "ready, -", "ready"),
            // Nothing was known: it is taken for one that serves, but not for one that said so.
            ("silent unasked silent silent", "ready, -, ready, -", "-"),
            ("silent silent silent", "ready, -, not answering", "not answering"),
        ] {
            let mut history = History::default();
            let states =
                checks.split(' ').map(|check_name| name(history.add(check(check_name)).map(|told| told.state)));
            assert_eq!(
                (states.collect::<Vec<_>>().join(", ").as_str(), name(history.state())),
                (expected, known),
                "{checks}"
            );
        }
    }
}
