//! Agent format: whether a client gets calls as calls or as text, and how they are written for it.
//! Reads no request; whoever asks has.

use std::sync::Arc;

use crate::dialect::Dialects;
use crate::encode::{Format, TagsError};

/// How a client wants calls.
#[derive(Clone, Debug, Default)]
pub enum AgentFormat {
    /// As `tool_calls`.
    #[default]
    Calls,
    /// As `tool_calls`, and the model's text as it wrote it.
    Verbatim,
    /// As text.
    Text(Arc<Format>),
}

/// What a client says of how it wants calls.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// A format by its name, or `auto`.
    Format(&'a str),
    /// Tags.
    Tags(&'a str),
}

/// Who asks, for what is left open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Agent<'a> {
    /// What it says that it is (`X-Agent-Type`).
    pub kind: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    pub model: Option<&'a str>,
}

/// Why a format is none.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormatError {
    #[error("agent_format `{0}` is none: {known}", known = known())]
    Unknown(String),
    #[error("tool_call_tags: {0}")]
    Tags(#[from] TagsError),
}

/// Words for formats in which calls stay calls.
const CALLS: [&str; 2] = ["openai", "codex"];
const VERBATIM: &str = "passthrough";
const AUTO: &str = "auto";
/// How much of a name that is none is shown.
const SHOWN_CHARS_MAX: usize = 80;

impl AgentFormat {
    /// What a client asks for.
    pub fn asked(asked: Asked<'_>, agent: Agent<'_>, dialects: &Dialects) -> Result<Self, FormatError> {
        match asked {
            Asked::Format(name) if Self::is_auto(name) => Ok(Self::suiting(agent, dialects)),
            Asked::Format(name) => Self::named(name, dialects),
            Asked::Tags(tags) => Ok(Self::of_tags(tags)?),
        }
    }

    /// The format of a name, without regard to case: a word, a built-in one, or a dialect's.
    pub fn named(name: &str, dialects: &Dialects) -> Result<Self, FormatError> {
        if CALLS.iter().any(|word| word.eq_ignore_ascii_case(name)) {
            return Ok(Self::Calls);
        }
        if name.eq_ignore_ascii_case(VERBATIM) {
            return Ok(Self::Verbatim);
        }
        let of_dialect = || {
            let dialect = dialects.iter().find(|dialect| dialect.name().eq_ignore_ascii_case(name))?;
            Format::of_dialect(dialect).map(Arc::new)
        };
        let format = Format::named(name).cloned().or_else(of_dialect).map(Self::Text);
        format.ok_or_else(|| FormatError::Unknown(name.chars().take(SHOWN_CHARS_MAX).collect()))
    }

    /// Whether the word leaves it open.
    pub fn is_auto(name: &str) -> bool {
        name.eq_ignore_ascii_case(AUTO)
    }

    /// JSON between tags.
    pub fn of_tags(tags: &str) -> Result<Self, TagsError> {
        Format::of_tags(tags).map(Arc::new).map(Self::Text)
    }

    /// What suits a client that leaves it open: what it says that it is, then what its program reads, then what its
    /// model writes.
    pub fn suiting(agent: Agent<'_>, dialects: &Dialects) -> Self {
        if let Some(named) = agent.kind.and_then(|kind| Self::named(kind, dialects).ok()) {
            return named;
        }
        let reads_calls = |program: &str| {
            let program = program.to_ascii_lowercase();
            READ_CALLS.iter().any(|known| program.contains(known))
        };
        if agent.user_agent.is_some_and(reads_calls) {
            return Self::Calls;
        }
        agent.model.and_then(Format::of_model).cloned().map_or(Self::Calls, Self::Text)
    }
}

/// Programs that read `tool_calls`, by a word of their `User-Agent`: OpenAI's SDKs name themselves so in each language.
const READ_CALLS: [&str; 2] = ["openai", "codex"];

fn known() -> String {
    let formats = Format::builtin().iter().map(|format| format.name.as_str());
    let words = CALLS.into_iter().chain([VERBATIM, AUTO]).chain(formats);
    format!("it is {}, or a dialect's name", words.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: &AgentFormat) -> &str {
        match format {
            AgentFormat::Calls => "calls",
            AgentFormat::Verbatim => "verbatim",
            AgentFormat::Text(format) => &format.name,
        }
    }

    #[test]
    fn a_client_gets_the_format_that_it_names() {
        let dialects = Dialects::builtin();
        for (asked, expected) in [
            (Asked::Format("openai"), "calls"),
            (Asked::Format("Codex"), "calls"),
            (Asked::Format("passthrough"), "verbatim"),
            (Asked::Format("QWEN3"), "qwen3"),
            (Asked::Format("hermes"), "hermes"),
            (Asked::Format("kimi-k2"), "kimi-k2"),
            (Asked::Tags("a,b"), "a,b"),
        ] {
            let format = AgentFormat::asked(asked, Agent::default(), &dialects).unwrap();
            assert_eq!(shown(&format), expected, "{asked:?}");
        }
        let error = AgentFormat::asked(Asked::Format("custom"), Agent::default(), &dialects).unwrap_err();
        assert_eq!(
            error.to_string(),
            "agent_format `custom` is none: it is openai, codex, passthrough, auto, gemma, llama3, qwen3, xml, or a \
             dialect's name"
        );
        let error = AgentFormat::asked(Asked::Tags("a,b,c"), Agent::default(), &dialects).unwrap_err();
        assert!(error.to_string().starts_with("tool_call_tags: tags are"), "{error}");
    }

    #[test]
    fn what_is_left_open_suits_the_client_and_no_sdk_gets_tags() {
        let dialects = Dialects::builtin();
        for (kind, user_agent, model, expected) in [
            (Some("codex"), None, Some("qwen3"), "calls"),
            (Some("qwen3"), Some("OpenAI/Python 1.0"), None, "qwen3"),
            (Some("unheard of"), None, Some("gemma:7b"), "gemma"),
            (None, Some("OpenAI/Python 1.99.0"), Some("ollama/qwen3"), "calls"),
            (None, Some("AsyncOpenAI/JS 6"), Some("qwen3"), "calls"),
            (None, Some("codex_cli_rs/0.5"), Some("qwen3"), "calls"),
            (None, Some("reader/1"), Some("ollama/qwen3"), "qwen3"),
            (None, None, Some("ollama/deepseek-r1"), "calls"),
            (None, None, None, "calls"),
        ] {
            let agent = Agent { kind, user_agent, model };
            let format = AgentFormat::asked(Asked::Format("auto"), agent, &dialects).unwrap();
            assert_eq!(shown(&format), expected, "{agent:?}");
        }
    }
}
