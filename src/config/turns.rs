//! Turns in which tools run on the server: which a pool offers, to whom, and what a turn may take.
//! Runs none; `turn` and `toolbox` do.

use std::path::PathBuf;
use std::time::Duration;

use super::fields::{Fields, Reader};
use super::mistake::{ConfigErrors, Mistake};
use super::read::BYTES;
use super::tree::Node;
use super::{Address, Config, Glob, Pool, Workspace};
use crate::tooling::{AllowList, PrefixError, RESULT_BYTES_MAX};

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
    /// Bytes of a result.
    pub result_bytes_max: usize,
}

/// What is remembered of turns for the next request of their conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnMemory {
    pub bytes: usize,
    pub age: Duration,
}

impl Default for TurnLimits {
    fn default() -> Self {
        Self { rounds_max: 10, calls_max: 64, time_max: Duration::from_secs(1_800), result_bytes_max: RESULT_BYTES_MAX }
    }
}

impl Default for TurnMemory {
    fn default() -> Self {
        Self { bytes: 64 << 20, age: Duration::from_secs(3_600) }
    }
}

pub(super) const TURN_LIMITS: &[&str] = &["rounds_max", "calls_max", "turn_seconds", "result_bytes_max"];
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

    /// The same, with tools that read and change files beneath this directory, which its pools offer. Fails where others
    /// than this machine could use them.
    pub fn with_working_dir(mut self, directory: PathBuf) -> Result<Self, ConfigErrors> {
        self.tools.workspace = Workspace { root: Some(directory), write: true, ..Workspace::default() };
        for pool in &mut self.pools {
            pool.server_tools.names = vec![Glob::new("*")];
        }
        match self.exposed_tools() {
            Some((what, hint)) => {
                let (file, hint) = ("--working-dir".to_owned(), hint.to_owned());
                Err(ConfigErrors(vec![Mistake { file, place: None, what, hint }]))
            }
            None => Ok(self),
        }
    }

    /// The same, with commands that begin with one of these, run in namespaces. Fails with one that is no beginning of a
    /// command.
    pub fn with_commands(mut self, allowed: &[&str]) -> Result<Self, PrefixError> {
        let commands = &mut self.tools.commands;
        (commands.enabled, commands.allow) = (true, AllowList::new(allowed.iter().copied())?);
        Ok(self)
    }

    /// What tools others than this machine could use that change things, if there are such, and what helps.
    pub(super) fn exposed_tools(&self) -> Option<(String, &'static str)> {
        let is_reachable = |address: &&String| Address::parse(address).is_ok_and(|address| address.is_reachable());
        let address = self.listen.iter().find(is_reachable)?;
        let workspace = &self.tools.workspace;
        let changes = workspace.write || workspace.roots.iter().any(|root| root.write);
        let runs = self.tools.commands.enabled || self.tools.code.python.is_some();
        let (what, hint) = match runs {
            true => ("run commands", "clients need no key: `listen` at 127.0.0.1, or do without `commands` and `code`"),
            false => ("change files", "clients need no key: `listen` at 127.0.0.1, or do without `write`"),
        };
        let what = format!("tools that {what}, offered at `{address}`, which other machines reach");
        (self.offers_server_tools() && (changes || runs)).then_some((what, hint))
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
        self.set(&fields, "result_bytes_max", 1_024..=RESULT_BYTES_MAX, &mut limits.result_bytes_max);
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
}
