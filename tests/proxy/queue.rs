//! Requests wait while every place is taken: as many and as long as the pool says, and no longer than their clients.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use serde_json::json;
use toolgate::config::Queue;
use toolgate::server::Running;

use crate::access::{line_of, named};
use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, assert_error, config, gateway_of, get, ok, peer, pool, post,
};
use crate::prometheus::Page;

const CHAT: &str = "/v1/chat/completions";

/// One server with one place, which answers a request when it is told to.
struct House {
    gateway: Running,
    _upstream: Upstream,
    /// The requests, as they come.
    seen: Receiver<Message>,
    answer: Sender<()>,
}

impl House {
    fn new(queue: Queue) -> Self {
        let (report, seen) = mpsc::channel();
        let (answer, now) = mpsc::channel::<()>();
        let (report, now) = (Mutex::new(report), Mutex::new(now));
        let upstream = Upstream::start(move |mut wire| {
            while let Some(request) = wire.request() {
                if request.first_line.starts_with("POST") && !request.first_line.contains(" /tokenize ") {
                    report.lock().unwrap().send(request).unwrap();
                    let _ = now.lock().unwrap().recv_timeout(PATIENCE);
                }
                if wire.try_send(ok("done")).is_err() {
                    return;
                }
            }
        });
        let mut peer = peer(upstream.address);
        peer.max_inflight = Some(1);
        let mut pool = pool("default", vec![peer]);
        pool.balancing.queue = queue;
        Self { gateway: gateway_of(config(vec![pool])), _upstream: upstream, seen, answer }
    }

    /// A request that has the place.
    fn occupied(queue: Queue) -> (Self, Wire) {
        let house = Self::new(queue);
        let client = house.send(&post(CHAT, "{}"));
        house.seen.recv_timeout(PATIENCE).unwrap();
        (house, client)
    }

    fn send(&self, request: &str) -> Wire {
        let mut client = Wire::connect(self.gateway.addr);
        client.send(request);
        client
    }

    fn page(&self, path: &str) -> Message {
        ask(self.gateway.admin_addr.unwrap(), get(path))
    }

    /// Returns when so many wait.
    fn expect_waiting(&self, waiting: usize) {
        while self.page("/status").json()["pools"][0]["queue"]["waiting"] != waiting {}
    }
}

#[test]
fn queued_requests_are_served_in_order() {
    let (house, first) = House::occupied(Queue::default());
    let large = format!("\"{}\"", "x".repeat(200_000));
    let requests = [post(CHAT, "{}"), post(CHAT, &large), post("/v1/completions", &large), post("/x", "")];
    let mut clients = vec![first];
    clients.extend(requests.iter().map(|request| house.send(request)));
    for _ in &requests {
        assert!(house.seen.try_recv().is_err(), "two at a time");
        house.answer.send(()).unwrap();
        let request = house.seen.recv_timeout(PATIENCE).unwrap();
        assert!(request.is_complete, "{}", request.first_line);
    }
    house.answer.send(()).unwrap();
    for client in &mut clients {
        assert_eq!(client.response().text(), "done");
    }
}

