//! `toolgate tools`: the tools that a configuration makes available, and what they take.
//! Runs none; `toolgate tool` does.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;
use structopt::StructOpt;

use super::tool::workspace;
use super::{CliError, print};
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
    /// Prints them. Fails when the configuration has mistakes or a directory cannot be opened.
    pub fn run(self) -> Result<(), CliError> {
        let tools: Vec<_> = workspace(self.config.as_deref())?.tools().collect();
        let text = match (self.json, tools.is_empty()) {
            (true, _) => format!("{:#}\n", tools.iter().map(|tool| tool.schema()).collect::<Value>()),
            (false, true) => "no tools: no configuration that has `root` in `tools: {workspace: …}`\n".to_owned(),
            (false, false) => tools.iter().map(|tool| described(*tool)).collect::<Vec<_>>().join("\n"),
        };
        print(text.as_bytes())
    }
}

/// A tool for people: what it does, and a line for each of its parameters.
fn described(tool: FileTool) -> String {
    let mut text = format!("{}\n    {}\n", tool.name(), tool.description());
    let schema = tool.schema();
    let parameters = &schema["function"]["parameters"];
    let required = parameters["required"].as_array();
    for (name, parameter) in parameters["properties"].as_object().into_iter().flatten() {
        let is_required = required.is_some_and(|required| required.iter().any(|one| one == name.as_str()));
        let kind = parameter["type"].as_str().unwrap_or_default();
        let need = if is_required { ", required" } else { "" };
        let about = parameter["description"].as_str().unwrap_or_default();
        let _ = writeln!(text, "  {name} ({kind}{need}): {about}");
    }
    text
}
