//! A fleet in trouble: boxes die and come back, others are listed, the configuration changes, and clients of all kinds
//! come and leave. Each gets one sound answer or one sound error, and in the end nothing is left of anybody.
//!
//! What happens in which order follows from a seed; how it interleaves does not. Nothing sleeps: the trouble keeps step
//! with the clients.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Instant;

use serde_json::Value;
use toolgate::balance::Policy;
use toolgate::config::{Checks, Config, Entries, Peer, PeersFile, Pool, Queue};
use toolgate::mock::{Mock, Running as Box_, Script};
use toolgate::server::Running;

use crate::harness::{Message, PATIENCE, Wire, ask, config, gateway_of, get, peer, pool, post};
use crate::prometheus::Page;

const SEED: u64 = 3;
const CLIENTS: u64 = 150;
const REQUESTS_EACH: u64 = 4;
const BOXES: u8 = 4;
const CHAT: &str = "/v1/chat/completions";
const TOOLS: &str = r#""tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]"#;
const SAID: &str = "one two three four five six seven eight";

const SCRIPT: &str = r#"
slots: 2
prefill_tokens_per_second: 50000
answers:
  - when: {marker: call}
    text: "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>"
    delay_ms: 1
  - when: {marker: fails}
    error: {status: 500, message: broken}
  - when: {marker: dies}
    text: one two three four five six seven eight
    die_after: 3
  - text: one two three four five six seven eight
    delay_ms: 1
"#;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len().try_into().unwrap())).unwrap()].clone()
    }
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Words,
    WordsWhole,
    Call,
    CallWhole,
    /// A chunked body larger than what can be sent again.
    LargeChunked,
    Large,
    /// It speaks HTTP/1.0.
    Old,
    Models,
    /// The server answers 500.
    Fails,
    /// The server hangs up in the middle, and lives.
    Dies,
}

const KINDS: [Kind; 10] = [
    Kind::Words,
    Kind::WordsWhole,
    Kind::Call,
    Kind::CallWhole,
    Kind::LargeChunked,
    Kind::Large,
    Kind::Old,
    Kind::Models,
    Kind::Fails,
    Kind::Dies,
];

/// When a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// With its answer.
    Never,
    /// Its body is not all sent.
    Uploading,
    AtOnce,
    /// After the head of its answer.
    AtTheHead,
}

impl Kind {
    fn body(self, filler: &str) -> String {
        let chat = |marker: &str, more: &str| {
            format!(r#"{{"messages":[{{"role":"user","content":"[[{marker}]] {filler}"}}]{more}}}"#)
        };
        let streamed = r#","stream":true"#;
        match self {
            Self::Words | Self::Large | Self::LargeChunked | Self::Old => chat("words", streamed),
            Self::WordsWhole => chat("words", ""),
            Self::Call => chat("call", &format!("{streamed},{TOOLS}")),
            Self::CallWhole => chat("call", &format!(",{TOOLS}")),
            Self::Fails => chat("fails", streamed),
            Self::Dies => chat("dies", streamed),
            Self::Models => String::new(),
        }
    }

    fn request(self, random: &mut Random) -> String {
        let large = matches!(self, Self::Large | Self::LargeChunked);
        let body = self.body(&"x".repeat(if large { 80_000 } else { 200 }));
        let request = match self {
            Self::Models => get("/v1/models"),
            Self::Old => post(CHAT, &body).replacen("HTTP/1.1", "HTTP/1.0", 1),
            Self::LargeChunked => format!(
                "POST {CHAT} HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            ),
            _ => post(CHAT, &body),
        };
        let field = random.one_of(&["", "Priority: u=0\r\n", "X-Session-Id: s\r\n", "X-Toolgate-Explain: 1\r\n"]);
        request.replacen("Host", &format!("{field}Host"), 1)
    }

    fn check(self, answer: &Message) {
        let text = answer.text();
        if answer.status() != 200 {
            assert!(answer.is_complete, "{self:?}: {text}");
            let error = &answer.json()["error"];
            assert!(error["message"].is_string(), "{self:?}: {text}");
            let expected: &[u16] = if self == Self::Fails { &[500, 502, 503, 429] } else { &[502, 503, 429] };
            assert!(expected.contains(&answer.status()), "{self:?} {}: {text}", answer.status());
            return;
        }
        match self {
            Self::Models => assert_eq!(answer.json()["data"][0]["id"], "mock.gguf"),
            Self::WordsWhole | Self::CallWhole if !answer.is_complete => {
                assert!(serde_json::from_slice::<Value>(&answer.body).is_err(), "{self:?}: {text}");
            }
            Self::WordsWhole => assert_eq!(answer.json()["choices"][0]["message"]["content"], SAID),
            Self::CallWhole => {
                let choice = answer.json()["choices"][0].take();
                assert_eq!(choice["finish_reason"], "tool_calls", "{text}");
                assert_eq!(choice["message"]["tool_calls"][0]["function"]["name"], "weather");
                assert_eq!(choice["message"]["tool_calls"].as_array().unwrap().len(), 1);
            }
            _ => self.check_stream(answer),
        }
    }

    fn check_stream(self, answer: &Message) {
        let text = answer.text();
        let (mut said, mut arguments, mut names, mut errors, mut is_done) = (String::new(), String::new(), 0, 0, false);
        let events: Vec<&str> = text.split("\n\n").collect();
        let (last, events) = events.split_last().unwrap();
        for event in events.iter().filter(|event| !event.starts_with(':')) {
            assert!(!is_done && errors == 0, "{self:?} goes on behind its end: {text}");
            let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("{self:?}: `{event}` in {text}"));
            if data == "[DONE]" {
                is_done = true;
                continue;
            }
            let chunk: Value = serde_json::from_str(data).unwrap_or_else(|e| panic!("{self:?}: {e}: {text}"));
            if !chunk["error"].is_null() {
                errors += 1;
                continue;
            }
            let delta = &chunk["choices"][0]["delta"];
            said += delta["content"].as_str().unwrap_or_default();
            names += usize::from(delta["tool_calls"][0]["function"]["name"].is_string());
            arguments += delta["tool_calls"][0]["function"]["arguments"].as_str().unwrap_or_default();
        }
        let is_over = is_done || errors == 1;
        // What the gateway reads it can also end.
        assert!(is_over || self != Self::Call, "{self:?} is cut: {text}");
        assert!(is_over || !answer.is_complete || self == Self::Old, "{self:?} looks whole: {text}");
        if is_over {
            assert!(last.is_empty() && answer.is_complete, "{self:?}: {text}");
        }
        // A call that is cut before it is one is text.
        assert!(SAID.starts_with(&said) || !is_done && self == Self::Call, "{self:?} says `{said}`");
        if is_done && self == Self::Call {
            assert_eq!((names, said.as_str()), (1, ""), "{text}");
            assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap()["city"], "Rome");
        } else if is_done {
            assert_eq!(said, SAID, "{self:?}: {text}");
        }
    }
}

