//! Several boxes: who is alive, whom a request goes to next, and what the client notices of a box that fails.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use toolgate::config::{Checks, Pool, Secret};

use crate::harness::{
    PATIENCE, Upstream, Wire, ask, assert_error, config, dead_address, gateway_of, get, ok, peer, pool, post,
};

const CHAT: &str = "/v1/chat/completions";
const LOADING: &str = r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#;

fn answer(status: &str, fields: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

fn pool_of(addresses: &[SocketAddr]) -> Pool {
    pool("default", addresses.iter().map(|address| peer(*address)).collect())
}

fn checked(addresses: &[SocketAddr]) -> Pool {
    let mut pool = pool_of(addresses);
    pool.balancing.checks = Checks::Every { ms: 5 };
    pool
}

/// A box that answers `CHAT` with its name, and how often it was asked to.
fn box_named(name: &'static str) -> (Upstream, Arc<AtomicUsize>) {
    box_that(move |_| ok(name))
}

fn box_that(serve: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static) -> (Upstream, Arc<AtomicUsize>) {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let (upstream, _) = Upstream::answering(move |request| {
        if request.first_line.starts_with("POST") { serve(count.fetch_add(1, Ordering::SeqCst)) } else { ok("{}") }
    });
    (upstream, served)
}

#[test]
fn a_box_that_loads_holds_its_requests_until_it_serves() {
    let loads = Arc::new(AtomicBool::new(true));
    let (asked, was_asked) = mpsc::channel();
    let (still, asked) = (Arc::clone(&loads), Mutex::new(asked));
    let (upstream, _) = Upstream::answering(move |request| {
        let _ = asked.lock().unwrap().send(request.first_line.clone());
        if still.load(Ordering::SeqCst) { answer("503 Service Unavailable", "", LOADING) } else { ok("done") }
    });
    let gateway = gateway_of(config(vec![checked(&[upstream.address])]));
    let mut client = Wire::connect(gateway.addr);
    client.send(post(CHAT, "{}"));
    for _ in 0..3 {
        assert!(was_asked.recv_timeout(PATIENCE).unwrap().starts_with("GET /health"));
    }
    // What only asks is told the truth.
    assert_eq!(ask(gateway.addr, get("/v1/models")).status(), 503);
    loads.store(false, Ordering::SeqCst);
    assert_eq!(client.response().text(), "done");
}

#[test]
fn a_box_that_nobody_asks_is_tried_again_when_it_loads() {
    let (upstream, served) =
        box_that(|n| if n == 0 { answer("503 Service Unavailable", "", LOADING) } else { ok("done") });
    let gateway = gateway_of(config(vec![pool_of(&[upstream.address])]));
    let large = format!("\"{}\"", "x".repeat(200_000));
    assert_eq!(ask(gateway.addr, post(CHAT, &large)).text(), "done");
    assert_eq!(served.load(Ordering::SeqCst), 2);
}

#[test]
fn a_box_that_loads_too_long_is_believed() {
    let (upstream, _) = box_that(|_| answer("503 Service Unavailable", "", LOADING));
    let mut pool = pool_of(&[upstream.address]);
    pool.balancing.queue.max = 0;
    let gateway = gateway_of(config(vec![pool]));
    assert_eq!(ask(gateway.addr, post(CHAT, "{}")).text(), LOADING);
}

#[test]
fn a_box_that_loads_is_passed_over() {
    let (loading, asked) = box_that(|_| answer("503 Service Unavailable", "", LOADING));
    let (ready, served) = box_named("done");
    let gateway = gateway_of(config(vec![pool_of(&[loading.address, ready.address])]));
    for _ in 0..4 {
        assert_eq!(ask(gateway.addr, post(CHAT, "{}")).text(), "done");
    }
    assert_eq!((asked.load(Ordering::SeqCst), served.load(Ordering::SeqCst)), (1, 4));
}

#[test]
fn retry_after_of_a_server_is_honoured() {
    for (status, fields) in
        [("429 Too Many Requests", "Retry-After: 100\r\n"), ("503 Service Unavailable", "Retry-After: 100\r\n")]
    {
        let (busy, asked) = box_that(move |_| answer(status, fields, "{}"));
        let (ready, _) = box_named("done");
        let gateway = gateway_of(config(vec![pool_of(&[busy.address, ready.address])]));
        let large = format!("\"{}\"", "x".repeat(200_000));
        for body in ["{}", &large, "{}", "{}"] {
            assert_eq!(ask(gateway.addr, post(CHAT, body)).text(), "done");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        // With nobody else the client hears what it says.
        let gateway = gateway_of(config(vec![pool_of(&[busy.address])]));
        let heard = ask(gateway.addr, post(CHAT, "{}"));
        assert_eq!((heard.first_line.split_once(' ').unwrap().1, heard.field("retry-after")), (status, Some("100")));
    }
}

#[test]
fn a_box_that_fails_is_left_alone_and_what_clients_do_wrong_is_not_its_fault() {
    let (bad, served) = box_that(|_| answer("500 Internal Server Error", "", "{}"));
    let (good, _) = box_named("done");
    let gateway = gateway_of(config(vec![pool_of(&[bad.address, good.address])]));
    for _ in 0..30 {
        ask(gateway.addr, post(CHAT, "{}"));
    }
    assert_eq!(served.load(Ordering::SeqCst), 5);

    let (strict, served) = box_that(|_| answer("400 Bad Request", "", "{}"));
    let (other, others) = box_that(|_| answer("400 Bad Request", "", "{}"));
    let gateway = gateway_of(config(vec![pool_of(&[strict.address, other.address])]));
    for _ in 0..100 {
        assert_eq!(ask(gateway.addr, post(CHAT, "{}")).status(), 400);
    }
    assert_eq!((served.load(Ordering::SeqCst), others.load(Ordering::SeqCst)), (50, 50));
}

#[test]
fn a_spare_serves_only_when_nobody_else_can() {
    let (first, _) = box_named("first");
    let (spare, spared) = box_named("spare");
    let mut pool = pool_of(&[spare.address, first.address]);
    pool.peers[0].priority = 1;
    let gateway = gateway_of(config(vec![pool.clone()]));
    for _ in 0..4 {
        assert_eq!(ask(gateway.addr, post(CHAT, "{}")).text(), "first");
    }
    assert_eq!(spared.load(Ordering::SeqCst), 0);
    pool.peers[1] = peer(dead_address());
    let gateway = gateway_of(config(vec![pool]));
    assert_eq!(ask(gateway.addr, post(CHAT, "{}")).text(), "spare");
}

#[test]
fn a_receipt_says_who_and_why_and_how_the_others_stood() {
    let (held, was_asked) = mpsc::channel();
    let held = Mutex::new(held);
    let full = Upstream::start(move |mut wire| {
        wire.request();
        held.lock().unwrap().send(()).unwrap();
        wire.expect_close();
    });
    let (free, _) = box_named("free");
    let dead = dead_address();
    let mut pool = pool_of(&[full.address, dead, free.address]);
    for (priority, peer) in (0..).zip(&mut pool.peers) {
        (peer.priority, peer.max_inflight, peer.name) = (priority, Some(1), format!("box\n{priority}"));
    }
    let gateway = gateway_of(config(vec![pool]));
    let mut first = Wire::connect(gateway.addr);
    first.send(post(CHAT, "{}"));
    was_asked.recv_timeout(PATIENCE).unwrap();
    let receipt = |field: &str| {
        let request = post(CHAT, "{}").replace("Host", &format!("{field}: 1\r\nHost"));
        let answer = ask(gateway.addr, request);
        let told = ["peer", "why", "others"].map(|name| answer.field(&format!("x-toolgate-{name}")).map(str::to_owned));
        told.map(Option::unwrap_or_default)
    };
    let peer = format!("http://{}", free.address);
    assert_eq!(receipt("X-Toolgate-Explain"), [&peer, "failover 1", "box 0=full, box 1=open"]);
    assert_eq!(receipt("X-Explain"), [""; 3]);
}

/// A box that takes one request and dies of it: its connection breaks, and nobody listens there any more.
fn mortal() -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (say, died) = mpsc::channel();
    std::thread::spawn(move || {
        let mut wire = Wire::new(listener.accept().unwrap().0);
        drop(listener);
        wire.request();
        say.send(()).unwrap();
    });
    (address, died)
}

#[test]
fn what_had_not_begun_at_a_box_that_died_runs_elsewhere() {
    let (good, _) = box_named("done");
    let large = format!("\"{}\"", "x".repeat(200_000));
    for request in [post(CHAT, "{}"), post(CHAT, &large), post("/v1/completions", "{}"), get("/slow")] {
        let (address, died) = mortal();
        let gateway = gateway_of(config(vec![pool_of(&[address, good.address])]));
        let answer = ask(gateway.addr, &request);
        died.recv_timeout(PATIENCE).unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    // A body that went by was not kept.
    let (address, died) = mortal();
    let gateway = gateway_of(config(vec![pool_of(&[address, good.address])]));
    assert_error(&ask(gateway.addr, post("/v1/completions", &large)), 502, "upstream_error");
    died.recv_timeout(PATIENCE).unwrap();
}

/// What had gone up of a body goes up again, and then what the client sends on.
#[test]
fn a_failover_in_mid_upload_sends_the_whole_body() {
    let (began, begins) = mpsc::channel();
    let began = Mutex::new(began);
    let good = Upstream::start(move |mut wire| {
        let Some(head) = wire.head() else { return };
        let _ = began.lock().unwrap().send(());
        let length = head.field("content-length").unwrap().parse().unwrap();
        let received = wire.sink(length);
        wire.send(ok(&format!("{received} of {length}")));
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let dying = std::thread::spawn(move || {
        let mut wire = Wire::new(listener.accept().unwrap().0);
        drop(listener);
        wire.head().unwrap();
        wire.sink(20);
    });
    let gateway = gateway_of(config(vec![pool_of(&[address, good.address])]));
    let request = post("/v1/completions", &"x".repeat(50));
    let (first, rest) = request.split_at(request.len() - 30);
    let mut client = Wire::connect(gateway.addr);
    client.send(first);
    dying.join().unwrap();
    begins.recv_timeout(PATIENCE).unwrap();
    client.send(rest);
    assert_eq!(client.response().text(), "50 of 50");
}

/// A killed process closes its sockets one by one: the request's connection may go before the one that listens.
#[test]
fn a_server_that_dies_slowly_still_fails_over() {
    let (good, _) = box_named("done");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let dying = std::thread::spawn(move || {
        drop(Wire::new(listener.accept().unwrap().0).request());
        // It is asked whether it is still there, and goes.
        let asked = listener.accept().unwrap();
        drop(listener);
        drop(asked);
    });
    let gateway = gateway_of(config(vec![pool_of(&[address, good.address])]));
    assert_eq!(ask(gateway.addr, post(CHAT, "{}")).text(), "done");
    dying.join().unwrap();
}

#[test]
fn only_pages_that_wake_nobody_are_asked_for() {
    let (asked, pages) = mpsc::channel();
    let asked = Mutex::new(asked);
    let (sleeper, _) = Upstream::answering(move |request| {
        let _ = asked.lock().unwrap().send(request.first_line.clone());
        ok(r#"{"total_slots":1,"is_sleeping":true}"#)
    });
    let (awake, served) = box_that(|_| ok("awake"));
    let gateway = gateway_of(config(vec![checked(&[sleeper.address, awake.address])]));
    for _ in 0..6 {
        assert_eq!(ask(gateway.addr, post(CHAT, "{}")).text(), "awake");
    }
    assert_eq!(served.load(Ordering::SeqCst), 6);
    let pages: Vec<_> = (0..6).map(|_| pages.recv_timeout(PATIENCE).unwrap()).collect();
    let wakes_nobody = |page: &str| ["/health", "/metrics", "/props"].contains(&page.split(' ').nth(1).unwrap());
    assert!(pages.iter().all(|page| wakes_nobody(page)), "{pages:?}");
}

#[test]
fn a_box_with_a_key_is_asked_with_it_and_clients_need_none() {
    let (asked, was_asked) = mpsc::channel();
    let asked = Mutex::new(asked);
    let (upstream, _) = Upstream::answering(move |request| {
        let key = request.field("authorization").map(str::to_owned);
        let page = request.first_line.split(' ').nth(1).unwrap().to_owned();
        let is_known = page == "/health" || key.as_deref() == Some("Bearer of-the-box");
        let _ = asked.lock().unwrap().send((page, key));
        if is_known { ok(r#"{"total_slots":3}"#) } else { answer("401 Unauthorized", "", "{}") }
    });
    let mut pool = checked(&[upstream.address]);
    pool.peers[0].api_key = Some(Secret::new("of-the-box".into()));
    let gateway = gateway_of(config(vec![pool]));
    for field in ["", "Authorization: Bearer of-the-client\r\n"] {
        let request = post(CHAT, "{}").replacen("Host", &format!("{field}Host"), 1);
        assert_eq!(ask(gateway.addr, request).status(), 200);
    }
    let status = ask(gateway.admin_addr.unwrap(), get("/status")).json();
    assert_eq!(status["pools"][0]["peers"][0]["slots"], 3);
    assert!(was_asked.try_iter().all(|(_, key)| key.as_deref() == Some("Bearer of-the-box")));
}

/// A box in a process of its own, which can be killed.
struct Process(Child, SocketAddr);

impl Process {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_toolgate"))
            .args(["mock", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().parse().unwrap();
        Self(child, address)
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn killing_a_box_under_load_costs_no_request_that_had_not_begun() {
    let (mut first, second) = (Process::start(), Process::start());
    let mut pool = pool_of(&[first.1, second.1]);
    pool.balancing.checks = Checks::default();
    let gateway = gateway_of(config(vec![pool]));
    let address = gateway.addr;
    let body = r#"{"max_tokens":8,"messages":[{"role":"user","content":"hi, get_weather"}]}"#;
    let (say, answers) = mpsc::channel();
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let say = say.clone();
            std::thread::spawn(move || {
                for _ in 0..2 {
                    say.send(ask(address, post(CHAT, body))).unwrap();
                }
            })
        })
        .collect();
    drop(say);
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status(), 200, "answer {n}: {}", answer.text());
        if n == 4 {
            first.kill();
        }
    }
    for client in clients {
        client.join().unwrap();
    }
}
