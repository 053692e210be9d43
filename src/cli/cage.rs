//! `toolgate cage`: a cage service, and the stages of every sandbox.
//! Puts nothing up itself; `cage` does.

use std::path::{Path, PathBuf};

use structopt::StructOpt;

use super::tool::{open, prove};
use super::{CliError, print};
use crate::cage::{self, Inside, Stage};

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// Takes orders at this socket; without it the connection that stands in place of stdin is served, once
    #[structopt(long, value_name = "SOCKET")]
    listen: Option<PathBuf>,

    /// The configuration file whose `tools` say what the sandbox is
    #[structopt(short, long, value_name = "FILE", required_unless = "stage")]
    config: Option<PathBuf>,

    /// Tries whether the sandbox holds, and exits
    #[structopt(short = "t", long = "test")]
    test: bool,

    #[structopt(long, hidden = true, requires = "walls", possible_values = &["enter", "supervise", "inside"])]
    stage: Option<String>,

    #[structopt(long, hidden = true)]
    walls: Option<String>,

    #[structopt(long, hidden = true)]
    root: Option<PathBuf>,

    #[structopt(long, hidden = true)]
    directory: Option<PathBuf>,

    #[structopt(long, hidden = true)]
    probe: Option<String>,

    #[structopt(last = true, hidden = true)]
    words: Vec<String>,
}

impl Options {
    /// Serves until it is ended, or until a stage's part is done. Fails when the sandbox does not hold.
    pub fn run(self) -> Result<(), CliError> {
        if let (Some(name), Some(walls)) = (&self.stage, &self.walls) {
            let stage = match name.as_str() {
                "enter" => Stage::Enter,
                "supervise" => Stage::Supervise,
                _ => Stage::Inside(Inside {
                    root: self.root,
                    directory: self.directory.unwrap_or_default(),
                    probe: self.probe,
                    words: self.words,
                }),
            };
            return cage::stage(stage, walls).map_err(CliError::Stage);
        }
        let toolbox = open(self.config.as_deref(), |_| false)?;
        cage::check_service(toolbox.cage())?;
        if self.test {
            prove(&toolbox)?;
            return print(b"the sandbox holds\n");
        }
        if self.listen.is_some() {
            prove(&toolbox)?;
        }
        Ok(cage::serve(toolbox.cage(), self.listen.as_deref().map(Path::new))?)
    }
}
