//! Who is alive, as far as connecting to a peer tells.
//! Asks nothing by itself.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::lock;

/// How long a peer that could not be reached is left alone while others can serve. Without it a dead peer, which has
/// no request in flight, would be everybody's first choice.
const AVOIDED: Duration = Duration::from_secs(5);

/// What the last attempts to connect to a peer showed.
#[derive(Debug, Default)]
pub struct Health {
    failed_at: Mutex<Option<Instant>>,
    returns: AtomicU32,
}

impl Health {
    pub fn is_alive(&self, now: Instant) -> bool {
        lock(&self.failed_at).is_none_or(|at| now.saturating_duration_since(at) >= AVOIDED)
    }

    pub fn failed(&self) {
        *lock(&self.failed_at) = Some(Instant::now());
    }

    pub fn connected(&self) {
        if lock(&self.failed_at).take().is_some() {
            self.returns.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often it came back: what was learnt of it before may no longer hold.
    pub fn returns(&self) -> u32 {
        self.returns.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_peer_is_avoided_for_a_while_and_counts_as_back_once() {
        let health = Health::default();
        let now = Instant::now();
        assert!(health.is_alive(now));
        health.failed();
        assert!(!health.is_alive(now));
        assert!(health.is_alive(now + AVOIDED * 2));
        health.connected();
        health.connected();
        assert!(health.is_alive(now));
        assert_eq!(health.returns(), 1);
    }
}
