//! Offer of tools: what a request offers, which of it may be called, and how often.
//! Reads only; tools of a wrong shape or of another kind are left for the server to judge.

use std::borrow::Cow;
use std::collections::HashSet;

use super::RequestError;
use crate::api::openai::{Offered, Request, ToolChoice};
use crate::chat::{Calls, Choice, Tool};

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

impl<'a> Offer<'a> {
    /// A request's offer, which may be no tools at all.
    /// `None` when its tools are of a wrong shape or kind, or when it speaks of functions in the way that came before
    /// tools.
    pub(super) fn of(request: &Request<'a>) -> Result<Option<Self>, RequestError> {
        let Some(tools) = request.tools() else { return Ok(None) };
        let choice = request.tool_choice(&tools);
        let ToolChoice { choice, allowed, calls } =
            choice.map_err(|written| RequestError::ToolChoice(written.chars().take(SHOWN_CHARS_MAX).collect()))?;
        if !allowed.is_empty() {
            let offered: HashSet<_> = tools.iter().map(|offered| offered.tool.name.as_str()).collect();
            if let Some(unknown) = allowed.iter().find(|name| !offered.contains(name.as_ref())) {
                return Err(RequestError::UnknownToolChoice(unknown.clone().into_owned()));
            }
        }
        Ok(Some(Self { tools, choice, allowed, calls }))
    }

    /// Whether the answer may call anything.
    pub(super) fn may_call(&self) -> bool {
        !self.tools.is_empty() && self.choice != Choice::None
    }

    /// The tools that the answer may call.
    pub(super) fn callable(self) -> Vec<Tool> {
        let allowed: HashSet<_> = self.allowed.iter().map(AsRef::as_ref).collect();
        let tools = self.tools.into_iter().map(|offered| offered.tool);
        tools.filter(|tool| allowed.is_empty() || allowed.contains(tool.name.as_str())).collect()
    }
}

/// How much of a choice that is not understood is shown.
const SHOWN_CHARS_MAX: usize = 200;
