//! Tools of a request: what goes up of them, and how calls are found in the answer.
//! A request that has nothing to do with tools, or whose parts are of a wrong shape, is left for the server to judge.

use std::sync::Arc;

use super::messages;
use super::offer::Offer;
use super::policy::Tools;
use super::{AgentFormat, Exchange, RequestError};
use crate::api::openai::{Edits, Message, Request};
use crate::chat::{Calls, Choice, Tool};
use crate::decode::{Reasoning, Settings};
use crate::dialect::Dialect;
use crate::engine::{Engine, GrammarMember, Grammars, ToolsMode};
use crate::grammar::{self, GrammarError, Wish};
use crate::json::write_string;
use crate::limits::Limits;
use crate::schema;

/// What became of a `response_format` beside tools. It would forbid a call, so it is worth a line in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseFormat {
    /// There was none, or nothing may be called.
    #[default]
    Unconcerned,
    /// It went up: the model may choose not to call.
    Kept,
    /// It was taken out, because a call is required.
    Dropped,
}

/// Whether an answer has to call something, and what brings that about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequiredCall {
    /// It need not.
    #[default]
    No,
    /// The prompt asks for it; there is no grammar, for this reason where there could be one.
    Prompted(Option<GrammarError>),
    /// The server lets the model write nothing else.
    Forced,
}

impl RequiredCall {
    /// Its name in headers and in metrics.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::No => None,
            Self::Prompted(_) => Some("prompted"),
            Self::Forced => Some("forced"),
        }
    }
}

/// What the server is told that an answer may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Constraint {
    /// Nothing, or what the client says.
    #[default]
    None,
    /// A grammar of the gateway's goes up.
    Grammar,
}

/// What becomes of a request that is about tools.
#[derive(Debug, Default)]
pub(super) struct Rewriting<'a> {
    pub(super) edits: Edits<'a>,
    /// How the answer is read, if it may call anything.
    pub(super) exchange: Option<Box<Exchange>>,
    /// How an error in its place is read, if its server reads the calls.
    pub(super) salvage: Option<Box<Exchange>>,
    pub(super) response_format: ResponseFormat,
    pub(super) required_call: RequiredCall,
    pub(super) constraint: Constraint,
}

/// What is edited in a request's body, and how its answer is read.
pub(super) fn rewriting<'a>(
    request: &Request<'a>,
    tools: &Tools,
    engine: Engine,
    format: &AgentFormat,
    limits: &Limits,
) -> Result<Rewriting<'a>, RequestError> {
    let mut rewriting = Rewriting::default();
    if !request.is_about_tools() {
        return Ok(rewriting);
    }
    if tools.mode == ToolsMode::Native {
        (rewriting.exchange, rewriting.salvage) = match (salvage(request, tools), format) {
            (Some(of_errors), AgentFormat::Text(_)) => (Some(of_calls_alone(of_errors, format)), None),
            (of_errors, AgentFormat::Calls | AgentFormat::Verbatim) => (None, of_errors),
            (None, AgentFormat::Text(_)) => (None, None),
        };
        return Ok(rewriting);
    }
    let Some(offer) = Offer::of(request)? else { return Ok(rewriting) };
    let Some(messages) = request.conversation() else { return Ok(rewriting) };
    let needs = &engine.row().needs;
    let mode = needs.possible(tools.mode, |key| request.asks_for(key));
    let turns = match mode {
        ToolsMode::Inject => messages::as_text(messages, &offer, tools, limits),
        ToolsMode::Parse | ToolsMode::Native => messages::for_template(messages, &offer, tools, limits),
    };
    let Some(turns) = turns.map_err(|_| RequestError::too_large(limits))? else { return Ok(rewriting) };
    if !messages::are_as_sent(&turns, messages) {
        rewriting.edits.set_messages(messages::list(&turns));
    }
    if mode == ToolsMode::Inject {
        rewriting.edits.remove_tools();
    }
    if !offer.may_call() {
        return Ok(rewriting);
    }
    rewriting.response_format = ResponseFormat::beside(request, &offer.choice);
    if rewriting.response_format == ResponseFormat::Dropped {
        rewriting.edits.remove_response_format();
    }
    for member in needs.of(mode) {
        rewriting.edits.set(member.key, member.value);
    }
    let held: Vec<_> = offer.tools.iter().filter(|offered| offered.is_strict).map(|o| o.tool.name.clone()).collect();
    let (choice, calls, callable) = (offer.choice.clone(), offer.calls, offer.callable());
    let member = engine.row().grammar.as_ref().filter(|_| tools.grammars == Grammars::Given);
    if matches!(choice, Choice::Required | Choice::Named(_)) {
        let wish = Wish { tools: &callable, calls, reasoning: tools.reasoning };
        rewriting.required_call = force(&mut rewriting.edits, member, &tools.dialect, &wish);
        if rewriting.required_call == RequiredCall::Forced {
            rewriting.constraint = Constraint::Grammar;
        }
    } else if !held.is_empty() && !is_shaped(request, engine) {
        rewriting.constraint = hold(&mut rewriting.edits, member, &tools.dialect, &held, &callable, calls);
    }
    let exchange = Exchange { format: format.clone(), ..exchange(request, tools, calls, callable) };
    rewriting.exchange = Some(Box::new(exchange));
    Ok(rewriting)
}

