//! Configuration keys: reads the tree as a configuration: the keys that there are, their ranges and what must agree
//! between them. The list of keys here and the commented file `conf/toolgate.yaml` are held together by a test.

use std::ops::RangeInclusive;

use super::fields::{Fields, Reader};
use super::mistake::{ConfigErrors, Mistake, suggest};
use super::tree::{self, Node, Value};
use super::{
    Address, Config, Conversations, DialectChoice, EngineChoice, Glob, HostedTools, Messages, Peer, Pool, Server,
    Timeouts, Tools, ToolsChoice, View,
};
use crate::decode::{Reasoning, UnknownTools};
use crate::dialect::Dialects;
use crate::limits::Limits;
use crate::plan::Chats;

pub(super) const TOP: &[&str] = &[
    "listen",
    "admin",
    "pools",
    "alias",
    "agents",
    "models_list",
    "addressed",
    "expose",
    "ollama_api",
    "limits",
    "dialects",
    "server",
    "tools",
];
pub(super) const POOL: &[&str] = &[
    "name",
    "models",
    "engine",
    "peers",
    "peers_file",
    "policy",
    "queue",
    "keepalive_ms",
    "models_loaded",
    "ollama",
    "messages",
    "hosted_tools",
    "server_tools",
    "offer",
    "show",
    "failovers_max",
    "check_ms",
    "session_header",
    "dialect",
    "tools",
    "reasoning",
    "unknown_tools",
    "assemble",
    "progress",
    "conversations",
    "timeouts",
];
pub(super) const TIMEOUTS: &[&str] = &["connect_ms", "first_byte_ms", "idle_ms", "total_ms", "client_ms"];
pub(super) const SERVER: &[&str] = &[
    "threads",
    "work_stealing",
    "listener_tasks_per_fd",
    "upstream_keepalive_pool_size",
    "drain_pause_ms",
    "grace_seconds",
];
pub(super) const LIMITS: &[&str] = &[
    "headers_max",
    "header_bytes_max",
    "header_ms_max",
    "upload_ms",
    "upload_bytes_per_second_min",
    "connections_max",
    "bodies_bytes_max",
    "request_body_bytes_max",
    "request_depth_max",
    "event_bytes_max",
    "pending_bytes_max",
    "value_bytes_max",
    "answer_bytes_max",
    "depth_max",
    "choices_max",
    "metrics_models_max",
];

const TOOLS: &[(&str, ToolsChoice)] = &[
    ("auto", ToolsChoice::Auto),
    ("inject", ToolsChoice::Inject),
    ("parse", ToolsChoice::Parse),
    ("native", ToolsChoice::Native),
];
const UNKNOWN_TOOLS: &[(&str, UnknownTools)] = &[("text", UnknownTools::Text), ("pass", UnknownTools::Pass)];
const CONVERSATIONS: &[(&str, Conversations)] = &[("cancel", Conversations::Cancel), ("keep", Conversations::Keep)];
const MESSAGES: &[(&str, Messages)] = &[("chat", Messages::Chat), ("pass", Messages::Pass)];
const HOSTED_TOOLS: &[(&str, HostedTools)] = &[("refuse", HostedTools::Refuse), ("drop", HostedTools::Drop)];
const CHATS: &[(&str, Chats)] = &[("tools", Chats::Tools), ("all", Chats::All), ("off", Chats::Off)];
pub(super) const FLAG: &[(&str, bool)] = &[("true", true), ("false", false)];

/// A day: what waits longer has been forgotten.
pub(super) const MILLISECONDS: RangeInclusive<u64> = 1..=86_400_000;
/// One byte to a gibibyte: more would be memory that no machine in front of a model has to spare.
pub(super) const BYTES: RangeInclusive<usize> = 1..=(1 << 30);
const BODIES_BYTES_MAX: usize = 1 << 40;

