//! History, past calls and their results on the way up: as the dialect writes them, or for the server's own template.
//! Either way their arguments are JSON objects, and the results of a turn stand in the order of its calls, since
//! what writes no ids pairs them by their places.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::content::Content;
use super::messages::TooLong;
use super::turn::{Neighbours, Turn};
use crate::api::openai::{Call, Message};
use crate::dialect::prompt::{HistorySpec, Hole, Piece};
use crate::encode::{CallHead, CallStyle, Encoder};
use crate::json::{self, Extent, Object, Token, inside, string, tokens, write_string};
use crate::limits::Limits;
use crate::python::field_name;

/// The messages, the results of each turn in the order of its calls.
///
/// Where results stand stays: those whose calls are known share their places out anew. Of several calls with one id
/// each takes one result.
pub(super) fn in_order<'a>(messages: &'a [Message<'a>]) -> Vec<&'a Message<'a>> {
    // For each message its result's call, as the places in the conversation of the turn and of the call in it.
    let mut calls: HashMap<Cow<'_, str>, Vec<usize>> = HashMap::new();
    let mut turn = 0;
    let mut results = vec![];
    for (at, message) in messages.iter().enumerate() {
        if message.has_calls() {
            turn = at;
            // A large one would be slow to clear for each of many turns.
            calls = HashMap::new();
            for (place, call) in message.calls().unwrap_or_default().iter().enumerate() {
                calls.entry(call.id().unwrap_or_default()).or_default().push(place);
            }
            // The first is taken first.
            calls.values_mut().for_each(|places| places.reverse());
        } else if message.is_result() {
            let id = message.call_id().filter(|id| !id.is_empty());
            let place = id.and_then(|id| calls.get_mut(&id)?.pop());
            results.extend(place.map(|place| (turn, place, at)));
        }
    }
    let mut ordered = results.clone();
    ordered.sort_unstable();
    let mut from: Vec<_> = messages.iter().collect();
    for ((_, _, to), (_, _, at)) in results.iter().zip(ordered) {
        let moved = from.get_mut(*to).zip(messages.get(at));
        moved.into_iter().for_each(|(from, message)| *from = message);
    }
    from
}

/// A message for the server's own template: as it came, but that the arguments of its calls parse. Such a template
/// reads them as JSON, and a conversation with others would be refused from there on.
pub(super) fn mended<'a>(message: &'a Message<'a>, depth_max: usize) -> Turn<'a> {
    let calls = message.calls().unwrap_or_default();
    let mended: Vec<_> = calls.iter().map(|call| mended_call(call, depth_max)).collect();
    if mended.iter().all(Option::is_none) {
        return Turn::sent(message);
    }
    let written = calls.iter().zip(mended).map(|(call, mended)| mended.map_or(Cow::Borrowed(call.text()), Cow::Owned));
    Turn::with_calls(message, format!("[{}]", written.collect::<Vec<_>>().join(",")))
}

/// A call with sound arguments. `None` when it has some, and when it is of another shape.
pub(super) fn mended_call(call: &Call<'_>, depth_max: usize) -> Option<String> {
    let written = call.arguments()?;
    let text = text_of(written);
    if inside(written).is_some() && is_sound(&text, depth_max) && !tokens(&text).any(is_beyond_numbers) {
        return None;
    }
    let mut arguments = String::new();
    write_string(&within_numbers(&sound(text, depth_max)), &mut arguments);
    call.with_arguments(&arguments)
}

/// The text of a call's arguments: of a string as a rule; some clients send the object itself.
fn text_of(written: &str) -> Cow<'_, str> {
    match inside(written) {
        Some(escaped) => string(written).unwrap_or_else(|| {
            let mut text = String::new();
            json::unescape_into(escaped, &mut text).map_or(Cow::Borrowed(escaped), |()| Cow::Owned(text))
        }),
        None if written == "null" => Cow::Borrowed(""),
        None => Cow::Borrowed(written),
    }
}

/// Arguments as a JSON object that every reader takes: as they are, where they are one.
fn sound(text: Cow<'_, str>, depth_max: usize) -> Cow<'_, str> {
    if text.trim_ascii().is_empty() {
        Cow::Borrowed("{}")
    } else if is_sound(&text, depth_max) {
        text
    } else {
        Cow::Owned(json::repair::object(&text, depth_max))
    }
}

/// Whether a token is a number that no `double` holds. Servers that read numbers as such refuse it.
fn is_beyond_numbers(token: Token<'_>) -> bool {
    matches!(token, Token::Scalar(written) if written.parse().is_ok_and(f64::is_infinite))
}

/// The JSON with such numbers as strings.
fn within_numbers(json: &str) -> Cow<'_, str> {
    if !tokens(json).any(is_beyond_numbers) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    for token in tokens(json) {
        match token {
            Token::Open(bracket) | Token::Close(bracket) => out.push(bracket),
            Token::Colon => out.push_str(": "),
            Token::Comma => out.push_str(", "),
            Token::Scalar(written) if is_beyond_numbers(token) => write_string(written, &mut out),
            Token::String(written) | Token::Scalar(written) => out.push_str(written),
        }
    }
    Cow::Owned(out)
}

fn is_sound(text: &str, depth_max: usize) -> bool {
    let mut extent = Extent::default();
    extent.push(text.as_bytes());
    extent.deepest() <= depth_max && json::is_well_formed(text) && Object::parse(text).is_some()
}

