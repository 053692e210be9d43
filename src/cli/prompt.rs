//! `toolgate prompt`: a chat request in, what goes to the server out.

use structopt::StructOpt;

use super::{CliError, dialect, print, read_stdin};
use crate::api::openai::Request;
use crate::engine::{Engine, ToolsMode};
use crate::limits::Limits;
use crate::plan::{Head, Plan, Policy, Tools};

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// A name out of `toolgate dialects`, or a dialect file
    #[structopt(long, value_name = "NAME")]
    dialect: String,
}

impl Options {
    /// Reads the request from stdin and prints the body for the server, which is the same where nothing is to be
    /// changed. Fails when the dialect is unknown or the request is one that the gateway would refuse.
    pub fn run(self) -> Result<(), CliError> {
        let tools = Tools::new(ToolsMode::Inject, dialect(&self.dialect)?);
        let policy = Policy::of_tools(Engine::default(), tools);
        let body = read_stdin()?;
        let instead = match Request::read(&body) {
            Some(request) => Plan::of(Head::CHAT, request, None, &policy, &Limits::default())?.body,
            None => None,
        };
        print(&instead.unwrap_or(body.into()))
    }
}
