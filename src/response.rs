//! Rewrites a reply, streamed or whole: calls in the text become `tool_calls`.
//! Never fails: past a limit the bytes pass through as they came.

use bytes::{Bytes, BytesMut};

use crate::exchange::Exchange;
use crate::limits::Limits;

/// What was done to a reply, for the access log and the counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Calls emitted as `tool_calls`, over all choices.
    pub calls: u32,
    pub repaired: u32,
    pub malformed: u32,
    /// Openers that turned out to be text.
    pub rejected: u32,
    /// The first choice's finish reason, as the client got it.
    pub finish_reason: Option<String>,
    /// Whether a limit was reached and the rest passed through unread.
    pub bailed_out: bool,
    /// Whether the reply ended properly: a finish reason or an error was seen.
    pub complete: bool,
}

/// Rewrites an event stream as its bytes arrive.
#[derive(Debug)]
pub struct StreamRewriter {}

impl StreamRewriter {
    pub fn new(_exchange: &Exchange, _limits: &Limits) -> Self {
        Self {}
    }
    /// Takes the next bytes of the upstream's body; appends what goes to the client.
    pub fn push(&mut self, bytes: Bytes, out: &mut BytesMut) {
        out.extend_from_slice(&bytes);
    }
    /// Whether nothing more from upstream is needed: the upstream may be closed.
    pub fn is_done(&self) -> bool {
        false
    }
    /// The upstream's body ended cleanly.
    pub fn finish(self, _out: &mut BytesMut) -> Summary {
        Summary::default()
    }
    /// The upstream died: lets go of what is held, then says so in one error event.
    pub fn fail(self, _message: &str, _out: &mut BytesMut) -> Summary {
        Summary::default()
    }
}

/// Rewrites an answer that comes whole.
#[derive(Debug)]
pub struct BodyRewriter {}

impl BodyRewriter {
    pub fn new(_exchange: &Exchange, _limits: &Limits) -> Self {
        Self {}
    }
    pub fn push(&mut self, bytes: Bytes, out: &mut BytesMut) {
        out.extend_from_slice(&bytes);
    }
    pub fn finish(self, _out: &mut BytesMut) -> Summary {
        Summary::default()
    }
}
