//! The toolbox: all tools that run on the server, and the one way to run any.
//! Does nothing itself: `workspace` works on files, `mcp` calls servers of tools. Which of them a request is offered is the
//! gateway's to say.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::runtime::Handle;

use crate::config;
use crate::mcp::{Servers, Status};
use crate::tooling::{Failure, FileTool, Outcome, ServerTool};
use crate::workspace::{OpenError, PATIENCE, Workspace};

/// The tools of a configuration.
#[derive(Debug, Default)]
pub struct Toolbox {
    settings: config::Tools,
    workspace: Arc<Workspace>,
    /// Absent until something runs that can keep them.
    servers: OnceLock<Servers>,
}

/// A tool, as models are offered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedTool {
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
        Ok(Self { settings: settings.clone(), workspace, servers: OnceLock::new() })
    }

    /// Connects to the servers of tools, and keeps them on this runtime from now on.
    pub fn connect(&self, runtime: &Handle) {
        self.servers.get_or_init(|| Servers::start(&self.settings.servers, runtime));
    }

    /// Takes the servers of another one over. Those that both configurations have go on as they are.
    pub fn succeed(&self, former: &Self) {
        if let Some(servers) = former.servers.get() {
            servers.reload(&self.settings.servers);
            let _ = self.servers.set(servers.clone());
        }
    }

    /// What it was opened by.
    pub fn settings(&self) -> &config::Tools {
        &self.settings
    }

    /// The tools that there are now.
    pub fn tools(&self) -> Vec<OfferedTool> {
        let own = self.workspace.tools().map(OfferedTool::of_files);
        let theirs = self.servers.get().map(Servers::tools).unwrap_or_default();
        own.chain(theirs.iter().map(|tool| OfferedTool::of_server(tool))).collect()
    }

    /// Whether a server of this label is configured.
    pub fn has_server(&self, label: &str) -> bool {
        label == OWN || self.settings.servers.iter().any(|server| server.name == label)
    }

    /// How each server of tools is.
    pub fn servers(&self) -> Vec<Status> {
        self.servers.get().map(Servers::status).unwrap_or_default()
    }

    /// Runs the tool of a name with arguments as the model wrote them. Whoever drops this ends the call; one that works on
    /// files runs on for its patience at most.
    pub async fn run(&self, name: &str, arguments: &str) -> Outcome {
        if FileTool::named(name).is_some() {
            return self.work(name, arguments).await;
        }
        match self.servers.get() {
            Some(servers) => servers.call(name, arguments).await,
            None => Failure::UnknownTool(name.to_owned()).into(),
        }
    }

    /// Ends the servers of tools, and waits until they have.
    pub async fn stop(&self) {
        if let Some(servers) = self.servers.get() {
            servers.stop().await;
        }
    }

    /// Works on files, on a thread that may wait for them.
    async fn work(&self, name: &str, arguments: &str) -> Outcome {
        let (workspace, called, arguments) = (Arc::clone(&self.workspace), name.to_owned(), arguments.to_owned());
        let run = move || workspace.run(&called, &arguments, Instant::now() + PATIENCE);
        let ran = tokio::task::spawn_blocking(run).await;
        ran.unwrap_or_else(|_| Failure::Stopped { seconds: 0, path: name.to_owned() }.into())
    }
}

impl OfferedTool {
    fn of_files(tool: FileTool) -> Self {
        let effect = if tool.changes_files() { Effect::Changes } else { Effect::Reads };
        let name = tool.name().to_owned();
        Self { own_name: name.clone(), name, server: OWN.to_owned(), schema: tool.schema().to_string(), effect }
    }

    /// What a server's tool does is for nobody here to know.
    fn of_server(tool: &ServerTool) -> Self {
        Self {
            name: tool.name.clone(),
            server: tool.server.clone(),
            own_name: tool.definition.name.clone(),
            schema: tool.schema().to_string(),
            effect: Effect::Changes,
        }
    }
}
