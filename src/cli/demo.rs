//! `toolgate demo`: the conversation that a newcomer runs first. What it shows is `demo`'s.

use structopt::StructOpt;

use super::CliError;
use crate::demo::{self, Api};

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// What the client speaks: openai or anthropic
    #[structopt(long, value_name = "API", default_value = "openai")]
    api: Api,

    /// Shows tools that run in the gateway; the client offers none
    #[structopt(long, conflicts_with = "api")]
    server_tools: bool,
}

impl Options {
    /// Runs it. Fails when the client does not get what it should.
    pub fn run(self) -> Result<(), CliError> {
        Ok(if self.server_tools { demo::run_server_tools() } else { demo::run(self.api) }?)
    }
}
