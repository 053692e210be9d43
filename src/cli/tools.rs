//! `toolgate tools`: the tools that a configuration makes available, and what they take.
//! Runs none; `toolgate tool` does. MCP servers are connected to, since only they know what they have.

use std::path::PathBuf;

use serde_json::Value;
use structopt::StructOpt;

use super::tool::{open, with_servers};
use super::{CliError, print};
use crate::mcp::Standing;

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
    /// Prints them. Fails when the configuration has mistakes, a directory cannot be opened, or a server is not there;
    /// then those are printed that are.
    pub fn run(self) -> Result<(), CliError> {
        let toolbox = open(self.config.as_deref(), |_| true)?;
        let (tools, servers) = with_servers(&toolbox, async || (toolbox.tools(), toolbox.servers()))?;
        let text = if self.json {
            let schemas = tools.iter().map(|tool| serde_json::from_str::<Value>(&tool.schema).unwrap_or_default());
            format!("{:#}\n", schemas.collect::<Value>())
        } else {
            tools.iter().map(|tool| tool.explained.as_str()).collect::<Vec<_>>().join("\n")
        };
        print(if text.is_empty() { NONE } else { &text }.as_bytes())?;
        let absent = servers.iter().filter(|status| status.standing != Standing::Up).count();
        if absent > 0 { Err(CliError::ToolServers { absent, of: servers.len() }) } else { Ok(()) }
    }
}

const NONE: &str = "no tools: no configuration that has `root` in `tools: {workspace: …}`, `commands` or `servers`\n";
