//! `toolgate demo`: the conversation that a newcomer runs first. What it shows is `demo`'s.

use structopt::StructOpt;

use super::CliError;
use crate::demo::{self, Api};

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// What the client speaks: openai or anthropic
    #[structopt(long, value_name = "API", default_value = "openai")]
    api: Api,
}

impl Options {
    /// Runs it. Fails when the client does not get what it should.
    pub fn run(self) -> Result<(), CliError> {
        Ok(demo::run(self.api)?)
    }
}
