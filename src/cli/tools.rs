//! `toolgate tools`: the tools that a configuration makes available, and what they take.
//! Runs none; `toolgate tool` does.

use std::path::PathBuf;

use serde_json::Value;
use structopt::StructOpt;

use super::tool::Tools;
use super::{CliError, print};

const NONE: &str = "no tools: no configuration that has `root` in `tools: {workspace: …}`\n";

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
        let tools = Tools::open(self.config.as_deref())?;
        let (files, commands) = (|| tools.workspace.tools(), || tools.cage.tools());
        let schemas = files().map(|tool| tool.schema()).chain(commands().map(|tool| tool.schema()));
        let texts = files().map(|tool| tool.explained()).chain(commands().map(|tool| tool.explained()));
        let text = match self.json {
            true => format!("{:#}\n", schemas.collect::<Value>()),
            false => texts.collect::<Vec<_>>().join("\n"),
        };
        let text = if text.is_empty() { NONE.to_owned() } else { text };
        print(text.as_bytes())
    }
}
