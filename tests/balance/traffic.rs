//! Agents at work: conversations that grow by tool results, with a few system prompts shared by all.
//! Knows no boxes; it says what the next prompt is, and how long until the one after.

use std::rc::Rc;

use toolgate::balance::Request;
use toolgate::balance::prefix::Hasher;

/// Seeded numbers (SplitMix64), so that every run is the same run.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}

/// A piece of a prompt.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What it says, as one number: equal pieces are equal text.
    pub id: u64,
    pub tokens: u64,
    text: Rc<Vec<u8>>,
}

impl Piece {
    fn new(id: u64, tokens: u64) -> Self {
        // Four bytes a token.
        let text = id.to_le_bytes().repeat(usize::try_from(tokens / 2).unwrap());
        Self { id, tokens, text: Rc::new(text) }
    }

    fn drawn(dice: &mut Dice, tokens: std::ops::Range<u64>) -> Self {
        Self::new(dice.next(), dice.within(tokens))
    }
}

pub fn tokens(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| piece.tokens).sum()
}

/// One agent, which has one conversation after the other.
#[derive(Debug)]
pub struct Agent {
    dice: Dice,
    kinds: Rc<Vec<Piece>>,
    conversation: Vec<Piece>,
    turns_left: u64,
}

/// Kinds of agent: each has a system prompt with tools of its own.
const KINDS: u64 = 6;
const SECOND: u64 = 1_000_000;

impl Agent {
    pub fn several(count: u64, seed: u64) -> Vec<Self> {
        let mut dice = Dice::new(seed);
        let kinds: Rc<Vec<Piece>> = Rc::new((0..KINDS).map(|_| Piece::drawn(&mut dice, 2_000..8_000)).collect());
        let agent =
            |seed| Self { dice: Dice::new(seed), kinds: Rc::clone(&kinds), conversation: Vec::new(), turns_left: 0 };
        (0..count).map(|_| agent(dice.next())).collect()
    }

    /// The prompt of its next request.
    pub fn prompt(&mut self) -> Vec<Piece> {
        if self.turns_left == 0 {
            // A few kinds have most of the work.
            let kind = self.dice.within(0..KINDS).min(self.dice.within(0..KINDS));
            let kind = self.kinds[usize::try_from(kind).unwrap()].clone();
            self.conversation = vec![kind, Piece::drawn(&mut self.dice, 50..800)];
            self.turns_left = self.dice.within(3..20);
        }
        self.turns_left -= 1;
        self.conversation.clone()
    }

    /// How many tokens the answer will have.
    pub fn answer_tokens(&mut self) -> u64 {
        self.dice.within(40..400)
    }

    /// It has its answer: a tool runs, or a person reads it. How long that takes, in microseconds.
    pub fn answered(&mut self, tokens: u64) -> u64 {
        self.conversation.push(Piece::new(self.dice.next(), tokens));
        self.conversation.push(Piece::drawn(&mut self.dice, 50..2_500));
        let a_person_reads = self.turns_left == 0 || self.dice.within(0..5) == 0;
        if a_person_reads {
            self.dice.within(5 * SECOND..60 * SECOND)
        } else {
            self.dice.within(SECOND / 5..4 * SECOND)
        }
    }
}

/// What a balancer is told of a prompt.
pub fn request(prompt: &[Piece]) -> Request {
    let mut hasher = Hasher::default();
    for (at, piece) in prompt.iter().enumerate() {
        hasher.part(&piece.text);
        if at == 1 {
            hasher.anchor();
        }
    }
    Request { prefix: Some(hasher.finish()), ..Request::default() }
}
