//! Thinking: whether the model is to think, how much, and what a server has to be told for it.

use super::body::Body;
use super::ignored::Ignored;
use super::mistake::Mistake;
use super::server::Server;
use crate::engine::{Budget, ThinkingSwitch};
use crate::json::Object;

/// What a request says of thinking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thinking<'a> {
    wish: Wish<'a>,
    /// As JSON.
    effort: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish<'a> {
    /// Nothing is said, or the model is to decide: an operator's default holds.
    Untold,
    Off,
    /// So that the answer can go on with a text.
    OffForPrefill,
    /// With so many tokens, as JSON.
    On(&'a str),
}

/// Whether an answer goes on with a text of the assistant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Fresh,
    Continued,
}

impl<'a> Thinking<'a> {
    /// Reads it. An error is the client's.
    pub(super) fn read(request: &Object<'a>, start: Start) -> Result<Self, Mistake> {
        let wish = match (wish(request)?, start) {
            (Wish::On(_), Start::Continued) => {
                let why = "a last assistant message cannot be continued with thinking enabled";
                return Err(Mistake::at("messages", why));
            }
            (Wish::Untold, Start::Continued) => Wish::OffForPrefill,
            (wish, _) => wish,
        };
        Ok(Self { wish, effort: effort(request)? })
    }

    /// Adds what the server has to be told, to the body and to the arguments of its chat template.
    pub(super) fn write(&self, server: &Server, body: &mut Body<'a>, arguments: &mut Body<'a>, ignored: &mut Ignored) {
        let never_thinks = server.thinks == Some(false);
        match (&self.wish, server.takes.thinking) {
            (Wish::Untold, _) | (Wish::OffForPrefill, ThinkingSwitch::Untold) => {}
            (Wish::Off | Wish::OffForPrefill, ThinkingSwitch::Template) => arguments.set(SWITCH, "false"),
            (Wish::Off | Wish::OffForPrefill, ThinkingSwitch::NoEffort) => body.set(EFFORT, "\"none\""),
            (Wish::On(_), _) if never_thinks => ignored.add("thinking"),
            (Wish::Off | Wish::On(_), ThinkingSwitch::Untold) => ignored.add("thinking"),
            (Wish::On(budget), ThinkingSwitch::Template | ThinkingSwitch::NoEffort) => {
                arguments.set(SWITCH, "true");
                match server.takes.budget {
                    Some(Budget::Member(key)) => body.set(key, *budget),
                    Some(Budget::Argument(key)) => arguments.set(key, *budget),
                    None => ignored.add("thinking.budget_tokens"),
                }
            }
        }
        match self.effort {
            Some(effort) if matches!(self.wish, Wish::Untold | Wish::On(_)) => match never_thinks {
                // A server may refuse to be told of thinking for such a model.
                true => ignored.add("output_config.effort"),
                false => body.set(EFFORT, effort),
            },
            _ => {}
        }
    }
}

fn wish<'a>(request: &Object<'a>) -> Result<Wish<'a>, Mistake> {
    let Some(written) = request.present("thinking") else { return Ok(Wish::Untold) };
    let thinking = Object::part(written).ok_or_else(|| Mistake::at("thinking", "must be an object"))?;
    match thinking.string("type").as_deref() {
        Some("disabled") => Ok(Wish::Off),
        Some("adaptive" | "between_tools") => Ok(Wish::Untold),
        Some("enabled") => {
            let path = "thinking.budget_tokens";
            let budget = thinking.present("budget_tokens").ok_or_else(|| Mistake::required(path))?;
            match budget.parse::<u32>() {
                Ok(1..) => Ok(Wish::On(budget)),
                _ => Err(Mistake::at(path, "must be a positive integer")),
            }
        }
        _ => Err(Mistake::at("thinking.type", "must be enabled, disabled, adaptive or between_tools")),
    }
}

