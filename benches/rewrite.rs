//! What one event of a stream costs, and what is counted of a request: `cargo bench --bench rewrite`.
//! Each sample is a thousand events, so microseconds read as nanoseconds an event.

#![allow(clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use toolgate::answer::StreamRewriter;
use toolgate::api::anthropic;
use toolgate::api::ollama::client::{Lines, Moment, Page, Told};
use toolgate::api::ollama::server::Answer;
use toolgate::api::openai;
use toolgate::chat::Calls;
use toolgate::decode::{Reasoning, Settings, UnknownTools};
use toolgate::dialect::Dialects;
use toolgate::json::Depth;
use toolgate::limits::Limits;
use toolgate::plan::{AgentFormat, Exchange};
use toolgate::schema::Tools;

fn main() {
    divan::main();
}

/// Events of each stream: enough that its beginning does not count.
const EVENTS: usize = 1000;

/// The beginning of a call.
const BEGUN: &str = "<tool_call>{\"name\": \"f\", \"arguments\": {\"text\": \"";

/// What an event carries beside its text, so that it is parsed.
const LOGPROBS: &str = r#","logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}]}"#;

/// Text that goes through unchanged.
#[divan::bench]
fn unchanged(bencher: Bencher) {
    bench(bencher, &[], &["word", " and", " some"]);
}

/// The same with escapes in each text.
#[divan::bench]
fn unchanged_escaped(bencher: Bencher) {
    bench(bencher, &[], &["a\n", " \"b\"", "\\"]);
}

/// Every second event holds back what the next lets go.
#[divan::bench]
fn changed(bencher: Bencher) {
    bench(bencher, &[], &["a<tool", "b "]);
}

/// A call's arguments: each event becomes another.
#[divan::bench]
fn arguments(bencher: Bencher) {
    bench(bencher, &[BEGUN], &["word", " and", " some"]);
}

/// The same for a client that reads text: as JSON a member a line, and in the tags of another dialect.
#[divan::bench(args = ["xml", "qwen3-coder", "pythonic"])]
fn arguments_as_text(bencher: Bencher, format: &str) {
    let format = AgentFormat::named(format, &Dialects::builtin()).expect("a format");
    let exchange = Exchange { format, ..exchange() };
    run(bencher, &exchange, vec![event(BEGUN, "")], events(&["word", " and", " some"], ""));
}

/// Events that carry logprobs, so that each is parsed.
#[divan::bench]
fn parsed(bencher: Bencher) {
    let pieces = events(&["word", " and", " some"], LOGPROBS);
    run(bencher, &exchange(), Vec::new(), pieces);
}

/// A token as Ollama writes it, one line a piece, told as a chunk.
#[divan::bench]
fn line(bencher: Bencher) {
    let line = |text: &&str| {
        let text = serde_json::to_string(text).unwrap_or_default();
        format!(
            "{{\"model\":\"some-model:8b\",\"created_at\":\"2026-01-01T00:00:00.123456789Z\",\
             \"message\":{{\"role\":\"assistant\",\"content\":{text}}},\"done\":false}}\n"
        )
    };
    let lines: Vec<_> = ["word", " and", " \"some\"\n"].iter().cycle().take(EVENTS).map(line).collect();
    bencher.counter(ItemsCount::new(EVENTS)).bench(|| {
        let mut answer = Answer::new(openai::Usage::Asked, &Limits::default());
        let mut out = Vec::new();
        for line in &lines {
            out.clear();
            answer.push(black_box(line.as_bytes()), &mut out);
        }
        out.len()
    });
}

/// The lines that a client of Ollama's API gets: each event becomes another.
#[divan::bench]
fn lines(bencher: Bencher) {
    run_lines(bencher, "");
}

/// The same of events that are parsed.
#[divan::bench]
fn lines_parsed(bencher: Bencher) {
    run_lines(bencher, LOGPROBS);
}

fn run_lines(bencher: Bencher, more: &str) {
    let told = Told { page: Page::Chat, model: "some-model".to_owned(), is_streamed: true };
    let limits = Limits::default();
    let now = |at| Moment { unix: Duration::from_micros(at), ..Moment::default() };
    let pieces: Vec<_> = (0..).zip(events(&["word", " and", " some"], more)).collect();
    bencher.counter(ItemsCount::new(EVENTS)).with_inputs(|| Lines::new(&told, &limits)).bench_refs(|lines| {
        for (at, piece) in &pieces {
            black_box(lines.push(piece.clone(), now(*at)));
        }
    });
}

