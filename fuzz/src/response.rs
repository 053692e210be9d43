//! Any bytes as a reply: cuts agree, what comes out of a whole answer is JSON, and what is no answer is unchanged.

use bytes::{Bytes, BytesMut};
use serde::de::IgnoredAny;
use serde_json::Value;
use toolgate::Dialects;
use toolgate::answer::{BodyRewriter, StreamRewriter, Summary};
use toolgate::api::openai::Usage;
use toolgate::limits::Limits;
use toolgate::plan::{AgentFormat, Exchange};

use super::decode::Case;
use super::vocabulary;

/// The first bytes choose the dialect, how the reply ends and how it is cut.
pub fn holds(data: &[u8]) {
    let Some((&[dialect, ending, size], rest)) = data.split_first_chunk() else { return };
    let case = Case::of(vocabulary::chosen(dialect));
    let usage = if ending & 1 == 0 { Usage::Unasked } else { Usage::Asked };
    let format = match ending / 8 % 8 {
        0 => AgentFormat::named("passthrough", &Dialects::builtin()).unwrap_or_default(),
        1 => AgentFormat::named("gemma", &Dialects::builtin()).unwrap_or_default(),
        2 => AgentFormat::of_tags("A,B").unwrap_or_default(),
        _ => AgentFormat::Calls,
    };
    let choices = 1 + usize::from(ending / 2 % 2);
    let exchange = Exchange { usage, choices, format, ..Exchange::new(case.settings) };
    let stream = stream(&vocabulary::of(&exchange.decoding.dialect), rest);
    check_cuts(&exchange, stream.as_bytes(), usize::from(size).max(1), ending & 4 == 0);
    check_calls(&rewrite(&exchange, [stream.as_bytes()], true).0);
    check_cuts(&exchange, rest, usize::from(size).max(1), ending & 4 == 0);
    check_body(&exchange, rest);
}

/// Events whose text is the model's: a zero byte ends one, and chooses with the next byte how the next is written.
fn stream(fragments: &[String], bytes: &[u8]) -> String {
    let mut out = String::new();
    for part in bytes.split(|&byte| byte == 0) {
        let (&form, text) = part.split_first().unwrap_or((&0, &[]));
        let text = serde_json::to_string(&vocabulary::text(fragments, text)).expect("a string");
        out.push_str(&match form % 8 {
            0 => "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".into(),
            1 => format!("data: {{\"choices\":[{{\"index\":1,\"delta\":{{\"content\":{text}}}}}]}}\n\n"),
            2 => format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}},\"logprobs\":{{}}}}],\"x\":1}}\r\n\r\n"),
            3 => format!(": {text}\n\ndata: {{\"choices\":[],\"usage\":{{\"n\":1}}}}\n\n"),
            4 => format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"reasoning_content\":{text}}}}}]}}\n\n"),
            _ => format!("data: {{\"id\":\"x\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}},\"finish_reason\":null}}]}}\n\n"),
        });
    }
    out + "data: [DONE]\n\n"
}

fn check_cuts(exchange: &Exchange, input: &[u8], size: usize, clean: bool) {
    let whole = rewrite(exchange, [input], clean);
    let pieces = rewrite(exchange, pieces(input, size), clean);
    assert_eq!(pieces, whole, "in pieces of {size}: {:?}", String::from_utf8_lossy(input));
}

/// Pieces of a size, but a line feed stays with its carriage return: a blank line that ends in a return ends its event
/// at once, and a line feed that comes later goes through as an empty event.
fn pieces(input: &[u8], size: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let at = size.min(rest.len());
        let parts = rest[..at].ends_with(b"\r") && rest[at..].starts_with(b"\n");
        let (piece, tail) = rest.split_at(at + usize::from(parts));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

/// Calls are numbered in their order, and each has its id, type and name once, with empty arguments.
fn check_calls(out: &str) {
    let mut calls = [0_u64; 2];
    for data in out.lines().filter_map(|line| line.strip_prefix("data: {")) {
        let event: Value = serde_json::from_str(&format!("{{{data}")).expect("an event is JSON");
        for choice in event["choices"].as_array().into_iter().flatten() {
            let begun = &mut calls[usize::from(choice["index"] == 1)];
            for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                *begun += u64::from(call["id"].is_string());
                assert_eq!(call["index"].as_u64().map(|index| index + 1), Some(*begun), "{out}");
                let (function, first) = (&call["function"], call["id"].is_string());
                assert_eq!((call["type"] == "function", function["name"].is_string()), (first, first), "{out}");
                assert_eq!(function["arguments"] == "", first, "{out}");
            }
        }
    }
}

/// What a stream becomes, without the random ids.
pub fn rewrite<'a>(exchange: &Exchange, pieces: impl IntoIterator<Item = &'a [u8]>, clean: bool) -> (String, Summary) {
    let mut rewriter = StreamRewriter::new(exchange, &Limits::default());
    let mut out = BytesMut::new();
    for piece in pieces {
        out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece)));
    }
    let summary = if clean { rewriter.finish(&mut out) } else { rewriter.fail("gone", &mut out) };
    (without_ids(&String::from_utf8_lossy(&out)), summary)
}

fn without_ids(out: &str) -> String {
    const MARK: &str = "\"id\":\"";
    let mut parts = out.split(MARK);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (id, rest) = part.split_at(part.find('"').unwrap_or(part.len()));
        let letters = id.strip_prefix("call_").unwrap_or(id);
        // So many letters and digits are none that a model wrote.
        let is_random = letters.len() >= 9 && letters.bytes().all(|b| b.is_ascii_alphanumeric());
        clean.push_str(MARK);
        clean.push_str(if is_random { "" } else { id });
        clean.push_str(rest);
    }
    clean
}

fn check_body(exchange: &Exchange, input: &[u8]) {
    let mut rewriter = BodyRewriter::new(exchange, &Limits::default());
    let mut out = BytesMut::new();
    out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(input)));
    let summary = rewriter.finish(&mut out);
    if serde_json::from_slice::<IgnoredAny>(input).is_ok() {
        assert!(serde_json::from_slice::<IgnoredAny>(&out).is_ok(), "no JSON: {out:?}");
    }
    if summary.calls == 0 && !summary.complete {
        assert_eq!(out, input);
    }
}
