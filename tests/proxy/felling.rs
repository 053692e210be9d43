//! Bodies that servers die of: how many they take with them, and what their clients are told when they try again.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use toolgate::config::Config;

use crate::access::line_of;
use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, assert_error, config, gateway_of, get, ok, peer, pool, post,
};

const CHAT: &str = "/v1/chat/completions";
const TOOLS: &str =
    r#"{"messages":[{"role":"user","content":"fatal"}],"tools":[{"type":"function","function":{"name":"weather"}}]}"#;
const STREAMED: &str = r#"{"messages":[{"role":"user","content":"fatal"}],"stream":true}"#;
const UNREAD: &str = r#"{"prompt":"fatal"}"#;
const HARMLESS: &str = r#"{"prompt":"harmless"}"#;

/// Boxes that die of what they are told to: nobody listens there any more. Whoever lives answers everything else.
struct Boxes {
    addresses: Vec<SocketAddr>,
    living: Arc<AtomicUsize>,
}

impl Boxes {
    fn new(count: usize, dies_of: impl Fn(&Message) -> bool + Send + Sync + 'static) -> Self {
        let (living, dies_of) = (Arc::new(AtomicUsize::new(count)), Arc::new(dies_of));
        let start = |_| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let (address, living) = (listener.local_addr().unwrap(), Arc::clone(&living));
            let dies_of = Arc::clone(&dies_of);
            std::thread::spawn(move || {
                loop {
                    let mut wire = Wire::new(listener.accept().unwrap().0);
                    let Some(request) = wire.request() else { continue };
                    if dies_of(&request) {
                        living.fetch_sub(1, Ordering::SeqCst);
                        drop(listener);
                        return;
                    }
                    let _ = wire.try_send(ok("{}"));
                }
            });
            address
        };
        Self { addresses: (0..count).map(start).collect(), living }
    }

    fn config(&self, name: &str) -> Config {
        config(vec![pool(name, self.addresses.iter().map(|address| peer(*address)).collect())])
    }

    fn living(&self) -> usize {
        self.living.load(Ordering::SeqCst)
    }
}

fn is_fatal(request: &Message) -> bool {
    request.text().contains("fatal")
}

fn chunked(path: &str, body: &str) -> String {
    let head = "Host: gateway\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    format!("POST {path} HTTP/1.1\r\n{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[test]
fn a_body_crashes_two_servers_at_most_however_often_it_is_sent() {
    let large = UNREAD.replace("fatal", &format!("fatal{}", "x".repeat(200_000)));
    for request in [
        post(CHAT, TOOLS),
        post(CHAT, STREAMED),
        post("/v1/completions", UNREAD),
        chunked("/v1/completions", UNREAD),
        chunked(CHAT, STREAMED),
    ] {
        let boxes = Boxes::new(4, is_fatal);
        let gateway = gateway_of(boxes.config("default"));
        for _ in 0..3 {
            let answer = ask(gateway.addr, &request);
            assert_error(&answer, 502, "request_fells_servers");
            assert_eq!(answer.field("x-should-retry"), Some("false"));
            assert_eq!(boxes.living(), 2, "{request}");
        }
        assert_eq!(ask(gateway.addr, post("/v1/completions", HARMLESS)).status(), 200);
    }
    // What could not be sent again is known all the same.
    let boxes = Boxes::new(4, is_fatal);
    let gateway = gateway_of(boxes.config("default"));
    let codes = [(); 4].map(|()| ask(gateway.addr, post("/v1/completions", &large)).json()["error"]["code"].clone());
    assert_eq!(codes, ["upstream_error", "request_fells_servers", "request_fells_servers", "request_fells_servers"]);
    assert_eq!(boxes.living(), 2);
}

#[test]
fn the_quarantine_spans_pools_and_reloads() {
    let (first, second) = (Boxes::new(3, is_fatal), Boxes::new(3, is_fatal));
    let gateway = gateway_of(first.config("first"));
    assert_error(&ask(gateway.addr, post(CHAT, STREAMED)), 502, "request_fells_servers");
    gateway.reload(second.config("second"));
    let answers_now = || line_of(ask(gateway.addr, post("/x", HARMLESS)).field("x-request-id").unwrap()).1;
    while answers_now()["pool"] != "second" {}
    let answer = ask(gateway.addr, post(CHAT, STREAMED));
    assert_error(&answer, 502, "request_fells_servers");
    assert_eq!((first.living(), second.living()), (1, 3));
    let (_, line) = line_of(answer.field("x-request-id").unwrap());
    assert_eq!((&line["outcome"], &line["error"]), (&"refused".into(), &"request_fells_servers".into()));
}

#[test]
fn a_body_that_is_answered_was_not_what_boxes_died_of() {
    // Every other request finds its box killed by somebody else.
    let asked = AtomicUsize::new(0);
    let boxes = Boxes::new(4, move |_| asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(2));
    let gateway = gateway_of(boxes.config("default"));
    for living in [3, 2, 1] {
        assert_eq!(ask(gateway.addr, post("/v1/completions", HARMLESS)).status(), 200);
        assert_eq!(boxes.living(), living);
    }
}

#[test]
fn a_get_that_crashes_servers_is_stopped_too() {
    let boxes = Boxes::new(4, |request| request.first_line.contains("/fatal"));
    let gateway = gateway_of(boxes.config("default"));
    assert_eq!(ask(gateway.addr, get("/fatal")).status(), 502);
    assert_eq!(boxes.living(), 2);
}

/// A box that says what it is asked, and waits for a word before each answer. Without one it closes the connection.
fn waiting_box() -> (Upstream, Receiver<String>, Sender<()>) {
    let ((say, asked), (go, gone)) = (mpsc::channel(), mpsc::channel());
    let (say, gone) = (Mutex::new(say), Mutex::new(gone));
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        let _ = say.lock().unwrap().send(request.text());
        if gone.lock().unwrap().recv().is_ok() {
            wire.send(ok("{}"));
        }
    });
    (upstream, asked, go)
}

#[test]
fn suspected_requests_are_retried_one_at_a_time() {
    let (first, at_first, stay) = waiting_box();
    let (second, at_second, go) = waiting_box();
    let mut peers = [first.address, second.address].map(peer);
    peers[1].priority = 1;
    let gateway = gateway_of(config(vec![pool("default", peers.to_vec())]));
    let [mut one, mut other] = ["one", "other"].map(|word| {
        let mut client = Wire::connect(gateway.addr);
        client.send(post("/v1/completions", &format!("{{\"prompt\":\"{word}\"}}")));
        at_first.recv_timeout(PATIENCE).unwrap();
        client
    });
    // It dies with both.
    drop(first);
    drop(stay);
    at_second.recv_timeout(PATIENCE).unwrap();
    for _ in 0..50 {
        assert_eq!(ask(gateway.admin_addr.unwrap(), get("/health")).status(), 200);
    }
    assert!(at_second.try_recv().is_err(), "both are there");
    go.send(()).unwrap();
    at_second.recv_timeout(PATIENCE).unwrap();
    go.send(()).unwrap();
    assert_eq!((one.response().status(), other.response().status()), (200, 200));
}
