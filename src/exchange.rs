//! What the reply side must know about the request.
//! `plan` makes it, `answer` reads it; it does nothing itself.

use crate::decode::Settings;

/// One request and its reply, as far as the rewriting of the reply depends on the request.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// How the answer's text is read.
    pub decoding: Settings,
    /// Whether the client asked for `usage` in a stream: then the upstream is read to its end even after the
    /// last call that counts.
    pub usage: Usage,
    /// How many choices were asked for (`n`): until all are there, the upstream is not left early.
    pub choices: usize,
}

/// Whether a stream's `usage` event is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    #[default]
    Unasked,
    Asked,
}
