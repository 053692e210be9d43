//! Reload metrics: how often the configuration was read again, what came of it, and when the one that holds was read.
//! Reads none.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::page::{Labels, Page};

/// More than a page shows of what was wrong.
const MISTAKE_CHARS_MAX: usize = 300;

/// What became of configurations since the start.
#[derive(Debug, Default)]
pub struct Reloads(Mutex<State>);

/// The same at one moment.
#[derive(Clone, Debug)]
pub struct State {
    pub good: u64,
    pub bad: u64,
    /// When the one that holds was read.
    pub at: SystemTime,
    /// What is wrong with one that was read since, in one line.
    pub mistake: Option<String>,
}

impl Default for State {
    fn default() -> Self {
        Self { good: 0, bad: 0, at: SystemTime::now(), mistake: None }
    }
}

impl Reloads {
    /// Another configuration holds from here on.
    pub fn good(&self) {
        let mut state = self.lock();
        *state = State { good: state.good + 1, bad: state.bad, ..State::default() };
    }

    /// One was read, and changes nothing.
    pub fn bad(&self, mistakes: &str) {
        let mut state = self.lock();
        state.bad += 1;
        state.mistake = mistakes.lines().next().map(|line| line.chars().take(MISTAKE_CHARS_MAX).collect());
    }

    /// A copy of how things stand now.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    pub(super) fn write(&self, page: &mut Page) {
        let state = self.state();
        let mut metric =
            page.counter("toolgate_reloads_total", "Configurations read after the start, by what came of it.");
        for (outcome, count) in [("good", state.good), ("bad", state.bad)] {
            metric.sample(&Labels::of(&[("outcome", outcome)]), count);
        }
        let at = state.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        page.gauge("toolgate_configuration_time_seconds", "When the configuration that holds was read.")
            .sample(&Labels::default(), at.as_secs());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_one_ends_what_was_wrong() {
        let reloads = Reloads::default();
        let told = || {
            let state = reloads.state();
            (state.good, state.bad, state.mistake)
        };
        reloads.bad("t.yaml:1:1: no\nmore");
        reloads.bad("t.yaml:2:1: no");
        assert_eq!(told(), (0, 2, Some("t.yaml:2:1: no".to_owned())));
        reloads.good();
        assert_eq!(told(), (1, 2, None));
    }
}
