//! Clients of Ollama's API: what they are answered, whoever their server is, and that they get nothing but lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use toolgate::config::{Config, OllamaApi, Pool, Queue};
use toolgate::mock::{Mock, Running as Llama, Script};
use toolgate::server::Running;

use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, config, dead_address, gateway_of, models, peer, pool, post,
};
use crate::led::{HEAD, end, led, word};

const ANSWERS: &str = r#"
model: m
answers:
  - when: { marker: call }
    text: 'I look. <tool_call>{"name": "weather", "arguments": {"city": "Oslo", "n": 12345678901234567890}}</tool_call>'
  - when: { marker: two }
    text: '<tool_call>{"name": "weather", "arguments": {}}</tool_call><tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'
  - when: { marker: error }
    error: { status: 500, message: the model fell over }
  - when: { marker: bad }
    error: { status: 400, message: that is too much }
  - when: { marker: late }
    text: This answer ends early.
    error: { status: 500, message: the model fell over, after: 3 }
  - when: { marker: die }
    text: This answer ends without a word of farewell.
    die_after: 3
  - when: { marker: separators }
    text: "a\u2028b\u2029c\u0085d"
  - text: Hello there, all of you.
"#;

pub const TOOLS: &str = r#","tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]"#;
pub const WHOLE: &str = r#","stream":false"#;

pub fn llama() -> Llama {
    Mock::start("127.0.0.1:0", Script::from_yaml(ANSWERS).unwrap()).unwrap()
}

/// A gateway of these pools that serves clients of Ollama's API.
pub fn gateway(pools: Vec<Pool>) -> Running {
    gateway_with(pools, |_| ())
}

pub fn gateway_with(pools: Vec<Pool>, change: impl FnOnce(&mut Config)) -> Running {
    let mut config = config(pools);
    config.view.ollama_api = Some(OllamaApi::default());
    change(&mut config);
    gateway_of(config)
}

pub fn chat(user: &str, more: &str) -> String {
    chat_of("m", user, more)
}

pub fn chat_of(model: &str, user: &str, more: &str) -> String {
    post("/api/chat", &format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"{user}"}}]{more}}}"#))
}