/// One client: its requests, one after the other, each on a connection of its own. Tells the status of each answer;
/// 0 for one that it did not wait for.
fn client(number: u64, address: SocketAddr, say: &mpsc::Sender<u16>) {
    let mut random = Random(SEED << 32 | number);
    for _ in 0..REQUESTS_EACH {
        let kind = random.one_of(&KINDS);
        let leaves = match random.below(12) {
            0 => Leaves::Uploading,
            1 => Leaves::AtOnce,
            2 => Leaves::AtTheHead,
            _ => Leaves::Never,
        };
        let request = kind.request(&mut random);
        let mut wire = Wire::connect(address);
        let head = request.find("\r\n\r\n").unwrap() + 4;
        let sent = if leaves == Leaves::Uploading { (head + 50).min(request.len()) } else { request.len() };
        // An answer that comes before the end of the body may end the connection.
        let _ = wire.try_send(&request[..sent]);
        let status = match leaves {
            Leaves::Never => {
                let answer = wire.response();
                kind.check(&answer);
                answer.status()
            }
            Leaves::AtTheHead => {
                wire.head();
                0
            }
            Leaves::Uploading | Leaves::AtOnce => 0,
        };
        drop(wire);
        say.send(status).unwrap();
    }
}

/// The boxes; an absent one is dead. Each has a loopback address of its own, so that nobody else comes to listen there
/// while it is.
struct Fleet(Vec<(SocketAddr, Option<Box_>)>);

impl Fleet {
    fn start() -> Self {
        let boxes = (1..=BOXES).map(|n| {
            let running = Mock::start(SocketAddr::from(([127, 77, 0, n], 0)), Self::script()).unwrap();
            (running.addr(), Some(running))
        });
        Self(boxes.collect())
    }

    fn script() -> Script {
        Script::from_yaml(SCRIPT).unwrap()
    }

    fn kill_or_start(&mut self, random: &mut Random) {
        let at = usize::try_from(random.below(BOXES.into())).unwrap();
        let (address, running) = &mut self.0[at];
        match running.take() {
            Some(running) => running.stop(),
            None => *running = Some(Mock::start(*address, Self::script()).unwrap()),
        }
    }

    fn peers(&self) -> Vec<Peer> {
        self.0.iter().map(|(address, _)| peer(*address)).collect()
    }
}

