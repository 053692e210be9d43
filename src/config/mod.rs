//! Configuration: YAML to a tree whose nodes know their place, and that tree to a `Config`.
//! Opens no file and reads no environment: both are handed in.

mod address;
mod agents;
mod balancing;
mod commands;
mod engine;
mod entries;
mod fields;
mod loads;
mod mistake;
mod ollama;
mod peer;
mod read;
#[cfg(test)]
mod tests;
mod tool_servers;
mod tree;
mod turns;
mod view;
mod workspace;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::address::{Address, AddressError};
pub use self::agents::{AgentRule, Wants};
pub use self::balancing::{Balancing, Checks, Queue};
pub use self::commands::{Code, Commands, Sandbox};
pub use self::engine::EngineChoice;
pub use self::entries::{Entries, Name, PeersFile};
pub use self::loads::ModelsLoaded;
pub use self::mistake::{ConfigErrors, Mistake, Place};
pub use self::ollama::{Ollama, OllamaApi};
pub use self::read::Surroundings;
pub use self::tool_servers::{Changes, Reach, ToolServer};
pub use self::turns::{Offer, ServerTools, ShowCalls, TurnLimits, TurnMemory};
pub use self::view::{Alias, Hides, ModelsList, Page, View};
pub use self::workspace::{Tools, Workspace, WorkspaceRoot};
pub use crate::api::anthropic::HostedTools;
pub use crate::dialect::Glob;

use crate::decode::{Reasoning, UnknownTools};
use crate::dialect::{Dialect, Dialects};
use crate::engine::{Engine, ToolsMode};
use crate::limits::Limits;
use crate::plan::Chats;

/// The configuration with every key and its default, commented; itself a valid configuration.
pub const DEFAULT_YAML: &str = include_str!("../../conf/toolgate.yaml");

/// What the gateway does, with every default filled in.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses that clients connect to, as [`Address`] reads them; at least one.
    pub listen: Vec<String>,
    /// The address of health and readiness, such a one too.
    pub admin: Option<String>,
    /// At least one; names are unique, and at most one takes any model.
    pub pools: Vec<Pool>,
    pub view: View,
    pub limits: Limits,
    /// The built-in dialects and the user's own.
    pub dialects: Dialects,
    pub server: Server,
    /// Tools that run on the server; pools say which they offer.
    pub tools: Tools,
}

impl Config {
    /// The models that it names, and not by a pattern, in lower case.
    pub fn models(&self) -> impl Iterator<Item = String> {
        let named = self.pools.iter().flat_map(|pool| &pool.models).filter_map(Glob::literal);
        named.chain(self.view.aliases.iter().map(|alias| alias.model.as_str())).map(str::to_lowercase)
    }

    /// What may be meant, and may be a mistake all the same.
    pub fn warnings(&self) -> Vec<String> {
        let is_reachable = |address: &&String| Address::parse(address).is_ok_and(|address| address.is_reachable());
        let listen = self.listen.iter().filter(is_reachable).map(|address| {
            format!(
                "listen: `{address}` can be reached from other machines, and clients need no key: let only those reach it \
                 who may use the servers"
            )
        });
        let admin = self.admin.iter().filter(is_reachable).map(|address| {
            format!(
                "admin: `{address}` can be reached from other machines: whoever reaches it sees names of servers and \
                 models"
            )
        });
        listen.chain(admin).collect()
    }
}

/// Servers that run the same models.
#[derive(Clone, Debug)]
pub struct Pool {
    pub name: String,
    /// The models it runs; none means any.
    pub models: Vec<Glob>,
    pub engine: Engine,
    pub engine_choice: EngineChoice,
    /// With `names` and `peers_file` at least one.
    pub peers: Vec<Peer>,
    /// Names that lead to more of them.
    pub names: Vec<Name>,
    pub peers_file: Option<PeersFile>,
    pub balancing: Balancing,
    pub models_loaded: ModelsLoaded,
    pub ollama: Ollama,
    pub messages: Messages,
    pub hosted_tools: HostedTools,
    pub server_tools: ServerTools,
    pub dialect: DialectChoice,
    pub tools: ToolsChoice,
    pub reasoning: Reasoning,
    pub unknown_tools: UnknownTools,
    /// Whose whole answers are assembled from a stream. llama.cpp alone needs that, to notice that a client has left.
    pub assemble: Chats,
    /// For whom llama.cpp is asked how far it is with the prompt.
    pub progress: Chats,
    pub conversations: Conversations,
    pub timeouts: Timeouts,
    /// How long a client that asked for a stream hears nothing while it waits, in milliseconds. None means for ever.
    pub keepalive_ms: Option<u64>,
}