/// How much effort an answer is worth, as JSON. The levels beyond are told as the highest that all servers know.
fn effort(request: &Object<'_>) -> Result<Option<&'static str>, Mistake> {
    let config = request.present("output_config").and_then(Object::part);
    let Some(written) = config.as_ref().and_then(|config| config.present("effort")) else { return Ok(None) };
    Ok(Some(match crate::json::string(written).as_deref() {
        Some("low") => "\"low\"",
        Some("medium") => "\"medium\"",
        Some("high" | "xhigh" | "max") => "\"high\"",
        _ => return Err(Mistake::at("output_config.effort", "must be low, medium, high, xhigh or max")),
    }))
}

/// The argument by which chat templates are told.
pub(super) const SWITCH: &str = "enable_thinking";
const EFFORT: &str = "reasoning_effort";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::anthropic::HostedTools;
    use crate::engine::Engine;

    /// The body, the arguments and what is ignored.
    fn told(engine: Engine, thinks: Option<bool>, start: Start, request: &str) -> Result<[String; 3], String> {
        let server = Server {
            takes: engine.row().messages,
            sees: None,
            thinks,
            hosted_tools: HostedTools::Refuse,
            runs: std::sync::Arc::default(),
        };
        let request = Object::parse(request).unwrap();
        let (mut body, mut arguments, mut ignored) = (Body::default(), Body::default(), Ignored::default());
        let thinking = Thinking::read(&request, start).map_err(|mistake| mistake.message.into_owned())?;
        thinking.write(&server, &mut body, &mut arguments, &mut ignored);
        Ok([body.finish(), arguments.finish(), ignored.into_names().join(" ")])
    }

    const ON: &str = r#"{"thinking":{"type":"enabled","budget_tokens":1024}}"#;
    const OFF: &str = r#"{"thinking":{"type":"disabled"},"output_config":{"effort":"low"}}"#;
    const EFFORT: &str = r#"{"thinking":{"type":"adaptive"},"output_config":{"effort":"xhigh"}}"#;

    #[test]
    fn each_server_is_told_in_its_words() {
        use Engine::{LlamaCpp, LlamaSwap, Ollama, OpenAi, Sglang, Vllm};
        use Start::{Continued, Fresh};
        let on = r#"{"enable_thinking":true}"#;
        let off = r#"{"enable_thinking":false}"#;
        for (engine, thinks, start, request, [body, arguments, ignored]) in [
            (LlamaCpp, None, Fresh, ON, [r#"{"thinking_budget_tokens":1024}"#, on, ""]),
            (LlamaSwap, None, Fresh, ON, [r#"{"thinking_budget_tokens":1024}"#, on, ""]),
            (Vllm, None, Fresh, ON, [r#"{"thinking_token_budget":1024}"#, on, ""]),
            (Sglang, None, Fresh, ON, ["{}", r#"{"enable_thinking":true,"thinking_budget":1024}"#, ""]),
            (Ollama, None, Fresh, ON, ["{}", on, "thinking.budget_tokens"]),
            (OpenAi, None, Fresh, ON, ["{}", "{}", "thinking"]),
            (Ollama, Some(false), Fresh, ON, ["{}", "{}", "thinking"]),
            (LlamaCpp, None, Fresh, OFF, ["{}", off, ""]),
            (Ollama, None, Fresh, OFF, [r#"{"reasoning_effort":"none"}"#, "{}", ""]),
            (OpenAi, None, Fresh, OFF, ["{}", "{}", "thinking"]),
            (LlamaCpp, None, Fresh, EFFORT, [r#"{"reasoning_effort":"high"}"#, "{}", ""]),
            (Ollama, Some(true), Fresh, EFFORT, [r#"{"reasoning_effort":"high"}"#, "{}", ""]),
            (Ollama, Some(false), Fresh, EFFORT, ["{}", "{}", "output_config.effort"]),
            (LlamaCpp, None, Continued, EFFORT, ["{}", off, ""]),
            (Ollama, None, Continued, "{}", [r#"{"reasoning_effort":"none"}"#, "{}", ""]),
            (OpenAi, None, Continued, "{}", ["{}", "{}", ""]),
            (LlamaCpp, None, Fresh, "{}", ["{}", "{}", ""]),
        ] {
            let expected = [body, arguments, ignored].map(str::to_owned);
            assert_eq!(told(engine, thinks, start, request), Ok(expected), "{} {start:?} {request}", engine.name());
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (request, expected) in [
            (r#"{"thinking":7}"#, "thinking: must be an object"),
            (r#"{"thinking":{}}"#, "thinking.type: must be enabled, disabled, adaptive or between_tools"),
            (r#"{"thinking":{"type":"enabled"}}"#, "thinking.budget_tokens: Field required"),
            (
                r#"{"thinking":{"type":"enabled","budget_tokens":0}}"#,
                "thinking.budget_tokens: must be a positive integer",
            ),
            (r#"{"output_config":{"effort":"huge"}}"#, "output_config.effort: must be low, medium, high, xhigh or max"),
        ] {
            assert_eq!(told(Engine::LlamaCpp, None, Start::Fresh, request), Err(expected.to_owned()), "{request}");
        }
        let expected = "messages: a last assistant message cannot be continued with thinking enabled";
        assert_eq!(told(Engine::LlamaCpp, None, Start::Continued, ON), Err(expected.to_owned()));
    }
}
