//! Load-balancing settings of a pool: the policy, the queue, and how often the
//! servers are asked how they are. Chooses no server; `upstream` does.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::fields::{Fields, Reader};
use super::read::MILLISECONDS;
use super::tree::{Node, Value};
use crate::balance::Policy;

/// How the requests of a pool are shared out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancing {
    pub policy: Policy,
    pub queue: Queue,
    /// How often a request goes on after the server that had it died. A body that more servers died of goes nowhere.
    pub failovers_max: u32,
    pub checks: Checks,
    /// The request header whose value says which requests belong together.
    pub session_header: String,
}

impl Default for Balancing {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            queue: Queue::default(),
            failovers_max: FAILOVERS_MAX,
            checks: Checks::default(),
            session_header: "X-Session-Id".into(),
        }
    }
}

/// Requests that wait because every server is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How many may wait; each holds its body and its client's connection.
    pub max: usize,
    pub timeout_ms: u64,
    /// How often a request may be overtaken by one that came later and is answered sooner.
    pub overtaken_max: u32,
    /// How long a request may wait for the server that knows its prompt while others have room.
    pub patience_ms: u64,
    /// The request header that says how urgent a request is, as RFC 9218 does; without one all are alike.
    pub priority_header: Option<String>,
}

impl Queue {
    /// What a request has that says nothing of it (RFC 9218, section 4.1).
    pub const PRIORITY_DEFAULT: u8 = 3;

    /// Those that requests can have; the lowest goes first.
    pub fn priorities(&self) -> RangeInclusive<u8> {
        if self.priority_header.is_some() { 0..=7 } else { Self::PRIORITY_DEFAULT..=Self::PRIORITY_DEFAULT }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            max: 1_024,
            timeout_ms: 300_000,
            overtaken_max: 32,
            patience_ms: 10_000,
            priority_header: Some("Priority".into()),
        }
    }
}

/// How often each server is asked how it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checks {
    /// Where there is a choice, so with more than one server.
    #[default]
    WithChoice,
    Every {
        ms: u64,
    },
    Never,
}

impl Checks {
    /// The pause between two questions to the same server of so many, if any are asked.
    pub fn pause(self, peers: usize) -> Option<Duration> {
        match self {
            Self::WithChoice => (peers > 1).then_some(PAUSE),
            Self::Every { ms } => Some(Duration::from_millis(ms)),
            Self::Never => None,
        }
    }
}

/// A server that hangs is noticed within a few of these, and its log stays readable.
const PAUSE: Duration = Duration::from_secs(10);

/// A request that fells one server may fell the next one too. One more tells whether it was the request.
const FAILOVERS_MAX: u32 = 1;

pub(super) const QUEUE: &[&str] = &["max", "timeout_ms", "overtaken_max", "patience_ms", "priority_header"];
const POLICIES: &[(&str, Policy)] = &[
    ("slots", Policy::Slots),
    ("round-robin", Policy::RoundRobin),
    ("random-two", Policy::RandomTwo),
    ("prefix", Policy::Prefix),
];
const WAITING: RangeInclusive<usize> = 0..=1_000_000;
const OVERTAKEN: RangeInclusive<u32> = 0..=1_000_000;
const PATIENCE: RangeInclusive<u64> = 0..=3_600_000;
const FAILOVERS: RangeInclusive<u32> = 0..=1_000;

impl Reader<'_> {
    pub(super) fn balancing(&mut self, fields: &Fields<'_>) -> Balancing {
        let mut balancing = Balancing::default();
        self.choose(fields, "policy", "policy", POLICIES, &mut balancing.policy);
        if let Some(fields) = fields.find("queue").and_then(|node| self.fields(node, "queue", QUEUE)) {
            self.set(&fields, "max", WAITING, &mut balancing.queue.max);
            self.set(&fields, "timeout_ms", MILLISECONDS, &mut balancing.queue.timeout_ms);
            self.set(&fields, "overtaken_max", OVERTAKEN, &mut balancing.queue.overtaken_max);
            self.set(&fields, "patience_ms", PATIENCE, &mut balancing.queue.patience_ms);
            match fields.find_or_null("priority_header") {
                None => {}
                Some(Node { value: Value::Null, .. }) => balancing.queue.priority_header = None,
                Some(node) => balancing.queue.priority_header = self.header_name(node, "priority_header", "Priority"),
            }
        }
        self.set(fields, "failovers_max", FAILOVERS, &mut balancing.failovers_max);
        match fields.find_or_null("check_ms") {
            None => {}
            Some(Node { value: Value::Null, .. }) => balancing.checks = Checks::Never,
            Some(Node { value: Value::Text(text), .. }) if text == "auto" => {}
            Some(node) => {
                let ms = self.number(node, "check_ms", MILLISECONDS);
                balancing.checks = ms.map_or(balancing.checks, |ms| Checks::Every { ms });
            }
        }
        let session_header = fields.find("session_header");
        if let Some(name) = session_header.and_then(|node| self.header_name(node, "session_header", "X-Session-Id")) {
            balancing.session_header = name;
        }
        balancing
    }

    fn header_name(&mut self, node: &Node, what: &str, example: &str) -> Option<String> {
        let name = self.text(node, what)?;
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            self.mistake(node.place, format!("{what} `{name}` is no header's name"), format!("as in {example}"));
            return None;
        }
        Some(name.into())
    }
}
