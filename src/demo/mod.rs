//! The conversation a newcomer runs first: a scripted server and the gateway on loopback, and a client that asks twice.
//! Needs no model and no network. It fails when the client does not get what it should.

mod client;
mod screen;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::{Value, json};

use self::screen::{Ink, Line, Screen};
use crate::api::openai::{FoldedMessage, Folder};
use crate::config::{Config, ConfigErrors};
use crate::limits::Limits;
use crate::mock::{Mock, Script, ScriptError};
use crate::{server, sse};

pub use self::client::ClientError;

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error("the scripted server: {0}")]
    Mock(io::Error),
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error("the gateway: {0}")]
    Server(#[from] server::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the gateway reports: {0}")]
    Reported(Value),
    #[error("stdout: {0}")]
    Stdout(#[from] io::Error),
    #[error("the client did not get what it should")]
    NotAsItShould,
}

/// Runs it.
pub fn run() -> Result<(), DemoError> {
    let script = Script::from_yaml(Script::DEFAULT)?;
    let texts = [first_answer(&script), second_answer(&script)].map(str::to_owned);
    let mock = Mock::start("127.0.0.1:0", script).map_err(DemoError::Mock)?;
    let config = Config::from_upstreams(&[format!("http://{}", mock.addr())], &["127.0.0.1:0".into()], None)?;
    let gateway = server::spawn(config)?;
    let outcome = converse(&Screen::open(), gateway.addr, mock.addr(), &texts);
    gateway.stop();
    mock.stop();
    outcome
}

const CITIES: [&str; 2] = ["Paris", "Rome"];
const RESULTS: [&str; 2] =
    [r#"{"city": "Paris", "celsius": 18, "sky": "sunny"}"#, r#"{"city": "Rome", "celsius": 24, "sky": "sunny"}"#];
const QUESTION: &str = "What is the weather in Paris and in Rome?";
/// What the scripted model opens a call with.
const OPENER: &str = "<tool_call>";

/// What the script says where the tool is offered, and where it has answered.
fn first_answer(script: &Script) -> &str {
    let answer = script.answers.iter().find(|answer| answer.when.anywhere.is_some());
    answer.map_or("", |answer| &answer.text)
}

fn second_answer(script: &Script) -> &str {
    let answer = script.answers.iter().find(|answer| answer.when.newest.is_some());
    answer.map_or("", |answer| &answer.text)
}

fn converse(screen: &Screen, gateway: SocketAddr, mock: SocketAddr, texts: &[String; 2]) -> Result<(), DemoError> {
    screen.print(&screen.lines(&introduction(gateway, mock)))?;

    let mut messages = vec![json!({"role": "user", "content": QUESTION})];
    screen.print(&screen.lines(&[
        Line::new(Ink::Strong, "1. The client asks a question, and offers a tool."),
        Line::new(Ink::Plain, ""),
        Line::labelled("user", Ink::Plain, QUESTION),
        Line::labelled("tools", Ink::Plain, "get_weather(city, unit)"),
        Line::new(Ink::Plain, ""),
    ]))?;
    let first = ask(screen, gateway, &messages)?;
    screen.print(&screen.panes(TITLES, &written(&texts[0]), &received(&first)))?;

    let mut lines = vec![
        Line::new(Ink::Plain, ""),
        Line::new(Ink::Strong, "2. The client runs the tool, and sends what it returned."),
        Line::new(Ink::Plain, ""),
    ];
    messages.push(json!({
        "role": "assistant", "content": first.message.content, "tool_calls": first.message.tool_calls,
    }));
    for (call, result) in first.message.tool_calls.iter().zip(RESULTS) {
        messages.push(json!({"role": "tool", "tool_call_id": call.id, "content": result}));
        lines.push(Line::labelled("tool", Ink::Plain, result));
    }
    lines.push(Line::new(Ink::Plain, ""));
    screen.print(&screen.lines(&lines))?;
    let second = ask(screen, gateway, &messages)?;
    screen.print(&screen.panes(TITLES, &written(&texts[1]), &received(&second)))?;

    let checks = checks(&first, &second, texts);
    screen.print(&screen.lines(&verdict(&checks)))?;
    if !checks.iter().all(|(holds, _)| *holds) {
        return Err(DemoError::NotAsItShould);
    }
    screen.print(&screen.lines(&farewell()))?;
    Ok(())
}

const TITLES: [&str; 2] = ["What the model wrote", "What the client got"];

/// What came of one request.
#[derive(Debug)]
struct Turn {
    message: FoldedMessage,
    /// Deltas that carried a piece of arguments.
    argument_deltas: usize,
}

/// Sends the conversation, and reads the answer as it is streamed.
fn ask(screen: &Screen, gateway: SocketAddr, messages: &[Value]) -> Result<Turn, DemoError> {
    let request = json!({"model": "demo", "stream": true, "messages": messages, "tools": [tool()]});
    let limit = Limits::default().event_bytes_max;
    let (mut folder, mut events) = (Folder::new(limit), sse::Decoder::new(limit));
    let (mut argument_deltas, mut text) = (0, String::new());
    let mut shown = Ok(());
    client::post(gateway, &request.to_string(), |bytes| {
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
    Ok(Turn { message: folded.messages.remove(&0).unwrap_or_default(), argument_deltas })
}

fn tool() -> Value {
    json!({"type": "function", "function": {
        "name": "get_weather",
        "description": "Says how the weather is in a city now.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city"],
        },
    }})
}

/// What the client must have got, each with whether it did.
fn checks(first: &Turn, second: &Turn, texts: &[String; 2]) -> Vec<(bool, &'static str)> {
    let calls = &first.message.tool_calls;
    let ids: BTreeSet<&str> = calls.iter().map(|call| call.id.as_str()).filter(|id| id.starts_with("call_")).collect();
    let expected = CITIES.map(|city| json!({"city": city, "unit": "celsius"}));
    let arguments: Vec<Value> =
        calls.iter().map(|call| serde_json::from_str(&call.function.arguments).unwrap_or_default()).collect();
    let is_call = calls.iter().all(|call| call.kind == "function" && call.function.name == "get_weather");
    let before = texts[0].split(OPENER).next();
    let finishes = [first, second].map(|turn| turn.message.finish_reason.as_deref());
    vec![
        (arguments == expected && is_call, "two calls of get_weather, whose arguments are JSON"),
        (ids.len() == CITIES.len(), "each call has an id of its own"),
        (first.argument_deltas > CITIES.len(), "the arguments were streamed as the model wrote them"),
        (
            first.message.content.as_deref() == before,
            "the content is the model's text, without the markup of the calls",
        ),
        (finishes == [Some("tool_calls"), Some("stop")], "finish_reason is tool_calls, then stop"),
        (
            second.message.content.as_ref() == Some(&texts[1]) && second.message.tool_calls.is_empty(),
            "the model has read the results, and its answer came through as it is",
        ),
    ]
}

fn introduction(gateway: SocketAddr, mock: SocketAddr) -> [Line; 7] {
    [
        Line::new(Ink::Plain, ""),
        Line::new(Ink::Strong, "toolgate demo"),
        Line::new(Ink::Plain, "A model writes its tool calls as text. A client wants them as OpenAI's tool_calls."),
        Line::new(Ink::Plain, "toolgate stands between the two."),
        Line::new(Ink::Plain, ""),
        Line::new(Ink::Faint, format!("client  →  toolgate {gateway}  →  scripted model server {mock}")),
        Line::new(Ink::Plain, ""),
    ]
}

fn farewell() -> [Line; 4] {
    [
        Line::new(Ink::Plain, "In front of your own server:"),
        Line::new(Ink::Plain, ""),
        Line::new(Ink::Strong, "    toolgate run --upstream http://127.0.0.1:8080"),
        Line::new(Ink::Plain, ""),
    ]
}

fn verdict(checks: &[(bool, &str)]) -> Vec<Line> {
    let line = |(holds, what): &(bool, &str)| match holds {
        true => Line::new(Ink::Good, format!("✓ {what}")),
        false => Line::new(Ink::Bad, format!("✗ {what}")),
    };
    let empty = Line::new(Ink::Plain, "");
    [empty.clone()].into_iter().chain(checks.iter().map(line)).chain([empty]).collect()
}

/// The model's text, a block for what stands before the calls and one for each.
fn written(text: &str) -> Vec<Vec<Line>> {
    let mut blocks: Vec<Vec<Line>> = vec![Vec::new()];
    for line in text.lines() {
        if line.starts_with(OPENER) {
            blocks.push(Vec::new());
        }
        let ink = if line.starts_with('<') { Ink::Markup } else { Ink::Plain };
        blocks.last_mut().into_iter().for_each(|block| block.push(Line::new(ink, line)));
    }
    blocks
}

/// The client's message, in blocks that stand beside those of the model's text.
fn received(turn: &Turn) -> Vec<Vec<Line>> {
    let message = &turn.message;
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
