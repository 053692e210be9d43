//! `toolgate tool`: one call of a tool that runs on the server, by hand.
//! Runs nothing itself: `toolbox` does, as for a model.

use std::io::{self, IsTerminal, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use structopt::StructOpt;
use tokio::runtime::{Builder, Runtime};

use super::run::read_config;
use super::{CliError, print, read_stdin};
use crate::config::{self, ToolServer};
use crate::mcp::Standing;
use crate::toolbox::{Toolbox, is_command};
use crate::tooling::Outcome;

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

/// How long servers may take to begin.
const SERVERS_PATIENCE: Duration = Duration::from_secs(30);

impl Options {
    /// Runs the tool and prints its result alone. Fails when the call does; the result says why.
    pub fn run(self) -> Result<(), CliError> {
        let name = self.name.as_str();
        // Nobody else is asked.
        let toolbox = open(self.config.as_deref(), |server| server.may_have(name))?;
        let arguments = match self.arguments.as_str() {
            "-" => String::from_utf8(read_stdin()?).map_err(|_| CliError::NotText)?,
            _ => self.arguments,
        };
        let outcome = run(&toolbox, name, &arguments)?;
        // Programs get the result as it is; a terminal's next line is not part of it.
        let end = if io::stdout().is_terminal() { "\n" } else { "" };
        print(format!("{}{end}", outcome.text).as_bytes())?;
        if outcome.is_error { Err(CliError::Call) } else { Ok(()) }
    }
}

/// Runs a tool, a command only in a sandbox that holds.
fn run(toolbox: &Toolbox, name: &str, arguments: &str) -> Result<Outcome, CliError> {
    if let Err(refusal) = toolbox.check(name, arguments) {
        return Ok(refusal.into());
    }
    if is_command(name) {
        prove(toolbox).map_err(setup)?;
    }
    with_servers(toolbox, async || toolbox.run(name, arguments).await)
}

/// Opens what a configuration file names, and of servers of tools these; without a file there are no tools.
pub(super) fn open(file: Option<&Path>, is_wanted: impl Fn(&ToolServer) -> bool) -> Result<Toolbox, CliError> {
    let read = || {
        let mut settings =
            file.map(read_config).transpose()?.map_or_else(config::Tools::default, |config| config.tools);
        settings.servers.retain(|server| is_wanted(server));
        Ok(Toolbox::open(&settings)?)
    };
    read().map_err(setup)
}

/// Does something while servers of tools are connected. Standard error says of one that is not there, why.
pub(super) fn with_servers<T>(toolbox: &Toolbox, work: impl AsyncFnOnce() -> T) -> Result<T, CliError> {
    let runtime = runtime().map_err(CliError::Runtime)?;
    runtime.block_on(async {
        toolbox.connect(runtime.handle());
        toolbox.settled(SERVERS_PATIENCE).await;
        for status in toolbox.servers() {
            if status.standing != Standing::Up {
                let _ = writeln!(io::stderr(), "toolgate: tool server {}: {}", status.server, status.standing);
            }
        }
        let done = work().await;
        toolbox.stop().await;
        Ok(done)
    })
}

/// Fails when commands would run in a sandbox that does not hold.
pub(super) fn prove(toolbox: &Toolbox) -> Result<(), CliError> {
    let prove = || runtime().map(|runtime| runtime.block_on(toolbox.prove()));
    // On a thread of its own: a reload comes from one that has a runtime already.
    let proved = thread::scope(|scope| scope.spawn(prove).join());
    Ok(proved.unwrap_or_else(|panic| resume_unwind(panic)).map_err(CliError::Runtime)??)
}

fn setup(error: CliError) -> CliError {
    CliError::Setup(Box::new(error))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
