//! Servers that come and go while requests run: by their name's addresses, and by the file that lists them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use serde_json::Value;
use toolgate::config::{Balancing, Checks, Entries, Name, PeersFile, Pool};
use toolgate::server::Running;

use crate::access::hear;
use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, config, gateway_of, get, ok, peer, pool, post, wait_until,
};

const CHAT: &str = "/v1/chat/completions";

fn entries(addresses: &[SocketAddr]) -> Entries {
    Entries { peers: addresses.iter().map(|address| peer(*address)).collect(), names: Vec::new() }
}

/// A file of servers, in a folder of its own.
struct File(String);

impl File {
    fn new(name: &str, addresses: &[SocketAddr]) -> Self {
        let file = Self(format!("{}/members-{name}.yaml", env!("CARGO_TARGET_TMPDIR")));
        file.list(addresses);
        file
    }

    fn list(&self, addresses: &[SocketAddr]) {
        self.write(&addresses.iter().map(|address| format!("- http://{address}\n")).collect::<String>());
    }

    fn write(&self, text: &str) {
        std::fs::write(format!("{}.new", self.0), text).unwrap();
        std::fs::rename(format!("{}.new", self.0), &self.0).unwrap();
    }

    /// A pool of the servers that it lists.
    fn pool(&self, listed: &[SocketAddr]) -> Pool {
        Pool {
            peers_file: Some(PeersFile { path: self.0.clone(), entries: entries(listed) }),
            ..pool("default", Vec::new())
        }
    }
}

/// Clients that send one request after the other.
pub struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Message>>>,
}

impl Load {
    pub fn start(address: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let client = || {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                let mut failed = Vec::new();
                while !is_over.load(Ordering::SeqCst) {
                    let answer = ask(address, post(CHAT, r#"{"messages":[]}"#));
                    if answer.status() != 200 {
                        failed.push(answer);
                    }
                }
                failed
            })
        };
        Self { clients: (0..4).map(|_| client()).collect(), is_over }
    }

    /// Fails when a request did.
    pub fn end(self) {
        self.is_over.store(true, Ordering::SeqCst);
        let failed: Vec<Message> = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        assert!(failed.is_empty(), "{} failed, such as {}", failed.len(), failed[0].text());
    }
}

fn peers(gateway: &Running) -> Value {
    ask(gateway.admin_addr.unwrap(), get("/status")).json()["pools"][0]["peers"].take()
}

/// Waits until the status shows exactly these, nobody of them leaving.
fn wait_for(gateway: &Running, addresses: &[SocketAddr]) {
    let expected: Vec<_> = addresses.iter().map(|address| (format!("http://{address}"), false)).collect();
    let shown = || -> Vec<(String, bool)> {
        let peers = peers(gateway);
        let peers = peers.as_array().unwrap().iter();
        peers.map(|peer| (peer["url"].as_str().unwrap().to_owned(), peer["leaving"].as_bool().unwrap())).collect()
    };
    wait_until("these servers", || shown() == expected);
}

#[test]
fn a_file_lists_servers_and_may_change() {
    let boxes = [0, 1, 2].map(|_| Upstream::answering(|_| ok("{}")));
    let [a, b, c] = [0, 1, 2].map(|at| boxes[at].0.address);
    let file = File::new("load", &[a]);
    let gateway = gateway_of(config(vec![file.pool(&[a])]));
    let load = Load::start(gateway.addr);
    for listed in [&[a, b][..], &[b, c], &[c]] {
        file.list(listed);
        wait_for(&gateway, listed);
        for address in listed {
            let (_, requests) = boxes.iter().find(|(upstream, _)| upstream.address == *address).unwrap();
            while requests.try_recv().is_ok() {}
            requests.recv_timeout(PATIENCE).unwrap();
        }
    }
    load.end();
}

#[test]
fn a_file_with_a_mistake_changes_nothing() {
    let (server, _seen) = Upstream::answering(|_| ok("served"));
    let file = File::new("mistake", &[server.address]);
    let gateway = gateway_of(config(vec![file.pool(&[server.address])]));
    file.write("- http://h\n- {url: http://h, wait: 5}\n");
    hear(&format!("{}:2:19: unknown key `wait` in a peer", file.0));
    hear(&format!("{}:2:3: peer `http://h` twice in a pool", file.0));
    wait_for(&gateway, &[server.address]);
    std::fs::remove_file(&file.0).unwrap();
    hear(&format!("{}: No such file or directory", file.0));
    wait_for(&gateway, &[server.address]);
    assert_eq!(ask(gateway.addr, post(CHAT, "{}")).text(), "served");
}

