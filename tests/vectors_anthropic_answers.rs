//! The conformance vectors of answers that clients of Anthropic's API get: messages, events and errors.
//!
//! They lie beside the project, in `../shared/conformance`; a clone without them says so. No socket is opened: an answer
//! is made of the chunks that the gateway would let out. Fields of an answer are the gateway's, as are the faults that
//! only it has.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

#[path = "vectors/cuts.rs"]
mod cuts;
mod vectors;

use serde_json::{Value, json};
use toolgate::api::anthropic::{Events, Facts, Told, error, whole};
use toolgate::api::openai::{Assembler, ToldText};
use toolgate::limits::Limits;

use cuts::check_cuts;

#[test]
fn answers() {
    check_all("answer", 20, |vector| {
        let request = &vector["request"];
        let message = parsed(&whole(&told(request), facts(request), vector["chat_response"].to_string().as_bytes()));
        meets(&message, &vector["message"])
    });
}

#[test]
fn streams() {
    check_all("stream", 34, |vector| {
        let bytes = stream(vector);
        check_cuts(&bytes, |pieces| events(vector, pieces))
    });
}

/// The order of blocks is lost where an answer is put together, and half a call is known by its closed members.
#[test]
fn streams_add_up_to_whole_answers() {
    check_all("stream", 34, |vector| {
        let request = &vector["request"];
        let mut assembler = Assembler::new(1, &Limits::default(), ToldText::Ignored);
        let Ok(body) = assembler.push(stream(vector).into()).and_then(|()| assembler.finish()) else {
            return ["st-cut", "st-error"]
                .contains(&vector["id"].as_str().unwrap())
                .then_some(())
                .ok_or_else(|| "no answer".to_owned());
        };
        let mut expected = parsed(&whole(&told(request), facts(request), &body));
        let mut message = accumulated(&told_events(request, &[&stream(vector)])?);
        for message in [&mut message, &mut expected] {
            message["id"] = Value::Null;
            if request["estimated"] == true {
                message["usage"]["output_tokens"] = Value::Null;
            }
        }
        let id = vector["id"].as_str().unwrap();
        if IN_ANOTHER_ORDER.contains(&id) {
            for message in [&mut message, &mut expected] {
                message["content"] = in_one_order(&message["content"]);
            }
        }
        meets(&message, &expected)
    });
}

#[test]
fn errors() {
    check_all("error", 19, |vector| {
        let upstream = &vector["upstream"];
        if let Some(own) = upstream["own"].as_str() {
            let (status, body) = own_fault(own);
            let refusal = error(status, body.as_bytes(), "req_1");
            return meets_refusal(vector, refusal.status, &refusal.body);
        }
        let status = u16::try_from(upstream["status"].as_u64().unwrap()).unwrap();
        let body = upstream["body"].as_str().map_or_else(|| upstream["body"].to_string(), str::to_owned);
        let refusal = error(status, body.as_bytes(), "req_1");
        meets_refusal(vector, refusal.status, &refusal.body)
    });
}

/// Streams whose blocks a whole answer has in another order.
const IN_ANOTHER_ORDER: [&str; 3] = ["st-thinking-after-text", "st-text-tool-text-tool", "st-thinking-tool-thinking"];

/// What the gateway answers its clients of OpenAI's API when a fault is its own.
fn own_fault(own: &str) -> (u16, String) {
    let status = match own {
        "no_peer" => 503,
        "bad_key" => 401,
        "first_byte_timeout" => 504,
        "route" => 404,
        "body" => 400,
        other => panic!("{other} is no fault"),
    };
    (status, json!({"error": {"message": own, "type": "x", "param": null, "code": own}}).to_string())
}

fn meets_refusal(vector: &Value, status: u16, body: &[u8]) -> Result<(), String> {
    if vector["status"] != status {
        return Err(format!("the status is {status}"));
    }
    meets(&parsed(body), &vector["body"])
}

fn told(request: &Value) -> Told {
    Told {
        model: request["model"].as_str().unwrap().to_owned(),
        is_streamed: true,
        max_tokens: request["max_tokens"].as_u64().unwrap(),
        fills_cache: false,
        prefill: request["prefill"].as_str().map(str::to_owned),
    }
}

fn facts(request: &Value) -> Facts {
    Facts { context: request["context"].as_u64(), ..Facts::default() }
}

/// The event stream of a vector's chunks.
fn stream(vector: &Value) -> Vec<u8> {
    let chunks = vector["chunks"].as_array().unwrap().iter().map(|chunk| format!("data: {chunk}\n\n"));
    let done = (vector["end"] == "done").then(|| "data: [DONE]\n\n".to_owned());
    chunks.chain(done).collect::<String>().into()
}

