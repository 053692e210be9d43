//! One conversation that touches everything that is counted, and what each metric says of it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};

use serde_json::json;
use toolgate::config::{Checks, Config, Tools};
use toolgate::server::Running;

use crate::access::{line_of, named};
use crate::boxes::{a_box, body, pool_of};
use crate::harness::{
    PATIENCE, Upstream, Wire, ask, config, dead_address, gateway_of, get, models, ok, peer, pool, post,
};
use crate::prometheus::Page;
use crate::server_tools;

const CHAT: &str = "/v1/chat/completions";
/// Two words and five calls, of which one is sound, one repaired, one malformed, one no call and one cut off.
const PIECES: [&str; 7] = [
    "one ",
    "two\n",
    "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>",
    "<tool_call>{\"name\": \"f\", \"arguments\": {city: 'Oslo'}}</tool_call>",
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1, \"b\": f(x)}}</tool_call>",
    "<tool_call>no call</tool_call>",
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"city\": \"Os",
];

/// A llama.cpp with two slots, of which somebody else has one. It answers a chat when it is told to, and a chat that
/// says so never to the end.
fn box_with_a_guest() -> (Upstream, Receiver<()>, Sender<()>) {
    let (report, seen) = mpsc::channel();
    let (answer, now) = mpsc::channel::<()>();
    let (report, now) = (Mutex::new(report), Mutex::new(now));
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        match request.first_line.as_str() {
            "GET /health HTTP/1.1" => return wire.send(ok("{}")),
            "GET /props HTTP/1.1" => return wire.send(ok(r#"{"total_slots":2}"#)),
            "GET /metrics HTTP/1.1" => return wire.send(ok("llamacpp:requests_processing 1\n")),
            _ => report.lock().unwrap().send(()).unwrap(),
        }
        now.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        let event = |delta: serde_json::Value, finish: &str, more: &str| {
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]{more}}}\n\n")
        };
        wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        let leaves = request.text().contains("leaves");
        for piece in PIECES.iter().take(if leaves { 1 } else { PIECES.len() }) {
            wire.chunk(event(json!({ "content": piece }), "null", ""));
        }
        if leaves {
            return wire.expect_close();
        }
        let usage =
            r#","usage":{"prompt_tokens":40,"completion_tokens":25,"prompt_tokens_details":{"cached_tokens":30}}"#;
        wire.chunk(event(json!({}), "\"length\"", usage));
        wire.chunk("data: [DONE]\n\n");
        wire.last_chunk();
    });
    (upstream, seen, answer)
}

fn chat(id: &str, says: &str) -> String {
    let tools = r#"[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]"#;
    let messages = json!([{ "role": "user", "content": says }]);
    named(
        id,
        post(
            CHAT,
            &format!(r#"{{"model":"m","stream":true,"messages":{messages},"tools":{tools},"tool_choice":"required"}}"#),
        ),
    )
}

fn send(gateway: &Running, request: &str) -> Wire {
    let mut client = Wire::connect(gateway.addr);
    client.send(request);
    client
}

fn metrics(gateway: &Running) -> Page {
    Page::parse(&ask(gateway.admin_addr.unwrap(), get("/metrics")).text())
}

fn waiting(gateway: &Running) -> serde_json::Value {
    ask(gateway.admin_addr.unwrap(), get("/status")).json()["pools"][0]["queue"]["waiting"].take()
}

/// A metric, one that its labels begin with, and its value; of a histogram, how many values it has.
type Expected<'a> = (&'static str, Vec<(&'static str, &'a str)>, f64);

fn check(page: &Page, expected: &[Expected<'_>]) {
    for (name, labels, value) in expected {
        let is_histogram = page.metrics[*name] == "histogram";
        let sample = if is_histogram { format!("{name}_count") } else { (*name).to_owned() };
        assert_eq!(page.sum(&sample, labels), Some(*value), "{name} {labels:?}");
    }
}

/// With one request at the server and one that waits.
fn expected_while_one_waits(url: &str) -> Vec<Expected<'_>> {
    let at_peer = vec![("pool", "big"), ("peer", url)];
    vec![
        ("toolgate_requests_in_flight", vec![], 2.0),
        ("toolgate_queue_requests", vec![("pool", "big"), ("priority", "3")], 1.0),
        ("toolgate_peer_requests_in_flight", at_peer.clone(), 1.0),
        ("toolgate_peer_requests_elsewhere", at_peer.clone(), 1.0),
        ("toolgate_peer_slots", at_peer.clone(), 2.0),
        ("toolgate_peer_up", at_peer.clone(), 1.0),
        ("toolgate_peer_state", [&at_peer[..], &[("state", "ready")]].concat(), 1.0),
        ("toolgate_log_lines_dropped_total", vec![], 0.0),
        ("toolgate_reloads_total", vec![("outcome", "good")], 0.0),
        ("toolgate_build_info", vec![("version", env!("CARGO_PKG_VERSION"))], 1.0),
    ]
}

