//! What a stop does to those who are there: who comes in the pause, who is served, who is half there, who is cut.

use std::sync::mpsc;

use serde_json::json;

use crate::access::{line_of, named};
use crate::harness::{
    PATIENCE, Upstream, Wire, ask, assert_error, config, gateway_of, get, ok, peer, pool, post, wait_until,
};
use crate::lifecycle::{running, signal, wait_for};

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const WORD: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n";
const TOOLS: &str =
    r#""messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}]"#;

/// A configuration file, and where it is.
fn written(name: &str, text: &str) -> String {
    let file = format!("{}/{name}.yaml", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn new_requests_are_served_in_the_drain_pause_and_not_after_it() {
    let (upstream, _requests) = Upstream::answering(|_| ok("served"));
    let pools = format!("pools: [{{name: a, peers: 'http://{}'}}]", upstream.address);
    let server = "server: {drain_pause_ms: 600000, grace_seconds: 600}";
    let file = written("stopping-pause", &format!("listen: 127.0.0.1:0\n{server}\n{pools}\n"));
    let (mut program, said, addr) = running(&["-c", &file]);
    let mut idle = Wire::connect(addr);
    idle.send(get("/"));
    assert_eq!(idle.response().field("connection"), Some("keep-alive"));
    signal(&program, "-TERM");
    wait_for(&said, "stopping");
    // Who has been there is told to come back elsewhere, as is who comes anew.
    for mut client in [idle, Wire::connect(addr)] {
        client.send(get("/"));
        let answer = client.response();
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("served", Some("close")));
        client.expect_close();
    }
    let mut idle = Wire::connect(addr);
    signal(&program, "-TERM");
    idle.expect_close();
    assert!(wait_for(&said, "stopped after").ends_with("requests finished, 0 were cut"));
    assert!(program.0.wait().unwrap().success());
    assert!(std::net::TcpStream::connect(addr).is_err());
}

/// A server at which nothing ends: who asks decides how far it comes.
fn endless() -> (Upstream, mpsc::Receiver<()>) {
    let (begin, begun) = mpsc::channel();
    let begin = std::sync::Mutex::new(begin);
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        match request.field("x-request-id") {
            Some("cut-read" | "cut-unread") => {
                wire.send(STREAM_HEAD);
                wire.chunk(WORD);
            }
            Some("cut-assembled") => wire.send(STREAM_HEAD),
            Some("cut-begun") => wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun"),
            Some("cut-deaf") => {
                // Until nobody takes more.
                wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                begin.lock().unwrap().send(()).unwrap();
                while wire.try_send(format!("1000\r\n{}\r\n", "x".repeat(0x1000))).is_ok() {}
                return;
            }
            _ => {}
        }
        begin.lock().unwrap().send(()).unwrap();
        wire.expect_close();
    });
    (upstream, begun)
}

#[test]
fn requests_cut_by_a_shutdown_get_an_error_and_a_log_line() {
    let (upstream, begun) = endless();
    let mut pool = pool("default", vec![peer(upstream.address)]);
    pool.peers[0].max_inflight = Some(5);
    let gateway = gateway_of(config(vec![pool]));
    let addr = gateway.addr;
    let chat = |body: &str| post("/v1/chat/completions", body);
    let streams =
        [("cut-read", chat(&format!("{{\"stream\":true,{TOOLS}}}"))), ("cut-unread", chat("{\"stream\":true}"))];
    let errors = [
        ("cut-waiting", chat("{}")),
        ("cut-assembled", chat(&format!("{{{TOOLS}}}"))),
        ("cut-get", get("/waiting")),
        ("cut-queued", post("/x", "{}")),
    ];
    let broken = [("cut-begun", get("/begun")), ("cut-deaf", get("/deaf"))];
    let mut clients = Vec::new();
    for (id, request) in streams.into_iter().chain(errors).chain(broken) {
        let mut client = Wire::connect(addr);
        client.send(named(id, request));
        match id {
            "cut-queued" => {
                let waiting =
                    || ask(gateway.admin_addr.unwrap(), get("/status")).json()["pools"][0]["queue"]["waiting"].take();
                wait_until("it queues", || waiting() == 1);
            }
            _ => begun.recv_timeout(PATIENCE).unwrap(),
        }
        clients.push((id, client));
    }
    gateway.stop();
    for (id, mut client) in clients {
        let answer = client.response();
        let status = match id {
            "cut-read" | "cut-unread" => {
                let last = answer.text().split_inclusive("\n\n").last().unwrap_or_default().to_owned();
                assert!(last.starts_with("data: {\"error\":") && last.contains("toolgate stops"), "{id}: {last}");
                assert!(answer.is_complete && answer.text().contains("hi"), "{id}");
                200
            }
            "cut-begun" | "cut-deaf" => {
                assert!(!answer.is_complete, "{id}");
                200
            }
            _ => {
                assert_error(&answer, 503, "stopping");
                assert_eq!(answer.field("retry-after"), Some("1"));
                503
            }
        };
        let (_, line) = line_of(id);
        assert_eq!((&line["status"], &line["outcome"]), (&json!(status), &json!("cut")), "{id}");
        assert_eq!((&line["fault"], &line["error"]), (&json!("gateway"), &json!("stopping")), "{id}");
    }
}

#[test]
fn half_sent_requests_do_not_delay_a_shutdown() {
    let upstream = Upstream::start(|mut wire| {
        wire.request();
        wire.expect_close();
    });
    let pools = format!("pools: [{{name: a, peers: 'http://{}'}}]", upstream.address);
    let server = "server: {grace_seconds: 600}";
    let listen = "listen: 127.0.0.1:0\nadmin: 127.0.0.2:0";
    let file = written("stopping-half-sent", &format!("{listen}\n{server}\n{pools}\n"));
    let (mut program, said, addr) = running(&["-c", &file]);
    let admin = wait_for(&said, "status page");
    let admin = admin.split("http://").nth(1).unwrap().trim_end_matches('/').parse().unwrap();
    let head = |path: &str, framing: &str| format!("POST {path} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n");
    let bodies = [
        head("/v1/chat/completions", "Content-Type: application/json\r\nContent-Length: 99") + "{",
        head("/v1/chat/completions", "Content-Type: application/json\r\nTransfer-Encoding: chunked") + "1\r\n{\r\n",
        head("/unread", "Content-Length: 99") + "{",
        head("/unread", "Content-Length: 99\r\nExpect: 100-continue"),
    ];
    let send = |bytes: &str| {
        let mut client = Wire::connect(addr);
        client.send(bytes);
        client
    };
    let heads = ["", "GET /", "GET / HTTP/1.1\r\nHost: h\r\n"].map(send);
    let bodies = bodies.map(|body| send(&body));
    wait_until("they are there", || ask(admin, get("/status")).json()["in_flight"] == bodies.len());
    signal(&program, "-TERM");
    for mut client in heads {
        client.expect_close();
    }
    for mut client in bodies {
        assert_error(&client.response(), 503, "stopping");
    }
    assert!(wait_for(&said, "stopped after").ends_with("4 were cut"));
    assert!(program.0.wait().unwrap().success());
}
