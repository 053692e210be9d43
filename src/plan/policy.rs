//! Policy of a pool: what is done with its requests, and for whom.

use std::sync::Arc;
use std::time::Duration;

use super::{AgentFormat, Plan};
use crate::api::ollama::server::{Defaults, Thinking};
use crate::decode::{Reasoning, UnknownTools};
use crate::dialect::{Dialect, Past};
use crate::engine::{Constraint, Engine, ToolsMode};

/// What a pool wants done with its requests.
#[derive(Clone, Debug)]
pub struct Policy {
    pub engine: Engine,
    /// None where they are the server's own business.
    pub tools: Option<Tools>,
    /// Whose whole answers are assembled from a stream.
    pub assemble: Chats,
    /// For whom a server is asked how far it is with the prompt.
    pub progress: Chats,
    /// How long a client that asked for a stream hears nothing while it waits. None means for ever.
    pub comments: Option<Duration>,
    /// How the client wants calls.
    pub format: AgentFormat,
    /// How chats are asked of servers that are asked in Ollama's API.
    pub ollama: Option<Ollama>,
}

/// How Ollama's servers are asked.
#[derive(Clone, Debug, Default)]
pub struct Ollama {
    pub defaults: Arc<Defaults>,
    /// How the model takes `think`.
    pub thinking: Thinking,
}

/// Which chat requests something is done for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chats {
    /// Those that are rewritten anyway, because they offer tools.
    #[default]
    Tools,
    All,
    Off,
}

/// How the models of a pool are offered tools, and how they write calls.
#[derive(Clone, Debug)]
pub struct Tools {
    pub mode: ToolsMode,
    pub dialect: Arc<Dialect>,
    /// In which form of the past the server's template drops nothing, where that is known.
    pub kept: Option<Past>,
    pub reasoning: Reasoning,
    pub unknown_tools: UnknownTools,
    /// The strongest constraint that its servers take.
    pub constraint: Constraint,
    /// What its server puts before a conversation that has no system message of its own.
    pub system: Option<Arc<str>>,
}

impl Tools {
    /// Tools of a dialect, with every default, and nothing known of the server's template.
    pub fn new(mode: ToolsMode, dialect: Arc<Dialect>) -> Self {
        let (reasoning, unknown_tools) = (Reasoning::default(), UnknownTools::default());
        let constraint = Constraint::STRONGEST;
        Self { mode, dialect, kept: None, reasoning, unknown_tools, constraint, system: None }
    }
}

impl Policy {
    /// One that is about tools alone.
    pub fn of_tools(engine: Engine, tools: Tools) -> Self {
        Self {
            engine,
            tools: Some(tools),
            assemble: Chats::Off,
            progress: Chats::Off,
            comments: None,
            format: AgentFormat::Calls,
            ollama: None,
        }
    }
}

impl Policy {
    /// Whether the whole answer to a chat of this plan is assembled. What is asked in Ollama's API always streams.
    pub(super) fn assembles(&self, plan: &Plan) -> bool {
        self.assemble.include(plan) || self.ollama.is_some()
    }
}

impl Chats {
    /// Whether a chat of this plan is among them.
    pub(super) fn include(self, plan: &Plan) -> bool {
        match self {
            Self::Tools => plan.exchange.is_some(),
            Self::All => true,
            Self::Off => false,
        }
    }
}
