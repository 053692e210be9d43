//! The mock's `/apply-template`: writes a conversation as a model would read it, of what the script says that its
//! template writes. Generates nothing.

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
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    tool_calls: Vec<Value>,
}

/// The page. A script that says nothing of its template has none.
pub(super) fn page(script: &Script, request: &Request) -> Reply {
    let Some(writes) = &script.template_writes else { return Reply::not_found() };
    match serde_json::from_slice::<Body>(&request.body) {
        Ok(body) => Reply::json(&json!({ "prompt": body.prompt(writes) })),
        Err(error) => Reply::error(400, "invalid_request_error", &error.to_string()),
    }
}

impl Body {
    fn prompt(&self, writes: &[Written]) -> String {
        let mut prompt = String::new();
        if writes.contains(&Written::Tools) && !self.tools.is_null() {
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
