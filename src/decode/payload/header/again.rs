//! Where its arguments should stand, models write the whole call once more: `{"name": "f", "arguments": {…}}`.
//! Knows it by its keys, as far as the second, and reads no value but the name.

use crate::decode::call::{Call, Context, Named};
use crate::decode::payload::json::{is_arguments, is_name};
use crate::dialect::JsonSpec;
use crate::json::repair::Begins;

use super::HEADER_BYTES_MAX;

/// The beginning of an object that may be the call once more.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// All of it, as it was written.
    pub text: String,
    awaited: Awaited,
    /// What stands in the quotes that are open.
    word: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaited {
    #[default]
    Brace,
    NameKey,
    Colon,
    Name,
    Comma,
    ArgumentsKey,
}

impl Again {
    /// One more character. It is the call where it names the call's own tool, and then has arguments, both under keys
    /// that the tool does not declare.
    pub(super) fn push(&mut self, c: char, spec: &JsonSpec, cx: &Context<'_>, call: &Call) -> Begins {
        self.text.push(c);
        if self.text.len() > HEADER_BYTES_MAX {
            return Begins::No;
        }
        let awaited = match (&mut self.word, c) {
            (Some(_), '"') => return self.word(spec, cx, call),
            (Some(word), c) => {
                word.push(c);
                return Begins::Perhaps;
            }
            (None, '"') if self.awaited.is_string() => {
                self.word = Some(String::new());
                return Begins::Perhaps;
            }
            (None, c) if c.is_ascii_whitespace() => return Begins::Perhaps,
            (None, '{') if self.awaited == Awaited::Brace => Awaited::NameKey,
            (None, ':') if self.awaited == Awaited::Colon => Awaited::Name,
            (None, ',') if self.awaited == Awaited::Comma => Awaited::ArgumentsKey,
            (None, _) => return Begins::No,
        };
        self.awaited = awaited;
        Begins::Perhaps
    }

    /// The quotes are closed.
    fn word(&mut self, spec: &JsonSpec, cx: &Context<'_>, call: &Call) -> Begins {
        let word = self.word.take().unwrap_or_default();
        let is_declared = call.tool(cx).is_some_and(|tool| tool.declares(tool.root(), &word));
        self.awaited = match self.awaited {
            Awaited::NameKey if is_name(&word, spec) && !is_declared => Awaited::Colon,
            Awaited::Name if is_name_of(call, &word, cx) => Awaited::Comma,
            Awaited::ArgumentsKey if is_arguments(&word, spec) && !is_declared => return Begins::Yes,
            _ => return Begins::No,
        };
        Begins::Perhaps
    }
}

impl Awaited {
    fn is_string(self) -> bool {
        matches!(self, Self::NameKey | Self::Name | Self::ArgumentsKey)
    }
}

/// Whether this is another way to write the call's name, or the same.
fn is_name_of(call: &Call, written: &str, cx: &Context<'_>) -> bool {
    let mut named = Call::default();
    named.named(written, cx) == Named::Tool && named.name == call.name
}