pub fn generate(prompt: &str, more: &str) -> String {
    post("/api/generate", &format!(r#"{{"model":"m","prompt":"{prompt}"{more}}}"#))
}

/// The lines of a stream, once every byte of it was looked at: nothing stands there but lines of JSON, none is blank, and
/// the last one and no other says that it is over, or why.
pub fn lines(answer: &Message) -> Vec<Value> {
    let text = answer.text();
    assert_eq!((answer.status(), answer.field("content-type")), (200, Some("application/x-ndjson")), "{text}");
    assert!(answer.is_complete, "it was cut off: {text}");
    check(&text)
}

fn check(text: &str) -> Vec<Value> {
    assert!(text.ends_with('\n') && !text.contains(['\r', '\u{2028}', '\u{2029}', '\u{85}']), "{text:?}");
    let line = |line: &str| match serde_json::from_str(line) {
        Ok(value @ Value::Object(_)) => value,
        other => panic!("{line:?} is no line: {other:?}"),
    };
    let lines: Vec<_> = text.split_terminator('\n').map(line).collect();
    let (last, before) = lines.split_last().unwrap();
    let is_last = |line: &Value| line["done"] == true || line.get("error").is_some();
    assert!(is_last(last) && !before.iter().any(is_last), "{text}");
    assert!(last["error"].is_string() || last["done_reason"].is_string(), "{text}");
    lines
}

/// All that a stream says.
pub fn content(lines: &[Value]) -> String {
    lines.iter().filter_map(|line| line["message"]["content"].as_str().or(line["response"].as_str())).collect()
}

fn calls(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter_map(|line| line["message"]["tool_calls"].as_array()).flatten().collect()
}

pub fn assert_refused(answer: &Message, status: u16, message: &str) {
    assert_eq!((answer.status(), answer.is_complete), (status, true), "{}", answer.text());
    assert!(answer.field("content-type").unwrap().starts_with("application/json"));
    assert_eq!(answer.json(), json!({ "error": message }));
    assert!(answer.field("x-request-id").is_some());
}

#[test]
fn a_stream_comes_in_lines_and_ends_in_what_it_cost() {
    let llama = llama();
    let gateway = gateway(vec![pool("p", vec![peer(llama.addr())])]);
    for request in [chat("hi", ""), chat("hi", TOOLS), chat("hi", r#","stream":true"#), generate("hi", "")] {
        let answer = ask(gateway.addr, &request);
        let lines = lines(&answer);
        assert_eq!(content(&lines), "Hello there, all of you.");
        assert!(lines.len() > 3 && lines.iter().all(|line| line["model"] == "m"), "{lines:?}");
        let done = lines.last().unwrap();
        assert_eq!((&done["done"], &done["done_reason"]), (&json!(true), &json!("stop")));
        for key in [
            "total_duration",
            "load_duration",
            "prompt_eval_count",
            "prompt_eval_duration",
            "eval_count",
            "eval_duration",
        ] {
            assert!(done[key].as_u64().is_some_and(|count| count > 0), "{key}: {done}");
        }
        assert!(answer.field("x-request-id").is_some() && answer.field("content-length").is_none());
    }
}

#[test]
fn a_whole_answer_is_one_object() {
    let llama = llama();
    let gateway = gateway(vec![pool("p", vec![peer(llama.addr())])]);
    for (request, member) in [
        (chat("hi", WHOLE), "/message/content"),
        (chat("hi", &format!("{WHOLE}{TOOLS}")), "/message/content"),
        (generate("hi", WHOLE), "/response"),
    ] {
        let answer = ask(gateway.addr, request);
        assert_eq!((answer.status(), answer.field("content-type")), (200, Some("application/json; charset=utf-8")));
        let answer = answer.json();
        assert_eq!(answer.pointer(member), Some(&json!("Hello there, all of you.")), "{answer}");
        assert_eq!(
            (&answer["done"], &answer["done_reason"], &answer["model"]),
            (&json!(true), &json!("stop"), &json!("m"))
        );
        assert!(answer["eval_count"].as_u64().is_some_and(|count| count > 0), "{answer}");
    }
}

#[test]
fn calls_come_whole_and_counted() {
    let llama = llama();
    let gateway = gateway(vec![pool("p", vec![peer(llama.addr())])]);
    let answer = ask(gateway.addr, chat("[[call]]", TOOLS));
    let streamed = lines(&answer);
    assert_eq!(content(&streamed).trim(), "I look.");
    let [call] = calls(&streamed)[..] else { panic!("{streamed:?}") };
    assert_eq!((&call["function"]["name"], &call["function"]["index"]), (&json!("weather"), &json!(0)));
    assert!(answer.text().contains(r#""n":12345678901234567890"#) && call["id"].is_string());
    let whole = ask(gateway.addr, chat("[[call]]", &format!("{TOOLS}{WHOLE}"))).json();
    assert_eq!(whole["message"]["tool_calls"][0]["function"], call["function"]);
    let two = lines(&ask(gateway.addr, chat("[[two]]", TOOLS)));
    let indices: Vec<_> = calls(&two).iter().map(|call| call["function"]["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [0, 1]);
    assert_eq!(two.last().unwrap()["done_reason"], "stop");
}

#[test]
fn no_text_can_break_a_line() {
    let llama = llama();
    let gateway = gateway(vec![pool("p", vec![peer(llama.addr())])]);
    for request in [chat("[[separators]]", ""), chat("[[separators]]", TOOLS), generate("[[separators]]", "")] {
        assert_eq!(content(&lines(&ask(gateway.addr, request))), "a\u{2028}b\u{2029}c\u{85}d");
    }
}

#[test]
fn a_line_goes_out_as_soon_as_its_piece_has_come() {
    let (upstream, requests, say) = led();
    let gateway = gateway(vec![pool("p", vec![peer(upstream.address)])]);
    for request in [chat("hi", ""), chat("hi", TOOLS), generate("hi", "")] {
        let mut client = Wire::connect(gateway.addr);
        client.send(request);
        let up = requests.recv_timeout(PATIENCE).unwrap();
        assert_eq!(up.first_line, "POST /v1/chat/completions HTTP/1.1");
        say.send(HEAD.to_owned()).unwrap();
        for text in ["one ", "two ", "three "] {
            say.send(word(text)).unwrap();
            if text == "one " {
                client.head().unwrap();
            }
            let line: Value = serde_json::from_slice(&client.next_chunk().unwrap()).unwrap();
            assert_eq!(content(&[line]), text);
        }
        say.send(end()).unwrap();
        say.send(String::new()).unwrap();
        let rest: Vec<u8> =
            std::iter::from_fn(|| client.next_chunk().filter(|chunk| !chunk.is_empty())).flatten().collect();
        assert_eq!(check(&String::from_utf8(rest).unwrap()).len(), 1);
    }
}

#[test]
fn a_refusal_is_a_string_with_its_status() {
    let llama = llama();
    let gateway = gateway(vec![Pool { models: models(&["m"]), ..pool("p", vec![peer(llama.addr())]) }, {
        Pool { models: models(&["other"]), ..pool("q", vec![peer(dead_address())]) }
    }]);
    let unknown = |request: String| request.replace(r#""model":"m""#, r#""model":"x""#);
    for more in ["", WHOLE] {
        for (request, status, message) in [
            (unknown(chat("hi", more)), 404, "model 'x' not found"),
            (unknown(generate("hi", more)), 404, "model 'x' not found"),
            (chat("[[bad]]", more), 400, "that is too much"),
            (chat("[[error]]", more), 500, "the model fell over"),
            (
                chat("hi", &format!(r#"{more},"options":{{"temperature":"hot"}}"#)),
                400,
                "option \"temperature\" must be of type float32",
            ),
            (chat("hi", &format!(r#"{more},"tools":7"#)), 400, "tools must be a list of objects"),
            (post("/api/chat", "{"), 400, "the body must be a JSON object"),
            (post("/api/chat", "{}"), 400, "model is required"),
            (post("/api/generate", ""), 400, "the body must be a JSON object"),
            (post("/api/embed", r#"{"model":"m"}"#), 400, "input is required"),
            (chat_of("other", "hi", more), 502, "the server cannot be reached"),
        ] {
            let answer = ask(gateway.addr, &request);
            assert_refused(&answer, status, message);
        }
    }
}

#[test]
fn what_is_too_large_or_too_much_is_refused_in_the_same_way() {
    let (upstream, requests, say) = led();
    let mut peer = peer(upstream.address);
    peer.max_inflight = Some(1);
    let mut pool = pool("p", vec![peer]);
    pool.balancing.queue = Queue { max: 0, ..Queue::default() };
    let gateway = gateway_with(vec![pool], |config| config.limits.request_body_bytes_max = 1_000);
    let answer = ask(gateway.addr, chat(&"x".repeat(2_000), ""));
    assert_eq!(answer.status(), 413);
    assert!(answer.json()["error"].as_str().unwrap().contains("1000 bytes"), "{}", answer.text());
    let mut first = Wire::connect(gateway.addr);
    first.send(chat("hi", ""));
    requests.recv_timeout(PATIENCE).unwrap();
    let answer = ask(gateway.addr, chat("hi", ""));
    assert_eq!((answer.status(), answer.field("retry-after").is_some()), (429, true), "{}", answer.text());
    assert!(answer.json()["error"].is_string());
    say.send(String::new()).unwrap();
}

#[test]
fn an_error_that_is_no_json_is_told_by_its_status() {
    let html = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
    let (upstream, _requests) = Upstream::answering(|_| html.as_bytes().to_vec());
    let gateway = gateway(vec![pool("p", vec![peer(upstream.address)])]);
    let embed = post("/api/embed", r#"{"model":"m","input":"hi"}"#);
    for request in [chat("hi", ""), chat("hi", WHOLE), chat("hi", TOOLS), generate("hi", ""), embed] {
        assert_refused(&ask(gateway.addr, request), 502, "upstream answered 502");
    }
}

#[test]
fn an_answer_that_breaks_off_ends_in_an_error_line() {
    let llama = llama();
    let gateway = gateway(vec![pool("p", vec![peer(llama.addr())])]);
    for marker in ["late", "die"] {
        for more in ["", TOOLS] {
            for request in [chat(&format!("[[{marker}]]"), more), generate(&format!("[[{marker}]]"), "")] {
                let lines = lines(&ask(gateway.addr, request));
                assert!(lines.len() > 1 && content(&lines).starts_with("This"), "{lines:?}");
                assert!(lines.last().unwrap()["error"].is_string(), "{lines:?}");
            }
        }
    }
    // One that ends as it should, and has said no reason for it.
    let (upstream, requests, say) = led();
    let gateway = gateway_with(vec![pool("p", vec![peer(upstream.address)])], |_| ());
    let mut client = Wire::connect(gateway.addr);
    client.send(chat("hi", ""));
    requests.recv_timeout(PATIENCE).unwrap();
    say.send(format!("{HEAD}{}0\r\n\r\n", word("Hi"))).unwrap();
    say.send(String::new()).unwrap();
    let lines = lines(&client.response());
    assert_eq!(lines[1]["error"], "the upstream ended the stream without a finish reason");
}

#[test]
fn a_client_hears_lines_while_it_waits() {
    let (upstream, requests, say) = led();
    let mut peer = peer(upstream.address);
    peer.max_inflight = Some(1);
    let pool = Pool { keepalive_ms: Some(20), ..pool("p", vec![peer]) };
    let gateway = gateway(vec![pool]);
    let hear = |client: &mut Wire, heard: &mut String| {
        let piece = String::from_utf8(client.next_chunk().unwrap()).unwrap();
        let line: Value = serde_json::from_str(&piece).unwrap();
        assert_eq!(
            (content(std::slice::from_ref(&line)).as_str(), &line["done"], &line["model"]),
            ("", &json!(false), &json!("m"))
        );
        heard.push_str(&piece);
    };
    let rest = |client: &mut Wire, heard: &mut String| {
        while let Some(chunk) = client.next_chunk().filter(|chunk| !chunk.is_empty()) {
            heard.push_str(&String::from_utf8(chunk).unwrap());
        }
        check(heard)
    };
    for (first_request, second_request) in
        [(chat("hi", TOOLS), chat("hi", "")), (generate("hi", ""), generate("hi", ""))]
    {
        let [mut first, mut second] = [Wire::connect(gateway.addr), Wire::connect(gateway.addr)];
        let (mut heard, mut heard_too) = (String::new(), String::new());
        first.send(first_request);
        requests.recv_timeout(PATIENCE).unwrap();
        second.send(second_request);
        // The one while its prompt is read, the other in the queue.
        for (client, heard) in [(&mut first, &mut heard), (&mut second, &mut heard_too)] {
            let head = client.head().unwrap();
            assert_eq!((head.status(), head.field("content-type")), (200, Some("application/x-ndjson")));
            hear(client, heard);
            hear(client, heard);
        }
        say.send(format!("{HEAD}{}{}", word("Hi"), end())).unwrap();
        say.send(String::new()).unwrap();
        assert_eq!(content(&rest(&mut first, &mut heard)), "Hi");
        requests.recv_timeout(PATIENCE).unwrap();
        // After such a head an error is a line, too.
        say.send("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned()).unwrap();
        say.send(String::new()).unwrap();
        assert!(rest(&mut second, &mut heard_too).last().unwrap()["error"].is_string());
    }
}

#[test]
fn a_client_hears_lines_while_a_call_is_held() {
    let is_heard = Arc::new(AtomicBool::new(false));
    let enough = Arc::clone(&is_heard);
    let upstream = Upstream::start(move |mut wire| {
        wire.request();
        wire.send(HEAD.to_owned() + &word("<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \""));
        while !enough.load(Ordering::SeqCst) {
            wire.send(word("Oslo "));
        }
        wire.send(word("\"}}</tool_call>") + &end());
    });
    let gateway = gateway(vec![Pool { keepalive_ms: Some(1), ..pool("p", vec![peer(upstream.address)]) }]);
    let mut client = Wire::connect(gateway.addr);
    client.send(chat("hi", TOOLS));
    client.head().unwrap();
    let mut heard = String::new();
    while let Some(chunk) = client.next_chunk().filter(|chunk| !chunk.is_empty()) {
        heard += &String::from_utf8(chunk).unwrap();
        is_heard.store(heard.lines().count() >= 2, Ordering::SeqCst);
    }
    let lines = check(&heard);
    assert!(lines.len() >= 4 && calls(&lines).len() == 1, "{heard}");
}
