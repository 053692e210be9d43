//! Quarantine of requests that crash servers: keeps a body that servers died of from the servers that are left.
//! What is remembered, and for how long, is `balance`'s; here are the clock, the lock, and what a body is known by.
//!
//! All whose requests a server had when it died are under suspicion, with the one that felled it. So that it does not
//! fell the next server under the others too, they go on one by one: a server has only one of them at a time that it
//! has not begun to answer.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::OwnedMutexGuard;

use crate::balance::{self, PeerId};

/// What is remembered of every pool's servers, whatever the configuration.
#[derive(Debug)]
pub struct Quarantine {
    /// Secret, so that no client can make a body that is taken for another's.
    hashing: RandomState,
    began: Instant,
    bodies: Mutex<balance::PoisonBodies>,
    /// Where one that is under suspicion may be.
    probations: Mutex<HashMap<PeerId, Arc<tokio::sync::Mutex<()>>>>,
}

/// That a request under suspicion is the only one at its server that is not answered.
#[derive(Debug)]
pub struct Probation(#[expect(dead_code, reason = "it is held")] OwnedMutexGuard<()>);

/// What a body is known by. White space does not count: more of it may follow a body than was read of it.
#[derive(Debug)]
pub struct Mark {
    hasher: <RandomState as BuildHasher>::Hasher,
    is_empty: bool,
}

/// What is handed to the hasher at once.
const PART_BYTES: usize = 256;

/// A body on its way to a server.
#[derive(Debug)]
pub struct Sent {
    mark: Mark,
    since: Instant,
}

impl Default for Quarantine {
    fn default() -> Self {
        Self {
            hashing: RandomState::new(),
            began: Instant::now(),
            bodies: Mutex::default(),
            probations: Mutex::default(),
        }
    }
}

impl Quarantine {
    /// A body begins to go up.
    pub fn sending(&self) -> Sent {
        Sent { mark: self.mark(), since: Instant::now() }
    }

    /// A server died of it, as it seems, before it answered. Tells how many did; 0 where there was no body.
    pub fn died(&self, sent: &Sent, peer: PeerId) -> u32 {
        let now = self.began.elapsed();
        let since = sent.since.saturating_duration_since(self.began);
        sent.mark.key().map_or(0, |body| self.lock().died(body, peer, since, now))
    }

    /// A server answered it to the end.
    pub fn answered(&self, sent: &Sent) {
        if let Some(body) = sent.mark.key().filter(|_| !self.is_empty()) {
            self.lock().answered(body);
        }
    }

    /// Waits until nobody else under suspicion is at this server unanswered.
    pub async fn probation(&self, peer: PeerId) -> Probation {
        let probation = {
            let mut probations = self.probations.lock().unwrap_or_else(PoisonError::into_inner);
            probations.retain(|_, probation| Arc::strong_count(probation) > 1);
            Arc::clone(probations.entry(peer).or_default())
        };
        Probation(probation.lock_owned().await)
    }

    /// Whether there are no such bodies.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// How many servers died of this body.
    pub fn deaths(&self, body: &[u8]) -> u32 {
        let mut mark = self.mark();
        mark.push(body);
        mark.key().map_or(0, |body| self.lock().deaths(body, self.began.elapsed()))
    }

    fn mark(&self) -> Mark {
        Mark { hasher: self.hashing.build_hasher(), is_empty: true }
    }

    /// A panic elsewhere leaves these plain values whole.
    fn lock(&self) -> MutexGuard<'_, balance::PoisonBodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sent {
    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.mark.push(piece);
    }

    /// The same body at once, where it was not taken in pieces. It is known by that only where that is needed, since
    /// an agent's body takes longer to be marked than to be sent.
    pub fn know(&mut self, body: &[u8]) {
        if self.mark.is_empty {
            self.mark.push(body);
        }
    }
}

impl Mark {
    fn push(&mut self, piece: &[u8]) {
        // The hasher takes many bytes at once in less time than one word after the other.
        for part in piece.chunks(PART_BYTES) {
            let (mut solid, mut length) = ([0; PART_BYTES], 0);
            for &byte in part {
                if let Some(slot) = solid.get_mut(length) {
                    *slot = byte;
                }
                length += usize::from(!byte.is_ascii_whitespace());
            }
            self.hasher.write(solid.get(..length).unwrap_or_default());
            self.is_empty &= length == 0;
        }
    }

    fn key(&self) -> Option<u64> {
        (!self.is_empty).then(|| self.hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_known_however_it_is_cut() {
        let quarantine = Quarantine::default();
        let key = |pieces: &[&str]| {
            let mut sent = quarantine.sending();
            pieces.iter().for_each(|piece| sent.push(piece.as_bytes()));
            sent.mark.key()
        };
        let whole = key(&["{\"a\": 1}"]);
        assert!(whole.is_some());
        for pieces in [&["{\"a\":", " 1}"][..], &["{\"a\": 1}", "\r\n"], &["{", "\"", "a\": ", "1", "}"]] {
            assert_eq!(key(pieces), whole, "{pieces:?}");
        }
        assert_ne!(key(&["{\"a\": 2}"]), whole);
        assert_eq!((key(&[]), key(&["", "\n"])), (None, None));
    }
}
