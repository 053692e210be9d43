//! Boxes with more models than places: a request gets its model loaded and waits for it, and nobody is cut off for that.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use serde_json::json;
use toolgate::config::{Checks, DialectChoice, Queue, ToolsChoice};
use toolgate::decode::Reasoning;
use toolgate::engine::Engine;

use crate::boxes::{CHAT, House, a_box, body, pool_of, said};
use crate::harness::{Message, Upstream, Wire, ask, assert_error, config, gateway_of, get, ok, post, wait_until};

#[test]
fn a_request_waits_until_its_model_is_loaded() {
    let house = House::of(1);
    for (model, text, why) in [
        ("alpha", "I am alpha.", "free place"),
        ("a", "I am alpha.", "loaded"),
        ("beta", "I am beta.", "swapped out alpha"),
    ] {
        let answer = house.ask(model);
        assert_eq!((said(&answer).as_str(), answer.field("x-toolgate-why").unwrap()), (text, why), "{model}");
    }
    assert_eq!(said(&ask(house.gateway.addr, post(CHAT, &body("alpha", false)))), "I am alpha.");
}

#[test]
fn where_nobody_may_wait_boxes_load_what_they_are_asked_for() {
    let queue = Queue { max: 0, ..Queue::default() };
    let house = House::with(vec![a_box("")], |config| config.pools[0].balancing.queue = queue);
    for model in ["alpha", "beta"] {
        assert_eq!(said(&house.ask(model)), format!("I am {model}."));
    }
}

#[test]
fn a_client_hears_of_the_load_that_it_waits_for() {
    let house = House::of(1);
    let mut client = house.stream("slow");
    assert_eq!(client.head().unwrap().status(), 200);
    let comment = String::from_utf8(client.next_chunk().unwrap()).unwrap();
    let name = house.boxes[0].addr();
    assert!(comment.starts_with(&format!(": loading model=slow box={name} seconds=")), "{comment}");
    assert!(comment.ends_with(" of about 20\n\n"), "{comment}");
    let mut second = house.stream("beta");
    second.head().unwrap();
    assert_eq!(second.next_chunk().unwrap(), b": waiting model=beta position=1\n\n");
}

