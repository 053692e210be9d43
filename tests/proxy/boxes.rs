//! Boxes with many models and few places, and a gateway before them.

use std::net::SocketAddr;

use serde_json::{Value, json};
use toolgate::config::{Checks, Config, Pool};
use toolgate::mock::{Mock, Running as Box_, Script};
use toolgate::server::Running;

use crate::harness::{Message, Wire, ask, config, gateway_of, get, peer, pool, post, wait_until};
use crate::prometheus::Page;

pub const CHAT: &str = "/v1/chat/completions";

/// Models that load at once, one that never ends its answer, one that never ends its load and one that fails to.
pub const MODELS: &str = r#"
places: 1
slots: 2
answers: [{ text: "I am one of many." }]
models:
  alpha: { aliases: [a], answers: [{ text: I am alpha. }] }
  beta: { answers: [{ text: I am beta. }] }
  endless: { answers: [{ text: "tick ", loop: true, delay_ms: 1 }] }
  endless-2: { answers: [{ text: "tock ", loop: true, delay_ms: 1 }] }
  slow: { loading_ms: 3600000 }
  broken: { fails: true }
"#;

/// A box; `keys` are more of its script.
pub fn a_box(keys: &str) -> Box_ {
    Mock::start("127.0.0.1:0", Script::from_yaml(&format!("{MODELS}\n{keys}")).unwrap()).unwrap()
}

/// A pool of boxes that are asked how they are once, and follow that their models are.
pub fn pool_of(addresses: &[SocketAddr]) -> Pool {
    let mut pool = pool("boxes", addresses.iter().map(|address| peer(*address)).collect());
    pool.balancing.checks = Checks::Every { ms: 86_400_000 };
    pool
}

/// A gateway before boxes.
pub struct House {
    pub gateway: Running,
    pub boxes: Vec<Box_>,
}

impl House {
    /// So many boxes, all alike.
    pub fn of(boxes: usize) -> Self {
        Self::with((0..boxes).map(|_| a_box("")).collect(), |_| {})
    }

    /// These boxes, in a configuration that is changed.
    pub fn with(boxes: Vec<Box_>, change: impl FnOnce(&mut Config)) -> Self {
        let addresses: Vec<_> = boxes.iter().map(Box_::addr).collect();
        let mut config = config(vec![pool_of(&addresses)]);
        change(&mut config);
        Self { gateway: gateway_of(config), boxes }
    }

    /// A whole answer, with the reasons for its place.
    pub fn ask(&self, model: &str) -> Message {
        ask(self.gateway.addr, explained(post(CHAT, &body(model, false))))
    }

    /// A client of a stream.
    pub fn stream(&self, model: &str) -> Wire {
        let mut client = Wire::connect(self.gateway.addr);
        client.send(explained(post(CHAT, &body(model, true))));
        client
    }

    /// A client of a stream that has begun.
    pub fn begun(&self, model: &str) -> Wire {
        let mut client = self.stream(model);
        assert_eq!(client.head().unwrap().status(), 200);
        assert!(client.next_chunk().is_some());
        client
    }

    /// Presses a button at a box, as somebody else might.
    pub fn press(&self, at: usize, what: &str, model: &str) {
        let body = json!({ "model": model }).to_string();
        assert_eq!(ask(self.boxes[at].addr(), post(&format!("/models/{what}"), &body)).status(), 200);
    }

    pub fn status(&self) -> Value {
        ask(self.gateway.admin_addr.unwrap(), get("/status")).json()["pools"][0].take()
    }

    pub fn metrics(&self) -> Page {
        Page::parse(&ask(self.gateway.admin_addr.unwrap(), get("/metrics")).text())
    }

    /// What `/status` says of a model at a box.
    pub fn seat(&self, at: usize, model: &str) -> Value {
        let seats = self.status()["peers"][at]["models"].take();
        // Before it is known that it has several it has none.
        let seat = seats.as_array().and_then(|seats| seats.iter().find(|seat| seat["name"] == model));
        seat.cloned().unwrap_or_default()
    }

    pub fn expect_state(&self, at: usize, model: &str, state: &str) {
        wait_until(&format!("{model} is {state}"), || self.seat(at, model)["state"] == state);
    }

    pub fn expect_waiting(&self, waiting: usize) {
        wait_until(&format!("{waiting} wait"), || self.status()["queue"]["waiting"] == waiting);
    }

    /// How often a model was counted, by the labels' end.
    /// What becomes of a model is counted as soon as it is known, which whoever waits for it may know sooner.
    pub fn expect_counted(&self, metric: &str, model: &str, label: (&str, &str), times: f64) {
        let counted = || self.metrics().sum(metric, &[("model", model), label]).unwrap_or_default();
        wait_until("what became of a model is counted", || counted() >= times);
        assert_eq!(counted(), times, "{metric} of {model}");
    }
}

pub fn body(model: &str, stream: bool) -> String {
    json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": "hi" }] }).to_string()
}

pub fn explained(request: String) -> String {
    request.replace("Host: gateway", "Host: gateway\r\nX-Toolgate-Explain: 1")
}

/// What the model said.
pub fn said(answer: &Message) -> String {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}
