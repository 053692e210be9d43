//! Poison requests: which bodies servers died of, for as long as that is remembered.
//! Knows no body, only a number that stands for one, and no clock: time is handed in, as everywhere here.
//!
//! One death proves nothing: a server may be killed by its operator, or by another request. So the count decides, and
//! a body that was answered is forgotten. Several copies of a body that one server took down with it are one death.

use std::collections::HashMap;
use std::time::Duration;

use super::roster::PeerId;

/// How long a body is remembered after the last server that it felled.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Bodies that are remembered; the one that felled nobody for longest makes room for the next.
const BODIES_MAX: usize = 1024;

/// The bodies that servers died of.
#[derive(Debug, Default)]
pub struct PoisonBodies {
    bodies: HashMap<u64, Vec<Death>>,
}

#[derive(Clone, Copy, Debug)]
struct Death {
    peer: PeerId,
    at: Duration,
}

impl PoisonBodies {
    /// A server died that had had this body since `since`, before it answered. Tells how many died of it by now.
    pub fn died(&mut self, body: u64, peer: PeerId, since: Duration, now: Duration) -> u32 {
        self.forget(now);
        if !self.bodies.contains_key(&body) && self.bodies.len() >= BODIES_MAX {
            let oldest = self.bodies.iter().min_by_key(|(_, deaths)| last(deaths)).map(|(body, _)| *body);
            oldest.map(|body| self.bodies.remove(&body));
        }
        let deaths = self.bodies.entry(body).or_default();
        let is_known = deaths.iter().any(|death| death.peer == peer && death.at >= since);
        if !is_known {
            deaths.push(Death { peer, at: now });
        }
        count(deaths)
    }

    /// How many servers died of this body.
    pub fn deaths(&mut self, body: u64, now: Duration) -> u32 {
        self.forget(now);
        self.bodies.get(&body).map_or(0, |deaths| count(deaths))
    }

    /// A server answered it, so the others died of something else.
    pub fn answered(&mut self, body: u64) {
        self.bodies.remove(&body);
    }

    /// Whether no death is remembered, so that no body has to be looked up.
    pub fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    fn forget(&mut self, now: Duration) {
        self.bodies.retain(|_, deaths| last(deaths).is_some_and(|at| now.saturating_sub(at) < REMEMBERED));
    }
}

fn last(deaths: &[Death]) -> Option<Duration> {
    deaths.iter().map(|death| death.at).max()
}

fn count(deaths: &[Death]) -> u32 {
    u32::try_from(deaths.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn deaths_are_counted_until_they_are_forgotten() {
        let (a, b) = (PeerId::of("a"), PeerId::of("b"));
        let mut felled = PoisonBodies::default();
        assert_eq!(felled.died(1, a, seconds(0), seconds(10)), 1);
        assert_eq!(felled.died(1, b, seconds(11), seconds(12)), 2);
        assert_eq!((felled.deaths(1, seconds(611)), felled.deaths(2, seconds(611))), (2, 0));
        assert_eq!(felled.deaths(1, seconds(612)), 0);
        assert!(felled.is_empty());
    }

    #[test]
    fn copies_that_died_with_one_server_are_one_death() {
        let a = PeerId::of("a");
        let mut felled = PoisonBodies::default();
        assert_eq!(felled.died(1, a, seconds(1), seconds(10)), 1);
        assert_eq!(felled.died(1, a, seconds(9), seconds(10)), 1);
        // It came back, and was asked again.
        assert_eq!(felled.died(1, a, seconds(11), seconds(12)), 2);
    }

    #[test]
    fn an_answer_acquits() {
        let mut felled = PoisonBodies::default();
        felled.died(1, PeerId::of("a"), seconds(0), seconds(1));
        felled.answered(1);
        assert_eq!(felled.deaths(1, seconds(1)), 0);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let a = PeerId::of("a");
        let mut felled = PoisonBodies::default();
        for body in 0..=1024 {
            felled.died(body, a, seconds(body), seconds(body / 100));
        }
        assert_eq!(felled.bodies.len(), BODIES_MAX);
        assert_eq!(felled.deaths(1024, seconds(11)), 1);
    }
}