/// When two have been answered, one has left, and two more have met a dead server once.
fn expected_in_the_end(url: &str) -> Vec<Expected<'_>> {
    let (at_pool, at_peer) = (vec![("pool", "big")], vec![("pool", "big"), ("peer", url)]);
    let with = |labels: &[(&'static str, &'static str)]| [&at_peer[..], labels].concat();
    let own = with(&[("model", "m"), ("operation", "chat")]);
    let provider =
        [("gen_ai_operation_name", "chat"), ("gen_ai_provider_name", "llama.cpp"), ("gen_ai_request_model", "m")];
    let gen_ai = with(&provider);
    let call = |outcome| vec![("dialect", "hermes"), ("outcome", outcome)];
    vec![
        ("toolgate_requests_total", [&own[..], &[("code", "200")]].concat(), 3.0),
        ("toolgate_queue_wait_seconds", vec![("pool", "big"), ("priority", "3")], 1.0),
        ("toolgate_time_to_first_byte_seconds", own.clone(), 3.0),
        ("gen_ai_server_time_to_first_token_seconds", gen_ai.clone(), 3.0),
        ("toolgate_inter_token_seconds", own.clone(), 12.0),
        ("gen_ai_server_time_per_output_token_seconds", gen_ai.clone(), 2.0),
        ("gen_ai_server_request_duration_seconds", gen_ai.clone(), 3.0),
        ("gen_ai_client_token_usage", [&gen_ai[..], &[("gen_ai_token_type", "input")]].concat(), 2.0),
        ("gen_ai_client_token_usage", [&gen_ai[..], &[("gen_ai_token_type", "output")]].concat(), 2.0),
        ("toolgate_cached_tokens_total", own.clone(), 60.0),
        ("toolgate_generated_pieces_total", at_peer.clone(), 15.0),
        ("toolgate_calls_total", call("complete"), 2.0),
        ("toolgate_required_call_answers_total", call("forced"), 2.0),
        ("toolgate_calls_total", call("repaired"), 2.0),
        ("toolgate_calls_total", call("malformed"), 2.0),
        ("toolgate_calls_total", call("truncated"), 2.0),
        ("toolgate_calls_total", call("text"), 2.0),
        ("toolgate_answers_total", vec![("pool", "big"), ("reading", "read")], 3.0),
        ("toolgate_held_bytes", vec![("dialect", "hermes")], 2.0),
        ("toolgate_overhead_seconds", at_pool.clone(), 3.0),
        ("toolgate_event_overhead_seconds", at_pool.clone(), 15.0),
        ("toolgate_retries_total", vec![("pool", "flaky"), ("reason", "unreachable")], 1.0),
        ("toolgate_cancellations_total", vec![("pool", "big"), ("phase", "streaming")], 1.0),
        ("toolgate_failures_total", vec![("pool", "big"), ("fault", "client"), ("error", "client_left")], 1.0),
    ]
}

/// Of a box with one place, when `alpha` was loaded and then `beta` in its place, and `broken` failed to.
fn expected_of_models() -> Vec<Expected<'static>> {
    let of = |model| vec![("pool", "boxes"), ("model", model)];
    let with = |model, label| [&of(model)[..], &[label]].concat();
    vec![
        ("toolgate_model_loads_total", with("alpha", ("result", "loaded")), 1.0),
        ("toolgate_model_loads_total", with("broken", ("result", "failed")), 1.0),
        ("toolgate_model_load_seconds", of("beta"), 1.0),
        ("toolgate_evictions_total", with("alpha", ("reason", "idle")), 1.0),
        ("toolgate_model_seats", with("beta", ("state", "unloaded")), 1.0),
        ("toolgate_model_seats", with("beta", ("state", "loaded")), 0.0),
        ("toolgate_model_seats", with("broken", ("state", "failed")), 1.0),
        ("toolgate_model_waiting", of("slow"), 0.0),
    ]
}

/// Of one conversation in which a tool was called, and that went on.
fn expected_of_tools() -> Vec<Expected<'static>> {
    vec![
        ("toolgate_tool_calls_total", vec![("tool", "read_file"), ("outcome", "done")], 1.0),
        ("toolgate_tool_seconds", vec![("tool", "read_file")], 1.0),
        ("toolgate_turn_rounds", vec![("pool", "tooled")], 2.0),
        ("toolgate_memory_hits_total", vec![("pool", "tooled")], 1.0),
        ("toolgate_tool_server_up", vec![("server", "docs")], 0.0),
    ]
}

