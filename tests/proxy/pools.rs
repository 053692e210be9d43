//! Several pools: the body's model chooses, everything else goes to the first.

use crate::harness::{Upstream, ask, assert_error, config, gateway_of, get, models, ok, peer, pool, post};

#[test]
fn the_model_chooses_the_pool() {
    let servers: Vec<_> = ["first", "second", "any"].map(|name| Upstream::answering(move |_| ok(name)).0).into();
    let pools = servers.iter().zip([&["a-*", "shared"][..], &["b-*", "SHARED"], &[]]);
    let mut pools: Vec<_> = pools
        .enumerate()
        .map(|(n, (server, globs))| {
            let mut pool = pool(&n.to_string(), vec![peer(server.address)]);
            pool.models = models(globs);
            pool
        })
        .collect();
    let three = gateway_of(config(pools.clone()));
    let any = pools.pop().unwrap();
    let two = gateway_of(config(pools.clone()));
    // A pool that names the model goes before one that takes any, wherever it stands.
    pools.insert(0, any);
    let last = gateway_of(config(pools));
    for (model, expected) in [("a-1", "first"), ("b-1", "second"), ("c-1", "any")] {
        let request = post("/v1/chat/completions", &format!(r#"{{"model":"{model}"}}"#));
        assert_eq!(ask(last.addr, request).text(), expected, "{model}");
    }
    let table = [
        (post("/v1/chat/completions", r#"{"model":"b-1"}"#), "second"),
        (post("/chat/completions", r#"{"model":"B-1"}"#), "second"),
        (post("/v1/chat/completions", r#"{"model":"a-1"}"#), "first"),
        (post("/v1/embeddings", r#"{"model":"b-2"}"#), "second"),
        (post("/v1/embeddings", r#"{"model":"shared"}"#), "first"),
        (post("/embeddings", r#"{"model":"b-2"}"#), "first"),
        (post("/v1/embeddings", r#"{"no":"model"}"#), "first"),
        (post("/v1/chat/completions", "not JSON"), "first"),
        (get("/v1/files"), "first"),
        (get("/"), "first"),
    ];
    for (request, expected) in table {
        for gateway in [&three, &two] {
            assert_eq!(ask(gateway.addr, &request).text(), expected, "{request}");
        }
    }
    let unknown = post("/v1/chat/completions", r#"{"model":"c-1"}"#);
    assert_eq!(ask(three.addr, &unknown).text(), "any");
    let answer = ask(two.addr, &unknown);
    assert_error(&answer, 404, "model_not_found");
    let message = answer.json()["error"]["message"].to_string();
    assert!(["c-1", "a-*", "b-*"].iter().all(|name| message.contains(name)), "{message}");
}

#[test]
fn requests_spread_by_weight() {
    let servers = ["light", "heavy"].map(|name| {
        Upstream::start(move |mut wire| {
            wire.request();
            wire.send(format!("HTTP/1.1 200 OK\r\nX-Server: {name}\r\nTransfer-Encoding: chunked\r\n\r\n"));
            wire.expect_close();
        })
    });
    let mut peers: Vec<_> = servers.iter().map(|server| peer(server.address)).collect();
    peers[1].weight = 2;
    let gateway = gateway_of(config(vec![pool("default", peers)]));
    // All at once: each keeps its place until the end.
    let mut clients = Vec::new();
    let mut heavy = 0;
    for _ in 0..9 {
        let mut client = crate::harness::Wire::connect(gateway.addr);
        client.send(post("/v1/completions", "{}"));
        heavy += usize::from(client.head().unwrap().field("x-server") == Some("heavy"));
        clients.push(client);
    }
    assert_eq!(heavy, 6);
}
