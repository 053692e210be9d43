//! What is said in a turn, in the words of OpenAI's chat completions: tools and calls.
//! Holds no behaviour beyond naming things; rewriting is `plan`'s and `answer`'s.

use serde::{Deserialize, Serialize};
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
    pub parameters: Option<Box<RawValue>>,
}

/// A call as a message carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct ToolCall {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub function: CalledFunction,
}

/// What is called. `arguments` is JSON text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct CalledFunction {
    pub name: String,
    pub arguments: String,
}
