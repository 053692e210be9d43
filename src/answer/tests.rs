//! Replies in, replies out. Each stream also runs with the shortcut forgotten before every event and cut at every
//! byte: neither may change what comes out. And it runs with an alias, which must come to the same as what the alias
//! alone makes of what comes out without it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde::de::IgnoredAny;

use super::{BodyRewriter, StreamRewriter, Summary};
use crate::api::Tokens;
use crate::api::openai::{self, Folded, Folder, Usage};
use crate::chat::Calls;
use crate::decode::Settings;
use crate::dialect::Dialects;
use crate::limits::Limits;
use crate::plan::{AgentFormat, Exchange};
use crate::schema::Tools;

mod aliases;
mod assembling;
mod bodies;
mod captures;
mod events;
mod faults;
mod ids;
mod properties;
mod salvaging;
mod telling;
mod thoughts;

/// An exchange in which tools `f` and `get_weather` were offered.
fn exchange(calls: Calls, usage: Usage) -> Exchange {
    let openai::Tools(tools) = serde_json::from_str(
        r#"[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},
            {"type":"function","function":{"name":"get_weather","parameters":{"type":"object"}}}]"#,
    )
    .unwrap();
    let dialect = Arc::clone(Dialects::builtin().get("hermes").unwrap());
    let decoding = Settings { calls, ..Settings::new(dialect, Tools::new(tools)) };
    Exchange { usage, ..Exchange::new(decoding) }
}

fn usual() -> Exchange {
    exchange(Calls::All, Usage::Unasked)
}

/// How an upstream's body ends.
#[derive(Clone, Copy)]
enum End {
    Clean,
    Died,
}

/// What comes out of a stream that arrives in these pieces.
fn run<'a>(exchange: &Exchange, pieces: impl IntoIterator<Item = &'a [u8]>, end: End) -> (String, Summary) {
    run_through(StreamRewriter::new(exchange, &Limits::default()), pieces, end)
}

fn run_through<'a>(
    mut rewriter: StreamRewriter,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    end: End,
) -> (String, Summary) {
    let mut out = BytesMut::new();
    for piece in pieces {
        out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece)));
    }
    let summary = match end {
        End::Clean => rewriter.finish(&mut out),
        End::Died => rewriter.fail("connection reset", &mut out),
    };
    (String::from_utf8(out.to_vec()).unwrap(), summary)
}

/// What comes out of a stream, made sure that neither cuts nor the shortcut change it.
fn rewrite(exchange: &Exchange, input: &str, end: End) -> (String, Summary) {
    let (out, summary) = run(exchange, [input.as_bytes()], end);
    let out = without_ids(&out);
    // Short streams are cut at every byte, long ones at some two hundred places.
    let step = if input.len() <= 2000 { 1 } else { input.len() / 199 };
    for cut in (0..input.len()).step_by(step) {
        let (a, b) = input.as_bytes().split_at(cut);
        let (cut_out, cut_summary) = run(exchange, [a, b], end);
        assert_eq!((&without_ids(&cut_out), &cut_summary), (&out, &summary), "cut at {cut}");
    }
    let (slow, slow_summary) = run_slowly(exchange, input, end);
    assert_eq!((&slow, &slow_summary), (&out, &summary), "without the shortcut");
    let (left, right) = input.as_bytes().split_at(input.len() / 2);
    for pieces in [&[input.as_bytes()][..], &[left, right]] {
        let (renamed, renamed_summary) = run_renamed(exchange, pieces, end);
        assert_eq!(readable(&without_ids(&renamed)), readable(&renamed_alone(&out)), "with an alias");
        assert_eq!(renamed_summary, summary, "with an alias");
    }
    (out, summary)
}

/// A stream without the lines that only look like JSON: whose name stands in them makes no difference.
fn readable(stream: &str) -> String {
    let is_readable = |line: &&str| {
        line.strip_prefix("data: {").is_none_or(|_| serde_json::from_str::<IgnoredAny>(line.get(6..).unwrap()).is_ok())
    };
    stream.split_inclusive('\n').filter(is_readable).collect()
}

const ALIAS: &str = "the \"alias\"";

fn run_renamed(exchange: &Exchange, pieces: &[&[u8]], end: End) -> (String, Summary) {
    let limits = Limits::default();
    run_through(StreamRewriter::new(exchange, &limits).with_alias(ALIAS, &limits), pieces.iter().copied(), end)
}

/// What the alias alone makes of a stream.
fn renamed_alone(stream: &str) -> String {
    let rewriter = StreamRewriter::unread().with_alias(ALIAS, &Limits::default());
    run_through(rewriter, [stream.as_bytes()], End::Clean).0
}

fn run_slowly(exchange: &Exchange, input: &str, end: End) -> (String, Summary) {
    let mut rewriter = StreamRewriter::new(exchange, &Limits::default());
    let mut out = BytesMut::new();
    for piece in input.as_bytes().split_inclusive(|&b| b == b'\n') {
        rewriter.forget_shapes();
        out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece)));
    }
    let summary = match end {
        End::Clean => rewriter.finish(&mut out),
        End::Died => rewriter.fail("connection reset", &mut out),
    };
    (without_ids(std::str::from_utf8(&out).unwrap()), summary)
}

/// Replaces the random part of each id by `ID`.
fn without_ids(out: &str) -> String {
    let mut parts = out.split("\"id\":\"call_");
    let mut clean = parts.next().unwrap().to_owned();
    for part in parts {
        clean.push_str("\"id\":\"ID");
        clean.push_str(part.get(24..).unwrap());
    }
    clean
}

/// A reply put together as an SDK does it.
fn fold(out: &str) -> Folded {
    let mut folder = Folder::new(1 << 20);
    folder.push(Bytes::copy_from_slice(out.as_bytes()));
    folder.finish()
}

/// An event of the upstream: choice 0 with this delta and finish reason.
fn chunk(delta: &str, finish: &str) -> String {
    event(&format!(r#"{{"index":0,"delta":{delta},"finish_reason":{finish}}}"#))
}

/// An event of the upstream with these choices.
fn event(choices: &str) -> String {
    format!("data: {{\"id\":\"x\",\"created\":1,\"model\":\"m\",\"choices\":[{choices}]}}\n\n")
}

/// An event of the upstream with this text.
fn text(text: &str) -> String {
    chunk(&format!(r#"{{"content":{}}}"#, serde_json::to_string(text).unwrap()), "null")
}

/// The same, made by the rewriter: the members stand in its order, which is that of `event`.
fn made(delta: &str) -> String {
    chunk(delta, "null")
}

fn call(index: u32, name: &str) -> String {
    made(&format!(
        r#"{{"tool_calls":[{{"index":{index},"id":"ID","type":"function","function":{{"name":"{name}","arguments":""}}}}]}}"#
    ))
}

fn arguments(index: u32, text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    made(&format!(r#"{{"tool_calls":[{{"index":{index},"function":{{"arguments":{text}}}}}]}}"#))
}

fn role() -> String {
    chunk(r#"{"role":"assistant","content":null}"#, "null")
}

fn finish(reason: &str) -> String {
    chunk("{}", &format!("\"{reason}\""))
}

const DONE: &str = "data: [DONE]\n\n";
