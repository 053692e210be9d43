//! Rewrites a request body for a model that knows tools only as text, and says how to read its reply.
//! Touches nothing but `messages`, `tools` and the keys that toolgate answers for: every other byte stays.

use std::sync::Arc;

use bytes::Bytes;

use crate::decode::{Reasoning, UnknownTools};
use crate::dialect::Dialect;
use crate::exchange::{Engine, Exchange, ToolsMode};
use crate::limits::Limits;

/// What a pool wants done with its requests.
#[derive(Clone, Debug)]
pub struct Policy {
    pub dialect: Arc<Dialect>,
    pub mode: ToolsMode,
    pub engine: Engine,
    pub reasoning: Reasoning,
    pub unknown_tools: UnknownTools,
}

/// What became of a request body.
#[derive(Debug)]
pub enum Rewritten {
    /// It goes up as it came, and nothing of the reply is read.
    Untouched,
    /// This goes up instead (possibly the same bytes), and the reply is read as the exchange says.
    Body { bytes: Bytes, exchange: Box<Exchange> },
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("tool_choice names `{0}`, which is not among the tools")]
    UnknownToolChoice(String),
}

/// Rewrites one chat-completions body.
pub fn rewrite(_body: &Bytes, _policy: &Policy, _limits: &Limits) -> Result<Rewritten, RequestError> {
    Ok(Rewritten::Untouched)
}

/// The body's top-level `model`, by which a pool is chosen. `None` when there is none or the body is not such JSON.
pub fn model(_body: &[u8]) -> Option<String> {
    None
}