/// How an answer is read whose calls its server reads, and the client gets as text: nothing of its text is a call.
fn of_calls_alone(mut exchange: Box<Exchange>, format: &AgentFormat) -> Box<Exchange> {
    exchange.format = format.clone();
    exchange.decoding.tools = Arc::default();
    exchange.decoding.reasoning = Reasoning::Off;
    exchange
}

/// How an error is read that tells what the model wrote, where its server reads the calls. What is wrong with the
/// request is for that server to say.
fn salvage(request: &Request<'_>, tools: &Tools) -> Option<Box<Exchange>> {
    let offer = Offer::of(request).ok().flatten().filter(Offer::may_call)?;
    let calls = offer.calls;
    Some(Box::new(exchange(request, tools, calls, offer.callable())))
}

/// How an answer is read that may make these calls.
fn exchange(request: &Request<'_>, tools: &Tools, calls: Calls, callable: Vec<Tool>) -> Exchange {
    Exchange {
        format: AgentFormat::Calls,
        usage: request.usage(),
        choices: request.choices(),
        past_ids: if tools.dialect.spec().has_ids() { past_ids(request) } else { Vec::new() },
        decoding: Settings {
            dialect: Arc::clone(&tools.dialect),
            calls,
            tools: Arc::new(schema::Tools::new(callable)),
            reasoning: tools.reasoning,
            unknown_tools: tools.unknown_tools,
        },
    }
}

/// The ids of the calls that a conversation has made.
fn past_ids(request: &Request<'_>) -> Vec<String> {
    let calls = request.conversation().unwrap_or_default().iter().filter_map(Message::calls).flatten();
    calls.map(|call| call.id().unwrap_or_default().into_owned()).collect()
}

/// Whether the client itself says what the answer may be.
fn is_shaped(request: &Request<'_>, engine: Engine) -> bool {
    let member = engine.row().grammar.as_ref();
    let keys = member.into_iter().flat_map(|member| member.instead_of.iter().chain([&member.key]));
    request.response_format().is_some() || keys.into_iter().any(|key| request.asks_for(key))
}

/// Has the server hold the calls of these tools to their schemas, if it can; those of others are free.
fn hold(
    edits: &mut Edits<'_>,
    member: Option<&GrammarMember>,
    dialect: &Dialect,
    held: &[String],
    callable: &[Tool],
    calls: Calls,
) -> Constraint {
    let free = |tool: &Tool| Tool {
        parameters: tool.parameters.clone().filter(|_| held.contains(&tool.name)),
        ..tool.clone()
    };
    let tools: Vec<_> = callable.iter().map(free).collect();
    let wish = Wish { tools: &tools, calls, reasoning: Reasoning::Off };
    match member.and_then(|member| Some((member, grammar::strict(dialect, &wish).ok()?))) {
        Some((member, grammar)) => {
            give(edits, member, &grammar);
            Constraint::Grammar
        }
        None => Constraint::None,
    }
}

/// Has the server let the model write nothing but calls, if it can.
fn force(edits: &mut Edits<'_>, member: Option<&GrammarMember>, dialect: &Dialect, wish: &Wish<'_>) -> RequiredCall {
    let Some(member) = member else { return RequiredCall::Prompted(None) };
    match grammar::forced(dialect, wish) {
        Ok(grammar) => {
            give(edits, member, &grammar);
            member.instead_of.iter().for_each(|key| edits.remove(key));
            RequiredCall::Forced
        }
        Err(why) => RequiredCall::Prompted(Some(why)),
    }
}

fn give(edits: &mut Edits<'_>, member: &GrammarMember, grammar: &str) {
    let mut written = String::new();
    write_string(grammar, &mut written);
    edits.set(member.key, member.value(&written));
}

impl ResponseFormat {
    fn beside(request: &Request<'_>, choice: &Choice) -> Self {
        match choice {
            _ if request.response_format().is_none() => Self::Unconcerned,
            Choice::None => Self::Unconcerned,
            Choice::Auto => Self::Kept,
            Choice::Required | Choice::Named(_) => Self::Dropped,
        }
    }
}
