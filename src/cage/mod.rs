//! The cage: commands and code that models ask for, run in a sandbox, within limits.
//! What a call means and what it answers stands in `tooling`; files are `workspace`'s.
//!
//! ```text
//! gateway ── socket ──▶ entry ──exec──▶ bubblewrap ──▶ supervisor ──▶ inside ──exec──▶ the command
//!                         └────── landlock: reaper ─────────┘
//! ```
//!
//! All stages are this program, run again: a fresh process of one thread, that puts up its walls by safe calls and then
//! becomes the next by `exec`. The *entry* lets go of what it inherited; without namespaces it stays as the *reaper*, which
//! ends what is left when a supervisor is killed. The *supervisor* reads one order from the socket,
//! watches the command's time, output, processes and memory, and answers once, when nothing of it is left. The *inside*
//! shuts itself in (limits, Landlock, seccomp) and becomes the command.
//!
//! The socket is the command's life: whoever drops its end, by leaving or by dying, ends the command with all its
//! children. A cage service has such a socket at a path, and nothing else differs.
//!
//! What the sandbox is made of stands in its walls, and is the operator's; what is run in it stands in the order, and is
//! the model's. There is no way from one sandbox to a weaker one: what cannot be put up is an error.

mod bubblewrap;
mod client;
mod enter;
mod environment;
mod family;
mod inside;
mod landlocked;
mod order;
mod probe;
mod proof;
mod reaper;
mod scratch;
mod service;
mod supervisor;
mod syscalls;
mod timed;
mod walls;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;

pub use self::service::{ServiceError, check_service, serve};

use self::client::Way;
use self::environment::Environment;
use self::order::{NoStart, Order, Task};
use self::walls::Walls;
use crate::config::{self, Sandbox};
use crate::tooling::{AllowList, CommandCall, CommandTool, Failure, Offer, Outcome, RunCode, RunCommand};
use crate::workspace::Workspace;

/// Runs commands and code. Which of them there are, the configuration says.
#[derive(Debug)]
pub struct Cage {
    way: Result<Way, Missing>,
    workspace: Arc<Workspace>,
    commands: config::Commands,
    /// The interpreter of Python, where there is `run_code`.
    python: Option<Vec<String>>,
    places: Semaphore,
}

/// Why commands cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CageError {
    #[error(transparent)]
    Missing(Missing),
    #[error("tools.commands: the sandbox does not work: {0}")]
    Broken(String),
    #[error("tools.commands: the sandbox does not hold: {}", .0.join("; "))]
    Holes(Vec<String>),
    #[error("tools.commands: no directory outside of the workspace to try the sandbox with: {0}")]
    NoCanary(io::Error),
}

/// What a sandbox needs and is not there.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Missing {
    #[error("tools.commands: no `bwrap` in PATH; install bubblewrap, or choose another `sandbox`")]
    Bubblewrap,
    #[error("tools.commands: `sandbox: landlock` needs Landlock ABI 6 (Linux 6.12): {0}")]
    Landlock(String),
    #[error("tools.commands: `sandbox: landlock` needs /proc/PID/task/TID/children, which this system does not have")]
    Children,
    #[error(
        "tools: `{}` lies within `{}`, which commands may write, and could lead elsewhere; name directories beside each other",
        inner.display(), outer.display()
    )]
    Apart { inner: PathBuf, outer: PathBuf },
    #[error("tools.commands: no directory for temporary files that commands could not move; set TMPDIR to one")]
    Temporary,
    #[error("tools.code: python: `{0}` does not exist")]
    Interpreter(String),
}

/// What a stage of a sandbox is started with; see [`stage`].
#[derive(Debug)]
pub enum Stage {
    /// By the gateway or a cage service, with a connection as its input.
    Enter,
    /// Within namespaces.
    Supervise,
    /// Right before the command.
    Inside(Inside),
}

/// What the last stage is to become.
#[derive(Debug)]
pub struct Inside {
    /// The root that `directory` is beneath; none is the sandbox's own directory for temporary files.
    pub root: Option<PathBuf>,
    pub directory: PathBuf,
    /// What is tried in place of a command.
    pub probe: Option<String>,
    pub words: Vec<String>,
}

/// Runs a stage of a sandbox in this process, which has one thread and does nothing else; returns when its part is done.
/// `walls` is the text that the stage before has written. Fails when it cannot even say what is wrong.
pub fn stage(stage: Stage, walls: &str) -> io::Result<()> {
    let walls = Walls::read(walls)?;
    match stage {
        Stage::Enter => enter::enter(walls),
        Stage::Supervise => supervisor::supervise(&walls),
        Stage::Inside(inside) => inside::become_command(&walls, inside),
    }
}

impl Cage {
    /// Takes what a configuration says. Whether the sandbox is there and holds, [`Cage::prove`] finds out: what is refused
    /// is refused without one, too.
    pub fn open(tools: &config::Tools, workspace: Arc<Workspace>) -> Self {
        let commands = tools.commands.clone();
        let python = python(tools);
        let way = way(tools, python.as_deref(), &workspace);
        Self { way, workspace, places: Semaphore::new(commands.concurrent_max), commands, python }
    }

    /// Runs another program than the process's own for the stages: for a process that is not `toolgate`.
    #[must_use]
    pub fn with_program(mut self, path: PathBuf) -> Self {
        if let Ok(Way::Here { program, .. }) = &mut self.way {
            *program = path;
        }
        self
    }

