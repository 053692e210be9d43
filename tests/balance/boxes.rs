//! A machine as llama-server is one: slots, a prefill that takes its time, and a cache of prompts that it has seen.
//! Knows no balancer; requests beyond its slots wait inside it.

use std::collections::VecDeque;

use crate::traffic::{Piece, tokens};

/// What a box can do.
#[derive(Clone, Copy, Debug)]
pub struct Make {
    pub slots: u32,
    /// Tokens a second that it reads; it reads one prompt at a time.
    pub reads: u64,
    /// Microseconds a token that it writes alone; each further request at the same time adds a fifth.
    pub writes: u64,
    /// Tokens of prompts that it remembers.
    pub remembers: u64,
    /// It says that all of every prompt was cached.
    pub lies: bool,
}

#[derive(Debug)]
pub struct Machine {
    pub make: Make,
    pub busy: u32,
    /// Microseconds of all slots together.
    pub worked: u64,
    pub waiting: VecDeque<usize>,
    reads_until: u64,
    /// When the answers end that it writes.
    ends: Vec<u64>,
    /// The latest first.
    cache: VecDeque<Vec<Piece>>,
}

/// How a request runs.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub cached: u64,
    pub first_token: u64,
    pub end: u64,
}

impl Machine {
    pub fn new(make: Make) -> Self {
        Self {
            make,
            busy: 0,
            worked: 0,
            waiting: VecDeque::new(),
            reads_until: 0,
            ends: Vec::new(),
            cache: VecDeque::new(),
        }
    }

    /// Begins a request on a free slot.
    pub fn start(&mut self, prompt: &[Piece], answer_tokens: u64, now: u64) -> Run {
        assert!(self.busy < self.make.slots);
        self.busy += 1;
        let cached = self.cached(prompt);
        let first_token = now.max(self.reads_until) + (tokens(prompt) - cached) * 1_000_000 / self.make.reads;
        self.reads_until = first_token;
        let token = self.make.writes * u64::from(4 + self.busy) / 5;
        let end = first_token + answer_tokens * token;
        self.worked += end - now;
        self.ends.push(end);
        Run { cached, first_token, end }
    }

    /// Tokens of a prompt that are in its cache.
    pub fn cached(&self, prompt: &[Piece]) -> u64 {
        self.cache.iter().map(|known| shared(known, prompt)).max().unwrap_or(0)
    }

    pub fn has_room(&self) -> bool {
        self.busy < self.make.slots
    }

    pub fn reads_until(&self) -> u64 {
        self.reads_until
    }

    /// When it has a slot for one more behind so many that wait for one.
    pub fn free_at(&self, ahead: usize, now: u64) -> u64 {
        let mut ends = self.ends.clone();
        ends.sort_unstable();
        if self.has_room() { now } else { ends.get(ahead.min(ends.len() - 1)).copied().unwrap_or(now) }
    }

    /// Ends one, and remembers what it was.
    pub fn finish(&mut self, prompt: Vec<Piece>, now: u64) {
        self.busy -= 1;
        self.ends.retain(|end| *end != now);
        self.cache.retain(|known| shared(known, &prompt) < tokens(known));
        self.cache.push_front(prompt);
        while self.cache.iter().map(|known| tokens(known)).sum::<u64>() > self.make.remembers {
            self.cache.pop_back();
        }
    }
}

/// Tokens with which both begin.
fn shared(known: &[Piece], prompt: &[Piece]) -> u64 {
    known.iter().zip(prompt).take_while(|(a, b)| a.id == b.id).map(|(piece, _)| piece.tokens).sum()
}
