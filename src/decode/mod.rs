//! Model text to events: text, reasoning, calls and their arguments.
//! Cannot fail: what is not a call is text. Knows nothing of JSON chunks or SSE.
//!
//! There is one machine for all dialects, and one for streamed and whole answers.
//! A dialect fills in literals; how a call is written inside its markers is one of the `payload`s.
//!
//! ```text
//!             opener                      commit                 payload complete
//!   Text ----------------> Call (kept) ------------> Call (streams) -------------> Text, after a call
//!    ^  <-- not a call --------+
//!    |
//!    +---- opener of a section ----> Section (kept) ---- opener of a call ----> Call (kept)
//!    +---- header of a message ----> Header (kept) ---- says what follows ----> Text, Reasoning, Call (kept)
//!    +---- fence or list that may be the rest ----> Rest (kept to the end)
//!    +---- fence of code, or code that is the answer ----> Program (each statement kept) ---- its closer ----> Text
//!    +---- reasoning opener / closer ----> Reasoning (an opener in it: Call, kept until it is complete)
//! ```
//!
//! A state holds what is awaited in it and the state that it goes back to. Each position (in text, right after a
//! call, in reasoning, in a tagged value) has markers of its own.
//!
//! Until a call's name is known and declared, and the first value of its arguments decided, all of it is kept
//! as text and can be taken back. From then on nothing is, and arguments stream as they come.

mod call;
mod code;
mod expect;
mod lines;
mod machine;
mod outside;
mod payload;
mod slip;
mod unescape;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::chat::Calls;
use crate::dialect::Dialect;
use crate::schema::Tools;

pub use machine::Decoder;

/// What a decoder found, in the order in which the model wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Text(&'a str),
    Reasoning(&'a str),
    /// A call of a tool begins; `id` is the model's own, where its dialect carries one.
    CallStart {
        name: &'a str,
        id: Option<&'a str>,
    },
    /// More of the current call's arguments: JSON text.
    Arguments(&'a str),
    /// The current call's arguments are complete.
    CallEnd,
}

/// How generation ended, as the server says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model stopped by itself (`stop`, `tool_calls`, or anything else that is not a cut).
    Stop,
    /// It was cut off: `length`, or the server died.
    Cut,
}

/// What a decoder did, known when it is finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Calls that were begun.
    pub calls: u32,
    /// Calls whose arguments had to be repaired.
    pub repaired: u32,
    /// Calls of whose arguments a part could not be read and became a string.
    pub malformed: u32,
    /// Openers that turned out to be text.
    pub rejected: u32,
    /// Whether the last call was cut off: its arguments are a prefix, `finish_reason` is `length`.
    pub truncated: bool,
    /// Bytes that were looked at, each as often as it was: by the machine, again by what reads a call, and again after
    /// a rejected opener. How often depends a little on how the text is cut.
    pub examined: u64,
}

/// How a decoder reads.
#[derive(Clone, Debug)]
pub struct Settings {
    pub dialect: Arc<Dialect>,
    pub tools: Arc<Tools>,
    pub reasoning: Reasoning,
    pub unknown_tools: UnknownTools,
    pub calls: Calls,
}

impl Settings {
    /// As the dialect says, with every default.
    pub fn new(dialect: Arc<Dialect>, tools: Tools) -> Self {
        Self {
            dialect,
            tools: Arc::new(tools),
            reasoning: Reasoning::default(),
            unknown_tools: UnknownTools::default(),
            calls: Calls::default(),
        }
    }

    /// How thoughts are read that somebody else has split off from the text. `None` where no call in them counts.
    pub fn of_thoughts(&self) -> Option<Self> {
        let counts = self.dialect.reads().reasoning.as_ref().is_some_and(|block| block.call.is_some());
        counts.then(|| Self { reasoning: Reasoning::Open, ..self.clone() })
    }
}

/// How reasoning markers are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reasoning {
    /// As the dialect says.
    #[default]
    Auto,
    /// They are plain text.
    Off,
    /// As the dialect says, and the prompt already opened the block: the answer begins inside it.
    Open,
}

impl Reasoning {
    pub const ALL: [Self; 3] = [Self::Auto, Self::Off, Self::Open];

    /// Its name in the configuration and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
            Self::Open => "open",
        }
    }
}

/// What becomes of a call whose name no tool has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownTools {
    /// It is text, verbatim.
    #[default]
    Text,
    /// It is emitted as a call.
    Pass,
}
