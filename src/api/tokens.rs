//! Tokens of an answer, as its server counts them, whichever API it says so in.
//! Counts none itself: what is not said is not known.

/// What a server says of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The prompt, what was cached of it included.
    pub input: Option<u64>,
    /// Tokens of the prompt that the server still had in its cache.
    pub cached: Option<u64>,
    pub output: Option<u64>,
}
