//! Tools of a request: what goes up of them, and how calls are found in the answer.
//! A request that has nothing to do with tools, or whose parts are of a wrong shape, is left for the server to judge.

use std::sync::Arc;

use super::constraints::{Constraints, RequiredCall, Shape};
use super::messages;
use super::offer::Offer;
use super::policy::Tools;
use super::{AgentFormat, Exchange, RequestError};
use crate::api::openai::{Edits, Message, Request};
use crate::chat::{Calls, Choice, Tool};
use crate::decode::{Reasoning, Settings};
use crate::engine::{Constraint, Engine, ToolsMode};
use crate::grammar::Wish;
use crate::limits::Limits;
use crate::schema;

/// What becomes of a request that is about tools.
#[derive(Debug, Default)]
pub(super) struct Rewriting<'a> {
    pub(super) edits: Edits<'a>,
    /// How the answer is read, if it may call anything.
    pub(super) exchange: Option<Box<Exchange>>,
    /// How an error in its place is read, if its server reads the calls.
    pub(super) salvage: Option<Box<Exchange>>,
    pub(super) shape: Shape,
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
            (Some(of_errors), AgentFormat::Text(_)) => (Some(told(of_errors, format)), None),
            (of_errors, AgentFormat::Calls | AgentFormat::Verbatim) => (None, of_errors),
            (None, AgentFormat::Text(_)) => (None, None),
        };
        return Ok(rewriting);
    }
    let Some(offer) = Offer::of(request)? else { return Ok(rewriting) };
    let Some(messages) = request.conversation() else { return Ok(rewriting) };
    let needs = &engine.row().needs;
    let is_forced = matches!(offer.choice, Choice::Required | Choice::Named(_));
    let wanted = if is_forced { needs.forcing(tools.mode) } else { tools.mode };
    let mode = needs.possible(wanted, |key| request.asks_for(key));
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
    let shape = Shape::of(request, engine, &offer.choice);
    for member in needs.of(mode) {
        rewriting.edits.set(member.key, member.value);
    }
    let held: Vec<_> = offer.tools.iter().filter(|offered| offered.is_strict).map(|o| o.tool.name.clone()).collect();
    let (calls, callable) = (offer.calls, offer.callable());
    let constraints = Constraints { row: engine.row(), strongest: tools.constraint, dialect: &tools.dialect };
    let mut read_as = None;
    if is_forced {
        let wish = Wish { tools: &callable, calls, reasoning: tools.reasoning };
        let forced = constraints.force(&mut rewriting.edits, request, &wish);
        (rewriting.constraint, rewriting.required_call) = (forced.constraint, forced.required_call);
        read_as = forced.read_as;
    } else if !held.is_empty() && shape == Shape::Unconcerned {
        rewriting.constraint = constraints.hold(&mut rewriting.edits, &held, &callable, calls);
    }
    rewriting.shape = shape;
    let mut exchange = exchange(request, tools, calls, callable);
    exchange.decoding.dialect = read_as.unwrap_or(exchange.decoding.dialect);
    exchange.format = format.clone();
    rewriting.exchange = Some(Box::new(exchange));
    Ok(rewriting)
}

/// How an answer is read whose calls its server reads, and the client gets as text. What the server left in the text is
/// read, too; thoughts it has split off.
fn told(mut exchange: Box<Exchange>, format: &AgentFormat) -> Box<Exchange> {
    exchange.format = format.clone();
    exchange.decoding.reasoning = Reasoning::Auto;
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
