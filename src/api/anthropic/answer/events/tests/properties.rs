//! Any chunks, cut anywhere: the same events, and in them what the chunks said.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::super::super::whole::whole;
use super::super::*;
use super::{STOPPED, USAGE, events_of, fresh, told};
use crate::api::anthropic::answer::{cut, error};
use crate::api::openai::{Assembler, ToldText};

/// What a delta says.
#[derive(Clone, Debug)]
enum Said {
    Text(String),
    Thought(String),
    Call { name: String, arguments: String },
    Nothing(&'static str),
}

fn said() -> impl Strategy<Value = Said> {
    let text = "[a é\\\\\"\\n\u{2028}\u{1f}â😀{}]{0,5}";
    let arguments = prop_oneof![
        4 => text.prop_map(|text| serde_json::to_string_pretty(&json!({ "x": text, "y": [1, {}] })).unwrap()),
        1 => Just(String::new()),
        1 => "[{}\\[\\]\",:x1 \\\\]{0,8}",
    ];
    prop_oneof![
        4 => text.prop_map(Said::Text),
        2 => text.prop_map(Said::Thought),
        2 => ("[a-z\u{2028}]{1,3}", arguments).prop_map(|(name, arguments)| Said::Call { name, arguments }),
        1 => prop::sample::select(vec![": ping\n\n", "data: {\"choices\":[]}\n\n", "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}\n\n"])
            .prop_map(Said::Nothing),
    ]
}

/// The events of what is said, calls in pieces, and some of these behind what is said next.
fn chunks(all: &[Said]) -> String {
    let mut out = String::new();
    let mut late = String::new();
    for (place, said) in all.iter().enumerate() {
        let piece = |function: Value| json!({"tool_calls": [{"index": place, "function": function}]});
        match said {
            Said::Text(text) => add(json!({ "content": text }), &mut out),
            Said::Thought(text) => add(json!({ "reasoning_content": text }), &mut out),
            Said::Call { name, arguments } => {
                let begun = json!({"tool_calls": [{"index": place, "id": place.to_string(), "function": {"name": name, "arguments": ""}}]});
                add(begun, &mut out);
                for (at, letter) in arguments.chars().enumerate() {
                    let out = if place % 3 == 0 && at > 4 { &mut late } else { &mut out };
                    add(piece(json!({ "arguments": letter })), out);
                }
                continue;
            }
            Said::Nothing(event) => out.push_str(event),
        }
        out.push_str(&std::mem::take(&mut late));
    }
    out + &late
}

fn add(delta: Value, out: &mut String) {
    let chunk = json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": null}], "model": "up"});
    out.push_str(&format!("data: {chunk}\n\n"));
}

/// The message that the events add up to, in order and none behind the last. Arguments that were cut are a string. `None`
/// when an error ends it.
fn accumulated(events: &str) -> Option<Value> {
    let mut message = Value::Null;
    let mut open: Option<String> = None;
    let mut is_over = false;
    for event in events.split_terminator("\n\n").filter(|event| !event.starts_with(':')) {
        assert!(!is_over, "something stands behind the end: {event}");
        let data: Value = serde_json::from_str(event.split_once("\ndata: ").unwrap().1).unwrap();
        let blocks = || message["content"].as_array().map(Vec::len);
        let at = data["index"].as_u64().map(|at| usize::try_from(at).unwrap());
        match data["type"].as_str().unwrap() {
            "message_start" => message = data["message"].clone(),
            "content_block_start" => {
                assert!(open.is_none() && at == blocks());
                message["content"].as_array_mut().unwrap().push(data["content_block"].clone());
                open = Some(String::new());
            }
            "content_block_delta" => {
                assert_eq!(at.map(|at| at + 1), blocks());
                let block = &mut message["content"][at.unwrap()];
                for key in ["text", "thinking", "signature"] {
                    if let Some(text) = data["delta"][key].as_str() {
                        block[key] = json!(block[key].as_str().unwrap().to_owned() + text);
                    }
                }
                let open = open.as_mut().unwrap();
                open.push_str(data["delta"]["partial_json"].as_str().unwrap_or_default());
                if !open.is_empty() {
                    let parsed = serde_json::from_str::<Value>(open);
                    assert!(parsed.is_ok() || parsed.is_err_and(|error| error.is_eof()), "{open} begins no JSON");
                }
            }
            "content_block_stop" => {
                let arguments = open.take().unwrap();
                if !arguments.is_empty() {
                    let parsed = serde_json::from_str(&arguments).unwrap_or(json!(arguments));
                    message["content"][at.unwrap()]["input"] = parsed;
                }
            }
            "message_delta" => {
                assert!(open.is_none());
                for key in ["stop_reason", "stop_sequence"] {
                    message[key] = data["delta"][key].clone();
                }
                message["usage"] = data["usage"].clone();
            }
            "message_stop" => is_over = true,
            "error" => (is_over, message) = (true, Value::Null),
            other => panic!("{other}"),
        }
    }
    assert!(is_over);
    Some(message).filter(|message| !message.is_null())
}

/// The texts of blocks of a kind, together.
fn texts(message: &Value, kind: &str) -> String {
    let blocks = message["content"].as_array().unwrap().iter().filter(|block| block["type"] == kind);
    blocks.map(|block| block[kind].as_str().unwrap()).collect()
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

proptest! {
    #[test]
    fn what_is_said_is_heard_however_it_is_cut(
        all in prop::collection::vec(said(), 0..8),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let stream = chunks(&all) + STOPPED + "\n\n" + USAGE + "\n\n";
        let at_once = events_of(&mut fresh(&Limits::default()), [stream.as_bytes()]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let mut rest = stream.as_bytes();
        let mut pieces = Vec::new();
        for cut in cuts {
            let (piece, behind) = rest.split_at(cut - (stream.len() - rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        pieces.push(rest);
        let in_pieces = events_of(&mut fresh(&Limits::default()), pieces);
        let without_ids = |events: &str| events.split("\"id\":\"msg_").map(|part| part.get(24..).unwrap_or_default().to_owned()).collect::<Vec<_>>();
        prop_assert_eq!(without_ids(&at_once), without_ids(&in_pieces));

        let message = accumulated(&at_once).unwrap();
        let mut expected = (String::new(), String::new());
        let mut calls = Vec::new();
        for (place, said) in all.iter().enumerate() {
            match said {
                Said::Text(text) => expected.0.push_str(text),
                Said::Thought(text) => expected.1.push_str(text),
                Said::Call { name, arguments } => calls.push((place.to_string(), name.clone(), arguments)),
                Said::Nothing(_) => {}
            }
        }
        prop_assert_eq!(without_space(&texts(&message, "text")), without_space(&expected.0));
        prop_assert_eq!(texts(&message, "thinking"), expected.1);
        let heard: Vec<_> = message["content"].as_array().unwrap().iter().filter(|block| block["type"] == "tool_use").collect();
        prop_assert_eq!(heard.len(), calls.len());
        for (block, (id, name, arguments)) in heard.into_iter().zip(calls) {
            prop_assert_eq!((&block["id"], &block["name"]), (&json!(id), &json!(name)));
            match serde_json::from_str::<Value>(arguments) {
                Ok(object) if object.is_object() => prop_assert_eq!(&block["input"], &object),
                Ok(value) => prop_assert_eq!(&block["input"], &json!({ "value": value })),
                // Of what is no JSON only a beginning goes out.
                Err(_) => {}
            }
        }
    }

    #[test]
    fn a_stream_adds_up_to_the_whole_answer(all in prop::collection::vec(said(), 0..8)) {
        // A whole answer has its thoughts first and its calls last.
        let rank = |said: &Said| match said {
            Said::Thought(_) | Said::Nothing(_) => 0,
            Said::Text(_) => 1,
            Said::Call { .. } => 2,
        };
        let mut all = all;
        all.retain(|said| !matches!(said, Said::Nothing(_)));
        all.sort_by_key(rank);
        let stream = chunks(&all) + STOPPED + "\n\n" + USAGE + "\n\n";
        let mut message = accumulated(&events_of(&mut fresh(&Limits::default()), [stream.as_bytes()])).unwrap();
        let mut assembler = Assembler::new(1, &Limits::default(), ToldText::Ignored);
        assembler.push(stream.into()).unwrap();
        let mut expected: Value =
            serde_json::from_slice(&whole(&told(), Facts::default(), &assembler.finish().unwrap())).unwrap();
        for message in [&mut message, &mut expected] {
            message["id"] = Value::Null;
        }
        for block in message["content"].as_array_mut().unwrap() {
            if let Some(cut) = block["input"].as_str() {
                block["input"] = serde_json::from_str(&cut::object(cut)).unwrap();
            }
        }
        prop_assert_eq!(message, expected);
    }

    #[test]
    fn whatever_comes_there_is_an_end(
        deltas in prop::collection::vec(a_delta(), 0..8),
        junk in prop::collection::vec(any::<u8>(), 0..20),
        at in any::<Index>(),
    ) {
        let mut stream = String::new();
        deltas.into_iter().for_each(|delta| add(delta, &mut stream));
        let mut stream = stream.into_bytes();
        let at = at.index(stream.len() + 1);
        for stream in [stream.clone(), { stream.splice(at..at, junk.clone()); stream }] {
            accumulated(&events_of(&mut fresh(&Limits { answer_bytes_max: 500, ..Limits::default() }), [stream.as_slice()]));
        }
        for body in [whole(&told(), Facts::default(), &junk), error(500, &junk, "r").body] {
            prop_assert!(serde_json::from_slice::<Value>(&body).is_ok());
        }
    }
}

/// A delta of parts that are in order or not.
fn a_delta() -> impl Strategy<Value = Value> {
    let part = |parts: &[&str]| {
        let parts: Vec<Value> = parts.iter().map(|part| serde_json::from_str(part).unwrap()).collect();
        prop::sample::select(parts)
    };
    let texts = || part(&["null", "\"\"", "\" \"", "\"a\"", "7", "[{\"type\":\"text\",\"text\":\"b\"},7]", "{}"]);
    let places = part(&["0", "1", "4294967295", "-1", "\"x\"", "null"]);
    let ids = part(&["null", "\"\"", "\"x\"", "\"f.g:0\"", "7", "[]"]);
    let names = part(&["null", "\"\"", "\"f\"", "7"]);
    let arguments = part(&["null", "\"\"", "\"{\"", "\"{}\"", "\"}\"", "\"x\"", "{\"a\":1}", "[1]", "\"\\\"\"", "7"]);
    let call = (places, ids, names, arguments).prop_map(|(index, id, name, arguments)| {
        json!({"index": index, "id": id, "function": {"name": name, "arguments": arguments}})
    });
    let calls = prop_oneof![3 => prop::collection::vec(call, 0..3).prop_map(Value::from), 1 => part(&["null", "7", "[7]", "{}"])];
    (texts(), texts(), texts(), calls).prop_map(|(content, reasoning, refusal, calls)| {
        json!({"content": content, "reasoning": reasoning, "refusal": refusal, "tool_calls": calls})
    })
}