/// The last boxes are listed in a file, the others in the configuration.
struct Plan {
    peers: Vec<Peer>,
    file: String,
}

impl Plan {
    fn list(&self, listed: usize) -> Entries {
        let lines: Vec<_> = self.peers.iter().rev().take(listed).map(|peer| format!("- {}\n", peer.url)).collect();
        std::fs::write(format!("{}.new", self.file), lines.concat()).unwrap();
        std::fs::rename(format!("{}.new", self.file), &self.file).unwrap();
        Entries { peers: self.peers.iter().rev().take(listed).cloned().collect(), names: Vec::new() }
    }

    fn config(&self, random: &mut Random) -> Config {
        let listed = self.list(1 + usize::try_from(random.below(2)).unwrap());
        let mut named: Vec<Peer> = self.peers[..2].to_vec();
        named.truncate(1 + usize::try_from(random.below(2)).unwrap());
        for peer in &mut named {
            peer.max_inflight = random.one_of(&[None, Some(1), Some(3)]);
            peer.weight = random.one_of(&[1, 5]);
            peer.priority = random.one_of(&[0, 1]);
        }
        let mut pool = Pool {
            peers_file: Some(PeersFile { path: self.file.clone(), entries: listed }),
            keepalive_ms: random.one_of(&[Some(2), Some(20), None]),
            ..pool("default", named)
        };
        pool.balancing.checks = random.one_of(&[Checks::Never, Checks::Every { ms: 50 }, Checks::Every { ms: 50 }]);
        pool.balancing.policy = random.one_of(&[Policy::Slots, Policy::Prefix, Policy::RandomTwo, Policy::RoundRobin]);
        pool.balancing.queue =
            Queue { max: random.one_of(&[100, 1_000]), timeout_ms: random.one_of(&[500, 10_000]), ..Queue::default() };
        config(vec![pool])
    }
}

fn status(gateway: &Running) -> Value {
    ask(gateway.admin_addr.unwrap(), get("/status")).json()
}

fn wait_until_idle(gateway: &Running) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = status(gateway);
        let pool = &status["pools"][0];
        let peers = pool["peers"].as_array().unwrap();
        let is_idle = status["in_flight"] == 0
            && pool["queue"]["waiting"] == 0
            && peers.iter().all(|peer| peer["in_flight"] == 0 && peer["leaving"] == false);
        if is_idle {
            return;
        }
        assert!(Instant::now() < deadline, "{status}");
    }
}

#[test]
fn a_fleet_in_trouble_answers_each_client_once_and_loses_nothing() {
    let mut random = Random(SEED);
    let mut fleet = Fleet::start();
    let plan = Plan { peers: fleet.peers(), file: format!("{}/soak.yaml", env!("CARGO_TARGET_TMPDIR")) };
    let gateway = gateway_of(plan.config(&mut random));
    let (say, statuses) = mpsc::channel();
    let mut seen: BTreeMap<u16, u64> = BTreeMap::new();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (say, address) = (say.clone(), gateway.addr);
                scope.spawn(move || client(number, address, &say))
            })
            .collect();
        drop(say);
        for (n, status) in statuses.iter().enumerate() {
            *seen.entry(status).or_default() += 1;
            match n % 20 {
                0 | 11 => fleet.kill_or_start(&mut random),
                5 => gateway.reload(plan.config(&mut random)),
                16 => drop(plan.list(1 + n % 2)),
                _ => {}
            }
        }
        for client in clients {
            client.join().unwrap();
        }
    });
    wait_until_idle(&gateway);

    let page = Page::parse(&ask(gateway.admin_addr.unwrap(), get("/metrics")).text());
    let counted = |labels: &[(&str, &str)]| page.sum("toolgate_requests_total", labels).unwrap_or(0.0);
    let sent = u32::try_from(CLIENTS * REQUESTS_EACH).unwrap();
    assert_eq!(counted(&[]), f64::from(sent), "{seen:?}");
    for (status, answers) in seen.iter().filter(|(status, _)| **status != 0) {
        let counted = counted(&[("code", &status.to_string())]);
        assert!(counted >= f64::from(u32::try_from(*answers).unwrap()), "{status}: {counted} of {seen:?}");
    }
    // Enough of them were served, or this shows little.
    assert!(seen[&200] * 6 > u64::from(sent), "{seen:?}");
    for running in fleet.0.iter().filter_map(|(_, running)| running.as_ref()) {
        let deadline = Instant::now() + PATIENCE;
        while ask(running.addr(), get("/slots")).json().as_array().unwrap().iter().any(|s| s["is_processing"] == true) {
            assert!(Instant::now() < deadline, "a slot is busy for nobody");
        }
    }
}
