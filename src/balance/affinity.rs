//! Prefix cache affinity: who has what in its cache, by the blocks that went to each peer, and whether it is seen to
//! remember them. Believes what was sent until the answers tell otherwise, and chooses nobody.
//!
//! How long a server remembers depends on its slots and its memory, and none says. So each seat has a *span*: how
//! many blocks may be written to it before one that is not used again counts as forgotten. The answers correct it:
//! a block that was cached although more was written widens the span; one that was not, narrows it.

use std::collections::HashMap;
use std::time::Duration;

use super::pace::Told;
use super::prefix::Fingerprint;
use super::recent::Recent;
use super::roster::PeerId;
use super::seat::SeatId;

/// What an answer says about its prompt: llama.cpp's `timings.cache_n` and `timings.prompt_ms`, OpenAI's
/// `usage.prompt_tokens_details.cached_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    pub cached_tokens: u64,
    /// All tokens of the prompt, the cached ones included.
    pub prompt_tokens: u64,
    /// How long those took that were not cached.
    pub took: Option<Duration>,
}

/// What was believed when a request was sent.
#[derive(Clone, Copy, Debug)]
pub struct Belief {
    /// Blocks of the prompt.
    blocks: u64,
    /// Blocks that had been sent there before.
    sent: u64,
    /// Blocks that were written there since.
    age: u64,
    /// Blocks that it was believed to know, and whether it is the conversation's home.
    known: u64,
    sent_to: SentTo,
}

/// Where a prompt is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentTo {
    /// Where its hash says that it is at home, so that other replicas send it there too.
    Home,
    Elsewhere,
}

impl Belief {
    /// What an answer told, in blocks.
    pub fn told(&self, reuse: Reuse) -> Told {
        Told { fresh: self.blocks - self.cached(reuse), took: reuse.took }
    }

    fn cached(&self, reuse: Reuse) -> u64 {
        let cached = u128::from(self.blocks) * u128::from(reuse.cached_tokens.min(reuse.prompt_tokens));
        let cached = cached.checked_div(u128::from(reuse.prompt_tokens)).unwrap_or(0);
        u64::try_from(cached).unwrap_or(u64::MAX)
    }
}

const THOUSAND: u64 = 1_000;
/// How many answers `shared` is an average of.
const SHARED_OF: u64 = 20;

/// What is known about the caches of a pool.
#[derive(Clone, Debug)]
pub struct Affinity {
    holders: Recent<u64, Vec<Holder>>,
    sessions: Recent<u64, PeerId>,
    memories: HashMap<SeatId, Memory>,
    /// How much of what nobody sent it from here the home of a conversation turns out to know, of a thousand.
    shared: u64,
    /// Whether any answer has told what was cached.
    is_told: bool,
    /// Caches that have begun so far.
    lives: u64,
    blocks_max: u64,
}

/// A seat to which a block was sent.
#[derive(Clone, Copy, Debug)]
struct Holder {
    seat: SeatId,
    /// In which life of its cache, and what had been written there by then.
    life: u64,
    at: u64,
}

/// What one seat is thought to remember.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// Another number each time that the cache begins empty: what was sent in a former life is gone.
    life: u64,
    /// Blocks that were sent to it and that it did not know.
    written: u64,
    span: u64,
}

impl Affinity {
    /// Of caches that nothing was sent to yet. At most so many blocks and sessions are remembered; what was not used
    /// for long is forgotten.
    pub fn new(blocks_max: usize, sessions_max: usize) -> Self {
        Self {
            holders: Recent::new(blocks_max),
            sessions: Recent::new(sessions_max),
            memories: HashMap::new(),
            // Other replicas are believed in until homes turn out to know nothing of them.
            shared: THOUSAND,
            is_told: false,
            lives: 0,
            blocks_max: u64::try_from(blocks_max).unwrap_or(u64::MAX),
        }
    }

    /// Where a session is at home. `None` when it is new, or forgotten.
    pub fn session(&self, key: u64) -> Option<PeerId> {
        self.sessions.peek(key).copied()
    }

    /// A session is at home at that peer from now on, wherever it was before.
    pub fn note_session(&mut self, key: u64, peer: PeerId) {
        *self.sessions.touch(key, || peer) = peer;
    }

    /// How many blocks of a prompt's beginning a seat is believed to know.
    pub fn known(&self, prompt: &Fingerprint, seat: SeatId) -> usize {
        let Some(memory) = self.memories.get(&seat) else { return 0 };
        let knows = |block: &u64| self.age(*block, seat).is_some_and(|age| age <= memory.span);
        if !prompt.blocks().first().is_some_and(knows) {
            return 0;
        }
        // Whoever was sent a block was sent those before it, and not longer ago.
        prompt.blocks().partition_point(knows)
    }

