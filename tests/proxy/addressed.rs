//! One server by its name: for whoever has the key, and never another server.

use toolgate::config::{Config, Secret};

use crate::harness::{
    PATIENCE, Upstream, ask, assert_error, config, dead_address, gateway_of, get, ok, peer, pool, post,
};

const KEY: &str = "0123456789abcdef";

fn opened(mut config: Config) -> Config {
    config.view.addressed = Some(Secret::new(KEY.to_owned()));
    config
}

fn with(key: &str, request: String) -> String {
    request.replacen("Host", &format!("Authorization: {key}\r\nHost"), 1)
}

fn keyed(request: String) -> String {
    with(&format!("Bearer {KEY}"), request)
}

#[test]
fn a_server_is_reached_by_its_name() {
    let (one, first_seen) = Upstream::answering(|_| ok("one"));
    let (two, seen) = Upstream::answering(|_| ok("two"));
    let mut peers = vec![peer(one.address), peer(two.address)];
    peers[1].name = "gpu-2".to_owned();
    peers[1].prefix = "/llm".to_owned();
    peers[1].api_key = Some(Secret::new("own".to_owned()));
    // Full or not: whoever asks for it has a reason.
    peers[1].max_inflight = Some(0);
    let gateway = gateway_of(opened(config(vec![pool("p", peers)])));
    for (target, expected) in [
        ("/upstream/gpu-2/slots/0?action=save", "/llm/slots/0?action=save"),
        ("/upstream/gpu%2d2/props", "/llm/props"),
        ("/upstream/gpu-2/", "/llm/"),
        ("/upstream/gpu-2", "/llm/"),
        ("/upstream/gpu-2?x", "/llm/?x"),
        ("http://gateway/upstream/gpu-2/a", "/llm/a"),
        ("/upstream/gpu-2/v1/chat/completions", "/llm/v1/chat/completions"),
    ] {
        for request in [keyed(get(target)), keyed(post(target, r#"{"tools":[]}"#))] {
            assert_eq!(ask(gateway.addr, &request).text(), "two", "{target}");
            let request = seen.recv_timeout(PATIENCE).unwrap();
            assert_eq!(request.first_line.split(' ').nth(1), Some(expected));
            assert_eq!(request.field("authorization"), Some("Bearer own"));
        }
    }
    let by_address = format!("/upstream/{}/slots", one.address);
    assert_eq!(ask(gateway.addr, keyed(get(&by_address))).text(), "one");
    assert_eq!(first_seen.recv_timeout(PATIENCE).unwrap().field("authorization"), None);
}

#[test]
fn without_the_key_nothing_is_reached() {
    let (server, seen) = Upstream::answering(|_| ok("reached"));
    let gateway = gateway_of(opened(config(vec![pool("p", vec![peer(server.address)])])));
    let target = format!("/upstream/{}/slots", server.address);
    let answer = ask(gateway.addr, get(&target));
    assert_error(&answer, 401, "invalid_api_key");
    assert_eq!(answer.field("www-authenticate"), Some("Bearer"));
    let longer = format!("Bearer {KEY}x");
    for key in ["", "Bearer ", "Bearer 0123456789abcdeX", "0123456789abcdef", "Bearer 0123456789abcde", &longer] {
        for target in [target.as_str(), "/upstream/nobody/slots"] {
            assert_error(&ask(gateway.addr, with(key, get(target))), 403, "invalid_api_key");
        }
    }
    let answer = ask(gateway.addr, keyed(get("/upstream/nobody/slots")));
    assert_error(&answer, 404, "unknown_peer");
    assert!(answer.text().contains(&server.address.to_string()));
    assert!(seen.try_recv().is_err());
}

#[test]
fn no_other_server_takes_the_request() {
    let (server, seen) = Upstream::answering(|_| ok("reached"));
    let mut peers = vec![peer(dead_address()), peer(server.address)];
    peers[0].name = "dead".to_owned();
    let gateway = gateway_of(opened(config(vec![pool("p", peers)])));
    assert_error(&ask(gateway.addr, keyed(get("/upstream/dead/slots"))), 502, "upstream_unreachable");
    assert!(seen.try_recv().is_err());
}

#[test]
fn without_a_configured_key_it_is_a_page_like_any_other() {
    let (server, seen) = Upstream::answering(|_| ok("reached"));
    let gateway = gateway_of(config(vec![pool("p", vec![peer(server.address)])]));
    assert_eq!(ask(gateway.addr, keyed(get("/upstream/x/y"))).text(), "reached");
    assert!(seen.recv_timeout(PATIENCE).unwrap().first_line.starts_with("GET /upstream/x/y "));
}
