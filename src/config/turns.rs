//! Turns in which tools run on the server: which a pool offers, to whom, and what a turn may take.
//! Runs none; `turn` and `toolbox` do.

use std::time::Duration;

use super::fields::{Fields, Reader};
use super::read::BYTES;
use super::tree::Node;
use super::{Address, Config, Glob, Pool};

/// The tools that a pool's models are offered, which run on the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerTools {
    /// By their names; none means none at all.
    pub names: Vec<Glob>,
    pub offer: Offer,
    pub show: ShowCalls,
}

/// Which requests are offered them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// Those that say nothing of tools.
    #[default]
    WithoutTools,
    Always,
    /// Those that name them in a header.
    Asked,
}

/// What clients of chats see of calls that run on the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShowCalls {
    /// The tool's name, in comments of the stream.
    #[default]
    Comments,
    /// Nothing.
    None,
    /// Comments, and a line among the model's thoughts.
    Reasoning,
}

/// What a turn may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnLimits {
    /// Answers that may call tools.
    pub rounds_max: usize,
    /// Calls.
    pub calls_max: usize,
    pub time_max: Duration,
}

/// What is remembered of turns for the next request of their conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnMemory {
    pub bytes: usize,
    pub age: Duration,
}

impl Default for TurnLimits {
    fn default() -> Self {
        Self { rounds_max: 10, calls_max: 64, time_max: Duration::from_secs(1_800) }
    }
}

impl Default for TurnMemory {
    fn default() -> Self {
        Self { bytes: 64 << 20, age: Duration::from_secs(3_600) }
    }
}

pub(super) const TURN_LIMITS: &[&str] = &["rounds_max", "calls_max", "turn_seconds"];
pub(super) const TURN_MEMORY: &[&str] = &["bytes", "seconds"];
const OFFER: &[(&str, Offer)] =
    &[("without_tools", Offer::WithoutTools), ("always", Offer::Always), ("asked", Offer::Asked)];
const SHOW: &[(&str, ShowCalls)] =
    &[("comments", ShowCalls::Comments), ("none", ShowCalls::None), ("reasoning", ShowCalls::Reasoning)];
/// A day.
const SECONDS: std::ops::RangeInclusive<u64> = 1..=86_400;

impl Config {
    /// Whether models are offered tools that run on the server.
    pub fn offers_server_tools(&self) -> bool {
        self.pools.iter().any(|pool| !pool.server_tools.names.is_empty())
    }
}

impl Reader<'_> {
    pub(super) fn server_tools(&mut self, fields: &Fields<'_>, pool: &mut Pool) {
        let tools = &mut pool.server_tools;
        if let Some(node) = fields.find("server_tools") {
            tools.names = self.items(node, "server_tools").iter().filter_map(|node| self.tool_name(node)).collect();
        }
        self.choose(fields, "offer", "offer policy", OFFER, &mut tools.offer);
        self.choose(fields, "show", "show policy", SHOW, &mut tools.show);
    }

    fn tool_name(&mut self, node: &Node) -> Option<Glob> {
        self.text(node, "a tool").map(Glob::new)
    }

    pub(super) fn hosts(&mut self, node: &Node) -> Vec<String> {
        let items = self.items(node, "hosts");
        items.iter().filter_map(|host| self.text(host, "a host").map(str::to_owned)).collect()
    }

    pub(super) fn turn_limits(&mut self, node: &Node) -> TurnLimits {
        let mut limits = TurnLimits::default();
        let Some(fields) = self.fields(node, "limits", TURN_LIMITS) else { return limits };
        self.set(&fields, "rounds_max", 1..=1_000, &mut limits.rounds_max);
        self.set(&fields, "calls_max", 1..=10_000, &mut limits.calls_max);
        let mut seconds = limits.time_max.as_secs();
        self.set(&fields, "turn_seconds", SECONDS, &mut seconds);
        limits.time_max = Duration::from_secs(seconds);
        limits
    }

    pub(super) fn turn_memory(&mut self, node: &Node) -> TurnMemory {
        let mut memory = TurnMemory::default();
        let Some(fields) = self.fields(node, "memory", TURN_MEMORY) else { return memory };
        let mut bytes = memory.bytes;
        self.set(&fields, "bytes", 0..=*BYTES.end(), &mut bytes);
        let mut seconds = memory.age.as_secs();
        self.set(&fields, "seconds", SECONDS, &mut seconds);
        (memory.bytes, memory.age) = (bytes, Duration::from_secs(seconds));
        memory
    }

    /// Whoever reaches the gateway may use the tools: those that change things are refused where others than this machine
    /// do. `place` is where the configuration says what they may.
    pub(super) fn hold_to_own_machine(&mut self, node: &Node, config: &Config) {
        let is_reachable = |address: &String| Address::parse(address).is_ok_and(|address| address.is_reachable());
        let Some(address) = config.listen.iter().find(|address| is_reachable(address)) else { return };
        let workspace = &config.tools.workspace;
        let changes = workspace.write || workspace.roots.iter().any(|root| root.write);
        if config.offers_server_tools() && changes {
            let what = format!("tools that change files, offered at `{address}`, which other machines reach");
            self.mistake(node.place, what, "clients need no key: `listen` at 127.0.0.1, or do without `write`");
        }
    }
}
