//! What a client gets when a server fails, before its answer and within it.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};

use tokio::net::TcpSocket;
use toolgate::config::{Pool, Timeouts};

use crate::harness::{
    PATIENCE, Upstream, Wire, ask, assert_error, config, dead_address, gateway, gateway_of, get, ok, peer, pool, post,
};

/// Requests of every kind of connection: a shared one, one's own, and a body that was read.
fn requests() -> [String; 3] {
    [get("/v1/files"), post("/v1/embeddings", "{}"), post("/v1/chat/completions", "{}")]
}

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_server_that_refuses_is_a_502() {
    let gateway = gateway(dead_address());
    for request in requests() {
        assert_error(&ask(gateway.addr, request), 502, "upstream_unreachable");
    }
}

/// An address whose host is there and answers nothing: the queue of new connections is full.
fn silent_address() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _entered = runtime.enter();
    let listener = socket.listen(1).unwrap().into_std().unwrap();
    // One more than it says, on Linux. They stay open, as it stays full.
    let waiting: Vec<_> = (0..2).map(|_| TcpStream::connect(address).unwrap()).collect();
    std::mem::forget((listener, waiting));
    address
}

#[test]
fn a_connect_timeout_gives_up_a_silent_host() {
    let mut silent = pool("default", vec![peer(silent_address())]);
    silent.timeouts.connect_ms = 50;
    let alone = gateway_of(config(vec![silent.clone()]));
    let (other, _requests) = Upstream::answering(|_| ok("{}"));
    silent.peers.push(peer(other.address));
    for request in requests() {
        assert_error(&ask(alone.addr, &request), 504, "upstream_timeout");
        let both = gateway_of(config(vec![silent.clone()]));
        assert_eq!(ask(both.addr, &request).status(), 200);
    }
}

#[test]
fn a_server_that_closes_before_its_answer_is_a_502() {
    let upstream = Upstream::start(|mut wire| drop(wire.request()));
    let gateway = gateway(upstream.address);
    for request in requests() {
        assert_error(&ask(gateway.addr, request), 502, "upstream_error");
    }
}

#[test]
fn a_server_that_resets_before_its_answer_is_a_502() {
    // Closing with the request unread resets the connection.
    let upstream = Upstream::start(|wire| {
        let mut first = [0];
        std::io::Read::read_exact(&mut wire.tcp(), &mut first).unwrap();
    });
    let gateway = gateway(upstream.address);
    for request in requests() {
        assert_error(&ask(gateway.addr, request), 502, "upstream_error");
    }
}