#[test]
fn one_that_leaves_ends_with_its_last_request() {
    let streams = |name: &'static str| {
        move |mut wire: Wire| {
            if wire.request().is_some() {
                wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
                wire.chunk(format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{name}\"}}}}]}}\n\n"));
                // The client decides how long this takes.
                wire.expect_close();
            }
        }
    };
    let (first, second) = (Upstream::start(streams("first")), Upstream::start(streams("second")));
    let file = File::new("leaving", &[first.address]);
    let gateway = gateway_of(config(vec![file.pool(&[first.address])]));
    let begin = || {
        let mut client = Wire::connect(gateway.addr);
        client.send(post(CHAT, r#"{"stream":true}"#));
        client.head().unwrap();
        let begun = String::from_utf8(client.next_chunk().unwrap()).unwrap();
        (client, begun)
    };
    let (client, begun) = begin();
    assert!(begun.contains("first"), "{begun}");
    file.list(&[second.address]);
    let leaving = || peers(&gateway).as_array().unwrap().iter().any(|peer| peer["leaving"] == true);
    wait_until("one leaves", leaving);
    let shown = peers(&gateway);
    assert_eq!((&shown[1]["url"], &shown[1]["in_flight"]), (&format!("http://{}", first.address).into(), &1.into()));
    assert!(begin().1.contains("second"));
    drop(client);
    wait_until("it has left", || !leaving());
    assert_eq!(peers(&gateway).as_array().unwrap().len(), 1);
}

#[test]
fn a_name_leads_to_servers_that_are_told_the_name() {
    let (server, seen) = Upstream::answering(|_| ok("served"));
    let each = toolgate::config::Peer {
        name: format!("localhost:{}", server.address.port()),
        host: "localhost".to_owned(),
        authority: Some("llama.example".to_owned()),
        ..peer(server.address)
    };
    for checks in [Checks::Never, Checks::Every { ms: 60_000 }] {
        let pool = Pool {
            names: vec![Name { each: each.clone(), refresh_ms: 60_000 }],
            balancing: Balancing { checks, ..Balancing::default() },
            ..pool("default", Vec::new())
        };
        // The very first request waits until the name has been looked up.
        let gateway = gateway_of(config(vec![pool]));
        assert_eq!(ask(gateway.addr, post(CHAT, "{}")).text(), "served");
        let request = seen.iter().find(|request| request.first_line.starts_with("POST")).unwrap();
        assert_eq!(request.field("host"), Some("llama.example"));
        let shown = peers(&gateway);
        let is_there = |peer: &Value| peer["url"] == format!("http://{}", server.address);
        assert!(shown.as_array().unwrap().iter().any(is_there), "{shown}");
    }
}

#[test]
fn requests_wait_for_the_first_server() {
    let (server, _seen) = Upstream::answering(|_| ok("served"));
    let file = File::new("first", &[]);
    let gateway = gateway_of(config(vec![file.pool(&[])]));
    let mut client = Wire::connect(gateway.addr);
    client.send(post(CHAT, "{}"));
    file.list(&[server.address]);
    assert_eq!(client.response().text(), "served");
}

#[test]
fn a_server_that_comes_gets_no_more_than_its_slots() {
    let (say, begun) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let (say, ended) = (Mutex::new(say), Mutex::new(ended));
    // It says how many slots it has when it is asked, and not before.
    let server = Upstream::start(move |mut wire| {
        while let Some(request) = wire.request() {
            if request.first_line.starts_with("POST") {
                say.lock().unwrap().send(()).unwrap();
                let _ = ended.lock().unwrap().recv_timeout(PATIENCE);
            }
            if wire.try_send(ok(r#"{"total_slots":1}"#)).is_err() {
                return;
            }
        }
    });
    let file = File::new("slots", &[]);
    let balancing = Balancing { checks: Checks::Every { ms: 60_000 }, ..Balancing::default() };
    let gateway = gateway_of(config(vec![Pool { balancing, ..file.pool(&[]) }]));
    let mut clients: Vec<_> = (0..3).map(|_| Wire::connect(gateway.addr)).collect();
    clients.iter_mut().for_each(|client| client.send(post(CHAT, "{}")));
    let waiting = || ask(gateway.admin_addr.unwrap(), get("/status")).json()["pools"][0]["queue"]["waiting"].clone();
    wait_until("all wait", || waiting() == 3);
    file.list(&[server.address]);
    for left in [2, 1, 0] {
        begun.recv_timeout(PATIENCE).unwrap();
        assert_eq!(waiting(), left);
        end.send(()).unwrap();
    }
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status(), 200));
}
