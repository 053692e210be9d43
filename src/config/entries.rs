//! Peers of a pool, read: servers, names that lead to several, and the file that lists more of them.
//! Resolves no name and opens no file.

use super::fields::{Fields, Reader};
use super::mistake::ConfigErrors;
use super::peer::{UrlError, split_port};
use super::read::{FLAG, MILLISECONDS, Surroundings};
use super::tree::{self, Node, Value};
use super::{Peer, Pool, Secret};

/// Who there is, or how to find out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    pub peers: Vec<Peer>,
    pub names: Vec<Name>,
}

/// A name that leads to servers, one at each of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// What each of them is, but for where: `host` is the name.
    pub each: Peer,
    /// How often it is looked up.
    pub refresh_ms: u64,
}

/// A file that lists more servers, and is read again when it has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeersFile {
    /// Where it is, whatever the configuration's own folder.
    pub path: String,
    /// What it said when the configuration was read.
    pub entries: Entries,
}

impl Entries {
    /// Reads such a file: a list of what `peers` lists. `file` is its name in messages.
    pub fn from_yaml(text: &str, file: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader { file, mistakes: Vec::new() };
        let tree = tree::parse(text, file, variable, &mut reader.mistakes);
        let entries = tree.map(|root| reader.servers(&root)).unwrap_or_default();
        if reader.mistakes.is_empty() { Ok(entries) } else { Err(ConfigErrors::sorted(reader.mistakes, file)) }
    }
}

impl Pool {
    /// Everybody whom the pool itself names, and whom its file listed.
    pub fn entries(&self) -> Entries {
        let listed = self.peers_file.as_ref().map(|file| file.entries.clone()).unwrap_or_default();
        self.with_listed(&listed)
    }

    /// Everybody whom the pool itself names, and whom its file lists now.
    pub fn with_listed(&self, listed: &Entries) -> Entries {
        Entries {
            peers: self.peers.iter().chain(&listed.peers).cloned().collect(),
            names: self.names.iter().chain(&listed.names).cloned().collect(),
        }
    }
}

pub(super) const PEER: &[&str] = &[
    "url",
    "dns",
    "refresh_ms",
    "name",
    "weight",
    "priority",
    "max_inflight",
    "places",
    "models",
    "api_key",
    "host",
    "drain",
];
/// Long enough for any name server, and not much longer than it takes to start a server.
const REFRESH_MS: u64 = 10_000;

