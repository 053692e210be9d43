//! Check history of one server: what its checks have shown so far, and what follows from the next.
//! Asks nothing; `check` does.

use crate::balance::{Report, State};

use super::check::Check;
use super::load::Load;

/// A server that is merely busy may be silent once or twice.
const SILENCES_MAX: u32 = 3;

/// What the checks of one server have shown so far.
#[derive(Debug, Default)]
pub struct History {
    state: Option<State>,
    silences: u32,
    /// What its page of metrics has shown.
    pub load: Load,
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

    #[test]
    fn a_server_has_failed_when_it_is_refused_once_or_silent_three_times() {
        let told = |state| Check::Told(Report { state, ..Report::default() });
        let (silent, refused, unasked) = (Check::Silent, Check::Refused, Check::Unasked);
        let (ready, failed) = (Some(State::Ready), Some(State::Failed));
        let table: [(&[Check], &[Option<State>], Option<State>); 6] = [
            (&[told(State::Loading), told(State::Ready)], &[Some(State::Loading), ready], ready),
            (&[told(State::Ready), refused], &[ready, failed], failed),
            (&[told(State::Ready), silent, silent, silent, silent], &[ready, None, None, failed, failed], failed),
            (
                &[told(State::Ready), silent, silent, told(State::Ready), silent],
                &[ready, None, None, ready, None],
                ready,
            ),
            // Nothing was known: it is taken for one that serves, and nobody says that it was found to be.
            (&[silent, unasked, silent, silent, silent], &[ready, None, ready, None, failed], failed),
            (&[unasked], &[None], None),
        ];
        for (checks, expected, known) in table {
            let mut history = History::default();
            let states: Vec<_> = checks.iter().map(|check| history.add(*check).map(|report| report.state)).collect();
            assert_eq!((states.as_slice(), history.state()), (expected, known), "{checks:?}");
        }
    }
}
