//! `toolgate tool`: one call of a tool that runs on the server, by hand.
//! Runs nothing itself: `workspace` does, or an MCP server, as for a model.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use structopt::StructOpt;

use super::run::read_config;
use super::{CliError, print, read_stdin};
use crate::config::{self, ToolServer};
use crate::mcp::{Servers, Standing};
use crate::tooling::Outcome;
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
        let (workspace, mut servers) = tools(self.config.as_deref())?;
        let arguments = match self.arguments.as_str() {
            "-" => String::from_utf8(read_stdin()?).map_err(|_| CliError::NotText)?,
            _ => self.arguments,
        };
        servers.retain(|server| server.may_have(&self.name));
        let outcome = match servers.is_empty() {
            true => workspace.run(&self.name, &arguments, Instant::now() + PATIENCE),
            false => call(&servers, &self.name, &arguments)?,
        };
        // Programs get the result as it is; a terminal's next line is not part of it.
        let end = if io::stdout().is_terminal() { "\n" } else { "" };
        print(format!("{}{end}", outcome.text).as_bytes())?;
        if outcome.is_error { Err(CliError::Call) } else { Ok(()) }
    }
}

/// How long servers may take to begin.
const SERVERS_PATIENCE: Duration = Duration::from_secs(30);

fn call(servers: &[ToolServer], name: &str, arguments: &str) -> Result<Outcome, CliError> {
    with_servers(servers, async |servers| servers.call(name, arguments).await)
}

/// Does something with MCP servers, which are stopped after it. Standard error says of one that is not there, why.
pub(super) fn with_servers<T>(servers: &[ToolServer], work: impl AsyncFnOnce(&Servers) -> T) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    runtime.block_on(async {
        let servers = Servers::start(servers, runtime.handle());
        servers.settled(SERVERS_PATIENCE).await;
        for status in servers.status() {
            if status.standing != Standing::Up {
                // It may be in the server's own words, which no terminal is to obey.
                let why = status.standing.to_string().replace(char::is_control, " ");
                let _ = writeln!(io::stderr(), "toolgate: tool server {}: {why}", status.server);
            }
        }
        let done = work(&servers).await;
        servers.stop().await;
        Ok(done)
    })
}

/// Opens the workspace of a configuration file, and says which MCP servers it names; without a file there are neither.
pub(super) fn tools(file: Option<&Path>) -> Result<(Workspace, Vec<ToolServer>), CliError> {
    let open = || {
        let settings = file.map(read_config).transpose()?.map_or_else(config::Tools::default, |config| config.tools);
        Ok((Workspace::open(&settings.workspace)?, settings.servers))
    };
    open().map_err(|error| CliError::Setup(Box::new(error)))
}
