//! The router on real sockets: its pages, its models', and what becomes of answers when a model goes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::mock::tests::{body, chunks, exchange, get};
use crate::mock::{Mock, Running, Script};

const MODELS: &str = r#"
places: 1
slots: 2
chat_template: "<tool_call>"
answers: [{ text: "I am one of many." }]
models:
  alpha: { aliases: [a, "a/1"], slots: 3, chat_template: "{alpha}", answers: [{ text: I am alpha. }] }
  beta: {}
  endless: { answers: [{ text: "tick ", loop: true, delay_ms: 1 }] }
  slow: { loading_ms: 3600000 }
  broken: { fails: true }
"#;

const HEAD: &str = "HTTP/1.1 200 OK\r\n";

pub(super) fn start(keys: &str) -> Running {
    Mock::start("127.0.0.1:0", Script::from_yaml(&format!("{MODELS}\n{keys}")).unwrap()).unwrap()
}

pub(super) fn request(path: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn chat(mock: &Running, model: &str) -> String {
    exchange(mock, &request("/v1/chat/completions", &json!({ "model": model, "messages": [] })))
}

/// A client whose answer is not read yet.
fn client(mock: &Running, model: &str, stream: bool) -> TcpStream {
    let mut client = TcpStream::connect(mock.addr()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let body = json!({ "model": model, "messages": [], "stream": stream });
    client.write_all(request("/v1/chat/completions", &body).as_bytes()).unwrap();
    client
}

fn first_byte(client: &mut TcpStream) {
    assert_eq!(client.read(&mut [0]).unwrap(), 1);
}

fn rest(mut client: TcpStream) -> String {
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    reply
}

fn order(mock: &Running, what: &str, model: &str) -> String {
    exchange(mock, &request(&format!("/models/{what}"), &json!({ "model": model })))
}

fn listed(mock: &Running, model: &str) -> Value {
    let page: Value = serde_json::from_str(body(&get(mock, "/models"))).unwrap();
    page["data"].as_array().unwrap().iter().find(|entry| entry["id"] == model).unwrap().clone()
}

/// Waits until the list of models tells this state.
fn until(mock: &Running, model: &str, state: &str) {
    let is = |entry: Value| entry["status"]["value"] == state;
    assert!((0..10_000).any(|_| is(listed(mock, model))), "{model} is never {state}");
}

fn error(status: u16, kind: &str, message: &str) -> String {
    json!({ "error": { "code": status, "message": message, "type": kind } }).to_string()
}

#[test]
fn a_router_answers_for_itself_and_for_none() {
    let mock = start("");
    let missing = error(400, "invalid_request_error", "model name is missing from the request");
    let unknown = error(400, "invalid_request_error", "model 'nope' not found");
    let unloaded = error(400, "invalid_request_error", "model is not loaded");
    for (path, status, expected) in [
        ("/health", 200, r#"{"status":"ok"}"#),
        ("/slots", 400, &*missing),
        ("/metrics", 400, &*missing),
        ("/props?model=nope", 400, &*unknown),
        ("/props?model=a%2F1&autoload=false", 400, &*unloaded),
        ("/slots?autoload=0&model=alpha", 400, &*unloaded),
    ] {
        let reply = get(&mock, path);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{path} got {reply}");
        assert_eq!(body(&reply), expected, "{path}");
    }
    assert_eq!((body(&chat(&mock, "nope")), body(&chat(&mock, ""))), (&*unknown, &*missing));
    let props: Value = serde_json::from_str(body(&get(&mock, "/props"))).unwrap();
    assert_eq!((&props["role"], &props["max_instances"]), (&json!("router"), &json!(1)));
    assert_eq!((&props["models_autoload"], props["build_info"].is_string()), (&json!(true), true));
    assert!(props.get("total_slots").is_none() && props.get("chat_template").is_none());
    let alpha = listed(&mock, "alpha");
    assert_eq!((&alpha["aliases"], &alpha["status"]["value"]), (&json!(["a", "a/1"]), &json!("unloaded")));
    assert!(alpha["status"]["args"].to_string().contains(r#""/models/alpha.gguf""#));
    assert!(alpha["status"]["preset"].is_string() && alpha.get("meta").is_none());
    assert!(get(&mock, "/nope").starts_with("HTTP/1.1 404 "));
    mock.stop();
}

#[test]
fn orders_are_answered_at_once() {
    let mock = start("");
    let invalid = |message| error(400, "invalid_request_error", message);
    for (what, model, expected) in [
        ("load", "nope", error(404, "not_found_error", "model is not found")),
        ("unload", "nope", invalid("model is not found")),
        ("unload", "alpha", invalid("model is not running")),
        ("load", "slow", r#"{"success":true}"#.into()),
        ("load", "slow", invalid("model is already running")),
        ("load", "a", error(500, "server_error", "model limit reached, try again later")),
        ("unload", "slow", r#"{"success":true}"#.into()),
        ("load", "a", r#"{"success":true}"#.into()),
    ] {
        assert_eq!(body(&order(&mock, what, model)), expected, "{what} {model}");
    }
    until(&mock, "alpha", "loaded");
    mock.stop();
}

#[test]
fn a_model_is_loaded_by_being_asked_for_and_makes_room_when_idle() {
    let mock = start("");
    let reply = chat(&mock, "a");
    assert!(reply.contains("I am alpha.") && reply.contains(r#""model":"alpha""#), "{reply}");
    let alpha = listed(&mock, "alpha");
    assert_eq!((&alpha["status"]["value"], &alpha["meta"]["n_ctx"]), (&json!("loaded"), &json!(16_384)));
    let props = get(&mock, "/props?model=alpha&autoload=false");
    assert!(props.contains(r#""total_slots":3"#) && props.contains(r#""chat_template":"{alpha}""#), "{props}");
    assert!(get(&mock, "/metrics?model=alpha").contains("llamacpp:requests_processing 0"));
    // A page is a request too.
    let props = get(&mock, "/props?model=beta");
    assert!(props.contains(r#""total_slots":2"#) && props.contains(r#""chat_template":"<tool_call>""#), "{props}");
    assert_eq!(listed(&mock, "alpha")["status"]["value"], "unloaded");
    assert!(chat(&mock, "beta").contains("I am one of many."));
    mock.stop();
}

#[test]
fn a_request_hears_nothing_while_its_model_loads() {
    let mock = start("");
    let left = client(&mock, "slow", true);
    until(&mock, "slow", "loading");
    let reply = get(&mock, "/props?model=slow&autoload=false");
    assert!(reply.starts_with("HTTP/1.1 500 ") && reply.contains("Content-Type: text/plain"), "{reply}");
    assert_eq!(body(&reply), "proxy error: Could not establish connection");
    drop(left);
    let waiting = client(&mock, "slow", true);
    // The load goes on without the first client; and a page that is asked for later shows that the second has come.
    assert_eq!(listed(&mock, "slow")["status"]["value"], "loading");
    order(&mock, "unload", "slow");
    let reply = rest(waiting);
    assert!(reply.starts_with("HTTP/1.1 500 "), "{reply}");
    assert_eq!(body(&reply), error(500, "server_error", "model name=slow failed to load"));
    let status = &listed(&mock, "slow")["status"];
    assert_eq!((&status["value"], &status["failed"]), (&json!("unloaded"), &json!(true)));
    mock.stop();
}

#[test]
fn a_model_that_fails_says_so_and_costs_another_its_place() {
    let mock = start("");
    chat(&mock, "alpha");
    let reply = chat(&mock, "broken");
    assert!(reply.starts_with("HTTP/1.1 500 "), "{reply}");
    assert_eq!(body(&reply), error(500, "server_error", "model name=broken failed to load"));
    let status = &listed(&mock, "broken")["status"];
    assert_eq!((&status["failed"], &status["exit_code"]), (&json!(true), &json!(1)));
    assert_eq!(listed(&mock, "alpha")["status"]["value"], "unloaded");
    assert!(listed(&mock, "alpha")["status"].get("failed").is_none());
    assert!(get(&mock, "/health").starts_with(HEAD));
    mock.stop();
}

#[test]
fn a_model_that_has_to_go_cuts_its_answers_cleanly() {
    let mock = start("stop_timeout_ms: 1");
    let (mut streamed, whole) = (client(&mock, "endless", true), client(&mock, "endless", false));
    first_byte(&mut streamed);
    let both = |page: String| page.contains("llamacpp:requests_processing 2\n");
    assert!((0..10_000).any(|_| both(get(&mock, "/metrics?model=endless"))));
    assert_eq!(body(&order(&mock, "unload", "endless")), r#"{"success":true}"#);
    let reply = rest(streamed);
    assert_eq!(chunks(&reply).last().map(String::as_str), Some(""));
    assert!(!reply.contains("[DONE]") && !reply.contains(r#""finish_reason":""#), "{reply}");
    let reply = rest(whole);
    assert!(reply.starts_with("HTTP/1.1 500 ") && reply.contains("Content-Type: application/json"), "{reply}");
    assert_eq!(chunks(&reply), ["proxy error: Failed to read connection", ""]);
    until(&mock, "endless", "unloaded");
    mock.stop();
}

#[test]
fn a_model_that_has_to_go_writes_on_for_a_while() {
    let mock = start("stop_timeout_ms: 3600000\nexit_ms: 3600000\nvice: stalls");
    let mut streamed = client(&mock, "endless", true);
    first_byte(&mut streamed);
    order(&mock, "unload", "endless");
    // It is told as loaded until it is gone, and takes nothing any more.
    assert_eq!(listed(&mock, "endless")["status"]["value"], "loaded");
    assert_eq!(chunks(&chat(&mock, "endless")), ["proxy error: Could not establish connection", ""]);
    assert_eq!(body(&order(&mock, "load", "beta")), error(500, "server_error", "model limit reached, try again later"));
    let mut more = [0; 4096];
    streamed.read_exact(&mut more).unwrap();
    drop(streamed);
    assert_eq!(listed(&mock, "endless")["status"]["value"], "loaded");
    mock.stop();
}

#[test]
fn a_box_that_evicts_ends_a_stream_for_another_model() {
    let mock = start("vice: evicts\nstop_timeout_ms: 1");
    let mut streamed = client(&mock, "endless", true);
    first_byte(&mut streamed);
    assert!(chat(&mock, "beta").contains("I am one of many."));
    let reply = rest(streamed);
    assert_eq!(chunks(&reply).last().map(String::as_str), Some(""));
    assert!(!reply.contains("[DONE]"));
    mock.stop();
}

/// The next event of a model, as its kind and data.
fn next(events: &mut impl Iterator<Item = (String, Value)>, model: &str) -> String {
    let (kind, event) = events.next().unwrap();
    assert_eq!(event["model"], model);
    format!("{kind} {}", event["data"])
}

/// What `/models/sse` says from now on.
fn events(mock: &Running) -> impl Iterator<Item = (String, Value)> + use<> {
    let mut stream = TcpStream::connect(mock.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(b"GET /models/sse HTTP/1.1\r\n\r\n").unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stream));
    // Whoever has the head is heard.
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.is_empty()));
    lines.map_while(Result::ok).filter_map(|line| {
        let event: Value = serde_json::from_str(line.strip_prefix("data: ")?).unwrap();
        Some((event["event"].as_str().unwrap().to_owned(), event))
    })
}

#[test]
fn each_change_is_told_to_whoever_listens() {
    let mock = start("");
    chat(&mock, "alpha");
    let mut events = events(&mock);
    chat(&mock, "beta");
    chat(&mock, "broken");
    let progress = r#"{"status":"loading","progress":{"stages":["text_model"],"current":"text_model","value":0.0}}"#;
    for (model, expected) in [
        ("alpha", r#"status_change {"status":"unloaded","exit_code":0}"#),
        ("beta", r#"model_status {"status":"loading"}"#),
        ("beta", &format!("status_change {progress}")),
        ("beta", r#"status_change {"status":"loaded"}"#),
        ("beta", r#"status_change {"status":"unloaded","exit_code":0}"#),
        ("broken", r#"model_status {"status":"loading"}"#),
        ("broken", &format!("status_change {progress}")),
        ("broken", r#"status_change {"status":"unloaded","exit_code":1}"#),
    ] {
        assert_eq!(next(&mut events, model), expected);
    }
    mock.stop();
}

#[test]
fn a_sleeping_model_is_woken_by_its_slots_and_not_by_its_props() {
    let mock = start("sleep_after_ms: 1");
    let mut events = events(&mock);
    order(&mock, "load", "alpha");
    let mut state = |expected: &str| {
        let mut words = events.by_ref().map(|(_, event)| event["data"]["status"].as_str().unwrap().to_owned());
        assert_eq!(words.find(|word| word != "loading").as_deref(), Some(expected));
    };
    state("loaded");
    state("sleeping");
    assert_eq!(listed(&mock, "alpha")["status"]["value"], "sleeping");
    for path in ["/props?model=alpha&autoload=false", "/props?model=alpha"] {
        assert!(get(&mock, path).contains(r#""is_sleeping":true"#), "{path}");
    }
    assert_eq!(listed(&mock, "alpha")["status"]["value"], "sleeping");
    assert!(get(&mock, "/slots?model=alpha&autoload=false").starts_with(HEAD));
    state("loaded");
    state("sleeping");
    mock.stop();
}

#[test]
fn a_router_of_no_models_is_a_router() {
    let mock = Mock::start("127.0.0.1:0", Script::from_yaml("answers: []\nmodels: {}").unwrap()).unwrap();
    assert_eq!(body(&get(&mock, "/v1/models")), r#"{"data":[],"object":"list"}"#);
    assert!(get(&mock, "/props").contains(r#""max_instances":4"#));
    mock.stop();
}
