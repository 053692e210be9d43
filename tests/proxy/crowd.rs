//! More requests than there is room for: who gets a place, who waits, who is told to come again, and whom the spares
//! help.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};

use toolgate::config::Pool;

use crate::harness::{Message, PATIENCE, Upstream, Wire, assert_error, config, gateway_of, ok, peer, pool, post};

const CHAT: &str = "/v1/chat/completions";

/// A box of so many places, which keeps each request until it is told, and says which came.
fn box_of(places: u32, name: &'static str, pool: &mut Pool) -> (Upstream, Receiver<Message>, Sender<()>) {
    let (report, seen) = mpsc::channel();
    let (answer, now) = mpsc::channel::<()>();
    let (report, now) = (Mutex::new(report), Mutex::new(now));
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        report.lock().unwrap().send(request).unwrap();
        let _ = now.lock().unwrap().recv_timeout(PATIENCE);
        wire.send(ok(name));
    });
    let mut peer = peer(upstream.address);
    peer.max_inflight = Some(places);
    pool.peers.push(peer);
    (upstream, seen, answer)
}

fn send(address: SocketAddr) -> Wire {
    let mut client = Wire::connect(address);
    client.send(post(CHAT, "{}"));
    client
}

#[test]
fn the_places_and_the_queue_are_served_and_more_are_refused_at_once() {
    const PLACES: usize = 2;
    const QUEUE: usize = 5;
    const MORE: usize = 3;
    let mut pool = pool("default", Vec::new());
    pool.balancing.queue.max = QUEUE;
    let (_box, seen, answer) = box_of(2, "done", &mut pool);
    let gateway = gateway_of(config(vec![pool]));
    let address = gateway.addr;
    let (say, answers) = mpsc::channel();
    for _ in 0..PLACES + QUEUE + MORE {
        let say = say.clone();
        std::thread::spawn(move || say.send(send(address).response()));
    }
    // While nothing has been answered, and nothing will be.
    for _ in 0..MORE {
        assert_error(&answers.recv_timeout(PATIENCE).unwrap(), 429, "queue_full");
    }
    for _ in 0..PLACES {
        seen.recv_timeout(PATIENCE).unwrap();
    }
    assert!(seen.try_recv().is_err(), "more at the server than it has places");
    for _ in 0..PLACES + QUEUE {
        answer.send(()).unwrap();
        assert_eq!(answers.recv_timeout(PATIENCE).unwrap().text(), "done");
    }
    assert!(answers.try_recv().is_err());
}

#[test]
fn a_spare_helps_when_the_first_is_full_and_no_longer() {
    let mut pool = pool("default", Vec::new());
    let (_first, at_first, first_answers) = box_of(2, "first", &mut pool);
    let (_spare, at_spare, spare_answers) = box_of(2, "spare", &mut pool);
    pool.peers[1].priority = 1;
    let gateway = gateway_of(config(vec![pool]));
    let mut clients = Vec::new();
    for seen in [&at_first, &at_first, &at_spare] {
        clients.push(send(gateway.addr));
        seen.recv_timeout(PATIENCE).unwrap();
    }
    // The first has room again, and the spare has more of it.
    first_answers.send(()).unwrap();
    assert_eq!(clients.remove(0).response().text(), "first");
    let mut next = send(gateway.addr);
    at_first.recv_timeout(PATIENCE).unwrap();
    first_answers.send(()).unwrap();
    first_answers.send(()).unwrap();
    spare_answers.send(()).unwrap();
    let texts: Vec<_> = clients.iter_mut().map(|client| client.response().text()).collect();
    assert_eq!((texts, next.response().text().as_str()), (vec!["first".into(), "spare".into()], "first"));
}
