//! Heads that are refused, each with an error of the gateway's own: what servers read differently, what is too large, and
//! what does not come.

use std::sync::mpsc::TryRecvError;

use toolgate::limits::Limits;

use crate::access::line_of;
use crate::harness::{
    Message, Upstream, Wire, ask, assert_error, config, gateway, gateway_of, get, ok, peer, pool, wait_until,
};
use crate::prometheus::Page;

const CHUNKED: &str = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Refusals as metrics count them.
fn refusals(admin: std::net::SocketAddr, code: &str) -> f64 {
    Page::parse(&ask(admin, get("/metrics")).text()).sum("toolgate_failures_total", &[("error", code)]).unwrap_or(0.0)
}

#[test]
fn a_head_that_is_none_is_refused_told_logged_and_counted() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let fields = "A: b\r\n".repeat(300);
    for (request, status, code, shown) in [
        ("GET /a?key=1 HTTP/1.1\r\n\r\n", 400, "invalid_request", "GET /a"),
        ("GET /a HTTP/1.1\r\nHost:\r\n\r\n", 400, "invalid_request", "GET /a"),
        ("GET /a HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", 400, "invalid_request", "GET /a"),
        ("get /a HTTP/1.1\r\nHost: h\r\n\r\n", 400, "invalid_request", "- /a"),
        ("GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400, "invalid_request", "GET /"),
        ("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "invalid_request", "GET /"),
        ("GET /a HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", 400, "invalid_request", "GET /a"),
        ("GET /a HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", 400, "invalid_request", "GET /a"),
        ("TRACE /a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n\r\n", 405, "method_not_allowed", "TRACE /a"),
        ("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", 405, "method_not_allowed", "- /"),
        ("\u{16}\u{3}\u{1}\0", 400, "invalid_request", "- /"),
        // Pingora itself refuses these.
        ("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400, "invalid_request", "- /"),
        ("GET /a HTTP/1.1\r\nHost: h@i\r\nConnection: Host\r\n\r\n", 400, "invalid_request", "GET /a"),
        (
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            501,
            "unsupported_transfer_encoding",
            "POST /a",
        ),
        (
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
            501,
            "unsupported_transfer_encoding",
            "POST /a",
        ),
        (
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            501,
            "unsupported_transfer_encoding",
            "POST /a",
        ),
        (
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            400,
            "invalid_request",
            "POST /a",
        ),
        (&format!("GET /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n"), 431, "request_header_too_large", "GET /a"),
    ] {
        let before = refusals(gateway.admin_addr.unwrap(), code);
        let mut client = Wire::connect(gateway.addr);
        client.send(format!("{request}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"));
        let answer = client.response();
        assert_error(&answer, status, code);
        assert_eq!(answer.field("connection"), Some("close"), "{request:?}");
        assert_eq!(answer.field("allow").is_some(), status == 405, "{request:?}");
        drop(client);
        let (text, line) = line_of(answer.field("x-request-id").unwrap());
        assert!(!text.contains("key=1"), "{text}");
        assert_eq!((&line["status"], &line["error"]), (&status.into(), &code.into()), "{request:?}");
        let is_pingora_s = line["path"] == "/" && line["method"] == "-";
        let seen = format!("{} {}", line["method"].as_str().unwrap(), line["path"].as_str().unwrap());
        assert!(is_pingora_s || seen == shown, "{request:?}: {seen}");
        assert_eq!(refusals(gateway.admin_addr.unwrap(), code), before + 1.0, "{request:?}");
    }
    assert_eq!(requests.try_recv().unwrap_err(), TryRecvError::Empty);
}

#[test]
fn a_client_finds_its_own_id_on_a_refusal() {
    let (upstream, _requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let large = "A: b\r\n".repeat(20_000);
    for (at, head) in [
        "TRACE /a HTTP/1.1\r\nHost: h\r\n",
        "GET /a HTTP/1.1\r\n",
        "GET /a HTTP/1.1\r\nHost: h\r\nno colon\r\n",
        "GET /\0 HTTP/1.1\r\nHost: h\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("refused-{at}");
        let answer = ask(gateway.addr, format!("{head}X-Request-Id: {id}\r\n\r\n"));
        assert!(answer.status() >= 400, "{head:?}");
        assert_eq!(answer.field("x-request-id"), Some(id.as_str()), "{head:?}");
        line_of(&id);
    }
    // Of one that is too large, too, as far as it came.
    let answer = ask(gateway.addr, format!("GET /a HTTP/1.1\r\nX-Request-Id: large\r\n{large}\r\n"));
    assert_eq!((answer.status(), answer.field("x-request-id")), (431, Some("large")));
}

#[test]
fn a_chunk_that_servers_read_differently_is_refused() {
    let (upstream, _requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    for path in ["/x", "/v1/chat/completions"] {
        for chunks in ["1b;a=\nb\r\n", "2\n{}\r\n0\r\n\r\n", "2;a\n\r\n{}\r\n0\r\n\r\n"] {
            let request = CHUNKED.replace("/x", path) + chunks;
            assert_error(&ask(gateway.addr, request), 400, "invalid_request");
        }
        let sound = CHUNKED.replace("/x", path) + "2;a=\"b\"\r\n{}\r\n0\r\n\r\n";
        assert_eq!(ask(gateway.addr, sound).status(), 200);
    }
}

#[test]
fn the_host_of_a_whole_url_counts() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    for (target, host) in [("http://host/x", "x"), ("http://h/x", "H"), ("http://h:8000/x", "h")] {
        assert_eq!(ask(gateway.addr, format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).status(), 200);
        assert_eq!(requests.recv().unwrap().first_line, "GET /x HTTP/1.1");
    }
}

fn limited(upstream: &Upstream, limits: Limits) -> toolgate::server::Running {
    let pools = vec![pool("default", vec![peer(upstream.address)])];
    gateway_of(toolgate::config::Config { limits, ..config(pools) })
}

#[test]
fn a_head_that_grows_or_takes_too_long_is_cut_while_it_comes() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = limited(&upstream, Limits { header_bytes_max: 2_000, ..Limits::default() });
    // None of them ever ends.
    for endless in [format!("GET /{}", "x".repeat(3_000)), format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(3_000))] {
        let answer = ask(gateway.addr, endless);
        assert_error(&answer, 431, "request_header_too_large");
    }
    let gateway = limited(&upstream, Limits { header_ms_max: 50, ..Limits::default() });
    for begun in ["G", "GET / HTTP/1.1\r\nHost: h\r\n"] {
        let mut client = Wire::connect(gateway.addr);
        client.send(begun);
        let answer = client.response();
        assert_error(&answer, 408, "request_timeout");
        client.expect_close();
    }
    // One that has not begun has time, and so has the next on a connection.
    let mut client = Wire::connect(gateway.addr);
    for _ in 0..3 {
        client.send(get("/x"));
        assert_eq!(client.response().status(), 200);
        assert_eq!(requests.recv().unwrap().first_line, "GET /x HTTP/1.1");
    }
    client.send("GET /");
    assert_error(&client.response(), 408, "request_timeout");
}

#[test]
fn a_connection_that_is_one_too_many_is_told_so() {
    let (upstream, _requests) = Upstream::answering(|_| ok("{}"));
    let gateway = limited(&upstream, Limits { connections_max: Some(1), ..Limits::default() });
    let mut first = Wire::connect(gateway.addr);
    first.send(get("/x"));
    assert_eq!(first.response().status(), 200);
    let answer = Wire::connect(gateway.addr).response();
    assert_error(&answer, 503, "too_many_connections");
    assert!(answer.field("retry-after").is_some());
    wait_until("it is counted", || refusals(gateway.admin_addr.unwrap(), "too_many_connections") >= 1.0);
    first.send(get("/x"));
    assert_eq!(first.response().status(), 200);
    drop(first);
    let once = || -> Option<Message> {
        let mut client = Wire::connect(gateway.addr);
        client.try_send(get("/x")).ok()?;
        Some(client.response())
    };
    wait_until("there is room again", || once().is_some_and(|answer| answer.status() == 200));
}
