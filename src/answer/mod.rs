//! Rewrites a reply, streamed or whole: calls in the text become `tool_calls`.
//! Never fails: past a limit the bytes pass through as they came.
//!
//! What the model wrote is in `content`. It goes through one [`decode::Decoder`](crate::decode::Decoder) a choice.
//! Where nothing comes of it the bytes that came in go on; where its text changed, the new string is put into the
//! original bytes; only calls and reasoning make events of their own, which borrow the members of the current one.

mod answer;
mod assemble;
mod assembly;
mod body;
mod choice;
mod chunk;
mod edits;
mod envelope;
mod fold;
mod head;
mod ids;
mod letters;
mod list;
mod merge;
mod out;
mod pieces;
mod pipeline;
mod refusal;
mod rename;
mod said;
mod served;
mod shape;
mod stream;
mod tail;
#[cfg(test)]
mod tests;
mod tokens;
mod told;

pub use assemble::Assembler;
pub use assembly::{AssembleError, Reported};
pub use body::BodyRewriter;
pub use fold::{Folded, Folder, Message};
pub use head::{Form, Head, Unread};
pub use merge::AnswerTooLarge;
pub use pipeline::{Close, Pipeline, Subject};
pub use said::{Progress, Said};
pub use stream::StreamRewriter;
pub use tokens::Tokens;
use told::told;

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
    /// Whether a limit was reached and the rest passed through unread.
    pub bailed_out: bool,
    /// Whether the reply ended properly: a finish reason or an error was seen.
    pub complete: bool,
}

impl Summary {
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
    if reason == LENGTH { Finish::Cut } else { Finish::Stop }
}

/// The finish reason that the client gets for the server's: whether there are calls, the server's own among them, is
/// what a client must know.
fn finish_reason(upstream: &str, calls: u32, truncated: Truncated) -> &str {
    match (upstream, truncated) {
        (STOP | TOOL_CALLS, Truncated::Yes) => LENGTH,
        (STOP | TOOL_CALLS, Truncated::No) => {
            if calls > 0 {
                TOOL_CALLS
            } else {
                STOP
            }
        }
        _ => upstream,
    }
}

/// Whether a choice's last call was cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Truncated {
    #[default]
    No,
    Yes,
}

impl From<Ending> for Truncated {
    fn from(ending: Ending) -> Self {
        if ending.truncated { Self::Yes } else { Self::No }
    }
}

const STOP: &str = "stop";
const LENGTH: &str = "length";
const TOOL_CALLS: &str = "tool_calls";
