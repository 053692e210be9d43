//! Clients of Ollama's API: what they are answered, whoever their server is, and that they get nothing but lines.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use toolgate::config::{Alias, Config, OllamaApi, Pool, Queue};
use toolgate::mock::{Mock, Running as Llama, Script};
use toolgate::server::Running;

use crate::access::{line_of, named};
use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, config, dead_address, gateway_of, get, models, ok, peer, pool, post,
    wait_until,
};
use crate::prometheus::Page;

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

const TOOLS: &str = r#","tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]"#;
const WHOLE: &str = r#","stream":false"#;

fn llama() -> Llama {
    Mock::start("127.0.0.1:0", Script::from_yaml(ANSWERS).unwrap()).unwrap()
}

/// A gateway of these pools that serves clients of Ollama's API.
fn gateway(pools: Vec<Pool>) -> Running {
    gateway_with(pools, |_| ())
}

fn gateway_with(pools: Vec<Pool>, change: impl FnOnce(&mut Config)) -> Running {
    let mut config = config(pools);
    config.view.ollama_api = Some(OllamaApi::default());
    change(&mut config);
    gateway_of(config)
}

fn chat(user: &str, more: &str) -> String {
    chat_of("m", user, more)
}

fn chat_of(model: &str, user: &str, more: &str) -> String {
    post("/api/chat", &format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"{user}"}}]{more}}}"#))
}

