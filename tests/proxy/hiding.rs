//! The servers' own pages: out of clients' reach, unless the configuration shows them.

use crate::harness::{Upstream, ask, assert_error, config, gateway_of, get, ok, peer, pool, post};

const PAGES: [&str; 10] = [
    "/slots",
    "/slots/0?action=save",
    "/%73lots",
    "//slots",
    "/v1/../slots",
    "/props",
    "/metrics",
    "/lora-adapters",
    "/models/load",
    "/models/unload",
];

#[test]
fn the_servers_own_pages_are_hidden_unless_exposed() {
    let (upstream, _requests) = Upstream::answering(|_| ok("seen"));
    let mut config = config(vec![pool("default", vec![peer(upstream.address)])]);
    let closed = gateway_of(config.clone());
    config.view.hidden.retain(|page| *page != "/slots");
    let slots = gateway_of(config.clone());
    config.view.hidden.clear();
    let open = gateway_of(config);
    for page in PAGES {
        for request in [get(page), post(page, "{}")] {
            assert_error(&ask(closed.addr, &request), 404, "unknown_url");
            assert_eq!(ask(open.addr, &request).text(), "seen", "{page}");
            let is_slots = page.contains("slots") || page.contains("%73");
            assert_eq!(ask(slots.addr, &request).text() == "seen", is_slots, "{page}");
        }
    }
    for page in ["/health", "/v1/models", "/models", "/slotsy", "/v1/props", "/"] {
        assert_eq!(ask(closed.addr, get(page)).text(), "seen", "{page}");
    }
}
