//! What belongs together goes to the same server, and whoever asks is told why it went there.

use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};

use toolgate::balance::Policy;
use toolgate::config::{Peer, Pool};

use crate::harness::{PATIENCE, Upstream, Wire, ask, config, gateway_of, get, ok, peer, pool, post};

const CHAT: &str = "/v1/chat/completions";

/// Two boxes that answer with their name.
fn boxes() -> ([Upstream; 2], Pool) {
    let boxes = ["a", "b"].map(|name| Upstream::answering(move |_| ok(name)).0);
    let pool = pool("default", boxes.iter().map(|server| peer(server.address)).collect());
    (boxes, pool)
}

fn with(request: &str, field: &str) -> String {
    request.replacen("Host", &format!("{field}\r\nHost"), 1)
}

#[test]
fn a_session_stays_where_it_is() {
    let (_boxes, mut pool) = boxes();
    pool.balancing.session_header = "X-Chat".into();
    let gateway = gateway_of(config(vec![pool]));
    let asked = |field: &str, path| ask(gateway.addr, with(&post(path, "{}"), field)).text();
    for session in ["X-Chat: 1", "X-Chat: 2", "X-Chat: 3"] {
        let home = asked(session, CHAT);
        for path in [CHAT, "/v1/completions", CHAT] {
            // By load alone they would take turns.
            assert_eq!(asked(session, path), home, "{session}");
        }
    }
    let mut others = [asked("X-Session-Id: 1", CHAT), asked("X-Session-Id: 1", CHAT)];
    others.sort_unstable();
    assert_eq!(others, ["a", "b"], "another header names no session");
}

#[test]
fn a_conversation_stays_where_its_prefix_is() {
    let (_boxes, mut pool) = boxes();
    pool.balancing.policy = Policy::Prefix;
    let gateway = gateway_of(config(vec![pool]));
    let mut homes = Vec::new();
    for user in 0..24 {
        let long = "You are a helpful assistant. ".repeat(100);
        let mut messages = format!(r#"{{"role":"user","content":"{user} {long}"}}"#);
        let mut went = Vec::new();
        for turn in 0..4 {
            went.push(ask(gateway.addr, post(CHAT, &format!(r#"{{"messages":[{messages}]}}"#))).text());
            messages += &format!(r#",{{"role":"assistant","content":"{turn}"}},{{"role":"user","content":"go on"}}"#);
        }
        assert!(went.iter().all(|home| *home == went[0]), "{went:?}");
        homes.push(went[0].clone());
    }
    homes.sort_unstable();
    homes.dedup();
    assert_eq!(homes, ["a", "b"], "all conversations in one place");
}

#[test]
fn the_explain_header_tells_why_a_server_was_chosen() {
    let (_boxes, pool) = boxes();
    let urls: Vec<_> = pool.peers.iter().map(|peer| peer.url.clone()).collect();
    let gateway = gateway_of(config(vec![pool]));
    let request = post(CHAT, "{}");
    let told = ask(gateway.addr, with(&request, "X-Toolgate-Explain: 1"));
    assert!(urls.iter().any(|url| told.field("x-toolgate-peer") == Some(url)));
    assert_eq!(told.field("x-toolgate-why"), Some("least-busy 0"));
    for quiet in [request.clone(), with(&request, "X-Toolgate-Explain: 0")] {
        let answer = ask(gateway.addr, quiet);
        assert_eq!((answer.field("x-toolgate-peer"), answer.field("x-toolgate-why")), (None, None));
    }
}

/// A box with one place, which answers with its name when it is told to.
fn slow_box(name: &'static str, seen: &Sender<&'static str>) -> (Upstream, Sender<()>) {
    let (answer, now) = mpsc::channel::<()>();
    let (seen, now) = (Mutex::new(seen.clone()), Mutex::new(now));
    let upstream = Upstream::start(move |mut wire| {
        while wire.request().is_some() {
            seen.lock().unwrap().send(name).unwrap();
            let _ = now.lock().unwrap().recv_timeout(PATIENCE);
            if wire.try_send(ok(name)).is_err() {
                return;
            }
        }
    });
    (upstream, answer)
}

#[test]
fn a_full_server_that_knows_the_prompt_is_waited_for_and_the_reason_is_told() {
    let (report, seen) = mpsc::channel();
    let boxes = ["a", "b"].map(|name| slow_box(name, &report));
    let peers = boxes.iter().map(|(upstream, _)| Peer { max_inflight: Some(1), ..peer(upstream.address) }).collect();
    let gateway = gateway_of(config(vec![pool("default", peers)]));
    // Some seconds to read, for all that is known.
    let long = "You are a helpful assistant. ".repeat(4_000);
    let request = post(CHAT, &format!(r#"{{"messages":[{{"role":"user","content":"{long}"}}]}}"#));
    let send = |request: &str| {
        let mut client = Wire::connect(gateway.addr);
        client.send(request);
        client
    };
    let mut first = send(&request);
    let home = seen.recv_timeout(PATIENCE).unwrap();
    let answer = &boxes[usize::from(home == "b")].1;
    answer.send(()).unwrap();
    assert_eq!(first.response().text(), home);

    let mut second = send(&request);
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), home);
    let mut third = send(&with(&request, "X-Toolgate-Explain: 1"));
    let admin = gateway.admin_addr.unwrap();
    while ask(admin, get("/status")).json()["pools"][0]["queue"]["waiting"] != 1 {}
    answer.send(()).unwrap();
    assert_eq!(second.response().text(), home);
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), home, "the other had room all the time");
    answer.send(()).unwrap();
    let told = third.response();
    let why = told.field("x-toolgate-why").unwrap();
    assert!(why.starts_with("waited ") && why.ends_with(" s for its prefix"), "{why}");
}