fn generate(prompt: &str, more: &str) -> String {
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
fn content(lines: &[Value]) -> String {
    lines.iter().filter_map(|line| line["message"]["content"].as_str().or(line["response"].as_str())).collect()
}

fn calls(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter_map(|line| line["message"]["tool_calls"].as_array()).flatten().collect()
}

fn assert_refused(answer: &Message, status: u16, message: &str) {
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

/// A server whose stream goes on as it is told, and its requests.
fn led() -> (Upstream, Receiver<Message>, Sender<String>) {
    let (report, requests) = mpsc::channel();
    let (say, next) = mpsc::channel::<String>();
    let (report, next) = (Mutex::new(report), Mutex::new(next));
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        if !request.first_line.contains("completions") {
            return wire.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
        report.lock().unwrap().send(request).unwrap();
        let next = next.lock().unwrap();
        while let Ok(bytes) = next.recv_timeout(PATIENCE) {
            if bytes.is_empty() || wire.try_send(bytes).is_err() {
                return;
            }
        }
    });
    (upstream, requests, say)
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// An event, in a chunk of its own.
fn event(delta: &Value, finish: &Value) -> String {
    let data = json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
    let data = format!("data: {data}\n\n");
    format!("{:x}\r\n{data}\r\n", data.len())
}

fn word(text: &str) -> String {
    event(&json!({ "content": text }), &Value::Null)
}

fn end() -> String {
    event(&json!({}), &json!("stop")) + "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
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

#[test]
fn a_model_goes_by_its_names_and_the_answer_repeats_what_was_said() {
    let llama = llama();
    let pools = vec![
        Pool { models: models(&["m"]), ..pool("p", vec![peer(llama.addr())]) },
        Pool { models: models(&["other"]), ..pool("q", vec![peer(dead_address())]) },
    ];
    let gateway = gateway_with(pools, |config| {
        let alias = |name: &str| Alias { name: name.to_owned(), model: "m".to_owned() };
        config.view.aliases.extend([alias("qwen3:8b"), alias("gpt:latest")]);
    });
    for name in ["m", "M", "m:latest", "M:LATEST", "qwen3:8b", "QWEN3:8b", "gpt:latest"] {
        let generate = post("/api/generate", &format!(r#"{{"model":"{name}","prompt":"hi"}}"#));
        for request in [chat_of(name, "hi", ""), chat_of(name, "hi", TOOLS), generate] {
            let lines = lines(&ask(gateway.addr, request));
            assert!(lines.iter().all(|line| line["model"] == name), "{name}: {lines:?}");
        }
        let heard = llama.heard().last().unwrap().clone();
        let asked: Value = serde_json::from_str(&heard.body).unwrap();
        assert!(asked["model"].as_str().unwrap().eq_ignore_ascii_case("m"), "{name}: {}", heard.body);
    }
}

#[test]
fn they_are_served_where_that_is_configured_and_nowhere_else() {
    let echo = || Upstream::answering(|request| ok(&request.first_line)).0;
    let upstream = echo();
    let off = gateway_of(config(vec![pool("p", vec![peer(upstream.address)])]));
    let passes = |at| {
        for request in [chat("hi", ""), get("/api/tags"), get("/"), post("/api/pull", "{}")] {
            assert_eq!(ask(at, &request).text(), request.lines().next().unwrap());
        }
    };
    passes(off.addr);
    let both = gateway_with(vec![pool("p", vec![peer(upstream.address)])], |config| {
        config.listen.push("127.0.0.2:0".to_owned());
        config.view.ollama_api = Some(OllamaApi { listen: vec!["127.0.0.2:0".to_owned()], ..OllamaApi::default() });
    });
    passes(both.addr);
    let at = both.ollama_addr.unwrap();
    assert_eq!(ask(at, get("/")).text(), "Ollama is running");
    assert_eq!(ask(at, get("/api/version")).json(), json!({ "version": "0.30.0" }));
    assert!(ask(at, chat("hi", WHOLE)).json().get("error").is_some(), "it is no completion");
}

/// What a server of OpenAI's API answers to anything, and what it was asked of models.
fn answering(answers: impl Fn(&Message) -> Option<Vec<u8>> + Send + Sync + 'static) -> (Upstream, Receiver<Message>) {
    let (report, requests) = mpsc::channel();
    let report = Mutex::new(report);
    let none = || b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    let (upstream, _) = Upstream::answering(move |request| match answers(request) {
        Some(answer) => {
            report.lock().unwrap().send(request.clone()).unwrap();
            answer
        }
        None => none(),
    });
    (upstream, requests)
}

#[test]
fn the_models_of_all_servers_are_listed_and_shown() {
    let (one, two) = (
        llama(),
        Mock::start("127.0.0.1:0", Script::from_yaml("{ model: org/n, answers: [{ text: hi }] }").unwrap()).unwrap(),
    );
    let pools = vec![
        Pool { models: models(&["m"]), ..pool("p", vec![peer(one.addr())]) },
        Pool { models: models(&["org/*"]), ..pool("q", vec![peer(two.addr())]) },
    ];
    let gateway = gateway_with(pools, |config| {
        config.view.aliases.push(Alias { name: "qwen3:8b".to_owned(), model: "m".to_owned() });
    });
    for (path, key) in [("/api/tags", "modified_at"), ("/api/ps", "expires_at")] {
        let listed = ask(gateway.addr, get(path)).json();
        let listed = listed["models"].as_array().unwrap();
        let names: Vec<_> = listed.iter().map(|model| model["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["m:latest", "org/n:latest", "qwen3:8b"], "{path}");
        assert!(
            listed
                .iter()
                .all(|model| model["model"] == model["name"] && model[key].is_string() && model["size"].is_u64())
        );
    }
    for (name, context) in [("m", 16_384), ("M:latest", 16_384), ("org/n", 16_384), ("qwen3:8b", 16_384)] {
        for body in [json!({ "model": name }), json!({ "name": name })] {
            let shown = ask(gateway.addr, post("/api/show", &body.to_string())).json();
            assert_eq!(shown["capabilities"][1], "tools", "{shown}");
            let info = shown["model_info"].as_object().unwrap();
            let length = info.iter().find(|(key, _)| key.ends_with(".context_length")).map(|(_, length)| length);
            assert_eq!((length, &info["general.basename"]), (Some(&json!(context)), &json!(name)), "{shown}");
        }
        let pulled = ask(gateway.addr, post("/api/pull", &json!({ "model": name }).to_string()));
        assert_eq!((pulled.status(), pulled.json()), (200, json!({ "status": "success" })));
    }
    assert_refused(&ask(gateway.addr, post("/api/show", r#"{"model":"x"}"#)), 404, "model 'x' not found");
    let unknown = ask(gateway.addr, post("/api/pull", r#"{"model":"x"}"#));
    assert_refused(&unknown, 404, "pull model manifest: file does not exist");
    assert_refused(&ask(gateway.addr, post("/api/show", "{}")), 400, "model is required");
}

#[test]
fn pages_about_the_server_are_answered_here() {
    let gateway = gateway(vec![pool("p", vec![peer(dead_address())])]);
    let root = ask(gateway.addr, get("/"));
    assert_eq!((root.status(), root.text().as_str()), (200, "Ollama is running"));
    let mut client = Wire::connect(gateway.addr);
    for path in ["/", "/api/version"] {
        client.send(get(path).replace("GET", "HEAD"));
        assert_eq!(client.head().unwrap().status(), 200);
    }
    assert_eq!(ask(gateway.addr, get("/api/version")).json(), json!({ "version": "0.30.0" }));
    for request in [
        post("/api/create", "{}"),
        post("/api/push", "{}"),
        post("/api/copy", "{}"),
        post("/api/delete", "{}").replace("POST", "DELETE"),
        post("/api/blobs/sha256:0", "x"),
    ] {
        assert_refused(&ask(gateway.addr, request), 501, "toolgate does not manage models");
    }
    assert_refused(&ask(gateway.addr, get("/api/tags")), 502, "no server of the pool can be reached");
}

#[test]
fn who_only_wants_a_model_loaded_is_answered_here() {
    let llama = llama();
    let gateway = gateway(vec![pool("p", vec![peer(llama.addr())])]);
    for (path, member) in [("/api/chat", "message"), ("/api/generate", "response")] {
        for (more, reason) in
            [("", "load"), (r#","keep_alive":0"#, "unload"), (r#","keep_alive":"0s""#, "unload"), (WHOLE, "load")]
        {
            let answer = ask(gateway.addr, post(path, &format!(r#"{{"model":"m:latest"{more}}}"#)));
            let value = answer.json();
            assert_eq!(answer.field("content-type"), Some("application/json"));
            let found = (&value["model"], &value["done"], &value["done_reason"], value.get(member).is_some());
            assert_eq!(found, (&json!("m:latest"), &json!(true), &json!(reason), true), "{value}");
        }
        assert_refused(&ask(gateway.addr, post(path, r#"{"model":"x"}"#)), 404, "model 'x' not found");
    }
    assert!(llama.heard().iter().all(|heard| !heard.target.contains("completions")));
}

#[test]
fn a_text_to_go_on_with_is_asked_of_completions() {
    let whole = r#"{"choices":[{"index":0,"text":" there","finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
    let streamed = "data: {\"choices\":[{\"index\":0,\"text\":\" there\",\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let (upstream, requests) = answering(move |request| {
        request.first_line.starts_with("POST /v1/completions ").then(|| match request.json()["stream"] == true {
            true => format!("{HEAD}{:x}\r\n{streamed}\r\n0\r\n\r\n", streamed.len()).into_bytes(),
            false => ok(whole),
        })
    });
    let gateway = gateway(vec![pool("p", vec![peer(upstream.address)])]);
    for more in [r#","raw":true"#, r#","suffix":"!""#] {
        let lines = lines(&ask(gateway.addr, generate("hi", more)));
        assert_eq!((content(&lines).as_str(), lines.last().unwrap()["done_reason"].as_str()), (" there", Some("stop")));
        let asked = requests.recv_timeout(PATIENCE).unwrap().json();
        assert_eq!((&asked["prompt"], asked.get("suffix").is_some()), (&json!("hi"), more.contains("suffix")));
        let answer = ask(gateway.addr, generate("hi", &format!("{more}{WHOLE}"))).json();
        assert_eq!((&answer["response"], &answer["eval_count"]), (&json!(" there"), &json!(1)), "{answer}");
        requests.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn texts_are_embedded() {
    let (upstream, requests) = answering(|request| {
        let data = r#"{"data":[{"index":0,"embedding":[3,4]}],"usage":{"prompt_tokens":2}}"#;
        request.first_line.starts_with("POST /v1/embeddings ").then(|| ok(data))
    });
    let gateway = gateway(vec![pool("p", vec![peer(upstream.address)])]);
    let answer = ask(gateway.addr, post("/api/embed", r#"{"model":"m:latest","input":["hi"]}"#)).json();
    assert_eq!(
        (&answer["model"], &answer["embeddings"], &answer["prompt_eval_count"]),
        (&json!("m:latest"), &json!([[0.6, 0.8]]), &json!(2))
    );
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().json(), json!({ "model": "m", "input": ["hi"] }));
    let answer = ask(gateway.addr, post("/api/embeddings", r#"{"model":"m","prompt":"hi"}"#)).json();
    assert_eq!(answer, json!({ "embedding": [3, 4] }));
}

#[test]
fn what_a_browser_asks_first_goes_to_its_server_as_for_any_chat() {
    const LEAVE: &str = "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: http://page\r\n\r\n";
    let (upstream, requests) = answering(|request| match request.first_line.split(' ').next() {
        Some("OPTIONS") => Some(LEAVE.as_bytes().to_vec()),
        Some("POST") => Some(
            HEAD.replace("\r\n\r\n", "\r\nAccess-Control-Allow-Origin: http://page\r\n\r\n")
                .into_bytes()
                .into_iter()
                .chain(end().into_bytes())
                .collect(),
        ),
        _ => None,
    });
    let gateway = gateway(vec![pool("p", vec![peer(upstream.address)])]);
    for path in ["/v1/chat/completions", "/api/chat", "/api/tags", "/api/show"] {
        let request =
            get(path).replace("GET", "OPTIONS").replace("Host: gateway", "Host: gateway\r\nOrigin: http://page");
        let answer = ask(gateway.addr, request);
        assert_eq!(
            (answer.status(), answer.field("access-control-allow-origin")),
            (204, Some("http://page")),
            "{path}"
        );
        assert_eq!(requests.recv_timeout(PATIENCE).unwrap().first_line, format!("OPTIONS {path} HTTP/1.1"));
    }
    let request = chat("hi", "").replace("Host: gateway", "Host: gateway\r\nOrigin: http://page");
    let answer = ask(gateway.addr, request);
    assert_eq!(answer.field("access-control-allow-origin"), Some("http://page"));
    lines(&answer);
}

#[test]
fn their_requests_are_counted_and_logged_as_any_other() {
    let llama = llama();
    let gateway = gateway(vec![pool("p", vec![peer(llama.addr())])]);
    let requests = [
        ("down-chat", chat("[[call]]", TOOLS), "tool_calls"),
        ("down-whole", chat("[[call]]", &format!("{TOOLS}{WHOLE}")), "tool_calls"),
    ];
    for (id, request, finish) in requests {
        let answer = ask(gateway.addr, named(id, request));
        assert_eq!(answer.field("x-request-id"), Some(id));
        let (_, line) = line_of(id);
        let facts = ["model", "path", "status", "outcome", "calls", "finish"].map(|key| line[key].clone());
        let expected = [json!("m"), json!("/api/chat"), json!(200), json!("ok"), json!(1), json!(finish)];
        assert_eq!(facts, expected, "{line}");
        assert!(line["output_tokens"].as_u64().is_some_and(|count| count > 0), "{line}");
    }
    let chats = || {
        let page = Page::parse(&ask(gateway.admin_addr.unwrap(), get("/metrics")).text());
        let labels = [("operation", "chat"), ("code", "200")];
        page.sum("toolgate_requests_total", &labels).unwrap_or_default()
    };
    wait_until("both are counted", || chats() == 2.0);
}
