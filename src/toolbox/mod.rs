//! The toolbox: all tools that run on the server, and the one way to run any.
//! Does nothing itself: `workspace` works on files, and `cage` runs commands. Which of them a request is offered is the gateway's to say.

use std::sync::Arc;
use std::time::Instant;

use crate::cage::Cage;
use crate::config;
use crate::tooling::{CommandTool, Failure, FileTool, Offer, Outcome};
use crate::workspace::{OpenError, PATIENCE, Workspace};

/// The tools of a configuration.
#[derive(Debug, Default)]
pub struct Toolbox {
    workspace: Arc<Workspace>,
    cage: Option<Cage>,
    settings: config::Tools,
}

/// A tool, as models are offered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTool {
    pub name: String,
    /// The label of the server that it is of, and its name there.
    pub server: String,
    pub own_name: String,
    /// As a request lists it, in JSON.
    pub schema: String,
    pub effect: Effect,
}

/// The label of the gateway's own tools.
pub const OWN: &str = "toolgate";

/// What a tool does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It reads: several may run at once.
    Reads,
    /// It may change something: it runs alone, in its turn.
    Changes,
}

impl Toolbox {
    /// Opens what the configuration names. Fails when a directory is none, or may not be opened.
    pub fn open(settings: &config::Tools) -> Result<Self, OpenError> {
        let workspace = Arc::new(Workspace::open(&settings.workspace)?);
        let cage = Some(Cage::open(settings, Arc::clone(&workspace)));
        Ok(Self { workspace, cage, settings: settings.clone() })
    }

    /// What it was opened by.
    pub fn settings(&self) -> &config::Tools {
        &self.settings
    }

    /// The tools that there are now.
    pub fn tools(&self) -> Vec<ServerTool> {
        let commands = self.cage.iter().flat_map(Cage::tools).map(|offer| ServerTool::of_commands(&offer));
        self.workspace.tools().map(ServerTool::of_files).chain(commands).collect()
    }

    /// Runs the tool of a name with arguments as the model wrote them. Of a call that is dropped a command ends, and work
    /// on files runs no further than its patience.
    pub async fn run(&self, name: &str, arguments: &str) -> Outcome {
        if let (Some(cage), Some(_)) = (&self.cage, CommandTool::named(name)) {
            return cage.run(name, arguments).await;
        }
        let (workspace, called, arguments) = (Arc::clone(&self.workspace), name.to_owned(), arguments.to_owned());
        let run = move || workspace.run(&called, &arguments, Instant::now() + PATIENCE);
        let ran = tokio::task::spawn_blocking(run).await;
        ran.unwrap_or_else(|_| Failure::Stopped { seconds: 0, path: name.to_owned() }.into())
    }
}

impl ServerTool {
    fn of_commands(offer: &Offer<'_>) -> Self {
        let effect = match offer.tool {
            CommandTool::Command => Effect::Changes,
            // It may write nothing that another could read.
            CommandTool::Code => Effect::Reads,
        };
        let name = offer.tool.name().to_owned();
        Self { own_name: name.clone(), name, server: OWN.to_owned(), schema: offer.schema().to_string(), effect }
    }

    fn of_files(tool: FileTool) -> Self {
        let effect = if tool.changes_files() { Effect::Changes } else { Effect::Reads };
        let name = tool.name().to_owned();
        Self { own_name: name.clone(), name, server: OWN.to_owned(), schema: tool.schema().to_string(), effect }
    }
}
