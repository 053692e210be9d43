//! `toolgate tool`: one call of a tool that runs on the server, by hand.
//! Runs nothing itself: `workspace` and `cage` do, as for a model.

use std::io::{self, IsTerminal};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use structopt::StructOpt;
use tokio::runtime::{Builder, Runtime};

use super::run::read_config;
use super::{CliError, print, read_stdin};
use crate::cage::Cage;
use crate::config;
use crate::tooling::{CommandTool, Outcome};
use crate::workspace::{PATIENCE, Workspace};

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// The tool's name, out of `toolgate tools`
    name: String,

    /// Its arguments, as a model writes them; `-` reads them from stdin
    #[structopt(value_name = "JSON")]
    arguments: String,

    /// The configuration file that says where tools work; without it there are none
    #[structopt(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Options {
    /// Runs the tool and prints its result alone. Fails when the call does; the result says why.
    pub fn run(self) -> Result<(), CliError> {
        let tools = Tools::open(self.config.as_deref())?;
        let arguments = match self.arguments.as_str() {
            "-" => String::from_utf8(read_stdin()?).map_err(|_| CliError::NotText)?,
            _ => self.arguments,
        };
        let outcome = tools.run(&self.name, &arguments)?;
        // Programs get the result as it is; a terminal's next line is not part of it.
        let end = if io::stdout().is_terminal() { "\n" } else { "" };
        print(format!("{}{end}", outcome.text).as_bytes())?;
        if outcome.is_error { Err(CliError::Call) } else { Ok(()) }
    }
}

/// What a configuration's tools work with.
pub(super) struct Tools {
    pub workspace: Arc<Workspace>,
    pub cage: Cage,
}

impl Tools {
    /// Opens what a configuration file names; without a file there are no tools.
    pub fn open(file: Option<&Path>) -> Result<Self, CliError> {
        let settings = file.map(read_config).transpose().map(|config| config.map(|config| config.tools));
        let settings = settings.map_err(setup)?.unwrap_or_default();
        Self::of(&settings).map_err(setup)
    }

    /// Opens what is configured.
    pub fn of(settings: &config::Tools) -> Result<Self, CliError> {
        let workspace = Arc::new(Workspace::open(&settings.workspace)?);
        let cage = Cage::open(settings, Arc::clone(&workspace));
        Ok(Self { workspace, cage })
    }

    /// Fails when commands would be run in a sandbox that does not hold.
    pub fn prove(&self) -> Result<(), CliError> {
        let prove = || runtime().map(|runtime| runtime.block_on(self.cage.prove()));
        // On a thread of its own: a reload comes from one that has a runtime already.
        let proved = thread::scope(|scope| scope.spawn(prove).join());
        Ok(proved.unwrap_or_else(|panic| resume_unwind(panic)).map_err(CliError::Runtime)??)
    }

    /// Runs a tool, a command only in a sandbox that holds.
    fn run(&self, name: &str, arguments: &str) -> Result<Outcome, CliError> {
        if CommandTool::named(name).is_none() {
            return Ok(self.workspace.run(name, arguments, Instant::now() + PATIENCE));
        }
        if let Err(refusal) = self.cage.check(name, arguments) {
            return Ok(refusal.into());
        }
        self.prove().map_err(setup)?;
        Ok(runtime().map_err(CliError::Runtime)?.block_on(self.cage.run(name, arguments)))
    }
}

fn setup(error: CliError) -> CliError {
    CliError::Setup(Box::new(error))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
