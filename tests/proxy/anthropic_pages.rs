//! Pages of Anthropic's API beside messages: how many tokens a message has, which models there are, and what is not served.

use std::sync::mpsc::Receiver;

use serde_json::{Value, json};
use toolgate::config::{Alias, ModelsList, Pool, Queue};
use toolgate::engine::Engine;
use toolgate::mock::{Mock, Script};

use crate::anthropic::{STREAM, TOOLS, message, with};
use crate::boxes::House;
use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, config, dead_address, gateway_of, get, models, ok, peer, pool, post,
};
use crate::led::{answering, led};

const VERSION: &str = "anthropic-version: 2023-06-01";

fn count_of(model: &str, more: &str) -> String {
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"foo"}}]{more}}}"#);
    with(&post("/v1/messages/count_tokens?beta=true", &body), VERSION)
}

/// A server that answers these pages.
fn paged(pages: &'static [(&'static str, &'static str)]) -> (Upstream, Receiver<Message>) {
    answering(|request| {
        let path = request.first_line.split(' ').nth(1).unwrap().to_owned();
        pages.iter().find(|(page, _)| *page == path).map(|(_, body)| ok(body))
    })
}

#[test]
fn tokens_are_counted_where_a_server_counts_them() {
    const OWN: &str = "/v1/chat/completions/input_tokens";
    let table: &[(Engine, &[(&str, &str)])] = &[
        (Engine::LlamaCpp, &[(OWN, r#"{"input_tokens":17}"#)]),
        (
            Engine::LlamaCpp,
            &[
                ("/apply-template", r#"{"prompt":"<s>foo"}"#),
                ("/tokenize", r#"{"tokens":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}"#),
            ],
        ),
        (Engine::Vllm, &[("/tokenize", r#"{"count":17,"max_model_len":100,"tokens":[]}"#)]),
    ];
    for (engine, pages) in table {
        let (upstream, requests) = paged(pages);
        let gateway = gateway_of(config(vec![Pool { engine: *engine, ..pool("p", vec![peer(upstream.address)]) }]));
        for more in ["", TOOLS] {
            let answer = ask(gateway.addr, count_of("m", more));
            assert_eq!((answer.status(), answer.json()), (200, json!({ "input_tokens": 17 })), "{engine:?}");
            assert_eq!((answer.field("x-toolgate-estimate"), answer.field("request-id").is_some()), (None, true));
            let up = requests.recv_timeout(PATIENCE).unwrap();
            let asked = up.json();
            assert_eq!((&asked["model"], asked.get("max_tokens"), asked.get("stream")), (&json!("m"), None, None));
            // It is what would go up for an answer: with its tools in it.
            assert_eq!(up.text().contains("weather"), more == TOOLS, "{asked}");
            match (*engine, pages.len()) {
                (Engine::Vllm, _) => assert_eq!(asked["add_generation_prompt"], true),
                (_, 2) => {
                    let spelled = requests.recv_timeout(PATIENCE).unwrap().json();
                    assert_eq!(spelled, json!({ "content": "<s>foo", "add_special": true, "parse_special": true }));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn tokens_are_estimated_where_none_counts() {
    for engine in [Engine::LlamaCpp, Engine::Vllm, Engine::Sglang, Engine::OpenAi, Engine::Ollama] {
        for address in [paged(&[]).0.address, dead_address()] {
            let gateway = gateway_of(config(vec![Pool { engine, ..pool("p", vec![peer(address)]) }]));
            let answer = ask(gateway.addr, count_of("m", ""));
            assert_eq!((answer.status(), answer.json()), (200, json!({ "input_tokens": 10 })), "{engine:?}");
            assert_eq!(
                (answer.field("x-toolgate-estimate"), answer.field("request-id").is_some()),
                (Some("bytes"), true)
            );
        }
    }
}

#[test]
fn a_count_takes_no_place_and_waits_for_none() {
    let (upstream, requests, say) = led();
    let mut peer = peer(upstream.address);
    peer.max_inflight = Some(1);
    let mut pool = pool("p", vec![peer]);
    pool.balancing.queue = Queue { max: 0, ..Queue::default() };
    let gateway = gateway_of(config(vec![Pool { engine: Engine::Sglang, ..pool }]));
    let mut first = Wire::connect(gateway.addr);
    first.send(message("hi", STREAM));
    requests.recv_timeout(PATIENCE).unwrap();
    for _ in 0..14 {
        assert_eq!(ask(gateway.addr, count_of("m", "")).status(), 200);
    }
    assert_eq!(ask(gateway.addr, message("hi", "")).status(), 429, "the place is taken all the while");
    say.send(String::new()).unwrap();
}

#[test]
fn a_count_loads_no_model() {
    let house = House::of(1);
    assert_eq!(house.ask("alpha").status(), 200);
    let before = house.boxes[0].heard().len();
    for model in ["alpha", "beta", "nobody"] {
        assert_eq!(ask(house.gateway.addr, count_of(model, "")).json(), json!({ "input_tokens": 10 }), "{model}");
    }
    house.expect_state(0, "alpha", "loaded");
    house.expect_state(0, "beta", "unloaded");
    let heard = house.boxes[0].heard();
    let orders = heard.iter().skip(before).filter(|heard| heard.method == "POST").map(|heard| heard.target.as_str());
    let orders: Vec<_> = orders.collect();
    assert!(!orders.is_empty() && orders.iter().all(|target| target.ends_with("?autoload=false")), "{orders:?}");
}

fn mock(model: &str) -> toolgate::mock::Running {
    let script = format!("{{ model: {model}, answers: [{{ text: hi }}] }}");
    Mock::start("127.0.0.1:0", Script::from_yaml(&script).unwrap()).unwrap()
}

#[test]
fn models_are_listed_in_the_shape_of_who_asks() {
    let (one, two) = (mock("m"), mock("org/n"));
    let mut config = config(vec![
        Pool { models: models(&["m"]), ..pool("p", vec![peer(one.addr())]) },
        Pool { models: models(&["org/*"]), ..pool("q", vec![peer(two.addr())]) },
    ]);
    config.view.aliases.push(Alias { name: "claude-local".to_owned(), model: "m".to_owned() });
    let gateway = gateway_of(config);
    let list = |path: &str| ask(gateway.addr, with(&get(path), VERSION));
    let ids = |list: &Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    let answer = list("/v1/models?limit=1000");
    assert_eq!((answer.status(), answer.field("content-type")), (200, Some("application/json")));
    assert!(answer.field("request-id").is_some());
    let all = answer.json();
    assert_eq!(ids(&all), ["m", "org/n", "claude-local"], "{all}");
    assert_eq!(
        (&all["has_more"], &all["first_id"], &all["last_id"]),
        (&json!(false), &json!("m"), &json!("claude-local"))
    );
    for model in all["data"].as_array().unwrap() {
        let told = ["type", "lifecycle"].map(|key| model[key].as_str().unwrap());
        assert_eq!((told, &model["display_name"]), (["model", "active"], &model["id"]), "{model}");
        assert_eq!((&model["max_input_tokens"], model["created_at"].is_string()), (&json!(16_384), true), "{model}");
        let id = model["id"].as_str().unwrap();
        for path in [format!("/v1/models/{id}"), format!("/v1/models/{}?beta=true", id.replace('/', "%2F"))] {
            let one = list(&path).json();
            assert_eq!((&one["id"], &one["type"]), (&model["id"], &model["type"]), "{path}");
        }
    }
    // Page by page, as the SDKs do.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("/v1/models?limit=1{after}")).json();
        seen.extend(ids(&page));
        after = format!("&after_id={}", page["last_id"].as_str().unwrap());
        if page["has_more"] == false {
            break;
        }
        assert!(seen.len() < 5, "{seen:?}");
    }
    assert_eq!(seen, ids(&all));
    assert_eq!(ids(&list("/v1/models?before_id=claude-local&limit=1").json()), ["org/n"]);
    let none = list("/v1/models/x");
    assert_eq!((none.status(), &none.json()["error"]["type"]), (404, &json!("not_found_error")));
    let openai = ask(gateway.addr, get("/v1/models")).json();
    assert_eq!((&openai["object"], ids(&openai).len()), (&json!("list"), 3), "{openai}");
}

#[test]
fn a_client_s_key_opens_the_servers_pages() {
    let (upstream, _requests) = answering(|request| {
        let is_let_in = request.field("authorization") == Some("Bearer K");
        let page = request.first_line.split(' ').nth(1)?.to_owned();
        let body = match page.as_str() {
            "/v1/models" => r#"{"data":[{"id":"m"}]}"#,
            "/v1/chat/completions/input_tokens" => r#"{"input_tokens":17}"#,
            _ => return None,
        };
        is_let_in.then(|| ok(body))
    });
    let peers = vec![peer(upstream.address)];
    let gateway = gateway_of(config(vec![Pool { engine: Engine::LlamaCpp, ..pool("p", peers) }]));
    for key in ["x-api-key: K", "Authorization: Bearer K"] {
        let list = ask(gateway.addr, with(&with(&get("/v1/models"), VERSION), key)).json();
        assert_eq!(list["data"][0]["id"], "m", "{key}: {list}");
        let count = ask(gateway.addr, with(&count_of("m", ""), key)).json();
        assert_eq!(count, json!({ "input_tokens": 17 }), "{key}");
    }
}

#[test]
fn a_list_that_nobody_gives_is_an_error() {
    let mut config = config(vec![pool("p", vec![peer(dead_address())])]);
    config.view.models_list = ModelsList::Merge;
    let gateway = gateway_of(config);
    for path in ["/v1/models", "/v1/models/m"] {
        let answer = ask(gateway.addr, with(&get(path), VERSION));
        assert_eq!((answer.status(), &answer.json()["error"]["type"]), (502, &json!("api_error")), "{path}");
    }
}

#[test]
fn other_pages_of_the_api_are_not_there() {
    let (upstream, _requests) = Upstream::answering(|request| ok(&request.first_line));
    let gateway = gateway_of(config(vec![pool("p", vec![peer(upstream.address)])]));
    let batch = "/v1/messages/batches";
    for (request, path) in [
        (post(batch, "{}"), batch),
        (get("/v1/messages/batches/x?secret=1"), "/v1/messages/batches/x"),
        (get("/v1/files"), "/v1/files"),
        (get("/v1/files/x/content"), "/v1/files/x/content"),
        (post("/v1/complete", "{}"), "/v1/complete"),
        (get("/v1/messages"), "/v1/messages"),
    ] {
        let answer = ask(gateway.addr, with(&request, VERSION));
        let error = json!({ "type": "not_found_error", "message": format!("the page `{path}` is not served here") });
        let told = answer.json();
        assert_eq!((answer.status(), &told["type"], &told["error"]), (404, &json!("error"), &error), "{path}");
        assert_eq!(told["request_id"].as_str(), answer.field("request-id"));
        // Without the header it may be anybody's.
        assert_eq!(ask(gateway.addr, &request).text(), request.lines().next().unwrap());
    }
}
