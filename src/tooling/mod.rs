//! Tools that run on the server: what models are told of them, what they may be asked, and what they answer.
//! Opens no file and runs nothing: `workspace` does, and hands in what it has read.
//!
//! A call's arguments become a [`Call`], whose values are of their types and within their ranges; whoever runs it gives
//! an [`Outcome`]. Texts of outcomes are here alone. Paths in them stand as the model wrote them.

mod arguments;
mod catalog;
mod commands;
mod globs;
mod ignored;
mod listing;
mod matches;
mod numbered;
mod outcome;
mod printed;
mod replace;
mod server_answer;
mod server_tools;
mod words;

pub use self::arguments::{
    Call, Case, Depth, EditFile, GlobFiles, GrepSearch, IgnoreFiles, ListDirectory, ReadFile, read_object,
};
pub use self::catalog::FileTool;
pub use self::commands::{CommandCall, CommandTool, Offer, RunCode, RunCommand, TIMEOUT_SECONDS_MAX};
pub use self::globs::{NameGlob, PathGlob, is_hidden};
pub use self::ignored::IgnoreLines;
pub use self::listing::{EntryKind, Found, Listing, shown};
pub use self::matches::{Expression, Matches};
pub use self::numbered::Numbered;
pub use self::outcome::{Failure, Outcome, RESULT_BYTES_MAX, Stop};
pub use self::printed::{End, OUTPUT_BYTES_MAX, Printed};
pub use self::replace::{Occurrences, Replacement};
pub use self::server_answer::{AnswerPart, MediaKind, ServerAnswer};
pub use self::server_tools::{
    Definition, NotOffered, ServerTool, TOOLS_MAX, changed, is_own_tool, is_tool_name, tool_name, unchanged,
    within_limits,
};
pub use self::words::{AllowList, PrefixError};
