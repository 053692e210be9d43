//! What the gateway shows of itself: metrics, the status page, and the access log's account of an answer.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

use serde_json::{Value, json};
use toolgate::server::Running;

use crate::access::{line_of, named};
use crate::harness::{
    PATIENCE, Upstream, Wire, ask, config, dead_address, gateway, gateway_of, get, models, ok, peer, pool, post,
};
use crate::prometheus::Page;

const CHAT: &str = "/v1/chat/completions";
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chat(more: &str) -> String {
    let tools = r#"[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]"#;
    post(CHAT, &format!(r#"{{"model":"m","messages":[{{"role":"user","content":"secret"}}],"tools":{tools}{more}}}"#))
}

fn event(delta: &str, finish: &str, more: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]{more}}}\n\n")
}

fn text(text: &str) -> String {
    event(&json!({ "content": text }).to_string(), "null", "")
}

fn metrics(gateway: &Running) -> Page {
    let answer = ask(gateway.admin_addr.unwrap(), get("/metrics"));
    assert_eq!(
        (answer.status(), answer.field("content-type")),
        (200, Some("text/plain; version=0.0.4; charset=utf-8"))
    );
    Page::parse(&answer.text())
}

fn status(gateway: &Running) -> Value {
    ask(gateway.admin_addr.unwrap(), get("/status")).json()
}

/// An upstream that streams two words, two calls of which one needs repair, an opener that is none, and its usage.
fn calling() -> Upstream {
    Upstream::start(|mut wire| {
        wire.request();
        wire.send(STREAM_HEAD);
        for piece in [
            "one ",
            "two\n",
            "<tool_call>{\"name\": \"weather\", \"arguments\": {}}</tool_call>",
            "<tool_call>{\"name\": \"weather\", \"arguments\": {city: 'Oslo'}}</tool_call>",
            "<tool_call>no call</tool_call>",
        ] {
            wire.chunk(text(piece));
        }
        let usage =
            r#","usage":{"prompt_tokens":40,"completion_tokens":25,"prompt_tokens_details":{"cached_tokens":30}}"#;
        wire.chunk(event("{}", "\"stop\"", usage));
        wire.chunk("data: [DONE]\n\n");
        wire.last_chunk();
    })
}

