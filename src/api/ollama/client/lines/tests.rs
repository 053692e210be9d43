//! What lines come of streams of events: by tables, and of any.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::super::asked::Page;
use super::super::calls::RAW_ARGUMENTS;
use super::*;

fn told(page: Page) -> Told {
    Told { page, model: "m".to_owned(), is_streamed: true }
}

/// The lines of a stream that comes in pieces.
fn lines_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> String {
    let mut lines = Lines::new(&told(Page::Chat), limits);
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(&lines.push(Bytes::copy_from_slice(piece), Moment::default()));
    }
    out.extend_from_slice(&lines.finish(Moment::default()));
    assert!(lines.is_done() && lines.push(Bytes::from_static(b"data: {}\n\n"), Moment::default()).is_empty());
    String::from_utf8(out).unwrap()
}

/// The lines of events, each as `content`, `thinking`, calls, `done` or `error`, without the rest of it.
fn read(events: &[&str]) -> Vec<String> {
    let stream: String = events.iter().map(|event| format!("{event}\n\n")).collect();
    shown(&lines_of([stream.as_bytes()], &Limits::default()))
}

fn shown(lines: &str) -> Vec<String> {
    let show = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let message = &line["message"];
        let said = ["thinking", "content"].into_iter().find(|key| message[key].as_str().is_some_and(|s| !s.is_empty()));
        match (said, message["tool_calls"].as_array(), line["error"].as_str()) {
            (_, _, Some(error)) => format!("error {error}"),
            (Some(key), _, _) => format!("{key} {}", message[key].as_str().unwrap()),
            (None, Some(calls), _) => {
                let [call] = calls.as_slice() else { panic!("{line}") };
                format!(
                    "call {} {} {}",
                    call["function"]["index"],
                    call["function"]["name"].as_str().unwrap(),
                    call["function"]["arguments"]
                )
            }
            (None, None, None) => format!("done {}", line["done_reason"].as_str().unwrap()),
        }
    };
    lines.lines().map(show).collect()
}

const A: &str = r#"data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
const THOUGHT: &str = r#"data: {"choices":[{"index":0,"delta":{"reasoning":"t"}}]}"#;
const CALL: &str = r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"a\":1}"}}]}}]}"#;
const HALF_CALL: &str = r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"a\""}}]}}]}"#;
const STOPPED: &str = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const CALLED: &str = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;
const CUT: &str = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#;
const USAGE: &str = r#"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
const DONE: &str = "data: [DONE]";

#[test]
fn a_stream_ends_with_one_line_that_says_how() {
    let unfinished = "error the upstream ended the stream without a finish reason";
    let no_chunk = "error an event of the upstream's answer is no chunk";
    for (events, expected) in [
        (&[A, STOPPED, USAGE, DONE][..], ["content a", "done stop"].as_slice()),
        // What it cost is the last that is said.
        (&[A, STOPPED, USAGE, A], &["content a", "done stop"]),
        (&[A, STOPPED, DONE, USAGE], &["content a", "done stop"]),
        (&[A, STOPPED], &["content a", "done stop"]),
        (&[A, CUT, DONE], &["content a", "done length"]),
        (&[A, USAGE, A, STOPPED, DONE], &["content a", "content a", "done stop"]),
        (&[": comment", "data:", "event: x", A, STOPPED], &["content a", "done stop"]),
        (&[DONE], &[unfinished]),
        (&[], &[unfinished]),
        (&[A], &["content a", unfinished]),
        (&[A, "data: {\"choices\""], &["content a", no_chunk]),
        (&["data: [1]", A], &[no_chunk]),
        (&["data: {\"choices\":7}"], &[no_chunk]),
        (&[A, "event: error\ndata: {\"message\":\"boom\"}", A], &["content a", "error boom"]),
        (&["event: error"], &["error the upstream failed within its answer"]),
        (&["data: {\"error\":\"boom\"}"], &["error boom"]),
        // An event that looks like the one before and calls itself an error is one.
        (&[A, "event: error\ndata: {\"choices\":[]}"], &["content a", "error the upstream failed within its answer"]),
    ] {
        assert_eq!(read(events), expected, "{events:?}");
    }
}

