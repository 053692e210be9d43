//! Keeps a body that servers died of from the servers that are left.
//! What is remembered, and for how long, is `balance`'s; here are the clock, the lock, and what a body is known by.
//!
//! All whose requests a server had when it died are under suspicion, with the one that felled it. So that it does not
//! fell the next server under the others too, they go on one by one: a server has only one of them at a time that it
//! has not begun to answer.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pingora::Result;
use pingora::proxy::Session;
use tokio::sync::OwnedMutexGuard;

use crate::balance::{self, PeerId};

use super::body::Upload;
use super::context::Context;
use super::fault::Fault;
use super::place::{Bodies, left, until};
use super::shared::Gateway;
use super::wait::Standing;

/// What is remembered of every pool's servers, whatever the configuration.
#[derive(Debug)]
pub struct Felled {
    /// Secret, so that no client can make a body that is taken for another's.
    hashing: RandomState,
    began: Instant,
    bodies: Mutex<balance::Felled>,
    /// Where one that is under suspicion may be.
    trials: Mutex<HashMap<PeerId, Arc<tokio::sync::Mutex<()>>>>,
}

/// That a request under suspicion is the only one at its server that is not answered.
#[derive(Debug)]
pub struct Trial(#[expect(dead_code, reason = "it is held")] OwnedMutexGuard<()>);

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

impl Default for Felled {
    fn default() -> Self {
        Self { hashing: RandomState::new(), began: Instant::now(), bodies: Mutex::default(), trials: Mutex::default() }
    }
}

impl Felled {
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

    /// Where those under suspicion wait for one another.
    fn trial(&self, peer: PeerId) -> Arc<tokio::sync::Mutex<()>> {
        let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        trials.retain(|_, trial| Arc::strong_count(trial) > 1);
        Arc::clone(trials.entry(peer).or_default())
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn deaths(&self, body: &[u8]) -> u32 {
        let mut mark = self.mark();
        mark.push(body);
        mark.key().map_or(0, |body| self.lock().deaths(body, self.began.elapsed()))
    }

    fn mark(&self) -> Mark {
        Mark { hasher: self.hashing.build_hasher(), is_empty: true }
    }

    /// A panic elsewhere leaves these plain values whole.
    fn lock(&self) -> MutexGuard<'_, balance::Felled> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sent {
    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.mark.push(piece);
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

impl Gateway {
    /// Refuses a body that as many servers died of as may. One that would go up unread is read for that, but only
    /// while there are such bodies.
    pub(super) async fn refuse_felling(
        &self,
        session: &mut Session,
        context: &mut Context,
        failovers_max: u32,
    ) -> Result<()> {
        if self.felled.is_empty() {
            return Ok(());
        }
        self.take_in(session, context, Bodies::All).await?;
        let servers = self.deaths(session, context);
        if servers > failovers_max { Err(context.fail(Fault::Felling { servers })) } else { Ok(()) }
    }

    /// Waits until nobody else under suspicion is on the way to this server, if this request is.
    pub(super) async fn stand_trial(
        &self,
        session: &mut Session,
        context: &mut Context,
        peer: PeerId,
        failovers_max: u32,
    ) -> Result<()> {
        if self.felled.is_empty() || self.deaths(session, context) == 0 {
            return Ok(());
        }
        let mut turn = pin!(self.felled.trial(peer).lock_owned());
        let trial = loop {
            tokio::select! {
                trial = &mut turn => break trial,
                e = left(session) => return Err(e),
                () = until(context.wait.next()) => {}
            }
            context.comment(session, Standing::Asked(None)).await?;
        };
        context.trial = Some(Trial(trial));
        // Whoever was before may have been a copy of it.
        self.refuse_felling(session, context, failovers_max).await
    }

    /// How many servers died of a request's body, as far as it is known before it goes up.
    fn deaths(&self, session: &Session, context: &Context) -> u32 {
        match &context.upload {
            Upload::Instead(bytes) | Upload::Handed(bytes) | Upload::Before(bytes) => self.felled.deaths(bytes),
            Upload::AsRead => session.get_retry_buffer().map_or(0, |bytes| self.felled.deaths(&bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_known_however_it_is_cut() {
        let felled = Felled::default();
        let key = |pieces: &[&str]| {
            let mut sent = felled.sending();
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