#[test]
fn the_page_is_valid_before_anything_happened() {
    let page = metrics(&gateway(dead_address()));
    assert_eq!(page.sum("toolgate_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), Some(1.0));
    assert_eq!(page.sum("toolgate_requests_in_flight", &[]), Some(0.0));
    assert_eq!(page.sum("toolgate_peer_up", &[("pool", "default")]), Some(1.0));
    assert!(page.sum("process_resident_memory_bytes", &[]).unwrap() > 1e6);
    assert!(page.sum("process_open_fds", &[]).unwrap() > 3.0);
}

#[test]
fn an_answer_with_calls_is_counted_and_logged() {
    let upstream = calling();
    let mut pool = pool("default", vec![peer(upstream.address)]);
    pool.models = models(&["m"]);
    let gateway = gateway_of(config(vec![pool]));
    assert_eq!(ask(gateway.addr, named("seen-1", chat(r#","stream":true"#))).status(), 200);
    let (_, line) = line_of("seen-1");
    let page = metrics(&gateway);
    let url = format!("http://{}", upstream.address);
    let own = [("pool", "default"), ("peer", url.as_str()), ("model", "m"), ("operation", "chat")];
    let gen_ai = [
        ("gen_ai_operation_name", "chat"),
        ("gen_ai_provider_name", "llama.cpp"),
        ("gen_ai_request_model", "m"),
        ("peer", url.as_str()),
    ];
    let with = |labels: &[(&'static str, &'static str)]| page_sum(&page, "gen_ai_client_token_usage_sum", labels);
    assert_eq!(page.sum("toolgate_requests_total", &[&own[..], &[("code", "200")]].concat()), Some(1.0));
    assert_eq!(page.sum("toolgate_time_to_first_byte_seconds_count", &own), Some(1.0));
    assert_eq!(page.sum("toolgate_inter_token_seconds_count", &own), Some(4.0));
    assert_eq!(page.sum("toolgate_cached_tokens_total", &own), Some(30.0));
    assert_eq!(page.sum("toolgate_generated_pieces_total", &own[..2]), Some(5.0));
    assert_eq!(page.sum("gen_ai_server_request_duration_seconds_count", &gen_ai), Some(1.0));
    assert_eq!(page.sum("gen_ai_server_time_to_first_token_seconds_count", &gen_ai), Some(1.0));
    assert_eq!(page.sum("gen_ai_server_time_per_output_token_seconds_count", &gen_ai), Some(1.0));
    assert_eq!((with(&[("gen_ai_token_type", "input")]), with(&[("gen_ai_token_type", "output")])), (40.0, 25.0));
    for (outcome, calls) in [("complete", 1.0), ("repaired", 1.0), ("text", 1.0)] {
        let labels = [("dialect", "hermes"), ("outcome", outcome)];
        assert_eq!(page.sum("toolgate_calls_total", &labels), Some(calls), "{outcome}");
    }
    assert_eq!(page.sum("toolgate_calls_total", &[("outcome", "malformed")]), None);
    assert_eq!(page.sum("toolgate_answers_total", &[("reading", "read")]), Some(1.0));
    assert_eq!(page.sum("toolgate_held_bytes_count", &[("dialect", "hermes")]), Some(1.0));
    assert_eq!(page.sum("toolgate_overhead_seconds_count", &[("pool", "default")]), Some(1.0));
    assert_eq!(page.sum("toolgate_event_overhead_seconds_count", &[("pool", "default")]), Some(5.0));
    assert_eq!(page.sum("toolgate_failures_total", &[]), None);

    let expected = [
        ("engine", json!("llama.cpp")),
        ("dialect", json!("hermes")),
        ("queue_ms", json!(0)),
        ("retries", json!(0)),
        ("input_tokens", json!(40)),
        ("cached_tokens", json!(30)),
        ("output_tokens", json!(25)),
        ("calls", json!(2)),
        ("finish", json!("tool_calls")),
        ("fault", Value::Null),
    ];
    for (name, expected) in expected {
        assert_eq!(line[name], expected, "{name}");
    }
    assert!(line["first_token_ms"].is_u64(), "{line}");
}

fn page_sum(page: &Page, name: &str, labels: &[(&str, &str)]) -> f64 {
    page.sum(name, labels).unwrap()
}

#[test]
fn an_answer_that_is_not_read_is_not_parsed() {
    let (upstream, _requests) = Upstream::answering(|_| ok(r#"{"usage":{"prompt_tokens":40,"completion_tokens":25}}"#));
    let gateway = gateway(upstream.address);
    ask(gateway.addr, named("seen-2", post(CHAT, r#"{"model":"m","messages":[]}"#)));
    let (_, line) = line_of("seen-2");
    assert_eq!((&line["input_tokens"], &line["dialect"]), (&Value::Null, &Value::Null));
    let page = metrics(&gateway);
    assert_eq!(page.sum("gen_ai_server_request_duration_seconds_count", &[]), Some(1.0));
    for name in ["gen_ai_client_token_usage_count", "gen_ai_server_time_to_first_token_seconds_count"] {
        assert_eq!(page.sum(name, &[]), None, "{name}");
    }
    assert_eq!(page.sum("toolgate_answers_total", &[]), None);
}

#[test]
fn a_stream_that_is_not_read_has_a_first_token() {
    let (go, going) = mpsc::channel::<()>();
    let going = Mutex::new(going);
    let upstream = Upstream::start(move |mut wire| {
        wire.request();
        wire.send(STREAM_HEAD);
        going.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        for piece in ["not even", " an event", "\n\n"] {
            wire.chunk(piece);
        }
        wire.last_chunk();
    });
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send(named("seen-7", post(CHAT, r#"{"model":"m","messages":[],"stream":true}"#)));
    go.send(()).unwrap();
    assert_eq!(client.response().text(), "not even an event\n\n");
    let (_, line) = line_of("seen-7");
    assert!(line["first_token_ms"].as_u64() >= line["first_byte_ms"].as_u64(), "{line}");
    let page = metrics(&gateway);
    assert_eq!(page.sum("gen_ai_server_time_to_first_token_seconds_count", &[]), Some(1.0));
    for name in ["toolgate_inter_token_seconds_count", "toolgate_event_overhead_seconds_count"] {
        assert_eq!(page.sum(name, &[]), None, "{name}");
    }
}

#[test]
fn model_names_of_clients_make_no_labels() {
    let (upstream, _requests) = Upstream::answering(|_| ok("{}"));
    let mut named_pool = pool("named", vec![peer(upstream.address)]);
    named_pool.models = models(&["named-model", "family-*"]);
    let mut config = config(vec![named_pool]);
    let strict = gateway_of(config.clone());
    for n in 0..20 {
        ask(strict.addr, named(&format!("strict-{n}"), post(CHAT, &format!(r#"{{"model":"family-{n}"}}"#))));
        line_of(&format!("strict-{n}"));
    }
    let page = metrics(&strict);
    assert_eq!(page.sum("toolgate_requests_total", &[("model", "other")]), Some(20.0));
    config.limits.metrics_models_max = 100;
    let gateway = gateway_of(config);
    let refused = "x-Many: x\r\n".repeat(200);
    for n in 0..110 {
        let request = post(CHAT, &format!(r#"{{"model":"family-{n}"}}"#));
        assert_eq!(ask(gateway.addr, request).status(), 200);
        let request =
            post(CHAT, &format!(r#"{{"model":"refused-{n}"}}"#)).replacen("Host", &format!("{refused}Host"), 1);
        assert_eq!(ask(gateway.addr, request).status(), 431);
    }
    ask(gateway.addr, named("seen-3", post(CHAT, r#"{"model":"NAMED-model"}"#)));
    line_of("seen-3");
    let page = metrics(&gateway);
    let of = |model| page.sum("toolgate_requests_total", &[("model", model)]);
    assert_eq!(
        (of("family-99"), of("family-100"), of("other"), of("named-model")),
        (Some(1.0), None, Some(10.0), Some(1.0))
    );
    assert_eq!(page.sum("toolgate_requests_total", &[("code", "431")]), Some(110.0));
}

#[test]
fn failures_say_whose_they_are() {
    let (upstream, _requests) = Upstream::answering(|_| b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops".to_vec());
    let dead = dead_address();
    let gateway = gateway_of(config(vec![pool("default", vec![peer(dead), peer(upstream.address)])]));
    // One of two requests meets the dead server first, and goes on to the other.
    for id in ["seen-4", "seen-5"] {
        assert_eq!(ask(gateway.addr, named(id, post("/x", "{}"))).status(), 500);
    }
    let retries = ["seen-4", "seen-5"].map(|id| line_of(id).1["retries"].as_u64().unwrap());
    assert_eq!(retries.iter().sum::<u64>(), 1);
    let fields = "X-Many: x\r\n".repeat(200);
    ask(gateway.addr, named("seen-6", get("/").replace("Host", &format!("{fields}Host"))));
    assert_eq!(line_of("seen-6").1["fault"], "client");

    let page = metrics(&gateway);
    assert_eq!(page.sum("toolgate_retries_total", &[("pool", "default"), ("reason", "unreachable")]), Some(1.0));
    let refused = [("fault", "client"), ("error", "request_header_too_large")];
    assert_eq!(page.sum("toolgate_failures_total", &refused), Some(1.0));
    let up = |address: SocketAddr| page.sum("toolgate_peer_up", &[("peer", &format!("http://{address}"))]);
    assert_eq!((up(dead), up(upstream.address)), (Some(0.0), Some(1.0)));
    let in_state = |address: SocketAddr, state| {
        let peer = format!("http://{address}");
        page.sum("toolgate_peer_state", &[("pool", "default"), ("peer", &peer), ("state", state)])
    };
    assert_eq!(in_state(upstream.address, "ready"), Some(1.0));
    assert_eq!((in_state(dead, "open"), in_state(dead, "ready")), (Some(1.0), Some(0.0)));
    assert_eq!(page.sum("toolgate_peer_state", &[]), Some(2.0));

    let status = status(&gateway);
    let all = |of: &str| -> BTreeSet<String> {
        let row = |failure: &Value| {
            format!("{} {} {}", failure["peer"].as_str().unwrap(), failure["status"], failure["what"])
        };
        status[of].as_array().unwrap().iter().map(row).collect()
    };
    let expected = [
        format!("http://{dead} null \"the server cannot be reached\""),
        format!("http://{} 500 \"the server answered 500\"", upstream.address),
    ];
    assert_eq!(all("failures"), BTreeSet::from(expected));
    let refused = " 431 \"the request has 202 header fields, 100 are allowed\"";
    assert_eq!(all("refusals"), BTreeSet::from([refused.to_owned()]));
    let peers = &status["pools"][0]["peers"];
    assert_eq!((&peers[0]["up"], &peers[0]["requests"]), (&json!(false), &json!(0)));
    assert_eq!((&peers[1]["up"], &peers[1]["requests"], &peers[1]["failed"]), (&json!(true), &json!(2), &json!(2)));
}

/// A gateway in front of a server that answers as the request's path says, and tells when it has.
fn slow_house() -> (Running, Upstream, Receiver<()>) {
    let (say, begun) = mpsc::channel();
    let say = Mutex::new(say);
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.head() else { return };
        if request.first_line.contains("/streaming") {
            wire.send(STREAM_HEAD);
        } else if request.first_line.contains("/whole") {
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        }
        say.lock().unwrap().send(()).unwrap();
        wire.expect_close();
    });
    (gateway(upstream.address), upstream, begun)
}

#[test]
fn a_client_that_leaves_is_counted_by_when() {
    let (gateway, _upstream, begun) = slow_house();
    for phase in ["uploading", "waiting", "streaming", "whole"] {
        let id = format!("left-{phase}");
        let mut request = named(&id, post(&format!("/{phase}"), "{}"));
        if phase == "uploading" {
            request = request.replace("Content-Length: 2", "Content-Length: 1000");
        }
        let mut client = Wire::connect(gateway.addr);
        client.send(request);
        begun.recv_timeout(PATIENCE).unwrap();
        if matches!(phase, "streaming" | "whole") {
            client.head().unwrap();
        }
        let status = status(&gateway);
        let peer = &status["pools"][0]["peers"][0];
        assert_eq!((&status["in_flight"], &peer["in_flight"], &peer["slots"]), (&json!(1), &json!(1), &Value::Null));
        drop(client);
        let (_, line) = line_of(&id);
        assert_eq!((&line["outcome"], &line["fault"]), (&json!("client_left"), &json!("client")));
        let left = metrics(&gateway).sum("toolgate_cancellations_total", &[("phase", phase)]);
        assert_eq!(left, Some(1.0), "{phase}");
    }
    let status = status(&gateway);
    assert_eq!((&status["in_flight"], &status["requests"], &status["failures"]), (&json!(0), &json!(4), &json!([])));
}

#[test]
fn who_leaves_while_a_server_loads_has_waited_in_the_queue() {
    let loading = b"HTTP/1.1 503 Loading\r\nContent-Length: 0\r\n\r\n";
    let (upstream, _requests) = Upstream::answering(|_| loading.to_vec());
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send(named("left-loading", post(CHAT, "{}")));
    while status(&gateway)["pools"][0]["queue"]["waiting"] != 1 {}
    drop(client);
    assert_eq!(line_of("left-loading").1["outcome"], "client_left");
    assert_eq!(metrics(&gateway).sum("toolgate_cancellations_total", &[("phase", "queued")]), Some(1.0));
}

#[test]
fn a_stream_is_seen_while_it_goes_on() {
    let (end, ended) = mpsc::channel::<()>();
    let ended = Mutex::new(ended);
    let upstream = Upstream::start(move |mut wire| {
        wire.request();
        wire.send(STREAM_HEAD);
        wire.chunk(text("word"));
        let _ = ended.lock().unwrap().recv_timeout(PATIENCE);
    });
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send(chat(r#","stream":true"#));
    client.head().unwrap();
    client.next_chunk().unwrap();
    assert_eq!(status(&gateway)["pools"][0]["peers"][0]["generated"], 1);
    assert_eq!(metrics(&gateway).sum("toolgate_generated_pieces_total", &[]), Some(1.0));
    drop(end);
}

#[test]
fn the_status_says_what_there_is_and_no_secret() {
    let mut secret = peer(dead_address());
    (secret.max_inflight, secret.name) = (Some(4), "gpu-1".to_owned());
    secret.api_key = Some(toolgate::config::Secret::new("secret".to_owned()));
    let mut first = pool("first", vec![secret]);
    first.models = models(&["a-*", "b"]);
    let mut again = peer(dead_address());
    again.url.clone_from(&first.peers[0].url);
    let gateway = gateway_of(config(vec![first.clone(), pool("second", vec![again])]));
    let answer = ask(gateway.admin_addr.unwrap(), get("/status"));
    assert!(!answer.text().contains("secret"));
    let status = answer.json();
    assert_eq!((&status["ready"], &status["version"]), (&json!(true), &json!(env!("CARGO_PKG_VERSION"))));
    let expected = json!({
        "name": "first", "engine": "llama.cpp", "models": ["a-*", "b"], "dialect": "hermes",
        "queue": { "waiting": 0, "max": 1024 },
        "peers": [{
            "name": "gpu-1", "url": first.peers[0].url, "also_in": ["second"], "up": true, "state": "ready", "leaving": false, "in_flight": 0, "elsewhere": 0,
            "slots": 4, "requests": 0, "failed": 0, "input_tokens": 0, "output_tokens": 0, "generated": 0,
        }],
    });
    assert_eq!(status["pools"][0], expected);
}

#[test]
fn the_page_to_watch_with_brings_all_it_needs() {
    let answer = ask(gateway(dead_address()).admin_addr.unwrap(), get("/"));
    assert_eq!((answer.status(), answer.field("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(answer.field("content-security-policy").unwrap().contains("default-src 'none'"));
    let page = answer.text();
    for outside in ["http://", "https://", "src=", "@import", "innerHTML"] {
        let rest = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!rest.contains(outside), "the page has {outside}");
    }
}

#[test]
fn the_dashboard_names_metrics_that_exist() {
    let page = metrics(&gateway(dead_address()));
    let file = include_str!("../../conf/grafana-dashboard.json");
    let dashboard: Value = serde_json::from_str(file).unwrap();
    let mut expressions = Vec::new();
    collect(&dashboard, &mut expressions);
    assert!(expressions.len() > 10);
    let mut used = BTreeSet::new();
    for expression in &expressions {
        for word in expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if ["toolgate_", "gen_ai_", "process_"].iter().any(|prefix| word.starts_with(prefix)) {
                let is_label = ["gen_ai_token_type", "gen_ai_request_model"].contains(&word);
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| word.strip_suffix(suffix));
                let is_histogram = base.is_some_and(|base| page.metrics.get(base).is_some_and(|k| k == "histogram"));
                let is_plain = page.metrics.get(word).is_some_and(|kind| kind != "histogram");
                assert!(is_label || is_plain || is_histogram, "{word} in {expression}");
                used.insert(base.unwrap_or(word));
            }
        }
    }
    let unused: Vec<_> =
        page.metrics.keys().filter(|name| name.starts_with("toolgate_") && !used.contains(name.as_str())).collect();
    assert_eq!(unused, ["toolgate_build_info"], "metrics that the dashboard does not show");
}

/// Every `expr` and `query` of a dashboard.
fn collect<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "expr" || key == "query" => found.push(text),
                    _ => collect(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}
