//! Answers that are as they should be.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::{chat, lines, post, start, status, told, until, value};
use crate::mock::tests::{body, chunks, exchange};

const CALLS: &str = r#"
about: { capabilities: [completion, tools, thinking] }
answers:
  - when: { marker: lines }
    thinking: Let me
    text: I look.
    tool_calls: &calls
      - { id: c1, name: f, arguments: '{"n": 12345678901234567890}' }
      - { id: "", name: g, arguments: { a: 1 } }
      - { name: h }
  - { when: { marker: done }, text: I look., tool_calls: *calls, on_done: [calls] }
  - { when: { marker: all }, thinking: hm, text: I look., tool_calls: *calls, on_done: [thinking, text, calls] }
  - { when: { marker: one }, tool_calls: *calls, odd: [one-line] }
  - { when: { marker: same }, tool_calls: *calls, odd: [same-index] }
  - { when: { marker: text }, pieces: ["<think>hm</think>", "<tool_call>"] }
  - { when: { marker: load }, finish: load }
  - { when: { marker: bare }, text: "x", finish: "" }
  - { when: { newest: "31" }, text: Warm. }
  - { when: { marker: endless }, text: "tick ", loop: true, delay_ms: 1 }
"#;

#[test]
fn calls_and_thoughts_stand_where_the_script_says() {
    let mock = start(CALLS);
    let c = json!({ "id": "c1", "function": { "index": 0, "name": "f", "arguments": value(r#"{"n": 12345678901234567890}"#) } });
    let g = json!({ "function": { "index": 1, "name": "g", "arguments": { "a": 1 } } });
    let h = |number: u32| {
        let id = format!("call_{number:04x}0002");
        json!({ "id": id, "function": { "index": 2, "name": "h", "arguments": {} } })
    };
    let says = |text: &str| json!({ "content": text });
    let thinks = |text: &str| json!({ "content": "", "thinking": text });
    let calls = |calls| json!({ "content": "", "tool_calls": calls });
    let text = ["I", " look", "."].map(says);
    let done = |content: &str| json!({ "content": content, "done_reason": "stop" });
    let with_calls = |mut message: serde_json::Value, number| {
        message["tool_calls"] = json!([c, g, h(number)]);
        message
    };
    let lines_of = [
        vec![thinks("Let"), thinks(" me")],
        text.to_vec(),
        vec![calls(json!([c])), calls(json!([g])), calls(json!([h(0)])), done("")],
    ];
    let mut all = with_calls(done("I look."), 2);
    all["thinking"] = "hm".into();
    let mut same = [c.clone(), g.clone(), h(4)];
    same.iter_mut().for_each(|call| call["function"]["index"] = 0.into());
    let same = same.map(|call| calls(json!([call])));
    for (marker, expected) in [
        ("lines", lines_of.concat()),
        ("done", [text.to_vec(), vec![with_calls(done(""), 1)]].concat()),
        ("all", vec![all]),
        ("one", vec![calls(json!([c, g, h(3)])), done("")]),
        ("same", [same.to_vec(), vec![done("")]].concat()),
        ("text", vec![says("<think>hm</think>"), says("<tool_call>"), done("")]),
        ("load", vec![json!({ "content": "", "done_reason": "load" })]),
        ("bare", vec![says("x"), json!({ "content": "", "done_reason": null })]),
    ] {
        assert_eq!(told(&chat(&mock, &format!("[[{marker}]]"), "")), expected, "{marker}");
    }
    // Who wants no thoughts gets none; they come to whoever says nothing of them.
    let thoughtless = told(&chat(&mock, "[[lines]]", r#","think":false"#));
    assert_eq!(thoughtless[..3], text);
    // The spelling of the arguments is the script's.
    assert!(chat(&mock, "[[lines]]", "").contains(r#""arguments":{"n": 12345678901234567890}}"#));
    mock.stop();
}

#[test]
fn a_stream_is_framed_as_ollama_frames_it() {
    let mock = start(CALLS);
    let done = &lines(&chat(&mock, "[[lines]]", ""))[8];
    assert!(done.starts_with(r#"{"model":"m","created_at":"2"#), "{done}");
    let mut keys: Vec<_> = value(done).as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys.split_off(3),
        [
            "done",
            "done_reason",
            "total_duration",
            "load_duration",
            "prompt_eval_count",
            "prompt_eval_duration",
            "eval_count",
            "eval_duration"
        ]
    );
    assert_eq!(value(done)["eval_count"], 8);
    let durations = ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"];
    assert!(durations.iter().all(|key| value(done)[*key].as_u64().unwrap() > 0), "{done}");
    let reply = chat(&mock, "[[bare]]", "");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n";
    assert!(reply.starts_with(head), "{reply}");
    assert_eq!(chunks(&reply).len(), 3, "a line a chunk, and the end: {reply}");
    // What was cached is told.
    let again = &lines(&chat(&mock, "[[lines]]", ""))[8];
    assert!(value(again)["prompt_eval_cached_count"].as_u64().unwrap() > 0, "{again}");
    mock.stop();
}

#[test]
fn a_second_turn_finds_the_first_and_its_answer_in_the_cache() {
    let said = "abcd".repeat(100);
    let mock = start(&format!("slots: 1\nanswers: [{{ text: {said} }}]"));
    let user = json!({ "role": "user", "content": said });
    let assistant = json!({ "role": "assistant", "content": said });
    let counts = |messages: serde_json::Value| {
        let request = json!({ "model": "m", "messages": messages, "stream": false });
        let answer = value(body(&post(&mock, "/api/chat", &request.to_string())));
        (answer["prompt_eval_count"].as_u64(), answer["prompt_eval_cached_count"].as_u64())
    };
    // In tokens of 4 bytes, with the roles.
    assert_eq!(counts(json!([user])), (Some(101), None));
    assert_eq!(counts(json!([user, assistant, user])), (Some(305), Some(203)));
    mock.stop();
}

#[test]
fn a_whole_answer_is_one_object() {
    let mock = start(CALLS);
    let reply = chat(&mock, "[[lines]]", r#","stream":false"#);
    assert!(reply.contains("Content-Type: application/json; charset=utf-8\r\nContent-Length: "), "{reply}");
    let answer = value(body(&reply));
    let message = &answer["message"];
    assert_eq!((&message["thinking"], &message["content"]), (&json!("Let me"), &json!("I look.")));
    assert_eq!(message["tool_calls"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&answer["done"], &answer["done_reason"], &answer["eval_count"]),
        (&json!(true), &json!("stop"), &json!(8))
    );
    mock.stop();
}

#[test]
fn a_limit_of_tokens_cuts_the_answer() {
    let mock = start(CALLS);
    for (limit, content, reason) in [(2, "I look", "length"), (3, "I look.", "length"), (-1, "I look.", "stop")] {
        let fields = format!(r#","stream":false,"options":{{"num_predict":{limit}}}"#);
        let answer = value(body(&chat(&mock, "[[done]]", &fields)));
        assert_eq!(
            (&answer["message"]["content"], &answer["done_reason"]),
            (&json!(content), &json!(reason)),
            "{limit}"
        );
    }
    mock.stop();
}

#[test]
fn the_newest_message_may_be_a_tools() {
    let mock = start(CALLS);
    let history = json!({ "model": "m:latest", "stream": false, "messages": [
        { "role": "user", "content": "[[lines]]" },
        { "role": "assistant", "tool_calls": [{ "id": "c1", "function": { "index": 0, "name": "f", "arguments": {} } }] },
        { "role": "tool", "content": "31", "tool_name": "f", "tool_call_id": "c1" },
    ]});
    let messages = history["messages"].as_array().unwrap();
    let newest_first = json!({ "model": "m", "stream": false, "messages": [messages[2]] });
    for request in [&newest_first, &history] {
        let answer = value(body(&post(&mock, "/api/chat", &request.to_string())));
        // The first answer whose conditions hold is given, and the marker still stands in the history.
        let expected = if request == &history { "I look." } else { "Warm." };
        assert_eq!(answer["message"]["content"], expected);
        assert_eq!(answer["model"], request["model"]);
    }
    mock.stop();
}

#[test]
fn a_line_may_be_long() {
    let long = "x".repeat(5 << 20);
    let mock =
        start(&format!("answers: [{{ pieces: [{long}], tool_calls: [{{ name: f, arguments: {{ x: {long} }} }}] }}]"));
    let lines = lines(&chat(&mock, "hi", ""));
    assert!(lines[0].len() > 5 << 20 && lines[1].len() > 5 << 20 && lines.len() == 3);
    mock.stop();
}

#[test]
fn a_connection_is_kept_after_a_stream() {
    let mock = start(CALLS);
    let body = r#"{"model":"m","messages":[{"role":"user","content":"[[bare]]"}]}"#;
    let request = format!("POST /api/chat HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let reply = exchange(&mock, &format!("{request}{request}GET / HTTP/1.0\r\n\r\n"));
    assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 3, "{reply}");
    mock.stop();
}

#[test]
fn who_finds_no_slot_waits_without_a_byte_and_who_leaves_frees_one() {
    let mock = start(&format!("slots: 1\n{CALLS}"));
    let body = r#"{"model":"m","messages":[{"role":"user","content":"[[endless]]"}]}"#;
    let client = || {
        let mut client = TcpStream::connect(mock.addr()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(client, "POST /api/chat HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        client
    };
    let mut first = client();
    first.read_exact(&mut [0]).unwrap();
    let mut second = client();
    until(|| mock.heard().len() == 2);
    // The first goes on for long after the second has come.
    let mut first = BufReader::new(first);
    for _ in 0..40 {
        first.read_line(&mut String::new()).unwrap();
    }
    second.set_nonblocking(true).unwrap();
    let nothing = second.read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    second.set_nonblocking(false).unwrap();
    drop(first);
    second.read_exact(&mut [0]).unwrap();
    mock.stop();
}

#[test]
fn openais_api_is_spoken_beside_it() {
    let mock = start(CALLS);
    let reply =
        post(&mock, "/v1/chat/completions", r#"{"model":"m","messages":[{"role":"user","content":"[[done]]"}]}"#);
    assert_eq!((status(&reply), &value(body(&reply))["choices"][0]["message"]["content"]), (200, &json!("I look.")));
    assert!(!reply.contains("Server: llama.cpp"), "{reply}");
    mock.stop();
}
