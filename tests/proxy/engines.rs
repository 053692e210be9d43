//! Boxes of many models by other engines: they say neither their places nor, mostly, what they are about, and load
//! whatever they are asked for.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use serde_json::json;
use toolgate::config::{Checks, Config};
use toolgate::engine::Engine;
use toolgate::mock::{Mock, Script};

use crate::boxes::{CHAT, House, a_box, body, pool_of, said};
use crate::harness::{Message, Upstream, ask, assert_error, config, gateway_of, get, ok, post, wait_until};

const ENGINES: [(Engine, &str); 2] = [(Engine::LlamaSwap, "llama-swap"), (Engine::Ollama, "ollama")];

fn of(engine: Engine) -> impl FnOnce(&mut Config) {
    move |config| config.pools[0].engine = engine
}

fn house(engine: Engine, pages: &str, boxes: usize) -> House {
    House::with((0..boxes).map(|_| a_box(&format!("pages: {pages}"))).collect(), of(engine))
}

#[test]
fn a_box_that_does_not_tell_its_places_is_found_to_have_as_many_as_it_has() {
    for (engine, pages) in ENGINES {
        let house = house(engine, pages, 1);
        // The second goes in beside the first, as far as is known, and the box makes room.
        for (model, text, why) in [
            ("alpha", "I am alpha.", "free place"),
            ("alpha", "I am alpha.", "loaded"),
            ("beta", "I am beta.", "free place"),
            ("alpha", "I am alpha.", "swapped out beta"),
        ] {
            let answer = house.ask(model);
            assert_eq!(
                (said(&answer).as_str(), answer.field("x-toolgate-why").unwrap()),
                (text, why),
                "{pages} {model}"
            );
        }
        house.expect_state(0, "beta", "unloaded");
    }
}

#[test]
fn two_boxes_have_a_model_each_and_requests_go_where_theirs_is() {
    for (engine, pages) in ENGINES {
        let house = house(engine, pages, 2);
        let _first = house.begun("endless");
        let _second = house.begun("endless-2");
        let at = |model: &str| (0..2).position(|at| house.seat(at, model)["state"] == "loaded");
        assert!(at("endless").is_some() && at("endless-2").is_some() && at("endless") != at("endless-2"), "{pages}");
        for model in ["endless", "endless-2"] {
            let mut again = house.stream(model);
            assert_eq!(again.head().unwrap().field("x-toolgate-why"), Some("loaded"), "{pages}");
            house.expect_counted("toolgate_model_loads_total", model, ("result", "loaded"), 1.0);
        }
    }
}

#[test]
fn a_load_that_is_answered_at_its_end_is_waited_for() {
    // Longer than any page is waited for.
    let models = json!({ "answers": [{ "text": "I am late." }], "models": { "late:latest": { "loading_ms": 2_500 } } });
    for (engine, pages) in ENGINES {
        let mut script = Script::from_yaml(&models.to_string()).unwrap();
        script.pages = serde_json::from_value(json!(pages)).unwrap();
        let house = House::with(vec![Mock::start("127.0.0.1:0", script).unwrap()], of(engine));
        let mut client = house.stream("late:latest");
        client.head().unwrap();
        let comment = String::from_utf8(client.next_chunk().unwrap()).unwrap();
        assert!(comment.starts_with(": loading model=late:latest box="), "{comment}");
        let chunks = std::iter::from_fn(|| client.next_chunk().filter(|chunk| !chunk.is_empty()));
        let rest: Vec<u8> = chunks.flatten().collect();
        assert!(String::from_utf8(rest).unwrap().ends_with("data: [DONE]\n\n"), "{pages}");
        house.expect_counted("toolgate_model_loads_total", "late:latest", ("result", "loaded"), 1.0);
    }
}

#[test]
fn a_model_that_does_not_load_is_refused_with_its_boxes_word() {
    for (engine, pages) in ENGINES {
        let house = house(engine, pages, 2);
        for _ in 0..2 {
            let answer = house.ask("broken");
            assert_error(&answer, 503, "model_failed_to_load");
            assert!(answer.text().contains("was answered 500"), "{}", answer.text());
        }
        house.expect_counted("toolgate_model_loads_total", "broken", ("result", "failed"), 2.0);
        assert_eq!(said(&house.ask("alpha")), "I am alpha.");
    }
}

#[test]
fn a_name_without_a_tag_is_that_of_the_latest() {
    let models = json!({ "pages": "ollama", "answers": [{ "text": "hi" }], "models": {
        "m:latest": { "aliases": ["m"] }, "m:8b": {},
    }});
    let boxes = vec![Mock::start("127.0.0.1:0", Script::from_yaml(&models.to_string()).unwrap()).unwrap()];
    let house = House::with(boxes, of(Engine::Ollama));
    for (model, why) in [("m", "free place"), ("m:latest", "loaded"), ("m", "loaded"), ("m:8b", "free place")] {
        assert_eq!(house.ask(model).field("x-toolgate-why"), Some(why), "{model}");
    }
}

#[test]
fn what_no_box_lists_goes_to_one_as_it_came() {
    for ((engine, pages), refusal) in ENGINES.into_iter().zip([400, 404]) {
        let house = house(engine, pages, 2);
        said(&house.ask("alpha"));
        assert_eq!(house.ask("nobody").status(), refusal, "{pages}");
    }
}

