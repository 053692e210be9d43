//! A call while it is being read: what is known of it, and what its payload needs to read on.
//! Does not decide what becomes of it; that is the decoder's.

use crate::dialect::Dialect;
use crate::json::Kinds;
use crate::json::repair::{Mode, Repair, Syntax, Types, Words};
use crate::limits::Limits;
use crate::schema::{Node, Tool, Tools};

use super::UnknownTools;

/// What a payload needs to know of its surroundings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub dialect: &'a Dialect,
    pub tools: &'a Tools,
    pub unknown_tools: UnknownTools,
    pub limits: &'a Limits,
    pub patience: Patience,
    pub wrapped: Wrapped,
}

/// Whether a wrapper stands around the call, whose closer is then expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapped {
    No,
    Yes,
}

/// What is asked of a call that is past its commit point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// It is a call; what cannot be read is mended.
    Mend,
    /// It is one only if all of it is sound: it stands inside reasoning.
    SoundOnly,
}

/// What is known of a call.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub name: String,
    /// The model's own, as far as it was written before the commit point.
    pub id: Option<String>,
    tool: Option<usize>,
    /// Argument text that was not yet emitted.
    pub arguments: String,
    /// The commit point is reached: the name is known, and so is the first value of the arguments.
    pub ready: bool,
    pub repaired: bool,
    pub malformed: bool,
    /// Bytes that its payload looked at since they were counted.
    pub examined: usize,
    /// It is an item of a list.
    pub listed: bool,
    /// It stands in a fence of its own.
    pub fenced: bool,
    /// The closer of its wrapper was read with it.
    pub unwrapped: bool,
    /// What stood inside the call and has no place in its arguments: text that comes after it.
    pub leftover: String,
    /// What was read behind the call's end: it is read again, since another call may begin in it.
    pub again: String,
}

impl Call {
    /// Takes the name that was written. `false` when it names no tool, and such a call is text.
    #[must_use]
    pub fn named(&mut self, written: &str, cx: &Context<'_>) -> Named {
        self.tool = cx.tools.resolve(written);
        match (self.tool.and_then(|place| cx.tools.at(place)), cx.unknown_tools) {
            (Some(tool), _) => self.name.clone_from(&tool.name),
            (None, UnknownTools::Pass) if !written.is_empty() => self.name = written.to_string(),
            _ => return Named::Nothing,
        }
        Named::Tool
    }

    /// A call that is known by its header alone.
    pub fn headed(&self) -> Self {
        Self { name: self.name.clone(), id: self.id.clone(), tool: self.tool, ..Self::default() }
    }

    /// Whether it has a name already.
    pub fn has_name(&self) -> Named {
        if self.name.is_empty() { Named::Nothing } else { Named::Tool }
    }

    /// The tool that it calls, if that is declared.
    pub fn tool<'a>(&self, cx: &Context<'a>) -> Option<&'a Tool> {
        self.tool.and_then(|place| cx.tools.at(place))
    }

    /// What may be done to arguments that are not sound.
    pub fn mode(&self, cx: &Context<'_>) -> Mode {
        if self.ready && cx.patience == Patience::Mend { Mode::Total } else { Mode::Strict }
    }

    /// Keeps what stands behind a value that is complete. Whitespace there is markup.
    pub fn leave(&mut self, text: &str) {
        let text = if self.leftover.is_empty() { text.trim_ascii_start() } else { text };
        self.malformed |= !text.is_empty();
        self.leftover.push_str(text);
    }

    /// Keeps what a repair says of itself.
    pub fn note<P: Copy + std::fmt::Debug>(&mut self, repair: &mut Repair<P>) {
        self.examined += repair.take_examined();
        self.repaired |= repair.is_repaired();
        self.malformed |= repair.is_malformed();
    }
}

/// Whether a name names something that can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Tool,
    Nothing,
}

/// How far a payload came in what it was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it was read, and the call goes on.
    More,
    /// The call is complete after so many bytes.
    Complete(usize),
    /// It is no call; that is known after so many bytes.
    Reject(usize),
}

impl Verdict {
    /// The same, of text that stands so many bytes further on.
    pub fn behind(self, at: usize) -> Self {
        match self {
            Self::More => Self::More,
            Self::Complete(read) => Self::Complete(at + read),
            Self::Reject(read) => Self::Reject(at + read),
        }
    }
}

/// A tool's schema, as a repair asks it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schema<'a>(pub Option<&'a Tool>);

impl Types for Schema<'_> {
    type Place = Node;

    fn property(&self, at: Node, key: &str) -> Node {
        self.0.map_or(Node::ANY, |tool| tool.property(at, key))
    }
    fn item(&self, at: Node) -> Node {
        self.0.map_or(Node::ANY, |tool| tool.item(at))
    }
    fn kinds(&self, at: Node) -> Kinds {
        self.0.map_or(Kinds::NONE, |tool| tool.kinds(at))
    }
}

/// The syntax of plain JSON in a dialect.
pub(super) fn json_syntax<'a, T>(types: &'a T, mode: Mode, cx: &Context<'a>) -> Syntax<'a, T> {
    Syntax {
        types,
        closers: &cx.dialect.tables().wrapper_closers,
        openers: &[],
        quote: None,
        end_tokens: &[],
        first_bytes: &cx.dialect.tables().arguments,
        behind: &cx.dialect.tables().behind,
        outer: 0,
        calls: None,
        words: Words::Unreadable,
        mode,
        depth_max: cx.limits.depth_max,
        word_max: cx.limits.value_bytes_max,
    }
}

/// As much of `text` as fits into so many bytes.
pub(super) fn within(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let at = (0..=bytes.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.get(..at).unwrap_or_default()
}
