//! Pipeline of an answer, streamed or whole: calls in its text become `tool_calls`, an alias takes the model's place.
//! Never fails: past a limit the bytes pass through as they came.
//!
//! What the model wrote is in `content`. It goes through one [`decode::Decoder`](crate::decode::Decoder) a choice.
//! Where nothing comes of it the bytes that came in go on; where its text changed, the new string is put into the
//! original bytes; only calls and reasoning make events of their own, which borrow the members of the current one.
//!
//! A stream is framed once and a body parsed once, whatever is done to it. What an event says is read by its API's room
//! and by a `speaker` for each choice; what is done with it is `splice`'s.

mod alias;
mod choice;
mod errors;
mod head;
mod letters;
mod list;
mod out;
mod pieces;
mod pipeline;
mod refusal;
mod retelling;
mod salvage;
mod scribe;
mod shape;
mod speaker;
mod splice;
mod stream;
mod tail;
mod telling;
#[cfg(test)]
mod tests;
mod thoughts;
mod turns;
mod whole;

pub use head::{Form, Head, Unread};
pub use pipeline::{Close, Pipeline, Subject};
pub use retelling::{Heard, Retelling};
pub use stream::StreamRewriter;
pub use whole::BodyRewriter;

use crate::api::Tokens;
use crate::api::ollama::server::Counted;
use crate::api::openai::finish::is_cut;
use crate::decode::{Ending, Finish};

/// What was done to a reply, for the access log and the counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Calls emitted as `tool_calls`, over all choices.
    pub calls: u32,
    pub repaired: u32,
    pub malformed: u32,
    /// Openers that turned out to be text.
    pub rejected: u32,
    /// Calls that were cut off: their arguments are a prefix.
    pub truncated: u32,
    /// The first choice's finish reason, as the client got it.
    pub finish_reason: Option<String>,
    /// What the server said last of its tokens.
    pub tokens: Option<Tokens>,
    /// Whether its server could not parse it, and told what the model wrote in an error.
    pub salvaged: bool,
    /// Whether a limit was reached and the rest passed through unread.
    pub bailed_out: bool,
    /// Whether the reply ended properly: a finish reason or an error was seen.
    pub complete: bool,
}

impl Summary {
    /// Of an answer that was only listened to.
    fn of_counted(counted: Counted) -> Self {
        let Counted { tokens, finish_reason } = counted;
        Self { tokens: Some(tokens), finish_reason, complete: true, ..Self::default() }
    }

    /// That of a turn, of which another round has come.
    #[must_use]
    pub fn with_round(self, round: Self) -> Self {
        Self {
            calls: self.calls + round.calls,
            repaired: self.repaired + round.repaired,
            malformed: self.malformed + round.malformed,
            rejected: self.rejected + round.rejected,
            truncated: self.truncated + round.truncated,
            finish_reason: round.finish_reason,
            tokens: match (self.tokens, round.tokens) {
                (Some(before), Some(tokens)) => Some(before.plus(tokens)),
                (before, tokens) => tokens.or(before),
            },
            salvaged: self.salvaged || round.salvaged,
            bailed_out: self.bailed_out || round.bailed_out,
            complete: round.complete,
        }
    }

    fn count(&mut self, ending: Ending) {
        self.calls += ending.calls;
        self.repaired += ending.repaired;
        self.malformed += ending.malformed;
        self.rejected += ending.rejected;
        self.truncated += u32::from(ending.truncated);
    }
}

/// How generation ended, by the server's finish reason.
fn finish(reason: &str) -> Finish {
    if is_cut(reason) { Finish::Cut } else { Finish::Stop }
}
