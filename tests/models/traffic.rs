//! Requests for models, of which a few are asked for most: each by itself, or in conversations.
//! Knows no boxes.

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

    /// Between 0 and 1, without 0.
    fn share(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// A time whose mean is this one, and which does not depend on what has passed.
    fn memoryless(&mut self, mean: u64) -> u64 {
        (-(self.share().ln()) * mean as f64) as u64
    }
}

pub const SECOND: u64 = 1_000_000;
/// How long requests come by themselves.
pub const HOUR: u64 = 3_600 * SECOND;
const ANSWER: u64 = 8 * SECOND;
const PAUSE: u64 = 5 * SECOND;
const TURNS: u32 = 30;

/// How requests come.
#[derive(Clone, Copy, Debug)]
pub enum Pattern {
    /// So many microseconds from one to the next on average, for an hour.
    Single { every: u64 },
    /// The same, and in the middle the model that was asked for most is given up for one that nobody knew.
    Fashion { every: u64 },
    /// So many conversations of thirty turns.
    Conversations { count: usize, models: Deal },
}

/// Which models conversations have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deal {
    Drawn,
    InTurn,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub at: u64,
    pub model: usize,
    /// How long its answer takes.
    pub answer: u64,
    turns_left: u32,
}

#[derive(Debug)]
pub struct Traffic {
    dice: Dice,
}

impl Traffic {
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed) }
    }

    /// Those that come whatever becomes of the others.
    pub fn begin(&mut self, pattern: Pattern, models: usize) -> Vec<Job> {
        let (every, asked) = match pattern {
            Pattern::Single { every } => (every, models),
            Pattern::Fashion { every } => (every, models - 1),
            Pattern::Conversations { count, models: deal } => {
                // Whose turns come at the same time is chance from the second on.
                let begins: Vec<_> = (0..count).map(|_| self.dice.next() % PAUSE).collect();
                let conversation = |(number, at)| {
                    let model = if deal == Deal::Drawn { self.by_rank(models) } else { number % models };
                    self.job(at, model, TURNS - 1)
                };
                return begins.into_iter().enumerate().map(conversation).collect();
            }
        };
        let mut jobs = Vec::new();
        let mut at = self.dice.memoryless(every);
        while at < HOUR {
            let model = self.by_rank(asked);
            let is_given_up = asked < models && model == 0 && at > HOUR / 2;
            jobs.push(self.job(at, if is_given_up { models - 1 } else { model }, 0));
            at += self.dice.memoryless(every);
        }
        jobs
    }

    /// The next of the same conversation, once that one is answered.
    pub fn answered(&mut self, job: Job, now: u64) -> Option<Job> {
        let turns_left = job.turns_left.checked_sub(1)?;
        Some(self.job(now + PAUSE, job.model, turns_left))
    }

    fn job(&mut self, at: u64, model: usize, turns_left: u32) -> Job {
        Job { at, model, answer: self.dice.memoryless(ANSWER), turns_left }
    }

    /// The second model is asked for half as often as the first, the third a third as often (Zipf).
    fn by_rank(&mut self, models: usize) -> usize {
        let weight = |rank: usize| 1. / (rank + 1) as f64;
        let mut left = self.dice.share() * (0..models).map(weight).sum::<f64>();
        let is_it = |rank: &usize| {
            left -= weight(*rank);
            left <= 0.
        };
        (0..models).find(is_it).unwrap_or(models - 1)
    }
}
