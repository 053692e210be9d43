//! The server that will answer: the facts of its pool by which requests differ.

use crate::engine::Messages;

/// The facts of the pool that will answer.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Those of the row of its engine.
    pub takes: Messages,
    /// Whether its model is known to see images.
    pub sees: Option<bool>,
    /// Whether its model is known to think.
    pub thinks: Option<bool>,
    pub hosted_tools: HostedTools,
}

/// What becomes of tools that only Anthropic's servers can run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostedTools {
    /// The request is refused, so that nobody takes an answer that is made up for what such a tool has found.
    #[default]
    Refuse,
    /// They are not offered.
    Drop,
}
