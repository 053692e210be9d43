//! The conversation in which the tools run in the gateway: the client asks once, and offers nothing.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::json;

use super::screen::{Ink, Line, Screen};
use super::{DemoError, client, verdict, written};
use crate::api::openai::Folder;
use crate::config::Config;
use crate::limits::Limits;
use crate::mock::{Mock, Script};
use crate::server;

/// What the model writes: a call where nothing was found yet, and then its answer.
const SCRIPT: &str = r#"
chat_template: "<tool_call>"
answers:
  - when: { newest: "umbrella" }
    delay_ms: 15
    text: The note says that the umbrella is in the hall.
  - delay_ms: 15
    text: |-
      I look into the note.
      <tool_call>
      {"name": "read_file", "arguments": {"file_path": "note.txt"}}
      </tool_call>
"#;
const NOTE: &str = "The umbrella is in the hall.\n";
const QUESTION: &str = "What does note.txt say?";
const TITLES: [&str; 2] = ["What the model wrote", "What the client got"];

/// Runs it.
pub(super) fn run() -> Result<(), DemoError> {
    let folder = Notes::new().map_err(DemoError::Folder)?;
    let script = Script::from_yaml(SCRIPT)?;
    let texts: Vec<_> = script.answers.iter().rev().map(|answer| answer.text.clone()).collect();
    let mock = Mock::start("127.0.0.1:0", script).map_err(DemoError::Mock)?;
    let config = Config::from_upstreams(&[format!("http://{}", mock.addr())], &["127.0.0.1:0".into()], None)?;
    let gateway = server::spawn(config.with_working_dir(folder.0.clone())?)?;
    let outcome = converse(&Screen::open(), gateway.addr, &texts);
    gateway.stop();
    mock.stop();
    outcome
}

fn converse(screen: &Screen, gateway: SocketAddr, texts: &[String]) -> Result<(), DemoError> {
    screen.print(&screen.lines(&[
        Line::new(Ink::Plain, ""),
        Line::new(Ink::Strong, "toolgate demo --server-tools"),
        Line::new(
            Ink::Plain,
            "A client asks a question and offers no tools. toolgate has some, and runs what the model calls.",
        ),
        Line::new(Ink::Plain, ""),
        Line::labelled("user", Ink::Plain, QUESTION),
        Line::labelled("note.txt", Ink::Plain, NOTE.trim_end()),
        Line::new(Ink::Plain, ""),
    ]))?;
    let (text, comments, calls, finish) = ask(screen, gateway)?;
    let left: Vec<_> = texts.iter().flat_map(|text| written(text)).collect();
    let mut right: Vec<Vec<Line>> = Vec::new();
    let mut words = text.split("\n\n");
    right.push(words.next().into_iter().map(|text| Line::labelled("content", Ink::Plain, text)).collect());
    right.push(comments.iter().map(|comment| Line::new(Ink::Faint, comment)).collect());
    right.push(words.map(|text| Line::labelled("content", Ink::Plain, text)).collect());
    right.push(vec![Line::labelled("finish_reason", Ink::Plain, &finish)]);
    screen.print(&screen.panes(TITLES, &left, &right))?;

    let words: Vec<_> = texts.iter().filter_map(|text| text.split("\n<tool_call>").next()).collect();
    let checks = [
        (text == words.join("\n\n"), "the text of both answers is one, and came as it was written"),
        (
            comments.iter().any(|comment| comment.starts_with(": tool read_file done")),
            "a comment tells which tool has run",
        ),
        (calls == 0 && finish == "stop", "no call was left to the client"),
    ];
    let checks = checks.map(|(holds, what)| (holds, what.to_owned()));
    screen.print(&screen.lines(&verdict(&checks)))?;
    if !checks.iter().all(|(holds, _)| *holds) {
        return Err(DemoError::NotAsItShould);
    }
    screen.print(&screen.lines(&[
        Line::new(Ink::Plain, "In front of your own server, with tools that work beneath a directory:"),
        Line::new(Ink::Plain, ""),
        Line::new(Ink::Strong, "    toolgate run --upstream http://127.0.0.1:8080 --working-dir ."),
        Line::new(Ink::Plain, ""),
    ]))?;
    Ok(())
}

/// Asks, and shows the answer as it comes. Its text, its comments, how many calls are in it, and how it ends.
fn ask(screen: &Screen, gateway: SocketAddr) -> Result<(String, Vec<String>, usize, String), DemoError> {
    let request = json!({"model": "demo", "stream": true, "messages": [{"role": "user", "content": QUESTION}]});
    let (mut folder, mut raw) = (Folder::new(Limits::default().event_bytes_max), Vec::new());
    client::post(gateway, "/v1/chat/completions", &request.to_string(), |bytes| {
        raw.extend_from_slice(&bytes);
        folder.push(Bytes::from(bytes));
    })?;
    screen.settle()?;
    let mut folded = folder.finish();
    if let Some(error) = folded.error {
        return Err(DemoError::Reported(error));
    }
    let message = folded.messages.remove(&0).unwrap_or_default();
    let raw = String::from_utf8_lossy(&raw).into_owned();
    let comments = raw.lines().filter(|line| line.starts_with(": tool ")).map(str::to_owned).collect();
    let finish = message.finish_reason.unwrap_or_default();
    Ok((message.content.unwrap_or_default(), comments, message.tool_calls.len(), finish))
}

/// A folder for the demo, removed with it.
struct Notes(PathBuf);

impl Notes {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("toolgate-demo-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        let folder = Self(path);
        fs::write(folder.0.join("note.txt"), NOTE)?;
        Ok(folder)
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