impl Reader<'_> {
    /// The file of a pool's servers.
    pub(super) fn peers_file(&mut self, node: &Node, surroundings: &dyn Surroundings) -> Option<PeersFile> {
        let name = self.text(node, "peers_file")?;
        let (path, text) = match surroundings.file(name) {
            Ok(read) => read,
            Err(error) => {
                let hint = "a list of servers, as `peers` is one";
                self.mistake(node.place, format!("peers_file: `{name}`: {error}"), hint);
                return None;
            }
        };
        match Entries::from_yaml(&text, &path, &|name| surroundings.variable(name)) {
            Ok(entries) => Some(PeersFile { path, entries }),
            Err(ConfigErrors(mistakes)) => {
                self.mistakes.extend(mistakes);
                None
            }
        }
    }

    /// A list of servers and names.
    pub(super) fn servers(&mut self, node: &Node) -> Entries {
        let mut entries = Entries::default();
        for item in self.items(node, "peers") {
            self.entry(item, &mut entries);
        }
        entries
    }

    fn entry(&mut self, node: &Node, entries: &mut Entries) -> Option<()> {
        let fields = match node.value {
            Value::Map(_) => self.fields(node, "a peer", PEER)?,
            _ => {
                let peer = self.peer_url(node)?;
                self.add_peer(node, peer, entries);
                return Some(());
            }
        };
        match (fields.find("url"), fields.find("dns")) {
            (Some(url), None) => {
                if let Some(refresh) = fields.find("refresh_ms") {
                    self.mistake(refresh.place, "`refresh_ms` of a url", "it is for `dns`");
                }
                let at = self.peer_url(url);
                let peer = self.peer(&fields, at)?;
                self.add_peer(node, peer, entries);
            }
            (None, Some(dns)) => {
                if let Some(name) = fields.find("name") {
                    self.mistake(name.place, "`name` of a dns name", "each of its servers is named by its address");
                }
                let at = self.peer_name_to_look_up(dns);
                let mut refresh_ms = REFRESH_MS;
                self.set(&fields, "refresh_ms", MILLISECONDS, &mut refresh_ms);
                let each = self.peer(&fields, at)?;
                if entries.names.iter().any(|other| other.each.url == each.url) {
                    self.mistake(node.place, format!("dns name `{}` twice in a pool", each.name), "once is enough");
                }
                entries.names.push(Name { each, refresh_ms });
            }
            (Some(_), Some(dns)) => self.mistake(dns.place, "a peer with both `url` and `dns`", "make two of it"),
            (None, None) => {
                let hint = "as in http://127.0.0.1:8080";
                self.mistake(node.place, "a peer without `url` or `dns`", hint);
            }
        }
        Some(())
    }

    fn add_peer(&mut self, node: &Node, peer: Peer, entries: &mut Entries) {
        if entries.peers.iter().any(|other| other.url == peer.url) {
            self.mistake(node.place, format!("peer `{}` twice in a pool", peer.url), "use `weight`");
        }
        entries.peers.push(peer);
    }

    /// The peer that is `at` some place, with what its other keys say.
    fn peer(&mut self, fields: &Fields<'_>, at: Option<Peer>) -> Option<Peer> {
        let weight = fields.find("weight").and_then(|node| self.number(node, "weight", 1..=1_000));
        let priority = fields.find("priority").and_then(|node| self.number(node, "priority", 0..=u8::MAX));
        let max_inflight =
            fields.find("max_inflight").and_then(|node| self.number(node, "max_inflight", 1..=1_000_000));
        let places = fields.find("places").and_then(|node| self.number(node, "places", 1..=1_000));
        let models = fields.find("models").map(|node| self.globs(node)).unwrap_or_default();
        let api_key = fields.find("api_key").and_then(|node| self.secret(node, "api_key"));
        let host = fields.find("host").and_then(|node| self.host(node));
        let name = fields.find("name").and_then(|node| self.peer_name(node));
        let mut drain = false;
        self.choose(fields, "drain", "drain", FLAG, &mut drain);
        let at = at?;
        Some(Peer {
            name: name.unwrap_or(at.name),
            weight: weight.unwrap_or(at.weight),
            priority: priority.unwrap_or(at.priority),
            authority: host.or(at.authority),
            max_inflight,
            places,
            models,
            api_key,
            drain,
            ..at
        })
    }

    /// A name stands in paths.
    fn peer_name(&mut self, node: &Node) -> Option<String> {
        let name = self.text(node, "a peer's name")?;
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b)) || matches!(name, "." | "..") {
            let what = format!("a peer's name is a word, not `{name}`");
            self.mistake(node.place, what, "letters, digits, `-`, `.`, `_` and `:`");
            return None;
        }
        Some(name.into())
    }

    /// What a `Host` header says.
    fn host(&mut self, node: &Node) -> Option<String> {
        let host = self.text(node, "host")?;
        if !split_port(host).is_ok_and(|(name, _)| !name.is_empty()) {
            self.mistake(
                node.place,
                format!("host is a name, and a port if need be, not `{host}`"),
                "as in gpu.example",
            );
            return None;
        }
        Some(host.into())
    }

    fn peer_url(&mut self, node: &Node) -> Option<Peer> {
        let url = self.text(node, "a peer's url")?;
        let peer = Peer::parse(url);
        peer.map_err(|error| self.unfit_peer(node, "url", url, error, error.hint())).ok()
    }

    /// A URL without its scheme. The servers are told the name in `Host`, and not the address.
    fn peer_name_to_look_up(&mut self, node: &Node) -> Option<Peer> {
        let dns = self.text(node, "a peer's dns name")?;
        let hint = "NAME:PORT, and a path prefix if there is one";
        if dns.contains("://") {
            self.mistake(node.place, "the peer's dns name has a scheme", hint);
            return None;
        }
        let peer = Peer::parse(&format!("http://{dns}"));
        let peer = peer.map_err(|error| self.unfit_peer(node, "dns name", dns, error, hint)).ok()?;
        Some(Peer { authority: Some(peer.name.clone()), ..peer })
    }

    fn unfit_peer(&mut self, node: &Node, what: &str, text: &str, error: UrlError, hint: &str) {
        let what = match error {
            UrlError::Credentials => format!("the peer's {what} {error}"),
            _ => format!("the peer's {what} `{text}` {error}"),
        };
        self.mistake(node.place, what, hint);
    }

    /// A key goes into a header, so it is held to what a header may carry.
    pub(super) fn secret(&mut self, node: &Node, what: &str) -> Option<Secret> {
        let key = self.text(node, what)?;
        if !key.bytes().all(|b| b.is_ascii_graphic()) {
            self.mistake(
                node.place,
                format!("{what} has characters that a header cannot carry"),
                "ASCII without spaces",
            );
            return None;
        }
        Some(Secret::new(key.into()))
    }
}
