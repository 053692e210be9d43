//! Agents: in which format a client gets calls, by what its request says and by the configuration's rules.

use pingora::http::RequestHeader;

use super::addressed::opens;
use super::settings::Settings;
use crate::api::ClientApi;
use crate::api::openai::Request;
use crate::config::{AgentRule, Wants};
use crate::plan::{Agent, AgentFormat, Asked, FormatError};

/// The format for a chat. What the request says itself goes before every rule, and of those the first that fits holds.
pub(super) fn format(
    head: &RequestHeader,
    chat: &Request<'_>,
    model: Option<&str>,
    client: &ClientApi,
    settings: &Settings,
) -> Result<AgentFormat, FormatError> {
    let field = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let agent = Agent { kind: field("x-agent-type"), user_agent: field("user-agent"), model };
    if let Some(tags) = chat.tool_call_tags() {
        return AgentFormat::asked(Asked::Tags(&tags), agent, &settings.dialects);
    }
    if let Some(name) = chat.agent_format() {
        return AgentFormat::asked(Asked::Format(&name), agent, &settings.dialects);
    }
    let rules = &settings.view.agents;
    // Other APIs than OpenAI's have one form of calls, which their clients read.
    if rules.is_empty() || client.is_foreign() {
        return Ok(AgentFormat::Calls);
    }
    let key = head.headers.get("authorization").map_or(&b""[..], |value| value.as_bytes());
    let rule = rules.iter().find(|rule| fits(rule, agent, head.uri.path(), key));
    Ok(match rule.map(|rule| &rule.wants) {
        None => AgentFormat::Calls,
        Some(Wants::Auto) => AgentFormat::suiting(agent, &settings.dialects),
        Some(Wants::Format(format)) => format.clone(),
    })
}

fn fits(rule: &AgentRule, agent: Agent<'_>, path: &str, authorization: &[u8]) -> bool {
    let globs = [(&rule.user_agent, agent.user_agent), (&rule.path, Some(path)), (&rule.model, agent.model)];
    let is_key = rule.key.as_ref().is_none_or(|key| opens(key, authorization));
    is_key && globs.iter().all(|(glob, text)| glob.as_ref().is_none_or(|glob| text.is_some_and(|t| glob.matches(t))))
}
