//! What a request offers: its tools, which of them may be called, and how often.
//! Reads only; what is of a wrong shape offers nothing, and the server judges it.

use std::borrow::Cow;
use std::collections::HashSet;

use super::RequestError;
use crate::decode::Calls;
use crate::json::{Object, array, string};
use crate::openai;

/// The tools of a request that may be called.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    pub(super) tools: Vec<Offered<'a>>,
    pub(super) choice: Choice,
    pub(super) calls: Calls,
}

/// One tool, read and as it was written.
#[derive(Debug)]
pub(super) struct Offered<'a> {
    pub(super) written: &'a str,
    pub(super) tool: openai::Tool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Auto,
    Required,
    Named(String),
}

/// Reads a request's offer. `None` when it offers nothing, or speaks of functions in the way that came before tools.
pub(super) fn read<'a>(request: &Object<'a>) -> Result<Option<Offer<'a>>, RequestError> {
    let is_legacy = ["functions", "function_call"].iter().any(|key| request.present(key).is_some());
    let tools = || request.present("tools").filter(|_| !is_legacy).and_then(tools);
    let choice = || request.present("tool_choice").map_or(Some(ToolChoice::Any(Choice::Auto)), ToolChoice::read);
    let (Some(mut tools), Some(choice)) = (tools(), choice()) else { return Ok(None) };
    let allowed: Vec<Cow<'_, str>> = match &choice {
        ToolChoice::Any(Choice::Named(name)) => vec![name.into()],
        ToolChoice::Any(_) => vec![],
        ToolChoice::Among(names, _) => names.clone(),
    };
    if !allowed.is_empty() {
        let offered: HashSet<_> = tools.iter().map(|offered| offered.tool.function.name.as_str()).collect();
        if let Some(unknown) = allowed.iter().find(|name| !offered.contains(name.as_ref())) {
            return Err(RequestError::UnknownToolChoice(unknown.clone().into_owned()));
        }
        let allowed: HashSet<_> = allowed.iter().map(AsRef::as_ref).collect();
        tools.retain(|offered| allowed.contains(offered.tool.function.name.as_str()));
    }
    let (ToolChoice::Any(choice) | ToolChoice::Among(_, choice)) = choice;
    let calls = if request.get("parallel_tool_calls") == Some("false") { Calls::First } else { Calls::All };
    Ok((!tools.is_empty()).then_some(Offer { tools, choice, calls }))
}

/// The tools, if every one of them is a function.
fn tools(written: &str) -> Option<Vec<Offered<'_>>> {
    let read = |written| {
        let tool: openai::Tool = serde_json::from_str(written).ok()?;
        (tool.kind == "function").then_some(Offered { written, tool })
    };
    array(written)?.into_iter().map(read).collect()
}

enum ToolChoice<'a> {
    /// Of all tools, or of the one that is named.
    Any(Choice),
    /// `allowed_tools`.
    Among(Vec<Cow<'a, str>>, Choice),
}

impl<'a> ToolChoice<'a> {
    /// `None` for `none`, and for what is no choice of functions.
    fn read(written: &'a str) -> Option<Self> {
        if let Some(word) = string(written) {
            return mode(&word).map(Self::Any);
        }
        let choice = Object::parse(written)?;
        match choice.string("type")?.as_ref() {
            "function" => Some(Self::Any(Choice::Named(name(&choice)?.into_owned()))),
            "allowed_tools" => {
                let allowed = choice.get("allowed_tools").and_then(Object::parse).unwrap_or(choice);
                let names = array(allowed.get("tools")?)?.into_iter().map(|tool| name(&Object::parse(tool)?));
                let names: Vec<_> = names.collect::<Option<_>>()?;
                let mode = mode(&allowed.string("mode")?)?;
                (!names.is_empty()).then_some(Self::Among(names, mode))
            }
            _ => None,
        }
    }
}

fn mode(word: &str) -> Option<Choice> {
    match word {
        "auto" => Some(Choice::Auto),
        "required" => Some(Choice::Required),
        _ => None,
    }
}

/// The function that a choice names: as chat completions write it, or as responses do.
fn name<'a>(choice: &Object<'a>) -> Option<Cow<'a, str>> {
    choice.get("function").and_then(Object::parse).map_or_else(|| choice.string("name"), |f| f.string("name"))
}