    /// The tools that there are.
    pub fn tools(&self) -> impl Iterator<Item = Offer<'_>> {
        let tools = CommandTool::ALL.into_iter().filter(|tool| self.has(*tool));
        tools.map(|tool| Offer {
            tool,
            allow: &self.commands.allow,
            network: self.commands.network,
            timeout_seconds: self.commands.timeout_seconds,
            temporary: match self.commands.sandbox {
                Sandbox::Namespaces => "/tmp",
                // A directory of the call's own, wherever that is.
                _ => "$TMPDIR",
            },
        })
    }

    /// Tries from within whether the sandbox holds: to read and write outside, to connect, to see and to signal this
    /// process. Fails with everything that it did not keep from happening, or when it does not run. Without tools there
    /// is nothing to try.
    pub async fn prove(&self) -> Result<(), CageError> {
        if self.tools().next().is_none() {
            return Ok(());
        }
        proof::prove(self).await
    }

    /// Runs the tool of a name with arguments as the model wrote them. Waits for a place first. Dropped, it ends what it
    /// runs, with all its children.
    pub async fn run(&self, name: &str, arguments: &str) -> Outcome {
        match self.call(name, arguments).await {
            Ok(outcome) => outcome,
            Err(failure) => failure.into(),
        }
    }

    /// Fails as a call would that is refused before anything is run.
    pub fn check(&self, name: &str, arguments: &str) -> Result<(), Failure> {
        self.order(name, arguments).map(drop)
    }

    async fn call(&self, name: &str, arguments: &str) -> Result<Outcome, Failure> {
        let (order, said) = self.order(name, arguments)?;
        let way = self.way.as_ref().map_err(|missing| broken(&missing.to_string()))?;
        let _place = self.places.acquire().await.map_err(|error| broken(&error.to_string()))?;
        let answer = way.ask(&order, order.time()).await;
        match answer.map_err(|why| broken(&why))?.printed() {
            Ok(printed) => Ok(printed.into()),
            Err(NoStart::Directory(problem)) => Err(problem.failure(said)),
            Err(NoStart::Sandbox(why)) => Err(broken(&why)),
        }
    }

    /// What a call asks for, and its directory as the model wrote it.
    fn order(&self, name: &str, arguments: &str) -> Result<(Order, String), Failure> {
        let tool = CommandTool::named(name).ok_or_else(|| Failure::UnknownTool(name.to_owned()))?;
        if !self.has(tool) {
            return Err(tool.disabled());
        }
        Ok(match CommandCall::read(tool, arguments)? {
            CommandCall::Command(command) => (self.command(&command)?, command.directory),
            CommandCall::Code(code) => (self.code(code), String::new()),
        })
    }

    fn has(&self, tool: CommandTool) -> bool {
        match tool {
            CommandTool::Command => self.commands.enabled,
            CommandTool::Code => self.python.is_some(),
        }
    }

    fn command(&self, call: &RunCommand) -> Result<Order, Failure> {
        let task = match &self.commands.allow {
            any if any.is_empty() => Task::Shell(call.command.clone()),
            allow => Task::Words(admitted(allow, &call.command)?),
        };
        let (root, directory) = match call.directory.as_str() {
            "" if self.workspace.directories().next().is_none() => (None, PathBuf::from(".")),
            said => {
                let (root, beneath) = self.workspace.locate(said)?;
                (Some(root), beneath)
            }
        };
        Ok(self.order_of(task, root, directory, call.timeout_seconds))
    }

    fn code(&self, call: RunCode) -> Order {
        let interpreter = self.python.clone().unwrap_or_default();
        let root = self.workspace.directories().next().map(|directory| directory.path.to_owned());
        let task = Task::Code { interpreter, text: call.code };
        self.order_of(task, root, PathBuf::from("."), call.timeout_seconds)
    }

    fn order_of(&self, task: Task, root: Option<PathBuf>, directory: PathBuf, timeout_seconds: Option<u64>) -> Order {
        let timeout_seconds = timeout_seconds.unwrap_or(self.commands.timeout_seconds);
        Order { task, root, directory, timeout_seconds }
    }
}

/// The words of a command that may be run. Fails where it may not.
fn admitted(allow: &AllowList, command: &str) -> Result<Vec<String>, Failure> {
    allow.admit(command).ok_or_else(|| Failure::NotAllowed(allow.prefixes()))
}

/// Where nobody has said how Python is run.
const PYTHON: [&str; 2] = ["/usr/bin/python3", "-I"];

/// What the model reads of a sandbox that does not work, and the operator of why.
fn broken(why: &str) -> Failure {
    log::error!("the sandbox of commands does not work: {why}");
    Failure::Sandbox
}

/// How what is configured is run. Fails where that is not there.
fn way(tools: &config::Tools, python: Option<&[String]>, workspace: &Workspace) -> Result<Way, Missing> {
    if let Sandbox::Service(path) = &tools.commands.sandbox {
        // Its programs are not here to be looked for.
        return Ok(Way::Service(path.clone()));
    }
    match python.and_then(<[String]>::first) {
        Some(program) if !Path::new(program).exists() => Err(Missing::Interpreter(program.clone())),
        None if !tools.commands.enabled => Ok(Way::Nowhere),
        _ => Ok(Way::Here {
            program: client::OWN_PROGRAM.into(),
            walls: Walls::new(&tools.commands, workspace)?,
            environment: Environment::new(&tools.commands.env),
        }),
    }
}

/// The interpreter of Python. Where the configuration does not say, there is one where any command may be run, which
/// could run it, too.
fn python(tools: &config::Tools) -> Option<Vec<String>> {
    let is_there = || matches!(tools.commands.sandbox, Sandbox::Service(_)) || Path::new(PYTHON[0]).exists();
    let is_any_allowed = tools.commands.enabled && tools.commands.allow.is_empty();
    let usual = || (is_any_allowed && is_there()).then(|| PYTHON.map(str::to_owned).to_vec());
    tools.code.python.clone().or_else(usual)
}