impl Pool {
    /// A pool with every default and no peers yet. Its engine is taken for named: nobody is asked for it.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            models: Vec::new(),
            engine: Engine::default(),
            engine_choice: EngineChoice::default(),
            peers: Vec::new(),
            names: Vec::new(),
            peers_file: None,
            balancing: Balancing::default(),
            models_loaded: ModelsLoaded::default(),
            ollama: Ollama::default(),
            messages: Messages::default(),
            hosted_tools: HostedTools::default(),
            server_tools: ServerTools::default(),
            dialect: DialectChoice::Auto,
            tools: ToolsChoice::default(),
            reasoning: Reasoning::default(),
            unknown_tools: UnknownTools::default(),
            assemble: Chats::default(),
            progress: Chats::default(),
            conversations: Conversations::default(),
            timeouts: Timeouts::default(),
            keepalive_ms: Some(KEEPALIVE_MS),
        }
    }

    /// The pause between two questions to the same server, if any are asked. Where servers come and go there is always
    /// a choice.
    pub fn pause(&self) -> Option<Duration> {
        let comes_and_goes = !self.names.is_empty() || self.peers_file.is_some();
        self.balancing.checks.pause(if comes_and_goes { usize::MAX } else { self.peers.len() })
    }

    /// Whether it says of a peer that it has many models, or which of them.
    pub fn names_models(&self, peer: &Peer) -> bool {
        self.models_loaded != ModelsLoaded::default() || peer.places.is_some() || !peer.models.is_empty()
    }

    /// Whether a request for this model goes here.
    pub fn takes(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|glob| glob.matches(model))
    }
}

/// Proxies on the way close a connection on which nothing was said for a minute; many clients do too.
const KEEPALIVE_MS: u64 = 15_000;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// By which it is known in lists and addressed; host and port when it has no other.
    pub name: String,
    /// As written, for logs. Credentials in it are a mistake, so it holds none.
    pub url: String,
    /// A name or an address, without the brackets of IPv6.
    pub host: String,
    pub port: u16,
    /// Goes before the path of every request; empty, or starts with `/` and ends without one.
    pub prefix: String,
    /// Its share of the requests, relative to the pool's other peers.
    pub weight: u32,
    /// Lower goes first: a peer of a higher number gets requests only when none of a lower one can take them.
    pub priority: u8,
    /// Requests that it may have at once; none means what it says itself, or no limit.
    pub max_inflight: Option<u32>,
    /// Models that it may have loaded at once; none means as many as it says itself, or what it is seen to hold.
    pub places: Option<u32>,
    /// The models that it may load; none means any.
    pub models: Vec<Glob>,
    /// Replaces the client's `Authorization`.
    pub api_key: Option<Secret>,
    /// What its `Host` header says; with none, host and port.
    pub authority: Option<String>,
    /// It gets no more requests, and ends with its last.
    pub drain: bool,
}

/// Which dialect the models of a pool write.
#[derive(Clone, Debug)]
pub enum DialectChoice {
    /// By the server's chat template, else by the model's name.
    Auto,
    Named(Arc<Dialect>),
}

/// What the configuration says about tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolsChoice {
    /// What the server's own template can do decides, for each model.
    #[default]
    Auto,
    Inject,
    Parse,
    Native,
}

impl ToolsChoice {
    /// What is done, where the configuration says it.
    pub fn mode(self) -> Option<ToolsMode> {
        match self {
            Self::Auto => None,
            Self::Inject => Some(ToolsMode::Inject),
            Self::Parse => Some(ToolsMode::Parse),
            Self::Native => Some(ToolsMode::Native),
        }
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        self.mode().map_or("auto", ToolsMode::name)
    }
}

/// How a request of Anthropic's Messages API is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Messages {
    /// As the chat that it stands for.
    #[default]
    Chat,
    /// Its server has that API, too, and gets it as it came.
    Pass,
}

/// What becomes of a stream that a llama.cpp server keeps for its client (`X-Conversation-Id`) when the client leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conversations {
    /// The server is told to stop, and its slot is free.
    #[default]
    Cancel,
    /// It goes on, and the client may come back for the rest.
    Keep,
}

/// How long a peer is waited for, in milliseconds. None means for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect_ms: u64,
    /// Until the first byte of the answer. A request that waits in the server's own queue gets none, so there is no
    /// default.
    pub first_byte_ms: Option<u64>,
    /// Between two bytes of the answer.
    pub idle_ms: Option<u64>,
    /// The whole exchange.
    pub total_ms: Option<u64>,
    /// How long a client may take nothing of its answer.
    pub client_ms: Option<u64>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_ms: 5_000, first_byte_ms: None, idle_ms: Some(300_000), total_ms: None, client_ms: Some(60_000) }
    }
}

/// How the process runs. The names but the last two are Pingora's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Threads that serve requests.
    pub threads: usize,
    /// Whether an idle thread takes over a busy one's work.
    pub work_stealing: bool,
    /// Tasks that accept connections, for each address.
    pub listener_tasks_per_fd: usize,
    /// Idle connections to peers that are kept.
    pub upstream_keepalive_pool_size: usize,
    /// How long a stop goes on taking newcomers, while whoever asks is told that it is not ready.
    pub drain_pause_ms: u64,
    /// How long a stop then waits at most for the requests in flight.
    pub grace_seconds: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            threads: 2,
            work_stealing: true,
            listener_tasks_per_fd: 1,
            upstream_keepalive_pool_size: 128,
            drain_pause_ms: 0,
            grace_seconds: 60,
        }
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes what is to be kept from logs and messages.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one header that carries it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
