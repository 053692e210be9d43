//! What a script says for Ollama's API alone: of a model, and of an answer.
//! Writes nothing.

use serde::Deserialize;
use serde_json::{Map, Value};

/// What is told of a model at `/api/show`, and decides which requests it refuses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Without `tools` in it, tools are refused, without `thinking` thinking.
    #[serde(default = "default_capabilities")]
    pub capabilities: Vec<String>,
    /// The levels of thinking that it knows besides on and off.
    #[serde(default = "default_levels")]
    pub think_levels: Vec<String>,
    /// Its Modelfile's `PARSER`.
    #[serde(default)]
    pub parser: Option<String>,
    /// Its Modelfile's `SYSTEM`.
    #[serde(default)]
    pub system: String,
    /// More of its `model_info`, or another than there is.
    #[serde(default)]
    pub model_info: Map<String, Value>,
}

/// A tool call that the server has read itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    pub name: String,
    /// Its arguments; a text is written as it stands, so that its spelling is kept.
    #[serde(default)]
    pub arguments: Value,
    /// Its id: absent, one is made, and an empty one is left out.
    #[serde(default)]
    pub id: Option<String>,
}

/// What a line says.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Thinking,
    Text,
    Calls,
}

/// What is odd about the lines of an answer.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    /// A blank line stands before each.
    BlankLines,
    /// Each ends with CR and LF.
    Crlf,
    /// The last one, with `done`, is not there; an answer that is wanted whole is not `done`.
    NoDone,
    /// Every call has the index 0.
    SameIndex,
    /// All calls stand in one line.
    OneLine,
}

impl Default for About {
    fn default() -> Self {
        Self {
            capabilities: default_capabilities(),
            think_levels: default_levels(),
            parser: None,
            system: String::new(),
            model_info: Map::new(),
        }
    }
}

impl About {
    /// Whether it has a capability.
    pub fn can(&self, what: &str) -> bool {
        self.capabilities.iter().any(|capability| capability == what)
    }
}

fn default_capabilities() -> Vec<String> {
    ["completion", "tools"].map(String::from).into()
}

fn default_levels() -> Vec<String> {
    ["low", "medium", "high", "max"].map(String::from).into()
}
