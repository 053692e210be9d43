//! What people see of boxes with many models: in lists, answers' heads, the status and the metrics.

use serde_json::{Value, json};
use toolgate::config::Checks;

use crate::boxes::{House, a_box, said};
use crate::harness::{ask, assert_error, get, post, wait_until};

fn listed(house: &House, model: &str) -> Value {
    ask(house.gateway.addr, get(&format!("/v1/models/{model}"))).json()
}

fn about(entry: &Value) -> Value {
    let about = &entry["toolgate"];
    json!([entry["status"], about["state"], about["boxes"], about["slots"]])
}

#[test]
fn the_list_says_how_a_model_stands_at_all_boxes_together() {
    let house = House::of(2);
    said(&house.ask("alpha"));
    house.ask("broken");
    let _waits = house.stream("slow");
    let loading = |at| house.seat(at, "slow")["state"] == "loading";
    wait_until("slow is loading", || loading(0) || loading(1));
    let list = ask(house.gateway.addr, get("/v1/models"));
    let entries = list.json()["data"].take();
    let entry = |id: &str| entries.as_array().unwrap().iter().find(|entry| entry["id"] == id).unwrap().clone();
    let expected = [
        ("slow", json!([{ "value": "loading" }, "loading", 0, 0])),
        ("beta", json!([{ "value": "unloaded" }, "unloaded", 0, 0])),
        ("broken", json!([{ "value": "unloaded", "failed": true }, "failed", 0, 0])),
    ];
    for (id, expected) in expected {
        assert_eq!(about(&entry(id)), expected, "{}", list.text());
    }
    for private in ["\"args\"", "\"preset\":", "--model", ".gguf"] {
        assert!(!list.text().contains(private), "{}", list.text());
    }
}

#[test]
fn one_box_alone_tells_of_its_models_and_not_of_its_machine() {
    let house = House::with(vec![a_box("")], |config| config.pools[0].balancing.checks = Checks::WithChoice);
    // Before it is known what it is, and after.
    for known in [false, true] {
        let answer = ask(house.gateway.addr, get("/v1/models"));
        assert_eq!(answer.json()["data"].as_array().unwrap().len(), 6);
        assert!(!answer.text().contains("args") && !answer.text().contains(".gguf"), "{}", answer.text());
        if !known {
            wait_until("its models are known", || house.seat(0, "alpha")["state"] == "unloaded");
        }
    }
    assert_eq!(about(&listed(&house, "alpha")), json!([{ "value": "unloaded" }, "unloaded", 0, 0]));
}

#[test]
fn what_changes_a_box_is_out_of_clients_reach() {
    let house = House::of(1);
    said(&house.ask("alpha"));
    for (method, target) in [
        ("POST", "/models/unload"),
        ("POST", "/v1/models/unload"),
        ("POST", "/models/load"),
        ("POST", "/v1/models/load"),
        ("POST", "/models"),
        ("DELETE", "/models"),
        ("DELETE", "/models?model=alpha"),
        ("GET", "/models?reload=1"),
        ("GET", "/v1/models?reload=1"),
        ("GET", "/models/sse"),
        ("GET", "/v1/models/sse"),
        ("GET", "/props?model=beta"),
        ("GET", "/slots?model=beta"),
    ] {
        let request = post(target, r#"{"model":"alpha"}"#).replace("POST", method);
        assert_error(&ask(house.gateway.addr, request), 404, "unknown_url");
    }
    assert_eq!(house.ask("alpha").field("x-toolgate-why"), Some("loaded"));
}

#[test]
fn how_the_others_stand_is_told_of_the_model_that_is_asked_for() {
    let house = House::of(2);
    house.press(0, "load", "alpha");
    house.press(1, "load", "endless");
    house.expect_state(0, "alpha", "loaded");
    house.expect_state(1, "endless", "loaded");
    let other = |at: usize, stands: &str| format!("{}={stands}", house.boxes[at].addr());
    let _busy = house.begun("endless");
    let answer = house.ask("alpha");
    assert_eq!(answer.field("x-toolgate-others"), Some(other(1, "unloaded").as_str()));
    house.press(0, "unload", "alpha");
    house.expect_state(0, "alpha", "unloaded");
    house.press(0, "load", "endless");
    house.expect_state(0, "endless", "loaded");
    let mut second = house.stream("endless");
    let head = second.head().unwrap();
    assert_eq!(head.field("x-toolgate-others"), Some(other(1, "1/2").as_str()));
}

#[test]
fn the_status_shows_each_model_at_each_box() {
    let house = House::of(1);
    said(&house.ask("alpha"));
    house.ask("broken");
    let names: Vec<_> =
        house.status()["peers"][0]["models"].as_array().unwrap().iter().map(|seat| seat["name"].clone()).collect();
    assert_eq!(names, ["alpha", "beta", "broken", "endless", "endless-2", "slow"]);
    let seat = |model: &str| {
        let seat = house.seat(0, model);
        ["state", "failure", "in_flight", "elsewhere", "slots", "waiting"].map(|key| seat[key].clone())
    };
    assert_eq!(seat("broken"), [json!("failed"), json!("exit code 1"), json!(0), json!(0), json!(null), json!(0)]);
    assert_eq!(seat("alpha")[..2], [json!("unloaded"), json!(null)]);
    let _busy = house.begun("endless");
    let _waits = house.stream("beta");
    house.expect_waiting(1);
    assert_eq!(seat("endless"), [json!("loaded"), json!(null), json!(1), json!(0), json!(2), json!(0)]);
    assert_eq!(seat("beta")[5], 1);
    assert!(house.seat(0, "alpha")["load_seconds"].is_f64() && house.seat(0, "alpha")["since"].is_u64());
}
