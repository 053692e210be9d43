//! What a request offers: its tools, which of them may be called, and how often.
//! Reads only; tools of a wrong shape or of another kind are left for the server to judge.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use super::RequestError;
use super::choice::{Choice, ToolChoice};
use crate::decode::Calls;
use crate::json::{Object, array, string};
use crate::openai;

/// The tools of a request, and what it wants of them.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    /// All of them: the head of the prompt shows them whatever the choice, so that it is the same on every turn.
    pub(super) tools: Vec<Offered<'a>>,
    pub(super) choice: Choice,
    /// The only ones that may be called, where not all may.
    pub(super) allowed: Vec<Cow<'a, str>>,
    pub(super) calls: Calls,
}

/// One tool, read and as it was written.
#[derive(Debug)]
pub(super) struct Offered<'a> {
    pub(super) written: &'a str,
    pub(super) tool: openai::Tool,
}

impl Offer<'_> {
    /// Whether the answer may call anything.
    pub(super) fn may_call(&self) -> bool {
        !self.tools.is_empty() && self.choice != Choice::None
    }

    /// The tools that the answer may call.
    pub(super) fn callable(self) -> Vec<openai::Tool> {
        let allowed: HashSet<_> = self.allowed.iter().map(AsRef::as_ref).collect();
        let tools = self.tools.into_iter().map(|offered| offered.tool);
        tools.filter(|tool| allowed.is_empty() || allowed.contains(tool.function.name.as_str())).collect()
    }
}

/// Reads a request's offer, which may be no tools at all.
/// `None` when its tools are of a wrong shape or kind, or when it speaks of functions in the way that came before tools.
pub(super) fn read<'a>(request: &Object<'a>) -> Result<Option<Offer<'a>>, RequestError> {
    let is_legacy = ["functions", "function_call"].iter().any(|key| request.present(key).is_some());
    let nothing = || Offer { tools: vec![], choice: Choice::Auto, allowed: vec![], calls: Calls::All };
    let tools = match request.present("tools") {
        _ if is_legacy => return Ok(None),
        None => return Ok(Some(nothing())),
        Some(written) => tools(written),
    };
    let Some(tools) = tools else { return Ok(None) };
    let offered: HashSet<_> = tools.iter().map(|offered| offered.tool.function.name.as_str()).collect();
    let ToolChoice { choice, allowed, calls } = match request.present("tool_choice") {
        None => ToolChoice::of(Choice::Auto),
        Some(written) => ToolChoice::read(written)
            .or_else(|| bare_name(written, &offered))
            .ok_or_else(|| RequestError::ToolChoice(written.chars().take(SHOWN_CHARS_MAX).collect()))?,
    };
    if let Some(unknown) = allowed.iter().find(|name| !offered.contains(name.as_ref())) {
        return Err(RequestError::UnknownToolChoice(unknown.clone().into_owned()));
    }
    let calls = if request.get("parallel_tool_calls") == Some("false") { Calls::First } else { calls };
    Ok(Some(Offer { tools, choice, allowed, calls }))
}

/// How much of a choice that is not understood is shown.
const SHOWN_CHARS_MAX: usize = 200;

/// A function's name in the place of a word that says how.
fn bare_name<'a>(written: &'a str, offered: &HashSet<&str>) -> Option<ToolChoice<'a>> {
    let name = string(written).filter(|name| offered.contains(name.as_ref()))?;
    Some(ToolChoice { allowed: vec![name.clone()], ..ToolChoice::of(Choice::Named(name.into_owned())) })
}

/// The tools, if every one of them is a function.
fn tools(written: &str) -> Option<Vec<Offered<'_>>> {
    array(written)?
        .into_iter()
        .map(|written| Some(Offered { written, tool: tool(&Object::parse(written)?)? }))
        .collect()
}

/// One tool, read as servers read it: of what occurs twice the last counts, and its description is not looked at.
fn tool(tool: &Object<'_>) -> Option<openai::Tool> {
    let kind = tool.present("type").map_or(Some("function".into()), string)?;
    let function = Object::parse(tool.get("function")?)?;
    let parameters = function.present("parameters").map(|written| RawValue::from_string(written.to_owned()));
    let function =
        openai::Function { name: function.string("name")?.into_owned(), parameters: parameters.transpose().ok()? };
    (kind == "function").then(|| openai::Tool { kind: kind.into_owned(), function })
}
