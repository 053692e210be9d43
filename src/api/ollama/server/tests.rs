//! Answers, line by line: what each becomes, and that cuts make no difference.

use serde_json::{Value, json};

use super::*;
use crate::api::openai::{ServerError, Usage};
use crate::chat::Calls;
use crate::json::Object;
use crate::limits::Limits;
use properties::Said;

mod properties;

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

#[test]
fn who_wants_one_call_gets_the_first() {
    let call = |name: &str| format!(r#"{{"function":{{"name":"{name}","arguments":{{}}}}}}"#);
    let line = |calls: &[String]| {
        let calls = calls.join(",");
        format!(
            "{{\"message\":{{\"role\":\"assistant\",\"content\":\"hi\",\"tool_calls\":[{calls}]}},\"done\":false}}\n"
        )
    };
    for lines in [line(&["f", "g"].map(call)), ["f", "g"].map(|name| line(&[call(name)])).concat()] {
        for (calls, expected) in [(Calls::All, ["f", "g"].as_slice()), (Calls::First, &["f"])] {
            let (mut answer, mut out) = (Answer::new(Usage::Unasked, &Limits::default()).of_calls(calls), Vec::new());
            answer.push(lines.as_bytes(), &mut out);
            answer.push(b"{\"done\":true}\n", &mut out);
            let out = String::from_utf8(out).unwrap();
            let told: Vec<_> =
                ["f", "g"].into_iter().filter(|name| out.contains(&format!("\"name\":\"{name}\""))).collect();
            assert_eq!(told, expected, "{out}");
            assert!(out.contains(r#""finish_reason":"tool_calls""#) && out.contains(r#""content":"hi""#), "{out}");
        }
    }
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

fn end(reason: &str) -> String {
    [finish(reason, ""), DONE.to_owned()].concat()
}

/// What becomes of a call, with its arguments as they stand within quotes.
fn call(index: u32, id: &str, arguments: &str) -> String {
    let start = format!(
        r#"{{"tool_calls":[{{"index":{index},"id":"{id}","type":"function","function":{{"name":"f","arguments":""}}}}]}}"#
    );
    let rest = format!(r#"{{"tool_calls":[{{"index":{index},"function":{{"arguments":"{arguments}"}}}}]}}"#);
    [delta(&start), delta(&rest)].concat()
}

#[test]
fn a_call_has_an_id_of_its_own_and_its_arguments() {
    let made = "call_ID";
    for (calls, expected) in [
        (
            [r#""id":"""#, r#""id":"a\"""#, r#""id":"a\u0022""#, r#""id":7"#],
            [call(0, made, "{}"), call(1, r#"a\""#, "{}"), call(2, made, "{}"), call(3, made, "{}")],
        ),
        (
            ["", r#""arguments":"{\"a\":1}""#, r#""arguments":null"#, r#""arguments":[1, 2]"#],
            [call(0, made, "{}"), call(1, made, r#"{\"a\":1}"#), call(2, made, "{}"), call(3, made, "[1, 2]")],
        ),
    ] {
        let write = |member: &str| {
            let [call, function] = if member.contains("id") { [member, ""] } else { ["", member] };
            let comma = |member: &str| if member.is_empty() { "" } else { "," };
            let function = format!(r#""function":{{"name":"f"{}{function}}}"#, comma(function));
            line(&format!(r#"{{"content":null,"tool_calls":[{{{call}{}{function}}}]}}"#, comma(call)), "false")
        };
        for (reason, finish) in [("stop", "tool_calls"), ("length", "length")] {
            let input = [calls.map(write).concat(), last(&format!(r#","done_reason":"{reason}""#))].concat();
            assert_eq!(told(Usage::Unasked, &input).0, [role(), expected.concat(), end(finish)].concat());
        }
    }
}

#[test]
fn an_answer_may_say_nothing() {
    for (lines, reason) in [
        (last(""), "stop"),
        (last(r#","done_reason":"stop""#), "stop"),
        (last(r#","done_reason":"length""#), "length"),
        (last(r#","done_reason":"x""#), "stop"),
        ([line("{}", "false"), last("")].concat(), "stop"),
        ("{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"done\":true}\n".to_owned(), "stop"),
    ] {
        assert_eq!(told(Usage::Unasked, &lines).0, [role(), end(reason)].concat(), "{lines}");
    }
}

#[test]
fn what_is_known_of_tokens_stands_beside_their_text() {
    let lines = [
        line(r#"{"content":"a","thinking":"t"}"#, r#"false,"logprobs":[{"token":"a"}]"#),
        line(r#"{"thinking":"t"}"#, r#"false,"logprobs":[{"token":"t","bytes":[0]}]"#),
        line("{}", r#"false,"logprobs":[1]"#),
        last(r#","logprobs":null"#),
    ];
    let expected = [
        role(),
        delta(r#"{"reasoning_content":"t"}"#),
        delta(r#"{"content":"a"},"logprobs":{"content":[{"token":"a","bytes":[97]}]}"#),
        delta(r#"{"reasoning_content":"t"},"logprobs":{"content":[{"token":"t","bytes":[0]}]}"#),
        delta(r#"{},"logprobs":{"content":[1]}"#),
        end("stop"),
    ];
    assert_eq!(told(Usage::Unasked, &lines.concat()).0, expected.concat());
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
