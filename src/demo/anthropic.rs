//! The conversation as a client of Anthropic's API holds it, shown event by event.

use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::{Value, json};

use super::screen::{Ink, Line, Screen};
use super::{Call, DemoError, QUESTION, Turn, client, tool};
use crate::limits::Limits;
use crate::sse;

/// What has been said so far.
#[derive(Debug)]
pub(super) struct Conversation(Vec<Value>);

/// An answer in the making.
#[derive(Debug, Default)]
struct Answer {
    /// Events of the message itself, and then of each of its blocks.
    shown: Vec<Vec<Line>>,
    blocks: Vec<Value>,
    finish: String,
    argument_deltas: usize,
    /// Pieces of the block that is open.
    pieces: Vec<String>,
    error: Option<Value>,
}

impl Conversation {
    pub(super) fn begin() -> Self {
        Self(vec![json!({"role": "user", "content": QUESTION})])
    }

    /// Sends the conversation, and reads the answer as it is streamed.
    pub(super) fn ask(&mut self, screen: &Screen, gateway: SocketAddr) -> Result<Turn, DemoError> {
        let tools = [tool("input_schema")];
        let request = json!({"model": "demo", "max_tokens": 1000, "stream": true, "messages": self.0, "tools": tools});
        let mut events = sse::Decoder::new(Limits::default().event_bytes_max);
        let (mut answer, mut text) = (Answer { shown: vec![Vec::new()], ..Answer::default() }, String::new());
        let mut shown = Ok(());
        client::post(gateway, "/v1/messages", &request.to_string(), |bytes| {
            events.push(Bytes::from(bytes));
            while let Ok(Some(event)) = events.next_event() {
                let said: Value = event.data().and_then(|data| serde_json::from_slice(data).ok()).unwrap_or_default();
                let piece = answer.take(&said);
                if !piece.is_empty() {
                    text.push_str(&piece);
                    shown = std::mem::replace(&mut shown, Ok(())).and_then(|()| screen.live(&text));
                }
            }
        })?;
        shown.and_then(|()| screen.settle())?;
        if let Some(error) = answer.error {
            return Err(DemoError::Reported(error));
        }
        self.0.push(json!({"role": "assistant", "content": answer.blocks}));
        Ok(answer.turn())
    }

    /// The client has run the tools.
    pub(super) fn answer(&mut self, calls: &[Call], results: &[&str]) {
        let result =
            |(call, text): (&Call, &&str)| json!({"type": "tool_result", "tool_use_id": call.id, "content": text});
        let results: Vec<_> = calls.iter().zip(results).map(result).collect();
        self.0.push(json!({"role": "user", "content": results}));
    }
}

impl Answer {
    /// Takes an event, and answers what it adds to text or arguments.
    fn take(&mut self, event: &Value) -> String {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        match text("/type").as_str() {
            "message_start" => self.show(0, "message_start", Ink::Plain, text("/message/id")),
            "content_block_start" => {
                let kind = text("/content_block/type");
                let ink = if kind == "tool_use" { Ink::Good } else { Ink::Plain };
                let name = text("/content_block/name");
                self.open();
                self.show_last("block_start", ink, format!("{kind} {name}"));
                self.blocks.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let (said, arguments) = (text("/delta/text"), text("/delta/partial_json"));
                self.argument_deltas += usize::from(!arguments.is_empty());
                let piece = [said, arguments].concat();
                self.pieces.push(piece.clone());
                return piece;
            }
            "content_block_stop" => self.close(),
            "message_delta" => {
                self.finish = text("/delta/stop_reason");
                self.open();
                self.show_last("message_delta", Ink::Plain, format!("stop_reason {}", self.finish));
            }
            "message_stop" => self.show_last("message_stop", Ink::Plain, String::new()),
            "error" => self.error = Some(event["error"].clone()),
            _ => {}
        }
        String::new()
    }

    /// Something begins that stands beside another part of the model's text. The first text stands with the beginning.
    fn open(&mut self) {
        if !self.blocks.is_empty() {
            self.shown.push(Vec::new());
        }
    }

    /// The open block has ended: its deltas are shown as one line.
    fn close(&mut self) {
        let (whole, count) = (self.pieces.concat(), self.pieces.len());
        self.pieces.clear();
        let Some(block) = self.blocks.last_mut() else { return };
        match block["type"].as_str() {
            Some("tool_use") => block["input"] = serde_json::from_str(&whole).unwrap_or_default(),
            _ => block["text"] = whole.clone().into(),
        }
        self.show_last(&format!("{count} deltas"), Ink::Plain, whole.trim_end().to_owned());
        self.show_last("block_stop", Ink::Plain, String::new());
    }

    fn show_last(&mut self, label: &str, ink: Ink, text: String) {
        self.show(self.shown.len().saturating_sub(1), label, ink, text);
    }

    fn show(&mut self, at: usize, label: &str, ink: Ink, text: String) {
        if let Some(block) = self.shown.get_mut(at) {
            block.push(Line::labelled(label, ink, text));
        }
    }

    fn turn(self) -> Turn {
        let text = self.blocks.iter().filter_map(|block| block["text"].as_str()).collect();
        let calls = self.blocks.iter().filter(|block| block["type"] == "tool_use").map(|block| Call {
            id: block["id"].as_str().unwrap_or_default().to_owned(),
            name: block["name"].as_str().unwrap_or_default().to_owned(),
            arguments: block["input"].to_string(),
        });
        let calls = calls.collect();
        Turn { shown: self.shown, text, calls, finish: self.finish, argument_deltas: self.argument_deltas }
    }
}