#[test]
fn everything_that_is_counted_says_what_happened() {
    let (guested, seen, answer) = box_with_a_guest();
    let (plain, _) = Upstream::answering(|_| ok("{}"));
    let mut big = pool("big", vec![peer(guested.address)]);
    (big.models, big.balancing.checks) = (models(&["m"]), Checks::Every { ms: 86_400_000 });
    let mut flaky = pool("flaky", vec![peer(dead_address()), peer(plain.address)]);
    flaky.models = models(&["f"]);
    let many = a_box("");
    let mut boxes = pool_of(&[many.addr()]);
    boxes.models = models(&["alpha", "beta", "broken"]);
    let files = server_tools::Files::new();
    let (tooled, talk) = server_tools::remembered();
    let mut tooled = server_tools::configured(&files, &[&tooled], |pool| pool.name = "tooled".into());
    tooled.pools[0].models = models(&["t"]);
    let servers = vec![server_tools::absent_server("docs")];
    let tools = Tools { servers, ..tooled.tools };
    let gateway = gateway_of(Config { tools, ..config(vec![big, flaky, boxes, tooled.pools.remove(0)]) });
    let url = format!("http://{}", guested.address);
    let mut first = send(&gateway, &chat("series-1", "hello"));
    seen.recv_timeout(PATIENCE).unwrap();
    let mut second = send(&gateway, &chat("series-2", "hello"));
    while waiting(&gateway) != 1 {}
    let page = metrics(&gateway);
    let now = expected_while_one_waits(&url);
    check(&page, &now);

    for client in [&mut first, &mut second] {
        answer.send(()).unwrap();
        assert_eq!(client.response().status(), 200);
    }
    let mut leaver = send(&gateway, &chat("series-3", "leaves"));
    answer.send(()).unwrap();
    leaver.head().unwrap();
    leaver.next_chunk().unwrap();
    drop(leaver);
    // One of two meets the dead server first.
    for id in ["series-4", "series-5"] {
        assert_eq!(ask(gateway.addr, named(id, post(CHAT, r#"{"model":"f","messages":[]}"#))).status(), 200);
    }
    for (model, status) in [("alpha", 200), ("beta", 200), ("broken", 503)] {
        assert_eq!(ask(gateway.addr, post(CHAT, &body(model, false))).status(), status);
    }
    for request in talk {
        assert_eq!(ask(gateway.addr, request).status(), 200);
    }
    (1..=7).for_each(|n| drop(line_of(&format!("series-{n}"))));
    let page = metrics(&gateway);
    let then = [expected_in_the_end(&url), expected_of_models(), expected_of_tools()].concat();
    check(&page, &then);
    for (kind, sum) in [("input", 80.0), ("output", 50.0)] {
        let tokens = page.sum("gen_ai_client_token_usage_sum", &[("peer", &url), ("gen_ai_token_type", kind)]);
        assert_eq!(tokens, Some(sum));
    }

    let started = page.sum("process_start_time_seconds", &[]).unwrap();
    let read = page.sum("toolgate_configuration_time_seconds", &[]).unwrap();
    assert!(read >= started - 1.0, "{read} {started}");
    let named: BTreeSet<_> = now.iter().chain(&then).map(|(name, ..)| *name).collect();
    let counted = page
        .metrics
        .keys()
        .map(String::as_str)
        .filter(|name| !name.starts_with("process_") && !name.contains("configuration"));
    assert_eq!(counted.collect::<BTreeSet<_>>(), named, "every metric has a line here");
    check_labels(&page);
}

/// The labels are those that the documentation says.
fn check_labels(page: &Page) {
    let document = include_str!("../../docs/OPERATIONS.md");
    for metric in page.metrics.keys() {
        let row = document.lines().find(|line| line.starts_with(&format!("| `{metric}` |"))).unwrap();
        let cell = row.split('|').nth(4).unwrap();
        let explained: BTreeSet<_> = cell.split(',').map(|label| label.trim().trim_matches('`')).collect();
        let is_gen_ai = |label: &&str| label.starts_with("gen_ai_");
        let labels = page.labels(metric);
        let shortened = labels.iter().map(|label| if is_gen_ai(label) { "gen_ai_*" } else { label });
        let expected = if labels.is_empty() { BTreeSet::from([""]) } else { shortened.collect() };
        assert_eq!(explained, expected, "{metric}");
    }
}