#[test]
fn a_call_is_over_when_something_follows_it() {
    for (events, expected) in [
        (&[CALL, A, STOPPED][..], [r#"call 0 f {"a":1}"#, "content a", "done stop"].as_slice()),
        (&[CALL, THOUGHT, CALLED], &["thinking t", r#"call 0 f {"a":1}"#, "done stop"]),
        (&[CALL, CUT], &[r#"call 0 f {"a":1}"#, "done length"]),
        (&[HALF_CALL, CUT], &[r#"content f{"a""#, "done length"]),
        (&[HALF_CALL, CALLED], &[r#"call 0 f {"_raw":"{\"a\""}"#, "done stop"]),
        (&[HALF_CALL, A, STOPPED], &[r#"call 0 f {"_raw":"{\"a\""}"#, "content a", "done stop"]),
        (&[HALF_CALL, "data: {\"error\":\"boom\"}"], &[r#"content f{"a""#, "error boom"]),
        (&[CALL, DONE], &[r#"call 0 f {"a":1}"#, "error the upstream ended the stream without a finish reason"]),
        // Behind a finish reason it is told all the same.
        (&[STOPPED, CALL, DONE], &[r#"call 0 f {"a":1}"#, "done stop"]),
    ] {
        assert_eq!(read(events), expected, "{events:?}");
    }
}

#[test]
fn a_stream_within_its_limits_is_kept_and_no_other() {
    let limits = Limits { answer_bytes_max: 300, ..Limits::default() };
    let long = format!("{{\\\"{}", "x".repeat(100));
    let piece = |text: &str| {
        format!(
            r#"data: {{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"function":{{"name":"f","arguments":"{text}"}}}}]}}}}]}}"#
        )
    };
    let pieces = [piece(&long), piece(&long), STOPPED.to_owned()].map(|event| format!("{event}\n\n")).concat();
    let text = format!("content f{}", long.replace('\\', "").repeat(2));
    assert_eq!(shown(&lines_of([pieces.as_bytes()], &limits)), [text.as_str(), "done stop"]);
    let event = format!("{A}\n\ndata: {}\n\n", "x".repeat(300));
    assert_eq!(shown(&lines_of([event.as_bytes()], &limits)), ["content a", "error an event is longer than 300 bytes"]);
}

#[test]
fn the_last_blank_line_may_be_missing_and_half_an_event_is_none() {
    for (stream, expected) in [
        (format!("{A}\n\n{STOPPED}"), ["content a", "done stop"]),
        (format!("{A}\n\n{STOPPED}\n\ndata: {{\"choi"), ["content a", "done stop"]),
        (format!("{A}\r\n\r\n{STOPPED}\r\n\r"), ["content a", "done stop"]),
    ] {
        assert_eq!(shown(&lines_of([stream.as_bytes()], &Limits::default())), expected, "{stream}");
    }
}

#[test]
fn a_line_has_its_time_its_probabilities_and_in_the_end_what_it_took() {
    let seconds = Duration::from_secs;
    let at = |since| Moment { unix: seconds(since), since: seconds(since), waited: seconds(1) };
    let mut lines = Lines::new(&told(Page::Generate), &Limits::default());
    let chunk =
        r#"data: {"choices":[{"index":0,"delta":{"content":"a\u2028"},"logprobs":{"content":[ {"token":"a"} ]}}]}"#;
    let mut out = String::new();
    for (event, now) in [(chunk, at(3)), (STOPPED, at(7)), (USAGE, at(8))] {
        out.push_str(std::str::from_utf8(&lines.push(format!("{event}\n\n").into(), now)).unwrap());
    }
    let expected = concat!(
        r#"{"model":"m","created_at":"1970-01-01T00:00:03.000000000Z","response":"a\u2028","done":false,"logprobs":[{"token":"a"}]}"#,
        "\n",
        r#"{"model":"m","created_at":"1970-01-01T00:00:08.000000000Z","response":"","done":true,"done_reason":"stop","total_duration":8000000000,"load_duration":1000000000,"prompt_eval_count":1,"prompt_eval_duration":2000000000,"eval_count":2,"eval_duration":5000000000}"#,
        "\n",
    );
    assert_eq!(out, expected);
}

/// What a delta says.
#[derive(Clone, Debug)]
enum Said {
    Text(String),
    Thought(String),
    Call { name: String, arguments: String },
    Nothing(&'static str),
}

fn said() -> impl Strategy<Value = Said> {
    let text = "[a é\\\\\"\\n\u{2028}\u{2029}\u{85}\u{1f}â😀{}]{0,5}";
    let argument = text.prop_map(|text| json!({ "x": text, "y": [1, {}] }));
    let arguments = prop_oneof![
        4 => argument.prop_map(|value| serde_json::to_string_pretty(&value).unwrap()),
        1 => Just(String::new()),
        1 => text.prop_map(|text| text),
    ];
    prop_oneof![
        4 => text.prop_map(Said::Text),
        2 => text.prop_map(Said::Thought),
        2 => ("[a-z\u{2028}\"]{1,3}", arguments).prop_map(|(name, arguments)| Said::Call { name, arguments }),
        1 => prop::sample::select(vec![": ping\n\n", "data: {\"choices\":[]}\n\n", "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}\n\n"])
            .prop_map(Said::Nothing),
    ]
}

/// The events of what is said, calls in pieces.
fn events(all: &[Said]) -> String {
    let mut out = String::new();
    for (place, said) in all.iter().enumerate() {
        let piece = |function: Value| json!({"tool_calls": [{"index": place, "function": function}]});
        match said {
            Said::Text(text) => add(json!({ "content": text }), &mut out),
            Said::Thought(text) => add(json!({ "reasoning_content": text }), &mut out),
            Said::Call { name, arguments } => {
                add(piece(json!({"name": name, "arguments": ""})), &mut out);
                arguments.chars().for_each(|letter| add(piece(json!({ "arguments": letter })), &mut out));
            }
            Said::Nothing(event) => out.push_str(event),
        }
    }
    out
}

fn add(delta: Value, out: &mut String) {
    let chunk = json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": null}], "model": "up"});
    out.push_str(&format!("data: {chunk}\n\n"));
}

/// What the lines say: text, thoughts, names with arguments, and how it ends.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    text: String,
    thoughts: String,
    calls: Vec<(String, Value)>,
    endings: Vec<String>,
}

impl Heard {
    fn of(lines: &str) -> Self {
        let mut heard = Self::default();
        for line in lines.split_terminator('\n') {
            let line: Value = serde_json::from_str(line).unwrap();
            let message = &line["message"];
            heard.text.push_str(message["content"].as_str().unwrap_or_default());
            heard.thoughts.push_str(message["thinking"].as_str().unwrap_or_default());
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                assert_eq!(call["function"]["index"], heard.calls.len());
                let function = &call["function"];
                heard.calls.push((function["name"].as_str().unwrap().to_owned(), function["arguments"].clone()));
            }
            assert!(heard.endings.is_empty(), "the line that ends it is the last");
            heard.endings.extend(line["error"].as_str().or(line["done_reason"].as_str()).map(str::to_owned));
        }
        heard
    }

    /// What is to be heard of what is said and cut off by nothing.
    fn expected(all: &[Said], ending: &str) -> Self {
        let mut heard = Self { endings: vec![ending.to_owned()], ..Self::default() };
        for said in all {
            match said {
                Said::Text(text) => heard.text.push_str(text),
                Said::Thought(text) => heard.thoughts.push_str(text),
                Said::Call { name, arguments } => {
                    let object = serde_json::from_str(arguments).ok().filter(Value::is_object);
                    let empty = || arguments.trim_ascii().is_empty().then(|| json!({}));
                    let raw = || json!({ RAW_ARGUMENTS: arguments });
                    heard.calls.push((name.clone(), object.or_else(empty).unwrap_or_else(raw)));
                }
                Said::Nothing(_) => {}
            }
        }
        heard
    }
}

/// How a stream ends, and how its last line says so.
const ENDINGS: [(&[&str], &str); 4] = [
    (&[STOPPED, USAGE, DONE], "stop"),
    (&[CALLED], "stop"),
    (&[STOPPED, DONE, A], "stop"),
    (&[STOPPED, "data: {\"error\":{\"message\":\"boom\"}}"], "boom"),
];

proptest! {
    #[test]
    fn any_stream_in_any_pieces_says_all_of_it_once(
        all in prop::collection::vec(said(), 0..12),
        (ends, ending) in prop::sample::select(ENDINGS.to_vec()),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let ends: String = ends.iter().map(|event| format!("{event}\n\n")).collect();
        let stream = events(&all) + &ends;
        let lines = lines_of([stream.as_bytes()], &Limits::default());
        prop_assert_eq!(Heard::of(&lines), Heard::expected(&all, ending));
        let is_raw = lines.contains(['\u{2028}', '\u{2029}', '\u{85}', '\r']);
        prop_assert!(lines.ends_with('\n') && !is_raw, "{}", lines);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &stream.as_bytes()[cut[0]..cut[1]]);
        prop_assert_eq!(lines_of(pieces, &Limits::default()), lines);
    }

    /// An answer that is cut off loses no letter either: of its calls some are text then.
    #[test]
    fn any_bytes_make_lines(bytes in prop::collection::vec(any::<u8>(), 0..200), all in prop::collection::vec(said(), 0..6)) {
        let stream = [events(&all).as_bytes(), &bytes].concat();
        let heard = Heard::of(&lines_of([stream.as_slice()], &Limits::default()));
        prop_assert_eq!(heard.endings.len(), 1);
        let expected = Heard::expected(&all, "");
        prop_assert_eq!(heard.thoughts, expected.thoughts);
        prop_assert!(heard.calls.len() <= expected.calls.len());
    }
}
