//! The server that will answer: the facts of its pool by which requests differ.

use std::sync::Arc;

use crate::engine::Messages;

/// The facts of the pool that will answer.
#[derive(Clone, Debug)]
pub struct Server {
    /// Those of the row of its engine.
    pub takes: Messages,
    /// Whether its model is known to see images.
    pub sees: Option<bool>,
    /// Whether its model is known to think.
    pub thinks: Option<bool>,
    pub hosted_tools: HostedTools,
    /// The tools that run here. Blocks that tell of their calls are calls; those of others are told in words.
    pub runs: Arc<[OwnTool]>,
}

/// A tool that runs here, as clients see it and as models call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTool {
    /// The label of its server.
    pub server: String,
    /// Its name there.
    pub name: String,
    /// By which models call it.
    pub called: String,
}

impl Server {
    /// The tool that a block tells of, if it runs here.
    pub(super) fn own(&self, server: &str, name: &str) -> Option<&OwnTool> {
        self.runs.iter().find(|tool| tool.server == server && tool.name == name)
    }
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
