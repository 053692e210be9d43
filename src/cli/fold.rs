//! Puts the chunks of a streamed answer together to one message, the way a client's library does.
//! Reads the first choice only.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::sse;

/// An assistant's message as a client has it in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    pub content: Option<String>,
    pub reasoning: Option<String>,
    pub tool_calls: Vec<ToolCall>,
    pub finish_reason: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ToolCall {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub function: Function,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Function {
    pub name: String,
    pub arguments: String,
}

/// Why an answer cannot be put together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error(transparent)]
    Event(#[from] sse::EventTooLarge),
    #[error("not a chunk: {0}")]
    Chunk(#[from] serde_json::Error),
    #[error("the server reports: {0}")]
    Reported(String),
    #[error("a call has index {0}, which is not the next")]
    Index(usize),
    #[error("the stream ends without `[DONE]`")]
    NoEnd,
}

/// The message of an answer that came whole.
pub(crate) fn whole(body: &[u8]) -> Result<Message, FoldError> {
    let mut message = Message::default();
    message.take(body)?;
    Ok(message)
}

/// The message of an answer that was streamed.
pub(crate) fn streamed(body: Bytes) -> Result<Message, FoldError> {
    let mut events = sse::Decoder::new(Limits::default().answer_bytes_max);
    events.push(body);
    let mut message = Message::default();
    while let Some(event) = events.next_event()? {
        match event.data() {
            Some(b"[DONE]") => return Ok(message),
            Some(data) => message.take(data)?,
            None => {}
        }
    }
    Err(FoldError::NoEnd)
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: usize,
    #[serde(alias = "message")]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default, alias = "reasoning")]
    reasoning_content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Deserialize)]
struct CallDelta {
    /// Absent in an answer that came whole.
    #[serde(default)]
    index: Option<usize>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    function: FunctionDelta,
}

#[derive(Default, Deserialize)]
struct FunctionDelta {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<String>,
}

impl Message {
    /// Takes a chunk, or a whole answer, which is like a stream of one chunk.
    fn take(&mut self, data: &[u8]) -> Result<(), FoldError> {
        let chunk: Chunk = serde_json::from_slice(data)?;
        if let Some(error) = chunk.error {
            return Err(FoldError::Reported(error.to_string()));
        }
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            append(&mut self.content, choice.delta.content);
            append(&mut self.reasoning, choice.delta.reasoning_content);
            for (position, call) in choice.delta.tool_calls.unwrap_or_default().into_iter().enumerate() {
                self.take_call(call, position)?;
            }
            self.finish_reason = choice.finish_reason.or(self.finish_reason.take());
        }
        Ok(())
    }

    fn take_call(&mut self, call: CallDelta, position: usize) -> Result<(), FoldError> {
        let index = call.index.unwrap_or(position);
        if index == self.tool_calls.len() {
            self.tool_calls.push(ToolCall::default());
        }
        let known = self.tool_calls.get_mut(index).ok_or(FoldError::Index(index))?;
        for (text, more) in [
            (&mut known.id, call.id),
            (&mut known.kind, call.kind),
            (&mut known.function.name, call.function.name),
            (&mut known.function.arguments, call.function.arguments),
        ] {
            text.push_str(&more.unwrap_or_default());
        }
        Ok(())
    }
}

/// Text that is empty stays absent, as in an answer that has only calls.
fn append(text: &mut Option<String>, more: Option<String>) {
    if let Some(more) = more.filter(|more| !more.is_empty()) {
        text.get_or_insert_default().push_str(&more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&str]) -> Bytes {
        chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>().into()
    }

    #[test]
    fn chunks_become_one_message() {
        let message = streamed(events(&[
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"reasoning_content":"Hm"}}]}"#,
            r#"{"choices":[{"index":1,"delta":{"content":"another choice"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"b","tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}},{"index":1,"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            r#"{"choices":[],"usage":{}}"#,
            "[DONE]",
        ]));
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: id.into(),
            kind: "function".into(),
            function: Function { name: name.into(), arguments: arguments.into() },
        };
        let expected = Message {
            content: Some("ab".into()),
            reasoning: Some("Hm".into()),
            tool_calls: vec![call("c1", "f", r#"{"x":1}"#), call("c2", "g", "{}")],
            finish_reason: Some("tool_calls".into()),
        };
        assert_eq!(message.unwrap(), expected);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (chunks, expected) in [
            (&[r#"{"error":{"message":"gone"}}"#][..], r#"the server reports: {"message":"gone"}"#),
            (&[r#"{"choices":[{"delta":{"tool_calls":[{"index":1}]}}]}"#], "a call has index 1, which is not the next"),
            (&[r#"{"choices":[]}"#], "the stream ends without `[DONE]`"),
            (&["nothing"], "not a chunk: expected ident at line 1 column 2"),
        ] {
            assert_eq!(streamed(events(chunks)).unwrap_err().to_string(), expected);
        }
    }
}
