//! Answers, line by line: what each becomes, and that cuts make no difference.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::openai::{ServerError, Usage};
use crate::json::Object;
use crate::limits::Limits;

/// What comes of an answer that arrives in these pieces, and the answer.
fn run<'a>(usage: Usage, limits: &Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, Answer) {
    let (mut answer, mut out) = (Answer::new(usage, limits), Vec::new());
    for piece in pieces {
        answer.push(piece, &mut out);
    }
    answer.finish(&mut out);
    assert!(answer.is_done());
    (without_ids(&String::from_utf8(out).unwrap()), answer)
}

/// A stream with `ID` in the place of each id that was made.
fn without_ids(stream: &str) -> String {
    let mut out = String::new();
    let mut rest = stream;
    let begins =
        |rest: &str| ["\"chatcmpl-", "\"call_"].iter().filter_map(|begin| Some(rest.find(begin)? + begin.len())).min();
    while let Some(at) = begins(rest) {
        out.push_str(&rest[..at]);
        let id = rest[at..].find('"').unwrap();
        out.push_str(if id == 24 { "ID" } else { &rest[at..at + id] });
        rest = &rest[at + id..];
    }
    out + rest
}

/// The same, made sure that cuts make no difference.
fn told(usage: Usage, lines: &str) -> (String, Answer) {
    let limits = Limits::default();
    let (whole, answer) = run(usage, &limits, [lines.as_bytes()]);
    for cut in 0..=lines.len() {
        let (a, b) = lines.as_bytes().split_at(cut);
        assert_eq!(run(usage, &limits, [a, b]).0, whole, "cut at {cut}");
    }
    assert_eq!(run(usage, &limits, lines.as_bytes().chunks(1)).0, whole);
    (whole, answer)
}

const ENVELOPE: &str = r#""id":"chatcmpl-ID","object":"chat.completion.chunk","created":1767225600,"model":"m","system_fingerprint":"fp_ollama""#;

/// An event of a choice that goes on.
fn delta(delta: &str) -> String {
    format!("data: {{{ENVELOPE},\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n")
}

