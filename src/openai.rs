//! The wire vocabulary of OpenAI's chat completions: what a request offers and what a reply says.
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

/// An error as a body, or an event of a stream, says it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Failure<'a> {
    pub error: Error<'a>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Error<'a> {
    pub message: &'a str,
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The request's parameter that is to blame.
    pub param: Option<&'a str>,
    pub code: &'a str,
}

/// The `type` of an error that says no other, by the status that tells whose fault it is.
pub fn error_type(status: u16) -> &'static str {
    match status {
        429 => "rate_limit_error",
        ..500 => "invalid_request_error",
        _ => "server_error",
    }
}
