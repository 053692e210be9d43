//! A conversation's messages, with the tools in the prompt and past calls as the dialect writes them.
//! A message that nothing is done to keeps its bytes.

use std::borrow::Cow;
use std::collections::HashMap;

use super::content::Content;
use super::offer::{Choice, Offer};
use crate::decode::Calls;
use crate::dialect::Dialect;
use crate::dialect::prompt::{History, HistorySpec, Hole, Piece, Place};
use crate::json::{Edit, Object, array, inside, string, write_string};
use crate::prompt;

/// The messages would be longer than they may be.
#[derive(Debug)]
pub(super) struct TooLong;

/// A message of the request, read no further than its role.
#[derive(Debug)]
pub(super) struct Message<'a> {
    role: Cow<'a, str>,
    object: Object<'a>,
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

/// The messages as JSON, with the offered tools in them. `None` when one that must be written anew is of a wrong shape.
pub(super) fn with_tools(
    messages: Vec<Message<'_>>,
    offer: &Offer<'_>,
    dialect: &Dialect,
    bytes_max: usize,
) -> Result<Option<String>, TooLong> {
    let spec = &dialect.spec().prompt;
    let choice = match &offer.choice {
        Choice::Auto => prompt::Choice::Auto,
        Choice::Required => prompt::Choice::Required,
        Choice::Named(name) => prompt::Choice::Named(name),
    };
    let count = match offer.calls {
        Calls::All => prompt::Count::Any,
        Calls::First => prompt::Count::One,
    };
    let tools = offer.tools.iter().map(|offered| offered.written);
    let tools = prompt::tools(dialect, tools, choice, count, bytes_max).ok_or(TooLong)?;
    let turns = match &spec.history {
        History::Native => Some(messages.into_iter().map(Turn::sent).collect()),
        History::Text(history) => Conversation::new(dialect, history, bytes_max).write(messages)?,
    };
    let turns = turns.and_then(|turns| placed(turns, tools, spec.place, &spec.gap));
    Ok(turns.map(|turns| {
        let mut out = String::new();
        for (at, turn) in turns.iter().enumerate() {
            out.push(if at == 0 { '[' } else { ',' });
            turn.write(&mut out);
        }
        out.push(']');
        out
    }))
}

/// A message on its way up.
struct Turn<'a> {
    role: Cow<'a, str>,
    /// The client's message, as far as it stays.
    message: Option<Object<'a>>,
    /// What replaces its content and its calls.
    content: Option<Content<'a>>,
    origin: Origin,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The client sent it in this role.
    Sent,
    /// The rendering gave it this role.
    Made,
}

impl<'a> Turn<'a> {
    fn sent(message: Message<'a>) -> Self {
        Self { role: message.role, message: Some(message.object), content: None, origin: Origin::Sent }
    }

    fn made(role: &'a str, content: Content<'a>) -> Self {
        Self { role: role.into(), message: None, content: Some(content), origin: Origin::Made }
    }

    /// Takes the content out, to put it back with something added.
    fn take_content(&mut self) -> Option<Content<'a>> {
        let sent = || Content::kept(self.message.as_ref().and_then(|m| m.get("content")));
        self.content.take().or_else(sent)
    }

    /// Takes in a turn of the same role.
    fn merge(&mut self, mut next: Self, gap: &str) -> Option<()> {
        let mut content = self.take_content()?;
        content.push(gap);
        content.append(next.take_content()?);
        self.content = Some(content);
        self.message = self.message.take().or(next.message);
        if next.origin == Origin::Sent {
            self.origin = Origin::Sent;
        }
        Some(())
    }

    fn write(&self, out: &mut String) {
        let bare = Object::empty();
        let message = self.message.as_ref().unwrap_or(&bare);
        let Some(content) = &self.content else { return out.push_str(message.text()) };
        let (mut role, mut written) = (String::new(), String::new());
        write_string(&self.role, &mut role);
        content.write(&mut written);
        let edits =
            [("role", Edit::Set(role.into())), ("content", Edit::Set(written.into())), ("tool_calls", Edit::Remove)];
        out.push_str(&message.edited(&edits));
    }
}

/// Writes past calls and results into a conversation.
struct Conversation<'a> {
    dialect: &'a Dialect,
    history: &'a HistorySpec,
    turns: Vec<Turn<'a>>,
    /// The names of the tools that were called, by the calls' ids.
    names: HashMap<Cow<'a, str>, Cow<'a, str>>,
    /// A long name would be written once for each of its results.
    bytes_left: usize,
}

impl<'a> Conversation<'a> {
    fn new(dialect: &'a Dialect, history: &'a HistorySpec, bytes_max: usize) -> Self {
        Self { dialect, history, turns: vec![], names: HashMap::new(), bytes_left: bytes_max }
    }

