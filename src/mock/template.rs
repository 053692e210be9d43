//! The mock's chat template: writes a conversation as a model would read it, of what the script says that it writes.
//! Generates nothing.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Reply, Request};
use super::script::{Script, Written};

#[derive(Deserialize)]
struct Body {
    messages: Vec<Message>,
    #[serde(default)]
    tools: Value,
    #[serde(default)]
    tool_choice: Value,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    tool_calls: Vec<Value>,
}

/// The page `/apply-template`.
pub(super) fn page(script: &Script, request: &Request) -> Reply {
    match prompt(script, request) {
        Ok(prompt) => Reply::json(&json!({ "prompt": prompt })),
        Err(reply) => reply,
    }
}

/// The prompt of a request, or what is answered where there is none. A script that says nothing of its template has no
/// such page.
pub(super) fn prompt(script: &Script, request: &Request) -> Result<String, Reply> {
    let writes = script.template_writes.as_ref().ok_or_else(Reply::not_found)?;
    let body = serde_json::from_slice::<Body>(&request.body);
    let body = body.map_err(|error| Reply::error(400, "invalid_request_error", &error.to_string()))?;
    Ok(body.prompt(writes))
}

impl Body {
    fn prompt(&self, writes: &[Written]) -> String {
        let mut prompt = String::new();
        let are_callable = self.tool_choice != "none";
        let are_written =
            writes.contains(&Written::Tools) || (are_callable && writes.contains(&Written::CallableTools));
        if are_written && !self.tools.is_null() {
            let _ = writeln!(prompt, "{}", self.tools);
        }
        for Message { role, content, tool_calls } in &self.messages {
            let calls = match writes {
                _ if writes.contains(&Written::Calls) => tool_calls.as_slice(),
                _ if writes.contains(&Written::FirstCalls) => tool_calls.get(..1).unwrap_or_default(),
                _ => &[],
            };
            let calls: String = calls.iter().map(Value::to_string).collect();
            let _ = writeln!(prompt, "{role}: {content}{calls}");
        }
        prompt
    }
}
