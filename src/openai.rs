//! The wire vocabulary of OpenAI's chat completions: what a request offers and what a reply says.
//! Holds no behaviour beyond naming things; rewriting is `request`'s and `response`'s.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One entry of a request's `tools`.
#[derive(Clone, Debug, Deserialize)]
pub struct Tool {
    #[serde(rename = "type", default = "Tool::function_kind")]
    pub kind: String,
    pub function: Function,
}

impl Tool {
    fn function_kind() -> String {
        "function".into()
    }
}

/// A function that the model may call. `parameters` is its JSON Schema, byte for byte as the client wrote it.
#[derive(Clone, Debug, Deserialize)]
pub struct Function {
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub parameters: Option<Box<RawValue>>,
}
