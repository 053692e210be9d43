//! The conversation as a client of OpenAI's API holds it.

use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::{Value, json};

use super::screen::{Ink, Line, Screen};
use super::{Call, DemoError, QUESTION, Turn, client, tool};
use crate::api::openai::{FoldedMessage, Folder};
use crate::limits::Limits;
use crate::sse;

/// What has been said so far.
#[derive(Debug)]
pub(super) struct Conversation(Vec<Value>);

impl Conversation {
    pub(super) fn begin() -> Self {
        Self(vec![json!({"role": "user", "content": QUESTION})])
    }

    /// Sends the conversation, and reads the answer as it is streamed.
    pub(super) fn ask(&mut self, screen: &Screen, gateway: SocketAddr) -> Result<Turn, DemoError> {
        let tools = [json!({"type": "function", "function": tool("parameters")})];
        let request = json!({"model": "demo", "stream": true, "messages": self.0, "tools": tools});
        let limit = Limits::default().event_bytes_max;
        let (mut folder, mut events) = (Folder::new(limit), sse::Decoder::new(limit));
        let (mut argument_deltas, mut text) = (0, String::new());
        let mut shown = Ok(());
        client::post(gateway, "/v1/chat/completions", &request.to_string(), |bytes| {
            let bytes = Bytes::from(bytes);
            folder.push(bytes.clone());
            events.push(bytes);
            while let Ok(Some(event)) = events.next_event() {
                let chunk: Value = event.data().and_then(|data| serde_json::from_slice(data).ok()).unwrap_or_default();
                let piece = |path: &str| chunk.pointer(path).and_then(Value::as_str).filter(|piece| !piece.is_empty());
                let arguments = piece("/choices/0/delta/tool_calls/0/function/arguments");
                argument_deltas += usize::from(arguments.is_some());
                for piece in [piece("/choices/0/delta/content"), arguments].into_iter().flatten() {
                    text.push_str(piece);
                    shown = std::mem::replace(&mut shown, Ok(())).and_then(|()| screen.live(&text));
                }
            }
        })?;
        shown.and_then(|()| screen.settle())?;
        let mut folded = folder.finish();
        if let Some(error) = folded.error {
            return Err(DemoError::Reported(error));
        }
        let message = folded.messages.remove(&0).unwrap_or_default();
        self.0.push(json!({"role": "assistant", "content": message.content, "tool_calls": message.tool_calls}));
        Ok(turn(message, argument_deltas))
    }

    /// The client has run the tools.
    pub(super) fn answer(&mut self, calls: &[Call], results: &[&str]) {
        for (call, result) in calls.iter().zip(results) {
            self.0.push(json!({"role": "tool", "tool_call_id": call.id, "content": result}));
        }
    }
}

fn turn(message: FoldedMessage, argument_deltas: usize) -> Turn {
    let shown = received(&message);
    let is_function = message.tool_calls.iter().all(|call| call.kind == "function");
    let calls = message.tool_calls.into_iter().filter(|_| is_function);
    let calls = calls.map(|call| Call { id: call.id, name: call.function.name, arguments: call.function.arguments });
    Turn {
        shown,
        text: message.content.unwrap_or_default(),
        calls: calls.collect(),
        finish: message.finish_reason.unwrap_or_default(),
        argument_deltas,
    }
}

/// The client's message, in blocks that stand beside those of the model's text.
fn received(message: &FoldedMessage) -> Vec<Vec<Line>> {
    let content = message.content.as_deref().unwrap_or_default().trim_end();
    let labels = std::iter::once("content").chain(std::iter::repeat(""));
    let mut blocks: Vec<Vec<Line>> =
        vec![content.lines().zip(labels).map(|(text, label)| Line::labelled(label, Ink::Plain, text)).collect()];
    for (index, call) in message.tool_calls.iter().enumerate() {
        blocks.push(vec![
            Line::labelled(&format!("tool_calls[{index}]"), Ink::Good, &call.function.name),
            Line::labelled("  id", Ink::Plain, &call.id),
            Line::labelled("  arguments", Ink::Plain, &call.function.arguments),
        ]);
    }
    let finish = message.finish_reason.as_deref().unwrap_or("none");
    blocks.push(vec![Line::labelled("finish_reason", Ink::Plain, finish)]);
    blocks
}