/// A llama-swap of one model, and all that it is asked. What it is asked of the model makes it `ready`, under `shown`.
fn swap_box(shown: &'static str) -> (Upstream, Receiver<String>) {
    let state = Arc::new(Mutex::new(None));
    let (say, asked) = channel();
    let say = Mutex::new(say);
    let (upstream, _) = Upstream::answering(move |request: &Message| {
        let (_, line) = request.first_line.split_once(' ').unwrap();
        let target = line.trim_end_matches(" HTTP/1.1");
        say.lock().unwrap().send(target.to_owned()).unwrap();
        let mut state = state.lock().unwrap();
        if target == CHAT || target.starts_with("/upstream/") {
            *state = Some("ready");
        }
        match target {
            "/v1/models" => ok(r#"{"data":[{"id":"org/m"}]}"#),
            "/running" => {
                let running: Vec<_> = state.iter().map(|state| json!({ "model": shown, "state": state })).collect();
                ok(&json!({ "running": running }).to_string())
            }
            "/upstream/org%2Fm/props" => ok(r#"{"total_slots":3}"#),
            _ => ok("{}"),
        }
    });
    (upstream, asked)
}

#[test]
fn nothing_is_asked_of_a_model_that_is_not_ready() {
    let (upstream, asked) = swap_box("org/m");
    let mut pool = pool_of(&[upstream.address]);
    pool.engine = Engine::LlamaSwap;
    pool.balancing.checks = Checks::Every { ms: 10 };
    let gateway = gateway_of(config(vec![pool]));
    let mut seen: Vec<String> = Vec::new();
    while seen.iter().filter(|target| *target == "/health").count() < 5 {
        seen.push(asked.recv_timeout(crate::harness::PATIENCE).unwrap());
    }
    let harmless = ["/health", "/v1/models", "/running"];
    assert!(seen.iter().all(|target| harmless.contains(&target.as_str())), "{seen:?}");
    assert_eq!(ask(gateway.addr, post(CHAT, &body("org/m", false))).status(), 200);
    let seen: Vec<_> = asked.try_iter().filter(|target| !harmless.contains(&target.as_str())).collect();
    assert_eq!(seen, ["/upstream/org%2Fm/health", "/upstream/org%2Fm/props", CHAT]);
    let slots = |status: &Message| status.json()["pools"][0]["peers"][0]["models"][0]["slots"] == 3;
    wait_until("its slots are known", || slots(&ask(gateway.admin_addr.unwrap(), get("/status"))));
}

#[test]
fn a_model_that_is_loaded_by_another_name_is_left_to_its_box() {
    let (upstream, asked) = swap_box("another");
    let mut pool = pool_of(&[upstream.address]);
    pool.engine = Engine::LlamaSwap;
    let gateway = gateway_of(config(vec![pool]));
    for _ in 0..3 {
        assert_eq!(ask(gateway.addr, post(CHAT, &body("org/m", false))).status(), 200);
    }
    let loads = asked.try_iter().filter(|target| target == "/upstream/org%2Fm/health").count();
    assert_eq!(loads, 1);
}

#[test]
fn one_server_alone_is_asked_only_what_shows_what_it_is() {
    for (engine, server, expected) in [
        (Engine::Ollama, "", false),
        (Engine::LlamaSwap, "", false),
        (Engine::LlamaSwap, "Server: llama.cpp\r\n", true),
    ] {
        let (say, asked) = channel();
        let say = Mutex::new(say);
        let (upstream, _) = Upstream::answering(move |request: &Message| {
            say.lock().unwrap().send(request.first_line.clone()).unwrap();
            // A whole answer in the words of those that have others.
            format!("HTTP/1.1 200 OK\r\n{server}Content-Length: 13\r\n\r\n{{\"done\":true}}").into_bytes()
        });
        let mut pool = pool_of(&[upstream.address]);
        (pool.engine, pool.balancing.checks) = (engine, Checks::WithChoice);
        let gateway = gateway_of(config(vec![pool]));
        assert_eq!(ask(gateway.addr, post(CHAT, &body("m", false))).status(), 200);
        assert_eq!(ask(gateway.addr, post(CHAT, &body("m", false))).status(), 200);
        let chat = |line: &String| line.contains(CHAT) || line.contains("/api/chat ");
        if expected {
            wait_until("it is asked", || asked.try_iter().any(|line| !chat(&line)));
        } else {
            assert!(asked.try_iter().all(|line| chat(&line)), "{engine:?}");
        }
    }
}

#[test]
fn what_needs_no_model_loads_none() {
    let house = house(Engine::Ollama, "ollama", 1);
    said(&house.ask("alpha"));
    // The page goes through to the box, which does not load what is named.
    assert_eq!(ask(house.gateway.addr, post("/api/show", r#"{"model":"beta"}"#)).status(), 200);
    house.expect_state(0, "alpha", "loaded");
    house.expect_counted("toolgate_model_loads_total", "beta", ("result", "loaded"), 0.0);
    assert_eq!(said(&ask(house.gateway.addr, post(CHAT, &body("beta", false)))), "I am beta.");
}
