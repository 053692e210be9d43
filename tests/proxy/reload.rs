//! Another configuration while requests run: none of them fails, and no place is lost.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};

use serde_json::Value;
use toolgate::config::{Alias, Balancing, Config, Name, Pool, Queue, View};
use toolgate::server::Running;

use crate::harness::{
    PATIENCE, Upstream, Wire, ask, assert_error, config, gateway_of, get, models, ok, peer, pool, post, wait_until,
};
use crate::members::Load;

const CHAT: &str = "/v1/chat/completions";

fn pools(gateway: &Running) -> Value {
    ask(gateway.admin_addr.unwrap(), get("/status")).json()["pools"].take()
}

fn servers(pool: &Value) -> Vec<String> {
    pool["peers"].as_array().unwrap().iter().map(|peer| peer["url"].as_str().unwrap().to_owned()).collect()
}

fn of(addresses: &[SocketAddr]) -> Config {
    let peers = addresses.iter().map(|address| toolgate::config::Peer { max_inflight: Some(2), ..peer(*address) });
    config(vec![pool("default", peers.collect())])
}

/// A box whose answers end when they are told to.
fn held() -> (Upstream, Receiver<()>, Sender<()>) {
    let (say, begun) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let (say, ended) = (Mutex::new(say), Mutex::new(ended));
    let upstream = Upstream::start(move |mut wire| {
        while wire.request().is_some() {
            say.lock().unwrap().send(()).unwrap();
            wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
            wire.chunk("begun, ");
            let _ = ended.lock().unwrap().recv_timeout(PATIENCE);
            wire.chunk("ended");
            wire.last_chunk();
        }
    });
    (upstream, begun, end)
}

#[test]
fn nothing_fails_while_the_configuration_changes() {
    let (slow, begun, end) = held();
    let boxes = [0, 1].map(|_| Upstream::answering(|_| ok("{}")));
    let [a, b] = [0, 1].map(|at| boxes[at].0.address);
    let gateway = gateway_of(of(&[slow.address]));
    let mut stream = Wire::connect(gateway.addr);
    stream.send(post(CHAT, "{}"));
    begun.recv_timeout(PATIENCE).unwrap();

    gateway.reload(of(&[a]));
    wait_until("the other server", || servers(&pools(&gateway)[0]).contains(&format!("http://{a}")));
    let load = Load::start(gateway.addr);
    let sets = [vec![a, b], vec![b], vec![a]];
    for n in 0..50 {
        let listed = &sets[n % 3];
        let mut config = of(listed);
        config.pools[0].balancing.policy = [Default::default(), toolgate::balance::Policy::RoundRobin][n % 2];
        gateway.reload(config);
        let expected: Vec<_> = listed.iter().map(|address| format!("http://{address}")).collect();
        wait_until("these servers", || servers(&pools(&gateway)[0]).starts_with(&expected));
    }
    load.end();
    // The one that began before all of this is where it was, and counted.
    let shown = pools(&gateway);
    let leaving = shown[0]["peers"].as_array().unwrap().iter().find(|peer| peer["leaving"] == true).unwrap();
    assert_eq!(leaving["url"], format!("http://{}", slow.address));
    assert_eq!(leaving["in_flight"], 1);
    end.send(()).unwrap();
    assert_eq!(stream.response().text(), "begun, ended");
    wait_until("all places back", || {
        let shown = pools(&gateway);
        servers(&shown[0]) == [format!("http://{b}")] && shown[0]["peers"][0]["in_flight"] == 0
    });
}

#[test]
fn who_waits_keeps_its_turn_and_gets_the_new_server() {
    let (full, begun, _end) = held();
    let (free, _seen) = Upstream::answering(|_| ok("served"));
    let mut first = of(&[full.address]);
    first.pools[0].peers[0].max_inflight = Some(1);
    let gateway = gateway_of(first.clone());
    let mut stream = Wire::connect(gateway.addr);
    stream.send(post(CHAT, "{}"));
    begun.recv_timeout(PATIENCE).unwrap();
    let mut waiting = Wire::connect(gateway.addr);
    waiting.send(post(CHAT, "{}"));
    wait_until("one waits", || pools(&gateway)[0]["queue"]["waiting"] == 1);
    // With no more than that, no place comes free.
    gateway.reload(first.clone());
    first.pools[0].peers.push(peer(free.address));
    gateway.reload(first);
    assert_eq!(waiting.response().text(), "served");
    let shown = pools(&gateway);
    assert_eq!((&shown[0]["peers"][0]["in_flight"], &shown[0]["queue"]["waiting"]), (&1.into(), &0.into()));
}

