//! `engine: auto`: the servers are asked what they are before anything is served, and again until one has said it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use toolgate::config::{Config, EngineChoice, Peer, Pool};
use toolgate::engine::Engine;
use toolgate::mock::{Mock, Script};
use toolgate::server::Running;
use toolgate::upstream::{Search, find_engine};

use crate::harness::{
    Message, PATIENCE, Upstream, ask, config, dead_address, gateway_of, get, models, ok, peer, pool, post, wait_until,
};
use crate::lifecycle::starting;

const CHAT: &str = "/v1/chat/completions";
const OFFER: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#;

/// What a server has at some of its pages; a text that is no JSON is a text. Any other is a 404.
type Pages = &'static [(&'static str, u16, &'static str)];

fn server(pages: Pages) -> (Upstream, Arc<AtomicUsize>) {
    server_at("127.0.0.1:0".parse().unwrap(), pages)
}

/// A server with these pages, and how often it was asked for its models.
fn server_at(address: SocketAddr, pages: Pages) -> (Upstream, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let (upstream, _) = Upstream::answering_at(address, move |request: &Message| {
        let target = request.first_line.split(' ').nth(1).unwrap();
        if target == "/v1/models" {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        let page = pages.iter().find(|(path, ..)| *path == target);
        let (_, status, body) = page.unwrap_or(&("", 404, "404 page not found"));
        format!("HTTP/1.1 {status} S\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    });
    (upstream, asked)
}

fn auto(name: &str, peers: Vec<Peer>) -> Pool {
    Pool { engine_choice: EngineChoice::Auto, ..pool(name, peers) }
}

fn in_front_of(addresses: &[SocketAddr]) -> Config {
    config(vec![auto("default", addresses.iter().map(|address| peer(*address)).collect())])
}

fn engines(gateway: &Running) -> Vec<Value> {
    let status = ask(gateway.admin_addr.unwrap(), get("/status")).json();
    status["pools"].as_array().unwrap().iter().map(|pool| pool["engine"].clone()).collect()
}

const LIST: &str = "/v1/models";
const VLLM: Pages = &[(LIST, 200, r#"{"data":[{"id":"m","owned_by":"vllm"}]}"#)];
const SGLANG: Pages = &[(LIST, 200, r#"{"data":[{"id":"m","owned_by":"sglang"}]}"#)];
const NOBODY: Pages = &[(LIST, 200, r#"{"data":[{"id":"m","owned_by":"somebody"}]}"#)];

/// Servers, and what each is found to be.
const SERVERS: [(&str, Pages, &str); 17] = [
    ("vLLM", VLLM, "vllm"),
    ("vLLM whose list wants a key", &[(LIST, 401, "{}"), ("/version", 200, r#"{"version":"0.11"}"#)], "vllm"),
    ("SGLang", SGLANG, "sglang"),
    ("SGLang whose list fails", &[(LIST, 500, ""), ("/get_server_info", 200, r#"{"version":"0.5"}"#)], "sglang"),
    (
        "llama.cpp whose properties want a key",
        &[(LIST, 200, r#"{"data":[{"id":"m","owned_by":"llamacpp"}]}"#), ("/props", 401, "{}")],
        "llama.cpp",
    ),
    (
        "a router without models",
        &[(LIST, 200, r#"{"data":[]}"#), ("/props", 200, r#"{"build_info":"b1"}"#)],
        "llama.cpp",
    ),
    (
        "Ollama",
        &[
            (LIST, 200, r#"{"data":[{"id":"a","owned_by":"library"},{"id":"u/b","owned_by":"u"}]}"#),
            ("/api/version", 200, r#"{"version":"0.30.0"}"#),
            ("/", 200, "Ollama is running"),
        ],
        "ollama",
    ),
    (
        "Ollama without models",
        &[
            (LIST, 200, r#"{"object":"list","data":null}"#),
            ("/api/version", 200, r#"{"version":"0.30.0"}"#),
            ("/", 200, "Ollama is running"),
        ],
        "ollama",
    ),
    (
        "LocalAI",
        &[
            (LIST, 200, r#"{"data":[{"id":"m","object":"model"}]}"#),
            ("/version", 200, r#"{"version":"v4.0.0"}"#),
            ("/api/version", 200, r#"{"version":"0.9.0"}"#),
            ("/", 200, "Ollama is running"),
        ],
        "openai",
    ),
    (
        "LocalAI without models",
        &[
            (LIST, 200, r#"{"data":[]}"#),
            ("/version", 200, r#"{"version":"v4.0.0"}"#),
            ("/api/version", 200, r#"{"version":"0.9.0"}"#),
            ("/", 200, "<html>"),
        ],
        "openai",
    ),
    (
        "KoboldCpp",
        &[
            (LIST, 200, r#"{"data":[{"id":"koboldcpp/m","owned_by":"koboldcpp"}]}"#),
            ("/props", 200, r#"{"total_slots":1,"chat_template":"","build_info":"k"}"#),
            ("/api/version", 200, r#"{"version":"0.7.0"}"#),
            ("/api/tags", 200, r#"{"models":[]}"#),
            ("/", 200, "<html>"),
        ],
        "openai",
    ),
    (
        "LM Studio",
        &[
            (LIST, 200, r#"{"data":[{"id":"m","owned_by":"organization_owner"}]}"#),
            ("/api/version", 200, r#"{"error":"Unexpected endpoint or method. (GET /api/version)"}"#),
            ("/version", 200, r#"{"error":"Unexpected endpoint or method. (GET /version)"}"#),
            ("/", 200, r#"{"error":"Unexpected endpoint or method. (GET /)"}"#),
        ],
        "openai",
    ),
    (
        "one that has Ollama's list alone",
        &[(LIST, 200, r#"{"data":[{"id":"m","owned_by":"x"}]}"#), ("/api/tags", 200, r#"{"models":[]}"#)],
        "openai",
    ),
    ("any other", NOBODY, "openai"),
    // These may be anything, and are taken for what they were always taken for.
    ("a gateway whose server is away", &[(LIST, 502, "Bad Gateway"), ("/version", 502, "")], "llama.cpp"),
    ("one whose list wants a key", &[(LIST, 401, "{}")], "llama.cpp"),
    ("one that lists nothing that is a list", &[(LIST, 200, r#"{"data":7}"#)], "llama.cpp"),
];

#[test]
fn a_server_is_known_by_what_only_its_engine_says() {
    for (name, pages, expected) in SERVERS {
        let (upstream, _) = server(pages);
        assert_eq!(engines(&gateway_of(in_front_of(&[upstream.address]))), [expected], "{name}");
    }
}

#[test]
fn the_mock_is_found_to_be_what_it_plays() {
    let one = json!({ "answers": [{ "text": "hi" }] });
    let many = json!({ "answers": [{ "text": "hi" }], "models": { "a": {}, "b": {} } });
    for (script, pages) in
        [(&one, "llama.cpp"), (&many, "llama.cpp"), (&one, "vllm"), (&many, "llama-swap"), (&many, "ollama")]
    {
        let mut script = script.clone();
        script["pages"] = pages.into();
        let mock = Mock::start("127.0.0.1:0", Script::from_yaml(&script.to_string()).unwrap()).unwrap();
        assert_eq!(engines(&gateway_of(in_front_of(&[mock.addr()]))), [pages]);
    }
}

#[test]
fn one_server_speaks_for_its_pool_and_a_known_engine_before_none() {
    let (other, _) = server(NOBODY);
    let (vllm, _) = server(VLLM);
    let (sglang, _) = server(SGLANG);
    let (other, vllm, sglang) = (other.address, vllm.address, sglang.address);
    for (addresses, expected) in [
        (&[dead_address(), vllm][..], "vllm"),
        (&[other, vllm], "vllm"),
        (&[vllm, sglang], "vllm"),
        (&[sglang, vllm], "sglang"),
        (&[dead_address()], "llama.cpp"),
    ] {
        assert_eq!(engines(&gateway_of(in_front_of(addresses))), [expected], "{addresses:?}");
    }
}

#[test]
fn one_that_says_nothing_keeps_no_other_from_being_found() {
    let silent = Upstream::start(|mut wire| wire.expect_close());
    let (vllm, _) = server(VLLM);
    assert_eq!(engines(&gateway_of(in_front_of(&[silent.address, vllm.address]))), ["vllm"]);
}

#[tokio::test]
async fn an_event_stream_at_a_page_is_not_waited_out() {
    // One that goes on until the test is over.
    let upstream = Upstream::start(|mut wire| {
        while wire.request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\ndata: {\"choices\":[]}\n\n");
            wire.expect_close();
        }
    });
    let found = find_engine(&auto("p", vec![]), &[peer(upstream.address)], PATIENCE).await;
    assert!(matches!(found, Search::Untold { .. }), "{found:?}");
}

/// It may be of the engine whose page did not come.
#[test]
fn one_that_breaks_off_at_a_page_is_not_taken_for_another() {
    let breaking = Upstream::start(|mut wire| {
        if wire.request().is_some_and(|request| request.first_line.starts_with("GET /v1/models")) {
            wire.send(ok(r#"{"data":[{"id":"m","owned_by":"somebody"}]}"#));
        }
    });
    assert_eq!(engines(&gateway_of(in_front_of(&[breaking.address]))), ["llama.cpp"]);
}

#[test]
fn each_pool_is_asked_for_its_own_and_one_that_is_named_is_asked_nothing() {
    let ((a, _), (b, _), (c, asked)) = (server(VLLM), server(SGLANG), server(VLLM));
    let mut pools = vec![
        auto("a", vec![peer(a.address)]),
        auto("b", vec![peer(b.address)]),
        Pool { engine: Engine::OpenAi, ..pool("c", vec![peer(c.address)]) },
    ];
    pools[0].models = models(&["a"]);
    pools[1].models = models(&["b"]);
    assert_eq!(engines(&gateway_of(config(pools))), ["vllm", "sglang", "openai"]);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn a_server_that_comes_later_is_found_and_requests_are_as_it_needs_them() {
    // On an address of its own: no other test comes to listen there meanwhile.
    let address = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let gateway = gateway_of(in_front_of(&[address]));
    assert_eq!(engines(&gateway), ["llama.cpp"]);
    let (_upstream, requests) = Upstream::answering_at(address, |request| match request.first_line.as_str() {
        line if line.starts_with("GET /v1/models") => ok(r#"{"data":[{"id":"m","owned_by":"vllm"}]}"#),
        _ => ok("{}"),
    });
    wait_until("it is found", || engines(&gateway) == ["vllm"]);
    ask(gateway.addr, post(CHAT, OFFER));
    let sent = requests.iter().find(|request| request.first_line.starts_with("POST")).unwrap().json();
    assert_eq!((&sent["skip_special_tokens"], sent.get("reasoning_format")), (&json!(false), None));
}

#[test]
fn a_reload_asks_again_where_servers_are_others() {
    let ((vllm, asked), (sglang, _)) = (server(VLLM), server(SGLANG));
    let gateway = gateway_of(in_front_of(&[vllm.address]));
    assert_eq!((engines(&gateway), asked.load(Ordering::SeqCst)), (vec!["vllm".into()], 1));
    // The same server: what was found holds.
    let mut same = in_front_of(&[vllm.address]);
    same.pools[0].models = models(&["m"]);
    gateway.reload(same);
    let shown = || ask(gateway.admin_addr.unwrap(), get("/status")).json();
    wait_until("the reload", || shown()["pools"][0]["models"] == json!(["m"]));
    assert_eq!((engines(&gateway), asked.load(Ordering::SeqCst)), (vec!["vllm".into()], 1));
    // Another besides, which does not answer.
    gateway.reload(in_front_of(&[dead_address(), vllm.address]));
    wait_until("the reload", || shown()["pools"][0]["peers"].as_array().unwrap().len() == 2);
    assert_eq!((engines(&gateway), asked.load(Ordering::SeqCst)), (vec!["vllm".into()], 2));
    gateway.reload(in_front_of(&[sglang.address]));
    wait_until("the other", || engines(&gateway) == ["sglang"]);
    // None of them says anything, but one of them was asked before.
    let address = sglang.address;
    drop(sglang);
    gateway.reload(in_front_of(&[address, dead_address()]));
    wait_until("the reload", || shown()["pools"][0]["peers"].as_array().unwrap().len() == 2);
    assert_eq!(engines(&gateway), ["sglang"]);
    // What is named is so.
    let mut named = in_front_of(&[vllm.address]);
    (named.pools[0].engine, named.pools[0].engine_choice) = (Engine::OpenAi, EngineChoice::Named);
    gateway.reload(named);
    wait_until("the named one", || engines(&gateway) == ["openai"]);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn the_log_says_once_what_was_found_and_why() {
    let (vllm, _) = server(VLLM);
    let (nobody, _) = server(&[(LIST, 401, "{}")]);
    let (vllm, nobody) = (format!("http://{}", vllm.address), format!("http://{}", nobody.address));
    let dead = format!("http://{}", dead_address());
    for (url, expected) in [
        (&vllm, format!("{vllm} is vllm, by the owner of its models, `vllm`")),
        (&nobody, format!("{nobody} does not show which engine it is, and is taken for llama.cpp;")),
        (&dead, "no server has answered which engine it is; llama.cpp is assumed until one does".to_owned()),
    ] {
        let (_program, said) = starting(&["--upstream", url, "--listen", "127.0.0.1:0"]);
        let lines: Vec<_> = said.iter().take_while(|line| !line.contains("listening on")).collect();
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.contains(&format!("pool default: {expected}")), "{line}");
    }
}