/// The events that a client of Anthropic's API gets: each becomes another.
#[divan::bench]
fn messages(bencher: Bencher) {
    run_messages(bencher, &events(&["word", " and", " some"], ""));
}

/// The same of events that are parsed.
#[divan::bench]
fn messages_parsed(bencher: Bencher) {
    run_messages(bencher, &events(&["word", " and", " some"], LOGPROBS));
}

/// The same of a call's arguments.
#[divan::bench]
fn messages_arguments(bencher: Bencher) {
    let piece = |text: &str| {
        format!(
            "data: {{\"choices\":[{{\"finish_reason\":null,\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0{text}}}]}}}}],\
             \"id\":\"chatcmpl-w3uR26Su3x3lYdeXFf7mSj05bUqEAOme\",\"object\":\"chat.completion.chunk\"}}\n\n"
        )
        .into()
    };
    let begun = piece(r#","id":"call_1","function":{"name":"f","arguments":"{\"text\": \""}"#);
    let more = ["word", " and", r"\\n"].iter().cycle().take(EVENTS);
    let more = more.map(|text| piece(&format!(r#","function":{{"arguments":"{text}"}}"#)));
    run_messages(bencher, &std::iter::once(begun).chain(more).collect::<Vec<_>>());
}

fn run_messages(bencher: Bencher, pieces: &[Bytes]) {
    let model = "some-model".to_owned();
    let told = anthropic::Told { model, is_streamed: true, max_tokens: 1, fills_cache: false, prefill: None };
    let limits = Limits::default();
    let fresh = || anthropic::Events::new(&told, anthropic::Facts::default(), &limits);
    bencher.counter(ItemsCount::new(EVENTS)).with_inputs(fresh).bench_refs(|events| {
        for piece in pieces {
            black_box(events.push(piece.clone()));
        }
    });
}

/// How deep a request nests: a thousand strings of a KiB, so microseconds read as nanoseconds a KiB.
#[divan::bench(args = ["content", "arguments"])]
fn nesting(bencher: Bencher, key: &str) {
    let text = r#"{\"path\": \"src/a.rs\", \"text\": \"fn main() {}\\n\"} "#;
    let member = format!(r#"{{"{key}":"{}"}},"#, text.repeat(1024 / text.len()));
    let body = format!("[{}0]", member.repeat(EVENTS));
    bencher.bench(|| {
        let mut depth = Depth::default();
        depth.push(black_box(body.as_bytes()));
        depth.deepest()
    });
}

fn bench(bencher: Bencher, before: &[&str], texts: &[&str]) {
    let before = before.iter().map(|text| event(text, "")).collect();
    run(bencher, &exchange(), before, events(texts, ""));
}

fn run(bencher: Bencher, exchange: &Exchange, before: Vec<Bytes>, pieces: Vec<Bytes>) {
    let limits = Limits::default();
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(|| {
            let mut rewriter = StreamRewriter::new(exchange, &limits);
            for piece in &before {
                rewriter.push(piece.clone());
            }
            rewriter
        })
        .bench_refs(|rewriter| {
            for piece in &pieces {
                black_box(rewriter.push(piece.clone()));
            }
        });
}

fn events(texts: &[&str], more: &str) -> Vec<Bytes> {
    texts.iter().cycle().take(EVENTS).map(|text| event(text, more)).collect()
}

/// An event as llama-server writes it, one a piece, as it sends them.
fn event(text: &str, more: &str) -> Bytes {
    let text = serde_json::to_string(text).unwrap_or_default();
    format!(
        "data: {{\"choices\":[{{\"finish_reason\":null,\"index\":0,\"delta\":{{\"content\":{text}}}{more}}}],\
         \"created\":1795163173,\"id\":\"chatcmpl-w3uR26Su3x3lYdeXFf7mSj05bUqEAOme\",\"model\":\"some-model.gguf\",\
         \"system_fingerprint\":\"b11669-Debian\",\"object\":\"chat.completion.chunk\"}}\n\n"
    )
    .into()
}

fn exchange() -> Exchange {
    let tools = r#"[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]"#;
    let decoding = Settings {
        dialect: Dialects::builtin().get("hermes").map(Arc::clone).expect("a built-in dialect"),
        tools: Arc::new(Tools::new(serde_json::from_str::<openai::Tools>(tools).expect("a list of tools").0)),
        reasoning: Reasoning::Auto,
        unknown_tools: UnknownTools::Text,
        calls: Calls::All,
    };
    Exchange::new(decoding)
}
