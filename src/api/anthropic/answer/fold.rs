//! Folder of a streamed answer: the events that a client would have got become the one message that they tell.
//! Reads what [`Events`](super::Events) writes, and nothing else.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::cut;
use crate::sse;

/// Puts a message together.
#[derive(Debug)]
pub struct Folder {
    events: sse::Decoder,
    message: Map<String, Value>,
    content: Vec<Map<String, Value>>,
    /// Those of the open block, if it has any.
    arguments: Option<String>,
    /// Whether the last event has come.
    is_over: bool,
}

impl Default for Folder {
    /// Of a stream that has not begun.
    fn default() -> Self {
        Self {
            events: sse::Decoder::new(usize::MAX),
            message: Map::new(),
            content: Vec::new(),
            arguments: None,
            is_over: false,
        }
    }
}

impl Folder {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: Bytes) {
        self.events.push(bytes);
        let mut events = std::mem::replace(&mut self.events, sse::Decoder::new(usize::MAX));
        while let Ok(Some(event)) = events.next_event() {
            let event = event.data().and_then(|data| serde_json::from_slice::<Event>(data).ok());
            event.into_iter().for_each(|event| self.take(event));
        }
        self.events = events;
    }

    /// The message. `None` when it did not come to its end.
    pub fn finish(mut self) -> Option<Bytes> {
        self.is_over.then_some(())?;
        let content = self.content.into_iter().map(Value::Object).collect();
        self.message.insert("content".to_owned(), content);
        Some(Value::Object(self.message).to_string().into())
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::MessageStart { message } => self.message = message,
            Event::ContentBlockStart { content_block } => self.content.push(content_block),
            Event::ContentBlockDelta { delta } => self.take_delta(&delta),
            Event::ContentBlockStop => {
                if let (Some(arguments), Some(block)) = (self.arguments.take(), self.content.last_mut()) {
                    let input = serde_json::from_str(&cut::object(&arguments)).unwrap_or_default();
                    block.insert("input".to_owned(), input);
                }
            }
            Event::MessageDelta { delta, usage } => {
                self.message.extend(delta);
                self.message.insert("usage".to_owned(), usage);
            }
            Event::MessageStop => self.is_over = true,
            Event::Other => {}
        }
    }

    fn take_delta(&mut self, delta: &Map<String, Value>) {
        let Some(block) = self.content.last_mut() else { return };
        let said = |key: &str| delta.get(key).and_then(Value::as_str);
        for key in ["text", "thinking", "signature"] {
            if let (Some(more), Some(Value::String(text))) = (said(key), block.get_mut(key)) {
                text.push_str(more);
            }
        }
        if let Some(more) = said("partial_json") {
            self.arguments.get_or_insert_default().push_str(more);
        }
    }
}

/// An event of a stream.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Map<String, Value>,
    },
    ContentBlockStart {
        content_block: Map<String, Value>,
    },
    ContentBlockDelta {
        delta: Map<String, Value>,
    },
    ContentBlockStop,
    MessageDelta {
        delta: Map<String, Value>,
        usage: Value,
    },
    MessageStop,
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::{Events, Facts, ServerCall, ServerResult};
    use super::*;
    use crate::api::anthropic::Told;
    use crate::limits::Limits;

    fn told() -> Arc<Told> {
        let (model, prefill) = ("m".to_owned(), None);
        Arc::new(Told { model, is_streamed: false, max_tokens: 9, fills_cache: false, prefill })
    }

    #[test]
    fn events_become_the_message_that_they_tell() {
        let delta = |delta: Value, finish: Value| {
            format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
        };
        let function = json!({"name": "mine", "arguments": "{\"a\": 1.50}"});
        let call = json!({"tool_calls": [{"index": 0, "id": "m", "type": "function", "function": function}]});
        let mut events = Events::new(&told(), Facts::default(), &Limits::default());
        let mut folder = Folder::default();
        let first =
            [delta(json!({"reasoning_content": "Hm."}), Value::Null), delta(json!({"content": "Look"}), Value::Null)];
        folder.push(events.push(first.concat().into()));
        let called = ServerCall { id: "x.1", server: "toolgate", name: "look", arguments: "{\"b\":[2" };
        folder.push(events.server_call(&called));
        folder.push(events.wait());
        folder.push(events.server_result(&ServerResult { id: "x.1", text: "seen\n", is_error: false }));
        let usage =
            format!("data: {}\n\n", json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}));
        let rest = [
            delta(json!({"content": "It"}), Value::Null),
            delta(call, Value::Null),
            delta(json!({}), json!("tool_calls")),
            usage,
        ];
        folder.push(events.push(rest.concat().into()));
        folder.push(events.finish());
        let message: Value = serde_json::from_slice(&folder.finish().unwrap()).unwrap();
        let id = message["content"][2]["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("mcptoolu_"), "{id}");
        let expected = json!([
            {"type": "thinking", "thinking": "Hm.", "signature": "toolgate"},
            {"type": "text", "text": "Look"},
            {"type": "mcp_tool_use", "id": id, "name": "look", "server_name": "toolgate", "input": {}},
            {"type": "mcp_tool_result", "tool_use_id": id, "is_error": false, "content": [{"type": "text", "text": "seen\n"}]},
            {"type": "text", "text": "It"},
            {"type": "tool_use", "id": "m", "name": "mine", "input": {"a": 1.50}},
        ]);
        assert_eq!(message["content"], expected);
        assert_eq!((&message["stop_reason"], &message["role"]), (&json!("tool_use"), &json!("assistant")));
        assert_eq!((&message["usage"]["input_tokens"], &message["usage"]["output_tokens"]), (&json!(5), &json!(2)));
    }

    #[test]
    fn a_stream_without_its_end_is_no_message() {
        let mut events = Events::new(&told(), Facts::default(), &Limits::default());
        let mut folder = Folder::default();
        folder.push(events.wait());
        folder.push(events.finish());
        assert_eq!(folder.finish(), None);
    }
}
