//! Told: what of a request decides how its answer is told. Holds no text of it but what an answer may repeat.

/// How the answer is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The model, in the client's word.
    pub model: String,
    pub is_streamed: bool,
    /// The most tokens that the client wants.
    pub max_tokens: u64,
    /// The client wants its prompt read and nothing written. One token is asked for all the same, since servers write one
    /// anyway; it is not the client's.
    pub fills_cache: bool,
    /// The text that the answer goes on with, where the server repeats it at the beginning of a whole answer.
    pub prefill: Option<String>,
}
