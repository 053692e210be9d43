//! Offer of tools that run on the server: which of them a request gets, and whether it gets any.
//! A request of a page of another origin gets none: whoever visits that page has not asked for it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::api::anthropic::Folder;
use crate::api::openai::rounds::{Conversation, Cost, Selected, selected};
use crate::api::openai::{Request, Stream, Usage, function_name};
use crate::chat::Choice;
use crate::config::{Offer, ShowCalls};
use crate::engine::Engine;
use crate::gateway::context::Context;
use crate::gateway::fault::Fault;
use crate::gateway::route::is_json;
use crate::gateway::running_turn::{Outlet, RunningTurn};
use crate::gateway::shared::Gateway;
use crate::gateway::{headers, long_work};
use crate::plan::{AgentFormat, Shape};
use crate::toolbox::OfferedTool;
use crate::turn::{AtLimit, Bounds, Room, Show, Turn};
use crate::upstream::Pool;

/// Names the tools that a request wants, where its pool offers them to who asks.
const ASKED: &str = "x-toolgate-tools";

impl Gateway {
    /// The turn of a request that is offered tools of the server's, and what its first round asks. `None` for any other.
    pub(in crate::gateway) fn begin_turn(
        &self,
        session: &Session,
        context: &Context,
        pool: &Pool,
        format: &AgentFormat,
        request: Request<'_>,
    ) -> Result<Option<(RunningTurn, Bytes)>, Fault> {
        let settings = Arc::clone(&context.settings);
        let Some(selected) = selected(&request) else { return Ok(None) };
        let all = settings.toolbox.tools();
        let tools = offered(session.req_header(), pool, &selected, &request, &all)?;
        if tools.is_empty() {
            return Ok(None);
        }
        if let Some(why) = refusal(session.req_header(), context, pool.config().engine, format, &request) {
            log::info!("{}: no tools of the server's are offered: {why}", context.id);
            return if selected.servers.is_empty() { Ok(None) } else { Err(Fault::NoServerTools(why)) };
        }
        let (is_whole, cost) = match (request.stream(), request.usage()) {
            (Stream::Unasked, _) => (true, Cost::Told),
            (_, Usage::Asked) => (false, Cost::Told),
            (_, Usage::Unasked) => (false, Cost::Untold),
        };
        let authorization = session.get_header("authorization").map(|value| value.as_bytes());
        let kept = settings.turn_memory;
        let room = Room { bytes_max: kept.bytes, age_max: kept.age };
        let show = pool.config().server_tools.show;
        let shown = match show {
            ShowCalls::None => Show::Nothing,
            _ if context.client.is_anthropics() => Show::Blocks,
            ShowCalls::Comments => Show::Nothing,
            ShowCalls::Reasoning => Show::Thoughts,
        };
        // Who is shown all of it sends all of it back.
        let memory = (shown != Show::Blocks).then(|| Arc::clone(&self.memory));
        let (trail, messages) = match &memory {
            Some(memory) => {
                let recall = || memory.recall(authorization, request.messages().unwrap_or_default(), room);
                let (trail, messages) = long_work::over(request.text().len(), recall);
                (Some(trail), messages)
            }
            None => (None, None),
        };
        let names: Vec<_> = tools.iter().map(|tool| tool.name.clone()).collect();
        let written: Vec<_> =
            selected.own.iter().copied().chain(tools.iter().map(|tool| tool.schema.as_str())).collect();
        let is_servers = |name: &str| names.iter().any(|own| own == name);
        let Some(conversation) = Conversation::new(request, &written, is_servers, messages.as_deref()) else {
            return Ok(None);
        };
        let limits = &settings.turn_limits;
        let at_limit = if shown == Show::Blocks { AtLimit::Pause } else { AtLimit::Answer };
        let bounds = Bounds { rounds_max: limits.rounds_max, calls_max: limits.calls_max, at_limit };
        let mut turn = Turn::new(conversation, names, cost, bounds, &settings.limits).with_show(shown);
        let body = turn.ask(&settings.limits);
        let folder = (shown == Show::Blocks).then(Folder::default);
        let running = RunningTurn {
            turn,
            toolbox: Arc::clone(&settings.toolbox),
            tools,
            show,
            began: Instant::now(),
            trail,
            memory,
            room,
            is_recalled: messages.is_some(),
            outlet: if is_whole { Outlet::whole(&settings.limits, folder) } else { Outlet::Stream },
            home: None,
            is_read: false,
            is_rounds: false,
            is_given_up: false,
            next: None,
        };
        Ok(Some((running, body)))
    }
}

