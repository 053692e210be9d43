//! The conformance vectors of clients that speak Ollama's API: what their requests become, and what they are answered.
//!
//! They lie beside the project, in `../shared/conformance`; a clone without them says so. No socket is opened: an answer
//! is made of the chunks that the gateway would let out. Statuses and fields of an answer are the gateway's.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

#[path = "vectors/cuts.rs"]
mod cuts;
mod vectors;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use toolgate::api::ollama::client::{Lines, Moment, Page, Request, Told, error, request, whole};
use toolgate::api::openai::{AssembleError, Assembler, ToldText};
use toolgate::engine::Engine;
use toolgate::limits::Limits;

use cuts::check_cuts;

#[test]
fn requests() {
    check_all("down_request", 31, |vector| {
        let input = &vector["input"];
        let engine = Engine::ALL.into_iter().find(|engine| engine.name() == input["engine"]).unwrap();
        let body = input["ollama_request"].to_string();
        let got = || match request(page(input), body.as_bytes(), &engine.row().options) {
            Ok(Request::Chat { body, .. }) => json!({ "chat_request": parsed(&body) }),
            Ok(Request::Completion { body, .. }) => {
                let mut body = parsed(&body);
                body["_path"] = json!("/v1/completions");
                json!({ "chat_request": body })
            }
            Ok(Request::Load { .. }) => json!({"local": "load"}),
            Ok(Request::Unload { .. }) => json!({"local": "unload"}),
            Err(mistake) => json!({"error": {"status": mistake.status, "message": mistake.message}}),
        };
        let (first, again) = (got(), got());
        meets(&first, &vector["expect"], &mut HashMap::new())?;
        (first == again).then_some(()).ok_or_else(|| "another body for the same request".to_owned())
    });
}

#[test]
fn streams() {
    check_all("down_stream", 19, |vector| {
        let bytes = stream(&vector["input"]);
        check_cuts(&bytes, |pieces| lines(vector, pieces))
    });
}

#[test]
fn answers() {
    check_all("down_answer", 4, |vector| {
        let input = &vector["input"];
        let mut assembler = Assembler::new(1, &Limits::default(), ToldText::Ignored);
        let body = match assembler.push(stream(input).into()).and_then(|()| assembler.finish()) {
            Ok(body) => whole(&told(input), &body, NOW),
            Err(AssembleError::Reported(reported)) => error(reported.status, reported.body.as_bytes(), None),
            Err(other) => return Err(other.to_string()),
        };
        meets(&parsed(&body), &vector["expect"]["response"], &mut HashMap::new())
    });
}

#[test]
fn errors() {
    check_all("error", 3, |vector| {
        let input = &vector["input"];
        let upstream = &input["upstream"];
        let status = u16::try_from(upstream["status"].as_u64().unwrap()).unwrap();
        let body = error(status, upstream["body"].as_str().unwrap().as_bytes(), Some("x"));
        meets(&parsed(&body), &vector["expect"]["body"], &mut HashMap::new())
    });
}

/// Long after the request came.
const NOW: Moment =
    Moment { unix: Duration::from_secs(1_795_838_400), since: Duration::from_secs(3), waited: Duration::from_secs(1) };

fn page(input: &Value) -> Page {
    match input["path"].as_str() {
        Some("/api/chat") => Page::Chat,
        Some("/api/generate") => Page::Generate,
        other => panic!("{other:?} is no page"),
    }
}

fn told(input: &Value) -> Told {
    Told { page: page(input), model: input["model"].as_str().unwrap().to_owned(), is_streamed: true }
}

/// The event stream of a vector's chunks.
fn stream(input: &Value) -> Vec<u8> {
    let data = |chunk: &Value| chunk.as_str().map_or_else(|| chunk.to_string(), str::to_owned);
    input["chunks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chunk| format!("data: {}\n\n", data(chunk)))
        .collect::<String>()
        .into()
}

/// The bytes that come of a stream in pieces, held to what the vector expects.
fn lines(vector: &Value, pieces: &[&[u8]]) -> Result<Vec<u8>, String> {
    let mut lines = Lines::new(&told(&vector["input"]), &Limits::default());
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend_from_slice(&lines.push(piece.to_vec().into(), NOW));
    }
    bytes.extend_from_slice(&lines.finish(NOW));
    let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
    for lacked in vector["bytes_lack"].as_array().into_iter().flatten() {
        if text.contains(lacked.as_str().unwrap()) {
            return Err(format!("{lacked} stands raw"));
        }
    }
    let got = Value::Array(joined(text.lines().map(|line| parsed(line.as_bytes())).collect()));
    meets(&got, &vector["expect"]["lines"], &mut HashMap::new())?;
    Ok(bytes)
}

/// Adjacent lines of one kind of text are one.
fn joined(lines: Vec<Value>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for line in lines {
        match all.last_mut().and_then(|last| both(last, &line)) {
            Some(both) => *all.last_mut().unwrap() = both,
            None => all.push(line),
        }
    }
    all
}

/// Two lines as one, if they differ in one text alone.
fn both(one: &Value, other: &Value) -> Option<Value> {
    ["/message/content", "/message/thinking", "/response", "/thinking"].iter().find_map(|place| {
        let text = |line: &Value| Some(line.pointer(place)?.as_str()?.to_owned()).filter(|text| !text.is_empty());
        let joined = text(one)? + &text(other)?;
        let with = |line: &Value| {
            let mut line = line.clone();
            *line.pointer_mut(place).unwrap() = json!(joined);
            line
        };
        (with(one) == with(other)).then(|| with(one))
    })
}

/// Whether a value is as expected, placeholders included.
fn meets(got: &Value, expected: &Value, ids: &mut HashMap<String, String>) -> Result<(), String> {
    let fits = match (got, expected) {
        (_, Value::String(text)) if text.starts_with("<id") => {
            let id = got.as_str().unwrap_or_default();
            let known = ids.entry(text.clone()).or_insert_with(|| id.to_owned());
            !id.is_empty() && (text == "<id>" || known == id)
        }
        (_, Value::String(text)) if text == "<time>" => got == "2026-11-28T04:00:00.000000000Z",
        (_, Value::String(text)) if text == "<ns>" => got.as_u64().is_some_and(|ns| ns > 0),
        (Value::Object(own), Value::Object(members)) => {
            for (key, value) in members {
                meets(&got[key], value, ids).map_err(|why| format!("{key}: {why}"))?;
            }
            own.len() == members.len()
        }
        (Value::Array(own), Value::Array(elements)) if own.len() == elements.len() => {
            for (at, (own, element)) in own.iter().zip(elements).enumerate() {
                meets(own, element, ids).map_err(|why| format!("{at}: {why}"))?;
            }
            true
        }
        _ => got == expected,
    };
    fits.then_some(()).ok_or_else(|| format!("\n  got {got}\n  not {expected}"))
}

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

/// Checks the vectors of a kind, but for those of clients of another API.
fn check_all(kind: &str, least: usize, check: impl Fn(&Value) -> Result<(), String>) {
    vectors::check_all("ollama.jsonl", least, |vector, _| {
        (vector["kind"] == kind && vector["input"]["surface"] != "openai").then(|| check(vector))
    });
}