#[test]
fn the_priority_header_orders_the_queue_and_passes_through() {
    let plain = |n: u32| post(CHAT, &n.to_string());
    let urgent = |n: u32, value: &str| plain(n).replace("Host", &format!("Priority: {value}\r\nHost"));
    let requests = [plain(0), urgent(1, "u=5"), urgent(2, "u=nonsense"), urgent(3, "u=0, i"), urgent(4, "u=1")];
    for (header, expected) in [(Some("Priority"), ["3", "4", "0", "2", "1"]), (None, ["0", "1", "2", "3", "4"])] {
        let queue = Queue { priority_header: header.map(str::to_owned), ..Queue::default() };
        let (house, mut first) = House::occupied(queue);
        let mut clients = Vec::new();
        for (before, request) in requests.iter().enumerate() {
            clients.push(house.send(request));
            house.expect_waiting(before + 1);
        }
        let page = Page::parse(&house.page("/metrics").text());
        let waiting = |priority: &str| page.sum("toolgate_queue_requests", &[("priority", priority)]);
        let counted = if header.is_some() { [1.0, 2.0].map(Some) } else { [None, Some(5.0)] };
        assert_eq!(([waiting("1"), waiting("3")], waiting("7")), (counted, header.map(|_| 0.0)));
        for body in expected {
            house.answer.send(()).unwrap();
            let request = house.seen.recv_timeout(PATIENCE).unwrap();
            assert_eq!(request.text(), body);
            let sent = ["u=5", "u=nonsense", "u=0, i", "u=1"].get(body.parse::<usize>().unwrap().wrapping_sub(1));
            assert_eq!(request.field("priority"), sent.copied());
        }
        house.answer.send(()).unwrap();
        clients.iter_mut().chain([&mut first]).for_each(|client| assert_eq!(client.response().status(), 200));
    }
}

#[test]
fn a_full_queue_says_when_to_come_again() {
    let (house, _first) = House::occupied(Queue { max: 0, ..Queue::default() });
    for request in [post(CHAT, "{}"), post("/v1/embeddings", "{}")] {
        let answer = ask(house.gateway.addr, request);
        assert_error(&answer, 429, "queue_full");
        assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
        assert!(answer.field("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    }
}

#[test]
fn a_full_queue_rejects_more_requests() {
    let (house, _first) = House::occupied(Queue { max: 1, ..Queue::default() });
    let address = house.gateway.addr;
    let (say, statuses) = mpsc::channel();
    let clients = [0, 1].map(|_| {
        let say = say.clone();
        std::thread::spawn(move || say.send(ask(address, post(CHAT, "{}")).status()).unwrap())
    });
    assert_eq!(statuses.recv_timeout(PATIENCE), Ok(429));
    house.answer.send(()).unwrap();
    house.answer.send(()).unwrap();
    assert_eq!(statuses.recv_timeout(PATIENCE), Ok(200));
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn a_wait_that_is_too_long_is_a_503() {
    let (house, _first) = House::occupied(Queue { timeout_ms: 20, ..Queue::default() });
    let answer = ask(house.gateway.addr, post(CHAT, "{}"));
    assert_error(&answer, 503, "queue_timeout");
    assert!(answer.field("retry-after").is_some());
}

#[test]
fn a_client_that_leaves_the_queue_frees_its_place_there() {
    let (house, mut first) = House::occupied(Queue { max: 1, ..Queue::default() });
    for (n, path) in [CHAT, "/v1/completions"].into_iter().enumerate() {
        let id = format!("leaves-the-queue-{n}");
        // With the second the queue is full, and stays so until it has gone.
        drop(house.send(&named(&id, post(path, "{\"a\":1}"))));
        let (_, line) = line_of(&id);
        assert_eq!((&line["outcome"], &line["peer"]), (&json!("client_left"), &json!(null)), "{line}");
    }
    let mut third = house.send(&named("waits-third", post(CHAT, "\"third\"")));
    house.expect_waiting(1);
    house.answer.send(()).unwrap();
    house.answer.send(()).unwrap();
    assert_eq!((first.response().status(), third.response().status()), (200, 200));
    assert_eq!(house.seen.recv_timeout(PATIENCE).unwrap().text(), "\"third\"");
    line_of("waits-third");
    let page = Page::parse(&house.page("/metrics").text());
    assert_eq!(page.sum("toolgate_cancellations_total", &[("phase", "queued")]), Some(2.0));
    assert_eq!(page.sum("toolgate_cancellations_total", &[]), Some(2.0));
    assert_eq!(page.sum("toolgate_queue_wait_seconds_count", &[("pool", "default"), ("priority", "3")]), Some(3.0));
    assert_eq!(page.sum("toolgate_queue_requests", &[]), Some(0.0));
}

/// It has waited its turn.
#[test]
fn who_is_sent_back_by_a_box_that_loads_goes_first() {
    let loading = "HTTP/1.1 503 Loading\r\nContent-Length: 0\r\n\r\n";
    let ((report, seen), (answer, now)) = (mpsc::channel(), mpsc::channel::<Vec<u8>>());
    let (report, now) = (Mutex::new(report), Mutex::new(now));
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        report.lock().unwrap().send(request.text()).unwrap();
        wire.send(now.lock().unwrap().recv_timeout(PATIENCE).unwrap());
    });
    let mut peer = peer(upstream.address);
    peer.max_inflight = Some(1);
    let gateway = gateway_of(config(vec![pool("default", vec![peer])]));
    let waiting = || ask(gateway.admin_addr.unwrap(), get("/status")).json()["pools"][0]["queue"]["waiting"].take();
    let mut clients = [0, 1, 2].map(|n| {
        let mut client = Wire::connect(gateway.addr);
        client.send(post(CHAT, &n.to_string()));
        if n == 0 {
            assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), "0");
        }
        while waiting() != n {}
        client
    });
    answer.send(loading.into()).unwrap();
    for expected in ["0", "1", "2"] {
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), expected);
        answer.send(ok("done")).unwrap();
    }
    clients.iter_mut().for_each(|client| assert_eq!(client.response().text(), "done"));
}