fn role() -> String {
    delta(r#"{"role":"assistant"}"#)
}

fn finish(reason: &str, more: &str) -> String {
    format!(
        "data: {{{ENVELOPE},\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]{more}}}\n\n"
    )
}

fn error(code: &str, message: &str) -> String {
    format!(
        "data: {{\"error\":{{\"message\":\"{message}\",\"type\":\"server_error\",\"param\":null,\"code\":\"{code}\"}}}}\n\n"
    )
}

const DONE: &str = "data: [DONE]\n\n";

fn line(message: &str, more: &str) -> String {
    format!("{{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00.5Z\",\"message\":{message},\"done\":{more}}}\n")
}

fn last(more: &str) -> String {
    line(r#"{"role":"assistant","content":""}"#, &format!("true{more}"))
}

#[test]
fn an_answer_is_told_in_chunks() {
    let call = r#"{"role":"assistant","content":"c\u00e9","thinking":"t\n","tool_calls":[{"id":"a","function":{"index":7,"name":"f","arguments":{"x": "\"", "n":12345678901234567890}}}]}"#;
    let input =
        [line(call, "false"), last(r#","prompt_eval_count":3,"eval_count":2,"eval_duration":1000001"#)].concat();
    let timings = r#","timings":{"prompt_n":3,"predicted_n":2,"predicted_ms":1.000001}"#;
    let begun = [
        role(),
        delta(r#"{"reasoning_content":"t\n"}"#),
        delta(r#"{"content":"c\u00e9"}"#),
        delta(r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#),
        delta(
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\": \"\\\"\", \"n\":12345678901234567890}"}}]}"#,
        ),
    ]
    .concat();
    let usage = r#"{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}"#;
    let costs = format!("data: {{{ENVELOPE},\"choices\":[],\"usage\":{usage}{timings}}}\n\n");
    let asked = [begun.as_str(), &finish("tool_calls", ""), &costs, DONE].concat();
    assert_eq!(told(Usage::Asked, &input).0, asked);
    let unasked = [begun.as_str(), &finish("tool_calls", timings), DONE].concat();
    assert_eq!(told(Usage::Unasked, &input).0, unasked);
}

#[test]
fn what_a_line_says_decides_what_becomes_of_it() {
    let call = |id: &str, arguments: &str| {
        format!(r#"{{"content":null,"tool_calls":[{{{id}"function":{{"name":"f"{arguments}}}}}]}}"#)
    };
    let written = |index: u32, id: &str, arguments: &str| {
        let start = format!(
            r#"{{"tool_calls":[{{"index":{index},"id":"{id}","type":"function","function":{{"name":"f","arguments":""}}}}]}}"#
        );
        let rest = format!(r#"{{"tool_calls":[{{"index":{index},"function":{{"arguments":"{arguments}"}}}}]}}"#);
        [delta(&start), delta(&rest)].concat()
    };
    let end = |reason: &str| [finish(reason, ""), DONE.to_owned()].concat();
    for (name, lines, expected) in [
        ("nothing", vec![last("")], vec![role(), end("stop")]),
        ("a stop", vec![last(r#","done_reason":"stop""#)], vec![role(), end("stop")]),
        ("a cut", vec![last(r#","done_reason":"length""#)], vec![role(), end("length")]),
        ("an unknown reason", vec![last(r#","done_reason":"x""#)], vec![role(), end("stop")]),
        (
            "no message",
            vec!["{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"done\":true}\n".into()],
            vec![role(), end("stop")],
        ),
        ("an empty line", vec![line("{}", "false"), last("")], vec![role(), end("stop")]),
        (
            "ids",
            [r#""id":"","#, r#""id":"a\"","#, r#""id":"a\u0022","#, ""]
                .map(|id| line(&call(id, ""), "false"))
                .into_iter()
                .chain([last("")])
                .collect(),
            vec![
                role(),
                written(0, "call_ID", "{}"),
                written(1, r#"a\""#, "{}"),
                written(2, "call_ID", "{}"),
                written(3, "call_ID", "{}"),
                end("tool_calls"),
            ],
        ),
        (
            "arguments of other kinds",
            [r#","arguments":"{\"a\":1}""#, r#","arguments":null"#, r#","arguments":[1, 2]"#]
                .map(|arguments| line(&call("", arguments), "false"))
                .into_iter()
                .chain([last(r#","done_reason":"length""#)])
                .collect(),
            vec![
                role(),
                written(0, "call_ID", r#"{\"a\":1}"#),
                written(1, "call_ID", "{}"),
                written(2, "call_ID", "[1, 2]"),
                end("length"),
            ],
        ),
        (
            "log probabilities",
            vec![
                line(r#"{"content":"a","thinking":"t"}"#, r#"false,"logprobs":[{"token":"a"}]"#),
                line(r#"{"thinking":"t"}"#, r#"false,"logprobs":[{"token":"t","bytes":[0]}]"#),
                line("{}", r#"false,"logprobs":[1]"#),
                last(r#","logprobs":null"#),
            ],
            vec![
                role(),
                delta(r#"{"reasoning_content":"t"}"#),
                delta(r#"{"content":"a"},"logprobs":{"content":[{"token":"a","bytes":[97]}]}"#),
                delta(r#"{"reasoning_content":"t"},"logprobs":{"content":[{"token":"t","bytes":[0]}]}"#),
                delta(r#"{},"logprobs":{"content":[1]}"#),
                end("stop"),
            ],
        ),
    ] {
        assert_eq!(told(Usage::Unasked, &lines.concat()).0, expected.concat(), "{name}");
    }
}

#[test]
fn an_answer_that_goes_wrong_ends_in_an_error() {
    let text = || line(r#"{"content":"a"}"#, "false");
    let begun = [role(), delta(r#"{"content":"a"}"#)].concat();
    let incomplete = error("upstream_incomplete", "the upstream ended the stream without a final line");
    let no_json = error("upstream_protocol", "the upstream sent a line that is not JSON");
    let no_line = error("upstream_protocol", "the upstream sent a line of a wrong shape");
    let failed = |message: &str| error("upstream_error", message);
    for (rest, expected) in [
        ("", &incomplete),
        (r#"{"model":"m","mess"#, &incomplete),
        ("<html>\n", &no_json),
        ("[]\n", &no_json),
        ("\u{feff}\n", &no_json),
        ("{}\n", &no_line),
        ("{\"message\":7}\n", &no_line),
        ("{\"message\":{\"content\":7}}\n", &no_line),
        ("{\"message\":{\"thinking\":[]}}\n", &no_line),
        ("{\"message\":{\"tool_calls\":{}}}\n", &no_line),
        ("{\"message\":{\"tool_calls\":[{\"function\":{}}]}}\n", &no_line),
        ("{\"error\":\"boom\"}", &failed("boom")),
        ("{\"error\":{\"message\":\"boom\"},\"message\":{}}\n", &failed("boom")),
        ("{\"error parsing\":\"boom\"}\n", &failed("error parsing: boom")),
    ] {
        let (out, answer) = told(Usage::Asked, &[&text(), rest].concat());
        assert_eq!(out, [begun.as_str(), expected].concat(), "{rest}");
        assert!(!answer.is_empty() && answer.dropped() == 0, "{rest}");
    }
    let (out, _) = run(Usage::Asked, &Limits::default(), [text().as_bytes(), b"\xff\n"]);
    assert_eq!(out, [begun, no_json].concat());
}

#[test]
fn what_stands_behind_the_end_is_dropped_and_counted() {
    for end in [last(""), "{\"error\":\"boom\"}\n".to_owned()] {
        let (alone, _) = told(Usage::Asked, &end);
        let (out, answer) = told(Usage::Asked, &format!("{end}{}\n{{\"error\":\"late\"}}", last("")));
        assert_eq!((out, answer.dropped()), (alone, 2));
    }
}

#[test]
fn an_answer_for_which_only_a_model_was_loaded_is_empty() {
    let message = "the upstream loaded the model and generated nothing";
    for reason in ["load", "unload"] {
        let end = last(&format!(r#","done_reason":"{reason}""#));
        let (out, answer) = told(Usage::Asked, &end);
        assert_eq!(out, error("upstream_empty", message));
        assert!(answer.is_empty());
        let (out, answer) = told(Usage::Unasked, &[line(r#"{"content":"a"}"#, "false"), end].concat());
        assert!(out.ends_with(&[&finish("stop", ""), DONE].concat()) && !answer.is_empty());
    }
}

#[test]
fn an_error_that_tells_what_the_model_wrote_keeps_its_words_and_says_whose_it_is() {
    let words = "error parsing tool call: raw='{\"a\":\"it's', err=b\"}', err=no";
    let told_line = format!("{}\n", json!({ "error": words }));
    for before in [String::new(), line(r#"{"content":"a"}"#, "false")] {
        let (out, _) = told(Usage::Asked, &[before.as_str(), &told_line].concat());
        let data = out.trim_end().rsplit_once("data: ").unwrap().1;
        let event = Object::parse(data).unwrap();
        assert!(ServerError::of(&event).unwrap().unparsed().is_some());
        let event: Value = serde_json::from_str(data).unwrap();
        assert_eq!(event["error"]["message"], words);
        assert_eq!(
            (&event["object"], &event["model"]),
            (&json!("chat.completion.chunk"), &json!(if before.is_empty() { "" } else { "m" }))
        );
    }
}

/// Whoever reads the events has a limit for each.
#[test]
fn a_long_line_becomes_events_that_are_not() {
    let limits = Limits { event_bytes_max: 2000, ..Limits::default() };
    let text = "é\\ud83d\\ude00\\n\"\\\\".replace('"', "\\\"").repeat(5000);
    let logprobs = vec![r#"{"token":"a","bytes":[97]}"#; 500].join(",");
    let message = format!(
        r#"{{"content":"{text}","thinking":"{text}","tool_calls":[{{"function":{{"name":"f","arguments":{{"a":"{text}"}}}}}}]}}"#
    );
    let input = [line(&message, &format!("false,\"logprobs\":[{logprobs}]")), last("")].concat();
    let (out, _) = run(Usage::Unasked, &limits, [input.as_bytes()]);
    assert!(out.split("\n\n").all(|event| event.len() <= 2000));
    let said = Said::of(&out);
    let expected: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
    assert_eq!((&said.content, &said.thinking), (&expected, &expected));
    assert_eq!(serde_json::from_str::<Value>(&said.calls[0].1).unwrap(), json!({ "a": expected }));
    assert_eq!(said.logprobs, 500);

    let long = format!("{}{}", line(r#"{"content":"a"}"#, "false"), "x".repeat(limits.line_bytes_max() + 1));
    let (out, answer) = run(Usage::Unasked, &limits, long.as_bytes().chunks(1 << 20));
    assert!(
        out.ends_with(&error("upstream_protocol", "the upstream sent a line that is too long")) && answer.is_done()
    );
}

/// What a stream says, read as its clients read it.
#[derive(Debug, Default, PartialEq)]
struct Said {
    content: String,
    thinking: String,
    calls: Vec<(String, String)>,
    logprobs: usize,
    finishes: usize,
    errors: usize,
    is_done: bool,
}

impl Said {
    fn of(stream: &str) -> Self {
        let mut said = Self::default();
        for event in stream.split_inclusive("\n\n") {
            assert!(!said.is_done && said.errors == 0, "something stands behind the end: {event}");
            let data = event.strip_prefix("data: ").and_then(|data| data.strip_suffix("\n\n")).unwrap();
            assert!(!data.contains(['\n', '\r']));
            if data == "[DONE]" {
                said.is_done = true;
                continue;
            }
            // A number may be longer than a tree holds, so it is not read there.
            let event: Value = serde_json::from_str(data).unwrap();
            said.errors += usize::from(event.get("error").is_some());
            for choice in event["choices"].as_array().into_iter().flatten() {
                let delta = &choice["delta"];
                said.content += delta["content"].as_str().unwrap_or_default();
                said.thinking += delta["reasoning_content"].as_str().unwrap_or_default();
                said.logprobs += choice["logprobs"]["content"].as_array().map_or(0, Vec::len);
                said.finishes += usize::from(choice["finish_reason"].is_string());
                for call in delta["tool_calls"].as_array().into_iter().flatten() {
                    let function = &call["function"];
                    if let Some(name) = function["name"].as_str() {
                        assert_eq!(call["index"], json!(said.calls.len()));
                        said.calls.push((name.to_owned(), String::new()));
                    }
                    said.calls.last_mut().unwrap().1 += function["arguments"].as_str().unwrap();
                }
            }
        }
        said
    }
}

/// A line of an answer, and what it says.
fn a_line() -> impl Strategy<Value = (String, Said)> {
    let text = || prop::option::of("[a\"\\\\\n\u{2028}\u{85}é😀{}]{0,6}");
    let calls = prop::collection::vec(("[fg\"é]{1,3}", "[a\"\\\\\n\u{2028}]{0,4}"), 0..3);
    (text(), text(), calls).prop_map(|(content, thinking, calls)| {
        let arguments: Vec<_> = calls.iter().map(|(_, value)| json!({ "k": value }).to_string()).collect();
        let written: Vec<_> = calls
            .iter()
            .zip(&arguments)
            .map(|((name, _), arguments)| {
                format!(
                    "{{\"id\":\"same\",\"function\":{{\"index\":0,\"name\":{},\"arguments\":{arguments}}}}}",
                    json!(name)
                )
            })
            .collect();
        let message = json!({ "role": "assistant", "content": content, "thinking": thinking }).to_string();
        let message = format!("{},\"tool_calls\":[{}]}}", message.trim_end_matches('}'), written.join(","));
        let said = Said {
            content: content.unwrap_or_default(),
            thinking: thinking.unwrap_or_default(),
            calls: calls.into_iter().map(|(name, _)| name).zip(arguments).collect(),
            ..Said::default()
        };
        (line(&message, "false"), said)
    })
}

/// How an answer ends.
fn an_end() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(last(",\"done_reason\":\"stop\"")),
        1 => Just("{\"error\":\"boom\"}\n".to_owned()),
        1 => Just(String::new()),
        1 => "[\"{}a\n:,]{0,12}",
    ]
}

proptest! {
    /// Nothing of an answer is lost or doubled, and its events are the same however its bytes are cut.
    #[test]
    fn an_answer_says_what_its_lines_say(
        lines in prop::collection::vec(a_line(), 0..6),
        end in an_end(),
        sizes in prop::collection::vec(1_usize..40, 1..5),
        event_bytes_max in prop_oneof![Just(16_usize), Just(1 << 20)],
    ) {
        let limits = Limits { event_bytes_max, ..Limits::default() };
        let mut input: String = lines.iter().map(|(line, _)| line.as_str()).collect();
        input.push_str(&end);
        let (whole, answer) = run(Usage::Asked, &limits, [input.as_bytes()]);
        prop_assert!(!answer.is_empty());
        let mut rest = input.as_bytes();
        let pieces = sizes.iter().cycle().map_while(|size| {
            let (piece, behind) = rest.split_at_checked(*size).unwrap_or((rest, b""));
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(&run(Usage::Asked, &limits, pieces).0, &whole);

        let said = Said::of(&whole);
        let is_complete = end.contains("\"done\":true");
        let of = |text: fn(&Said) -> &str| lines.iter().map(|(_, said)| text(said)).collect::<String>();
        prop_assert_eq!(&said.content, &of(|said| &said.content));
        prop_assert_eq!(&said.thinking, &of(|said| &said.thinking));
        prop_assert_eq!(&said.calls, &lines.into_iter().flat_map(|(_, said)| said.calls).collect::<Vec<_>>());
        prop_assert_eq!((said.is_done, said.finishes, said.errors), if is_complete { (true, 1, 0) } else { (false, 0, 1) });
    }

    /// Whatever comes, each event is one.
    #[test]
    fn any_bytes_become_events(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
        let limits = Limits::default();
        let (whole, _) = run(Usage::Asked, &limits, [bytes.as_slice()]);
        let (a, b) = bytes.split_at(cut.index(bytes.len() + 1));
        prop_assert_eq!(&run(Usage::Asked, &limits, [a, b]).0, &whole);
        prop_assert_eq!(Said::of(&whole).errors, 1);
    }
}
