//! What a dialect file says of the prompt: the form of the tools, the texts around them, their place, and history.

use serde::Deserialize;

/// The prompt part of a dialect file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptSpec {}
