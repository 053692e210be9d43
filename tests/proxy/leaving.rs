//! A client that leaves frees its server at once, in whatever phase it leaves.

use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

use toolgate::config::Queue;
use toolgate::server::Running;

use crate::harness::{PATIENCE, Upstream, Wire, ask, config, gateway_of, get, ok, peer, pool, post};

/// One server with one place: whoever comes next is served only when the one before has let go of it.
struct House {
    gateway: Running,
    _upstream: Upstream,
    /// Says when a request has been seen, and again when its connection was closed.
    seen: Receiver<&'static str>,
}

impl House {
    fn new(answer: impl Fn(&mut Wire) + Send + Sync + 'static) -> Self {
        Self::with_queue(Queue::default(), answer)
    }

    fn with_queue(queue: Queue, answer: impl Fn(&mut Wire) + Send + Sync + 'static) -> Self {
        let (say, seen) = mpsc::channel();
        let say = Mutex::new(say);
        let upstream = Upstream::start(move |mut wire| {
            let say = |what| say.lock().unwrap().send(what).unwrap();
            let Some(request) = wire.head() else { return };
            if request.first_line.starts_with("POST /free") {
                return wire.send(ok("free"));
            }
            say("seen");
            answer(&mut wire);
            wire.expect_close();
            say("closed");
        });
        let mut peer = peer(upstream.address);
        peer.max_inflight = Some(1);
        let mut pool = pool("default", vec![peer]);
        pool.balancing.queue = queue;
        Self { gateway: gateway_of(config(vec![pool])), _upstream: upstream, seen }
    }

    fn expect(&self, what: &str) {
        assert_eq!(self.seen.recv_timeout(PATIENCE), Ok(what));
    }

    /// The place is free again, and whoever waited for it gets it.
    fn expect_free(&self) {
        assert_eq!(ask(self.gateway.addr, post("/free", "")).text(), "free");
    }
}

const CHAT: &str = "/v1/chat/completions";

/// A server that is done with a request is free, though the client is not done with it yet.
#[test]
fn while_a_client_that_was_answered_still_uploads() {
    let whole = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    for (answer, status) in [("", 502), (whole, 413)] {
        // Nobody waits: the place is free at once, or it is not.
        let house = House::with_queue(Queue { max: 0, ..Queue::default() }, move |wire| {
            wire.send(answer);
            wire.tcp().shutdown(Shutdown::Both).unwrap();
        });
        let mut client = Wire::connect(house.gateway.addr);
        client.send("PUT /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nbegun");
        assert_eq!(client.response().status(), status);
        house.expect("seen");
        assert_eq!(ask(house.gateway.addr, post("/free", "")).status(), 200, "after {status}");
        client.send("the rest");
    }
}

#[test]
fn while_it_uploads() {
    let house = House::new(|_| {});
    let mut client = Wire::connect(house.gateway.addr);
    client.send("PUT /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nbegun");
    house.expect("seen");
    drop(client);
    house.expect("closed");
    house.expect_free();
}

#[test]
fn while_it_uploads_a_chat() {
    let house = House::new(|_| {});
    for framing in ["Content-Length: 1000000\r\n\r\n{\"a\"", "Transfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n"] {
        let mut client = Wire::connect(house.gateway.addr);
        client.send(format!("POST {CHAT} HTTP/1.1\r\nHost: h\r\n{framing}"));
        drop(client);
        house.expect_free();
    }
}

#[test]
fn before_the_first_byte() {
    for request in
        [get("/slow"), post("/slow", "{}"), post(CHAT, "{}"), post(CHAT, &format!("\"{}\"", "x".repeat(99_999)))]
    {
        let house = House::new(|_| {});
        let mut client = Wire::connect(house.gateway.addr);
        client.send(request);
        house.expect("seen");
        drop(client);
        house.expect("closed");
        house.expect_free();
    }
}

#[test]
fn in_mid_answer() {
    for head in [
        "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"half\":",
    ] {
        for request in [get("/x"), post(CHAT, "{}")] {
            let house = House::new(move |wire| wire.send(format!("HTTP/1.1 200 OK\r\n{head}")));
            let mut client = Wire::connect(house.gateway.addr);
            client.send(request);
            house.expect("seen");
            assert_eq!(client.head().unwrap().status(), 200);
            drop(client);
            house.expect("closed");
            house.expect_free();
        }
    }
}