    fn write(mut self, messages: Vec<Message<'a>>) -> Result<Option<Vec<Turn<'a>>>, TooLong> {
        for message in messages {
            let calls = message.object.present("tool_calls").filter(|calls| *calls != "[]");
            let turn = match (message.role.as_ref(), calls) {
                ("assistant", Some(calls)) => self.calls(message, calls),
                ("tool", _) => self.result(message)?,
                _ => Some(Turn::sent(message)),
            };
            if turn.and_then(|turn| self.push(turn)).is_none() {
                return Ok(None);
            }
        }
        Ok(Some(self.turns))
    }

    /// Adds a turn. Two of one role that only the rendering made neighbours become one: many templates insist that
    /// roles alternate.
    fn push(&mut self, turn: Turn<'a>) -> Option<()> {
        match self.turns.last_mut() {
            Some(last) if last.role == turn.role && (last.origin, turn.origin) != (Origin::Sent, Origin::Sent) => {
                let both_made = last.origin == turn.origin;
                last.merge(turn, if both_made { &self.history.result.between } else { "\n\n" })
            }
            _ => {
                self.turns.push(turn);
                Some(())
            }
        }
    }

    /// An assistant's turn with its calls as text, behind what it said.
    fn calls(&mut self, message: Message<'a>, calls: &'a str) -> Option<Turn<'a>> {
        let (mut content, others) = Content::as_text(message.object.get("content"))?;
        content.push(if content.ends_in_space() { "" } else { "\n" });
        for (at, call) in array(calls)?.into_iter().enumerate() {
            let call = Object::parse(call)?;
            let function = Object::parse(call.get("function")?)?;
            let name = function.string("name")?;
            let mut text = String::new();
            text.push_str(if at == 0 { "" } else { &self.history.call.between });
            // A string as a rule; some clients send the object itself.
            let arguments = function.present("arguments").unwrap_or_default();
            let arguments = string(arguments).unwrap_or(inside(arguments).unwrap_or(arguments).into());
            prompt::write_call(self.dialect, &self.history.call, &name, &arguments, &mut text);
            content.push(&text);
            self.names.extend(call.string("id").map(|id| (id, name)));
        }
        content.append(others);
        Some(Turn { content: Some(content), ..Turn::sent(message) })
    }

    /// A tool's result as the turn that the dialect makes of it.
    fn result(&mut self, message: Message<'a>) -> Result<Option<Turn<'a>>, TooLong> {
        let Some((text, others)) = Content::as_text(message.object.get("content")) else { return Ok(None) };
        let called = message.object.string("tool_call_id").and_then(|id| self.names.get(&id).cloned());
        let name = called.or_else(|| message.object.string("name")).unwrap_or("unknown".into());
        let spec = &self.history.result;
        let mut content = Content::default();
        for piece in spec.text.pieces() {
            match piece {
                Piece::Literal(literal) => content.push(literal),
                Piece::Hole(Hole::Name) => {
                    self.bytes_left = self.bytes_left.checked_sub(name.len()).ok_or(TooLong)?;
                    content.push(&name);
                }
                Piece::Hole(_) => content.append(text.clone()),
            }
        }
        content.append(others);
        Ok(Some(if spec.role == message.role {
            Turn { content: Some(content), ..Turn::sent(message) }
        } else {
            Turn::made(&spec.role, content)
        }))
    }
}

/// The turns with the tools' text in its place.
fn placed<'a>(mut turns: Vec<Turn<'a>>, tools: String, place: Place, gap: &str) -> Option<Vec<Turn<'a>>> {
    let is_system = |turn: &Turn<'_>| matches!(turn.role.as_ref(), "system" | "developer");
    let (role, found, otherwise) = match place {
        Place::SystemEnd | Place::SystemStart => ("system", turns.iter().position(is_system), 0),
        Place::UserStart => {
            let behind_system = turns.iter().take_while(|turn| is_system(turn)).count();
            ("user", turns.iter().position(|turn| turn.role == "user"), behind_system)
        }
    };
    let Some(turn) = found.and_then(|at| turns.get_mut(at)) else {
        turns.insert(otherwise, Turn::made(role, tools.into()));
        return Some(turns);
    };
    let content = turn.take_content()?;
    let gap = if content.is_empty() { "" } else { gap };
    turn.content = Some(match place {
        Place::SystemEnd => {
            let mut all = content;
            all.push(gap);
            all.push(&tools);
            all
        }
        Place::SystemStart | Place::UserStart => {
            let mut all = Content::from(tools);
            all.push(gap);
            all.append(content);
            all
        }
    });
    // Not every template knows `developer`; one that does not would drop the tools with it.
    turn.role = role.into();
    Some(turns)
}