#[test]
fn how_a_model_writes_is_known_once_it_is_loaded() {
    const CALL: &str = "<tool_call>\n<function=f>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>";
    let models = json!({ "places": 1, "answers": [{ "text": CALL }], "models": {
        "alpha": { "chat_template": "<tool_call><function=<parameter=" }, "beta": { "chat_template": "<|tool_call>call:" },
    }});
    let script = toolgate::mock::Script::from_yaml(&models.to_string()).unwrap();
    let boxes = vec![toolgate::mock::Mock::start("127.0.0.1:0", script).unwrap()];
    let house = House::with(boxes, |config| {
        (config.pools[0].dialect, config.pools[0].reasoning) = (DialectChoice::Auto, Reasoning::Auto);
    });
    let offer = |model: &str, stream: bool| {
        let tools = json!([{ "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } }]);
        let messages = json!([{ "role": "user", "content": "hi" }]);
        json!({ "model": model, "stream": stream, "messages": messages, "tools": tools }).to_string()
    };
    let answer = ask(house.gateway.addr, post(CHAT, &offer("alpha", false))).json();
    let call = &answer["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(call, &json!({ "name": "f", "arguments": r#"{"city":"Oslo"}"# }), "{answer}");
    // What the other's template says is not this one's.
    assert_eq!(said(&ask(house.gateway.addr, post(CHAT, &offer("beta", false)))), CALL);
    let streamed = ask(house.gateway.addr, post(CHAT, &offer("alpha", true))).text();
    assert!(streamed.contains(r#""name":"f""#) && streamed.contains(r#""finish_reason":"tool_calls""#), "{streamed}");
}

/// Each model of a box has its own template, which is asked for what it writes once its model is there.
#[test]
fn tools_go_as_the_template_of_their_model_can_have_them() {
    let models = json!({ "places": 1, "chat_template": "<tool_call>", "models": {
        "alpha": { "template_writes": ["tools"] }, "beta": { "template_writes": [] }, "gamma": {},
    }, "answers": [
        { "when": { "anywhere": r#""tool_choice":"none""# }, "text": "by its template" },
        { "when": { "anywhere": "# Tools" }, "text": "in its prompt" },
        { "text": "lost" },
    ]});
    for pages in ["llama.cpp", "llama-swap"] {
        let mut script = models.clone();
        script["pages"] = pages.into();
        let script = toolgate::mock::Script::from_yaml(&script.to_string()).unwrap();
        let boxes = vec![toolgate::mock::Mock::start("127.0.0.1:0", script).unwrap()];
        let house = House::with(boxes, |config| {
            (config.pools[0].dialect, config.pools[0].tools) = (DialectChoice::Auto, ToolsChoice::Auto);
            config.pools[0].engine = Engine::ALL.into_iter().find(|engine| engine.name() == pages).unwrap();
        });
        let tools = json!([{ "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } }]);
        for (model, expected) in [("alpha", "by its template"), ("beta", "in its prompt"), ("gamma", "in its prompt")] {
            let messages = json!([{ "role": "user", "content": "hi" }]);
            let offer = json!({ "model": model, "messages": messages, "tools": tools }).to_string();
            for _ in 0..2 {
                assert_eq!(said(&ask(house.gateway.addr, post(CHAT, &offer))), expected, "{pages} {model}");
            }
        }
        let list = ask(house.gateway.addr, get("/v1/models")).json();
        let listed = list["data"].as_array().unwrap().iter().map(|entry| entry["toolgate"]["tools"].as_str().unwrap());
        assert_eq!(listed.collect::<Vec<_>>(), ["parse", "inject", "inject"], "{list}");
    }
}

#[test]
fn a_model_that_does_not_load_is_refused_with_its_boxes_word_and_left_alone() {
    let house = House::of(2);
    house.press(0, "load", "alpha");
    house.press(1, "load", "beta");
    house.expect_state(0, "alpha", "loaded");
    house.expect_state(1, "beta", "loaded");
    let names: Vec<_> = house.boxes.iter().map(|one| one.addr().to_string()).collect();
    for _ in 0..3 {
        let answer = house.ask("broken");
        assert_error(&answer, 503, "model_failed_to_load");
        let message = answer.json()["error"]["message"].to_string();
        assert!(names.iter().all(|name| message.contains(&format!("{name} (exit code 1)"))), "{message}");
        // Who comes after the first finds good models where they were.
        assert_eq!(said(&house.ask("alpha")), "I am alpha.");
        assert_eq!(said(&house.ask("beta")), "I am beta.");
    }
    house.expect_counted("toolgate_model_loads_total", "broken", ("result", "failed"), 2.0);
    assert_eq!(house.metrics().sum("toolgate_evictions_total", &[("reason", "idle")]), Some(2.0));
}

#[test]
fn a_stream_is_never_cut_for_another_model() {
    let house = House::of(1);
    let body = json!({ "model": "endless", "stream": true, "max_tokens": 300, "messages": [] }).to_string();
    let mut first = Wire::connect(house.gateway.addr);
    first.send(post(CHAT, &body));
    house.expect_state(0, "endless", "loaded");
    let mut second = house.stream("beta");
    house.expect_waiting(1);
    let answer = first.response();
    assert!(answer.is_complete && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    assert_eq!(
        answer.text().matches(r#""content":"tick""#).count() + answer.text().matches(r#""content":" ""#).count(),
        300
    );
    assert!(second.response().text().ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_model_that_somebody_unloads_is_loaded_again_for_those_who_want_it() {
    let house = House::with(vec![a_box("loading_ms: 100")], |_| {});
    said(&house.ask("alpha"));
    house.press(0, "unload", "alpha");
    house.expect_state(0, "alpha", "unloaded");
    assert_eq!(said(&house.ask("alpha")), "I am alpha.");
    // Before the gateway has heard of it, too, and while the model is on its way out.
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| (0..50).for_each(|_| assert_eq!(said(&house.ask("alpha")), "I am alpha.")));
        }
        for _ in 0..5 {
            house.press(0, "unload", "alpha");
            assert_eq!(said(&house.ask("alpha")), "I am alpha.");
        }
    });
}

/// Its box lists it as if it stayed, until its last answer has ended.
#[test]
fn who_meets_a_model_that_is_being_stopped_waits_until_it_is_loaded_again() {
    let house = House::with(vec![a_box("stop_timeout_ms: 300")], |_| {});
    let mut cut = house.begun("endless");
    house.press(0, "unload", "endless");
    let mut placed_again = house.begun("endless");
    assert!(placed_again.next_chunk().is_some_and(|chunk| !chunk.is_empty()));
    while cut.next_chunk().is_some_and(|chunk| !chunk.is_empty()) {}
    house.expect_counted("toolgate_model_loads_total", "endless", ("result", "loaded"), 2.0);
}

#[test]
fn an_unknown_model_is_the_boxes_to_refuse() {
    let house = House::of(2);
    said(&house.ask("alpha"));
    let answer = house.ask("nobody");
    assert_eq!((answer.status(), answer.text().contains("model 'nobody' not found")), (400, true), "{}", answer.text());
}

#[test]
fn who_waits_for_a_model_waits_in_the_queue() {
    let queue = Queue { max: 1, ..Queue::default() };
    let house = House::with(vec![a_box("")], |config| config.pools[0].balancing.queue = queue);
    let waits = house.stream("slow");
    house.expect_waiting(1);
    assert_error(&house.ask("beta"), 429, "queue_full");
    drop(waits);
    house.expect_waiting(0);
}

#[test]
fn the_more_urgent_get_their_model_first() {
    // Nobody becomes so hungry meanwhile that the box drains for it.
    let house = House::with(vec![a_box("")], |config| config.pools[0].models_loaded.patience_ms = Some(3_600_000));
    let busy = house.begun("endless");
    let mut patient = house.stream("alpha");
    house.expect_waiting(1);
    let mut urgent = Wire::connect(house.gateway.addr);
    urgent.send(post(CHAT, &body("endless-2", true)).replace("Host", "Priority: u=0\r\nHost"));
    house.expect_waiting(2);
    drop(busy);
    assert_eq!(urgent.head().unwrap().status(), 200);
    house.expect_state(0, "endless-2", "loaded");
    assert_eq!(house.seat(0, "alpha")["waiting"], 1);
    drop(urgent);
    assert!(patient.response().text().ends_with("data: [DONE]\n\n"));
}

#[test]
fn one_box_alone_is_found_after_its_first_answer() {
    let house = House::with(vec![a_box("")], |config| config.pools[0].balancing.checks = Checks::WithChoice);
    assert_eq!(ask(house.gateway.addr, get("/health")).status(), 200);
    wait_until("its models are known", || {
        house.status()["peers"][0]["models"].as_array().is_some_and(|m| !m.is_empty())
    });
    assert_eq!(house.ask("alpha").field("x-toolgate-why"), Some("free place"));
    assert_eq!(house.ask("beta").field("x-toolgate-why"), Some("swapped out alpha"));
}

#[test]
fn a_reload_keeps_what_is_loaded() {
    let house = House::of(2);
    said(&house.ask("alpha"));
    let addresses: Vec<_> = house.boxes.iter().map(|one| one.addr()).collect();
    let mut pool = pool_of(&addresses);
    pool.balancing.queue.max = 7;
    house.gateway.reload(config(vec![pool]));
    wait_until("the other configuration holds", || house.status()["queue"]["max"] == 7);
    assert_eq!(house.ask("alpha").field("x-toolgate-why"), Some("loaded"));
    house.expect_counted("toolgate_model_loads_total", "alpha", ("result", "loaded"), 1.0);
}

/// A box of one place with a model `m` in this state, and all that it is asked.
fn written_box(state: &'static str) -> (Upstream, Receiver<String>) {
    let state = Arc::new(Mutex::new(state));
    let (say, asked) = channel();
    let say = Mutex::new(say);
    let (upstream, _) = Upstream::answering(move |request: &Message| {
        let (_, line) = request.first_line.split_once(' ').unwrap();
        let target = line.trim_end_matches(" HTTP/1.1");
        say.lock().unwrap().send(target.to_owned()).unwrap();
        match target {
            "/models" => {
                ok(&json!({ "data": [{ "id": "m", "status": { "value": *state.lock().unwrap() } }] }).to_string())
            }
            "/models/load" => {
                *state.lock().unwrap() = "loaded";
                ok("{}")
            }
            "/props" => ok(r#"{"role":"router","max_instances":1}"#),
            "/props?model=m&autoload=false" => ok(r#"{"total_slots":1,"chat_template":"<tool_call>"}"#),
            "/models/sse" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
            _ => ok("{}"),
        }
    });
    (upstream, asked)
}

#[test]
fn what_runs_beside_a_model_waits_for_it_and_no_box_loads_by_being_asked() {
    let (upstream, asked) = written_box("unloaded");
    let gateway = gateway_of(config(vec![pool_of(&[upstream.address])]));
    let has_models = |status: &Message| status.json()["pools"][0]["peers"][0]["models"][0]["name"] == "m";
    wait_until("its model is known", || has_models(&ask(gateway.admin_addr.unwrap(), get("/status"))));
    assert_eq!(ask(gateway.addr, post("/tokenize", r#"{"model":"m","content":"x"}"#)).status(), 200);
    assert_eq!(ask(gateway.addr, post("/v1/embeddings?x=1", r#"{"model":"m","input":"x"}"#)).status(), 200);
    let asked: Vec<_> = asked.try_iter().collect();
    let at = |target: &str| asked.iter().position(|other| other == target).unwrap_or_else(|| panic!("{asked:?}"));
    assert!(at("/models/load") < at("/tokenize?autoload=false"));
    assert!(at("/tokenize?autoload=false") < at("/v1/embeddings?autoload=false&x=1"));
}

#[test]
fn a_model_that_sleeps_is_asked_nothing_that_wakes_it() {
    let (upstream, asked) = written_box("sleeping");
    let mut pool = pool_of(&[upstream.address]);
    pool.tools = ToolsChoice::Auto;
    pool.balancing.checks = Checks::Every { ms: 10 };
    let gateway = gateway_of(config(vec![pool]));
    let mut seen = Vec::new();
    while seen.iter().filter(|target: &&String| *target == "/health").count() < 5 {
        seen.push(asked.recv_timeout(crate::harness::PATIENCE).unwrap());
    }
    let harmless = ["/health", "/props", "/models", "/models/sse", "/props?model=m&autoload=false", "/metrics"];
    assert!(seen.iter().all(|target| harmless.contains(&target.as_str())), "{seen:?}");
    assert_eq!(ask(gateway.addr, post(CHAT, &body("m", false))).status(), 200);
}
