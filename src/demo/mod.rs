//! The conversation a newcomer runs first: a scripted server and the gateway on loopback, and a client that asks twice.
//! Needs no model and no network. It fails when the client does not get what it should.

mod anthropic;
mod client;
mod openai;
mod rounds;
mod screen;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use serde_json::{Value, json};

use self::screen::{Ink, Line, Screen};
use crate::config::{Config, ConfigErrors};
use crate::mock::{Mock, Script, ScriptError};
use crate::server;

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
    #[error("a folder for the demo: {0}")]
    Folder(io::Error),
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

/// Runs the one in which the gateway has tools of its own.
pub fn run_server_tools() -> Result<(), DemoError> {
    rounds::run()
}

/// Runs it, with a client of this API.
pub fn run(api: Api) -> Result<(), DemoError> {
    let script = Script::from_yaml(Script::DEFAULT)?;
    let texts = [first_answer(&script), second_answer(&script)].map(str::to_owned);
    let mock = Mock::start("127.0.0.1:0", script).map_err(DemoError::Mock)?;
    let config = Config::from_upstreams(&[format!("http://{}", mock.addr())], &["127.0.0.1:0".into()], None)?;
    let gateway = server::spawn(config)?;
    let outcome = converse(api, &Screen::open(), [gateway.addr, mock.addr()], &texts);
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

fn converse(api: Api, screen: &Screen, [gateway, mock]: [SocketAddr; 2], texts: &[String; 2]) -> Result<(), DemoError> {
    screen.print(&screen.lines(&introduction(api, gateway, mock)))?;

    let mut conversation = Conversation::begin(api);
    screen.print(&screen.lines(&[
        Line::new(Ink::Strong, "1. The client asks a question, and offers a tool."),
        Line::new(Ink::Plain, ""),
        Line::labelled("user", Ink::Plain, QUESTION),
        Line::labelled("tools", Ink::Plain, "get_weather(city, unit)"),
        Line::new(Ink::Plain, ""),
    ]))?;
    let first = conversation.ask(screen, gateway)?;
    screen.print(&screen.panes(TITLES, &written(&texts[0]), &first.shown))?;

    let mut lines = vec![
        Line::new(Ink::Plain, ""),
        Line::new(Ink::Strong, "2. The client runs the tool, and sends what it returned."),
        Line::new(Ink::Plain, ""),
    ];
    conversation.answer(&first.calls, &RESULTS);
    lines.extend(first.calls.iter().zip(RESULTS).map(|(_, result)| Line::labelled("tool", Ink::Plain, result)));
    lines.push(Line::new(Ink::Plain, ""));
    screen.print(&screen.lines(&lines))?;
    let second = conversation.ask(screen, gateway)?;
    screen.print(&screen.panes(TITLES, &written(&texts[1]), &second.shown))?;

    let checks = checks(api, &first, &second, texts);
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
    /// What the client got, in blocks that stand beside those of the model's text.
    shown: Vec<Vec<Line>>,
    text: String,
    calls: Vec<Call>,
    finish: String,
    /// Deltas that carried a piece of arguments.
    argument_deltas: usize,
}

/// A call that the client got.
#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

/// The API that the client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    #[default]
    OpenAi,
    Anthropic,
}

impl FromStr for Api {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "openai" => Ok(Self::OpenAi),
            "anthropic" => Ok(Self::Anthropic),
            _ => Err(format!("`{name}` is none of openai, anthropic")),
        }
    }
}

/// What a client says, in its API.
#[derive(Debug)]
enum Conversation {
    OpenAi(openai::Conversation),
    Anthropic(anthropic::Conversation),
}

impl Conversation {
    fn begin(api: Api) -> Self {
        match api {
            Api::OpenAi => Self::OpenAi(openai::Conversation::begin()),
            Api::Anthropic => Self::Anthropic(anthropic::Conversation::begin()),
        }
    }

    fn ask(&mut self, screen: &Screen, gateway: SocketAddr) -> Result<Turn, DemoError> {
        match self {
            Self::OpenAi(conversation) => conversation.ask(screen, gateway),
            Self::Anthropic(conversation) => conversation.ask(screen, gateway),
        }
    }

    fn answer(&mut self, calls: &[Call], results: &[&str]) {
        match self {
            Self::OpenAi(conversation) => conversation.answer(calls, results),
            Self::Anthropic(conversation) => conversation.answer(calls, results),
        }
    }
}

impl Api {
    /// How it says that tools are called, and that the model has ended.
    fn finishes(self) -> [&'static str; 2] {
        match self {
            Self::OpenAi => ["tool_calls", "stop"],
            Self::Anthropic => ["tool_use", "end_turn"],
        }
    }

    /// What its client wants.
    fn wish(self) -> &'static str {
        match self {
            Self::OpenAi => "A model writes its tool calls as text. A client wants them as OpenAI's tool_calls.",
            Self::Anthropic => {
                "A model writes its tool calls as text. A client wants them as Anthropic's tool_use blocks."
            }
        }
    }
}

/// The tool; APIs differ in what they call its schema.
fn tool(schema: &str) -> Value {
    json!({
        "name": "get_weather",
        "description": "Says how the weather is in a city now.",
        schema: {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city"],
        },
    })
}

/// What the client must have got, each with whether it did.
fn checks(api: Api, first: &Turn, second: &Turn, texts: &[String; 2]) -> Vec<(bool, String)> {
    let calls = &first.calls;
    let ids: BTreeSet<&str> = calls.iter().map(|call| call.id.as_str()).filter(|id| id.starts_with("call_")).collect();
    let expected = CITIES.map(|city| json!({"city": city, "unit": "celsius"}));
    let arguments: Vec<Value> =
        calls.iter().map(|call| serde_json::from_str(&call.arguments).unwrap_or_default()).collect();
    let is_call = calls.iter().all(|call| call.name == "get_weather");
    let before = texts[0].split(OPENER).next();
    let [called, ended] = api.finishes();
    let checks = [
        (arguments == expected && is_call, "two calls of get_weather, whose arguments are JSON"),
        (ids.len() == CITIES.len(), "each call has an id of its own"),
        (first.argument_deltas > CITIES.len(), "the arguments were streamed as the model wrote them"),
        (Some(first.text.as_str()) == before, "the content is the model's text, without the markup of the calls"),
        (
            second.text == texts[1] && second.calls.is_empty(),
            "the model has read the results, and its answer came through as it is",
        ),
    ];
    let has_finished = first.finish == called && second.finish == ended;
    let finish = (has_finished, format!("it ends with {called}, then with {ended}"));
    checks.map(|(holds, what)| (holds, what.to_owned())).into_iter().chain([finish]).collect()
}

fn introduction(api: Api, gateway: SocketAddr, mock: SocketAddr) -> [Line; 7] {
    [
        Line::new(Ink::Plain, ""),
        Line::new(Ink::Strong, "toolgate demo"),
        Line::new(Ink::Plain, api.wish()),
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

fn verdict(checks: &[(bool, String)]) -> Vec<Line> {
    let line = |(holds, what): &(bool, String)| match holds {
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
