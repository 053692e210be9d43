//! `toolgate tools`: the tools that a configuration makes available, and what they take.
//! Runs none; `toolgate tool` does. MCP servers are connected to, since only they know what they have.

use std::path::PathBuf;

use serde_json::Value;
use structopt::StructOpt;

use super::tool::{tools, with_servers};
use super::{CliError, print};
use crate::mcp::Standing;
use crate::tooling::FileTool;

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
        let (workspace, servers) = tools(self.config.as_deref())?;
        let (theirs, absent) = match servers.is_empty() {
            true => (Vec::new(), 0),
            false => with_servers(&servers, async |servers| {
                let absent = servers.status().iter().filter(|status| status.standing != Standing::Up).count();
                (servers.tools().to_vec(), absent)
            })?,
        };
        let text = if self.json {
            let ours = workspace.tools().map(FileTool::schema);
            format!("{:#}\n", ours.chain(theirs.iter().map(|tool| tool.schema())).collect::<Value>())
        } else {
            let ours = workspace.tools().map(FileTool::explained);
            ours.chain(theirs.iter().map(|tool| tool.explained())).collect::<Vec<_>>().join("\n")
        };
        print(if text.is_empty() { NONE } else { &text }.as_bytes())?;
        if absent > 0 { Err(CliError::ToolServers { absent, of: servers.len() }) } else { Ok(()) }
    }
}

const NONE: &str = "no tools: no configuration that has `root` in `tools: {workspace: …}`, or `servers` in `tools`\n";