/// What a configuration refers to outside its own text.
pub trait Surroundings {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// The dialect files of a folder: the name and the text of each. Fails with a message.
    fn dialects(&self, folder: &str) -> Result<Vec<(String, String)>, String>;
    /// A file: where it is, from anywhere, and its text. Fails with a message.
    fn file(&self, name: &str) -> Result<(String, String), String>;
}

impl Config {
    /// Reads a configuration, and fails with everything that is wrong with it. `file` is its name in messages.
    pub fn from_yaml(text: &str, file: &str, surroundings: &dyn Surroundings) -> Result<Self, ConfigErrors> {
        let mut reader = Reader { file, mistakes: Vec::new() };
        let tree = tree::parse(text, file, &|name| surroundings.variable(name), &mut reader.mistakes);
        let config = tree.and_then(|root| reader.config(&root, surroundings));
        match config {
            Some(config) if reader.mistakes.is_empty() => Ok(config),
            _ => Err(ConfigErrors::sorted(reader.mistakes, file)),
        }
    }

    /// A configuration of one pool, as the command line gives it without a file.
    pub fn from_upstreams(urls: &[String], listen: &[String], dialect: Option<&str>) -> Result<Self, ConfigErrors> {
        let dialects = Dialects::builtin();
        let mut mistakes = Vec::new();
        let mut mistake = |option: &str, what: String, hint: &str| {
            let (file, hint) = (option.to_owned(), hint.to_owned());
            mistakes.push(Mistake { file, place: None, what, hint });
        };
        let mut peers = Vec::new();
        for url in urls {
            match Peer::parse(url) {
                Ok(peer) => peers.push(peer),
                Err(error) => mistake("--upstream", format!("`{url}` {error}"), error.hint()),
            }
        }
        for address in listen {
            if let Err(error) = Address::parse(address) {
                mistake("--listen", format!("`{address}` {error}"), error.hint());
            }
        }
        let dialect = dialect.map_or(Ok(DialectChoice::Auto), |name| choose_dialect(name, &dialects));
        let dialect = dialect.unwrap_or_else(|(what, hint)| {
            mistake("--dialect", what, &hint);
            DialectChoice::Auto
        });
        if !mistakes.is_empty() {
            return Err(ConfigErrors(mistakes));
        }
        let pool = Pool { peers, dialect, engine_choice: EngineChoice::Auto, ..Pool::named("default") };
        let listen = if listen.is_empty() { vec![DEFAULT_LISTEN.into()] } else { listen.to_vec() };
        let (view, limits, server) = (View::default(), Limits::default(), Server::default());
        Ok(Self { listen, admin: None, pools: vec![pool], view, limits, dialects, server, tools: Tools::default() })
    }
}

const DIALECT_HINT: &str = "`toolgate dialects NAME` shows one to start from";
const DEFAULT_LISTEN: &str = "127.0.0.1:8000";

