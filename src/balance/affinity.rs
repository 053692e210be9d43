//! Who has what in its cache: the blocks that went to each peer, and whether it is seen to remember them.
//! Believes what was sent until the answers tell otherwise, and chooses nobody.
//!
//! How long a server remembers depends on its slots and its memory, and none says. So each peer has a *span*: how
//! many blocks may be written to it before one that is not used again counts as forgotten. The answers correct it:
//! a block that was cached although more was written widens the span; one that was not, narrows it.

use std::collections::HashMap;

use super::policy::Candidate;
use super::prefix::Fingerprint;
use super::recent::Recent;
use super::roster::PeerId;

/// What an answer says about its prompt: llama.cpp's `timings.cache_n`, OpenAI's
/// `usage.prompt_tokens_details.cached_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    pub cached_tokens: u64,
    /// All tokens of the prompt, the cached ones included.
    pub prompt_tokens: u64,
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
}

/// Enough that a system prompt shared by everybody is known to be in several places; further peers are found by hash.
const HOLDERS_MAX: usize = 8;

/// What is known about the caches of a pool.
#[derive(Clone, Debug)]
pub struct Affinity {
    holders: Recent<u64, Vec<Holder>>,
    sessions: Recent<u64, PeerId>,
    memories: HashMap<PeerId, Memory>,
    blocks_max: u64,
}

/// A peer to which a block was sent.
#[derive(Clone, Copy, Debug)]
struct Holder {
    peer: PeerId,
    /// What had been written there by then.
    at: u64,
}

/// What one peer is thought to remember.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// Blocks that were sent to it and that it did not know.
    written: u64,
    /// What was written before this is gone for certain.
    begins: u64,
    span: u64,
}

impl Affinity {
    pub fn new(blocks_max: usize, sessions_max: usize) -> Self {
        Self {
            holders: Recent::new(blocks_max),
            sessions: Recent::new(sessions_max),
            memories: HashMap::new(),
            blocks_max: u64::try_from(blocks_max).unwrap_or(u64::MAX),
        }
    }

    pub fn session(&self, key: u64) -> Option<PeerId> {
        self.sessions.peek(key).copied()
    }

    pub fn note_session(&mut self, key: u64, peer: PeerId) {
        *self.sessions.touch(key, || peer) = peer;
    }

    /// The longest beginning of a prompt, in blocks, that one `among` those is believed to know, and who does.
    pub fn longest(&self, prompt: &Fingerprint, among: &[Candidate]) -> (usize, Vec<Candidate>) {
        let knows = |block: u64, peer: PeerId| self.age(block, peer).is_some_and(|age| age <= self.memory(peer).span);
        for (at, block) in prompt.blocks().iter().enumerate().rev() {
            let holders: Vec<_> = among.iter().copied().filter(|candidate| knows(*block, candidate.id)).collect();
            if !holders.is_empty() {
                return (at + 1, holders);
            }
        }
        (0, Vec::new())
    }

    /// A prompt is sent to a peer, which will then know it.
    pub fn note(&mut self, prompt: &Fingerprint, peer: PeerId) -> Belief {
        let blocks = prompt.blocks();
        let last = blocks.iter().enumerate().rev().find_map(|(at, block)| Some((at + 1, self.age(*block, peer)?)));
        let (sent, age) = last.unwrap_or((0, 0));
        let count = |blocks: usize| u64::try_from(blocks).unwrap_or(u64::MAX);
        let belief = Belief { blocks: count(blocks.len()), sent: count(sent), age };
        let mut memory = self.memory(peer);
        memory.written += belief.blocks - belief.sent;
        self.memories.insert(peer, memory);
        for block in blocks {
            let holders = self.holders.touch(*block, Vec::new);
            holders.retain(|holder| holder.peer != peer);
            holders.insert(0, Holder { peer, at: memory.written });
            holders.truncate(HOLDERS_MAX);
        }
        belief
    }

    /// What became of a belief.
    pub fn learn(&mut self, belief: Belief, peer: PeerId, reuse: Reuse) {
        if belief.sent == 0 || reuse.prompt_tokens == 0 {
            return;
        }
        let cached = u128::from(belief.blocks) * u128::from(reuse.cached_tokens) / u128::from(reuse.prompt_tokens);
        let mut memory = self.memory(peer);
        // What it did not know after all was written again.
        memory.written += belief.sent.saturating_sub(u64::try_from(cached).unwrap_or(u64::MAX));
        // Half is enough: templates drop old reasoning, and a block is never quite as many tokens as another.
        if cached * 2 >= u128::from(belief.sent) {
            memory.span = memory.span.max(belief.age);
        } else if belief.age <= memory.span {
            // By a quarter only: two requests with one beginning at the same time find no cache either.
            memory.span = memory.span.saturating_sub((memory.span - belief.age) / 4 + 1);
        }
        self.memories.insert(peer, memory);
    }

    /// Its cache is gone.
    pub fn emptied(&mut self, peer: PeerId) {
        if let Some(memory) = self.memories.get_mut(&peer) {
            memory.written += 1;
            memory.begins = memory.written;
        }
    }

    /// What was written to a peer since it was sent a block; `None` when it was not, or has lost it.
    fn age(&self, block: u64, peer: PeerId) -> Option<u64> {
        let holder = self.holders.peek(block)?.iter().find(|holder| holder.peer == peer)?;
        let memory = self.memories.get(&peer)?;
        (holder.at >= memory.begins).then(|| memory.written.saturating_sub(holder.at))
    }

    fn memory(&self, peer: PeerId) -> Memory {
        self.memories.get(&peer).copied().unwrap_or(Memory { written: 0, begins: 0, span: self.blocks_max })
    }
}
