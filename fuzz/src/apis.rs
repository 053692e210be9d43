//! Any bytes as an answer that is told in another API: cuts agree, whatever goes out has the form of that API, and it ends
//! once. Any bytes as a request of one become a chat that is JSON, or a mistake.

use bytes::Bytes;
use serde_json::Value;
use toolgate::api::openai::Usage;
use toolgate::api::{anthropic, ollama};
use toolgate::engine::Engine;
use toolgate::limits::Limits;

/// The first bytes choose the API and how the answer is cut. Of the others those from 128 on stand for a fragment each.
pub fn holds(data: &[u8]) {
    let Some((&[api, size], rest)) = data.split_first_chunk() else { return };
    let size = usize::from(size).max(1);
    match api % 3 {
        0 => holds_of(size, &written(&LINES, rest), ollama_server, check_events),
        1 => holds_of(size, &written(&EVENTS, rest), ollama_client, check_lines),
        _ => holds_of(size, &written(&EVENTS, rest), anthropic_client, check_messages),
    }
    check_requests(rest);
}

/// Parts of Ollama's lines.
const LINES: [&str; 16] = [
    "{\"model\":\"m\",\"created_at\":\"2026-08-21T10:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"",
    "{\"message\":{\"content\":\"a\",\"thinking\":\"",
    "\"},\"done\":false}\n",
    "\"},\"done\":true,\"done_reason\":\"stop\",\"eval_count\":5}\n",
    "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"done\":false}\n",
    "{\"done\":true,\"done_reason\":\"load\"}\n",
    "{\"error\":\"boom\"}\n",
    "{\"error\":\"error parsing tool call: raw='x', err=y\"}\n",
    "\n",
    "\r\n",
    "\\u00e9",
    "\u{2028}",
    "é",
    "\\",
    "\"",
    "}",
];

/// Parts of OpenAI's events.
const EVENTS: [&str; 16] = [
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"",
    "\"},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"d\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":26,\"completion_tokens\":5}}\n\n",
    "data: {\"error\":{\"message\":\"boom\"}}\n\n",
    "data: [DONE]\n\n",
    ": waiting\n\n",
    "\n\n",
    "\u{2028}",
    "\"",
];

fn written(fragments: &[&str; 16], bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in bytes {
        match byte.checked_sub(128) {
            Some(number) => out.extend_from_slice(fragments[usize::from(number) % fragments.len()].as_bytes()),
            None => out.push(byte),
        }
    }
    out
}

fn holds_of(size: usize, input: &[u8], told: fn(&mut dyn Iterator<Item = &[u8]>) -> String, check: fn(&str)) {
    let whole = told(&mut std::iter::once(input));
    check(&whole);
    let pieces = told(&mut input.chunks(size));
    assert_eq!(without_ids(&pieces), without_ids(&whole), "in pieces of {size}: {:?}", String::from_utf8_lossy(input));
}

fn ollama_server(pieces: &mut dyn Iterator<Item = &[u8]>) -> String {
    let mut answer = ollama::server::Answer::new(Usage::Asked, &Limits::default());
    let mut out = Vec::new();
    pieces.for_each(|piece| answer.push(piece, &mut out));
    answer.finish(&mut out);
    String::from_utf8(out).expect("events are text")
}

fn ollama_client(pieces: &mut dyn Iterator<Item = &[u8]>) -> String {
    let told = ollama::client::Told { page: ollama::client::Page::Chat, model: "m".to_owned(), is_streamed: true };
    let mut lines = ollama::client::Lines::new(&told, &Limits::default());
    let now = ollama::client::Moment::default();
    let mut out: Vec<u8> = pieces.flat_map(|piece| lines.push(Bytes::copy_from_slice(piece), now)).collect();
    out.extend(lines.finish(now));
    String::from_utf8(out).expect("lines are text")
}

fn anthropic_client(pieces: &mut dyn Iterator<Item = &[u8]>) -> String {
    let told =
        anthropic::Told { model: "m".to_owned(), is_streamed: true, max_tokens: 9, fills_cache: false, prefill: None };
    let mut events = anthropic::Events::new(&told, anthropic::Facts::default(), &Limits::default());
    let mut out: Vec<u8> = pieces.flat_map(|piece| events.push(Bytes::copy_from_slice(piece))).collect();
    out.extend(events.finish());
    // Comments are the server's, whatever they are.
    String::from_utf8_lossy(&out).into_owned()
}

/// Every event is JSON, and an error or `[DONE]` is the last.
fn check_events(out: &str) {
    let datas: Vec<_> = out.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    for (at, data) in datas.iter().enumerate() {
        let is_last = at + 1 == datas.len();
        let is_end = *data == "[DONE]" || json(data)["error"].is_object();
        assert_eq!(is_end, is_last, "{out}");
    }
}

/// Every line is an object that no reader of lines can cut, and one that is done, or an error, is the last.
fn check_lines(out: &str) {
    assert!(!out.contains(['\u{2028}', '\u{2029}', '\u{85}', '\r']) && out.ends_with('\n'), "{out:?}");
    let lines: Vec<_> = out.lines().map(json).collect();
    for (at, line) in lines.iter().enumerate() {
        let is_end = line["done"] == true || line["error"].is_string();
        assert_eq!(is_end, at + 1 == lines.len(), "{out}");
    }
}

/// Blocks are numbered without gaps and never overlap, and nothing follows the end.
fn check_messages(out: &str) {
    let (mut blocks, mut open, mut is_over) = (0_u64, false, false);
    for data in out.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event = json(data);
        assert!(!is_over, "{out}");
        match event["type"].as_str() {
            Some("content_block_start") => {
                assert!(!open && event["index"] == blocks, "{out}");
                open = true;
            }
            Some("content_block_delta") => assert!(open && event["index"] == blocks, "{out}"),
            Some("content_block_stop") => {
                assert!(open && event["index"] == blocks, "{out}");
                (blocks, open) = (blocks + 1, false);
            }
            Some("message_delta") => assert!(!open, "{out}"),
            Some("message_stop" | "error") => is_over = true,
            _ => {}
        }
    }
    assert!(is_over, "{out}");
}

fn check_requests(body: &[u8]) {
    let row = Engine::LlamaCpp.row();
    let server = anthropic::Server {
        takes: row.messages,
        sees: None,
        thinks: None,
        hosted_tools: anthropic::HostedTools::default(),
        runs: std::sync::Arc::default(),
    };
    if let Ok(asked) = anthropic::request(body, &server) {
        json(std::str::from_utf8(&asked.body).expect("a chat is text"));
    }
    if let Ok(ollama::client::Request::Chat { body, .. }) =
        ollama::client::request(ollama::client::Page::Chat, body, &row.options)
    {
        json(std::str::from_utf8(&body).expect("a chat is text"));
    }
    let defaults = ollama::server::Defaults::default();
    if let Ok(chat) = ollama::server::request(body, &defaults, ollama::server::Thinking::default()) {
        json(std::str::from_utf8(&chat).expect("a chat is text"));
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Ids that are made anew each time are of one length.
fn without_ids(out: &str) -> String {
    let mut clean = String::new();
    let mut rest = out;
    while let Some(at) = ["chatcmpl-", "msg_", "call_"].iter().filter_map(|mark| rest.find(mark)).min() {
        let (before, id) = rest.split_at(at);
        clean.push_str(before);
        rest = id.split_at(id.find('"').unwrap_or(id.len())).1;
    }
    clean + rest
}