#[test]
fn a_server_that_sends_garbage_is_a_502() {
    for garbage in
        ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 OK 200\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
    {
        let upstream = Upstream::start(move |mut wire| {
            wire.request();
            wire.send(garbage);
        });
        let gateway = gateway(upstream.address);
        for request in requests() {
            assert_error(&ask(gateway.addr, request), 502, "upstream_error");
        }
    }
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    for (begun, ends_an_event) in [
        (STREAM_HEAD.to_owned(), true),
        (format!("{STREAM_HEAD}9\r\ndata: 1\n\n\r\n"), true),
        (format!("{STREAM_HEAD}b\r\ndata: 1\r\n\r\n\r\n"), true),
        (format!("{STREAM_HEAD}8\r\ndata: 1\n\r\n"), false),
        (format!("{STREAM_HEAD}9\r\nda"), false),
        (STREAM_HEAD.replace("Transfer-Encoding: chunked", "Content-Length: 100") + "data: 1\n\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned(), false),
    ] {
        let upstream = Upstream::start(move |mut wire| {
            wire.request();
            wire.send(&begun);
        });
        let gateway = gateway(upstream.address);
        for request in requests() {
            let says_so = ends_an_event && request.contains("/chat/");
            let answer = ask(gateway.addr, request);
            assert_eq!((answer.status(), answer.is_complete), (200, says_so));
            assert_eq!(answer.text().contains("upstream_error"), says_so, "{}", answer.text());
        }
    }
}

#[test]
fn a_server_that_is_late_is_a_504() {
    let waits = [
        Timeouts { first_byte_ms: Some(50), idle_ms: None, ..Timeouts::default() },
        Timeouts { first_byte_ms: Some(50), idle_ms: Some(50), ..Timeouts::default() },
        Timeouts { total_ms: Some(50), ..Timeouts::default() },
    ];
    for timeouts in waits {
        let upstream = Upstream::start(|mut wire| {
            wire.request();
            wire.expect_close();
        });
        let mut pool = pool("default", vec![peer(upstream.address)]);
        pool.timeouts = timeouts;
        let gateway = gateway_of(config(vec![pool]));
        for request in requests() {
            assert_error(&ask(gateway.addr, request), 504, "upstream_timeout");
        }
    }
}

#[test]
fn a_stream_that_stalls_is_ended() {
    let waits = [
        Timeouts { idle_ms: Some(50), ..Timeouts::default() },
        Timeouts { idle_ms: None, total_ms: Some(100), ..Timeouts::default() },
        Timeouts { first_byte_ms: Some(60_000), idle_ms: Some(50), ..Timeouts::default() },
    ];
    for timeouts in waits {
        // A header and nothing more is a stall too.
        for events in ["data: 1\n\n", ""] {
            let chunk = if events.is_empty() { String::new() } else { format!("{:x}\r\n{events}\r\n", events.len()) };
            let upstream = Upstream::start(move |mut wire| {
                wire.request();
                // At once, so that it does not stall in between.
                wire.send(format!("{STREAM_HEAD}{chunk}"));
                wire.expect_close();
            });
            let pool = Pool { timeouts, ..pool("default", vec![peer(upstream.address)]) };
            for request in requests() {
                // A client of chat completions understands an error within the stream.
                let says_so = request.contains("/chat/");
                // On a busy machine a server may be late with its head, too, and is then asked again.
                let ask = || ask(gateway_of(config(vec![pool.clone()])).addr, &request);
                let answer = std::iter::repeat_with(ask).find(|answer| answer.status() != 504).unwrap();
                let text = answer.text();
                let error = text.strip_prefix(events).unwrap();
                assert_eq!((error.is_empty(), answer.is_complete), (!says_so, says_so), "{text}");
                assert!(!says_so || error.starts_with("data: {\"error\":{"), "{text}");
            }
        }
    }
}

#[test]
fn a_first_byte_that_may_be_late_is_waited_for() {
    let (answer, now) = mpsc::channel();
    let now = Mutex::new(now);
    let upstream = Upstream::start(move |mut wire| {
        wire.request();
        now.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        wire.send(ok("late"));
    });
    // A server that queues sends nothing at all; only its pauses are short.
    let mut pool = pool("default", vec![peer(upstream.address)]);
    pool.timeouts = Timeouts { idle_ms: Some(1), ..Timeouts::default() };
    let gateway = gateway_of(config(vec![pool]));
    let mut client = Wire::connect(gateway.addr);
    client.send(post("/v1/chat/completions", "{}"));
    // Meanwhile time passes, more than a pause may last.
    for _ in 0..50 {
        assert_eq!(ask(gateway.admin_addr.unwrap(), get("/health")).status(), 200);
    }
    answer.send(()).unwrap();
    assert_eq!(client.response().text(), "late");
}

#[test]
fn a_dead_server_s_requests_go_to_another_and_it_is_left_alone() {
    let (upstream, requests_seen) = Upstream::answering(|_| ok("{}"));
    let peers = vec![peer(dead_address()), peer(upstream.address), peer(dead_address())];
    let gateway = gateway_of(config(vec![pool("default", peers)]));
    let large = format!("\"{}\"", "x".repeat(200_000));
    for _ in 0..3 {
        for request in requests().into_iter().chain([post("/v1/chat/completions", &large), chunked(&large)]) {
            assert_eq!(ask(gateway.addr, request).status(), 200);
            assert!(requests_seen.recv_timeout(PATIENCE).unwrap().is_complete);
        }
    }
}

fn chunked(body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    )
}

#[test]
fn a_stale_connection_is_replaced_and_nothing_runs_twice() {
    // Answers once on each connection, then closes at the next request.
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let upstream = Upstream::start(move |mut wire| {
        counted.fetch_add(1, Ordering::SeqCst);
        if wire.request().is_some() {
            wire.send(ok("{}"));
            wire.request();
        }
    });
    let gateway = gateway(upstream.address);
    for n in 1..=3 {
        assert_eq!(ask(gateway.addr, get("/page")).status(), 200);
        assert_eq!(connections.load(Ordering::SeqCst), n);
    }
}

#[test]
fn after_one_stale_connection_no_other_is_trusted() {
    const IDLE: usize = 5;
    // All answer at once, so that as many connections are kept; each closes at its next request.
    let (together, connections) = (Barrier::new(IDLE), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&connections);
    let upstream = Upstream::start(move |mut wire| {
        let n = counted.fetch_add(1, Ordering::SeqCst);
        wire.request();
        if n < IDLE {
            together.wait();
        }
        wire.send(ok("{}"));
        wire.request();
    });
    let gateway = gateway(upstream.address);
    let mut clients: Vec<_> = (0..IDLE).map(|_| Wire::connect(gateway.addr)).collect();
    clients.iter_mut().for_each(|client| client.send(get("/")));
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status(), 200));
    assert_eq!(ask(gateway.addr, get("/")).status(), 200);
    assert_eq!(connections.load(Ordering::SeqCst), IDLE + 1);
}

#[test]
fn a_request_that_may_have_run_is_not_sent_again() {
    let (seen, count) = mpsc::channel();
    let seen = Mutex::new(seen);
    let upstream = Upstream::start(move |mut wire| {
        if wire.request().is_some_and(|request| !request.first_line.contains("/health")) {
            seen.lock().unwrap().send(()).unwrap();
        }
    });
    let mut peers = vec![peer(upstream.address), peer(upstream.address)];
    peers[1].url += "/";
    let gateway = gateway_of(config(vec![pool("default", peers)]));
    for request in requests().into_iter().skip(1) {
        assert_error(&ask(gateway.addr, request), 502, "upstream_error");
        assert_eq!(count.try_iter().count(), 1);
    }
    // A GET may, once at each server.
    assert_error(&ask(gateway.addr, get("/")), 502, "upstream_error");
    assert_eq!(count.try_iter().count(), 2);
}
