//! MCP servers whose tools the gateway runs: how each is reached, and which of its tools there are.
//! Connects to none; `mcp` does. Where TLS to servers is missing, a URL that asks for it is a mistake.

use std::time::Duration;

use super::fields::{Fields, Reader};
use super::peer::UrlError;
use super::tree::Node;
use super::{Glob, Peer, Secret};
use crate::tooling::{is_own_tool, is_tool_name};

/// One MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolServer {
    /// What goes before the names of its tools: `docs` for `docs__search`. By it a request selects the server, too.
    pub name: String,
    pub reach: Reach,
    /// Those of its tools that there are, by the server's own names.
    pub tools: Vec<Glob>,
    /// Names of tools for models, by the server's own.
    pub aliases: Vec<(String, String)>,
    /// How long a call may go without an answer or a sign of progress.
    pub timeout: Duration,
    pub changes: Changes,
}

impl ToolServer {
    /// Whether one of its tools can have this name for models.
    pub fn may_have(&self, tool: &str) -> bool {
        let is_prefixed = tool.strip_prefix(self.name.as_str()).is_some_and(|rest| rest.starts_with("__"));
        is_prefixed || self.aliases.iter().any(|(_, alias)| alias == tool)
    }
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A program that is started, and spoken with over its standard input and output.
    Command {
        program: String,
        arguments: Vec<String>,
        /// What its environment has besides `PATH` and `HOME`.
        environment: Vec<(String, Secret)>,
    },
    /// Streamable HTTP.
    Url {
        at: Box<Peer>,
        /// As written: to some servers a slash at the end makes another path.
        path: String,
        headers: Vec<(String, Secret)>,
    },
}

/// What becomes of a tool whose description has changed since the server was first seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Changes {
    #[default]
    Told,
    /// It is not offered until it is again what it was, nor is one that has come since.
    Refused,
}

pub(super) const SERVER: &[&str] =
    &["name", "command", "env", "url", "headers", "tools", "alias", "timeout_seconds", "pin"];

const PINS: &[(&str, Changes)] = &[("true", Changes::Refused), ("false", Changes::Told)];
/// As long as other clients of MCP wait.
const TIMEOUT_SECONDS: u64 = 60;
/// Under it a tool's own name has room, beside the server's, in the 64 characters that APIs allow.
const NAME_CHARS_MAX: usize = 32;
/// Built-in tools are shown as those of a server of this name.
const OWN_NAME: &str = "toolgate";
/// Headers that the protocol or HTTP needs for itself.
const RESERVED: [&str; 10] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

