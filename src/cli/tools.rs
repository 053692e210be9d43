//! `toolgate tools`: the tools that a configuration makes available, and what they take.
//! Runs none; `toolgate tool` does.

use std::path::PathBuf;

use serde_json::Value;
use structopt::StructOpt;

use super::tool::workspace;
use super::{CliError, print};

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// The configuration file that says where tools work; without it there are none
    #[structopt(short, long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Writes the tools as a request offers them
    #[structopt(long)]
    json: bool,
}

impl Options {
    /// Prints them. Fails when the configuration has mistakes or a directory cannot be opened.
    pub fn run(self) -> Result<(), CliError> {
        let tools: Vec<_> = workspace(self.config.as_deref())?.tools().collect();
        let text = match (self.json, tools.is_empty()) {
            (true, _) => format!("{:#}\n", tools.iter().map(|tool| tool.schema()).collect::<Value>()),
            (false, true) => "no tools: no configuration that has `root` in `tools: {workspace: …}`\n".to_owned(),
            (false, false) => tools.iter().map(|tool| tool.explained()).collect::<Vec<_>>().join("\n"),
        };
        print(text.as_bytes())
    }
}