impl Reader<'_> {
    fn config(&mut self, root: &Node, surroundings: &dyn Surroundings) -> Option<Config> {
        let fields = self.fields(root, "the configuration", TOP)?;
        let mut listen = Vec::new();
        match fields.find("listen") {
            Some(node) => {
                for node in self.items(node, "listen") {
                    listen.extend(self.address(node, "listen", &listen));
                }
            }
            None => listen.push(DEFAULT_LISTEN.into()),
        }
        let admin = fields.find("admin").and_then(|node| self.address(node, "admin", &listen));
        let dialects = self.dialects(fields.find("dialects"), surroundings);
        let limits = fields.find("limits").map_or_else(|| Some(Limits::default()), |node| self.limits(node));
        let server = fields.find("server").map_or_else(|| Some(Server::default()), |node| self.server(node));
        let tools = fields.find("tools").map(|node| self.server_side_tools(node)).unwrap_or_default();
        let pools = self.pools(root, fields.find("pools"), &dialects, surroundings);
        let mut view = self.view(&fields, &pools, &dialects);
        let taken: Vec<_> = listen.iter().chain(&admin).cloned().collect();
        view.ollama_api = fields.find("ollama_api").and_then(|node| self.ollama_api(node, &taken));
        listen.extend(view.ollama_api.iter().flat_map(|api| api.listen.iter().cloned()));
        let config = Config { listen, admin, pools, view, limits: limits?, dialects, server: server?, tools };
        if let (Some(node), Some((what, hint))) = (fields.find("tools"), config.exposed_tools()) {
            self.mistake(node.place, what, hint);
        }
        Some(config)
    }

    pub(super) fn address(&mut self, node: &Node, key: &str, taken: &[String]) -> Option<String> {
        let text = self.text(node, key)?;
        let address = match Address::parse(text) {
            Ok(address) => address,
            Err(error) => {
                self.mistake(node.place, format!("{key}: `{text}` {error}"), error.hint());
                return None;
            }
        };
        for other in taken {
            if other == text {
                self.mistake(node.place, format!("{key}: address `{text}` twice"), "each is listened on once");
                return None;
            }
            if Address::parse(other).is_ok_and(|other| other.collides(&address)) {
                let what = format!("{key}: `{text}` and `{other}` cannot be listened on both");
                self.mistake(node.place, what, "give one of them another port");
                return None;
            }
        }
        Some(text.into())
    }

    fn dialects(&mut self, folder: Option<&Node>, surroundings: &dyn Surroundings) -> Dialects {
        let mut dialects = Dialects::builtin();
        let Some(node) = folder else { return dialects };
        let Some(folder) = self.text(node, "dialects") else { return dialects };
        let files = surroundings.dialects(folder).unwrap_or_else(|error| {
            let hint = "a folder of dialect files, one *.yaml each";
            self.mistake(node.place, format!("dialects: `{folder}`: {error}"), hint);
            Vec::new()
        });
        for (file, text) in files {
            match Dialects::parse(&text) {
                Ok(dialect) => dialects.add(dialect),
                Err(error) => self.mistakes.push(Mistake {
                    file,
                    place: None,
                    what: error.to_string(),
                    hint: DIALECT_HINT.into(),
                }),
            }
        }
        dialects
    }

    fn pools(
        &mut self,
        root: &Node,
        node: Option<&Node>,
        dialects: &Dialects,
        surroundings: &dyn Surroundings,
    ) -> Vec<Pool> {
        let Some(node) = node else {
            self.mistake(root.place, "no pools", "pools: [{name: default, peers: [\"http://127.0.0.1:8080\"]}]");
            return Vec::new();
        };
        let mut pools: Vec<Pool> = Vec::new();
        for item in self.items(node, "pools") {
            let Some(pool) = self.pool(item, dialects, surroundings) else { continue };
            if pools.iter().any(|other| other.name == pool.name && !pool.name.is_empty()) {
                self.mistake(item.place, format!("pool `{}` twice", pool.name), "names are unique");
            }
            for glob in &pool.models {
                if let Some(other) = pools.iter().find(|other| other.models.contains(glob)) {
                    let what = format!("pools `{}` and `{}` both take `{glob}`", other.name, pool.name);
                    self.mistake(item.place, what, "the first would get every request for it");
                }
            }
            if let Some(other) = pools.iter().find(|other| other.models.is_empty() && pool.models.is_empty()) {
                let what = format!("pools `{}` and `{}` both take any model", other.name, pool.name);
                self.mistake(item.place, what, "give one of them `models`");
            }
            pools.push(pool);
        }
        pools
    }

    fn pool(&mut self, node: &Node, dialects: &Dialects, surroundings: &dyn Surroundings) -> Option<Pool> {
        let fields = self.fields(node, "a pool", POOL)?;
        let mut pool = Pool::named("");
        match fields.find("name") {
            Some(name) => pool.name = self.text(name, "a pool's name").unwrap_or_default().into(),
            None => self.mistake(node.place, "a pool without `name`", "it stands in logs and metrics"),
        }
        pool.models = fields.find("models").map(|node| self.globs(node)).unwrap_or_default();
        if let Some(node) = fields.find("dialect") {
            pool.dialect = self.dialect(node, dialects);
        }
        if let Some(node) = fields.find("timeouts") {
            self.timeouts(node, &mut pool.timeouts);
        }
        self.set_or_never(&fields, "keepalive_ms", &mut pool.keepalive_ms);
        pool.balancing = self.balancing(&fields);
        self.engine(&fields, &mut pool);
        self.choose(&fields, "tools", "tools mode", TOOLS, &mut pool.tools);
        self.choose(
            &fields,
            "reasoning",
            "reasoning policy",
            &Reasoning::ALL.map(|policy| (policy.name(), policy)),
            &mut pool.reasoning,
        );
        self.choose(&fields, "unknown_tools", "unknown_tools policy", UNKNOWN_TOOLS, &mut pool.unknown_tools);
        self.choose(&fields, "conversations", "conversations policy", CONVERSATIONS, &mut pool.conversations);
        self.choose(&fields, "messages", "messages policy", MESSAGES, &mut pool.messages);
        self.choose(&fields, "hosted_tools", "hosted_tools policy", HOSTED_TOOLS, &mut pool.hosted_tools);
        self.server_tools(&fields, &mut pool);
        self.choose(&fields, "assemble", "assemble policy", CHATS, &mut pool.assemble);
        self.choose(&fields, "progress", "progress policy", CHATS, &mut pool.progress);
        self.hold_to_engine(&fields, &mut pool);
        if let Some(node) = fields.find("models_loaded") {
            pool.models_loaded = self.models_loaded(node, &pool);
        }
        if let Some(node) = fields.find("ollama") {
            pool.ollama = self.ollama(node);
        }
        let (peers, peers_file) = (fields.find("peers"), fields.find("peers_file"));
        if peers.or(peers_file).is_none() {
            let hint = "peers: [\"http://127.0.0.1:8080\"]";
            self.mistake(node.place, format!("pool `{}` has no peers", pool.name), hint);
        }
        let own = peers.map(|node| self.servers(node)).unwrap_or_default();
        (pool.peers, pool.names) = (own.peers, own.names);
        pool.peers_file = peers_file.and_then(|node| self.peers_file(node, surroundings));
        Some(pool)
    }

    /// Patterns of models' names.
    pub(super) fn globs(&mut self, node: &Node) -> Vec<Glob> {
        let items = self.items(node, "models");
        items.iter().filter_map(|model| self.text(model, "a model").map(Glob::new)).collect()
    }

    fn dialect(&mut self, node: &Node, dialects: &Dialects) -> DialectChoice {
        let Some(name) = self.text(node, "dialect") else { return DialectChoice::Auto };
        choose_dialect(name, dialects).unwrap_or_else(|(what, hint)| {
            self.mistake(node.place, what, hint);
            DialectChoice::Auto
        })
    }

    fn timeouts(&mut self, node: &Node, timeouts: &mut Timeouts) {
        let Some(fields) = self.fields(node, "timeouts", TIMEOUTS) else { return };
        self.set(&fields, "connect_ms", MILLISECONDS, &mut timeouts.connect_ms);
        for (key, value) in [
            ("first_byte_ms", &mut timeouts.first_byte_ms),
            ("idle_ms", &mut timeouts.idle_ms),
            ("total_ms", &mut timeouts.total_ms),
            ("client_ms", &mut timeouts.client_ms),
        ] {
            self.set_or_never(&fields, key, value);
        }
    }

    /// Replaces a default by the milliseconds of its key, when there is one; `null` is never.
    fn set_or_never(&mut self, fields: &Fields<'_>, key: &str, value: &mut Option<u64>) {
        match fields.find_or_null(key) {
            None => {}
            Some(Node { value: Value::Null, .. }) => *value = None,
            Some(node) => *value = self.number(node, key, MILLISECONDS),
        }
    }

    fn limits(&mut self, node: &Node) -> Option<Limits> {
        let fields = self.fields(node, "limits", LIMITS)?;
        let mut limits = Limits::default();
        // Pingora reads no more than 256 fields.
        self.set(&fields, "headers_max", 1..=256, &mut limits.headers_max);
        self.set(&fields, "header_bytes_max", 1_024..=65_536, &mut limits.header_bytes_max);
        self.set(&fields, "header_ms_max", MILLISECONDS, &mut limits.header_ms_max);
        self.set(&fields, "upload_ms", MILLISECONDS, &mut limits.upload_ms);
        let rate = &mut limits.upload_bytes_per_second_min;
        self.set(&fields, "upload_bytes_per_second_min", 1..=1_000_000_000, rate);
        match fields.find("connections_max") {
            None => {}
            Some(Node { value: Value::Text(text), .. }) if text == "auto" => {}
            Some(node) => limits.connections_max = self.number(node, "connections_max", 1..=10_000_000),
        }
        self.set(&fields, "bodies_bytes_max", 1..=BODIES_BYTES_MAX, &mut limits.bodies_bytes_max);
        self.set(&fields, "request_body_bytes_max", BYTES, &mut limits.request_body_bytes_max);
        self.set(&fields, "request_depth_max", 1..=10_000, &mut limits.request_depth_max);
        self.set(&fields, "event_bytes_max", BYTES, &mut limits.event_bytes_max);
        self.set(&fields, "pending_bytes_max", BYTES, &mut limits.pending_bytes_max);
        self.set(&fields, "value_bytes_max", BYTES, &mut limits.value_bytes_max);
        self.set(&fields, "answer_bytes_max", BYTES, &mut limits.answer_bytes_max);
        self.set(&fields, "depth_max", 1..=1_024, &mut limits.depth_max);
        self.set(&fields, "choices_max", 1..=1_024, &mut limits.choices_max);
        self.set(&fields, "metrics_models_max", 0..=1_000, &mut limits.metrics_models_max);
        Some(limits)
    }

    fn server(&mut self, node: &Node) -> Option<Server> {
        let fields = self.fields(node, "server", SERVER)?;
        let mut server = Server::default();
        self.set(&fields, "threads", 1..=1_024, &mut server.threads);
        self.choose(&fields, "work_stealing", "work_stealing", FLAG, &mut server.work_stealing);
        self.set(&fields, "listener_tasks_per_fd", 1..=1_024, &mut server.listener_tasks_per_fd);
        self.set(&fields, "upstream_keepalive_pool_size", 0..=1_000_000, &mut server.upstream_keepalive_pool_size);
        self.set(&fields, "drain_pause_ms", 0..=600_000, &mut server.drain_pause_ms);
        self.set(&fields, "grace_seconds", 0..=86_400, &mut server.grace_seconds);
        Some(server)
    }

    /// Replaces a default by the number of its key, when there is one.
    pub(super) fn set<N>(&mut self, fields: &Fields<'_>, key: &str, range: RangeInclusive<N>, value: &mut N)
    where
        N: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        if let Some(number) = fields.find(key).and_then(|node| self.number(node, key, range)) {
            *value = number;
        }
    }

    /// Replaces a default by the word of its key, when there is one. `what` names it in messages.
    pub(super) fn choose<T: Copy>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        what: &str,
        words: &[(&str, T)],
        value: &mut T,
    ) {
        if let Some(word) = fields.find(key).and_then(|node| self.choice(node, what, words)) {
            *value = word;
        }
    }
}

/// The dialect of a name, or `auto`. Fails with what is wrong and a hint.
fn choose_dialect(name: &str, dialects: &Dialects) -> Result<DialectChoice, (String, String)> {
    if name == "auto" {
        return Ok(DialectChoice::Auto);
    }
    dialects.get(name).map(|dialect| DialectChoice::Named(dialect.clone())).ok_or_else(|| {
        let known = std::iter::once("auto").chain(dialects.iter().map(|dialect| dialect.name()));
        (format!("unknown dialect `{name}`"), suggest(name, known))
    })
}
