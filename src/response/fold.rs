//! Folds a reply to the message it means, the way an SDK's streaming helper does.
//! Judges nothing: a call whose parts came twice has them twice.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::openai::ToolCall;
use crate::sse;

/// Folds an event stream.
#[derive(Debug)]
pub struct Folder {
    events: sse::Decoder,
    folded: Folded,
}

/// A reply, put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    /// The choices' messages, by index.
    pub messages: BTreeMap<u64, Message>,
    pub usage: Option<Value>,
    pub error: Option<Value>,
    /// Whether `[DONE]` came.
    pub done: bool,
}

/// One choice's message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Message {
    pub role: Option<String>,
    pub content: Option<String>,
    pub reasoning: Option<String>,
    pub tool_calls: Vec<ToolCall>,
    pub finish_reason: Option<String>,
}

impl Folder {
    pub fn new(event_bytes_max: usize) -> Self {
        Self { events: sse::Decoder::new(event_bytes_max), folded: Folded::default() }
    }

    /// Takes the next bytes of the stream. An event that is too large ends the reading.
    pub fn push(&mut self, bytes: Bytes) {
        self.events.push(bytes);
        while let Ok(Some(event)) = self.events.next_event() {
            if let Some(data) = event.data() {
                self.folded.take(data);
            }
        }
    }

    pub fn finish(self) -> Folded {
        self.folded
    }
}

impl Folded {
    /// Reads an answer that came whole.
    pub fn from_body(body: &[u8]) -> Self {
        let mut folded = Self::default();
        folded.take(body);
        folded
    }

    /// Takes one event's data; what is not a chunk is passed over.
    fn take(&mut self, data: &[u8]) {
        self.done |= data == b"[DONE]";
        let Ok(chunk) = serde_json::from_slice::<Chunk>(data) else { return };
        self.usage = chunk.usage.or(self.usage.take());
        self.error = chunk.error.or(self.error.take());
        for choice in chunk.choices.unwrap_or_default() {
            let message = self.messages.entry(choice.index).or_default();
            message.add(choice.delta);
            append(&mut message.finish_reason, choice.finish_reason);
        }
    }
}

impl Message {
    fn add(&mut self, delta: Delta) {
        append(&mut self.role, delta.role);
        append(&mut self.content, delta.content);
        append(&mut self.reasoning, delta.reasoning_content);
        append(&mut self.reasoning, delta.reasoning);
        for (place, part) in delta.tool_calls.unwrap_or_default().into_iter().enumerate() {
            // A whole message counts its calls by their place.
            let index = part.index.unwrap_or(place);
            // An index far out would ask for as much memory as it says.
            if index > self.tool_calls.len() {
                continue;
            }
            if index == self.tool_calls.len() {
                self.tool_calls.push(ToolCall::default());
            }
            if let Some(call) = self.tool_calls.get_mut(index) {
                call.id.extend(part.id);
                call.kind.extend(part.kind);
                let function = part.function.unwrap_or_default();
                call.function.name.extend(function.name);
                call.function.arguments.extend(function.arguments);
            }
        }
    }
}

fn append(to: &mut Option<String>, more: Option<String>) {
    if let Some(more) = more {
        to.get_or_insert_default().push_str(&more);
    }
}

#[derive(Deserialize)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    #[serde(alias = "message", default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    role: Option<String>,
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<CallPart>>,
}

#[derive(Deserialize)]
struct CallPart {
    index: Option<usize>,
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    function: Option<FunctionPart>,
}

#[derive(Default, Deserialize)]
struct FunctionPart {
    name: Option<String>,
    arguments: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n",
        ": ping\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{\"content\":\"x\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\",\"reasoning_content\":\"r\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"s\",\"tool_calls\":[{\"index\":0,\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":null,\"arguments\":\"{}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":99999999,\"id\":\"2\"}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n",
        "data: [DONE]\n\n",
    );

    #[test]
    fn deltas_become_the_message_of_a_whole_answer() {
        for size in 1..STREAM.len() {
            let mut folder = Folder::new(1 << 20);
            STREAM.as_bytes().chunks(size).for_each(|piece| folder.push(Bytes::copy_from_slice(piece)));
            let streamed = folder.finish();
            let whole = Folded::from_body(
                br#"{"choices":[
                    {"index":0,"message":{"role":"assistant","content":"ab","reasoning_content":"rs","tool_calls":[
                        {"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},
                     "finish_reason":"tool_calls"},
                    {"index":1,"message":{"content":"x"}}],
                   "usage":{"total_tokens":3}}"#,
            );
            assert!(streamed.done && !whole.done);
            assert_eq!(Folded { done: true, ..whole }, streamed);
        }
    }

    #[test]
    fn an_error_is_kept() {
        let mut folder = Folder::new(1 << 20);
        folder.push(Bytes::from_static(b"data: {\"error\":{\"message\":\"no\"}}\n\n"));
        let folded = folder.finish();
        assert_eq!(folded.error.unwrap()["message"], "no");
        assert!(folded.messages.is_empty() && !folded.done);
    }
}
