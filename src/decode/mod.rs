//! Model text to events: text, reasoning, calls and their arguments.
//! Cannot fail: what is not a call is text. Knows nothing of JSON chunks or SSE.

use std::sync::Arc;

use crate::dialect::Dialect;
use crate::limits::Limits;
use crate::schema::Tools;

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

/// What becomes of a call whose name no tool has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownTools {
    /// It is text, verbatim.
    #[default]
    Text,
    /// It is emitted as a call.
    Pass,
}

/// How many calls an answer may have: `parallel_tool_calls`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    #[default]
    All,
    /// The first; what follows it is dropped.
    First,
}

/// Turns the text of one choice into events.
#[derive(Debug)]
pub struct Decoder {
    _settings: Settings,
}

impl Decoder {
    pub fn new(settings: Settings, _limits: &Limits) -> Self {
        Self { _settings: settings }
    }

    /// Takes the next piece of the model's text, cut anywhere between characters.
    pub fn push(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        sink(Event::Text(text));
    }

    /// Whether everything that may still come is dropped (`Calls::First`, after the first call).
    pub fn is_closed(&self) -> bool {
        false
    }

    /// Bytes held back: read, but not yet decided.
    pub fn held(&self) -> usize {
        0
    }

    /// Lets go of everything held and says what happened.
    pub fn finish(self, _finish: Finish, _sink: &mut impl FnMut(Event<'_>)) -> Ending {
        Ending::default()
    }
}
