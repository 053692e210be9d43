//! The list of models: of one server as it answers, of several merged.

use std::sync::mpsc::Receiver;

use serde_json::{Value, json};
use toolgate::config::{Alias, Checks, Config, ModelsList, Pool};

use crate::harness::{
    Message, Upstream, ask, assert_error, config, dead_address, gateway_of, get, models, ok, peer, pool,
};

/// A server that lists these entries, and its requests.
fn listing(entries: &'static str) -> (Upstream, Receiver<Message>) {
    Upstream::answering(move |request| match request.first_line.split(' ').nth(1) {
        Some("/v1/models") => ok(&format!(r#"{{ "object":"list", "data":[{entries}] }}"#)),
        _ => ok("something else"),
    })
}

fn pool_of(name: &str, globs: &[&str], servers: &[&Upstream]) -> Pool {
    let mut pool = pool(name, servers.iter().map(|server| peer(server.address)).collect());
    pool.models = models(globs);
    pool
}

fn alias(mut config: Config, name: &str, model: &str) -> Config {
    config.view.aliases.push(Alias { name: name.to_owned(), model: model.to_owned() });
    config
}

fn ids(answer: &Message) -> Vec<String> {
    let list = answer.json();
    assert_eq!((answer.status(), &list["object"], answer.is_complete), (200, &json!("list"), true));
    list["data"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn one_server_s_list_is_its_own() {
    let (server, _requests) = listing(r#"{"id":"a"}"#);
    let gateway = gateway_of(config(vec![pool_of("p", &[], &[&server])]));
    assert_eq!(ask(gateway.addr, get("/v1/models")).text(), r#"{ "object":"list", "data":[{"id":"a"}] }"#);
    assert_eq!(ask(gateway.addr, get("/v1/models/a")).text(), "something else");
}

#[test]
fn several_servers_make_one_list() {
    let (one, _seen) = listing(r#"{"id":"a","meta":{"n_ctx":4096.0}},{"id":"org/b"}"#);
    let (two, _seen) = listing(r#"{"id":"org/b"},{"id":"elsewhere"}"#);
    let (three, _seen) = listing(r#"{"id":"file.gguf","x":1}"#);
    let (broken, _seen) = Upstream::answering(|_| ok("no list"));
    let mut big = pool_of("big", &["a", "org/*"], &[&one, &two, &broken]);
    big.peers.push(peer(dead_address()));
    big.peers[1].name = "gpu-2".to_owned();
    let small = pool_of("small", &["Named"], &[&three]);
    let gateway = gateway_of(alias(config(vec![big, small]), "gpt-4o", "named"));
    for path in ["/v1/models", "/models", "/v1/models/?x=1", "//v1/models"] {
        assert_eq!(ids(&ask(gateway.addr, get(path))), ["a", "org/b", "Named", "gpt-4o"], "{path}");
    }

    let answer = ask(gateway.addr, get("/v1/models/a"));
    let about = |entry: &Value, key: &str| entry["toolgate"][key].clone();
    assert!(answer.text().starts_with(r#"{"id":"a","meta":{"n_ctx":4096.0},"toolgate":{"#), "{}", answer.text());
    let entry = answer.json();
    assert_eq!((about(&entry, "pool"), about(&entry, "dialect")), (json!("big"), json!("hermes")));
    assert_eq!((about(&entry, "engine"), about(&entry, "tools")), (json!("llama.cpp"), json!("inject")));
    assert_eq!(about(&entry, "peers"), json!([one.address.to_string()]));
    for path in ["/v1/models/org/b", "/v1/models/org%2Fb", "/v1/models/ORG/B"] {
        let entry = ask(gateway.addr, get(path)).json();
        assert_eq!(
            (&entry["id"], about(&entry, "peers")),
            (&json!("org/b"), json!([one.address.to_string(), "gpu-2"]))
        );
    }
    let entry = ask(gateway.addr, get("/v1/models/gpt-4o")).json();
    assert_eq!((&entry["id"], about(&entry, "alias_of"), &entry["x"]), (&json!("gpt-4o"), json!("Named"), &json!(1)));

    let answer = ask(gateway.addr, get("/v1/models/elsewhere"));
    assert_error(&answer, 404, "model_not_found");
    assert!(answer.text().contains("org/b"), "{}", answer.text());
}

#[test]
fn an_alias_makes_one_server_s_list_too() {
    let (server, _requests) = listing(r#"{"id":"a"}"#);
    let gateway = gateway_of(alias(config(vec![pool_of("p", &[], &[&server])]), "b", "a"));
    assert_eq!(ids(&ask(gateway.addr, get("/v1/models"))), ["a", "b"]);
}

#[test]
fn a_list_is_asked_for_once_and_for_each_key() {
    let (one, seen) = listing(r#"{"id":"a"}"#);
    let (two, other) = listing(r#"{"id":"b"}"#);
    let mut pool = pool_of("p", &[], &[&one, &two]);
    pool.peers[1].api_key = Some(toolgate::config::Secret::new("own".to_owned()));
    let gateway = gateway_of(config(vec![pool]));
    let with = |key: &str| get("/v1/models").replace("Host", &format!("Authorization: Bearer {key}\r\nHost"));
    for request in [get("/v1/models"), get("/v1/models"), with("k"), with("k")] {
        assert_eq!(ids(&ask(gateway.addr, request)), ["a", "b"]);
    }
    let keys = |seen: &Receiver<Message>| -> Vec<_> {
        seen.try_iter().map(|request| request.field("authorization").unwrap_or("none").to_owned()).collect()
    };
    assert_eq!(
        (keys(&seen), keys(&other)),
        (vec!["none".to_owned(), "Bearer k".to_owned()], vec!["Bearer own".to_owned(); 2])
    );
}

#[test]
fn without_any_server_there_is_no_list() {
    let peers = vec![peer(dead_address()), peer(dead_address())];
    let gateway = gateway_of(config(vec![pool("p", peers)]));
    assert_error(&ask(gateway.addr, get("/v1/models")), 502, "upstream_unreachable");
}

#[test]
fn the_list_passes_where_it_shall() {
    let (one, _seen) = listing(r#"{"id":"a"}"#);
    let (two, _seen) = listing(r#"{"id":"b"}"#);
    let mut config = config(vec![pool_of("p", &["a"], &[&one]), pool_of("q", &["b"], &[&two])]);
    config.view.models_list = ModelsList::Pass;
    let gateway = gateway_of(config);
    assert_eq!(ask(gateway.addr, get("/v1/models")).text(), r#"{ "object":"list", "data":[{"id":"a"}] }"#);
}

/// An entry as a router shows it, and what of it is for clients.
const ROUTERS: (&str, &str) = (
    r#"{"id":"a","path":"/srv/a.gguf","status":{"value":"loaded","args":["llama-server","-m","/srv/a.gguf"],"preset":"[a]"},"meta":{"n_ctx":4096.0}}"#,
    r#"{"id":"a","status":{"value":"loaded"},"meta":{"n_ctx":4096.0}"#,
);

#[test]
fn no_client_sees_command_lines_and_places_of_the_machines() {
    let (whole, shown) = ROUTERS;
    let (one, seen) = Upstream::answering(move |request| {
        let is_one = request.first_line.contains("/models/");
        let body = if is_one { whole.to_owned() } else { format!(r#"{{ "object":"list", "data":[{whole}] }}"#) };
        let range = if request.field("range").is_some() { "206 Partial Content" } else { "200 OK" };
        let head = format!("HTTP/1.1 {range}\r\nContent-Type: application/json; charset=utf-8\r\n");
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    });
    let (two, _seen) = listing(whole);
    let single = config(vec![pool_of("p", &[], &[&one])]);
    let several = config(vec![pool_of("p", &[], &[&one, &two])]);
    let mut passing = several.clone();
    passing.view.models_list = ModelsList::Pass;
    passing.pools[0].peers.truncate(1);
    for config in [single.clone(), alias(single, "b", "a"), several, passing] {
        let gateway = gateway_of(config);
        for target in ["/v1/models", "/models", "/v1/models/a", "/models?x=1", "//v1//models"] {
            let request = get(target).replace("Host", "Range: bytes=0-\r\nAccept-Encoding: gzip\r\nHost");
            let answer = ask(gateway.addr, request);
            assert!(answer.text().contains(shown) && answer.is_complete, "{target}: {}", answer.text());
            assert!(!answer.text().contains("srv") && !answer.text().contains("preset"), "{target}: {}", answer.text());
        }
    }
    assert!(seen.try_iter().all(|request| request.field("range").is_none()));
}

#[test]
fn a_server_that_is_known_not_to_answer_is_not_waited_for() {
    let (one, _seen) = listing(r#"{"id":"a"}"#);
    let (failed, seen) = Upstream::answering(|_| b"HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n".to_vec());
    let mut pool = pool_of("p", &[], &[&one, &failed]);
    pool.balancing.checks = Checks::Every { ms: 60_000 };
    let gateway = gateway_of(config(vec![pool]));
    let state = || ask(gateway.admin_addr.unwrap(), get("/status")).json()["pools"][0]["peers"][1]["state"].take();
    while state() != "failed" {}
    assert_eq!(ids(&ask(gateway.addr, get("/v1/models"))), ["a"]);
    assert!(seen.try_iter().all(|request| request.first_line.contains(" /health ")));
}
