//! What answers are read with, and how what came of them is written down.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use toolgate::answer::{BodyRewriter, StreamRewriter};
use toolgate::api::openai::{self, Folded, FoldedMessage, Folder, Usage};
use toolgate::chat::Calls;
use toolgate::decode::{Reasoning, Settings};
use toolgate::dialect::Dialects;
use toolgate::limits::Limits;
use toolgate::plan::Exchange;
use toolgate::schema::Tools;

/// The tools of every request here.
pub const TOOLS: &str = r#"[
    {"type": "function", "function": {"name": "get", "parameters": {"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}, "all": {"type": "boolean"}, "where": {"type": "object"}}}}},
    {"type": "function", "function": {"name": "get_all", "parameters": {"type": "object", "properties": {
        "name": {"type": "string"}, "id": {"type": "integer"}}}}},
    {"type": "function", "function": {"name": "put", "parameters": {"type": "object", "properties": {
        "text": {"type": "string"}}, "required": ["text"]}}},
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
]"#;

/// How a dialect's answer is read.
pub fn exchange(dialect: &str) -> Exchange {
    static DIALECTS: LazyLock<Dialects> = LazyLock::new(Dialects::builtin);
    let openai::Tools(tools) = serde_json::from_str(TOOLS).unwrap();
    let dialect = Arc::clone(DIALECTS.get(dialect).unwrap());
    Exchange { usage: Usage::Asked, ..Exchange::new(Settings::new(dialect, Tools::new(tools))) }
}

/// The same, where the prompt has opened a thought.
pub fn thinking(dialect: &str) -> Exchange {
    let mut exchange = exchange(dialect);
    exchange.decoding.reasoning = Reasoning::Open;
    exchange
}

/// The same, where only one call is wanted.
pub fn single(dialect: &str) -> Exchange {
    let mut exchange = exchange(dialect);
    exchange.decoding.calls = Calls::First;
    exchange
}

/// What comes of an answer that its server ended by itself.
#[track_caller]
pub fn read(exchange: &Exchange, text: &str) -> String {
    ended(exchange, text, "stop")
}

/// What comes of an answer with this finish reason.
#[track_caller]
pub fn ended(exchange: &Exchange, text: &str, finish: &str) -> String {
    let whole = shown(&streamed(exchange, [text], finish));
    let letters = shown(&streamed(exchange, text.split_inclusive(|_: char| true), finish));
    assert_eq!(letters, whole, "letter by letter: {text}");
    let body =
        json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}]});
    assert_eq!(shown(&one(unstreamed(exchange, &body))), whole, "as one body: {text}");
    whole
}

/// The message that a client has after a stream of these deltas.
pub fn streamed<'a>(exchange: &Exchange, deltas: impl IntoIterator<Item = &'a str>, finish: &str) -> FoldedMessage {
    let deltas = deltas.into_iter().map(|delta| chunk(&json!({"content": delta}), None));
    let events: String = deltas.chain([chunk(&json!({}), Some(finish)), DONE.to_owned()]).collect();
    one(folded(&rewritten(exchange, [events.as_bytes()])))
}

/// The end of a stream.
pub const DONE: &str = "data: [DONE]\n\n";

/// An event with a delta.
pub fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let chunk = json!({"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    format!("data: {chunk}\n\n")
}

/// What a client gets of a stream that comes in these pieces.
pub fn rewritten<'a>(exchange: &Exchange, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut rewriter = StreamRewriter::new(exchange, &Limits::default());
    let mut out = BytesMut::new();
    for piece in pieces {
        out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece)));
    }
    rewriter.finish(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

/// What a client makes of a stream.
pub fn folded(events: &str) -> Folded {
    let mut folder = Folder::new(1 << 20);
    folder.push(Bytes::copy_from_slice(events.as_bytes()));
    folder.finish()
}

/// What a client makes of a body.
pub fn unstreamed(exchange: &Exchange, body: &Value) -> Folded {
    let mut rewriter = BodyRewriter::new(exchange, &Limits::default());
    let mut out = BytesMut::new();
    out.extend_from_slice(&rewriter.push(Bytes::from(body.to_string())));
    rewriter.finish(&mut out);
    Folded::from_body(&out)
}

fn one(folded: Folded) -> FoldedMessage {
    folded.messages.into_values().next().unwrap()
}

/// A message in one line: thought, text, calls and their finish reason.
pub fn shown(message: &FoldedMessage) -> String {
    let mut line = String::new();
    let parts = [("think", &message.reasoning), ("text", &message.content)];
    for (kind, part) in parts {
        if let Some(text) = part.as_deref().filter(|text| !text.is_empty()) {
            write!(line, "{kind} {text:?} / ").unwrap();
        }
    }
    for call in &message.tool_calls {
        write!(line, "{} {} / ", call.function.name, call.function.arguments).unwrap();
    }
    line + message.finish_reason.as_deref().unwrap()
}