/// The bytes that come of a stream in pieces, but for the message's id, held to what the vector expects.
fn events(vector: &Value, pieces: &[&[u8]]) -> Result<Vec<u8>, String> {
    let request = &vector["request"];
    let text = told_events(request, pieces)?;
    let mut got = joined(parts(&text).collect());
    let mut expected = joined(vector["events"].as_array().unwrap().clone());
    if request["estimated"] == true {
        let usage = got.iter_mut().find(|event| event["type"] == "message_delta").unwrap();
        if usage["usage"].as_object_mut().unwrap().remove("estimated") != Some(json!(true)) {
            return Err("it is not said that usage is estimated".to_owned());
        }
        let numbers = |events: &mut Vec<Value>| {
            for number in
                events.iter_mut().filter_map(|event| event["usage"].as_object_mut()).flat_map(|u| u.values_mut())
            {
                *number = Value::Null;
            }
        };
        numbers(&mut got);
        numbers(&mut expected);
    }
    meets(&json!(got), &json!(expected))?;
    let (before, id) = text.split_once("\"id\":\"msg_").unwrap_or((&text, ""));
    Ok([before, id.get(24..).unwrap_or_default()].concat().into())
}

fn told_events(request: &Value, pieces: &[&[u8]]) -> Result<String, String> {
    let mut events = Events::new(&told(request), facts(request), &Limits::default());
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend_from_slice(&events.push(piece.to_vec().into()));
    }
    bytes.extend_from_slice(&events.finish());
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// The data of events, each of which says its own name.
fn parts(events: &str) -> impl Iterator<Item = Value> + '_ {
    events.split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once("\ndata: ").unwrap();
        let own = format!("{{\"type\":\"{}\"", name.strip_prefix("event: ").unwrap());
        assert!(data.starts_with(&own), "{event}");
        parsed(data.as_bytes())
    })
}

/// Adjacent deltas of one block are one.
fn joined(events: Vec<Value>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for event in events {
        match all.last_mut().filter(|last| last["delta"]["type"] == event["delta"]["type"] && event["index"].is_u64()) {
            Some(last) if event["type"] == "content_block_delta" => {
                for (key, text) in last["delta"].as_object_mut().unwrap().iter_mut().filter(|(key, _)| *key != "type") {
                    *text = json!(text.as_str().unwrap().to_owned() + event["delta"][key].as_str().unwrap());
                }
            }
            _ => all.push(event),
        }
    }
    all
}

/// The message that events add up to, as Anthropic's SDKs do it.
fn accumulated(events: &str) -> Value {
    let mut message = Value::Null;
    let mut arguments = String::new();
    for event in parts(events) {
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                arguments.clear();
                message["content"].as_array_mut().unwrap().push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let block = message["content"].as_array_mut().unwrap().last_mut().unwrap();
                for (key, text) in event["delta"].as_object().unwrap().iter().filter(|(key, _)| *key != "type") {
                    let text = text.as_str().unwrap();
                    match key.as_str() {
                        "partial_json" => arguments.push_str(text),
                        _ => block[key] = json!(block[key].as_str().unwrap().to_owned() + text),
                    }
                }
            }
            "content_block_stop" if !arguments.is_empty() => {
                let block = message["content"].as_array_mut().unwrap().last_mut().unwrap();
                block["input"] = closed(&arguments);
            }
            "message_delta" => {
                for (key, value) in event["delta"].as_object().unwrap() {
                    message[key] = value.clone();
                }
                message["usage"] = event["usage"].clone();
            }
            _ => {}
        }
    }
    message
}

/// Arguments, of which some may be cut off: then up to the last comma that leaves an object.
fn closed(arguments: &str) -> Value {
    let whole = serde_json::from_str(arguments);
    let ends = arguments.rmatch_indices(',').map(|(at, _)| format!("{}}}", &arguments[..at]));
    whole.ok().or_else(|| ends.into_iter().find_map(|text| serde_json::from_str(&text).ok())).unwrap_or(json!({}))
}

/// Thoughts, text and calls, each kind together, as they stand in a chat completion.
fn in_one_order(content: &Value) -> Value {
    let blocks = content.as_array().unwrap();
    let of = |kind: &str| blocks.iter().filter(|block| block["type"] == kind).cloned().collect::<Vec<_>>();
    let text = |kind: &str| of(kind).iter().map(|block| block[kind].as_str().unwrap().to_owned()).collect::<String>();
    json!([text("thinking"), text("text"), of("tool_use")])
}

/// Whether a value is as expected, placeholders included.
fn meets(got: &Value, expected: &Value) -> Result<(), String> {
    let fits = match (got, expected) {
        (Value::String(own), Value::String(text)) if text.ends_with('*') => own.starts_with(text.trim_end_matches('*')),
        (Value::Object(own), Value::Object(members)) => {
            for (key, value) in members {
                meets(&got[key], value).map_err(|why| format!("{key}: {why}"))?;
            }
            own.len() == members.len()
        }
        (Value::Array(own), Value::Array(elements)) if own.len() == elements.len() => {
            for (at, (own, element)) in own.iter().zip(elements).enumerate() {
                meets(own, element).map_err(|why| format!("{at}: {why}"))?;
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

/// Checks the vectors of a kind, but for errors of a request.
fn check_all(kind: &str, least: usize, check: impl Fn(&Value) -> Result<(), String>) {
    vectors::check_all("anthropic.jsonl", least, |vector, _| {
        (vector["kind"] == kind && vector.get("messages_request").is_none()).then(|| check(vector))
    });
}
