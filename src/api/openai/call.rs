//! Call as a message carries it.

use serde::{Deserialize, Serialize};

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
