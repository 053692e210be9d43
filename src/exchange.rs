//! What the reply side must know about the request.
//! `plan` makes it, `answer` reads it; it does nothing itself.

use crate::decode::Settings;

/// One request and its reply, as far as the rewriting of the reply depends on the request.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// How the answer's text is read.
    pub decoding: Settings,
    /// Whether the client asked for `usage` in a stream: then the upstream is read to its end even after the
    /// last call that counts.
    pub usage: Usage,
    /// How many choices were asked for (`n`): until all are there, the upstream is not left early.
    pub choices: usize,
}

/// Whether a stream's `usage` event is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    #[default]
    Unasked,
    Asked,
}

/// What a pool does with tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolsMode {
    /// They go into the prompt; the answer's text is read.
    #[default]
    Inject,
    /// They stay in the body for the server's own template; the answer's text is read.
    Parse,
    /// They stay in the body; nothing is read.
    Native,
}

impl ToolsMode {
    /// Its name in the configuration and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inject => "inject",
            Self::Parse => "parse",
            Self::Native => "native",
        }
    }
}

/// The kind of server behind a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    #[default]
    LlamaCpp,
    Vllm,
    Sglang,
    Ollama,
    OpenAi,
}

impl Engine {
    pub const ALL: [Self; 5] = [Self::LlamaCpp, Self::Vllm, Self::Sglang, Self::Ollama, Self::OpenAi];

    /// Its name in the configuration, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LlamaCpp => "llama.cpp",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Ollama => "ollama",
            Self::OpenAi => "openai",
        }
    }
}
