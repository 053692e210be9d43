//! Models that are loaded for nobody, boxes that load only some models, and boxes that load what they are asked for.

use toolgate::balance::LoadBy;
use toolgate::config::{Glob, ModelsLoaded};
use toolgate::mock::{Mock, Script};

use crate::boxes::{CHAT, House, MODELS, a_box, body, said};
use crate::harness::{Message, ask, assert_error, get, post};

fn loaded(change: impl FnOnce(&mut ModelsLoaded)) -> ModelsLoaded {
    let mut loaded = ModelsLoaded::default();
    change(&mut loaded);
    loaded
}

/// Boxes, and what is loaded there.
fn house(boxes: usize, loaded: ModelsLoaded) -> House {
    House::with((0..boxes).map(|_| a_box("")).collect(), |config| config.pools[0].models_loaded = loaded)
}

#[test]
fn a_pinned_model_is_there_before_anybody_asks_and_again_after_a_fall() {
    let house = house(1, loaded(|loaded| loaded.pins = vec![("alpha".into(), 1)]));
    house.expect_state(0, "alpha", "loaded");
    assert_eq!(house.seat(0, "alpha")["pinned"], true);
    assert_eq!(house.ask("alpha").field("x-toolgate-why").unwrap(), "loaded");
    house.press(0, "unload", "alpha");
    assert_eq!(said(&house.ask("alpha")), "I am alpha.");
    house.expect_state(0, "alpha", "loaded");
    let name = house.boxes[0].addr();
    let answer = house.ask("beta");
    assert_error(&answer, 503, "model_failed_to_load");
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains(&format!("{name} (pinned models have every place)")), "{message}");
    house.expect_counted("toolgate_evictions_total", "alpha", ("reason", "idle"), 0.0);
}

#[test]
fn a_pinned_model_stays_where_another_one_makes_room() {
    let house = house(2, loaded(|loaded| loaded.pins = vec![("alpha".into(), 1)]));
    said(&house.ask("alpha"));
    for model in ["beta", "alpha", "endless-2", "alpha"] {
        let body = body(model, false).replace(r#""stream""#, r#""max_tokens":1,"stream""#);
        assert_eq!(ask(house.gateway.addr, post(CHAT, &body)).status(), 200, "{model}");
    }
    house.expect_counted("toolgate_model_loads_total", "alpha", ("result", "loaded"), 1.0);
}

#[test]
fn a_preloaded_model_makes_room_like_any_other() {
    let house = house(1, loaded(|loaded| loaded.preload = vec!["alpha".into()]));
    house.expect_state(0, "alpha", "loaded");
    assert_eq!(house.ask("beta").field("x-toolgate-why").unwrap(), "swapped out alpha");
}

#[test]
fn a_model_goes_only_where_it_may_be_loaded() {
    let house = House::with(vec![a_box(""), a_box("")], |config| {
        config.pools[0].peers[0].models = vec![Glob::new("b*")];
        config.pools[0].peers[1].models = vec![Glob::new("alpha"), Glob::new("broken")];
    });
    for (model, at) in [("alpha", 1), ("beta", 0), ("a", 1)] {
        let answer = house.ask(model);
        assert_eq!(answer.field("x-toolgate-peer").unwrap(), format!("http://{}", house.boxes[at].addr()), "{model}");
    }
    let answer = house.ask("slow");
    assert_error(&answer, 503, "model_failed_to_load");
    assert!(answer.text().contains("it is none of the models that may be"), "{}", answer.text());
    let listed = ask(house.gateway.addr, get("/v1/models")).json();
    let listed: Vec<_> = listed["data"].as_array().unwrap().iter().map(|entry| entry["id"].clone()).collect();
    assert_eq!(listed, ["alpha", "beta", "broken"]);
}

#[test]
fn a_box_holds_no_more_models_than_it_is_said_to() {
    let script = MODELS.replace("places: 1", "places: 3");
    let boxes = vec![Mock::start("127.0.0.1:0", Script::from_yaml(&script).unwrap()).unwrap()];
    let house = House::with(boxes, |config| config.pools[0].peers[0].places = Some(1));
    said(&house.ask("alpha"));
    assert_eq!(house.ask("beta").field("x-toolgate-why").unwrap(), "swapped out alpha");
}

#[test]
fn boxes_that_are_told_nothing_load_what_they_are_asked_for_and_cut_nobody_off() {
    let house = house(1, loaded(|loaded| loaded.by = LoadBy::Request));
    house.expect_state(0, "alpha", "unloaded");
    assert_eq!(house.ask("alpha").field("x-toolgate-why").unwrap(), "loads on demand");
    house.expect_state(0, "alpha", "loaded");
    assert_eq!(house.ask("alpha").field("x-toolgate-why").unwrap(), "loaded");
    let mut endless = house.begun("endless");
    let mut waits = house.stream("beta");
    house.expect_waiting(1);
    assert!(endless.next_chunk().is_some());
    drop(endless);
    let answer = waits.response();
    assert!(answer.is_complete && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    let by_hand = |answer: &Message| answer.field("x-toolgate-why").unwrap().to_owned();
    assert_eq!(by_hand(&answer), "loads on demand");
    assert_eq!(house.metrics().sum("toolgate_evictions_total", &[("reason", "idle")]).unwrap_or_default(), 0.0);
}