    /// How likely it is that other replicas send conversations to their homes: of a thousand.
    pub fn shared(&self) -> u64 {
        self.shared
    }

    /// A prompt is sent to a seat, which will then know it.
    pub fn note(&mut self, prompt: &Fingerprint, seat: SeatId, sent_to: SentTo) -> Belief {
        let blocks = prompt.blocks();
        let sent = blocks.partition_point(|block| self.age(*block, seat).is_some());
        let age = sent.checked_sub(1).and_then(|last| self.age(*blocks.get(last)?, seat)).unwrap_or(0);
        let count = |blocks: usize| u64::try_from(blocks).unwrap_or(u64::MAX);
        let known = count(self.known(prompt, seat));
        let belief = Belief { blocks: count(blocks.len()), sent: count(sent), age, known, sent_to };
        let (lives, span) = (&mut self.lives, self.blocks_max);
        let memory = self.memories.entry(seat).or_insert_with(|| {
            *lives += 1;
            Memory { life: *lives, written: 0, span }
        });
        memory.written += belief.blocks - belief.sent;
        let holder = Holder { seat, life: memory.life, at: memory.written };
        let lives = &self.memories;
        for block in blocks {
            let holders = self.holders.touch(*block, Vec::new);
            let is_alive = |other: &Holder| lives.get(&other.seat).is_some_and(|memory| memory.life == other.life);
            holders.retain(|other| other.seat != seat && is_alive(other));
            holders.insert(0, holder);
        }
        belief
    }

    /// What became of a belief.
    pub fn learn(&mut self, belief: Belief, seat: SeatId, reuse: Reuse) {
        if reuse.prompt_tokens == 0 {
            return;
        }
        let cached = belief.cached(reuse);
        self.is_told = true;
        self.learn_of_others(belief, cached);
        let Some(memory) = self.memories.get_mut(&seat).filter(|_| belief.sent > 0) else { return };
        // What it did not know after all was written again.
        memory.written += belief.sent.saturating_sub(cached);
        // Half is enough: templates drop old reasoning, and a block is never quite as many tokens as another.
        if cached * 2 >= belief.sent {
            memory.span = memory.span.max(belief.age);
        } else if belief.age <= memory.span {
            // By a quarter only: two requests with one beginning at the same time find no cache either.
            memory.span = memory.span.saturating_sub((memory.span - belief.age) / 4 + 1);
        }
    }

    /// An answer told nothing. Where none does, what others may have sent is not believed in.
    pub fn untold(&mut self, belief: Belief) {
        if !self.is_told {
            self.learn_of_others(belief, 0);
        }
    }

    fn learn_of_others(&mut self, belief: Belief, cached: u64) {
        let unknown = belief.blocks.saturating_sub(belief.known);
        if belief.sent_to == SentTo::Home && unknown > 1 {
            let found = cached.saturating_sub(belief.known).min(unknown) * THOUSAND / unknown;
            self.shared = (self.shared * (SHARED_OF - 1) + found) / SHARED_OF;
        }
    }

    /// Its cache is gone. How long it remembers stays as it was seen to be.
    pub fn emptied(&mut self, seat: SeatId) {
        if let Some(memory) = self.memories.get_mut(&seat) {
            self.lives += 1;
            memory.life = self.lives;
        }
    }

    /// It does not exist any more; if it comes back, it begins anew.
    pub fn forget(&mut self, seat: SeatId) {
        self.memories.remove(&seat);
    }

    /// What was written to a seat since it was sent a block; `None` when it was not, or has lost it.
    fn age(&self, block: u64, seat: SeatId) -> Option<u64> {
        let holder = self.holders.peek(block)?.iter().find(|holder| holder.seat == seat)?;
        let memory = self.memories.get(&seat).filter(|memory| memory.life == holder.life)?;
        Some(memory.written.saturating_sub(holder.at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::prefix::{BLOCK_BYTES, Hasher};
    use super::super::seat::Want;
    use super::*;

    #[test]
    fn peers_that_come_and_go_leave_nothing_behind() {
        let mut hasher = Hasher::default();
        hasher.part(&[0; 2 * BLOCK_BYTES]);
        let prompt = hasher.finish();
        let mut affinity = Affinity::new(16, 16);
        let seat = SeatId::of(PeerId::of("a"), Want::Any);
        for _ in 0..100 {
            assert_eq!(affinity.note(&prompt, seat, SentTo::Home).sent, 0, "it knows what it was sent before it went");
            assert_eq!(affinity.note(&prompt, seat, SentTo::Home).sent, 2);
            affinity.forget(seat);
        }
        assert!(affinity.memories.is_empty());
        assert_eq!(affinity.holders.len(), 2);
    }
}
