//! Tokens of an answer, as its server counts them, whichever API it says so in.
//! Counts none itself: what is not said is not known.

use std::time::Duration;

/// What a server says of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The prompt, what was cached of it included.
    pub input: Option<u64>,
    /// Tokens of the prompt that the server still had in its cache.
    pub cached: Option<u64>,
    pub output: Option<u64>,
    /// How long it took to read what was not cached.
    pub prompt_time: Option<Duration>,
}

impl Tokens {
    /// Those of two answers together. What one of them does not say counts for nothing.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| a.map_or(b, |a| Some(a.saturating_add(b.unwrap_or(0))));
        let time = self.prompt_time.map(|time| time + other.prompt_time.unwrap_or_default()).or(other.prompt_time);
        Self {
            input: sum(self.input, other.input),
            cached: sum(self.cached, other.cached),
            output: sum(self.output, other.output),
            prompt_time: time,
        }
    }

    /// What was said here, and of the rest what was said there.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            input: self.input.or(other.input),
            cached: self.cached.or(other.cached),
            output: self.output.or(other.output),
            prompt_time: self.prompt_time.or(other.prompt_time),
        }
    }
}
