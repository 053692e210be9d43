//! A conversation's messages: read no further than they must be, and put together for the way up.
//! Tools go to its head and what is to be said of the next answer to its end, so that each turn begins as the one
//! before it did: servers keep what they have computed of a prompt, as far as the next one begins alike.
//! What becomes of past calls is `history`'s.

use std::borrow::Cow;

use memchr::memmem;

use super::choice::Choice;
use super::history::{self, Conversation};
use super::offer::Offer;
use super::turn::Turn;
use crate::decode::Calls;
use crate::dialect::Dialect;
use crate::dialect::prompt::{History, Place};
use crate::json::{Object, array};
use crate::limits::Limits;
use crate::prompt::{self, BETWEEN_SENTENCES, Count, Wish};

/// The messages would be longer than they may be.
#[derive(Debug)]
pub(super) struct TooLong;

/// A message of the request, read no further than its role.
#[derive(Clone, Debug)]
pub(super) struct Message<'a> {
    pub(super) role: Cow<'a, str>,
    pub(super) object: Object<'a>,
}

impl<'a> Message<'a> {
    /// Its calls, when it has some.
    pub(super) fn calls(&self) -> Option<&'a str> {
        let calls = || self.object.present("tool_calls").filter(|calls| *calls != "[]");
        (self.role == "assistant").then(calls).flatten()
    }

    /// Whether it is the result of a call.
    pub(super) fn is_result(&self) -> bool {
        self.role == "tool"
    }
}

/// Reads the messages. `None` when there are none, when they are of a wrong shape, or when one is of the kind
/// that came before tools.
pub(super) fn read(written: &str) -> Option<Vec<Message<'_>>> {
    let read = |written| {
        let object = Object::parse(written)?;
        let role = object.string("role")?;
        let is_legacy = role == "function" || object.present("function_call").is_some();
        (!is_legacy).then_some(Message { role, object })
    };
    let messages: Vec<_> = array(written)?.into_iter().map(read).collect::<Option<_>>()?;
    (!messages.is_empty()).then_some(messages)
}

/// Whether a conversation has called tools.
pub(super) fn has_called(messages: &[Message<'_>]) -> bool {
    messages.iter().any(|message| message.is_result() || message.calls().is_some())
}

/// Whether messages, as they were written, may tell of calls. They surely do not where neither the word that says so
/// begins anywhere nor one of its letters is escaped.
pub(super) fn may_have_called(written: &str) -> bool {
    const SIGNS: [&[u8]; 4] = [b"\"tool", b"\\u005", b"\\u006", b"\\u007"];
    SIGNS.iter().any(|sign| memmem::find(written.as_bytes(), sign).is_some())
}

/// The messages as a model sees them that knows tools only as text. `None` when one that must be written anew is of a
/// wrong shape.
pub(super) fn as_text(
    messages: Vec<Message<'_>>,
    offer: &Offer<'_>,
    dialect: &Dialect,
    limits: &Limits,
) -> Result<Option<String>, TooLong> {
    let spec = &dialect.spec().prompt;
    let bytes_max = limits.request_body_bytes_max;
    let messages = history::in_order(messages);
    let turns = match &spec.history {
        History::Native => Some(messages.into_iter().map(|m| history::mended(m, limits.depth_max)).collect()),
        History::Text(history) => Conversation::new(dialect, history, limits).write(messages)?,
    };
    let Some(mut turns) = turns else { return Ok(None) };
    if !offer.tools.is_empty() {
        let tools = offer.tools.iter().map(|offered| offered.written);
        let tools = prompt::tools(dialect, tools, bytes_max).ok_or(TooLong)?;
        let wish = prompt::wish(dialect, wish(offer));
        if begin(&mut turns, tools, spec.place, &spec.gap).and_then(|()| end(&mut turns, wish)).is_none() {
            return Ok(None);
        }
    }
    Ok(Some(list(turns.iter().map(Turn::written))))
}

/// The messages as the server's own template may have them: with past arguments that parse, and results in the order of
/// their calls. `None` when they are so already.
pub(super) fn for_template(messages: Vec<Message<'_>>, limits: &Limits) -> Option<String> {
    let sent: Vec<_> = messages.iter().map(|message| message.object.text()).collect();
    let turns = history::in_order(messages).into_iter().map(|m| history::mended(m, limits.depth_max));
    let written: Vec<_> = turns.map(|turn| turn.written()).collect();
    (sent != written).then(|| list(written.into_iter()))
}

fn wish<'a>(offer: &'a Offer<'_>) -> Wish<'a> {
    let choice = match &offer.choice {
        Choice::Auto => prompt::Choice::Auto,
        Choice::None => prompt::Choice::None,
        Choice::Required => prompt::Choice::Required,
        Choice::Named(name) => prompt::Choice::Named(name),
    };
    let count = match offer.calls {
        Calls::All => Count::Any,
        Calls::First => Count::One,
    };
    Wish { choice, among: &offer.allowed, count }
}

fn list<'a>(messages: impl Iterator<Item = Cow<'a, str>>) -> String {
    let mut out = String::new();
    for (at, message) in messages.enumerate() {
        out.push(if at == 0 { '[' } else { ',' });
        out.push_str(&message);
    }
    out.push(']');
    out
}

/// Puts the tools' text into its place. That depends on the conversation's first messages alone, since more come with
/// each turn: a system message in the midst does not draw the tools there.
fn begin(turns: &mut Vec<Turn<'_>>, tools: String, place: Place, gap: &str) -> Option<()> {
    let is_system = |turn: &Turn<'_>| matches!(turn.role.as_ref(), "system" | "developer");
    let (role, at) = match place {
        Place::SystemEnd | Place::SystemStart => ("system", 0),
        Place::UserStart => ("user", turns.iter().take_while(|turn| is_system(turn)).count()),
    };
    let is_there = |turn: &&mut Turn<'_>| turn.role == role || (role == "system" && is_system(turn));
    let Some(turn) = turns.get_mut(at).filter(is_there) else {
        turns.insert(at, Turn::made(role, tools.into()));
        return Some(());
    };
    match place {
        Place::SystemEnd => turn.end_with(&tools, gap)?,
        Place::SystemStart | Place::UserStart => turn.begin_with(tools, gap)?,
    }
    // Not every template knows `developer`; one that does not would drop the tools with it.
    turn.role = role.into();
    Some(())
}

/// Puts what is wanted of the next answer at the end of the last turn, or behind it, where that is not the user's.
/// The beginning of an answer stays last.
fn end(turns: &mut Vec<Turn<'_>>, wish: String) -> Option<()> {
    if wish.is_empty() {
        return Some(());
    }
    let behind = turns.iter().rposition(|turn| turn.role != "assistant").map_or(0, |at| at + 1);
    match behind.checked_sub(1).and_then(|last| turns.get_mut(last)).filter(|turn| turn.role == "user") {
        Some(turn) => turn.end_with(&wish, BETWEEN_SENTENCES),
        None => {
            turns.insert(behind, Turn::made("user", wish.into()));
            Some(())
        }
    }
}
