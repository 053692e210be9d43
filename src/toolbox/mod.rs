//! The toolbox: all tools that run on the server, and the one way to run any.
//! Does nothing itself: `workspace` works on files, `cage` runs commands, `mcp` calls servers of tools. Which of them a
//! request is offered is the gateway's to say.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::cage::{Cage, CageError};
use crate::config;
use crate::mcp::{Servers, Status};
use crate::tooling::{CommandTool, Failure, FileTool, Offer, Outcome, ServerTool};
use crate::workspace::{OpenError, PATIENCE, Workspace};

/// The tools of a configuration.
#[derive(Debug)]
pub struct Toolbox {
    settings: config::Tools,
    workspace: Arc<Workspace>,
    cage: Cage,
    /// The gateway's own, which stay as they are.
    own: Vec<Arc<OfferedTool>>,
    /// Absent until something runs that can keep them.
    servers: OnceLock<Servers>,
    theirs: Mutex<Theirs>,
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
    /// For people: what it does, and what it takes.
    pub explained: String,
    pub effect: Effect,
}

/// The tools of servers, as they were when somebody looked last.
#[derive(Debug, Default)]
struct Theirs {
    seen: Arc<[Arc<ServerTool>]>,
    offered: Vec<Arc<OfferedTool>>,
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

impl Default for Toolbox {
    /// Without tools.
    fn default() -> Self {
        Self::of(config::Tools::default(), Workspace::default())
    }
}

impl Toolbox {
    /// Opens what the configuration names. Fails when a directory is none, or may not be opened. Whether a sandbox holds,
    /// [`Toolbox::prove`] finds out.
    pub fn open(settings: &config::Tools) -> Result<Self, OpenError> {
        Ok(Self::of(settings.clone(), Workspace::open(&settings.workspace)?))
    }

    fn of(settings: config::Tools, workspace: Workspace) -> Self {
        let workspace = Arc::new(workspace);
        let cage = Cage::open(&settings, Arc::clone(&workspace));
        let files = workspace.tools().map(OfferedTool::of_files);
        let own = files.chain(cage.tools().map(|offer| OfferedTool::of_commands(&offer))).map(Arc::new).collect();
        Self { settings, workspace, cage, own, servers: OnceLock::new(), theirs: Mutex::default() }
    }

    /// Runs another program than the process's own for commands: for a process that is not `toolgate`.
    #[must_use]
    pub fn with_program(self, path: std::path::PathBuf) -> Self {
        Self { cage: self.cage.with_program(path), ..self }
    }

    /// What runs commands.
    pub fn cage(&self) -> &Cage {
        &self.cage
    }

    /// Fails when commands would run in a sandbox that does not hold.
    pub async fn prove(&self) -> Result<(), CageError> {
        self.cage.prove().await
    }

    /// Connects to the servers of tools, and keeps them on this runtime from now on.
    pub fn connect(&self, runtime: &Handle) {
        self.servers.get_or_init(|| Servers::start(&self.settings.servers, runtime));
    }

    /// Waits until something has come of each server's first session, but no longer than that.
    pub async fn settled(&self, patience: Duration) {
        if let Some(servers) = self.servers.get() {
            servers.settled(patience).await;
        }
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
    pub fn tools(&self) -> Vec<Arc<OfferedTool>> {
        let mut tools = self.own.clone();
        if let Some(servers) = self.servers.get() {
            let mut theirs = self.theirs.lock().unwrap_or_else(PoisonError::into_inner);
            let now = servers.tools();
            if !Arc::ptr_eq(&now, &theirs.seen) {
                let offered = now.iter().map(|tool| Arc::new(OfferedTool::of_server(tool))).collect();
                *theirs = Theirs { seen: now, offered };
            }
            tools.extend(theirs.offered.iter().cloned());
        }
        tools
    }

    /// How each server of tools is.
    pub fn servers(&self) -> Vec<Status> {
        self.servers.get().map(Servers::status).unwrap_or_default()
    }

    /// Fails as a call would that is refused before anything runs.
    pub fn check(&self, name: &str, arguments: &str) -> Result<(), Failure> {
        if is_command(name) { self.cage.check(name, arguments) } else { Ok(()) }
    }

    /// Runs the tool of a name with arguments as the model wrote them. Whoever drops this ends the call; one that works on
    /// files runs on for its patience at most.
    pub async fn run(&self, name: &str, arguments: &str) -> Outcome {
        self.call(name, arguments).await.within(self.settings.limits.result_bytes_max)
    }

    async fn call(&self, name: &str, arguments: &str) -> Outcome {
        if FileTool::named(name).is_some() {
            return self.work(name, arguments).await;
        }
        if is_command(name) {
            return self.cage.run(name, arguments).await;
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

/// Whether a tool of this name runs commands or code.
pub fn is_command(name: &str) -> bool {
    CommandTool::named(name).is_some()
}

impl OfferedTool {
    fn of_files(tool: FileTool) -> Self {
        let effect = if tool.changes_files() { Effect::Changes } else { Effect::Reads };
        Self::own(tool.name(), &tool.schema(), tool.explained(), effect)
    }

    fn of_commands(offer: &Offer<'_>) -> Self {
        let effect = match offer.tool {
            CommandTool::Command => Effect::Changes,
            // It may write nothing that another could read.
            CommandTool::Code => Effect::Reads,
        };
        Self::own(offer.tool.name(), &offer.schema(), offer.explained(), effect)
    }

    fn own(name: &str, schema: &serde_json::Value, explained: String, effect: Effect) -> Self {
        let (own_name, server) = (name.to_owned(), OWN.to_owned());
        Self { name: own_name.clone(), server, own_name, schema: schema.to_string(), explained, effect }
    }

    /// What a server's tool does is for nobody here to know.
    fn of_server(tool: &ServerTool) -> Self {
        Self {
            name: tool.name.clone(),
            server: tool.server.clone(),
            own_name: tool.definition.name.clone(),
            schema: tool.schema().to_string(),
            explained: tool.explained(),
            effect: Effect::Changes,
        }
    }
}
