//! `toolgate mock`: the scripted upstream by itself.
//! What it answers stands in its script; what it speaks stands in `mock`.

use std::path::PathBuf;

use structopt::StructOpt;

use super::{CliError, print, read_file};
use crate::mock::{Api, Mock, Script};

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// Where it listens; port 0 takes a free one
    #[structopt(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,

    /// What it answers; a conversation about the weather when absent
    #[structopt(long, value_name = "FILE")]
    script: Option<PathBuf>,

    /// What it speaks besides OpenAI's API: openai (nothing) or ollama; the script says when absent
    #[structopt(long, value_name = "API")]
    api: Option<Api>,
}

impl Options {
    /// Serves until the process ends. Fails when the script cannot be read or is none, and when the address cannot be
    /// bound.
    pub fn run(self) -> Result<(), CliError> {
        let (path, text) = match self.script {
            Some(path) => (path.clone(), read_file(&path)?),
            None => (PathBuf::from("mock.yaml"), Script::DEFAULT.to_owned()),
        };
        let script = Script::from_yaml(&text).and_then(|script| match self.api {
            Some(api) => script.speaking(api),
            None => Ok(script),
        });
        let script = script.map_err(|error| CliError::file(&path, error))?;
        let running =
            Mock::start(&self.listen, script).map_err(|error| CliError::Listen { address: self.listen, error })?;
        print(format!("mock: listening on http://{}\n", running.addr()).as_bytes())?;
        running.wait();
        Ok(())
    }
}