impl Reader<'_> {
    pub(super) fn tool_servers(&mut self, node: &Node) -> Vec<ToolServer> {
        let mut servers: Vec<ToolServer> = Vec::new();
        for item in self.items(node, "servers") {
            let Some(server) = self.tool_server(item, &servers) else { continue };
            if servers.iter().any(|other| other.name == server.name) {
                self.mistake(item.place, format!("server `{}` twice", server.name), "names are unique");
            }
            servers.push(server);
        }
        servers
    }

    fn tool_server(&mut self, node: &Node, others: &[ToolServer]) -> Option<ToolServer> {
        let fields = self.fields(node, "a server", SERVER)?;
        let name = match fields.find("name") {
            Some(name) => self.tool_server_name(name),
            None => {
                self.mistake(node.place, "a server without `name`", "its tools are called NAME__TOOL");
                None
            }
        };
        let reach = self.reach(node, &fields);
        let tools = match fields.find("tools") {
            Some(node) => self.tool_globs(node),
            None => vec![Glob::new("*")],
        };
        let aliases = fields.find("alias").map(|node| self.tool_aliases(node, others)).unwrap_or_default();
        let mut seconds = TIMEOUT_SECONDS;
        self.set(&fields, "timeout_seconds", 1..=600, &mut seconds);
        let mut changes = Changes::default();
        self.choose(&fields, "pin", "pin", PINS, &mut changes);
        Some(ToolServer { name: name?, reach: reach?, tools, aliases, timeout: Duration::from_secs(seconds), changes })
    }

    fn tool_server_name(&mut self, node: &Node) -> Option<String> {
        let name = self.text(node, "a server's name")?;
        let what = match name {
            OWN_NAME => format!("a server's name is not `{OWN_NAME}`"),
            _ if !is_tool_name(name) || name.len() > NAME_CHARS_MAX => {
                format!("a server's name is a short word, not `{name}`")
            }
            _ => return Some(name.to_owned()),
        };
        self.mistake(node.place, what, "letters, digits, `-` and `_`, 32 at most");
        None
    }

    fn reach(&mut self, node: &Node, fields: &Fields<'_>) -> Option<Reach> {
        let misplaced = |key: &str| fields.find(key).map(|node| node.place);
        match (fields.find("command"), fields.find("url")) {
            (Some(command), None) => {
                if let Some(place) = misplaced("headers") {
                    self.mistake(place, "`headers` of a command", "they are for `url`");
                }
                let environment = fields.find("env").map(|node| self.environment(node)).unwrap_or_default();
                let mut words = Vec::new();
                for item in self.items(command, "command") {
                    words.push(self.text(item, "a word of the command")?.to_owned());
                }
                let mut words = words.into_iter();
                Some(Reach::Command { program: words.next()?, arguments: words.collect(), environment })
            }
            (None, Some(url)) => {
                if let Some(place) = misplaced("env") {
                    self.mistake(place, "`env` of a url", "it is for `command`");
                }
                let headers = fields.find("headers").map(|node| self.server_headers(node)).unwrap_or_default();
                let (at, path) = self.tool_server_url(url)?;
                Some(Reach::Url { at: Box::new(at), path, headers })
            }
            (Some(_), Some(url)) => {
                self.mistake(url.place, "a server with both `command` and `url`", "make two of it");
                None
            }
            (None, None) => {
                let hint = "command: [PROGRAM, ARGUMENT], or url: http://127.0.0.1:9000/mcp";
                self.mistake(node.place, "a server without `command` or `url`", hint);
                None
            }
        }
    }

    fn environment(&mut self, node: &Node) -> Vec<(String, Secret)> {
        let mut variables = Vec::new();
        for (key, value) in self.entries(node, "env", "as in {LANG: C.UTF-8}") {
            let Some(value) = self.text(value, "a variable") else { continue };
            if key.name.is_empty() || key.name.contains(['=', '\0']) || value.contains('\0') {
                self.mistake(key.place, format!("env: `{}` cannot be set", key.name), "as in {LANG: C.UTF-8}");
                continue;
            }
            variables.push((key.name.clone(), Secret::new(value.to_owned())));
        }
        variables
    }

    fn server_headers(&mut self, node: &Node) -> Vec<(String, Secret)> {
        let mut headers = Vec::new();
        for (key, value) in self.entries(node, "headers", "as in {Authorization: \"Bearer KEY\"}") {
            let Some(value) = self.text(value, "a header") else { continue };
            let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if key.name.is_empty() || !key.name.chars().all(is_token) {
                self.mistake(key.place, format!("headers: `{}` is no header's name", key.name), "as in Authorization");
            } else if RESERVED.contains(&key.name.to_ascii_lowercase().as_str()) {
                self.mistake(key.place, format!("headers: `{}` is not yours to set", key.name), "leave it out");
            } else if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                let what = format!("headers: `{}` has characters that a header cannot carry", key.name);
                self.mistake(key.place, what, "ASCII in one line");
            } else {
                headers.push((key.name.clone(), Secret::new(value.to_owned())));
            }
        }
        headers
    }

    fn tool_server_url(&mut self, node: &Node) -> Option<(Peer, String)> {
        let url = self.text(node, "a server's url")?;
        match Peer::parse(url) {
            Ok(peer) => {
                let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
                let path = rest.split_once('/').map(|(_, path)| path).unwrap_or_default();
                Some((peer, format!("/{path}")))
            }
            Err(UrlError::Credentials) => {
                self.mistake(node.place, format!("the server's url {}", UrlError::Credentials), "use `headers`");
                None
            }
            Err(error) => {
                self.mistake(node.place, format!("the server's url `{url}` {error}"), error.hint());
                None
            }
        }
    }

    fn tool_globs(&mut self, node: &Node) -> Vec<Glob> {
        let items = self.items(node, "tools");
        items.iter().filter_map(|item| self.text(item, "a tool").map(Glob::new)).collect()
    }

    /// Models know a tool by its alias alone, so no two may have one.
    fn tool_aliases(&mut self, node: &Node, others: &[ToolServer]) -> Vec<(String, String)> {
        let mut aliases: Vec<(String, String)> = Vec::new();
        for (key, value) in self.entries(node, "alias", "as in {search: search_docs}") {
            let Some(alias) = self.text(value, "an alias") else { continue };
            let taken = others.iter().flat_map(|other| &other.aliases).chain(&aliases);
            if !is_tool_name(alias) {
                let what = format!("alias `{alias}` is no name for a tool");
                self.mistake(value.place, what, "letters, digits, `-` and `_`, 64 at most");
            } else if is_own_tool(alias) {
                self.mistake(value.place, format!("alias `{alias}` is a tool of toolgate"), "choose another name");
            } else if taken.into_iter().any(|(_, other)| other == alias) {
                self.mistake(value.place, format!("alias `{alias}` twice"), "names are unique");
            } else {
                aliases.push((key.name.clone(), alias.to_owned()));
            }
        }
        aliases
    }
}
