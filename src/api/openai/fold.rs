//! Folder of streams: reads the message that a reply means, streamed or whole, the way an SDK does.
//! Judges nothing: what is missing is missing.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::assembly::Assembly;
use super::unparsed::ToldText;
use crate::api::openai::ToolCall;
use crate::sse;

/// Folds an event stream, as much of it as comes.
#[derive(Debug)]
pub struct Folder {
    events: sse::Decoder,
    assembly: Assembly,
}

/// A reply, put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    /// The choices' messages, by index.
    pub messages: BTreeMap<u64, FoldedMessage>,
    pub usage: Option<Value>,
    pub error: Option<Value>,
    /// Whether `[DONE]` came.
    pub done: bool,
}

/// One choice's message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FoldedMessage {
    pub role: Option<String>,
    pub content: Option<String>,
    pub reasoning: Option<String>,
    pub tool_calls: Vec<ToolCall>,
    pub finish_reason: Option<String>,
}

impl Folder {
    /// Ready for a stream whose events are at most so many bytes long; the reply as a whole may be of any size.
    pub fn new(event_bytes_max: usize) -> Self {
        Self { events: sse::Decoder::new(event_bytes_max), assembly: Assembly::new(usize::MAX, ToldText::Ignored) }
    }

    /// Takes the next bytes of the stream. What is no chunk is passed over; an event that is too large ends the
    /// reading.
    pub fn push(&mut self, bytes: Bytes) {
        self.events.push(bytes);
        while let Ok(Some(event)) = self.events.next_event() {
            let _ = self.assembly.take(&event);
        }
    }

    /// The reply as far as it came. Whether it came to its end is `done`.
    pub fn finish(self) -> Folded {
        let done = self.assembly.is_done();
        Folded { done, ..Folded::from_body(self.assembly.into_body().as_bytes()) }
    }
}

impl Folded {
    /// Reads an answer that came whole. What is none says nothing.
    pub fn from_body(body: &[u8]) -> Self {
        let Ok(answer) = serde_json::from_slice::<Answer>(body) else { return Self::default() };
        let choices = answer.choices.unwrap_or_default();
        let messages = choices.into_iter().map(|choice| (choice.index, FoldedMessage::from(choice))).collect();
        Self { messages, usage: answer.usage, error: answer.error, done: false }
    }
}

impl From<Choice> for FoldedMessage {
    fn from(choice: Choice) -> Self {
        let message = choice.message;
        Self {
            role: message.role,
            content: message.content,
            reasoning: message.reasoning_content.or(message.reasoning),
            tool_calls: message.tool_calls.unwrap_or_default(),
            finish_reason: choice.finish_reason,
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    choices: Option<Vec<Choice>>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    #[serde(default)]
    message: Written,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Written {
    role: Option<String>,
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n",
        ": ping\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{\"content\":\"x\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\",\"reasoning_content\":\"r\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"s\",\"tool_calls\":[{\"index\":0,\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":null,\"arguments\":\"{}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":99999999,\"id\":\"2\",\"type\":\"function\",\"function\":{\"name\":\"g\"}}]}}]}\n\n",
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
                        {"id":"1","type":"function","function":{"name":"f","arguments":"{}"}},
                        {"id":"2","type":"function","function":{"name":"g"}}]},
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