#[test]
fn pools_come_and_go() {
    let (full, begun, _end) = held();
    let (other, _seen) = Upstream::answering(|_| ok("other"));
    let named = |name: &str, address| Pool { models: models(&[name]), ..pool(name, vec![peer(address)]) };
    let mut gone = named("gone", full.address);
    gone.peers[0].max_inflight = Some(1);
    gone.balancing = Balancing { queue: Queue { timeout_ms: 500, ..Queue::default() }, ..gone.balancing };
    let gateway = gateway_of(config(vec![named("stays", other.address), gone.clone()]));
    let of_model = |model: &str| post(CHAT, &format!(r#"{{"model":"{model}"}}"#));
    let mut stream = Wire::connect(gateway.addr);
    stream.send(of_model("gone"));
    begun.recv_timeout(PATIENCE).unwrap();
    let mut waiting = Wire::connect(gateway.addr);
    waiting.send(of_model("gone"));
    wait_until("one waits", || pools(&gateway)[1]["queue"]["waiting"] == 1);
    gone.models = models(&["gone", "more"]);
    gateway.reload(config(vec![named("stays", other.address), gone]));
    wait_until("more models", || pools(&gateway)[1]["models"].as_array().unwrap().len() == 2);
    let each = toolgate::config::Peer { host: "localhost".to_owned(), ..peer(other.address) };
    let looked_up =
        Pool { peers: Vec::new(), names: vec![Name { each, refresh_ms: 60_000 }], ..named("new", other.address) };
    gateway.reload(config(vec![named("stays", other.address), looked_up]));
    wait_until("the new pool", || ask(gateway.addr, of_model("new")).status() == 200);
    let names: Vec<_> = pools(&gateway).as_array().unwrap().iter().map(|pool| pool["name"].clone()).collect();
    assert_eq!(names, ["stays", "new"]);
    assert_error(&ask(gateway.addr, of_model("gone")), 404, "model_not_found");
    // Its time goes on for whoever waits in a pool that is gone.
    assert_error(&waiting.response(), 503, "queue_timeout");
    assert_eq!(stream.head().unwrap().status(), 200);
    // When it comes back, what runs there still is counted.
    gateway.reload(config(vec![named("stays", other.address), named("gone", full.address)]));
    wait_until("the old pool", || pools(&gateway)[1]["name"] == "gone");
    assert_eq!(pools(&gateway)[1]["peers"][0]["in_flight"], 1);
}

#[test]
fn new_requests_are_held_to_the_new_settings() {
    let (server, seen) = Upstream::answering(|_| ok(r#"{"model":"real"}"#));
    let gateway = gateway_of(config(vec![pool("default", vec![peer(server.address)])]));
    assert_error(&ask(gateway.addr, get("/props")), 404, "unknown_url");
    let mut next = config(vec![pool("default", vec![peer(server.address)])]);
    next.view = View {
        aliases: vec![Alias { name: "alias".to_owned(), model: "real".to_owned() }],
        hidden: Vec::new(),
        ..View::default()
    };
    next.limits.request_body_bytes_max = 100;
    // Neither is looked at again.
    next.listen = vec!["127.0.0.1:1".to_owned()];
    gateway.reload(next);
    wait_until("the page is shown", || ask(gateway.addr, get("/props")).status() == 200);
    while seen.try_recv().is_ok() {}
    assert_eq!(ask(gateway.addr, post(CHAT, r#"{"model":"alias"}"#)).json()["model"], "alias");
    assert!(seen.recv_timeout(PATIENCE).unwrap().text().contains("real"));
    assert_error(&ask(gateway.addr, post(CHAT, &format!("\"{}\"", "x".repeat(200)))), 413, "request_too_large");
}