/// Writes past calls and results into a conversation.
pub(super) struct Conversation<'a> {
    style: Arc<CallStyle>,
    history: &'a HistorySpec,
    turns: Vec<Turn<'a>>,
    /// The names of the tools that were called, by the calls' ids; of those that share one, the first call's last.
    names: HashMap<Cow<'a, str>, Vec<Cow<'a, str>>>,
    /// A long name would be written once for each of its results.
    bytes_left: usize,
    depth_max: usize,
    /// What stands before the next result.
    before_result: &'a str,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(style: CallStyle, history: &'a HistorySpec, limits: &Limits) -> Self {
        let (bytes_left, depth_max) = (limits.request_body_bytes_max, limits.depth_max);
        let (turns, names) = (Vec::new(), HashMap::new());
        Self { style: Arc::new(style), history, turns, names, bytes_left, depth_max, before_result: "" }
    }

    /// `None` when a message that must be written anew is of a wrong shape.
    pub(super) fn write(mut self, messages: Vec<&'a Message<'a>>) -> Result<Option<Vec<Turn<'a>>>, TooLong> {
        for run in messages.chunk_by(|one, next| one.is_result() && next.is_result()) {
            let is_of_results = run.first().is_some_and(|message| message.is_result());
            let (before, behind) = if is_of_results { self.history.results.sides() } else { ("", "") };
            self.before_result = before;
            for message in run {
                let turn = match message {
                    message if message.has_calls() => self.calls(message),
                    message if message.is_result() => self.result(message)?,
                    message => Some(Turn::sent(message)),
                };
                if turn.and_then(|turn| self.push(turn)).is_none() {
                    return Ok(None);
                }
            }
            let last = self.turns.last_mut().filter(|_| !behind.is_empty());
            if last.is_some_and(|last| last.end_with(behind, "").is_none()) {
                return Ok(None);
            }
        }
        Ok(Some(self.turns))
    }

    /// Adds a turn. Two of one role that only the rendering made neighbours become one: many templates insist that
    /// roles alternate.
    fn push(&mut self, turn: Turn<'a>) -> Option<()> {
        let last = self.turns.last_mut().filter(|last| last.role == turn.role);
        match last.map(|last| (last.neighbours(&turn), last)) {
            Some((Neighbours::Made, last)) => last.merge(turn, &self.history.result.between),
            Some((Neighbours::Mixed, last)) => last.merge(turn, "\n\n"),
            Some((Neighbours::Sent, _)) | None => {
                self.turns.push(turn);
                Some(())
            }
        }
    }

    /// An assistant's turn with its calls as text, behind what it said.
    fn calls(&mut self, message: &'a Message<'a>) -> Option<Turn<'a>> {
        let (mut content, others) = Content::as_text(message.content())?;
        content.push(if content.ends_in_space() { "" } else { "\n" });
        let (mut encoder, mut text) = (Encoder::new(Arc::clone(&self.style)), String::new());
        let mut names: HashMap<_, Vec<_>> = HashMap::new();
        for call in message.calls()? {
            let name = call.name()?;
            let arguments = sound(text_of(call.arguments()?), self.depth_max);
            let id = call.id();
            encoder.begin(CallHead { name: &name, id: id.as_deref().unwrap_or_default() }, &mut text);
            encoder.arguments(&arguments, &mut text);
            encoder.end(&mut text);
            if let Some(id) = id {
                names.entry(id).or_default().push(name);
            }
        }
        encoder.close(&mut text);
        content.push(&text);
        // The first is taken first.
        names.values_mut().for_each(|names| names.reverse());
        self.names.extend(names);
        content.append(others);
        Some(Turn::with_content(message, content))
    }

    /// The name of the tool whose call has this id. Each result of several such calls takes one.
    fn name(&mut self, id: &str) -> Option<Cow<'a, str>> {
        let names = self.names.get_mut(id)?;
        if names.len() > 1 { names.pop() } else { names.last().cloned() }
    }

    /// A tool's result as the turn that the dialect makes of it.
    fn result(&mut self, message: &'a Message<'a>) -> Result<Option<Turn<'a>>, TooLong> {
        let Some((text, others)) = Content::as_text(message.content()) else { return Ok(None) };
        let id = message.call_id();
        let called = id.as_ref().and_then(|id| self.name(id));
        let name = called.or_else(|| message.name()).unwrap_or("unknown".into());
        let spec = &self.history.result;
        let mut content = Content::from(std::mem::take(&mut self.before_result).to_owned());
        for piece in spec.text.pieces() {
            match piece {
                Piece::Literal(literal) => content.push(literal),
                Piece::Hole(hole @ (Hole::Name | Hole::Function)) => {
                    let name = if *hole == Hole::Name { name.clone() } else { field_name(&name).into() };
                    self.bytes_left = self.bytes_left.checked_sub(name.len()).ok_or(TooLong)?;
                    content.push(&name);
                }
                Piece::Hole(Hole::Id) => content.push(id.as_deref().unwrap_or_default()),
                Piece::Hole(Hole::Json) => content.push(&text.as_json()),
                Piece::Hole(_) => content.append(text.clone()),
            }
        }
        content.append(others);
        Ok(Some(if message.role().is_some_and(|role| *role == spec.role) {
            Turn::with_content(message, content)
        } else {
            Turn::made(&spec.role, content)
        }))
    }
}
