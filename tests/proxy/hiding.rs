//! The servers' own pages: out of clients' reach, unless the configuration shows them.

use toolgate::config::Peer;

use crate::harness::{Upstream, ask, assert_error, config, gateway_of, get, ok, peer, pool, post};

/// Pages, and the word that `expose` has for each.
const PAGES: [(&str, &str); 32] = [
    ("/running", "/running"),
    ("/unload", "/unload"),
    ("/logs/stream/proxy", "/logs"),
    ("/api/models/unload/m", "/api/models/unload"),
    ("/slots", "/slots"),
    ("/slots/0?action=save", "/slots"),
    ("/%73lots", "/slots"),
    ("//slots", "/slots"),
    ("/v1/../slots", "/slots"),
    ("/props", "/props"),
    ("/v1/props", "/props"),
    ("/metrics", "/metrics"),
    ("/lora-adapters", "/lora-adapters"),
    ("/models/load", "/models/load"),
    ("/models/unload", "/models/unload"),
    ("/models/sse", "/models/sse"),
    ("/models?reload=1", "/models"),
    ("/v1/models?reload=1", "/models"),
    ("/cors-proxy?url=http://127.0.0.1/", "/cors-proxy"),
    ("/predict", "/predict"),
    ("/tools", "/tools"),
    ("/tools/", "/tools"),
    ("/tools?x", "/tools"),
    ("/tools#/v1/models", "/tools"),
    ("/tools;x=1", "/tools"),
    ("/TOOLS", "/tools"),
    ("/%74ools", "/tools"),
    ("/%u0074ools", "/tools"),
    ("//tools", "/tools"),
    ("/.//tools/.", "/tools"),
    ("/v1/tools", "/tools"),
    ("/../tools", "/tools"),
];

#[test]
fn the_servers_own_pages_are_hidden_unless_exposed() {
    let (upstream, _requests) = Upstream::answering(|_| ok("seen"));
    let mut config = config(vec![pool("default", vec![peer(upstream.address)])]);
    let closed = gateway_of(config.clone());
    config.view.hidden.retain(|page| page.path != "/slots");
    let slots = gateway_of(config.clone());
    config.view.hidden.clear();
    let open = gateway_of(config);
    for (page, word) in PAGES {
        for request in [get(page), post(page, "{}")] {
            assert_error(&ask(closed.addr, &request), 404, "unknown_url");
            assert_eq!(ask(open.addr, &request).text(), "seen", "{page}");
            assert_eq!(ask(slots.addr, &request).text() == "seen", word == "/slots", "{page}");
        }
    }
    for page in ["/health", "/v1/models", "/models", "/slotsy", "/toolsets", "/v1/chat/tools", "/"] {
        assert_eq!(ask(closed.addr, get(page)).text(), "seen", "{page}");
    }
}

#[test]
fn models_may_be_read_and_not_changed() {
    let (upstream, _requests) = Upstream::answering(|_| ok("seen"));
    let gateway = gateway_of(config(vec![pool("default", vec![peer(upstream.address)])]));
    for target in ["/models", "/v1/models", "/models/m"] {
        for method in ["POST", "DELETE", "PUT"] {
            let request = post(target, "{}").replace("POST", method);
            assert_error(&ask(gateway.addr, &request), 404, "unknown_url");
        }
        assert_eq!(ask(gateway.addr, get(target)).text(), "seen", "{target}");
    }
}

#[test]
fn path_traversal_out_of_a_prefix_is_refused() {
    let (upstream, requests) = Upstream::answering(|_| ok("seen"));
    let below = |prefix: &str| {
        let peer = Peer { prefix: prefix.to_owned(), ..peer(upstream.address) };
        gateway_of(config(vec![pool("default", vec![peer])]))
    };
    let (root, folder) = (below(""), below("/llm"));
    for target in ["/../llm/tools", "/x/../../llm/tools", "/%2e%2e/llm/tools", "/..%2fllm/tools", "/../admin"] {
        assert_error(&ask(folder.addr, get(target)), 404, "unknown_url");
    }
    assert_error(&ask(folder.addr, get("/tools")), 404, "unknown_url");
    assert!(requests.try_iter().next().is_none());
    assert_eq!(ask(folder.addr, get("/x/../y")).text(), "seen");
    assert_eq!(ask(root.addr, get("/../y")).text(), "seen");
    let targets: Vec<_> = requests.try_iter().map(|request| request.first_line).collect();
    assert_eq!(targets, ["GET /llm/x/../y HTTP/1.1", "GET /../y HTTP/1.1"]);
}
