//! The mock on real sockets, byte by byte, against what the real server was seen to write.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Answer, Mock, Running, Script};

const SCRIPT: &str = r#"
answers:
  - { when: { marker: cut }, text: "one two three" }
  - { when: { marker: error }, error: { status: 503, message: no more, type: unavailable_error } }
  - { when: { marker: late }, text: "one two", error: { status: 500, message: fell over, after: 1 } }
  - { when: { marker: die }, text: "one two", die_after: 1 }
  - { when: { marker: loop }, text: "tick ", loop: true }
  - { when: { newest: "<tool_response>" }, text: "It is warm." }
  - { when: { anywhere: get_weather }, pieces: ["<tool", "_call>"] }
  - { when: { marker: hello }, text: "hello" }
"#;

fn start() -> Running {
    Mock::start("127.0.0.1:0", Script::from_yaml(SCRIPT).unwrap()).unwrap()
}

/// Sends a request and reads until the server closes.
pub(super) fn exchange(mock: &Running, request: &str) -> String {
    let mut stream = TcpStream::connect(mock.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    String::from_utf8(reply).unwrap()
}

pub(super) fn get(mock: &Running, path: &str) -> String {
    exchange(mock, &format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))
}

fn chat(mock: &Running, text: &str, fields: &str) -> String {
    post(mock, &format!(r#"{{"messages":[{{"role":"user","content":{text:?}}}]{fields}}}"#))
}

fn post(mock: &Running, body: &str) -> String {
    let length = body.len();
    exchange(
        mock,
        &format!("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"),
    )
}

pub(super) fn body(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").unwrap().1
}

/// The HTTP chunks of a stream.
pub(super) fn chunks(reply: &str) -> Vec<String> {
    let mut rest = body(reply);
    let mut chunks = Vec::new();
    while let Some((size, data)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        chunks.push(data[..size].to_owned());
        rest = &data[size + 2..];
    }
    chunks
}

fn deltas(chunk: &str) -> Vec<&str> {
    chunk.split("\"delta\":").skip(1).map(|rest| rest.split("}],").next().unwrap()).collect()
}

#[test]
fn a_stream_is_framed_as_the_server_frames_it() {
    let mock = start();
    let reply = chat(&mock, "[[hello]]", r#","stream":true"#);
    let head = "HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nAccess-Control-Allow-Origin: \r\nX-Accel-Buffering: no\r\n\
                Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nKeep-Alive: timeout=5, max=100\r\n\r\n";
    assert!(reply.starts_with(head), "{reply}");
    let chunks = chunks(&reply);
    assert_eq!(chunks.len(), 4, "{chunks:?}");
    assert_eq!(deltas(&chunks[0]), [r#"{"role":"assistant","content":null}"#, r#"{"content":"hello"}"#]);
    assert!(chunks[0].starts_with(r#"data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role""#));
    assert!(chunks[0].ends_with("\"object\":\"chat.completion.chunk\"}\n\n"));
    assert!(chunks[1].starts_with(r#"data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"#));
    assert!(chunks[1].contains(r#","timings":{"#) && !chunks[1].contains("usage"));
    assert_eq!(chunks[2..], ["data: [DONE]\n\n", ""]);
    mock.stop();
}

#[test]
fn usage_travels_with_the_finish_reason() {
    let mock = start();
    let reply = chat(&mock, "[[hello]]", r#","stream":true,"stream_options":{"include_usage":true}"#);
    let chunks = chunks(&reply);
    let events: Vec<&str> = chunks[1].split_terminator("\n\n").collect();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(!events[0].contains("timings") && events[1].starts_with(r#"data: {"choices":[],"#));
    assert!(events[1].contains(r#""usage":{"completion_tokens":1,"#), "{}", events[1]);
    mock.stop();
}

#[test]
fn who_asks_hears_how_far_the_prompt_is() {
    let mut script = Script::always(Answer::text("hello"));
    script.prefill_tokens_per_second = std::num::NonZeroU32::new(1_000_000);
    let mock = Mock::start("127.0.0.1:0", script).unwrap();
    let reply = chat(&mock, &"abcd".repeat(3000), r#","stream":true,"return_progress":true"#);
    let chunks = chunks(&reply);
    let processed: Vec<_> = chunks.iter().filter_map(|chunk| chunk.split("\"processed\":").nth(1)).collect();
    let processed: Vec<_> = processed.iter().map(|rest| rest.split(',').next().unwrap()).collect();
    assert_eq!(processed, ["0", "2048", "3001"]);
    assert!(chunks[0].contains(r#"{"role":"assistant","content":null}"#) && chunks[0].contains(r#""total":3001"#));
    assert_eq!(deltas(&chunks[3]), [r#"{"role":"assistant","content":null}"#, r#"{"content":"hello"}"#]);
    mock.stop();
}

#[test]
fn choices_are_interleaved() {
    let mock = start();
    let reply = chat(&mock, "[[cut]]", r#","stream":true,"n":2"#);
    let indices: Vec<&str> = reply.split("\"index\":").skip(1).map(|rest| &rest[..1]).collect();
    assert_eq!(indices.concat(), "0011010101");
    assert!(
        chat(&mock, "[[cut]]", r#","n":5"#).contains("Field 'n': Value must be between 1 <= value <= 4, but got 5")
    );
    mock.stop();
}

#[test]
fn a_limit_of_tokens_cuts_the_answer() {
    let mock = start();
    for (fields, content, finish) in [
        ("", "one two three", "stop"),
        (r#","max_tokens":2"#, "one two", "length"),
        (r#","max_completion_tokens":1,"max_tokens":2"#, "one", "length"),
        (r#","max_tokens":-1"#, "one two three", "stop"),
    ] {
        let reply = chat(&mock, "[[cut]]", fields);
        let answer: serde_json::Value = serde_json::from_str(body(&reply)).unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], content, "with {fields}");
        assert_eq!(answer["choices"][0]["finish_reason"], finish, "with {fields}");
    }
    assert!(chat(&mock, "[[loop]]", r#","max_tokens":3"#).contains("\"tick tick\""));
    mock.stop();
}

#[test]
fn an_answer_is_chosen_by_the_conversation() {
    let mock = start();
    let turns = r#"{"messages":[{"role":"user","content":"[[hello]] get_weather"},{"role":"user","content":[{"type":"text","text":"<tool_response>"},{"type":"text","text":"18"}]}]}"#;
    assert!(post(&mock, turns).contains("It is warm."));
    assert!(chat(&mock, "[[unknown]] get_weather", "").contains("<tool_call>"));
    assert!(chat(&mock, "[[cut]] then [[hello]]", "").contains("\"hello\""));
    assert!(chat(&mock, "nothing", "").starts_with("HTTP/1.1 400"));
    mock.stop();
}

#[test]
fn given_pieces_are_the_tokens() {
    let mock = start();
    let reply = chat(&mock, "get_weather", r#","stream":true"#);
    assert!(reply.contains(r#"{"content":"<tool"}"#) && reply.contains(r#"{"content":"_call>"}"#));
    mock.stop();
}

#[test]
fn faults_are_played() {
    let mock = start();
    let error = r#"{"error":{"code":503,"message":"no more","type":"unavailable_error"}}"#;
    let reply = chat(&mock, "[[error]]", r#","stream":true"#);
    assert!(reply.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    assert_eq!(body(&reply), error);

    let late = chunks(&chat(&mock, "[[late]]", r#","stream":true"#));
    assert_eq!(late.len(), 3);
    assert_eq!(late[1], "data: {\"error\":{\"code\":500,\"message\":\"fell over\",\"type\":\"server_error\"}}\n\n");

    assert!(chat(&mock, "[[late]]", "").starts_with("HTTP/1.1 500 "));

    let dead = chat(&mock, "[[die]]", r#","stream":true"#);
    assert!(!dead.ends_with("0\r\n\r\n") && !dead.contains("DONE"));
    assert_eq!(chunks(&dead).len(), 1);
    let length: usize = chat(&mock, "[[hello]]", "").split("Content-Length: ").nth(1).unwrap()[..3].parse().unwrap();
    assert!(body(&chat(&mock, "[[die]]", "")).len() < length - 1);
    mock.stop();
}

#[test]
fn malformed_requests_are_refused_as_the_server_refuses_them() {
    let mock = start();
    for (request, status, message) in [
        ("GET /nope HTTP/1.1\r\nConnection: close\r\n\r\n", 404, "File Not Found"),
        ("GET /v1/chat/completions HTTP/1.1\r\nConnection: close\r\n\r\n", 404, "File Not Found"),
        ("nonsense\r\n\r\n", 400, "the request line is not HTTP"),
        ("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "Content-Length is not a number"),
        ("POST /v1/chat/completions HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "parse error"),
    ] {
        let reply = exchange(&mock, request);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?} got {reply}");
        assert!(reply.contains(message), "{request:?} got {reply}");
    }
    assert!(post(&mock, r#"{"stream":true}"#).contains("'messages' is required"));
    assert!(post(&mock, r#"{"messages":3}"#).starts_with("HTTP/1.1 400"));
    mock.stop();
}

#[test]
fn the_pages_are_there() {
    let mock = start();
    assert_eq!(body(&get(&mock, "/health?x=1")), r#"{"status":"ok"}"#);
    for (path, needle) in [
        ("/props", r#""total_slots":4"#),
        ("/slots", r#""id":3,"n_ctx":16384,"is_processing":false"#),
        ("/v1/models", r#""id":"mock.gguf""#),
    ] {
        assert!(get(&mock, path).contains(needle), "{path}");
    }
    let head = exchange(&mock, "HEAD /health HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(head.contains("Content-Length: 15\r\n") && body(&head).is_empty());
    mock.stop();
}

#[test]
fn a_connection_carries_several_requests_and_chunked_bodies() {
    let mock = start();
    let chunked = "POST /chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n\
                   10\r\n{\"messages\":[{\"r\r\n28;x=y\r\nole\":\"user\",\"content\":\"[[hello]] there\"}\r\n2\r\n]}\r\n0\r\n\r\n";
    let reply = exchange(&mock, &format!("GET /health HTTP/1.1\r\n\r\n{chunked}GET /health HTTP/1.0\r\n\r\n"));
    assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 3, "{reply}");
    assert_eq!(reply.matches("HTTP/1.1 100 Continue").count(), 1);
    assert!(reply.contains("\"content\":\"hello\""));
    mock.stop();
}

#[test]
fn a_client_that_leaves_frees_its_slot() {
    let endless = Answer { looped: true, delay_ms: 1, ..Answer::text("tick ") };
    let mock = Mock::start("127.0.0.1:0", Script { slots: 1, ..Script::always(endless) }).unwrap();
    let body = r#"{"messages":[],"stream":true}"#;
    let request = format!("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for _ in 0..3 {
        let mut stream = TcpStream::connect(mock.addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "the slot was not freed");
    }
    mock.stop();
}

/// What a chat's answer says of its prompt: tokens, and how many of them were in a cache.
fn prompt_of(reply: &str) -> (u64, u64, String) {
    let answer: serde_json::Value = serde_json::from_str(body(reply)).unwrap();
    let (usage, timings) = (&answer["usage"], &answer["timings"]);
    let (prompt, cached) = (&usage["prompt_tokens"], &usage["prompt_tokens_details"]["cached_tokens"]);
    let (prompt, cached) = (prompt.as_u64().unwrap(), cached.as_u64().unwrap());
    assert_eq!((timings["cache_n"].as_u64(), timings["prompt_n"].as_u64()), (Some(cached), Some(prompt - cached)));
    (prompt, cached, format!("{:.3}", timings["prompt_ms"].as_f64().unwrap()))
}

#[test]
fn a_slot_remembers_its_conversation() {
    let mut script = Script { slots: 2, ..Script::always(Answer::text("hello")) };
    script.prefill_tokens_per_second = std::num::NonZeroU32::new(1_000_000);
    let mock = Mock::start("127.0.0.1:0", script).unwrap();
    let turn = |text: &str| format!(r#"{{"role":"user","content":"{}"}}"#, text.repeat(100));
    let said = |turns: &[&String]| {
        let turns: Vec<_> = turns.iter().map(|turn| turn.as_str()).collect();
        prompt_of(&post(&mock, &format!(r#"{{"messages":[{}]}}"#, turns.join(","))))
    };
    let answer = r#"{"role":"assistant","content":"hello"}"#.to_owned();
    let (first, second, other) = (turn("abcd"), turn("efgh"), turn("ijkl"));
    let check = |turns: &[&String], prompt: u64, cached: u64, ms: &str| {
        assert_eq!(said(turns), (prompt, cached, ms.to_owned()));
    };
    check(&[&first], 101, 0, "0.101");
    // It does not take the first one's slot: the second is free.
    check(&[&other], 101, 0, "0.101");
    // One token is always read.
    check(&[&other], 101, 100, "0.001");
    // All of the first turn and its answer, in tokens of 4 bytes.
    check(&[&first, &answer, &second], 206, 105, "0.101");
    mock.stop();
}

#[test]
fn who_waits_is_counted() {
    let endless = Answer { looped: true, delay_ms: 1, ..Answer::text("tick ") };
    let mock = Mock::start("127.0.0.1:0", Script { slots: 1, ..Script::always(endless) }).unwrap();
    let body = r#"{"messages":[],"stream":true}"#;
    let request = format!("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = TcpStream::connect(mock.addr()).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    let counted = |processing: u32, deferred: u32| {
        let wanted = format!("\nllamacpp:requests_processing {processing}\n");
        let also = format!("\nllamacpp:requests_deferred {deferred}\n");
        (0..10_000).map(|_| get(&mock, "/metrics")).any(|page| page.contains(&wanted) && page.contains(&also))
    };
    assert!(counted(1, 2));
    assert!(get(&mock, "/slots").contains(r#""is_processing":true"#));
    drop(clients);
    assert!(counted(0, 0));
    assert!(get(&mock, "/metrics").contains("Content-Type: text/plain; version=0.0.4\r\n"));
    mock.stop();
}

#[test]
fn a_server_that_loads_says_so_everywhere() {
    let script = Script { loading_ms: 3_600_000, ..Script::always(Answer::text("hello")) };
    let mock = Mock::start("127.0.0.1:0", script).unwrap();
    let error = r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#;
    for path in ["/health", "/props", "/slots", "/v1/models", "/metrics", "/nope"] {
        let reply = get(&mock, path);
        assert!(reply.starts_with("HTTP/1.1 503 ") && body(&reply) == error, "{reply}");
    }
    assert_eq!(body(&chat(&mock, "x", "")), error);
    mock.stop();
}

#[test]
fn a_sleeping_server_is_woken_by_a_request() {
    let endless = Answer { looped: true, delay_ms: 1, ..Answer::text("tick ") };
    let script = Script { sleep_after_ms: Some(0), ..Script::always(endless) };
    let mock = Mock::start("127.0.0.1:0", script).unwrap();
    let sleeps = || get(&mock, "/props").contains(r#""is_sleeping":true"#);
    for path in ["/health", "/models", "/metrics", "/props"] {
        assert!(get(&mock, path).starts_with("HTTP/1.1 200 "), "{path}");
        assert!(sleeps());
    }
    let body = r#"{"messages":[],"stream":true}"#;
    let mut client = TcpStream::connect(mock.addr()).unwrap();
    write!(client, "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut byte = [0];
    assert_eq!(client.read(&mut byte).unwrap(), 1);
    assert!(!sleeps());
    drop(client);
    assert!((0..10_000).any(|_| sleeps()));
    mock.stop();
}

#[test]
fn stopping_closes_the_listener() {
    let mock = start();
    let addr = mock.addr();
    mock.stop();
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn scripts_are_checked() {
    assert!(Script::from_yaml(Script::DEFAULT).is_ok());
    for (yaml, message) in [
        ("slots: 0\nanswers: []", "the script has `slots: 0`, so it would never answer"),
        ("answers: [{ txt: x }]", "txt"),
        ("model: x", "answers"),
        ("answers: []\nmodels: { a: { slots: 0 } }", "`slots: 0`"),
        ("answers: []\nmodels: { a: {}, b: { aliases: [a] } }", "the script has two models that go by `a`"),
        ("answers: []\nvice: greed", "greed"),
    ] {
        let error = Script::from_yaml(yaml).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
