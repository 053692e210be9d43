//! What a model said in one round: its text, its thoughts and its calls, put together.
//! Reads no chunk; `answer` does.

use super::calls::{Owner, RoundCall};
use crate::api::Tokens;
use crate::api::openai::chunk::ReasoningKey;
use crate::json::write_string;

/// What one round brought.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub text: String,
    pub reasoning: String,
    /// As its server calls it.
    pub(super) reasoning_key: ReasoningKey,
    /// In the order in which they were written.
    pub calls: Vec<RoundCall>,
    /// Why the server stopped, once it has.
    pub finish: Option<String>,
    /// What its server said of its tokens.
    pub tokens: Option<Tokens>,
    /// Whether an error was told in the midst of it.
    pub failed: bool,
    /// Whether it is more than may be kept: nothing follows from half of it.
    pub is_too_long: bool,
    /// Whether the server said that nothing follows.
    pub(super) is_done: bool,
}

impl Said {
    /// Whether a limit ended it: its last call may be half of one.
    pub fn is_cut(&self) -> bool {
        self.finish.as_deref().is_some_and(|finish| !matches!(finish, "stop" | "tool_calls" | "function_call"))
    }

    /// Gives the server's calls that have no id one of their own, in a round of this number.
    pub fn name_calls(&mut self, round: usize) {
        for (at, call) in self.calls.iter_mut().enumerate() {
            if call.owner == Owner::Server && call.id.is_empty() {
                call.id = format!("call_{round}_{at}");
            }
        }
    }

    /// It as a message of the conversation, given as JSON.
    pub fn message(&self) -> String {
        let mut out = r#"{"role":"assistant","content":"#.to_owned();
        match (self.text.is_empty(), self.calls.is_empty()) {
            (true, false) => out.push_str("null"),
            _ => write_string(&self.text, &mut out),
        }
        if !self.reasoning.is_empty() {
            out.extend([",\"", self.reasoning_key.name(), "\":"]);
            write_string(&self.reasoning, &mut out);
        }
        for (at, call) in self.calls.iter().enumerate() {
            out.push_str(if at == 0 { ",\"tool_calls\":[" } else { "," });
            call.write(&mut out);
        }
        out.push_str(if self.calls.is_empty() { "}" } else { "]}" });
        out
    }
}
