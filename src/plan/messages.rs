//! Messages of a conversation: read no further than they must be, and put together for the way up.
//! Tools go to its head and what is to be said of the next answer to its end, so that each turn begins as the one
//! before it did: servers keep what they have computed of a prompt, as far as the next one begins alike.
//! What becomes of past calls is `history`'s.

use super::history::{self, Conversation};
use super::offer::Offer;
use super::policy::Tools;
use super::single::one_call_a_turn;
use super::turn::Turn;
use crate::api::openai::Message;
use crate::dialect::prompt::Place;
use crate::dialect::{CallsOfTurn, Dialect, Past};
use crate::encode::CallStyle;
use crate::limits::Limits;
use crate::prompt::{self, BETWEEN_SENTENCES, Wish};

/// The messages would be longer than they may be.
#[derive(Debug)]
pub(super) struct TooLong;

/// The messages as a model sees them that knows tools only as text. `None` when one that must be written anew is of a
/// wrong shape.
pub(super) fn as_text<'a>(
    messages: &'a [Message<'a>],
    offer: &Offer<'_>,
    tools: &'a Tools,
    limits: &Limits,
) -> Result<Option<Vec<Turn<'a>>>, TooLong> {
    let dialect = &tools.dialect;
    let spec = &dialect.spec().prompt;
    let bytes_max = limits.request_body_bytes_max;
    let past = spec.history.with_injected(tools.kept);
    let offered = || offer.tools.iter().map(|offered| offered.written);
    let style = CallStyle::of(dialect).map(|style| style.with_models(prompt::model_names(dialect, offered())));
    let Some(mut turns) = with_past(messages, dialect, style, past, limits)? else { return Ok(None) };
    if !offer.tools.is_empty() {
        let written = prompt::tools(dialect, offered(), bytes_max).ok_or(TooLong)?;
        if begin(&mut turns, written, (spec.place, &spec.gap), tools.system.as_deref())
            .and_then(|()| end(&mut turns, wish(offer, dialect)))
            .is_none()
        {
            return Ok(None);
        }
    }
    Ok(Some(turns))
}

/// The messages for a server whose own template writes the tools. `None` when one that must be written anew is of a wrong
/// shape.
pub(super) fn for_template<'a>(
    messages: &'a [Message<'a>],
    offer: &Offer<'_>,
    tools: &'a Tools,
    limits: &Limits,
) -> Result<Option<Vec<Turn<'a>>>, TooLong> {
    let past = tools.dialect.spec().prompt.history.with_template(tools.kept);
    let style = CallStyle::of(&tools.dialect);
    let Some(mut turns) = with_past(messages, &tools.dialect, style, past, limits)? else { return Ok(None) };
    let is_offered = !offer.tools.is_empty();
    Ok((!is_offered || end(&mut turns, wish(offer, &tools.dialect)).is_some()).then_some(turns))
}

/// The messages with past calls and results as they are to go up: with arguments that parse, and results in the order of
/// their calls.
fn with_past<'a>(
    messages: &'a [Message<'a>],
    dialect: &'a Dialect,
    style: Option<CallStyle>,
    past: Past,
    limits: &Limits,
) -> Result<Option<Vec<Turn<'a>>>, TooLong> {
    let messages = history::in_order(messages);
    Ok(match (past, dialect.spec().prompt.history.text(), style) {
        (Past::Text, Some(history), Some(style)) => Conversation::new(style, history, limits).write(messages)?,
        (Past::Native(CallsOfTurn::One), ..) => Some(one_call_a_turn(messages, limits.depth_max)),
        (Past::Native(CallsOfTurn::All) | Past::Text, ..) => {
            Some(messages.into_iter().map(|message| history::mended(message, limits.depth_max)).collect())
        }
    })
}

/// Whether these are the messages, and nothing of them changes.
pub(super) fn are_as_sent(turns: &[Turn<'_>], messages: &[Message<'_>]) -> bool {
    turns.len() == messages.len() && turns.iter().zip(messages).all(|(turn, sent)| turn.is_as_sent(sent))
}

/// The messages as JSON.
pub(super) fn list(turns: &[Turn<'_>]) -> String {
    let mut out = String::new();
    for (at, turn) in turns.iter().enumerate() {
        out.push(if at == 0 { '[' } else { ',' });
        turn.write(&mut out);
    }
    out.push(']');
    out
}

/// What is to be said of the next answer.
fn wish(offer: &Offer<'_>, dialect: &Dialect) -> String {
    prompt::wish(dialect, Wish { choice: &offer.choice, among: &offer.allowed, calls: offer.calls })
}

/// Puts the tools' text into its place. That depends on the conversation's first messages alone, since more come with
/// each turn: a system message in the midst does not draw the tools there.
/// A system message of our own would take the place of the one that the server has for its model.
fn begin(turns: &mut Vec<Turn<'_>>, tools: String, (place, gap): (Place, &str), system: Option<&str>) -> Option<()> {
    let is_system = |turn: &Turn<'_>| matches!(turn.role.as_ref(), "system" | "developer");
    let (role, at) = match place {
        Place::SystemEnd | Place::SystemStart => ("system", 0),
        Place::UserStart => ("user", turns.iter().take_while(|turn| is_system(turn)).count()),
    };
    let is_there = |turn: &&mut Turn<'_>| turn.role == role || (role == "system" && is_system(turn));
    let Some(turn) = turns.get_mut(at).filter(is_there) else {
        let text = match system.filter(|_| role == "system") {
            Some(system) if place == Place::SystemStart => [&tools, gap, system].concat(),
            Some(system) => [system, gap, &tools].concat(),
            None => tools,
        };
        turns.insert(at, Turn::made(role, text.into()));
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
