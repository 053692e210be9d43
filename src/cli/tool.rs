//! `toolgate tool`: one call of a tool that runs on the server, by hand.
//! Runs nothing itself: `workspace` does, as for a model.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Instant;

use structopt::StructOpt;

use super::run::read_config;
use super::{CliError, print, read_stdin};
use crate::config;
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
        let workspace = workspace(self.config.as_deref())?;
        let arguments = match self.arguments.as_str() {
            "-" => String::from_utf8(read_stdin()?).map_err(|_| CliError::NotText)?,
            _ => self.arguments,
        };
        let outcome = workspace.run(&self.name, &arguments, Instant::now() + PATIENCE);
        // Programs get the result as it is; a terminal's next line is not part of it.
        let end = if io::stdout().is_terminal() { "\n" } else { "" };
        print(format!("{}{end}", outcome.text).as_bytes())?;
        if outcome.is_error { Err(CliError::Call) } else { Ok(()) }
    }
}

/// Opens the workspace of a configuration file; without a file there is none.
pub(super) fn workspace(file: Option<&Path>) -> Result<Workspace, CliError> {
    let open = || {
        let settings = file.map(read_config).transpose()?.map_or_else(config::Tools::default, |config| config.tools);
        Ok(Workspace::open(&settings.workspace)?)
    };
    open().map_err(|error| CliError::Setup(Box::new(error)))
}