/// The tools that a request gets. Fails when it selects a server that is none.
fn offered(
    head: &RequestHeader,
    pool: &Pool,
    selected: &Selected<'_>,
    request: &Request<'_>,
    all: &[Arc<OfferedTool>],
) -> Result<Vec<Arc<OfferedTool>>, Fault> {
    let policy = &pool.config().server_tools;
    let is_of_pool = |tool: &&Arc<OfferedTool>| policy.names.iter().any(|glob| glob.matches(&tool.name));
    let mut tools: Vec<Arc<OfferedTool>> = Vec::new();
    for server in &selected.servers {
        let label = |tool: &Arc<OfferedTool>| tool.server == server.label;
        if !all.iter().filter(is_of_pool).any(label) {
            return Err(Fault::UnknownToolServer(server.label.clone().into_owned()));
        }
        if let Some(url) = &server.url {
            return Err(Fault::ToolServerAddress(url.clone().into_owned()));
        }
        let is_wanted = |tool: &&Arc<OfferedTool>| {
            let is_it = |name: &str| name == tool.name || name == tool.own_name;
            server.allowed.is_empty() || server.allowed.iter().any(|name| is_it(name))
        };
        tools.extend(all.iter().filter(is_of_pool).filter(|tool| label(tool)).filter(is_wanted).cloned());
    }
    let asked = head.headers.get(ASKED).and_then(|value| value.to_str().ok());
    let is_asked =
        |tool: &&Arc<OfferedTool>| asked.is_some_and(|asked| asked.split(',').any(|name| name.trim() == tool.name));
    let is_silent = !selected.is_listed;
    let is_emptied = selected.is_listed && selected.is_empty;
    match policy.offer {
        _ if is_emptied || !selected.servers.is_empty() => {}
        Offer::WithoutTools if is_silent => tools.extend(all.iter().filter(is_of_pool).cloned()),
        Offer::WithoutTools => {}
        Offer::Always => tools.extend(all.iter().filter(is_of_pool).cloned()),
        Offer::Asked => tools.extend(all.iter().filter(is_of_pool).filter(is_asked).cloned()),
    }
    // The client's own tool of a name is meant by it.
    let own: Vec<_> = selected.own.iter().filter_map(|tool| function_name(tool)).collect();
    let allowed = request.tool_choice_alone().map(|choice| choice.allowed).unwrap_or_default();
    let is_allowed = |name: &str| allowed.is_empty() || allowed.iter().any(|allowed| allowed == name);
    let mut names = BTreeSet::new();
    tools.retain(|tool| {
        own.iter().all(|own| *own != tool.name) && is_allowed(&tool.name) && names.insert(tool.name.clone())
    });
    Ok(tools)
}

/// Why a request gets none of the tools that it would be offered.
fn refusal(
    head: &RequestHeader,
    context: &Context,
    engine: Engine,
    format: &AgentFormat,
    request: &Request<'_>,
) -> Option<&'static str> {
    let is_none = request.tool_choice_alone().is_some_and(|choice| choice.choice == Choice::None);
    let last = request.messages().and_then(|messages| messages.last()?.role().cloned());
    let table = [
        (headers::is_of_another_page(head), "a page of another origin asks"),
        (!is_json(head), "its Content-Type is not JSON"),
        (!is_known_host(head, &context.settings.hosts), "its Host is neither an address nor one of `tools: {hosts}`"),
        (is_none, "tool_choice is none"),
        (request.choices() != 1, "it asks for several answers"),
        (request.stream() == Stream::Unclear, "`stream` is neither true nor false"),
        (Shape::is_asked(request, engine), "it says what its answer may be"),
        (last.as_deref() == Some("assistant"), "its answer is to go on with a text of its own"),
        (!matches!(format, AgentFormat::Calls), "its client gets calls as text"),
    ];
    table.into_iter().find(|(is_so, _)| *is_so).map(|(_, why)| why)
}

/// Whether a request names a host that no other page can have led to it: an address, this machine, or one that is listed.
fn is_known_host(head: &RequestHeader, hosts: &[String]) -> bool {
    let Some(host) = head.headers.get("host").and_then(|host| host.to_str().ok()) else { return true };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}
