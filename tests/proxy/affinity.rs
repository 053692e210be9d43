//! What belongs together goes to the same server, and whoever asks is told why it went there.

use toolgate::balance::Policy;
use toolgate::config::Pool;

use crate::harness::{Upstream, ask, config, gateway_of, ok, peer, pool, post};

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