#[test]
fn requests_that_take_no_slot_skip_the_queue() {
    let (house, _first) = House::occupied(Queue { max: 0, ..Queue::default() });
    for request in [get("/v1/models"), post("/tokenize", r#"{"content":"a"}"#)] {
        assert_eq!(ask(house.gateway.addr, request).status(), 200);
    }
}

/// Two boxes of two slots each, which hold every request until they are told.
#[test]
fn every_slot_is_used_and_no_request_waits_at_a_server() {
    let (report, seen) = mpsc::channel();
    let report = Mutex::new(report);
    let (answer, now) = mpsc::channel::<()>();
    let now = Mutex::new(now);
    let asked = Arc::new(AtomicUsize::new(0));
    let script = {
        let asked = Arc::clone(&asked);
        Arc::new(move |mut wire: Wire| {
            let here = wire.tcp().local_addr().unwrap();
            let Some(request) = wire.request() else { return };
            match request.first_line.split(' ').nth(1).unwrap() {
                "/health" => wire.send(ok(r#"{"status":"ok"}"#)),
                "/props" => {
                    asked.fetch_add(1, Ordering::SeqCst);
                    wire.send(ok(r#"{"total_slots":2}"#));
                }
                CHAT => {
                    report.lock().unwrap().send(here).unwrap();
                    let _ = now.lock().unwrap().recv_timeout(PATIENCE);
                    wire.send(ok("done"));
                }
                other => panic!("{other}"),
            }
        })
    };
    let servers = [0, 1].map(|_| {
        let script = Arc::clone(&script);
        Upstream::start(move |wire| script(wire))
    });
    let mut pool = pool("default", servers.iter().map(|server| peer(server.address)).collect());
    pool.balancing.checks = toolgate::config::Checks::default();
    let gateway = gateway_of(config(vec![pool]));
    let mut clients: Vec<_> = (0..6).map(|_| Wire::connect(gateway.addr)).collect();
    for client in &mut clients {
        client.send(post(CHAT, "{}"));
    }
    let mut at: Vec<_> = (0..4).map(|_| seen.recv_timeout(PATIENCE).unwrap()).collect();
    at.sort_unstable();
    let mut expected = servers.each_ref().map(|server| [server.address; 2]).concat();
    expected.sort_unstable();
    assert_eq!(at, expected);
    assert!(seen.try_recv().is_err(), "a fifth request went to a server of two slots");
    for _ in &clients {
        answer.send(()).unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.response().text(), "done");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "each server is asked once, however many requests come");
}
