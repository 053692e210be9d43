//! Pace of an answer that nobody sees before it is whole: it is noted where the answer is put together.
//! Knows no connection; whoever has one calls.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::Pace;

/// The pace of one answer, shared with the connection that puts it together.
#[derive(Debug)]
pub struct AssemblyPace(Mutex<Pace>);

impl AssemblyPace {
    pub(super) fn new(pace: Pace) -> Self {
        Self(Mutex::new(pace))
    }

    /// A piece that came at `from` has been read, and brought the answer to so many events with words in them.
    pub fn read(&self, spoken: u64, from: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).note(spoken, 0, from, Instant::now());
    }

    /// What was noted so far.
    pub(super) fn take(&self) -> Pace {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
