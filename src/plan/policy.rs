//! Policy of a pool: what is done with its requests, and for whom.

use std::sync::Arc;
use std::time::Duration;

use super::{AgentFormat, Plan};
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
}

impl Tools {
    /// Tools of a dialect, with every default, and nothing known of the server's template.
    pub fn new(mode: ToolsMode, dialect: Arc<Dialect>) -> Self {
        let (reasoning, unknown_tools) = (Reasoning::default(), UnknownTools::default());
        Self { mode, dialect, kept: None, reasoning, unknown_tools, constraint: Constraint::STRONGEST }
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
        }
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
