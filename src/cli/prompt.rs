//! `toolgate prompt`: a chat request in, what goes to the server out.

use bytes::Bytes;
use structopt::StructOpt;

use super::{CliError, dialect, print, read_stdin};
use crate::decode::{Reasoning, UnknownTools};
use crate::engine::{Engine, ToolsMode};
use crate::limits::Limits;
use crate::plan::{Policy, Rewritten, rewrite};

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// A name out of `toolgate dialects`, or a dialect file
    #[structopt(long, value_name = "NAME")]
    dialect: String,
}

impl Options {
    pub fn run(self) -> Result<(), CliError> {
        let policy = Policy {
            dialect: dialect(&self.dialect)?,
            mode: ToolsMode::Inject,
            engine: Engine::default(),
            reasoning: Reasoning::default(),
            unknown_tools: UnknownTools::default(),
        };
        let body = Bytes::from(read_stdin()?);
        let sent = match rewrite(&body, &policy, &Limits::default())? {
            Rewritten::Untouched => body,
            Rewritten::Unread(bytes) | Rewritten::Body { bytes, .. } => bytes,
        };
        print(&sent)
    }
}
