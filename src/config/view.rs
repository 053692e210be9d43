//! Visible pages and aliases: what clients see of the servers behind the gateway.
//! Knows no requests; `gateway` holds them to this.

use super::fields::{Fields, Reader};
use super::tree::{Node, Value};
use super::{AgentRule, OllamaApi, Pool, Secret};
use crate::dialect::Dialects;

/// What clients see of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Other names for models; none of them is another's model.
    pub aliases: Vec<Alias>,
    pub models_list: ModelsList,
    /// The key that opens the servers' own pages at `/upstream/<peer>/`; without it there are none.
    pub addressed: Option<Secret>,
    /// The servers' own pages that clients do not reach, each with everything below it.
    pub hidden: Vec<Page>,
    /// Who gets calls as text.
    pub agents: Vec<AgentRule>,
    /// Whether clients of Ollama's API are served.
    pub ollama_api: Option<OllamaApi>,
}

/// A page of the servers' own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub path: &'static str,
    pub hides: Hides,
}

/// What of a page is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hides {
    All,
    /// What changes something for everybody; it may be read.
    Changes,
}

/// What becomes of requests for the list of models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelsList {
    /// It is made of what all servers list.
    #[default]
    Merge,
    /// The first pool answers.
    Pass,
}

/// A name under which clients may ask for a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    pub name: String,
    pub model: String,
}

impl Default for View {
    fn default() -> Self {
        Self {
            aliases: Vec::new(),
            models_list: ModelsList::default(),
            addressed: None,
            hidden: PAGES.to_vec(),
            agents: Vec::new(),
            ollama_api: None,
        }
    }
}

impl View {
    /// The model behind an alias, without regard to case as all names of models.
    pub fn behind(&self, name: &str) -> Option<&str> {
        // Most configurations have none, and then nothing is lower-cased.
        let name = if self.aliases.is_empty() { return None } else { name.to_lowercase() };
        let alias = self.aliases.iter().find(|alias| alias.name.to_lowercase() == name)?;
        Some(&alias.model)
    }
}

impl Reader<'_> {
    pub(super) fn view(&mut self, fields: &Fields<'_>, pools: &[Pool], dialects: &Dialects) -> View {
        let mut view = View::default();
        if let Some(node) = fields.find("alias") {
            view.aliases = self.aliases(node, pools);
        }
        self.choose(fields, "models_list", "models_list policy", MODELS_LIST, &mut view.models_list);
        if let Some(node) = fields.find("addressed") {
            view.addressed = self.addressed(node, pools);
        }
        let words = PAGES.map(|page| (page.path, page));
        for node in fields.find("expose").map_or(&[][..], |node| self.items(node, "expose")) {
            let exposed = self.choice(node, "page to expose", &words);
            view.hidden.retain(|page| Some(*page) != exposed);
        }
        view.agents = fields.find("agents").map(|node| self.agents(node, dialects)).unwrap_or_default();
        view
    }

    fn addressed(&mut self, node: &Node, pools: &[Pool]) -> Option<Secret> {
        let fields = self.fields(node, "addressed", ADDRESSED)?;
        let Some(key) = fields.find("key") else {
            self.mistake(node.place, "addressed without `key`", "the servers' own pages are not for everybody");
            return None;
        };
        let peers: Vec<_> = pools.iter().flat_map(|pool| pool.entries().peers).collect();
        for (at, peer) in peers.iter().enumerate() {
            let before = peers.iter().take(at).find(|other| other.name == peer.name && other.url != peer.url);
            if let Some(other) = before {
                let what = format!("peers `{}` and `{}` are both named `{}`", other.url, peer.url, peer.name);
                self.mistake(node.place, what, "give one of them a `name`");
            }
        }
        let secret = self.secret(key, "addressed key")?;
        if secret.reveal().len() < KEY_BYTES_MIN {
            let what = format!("addressed key has fewer than {KEY_BYTES_MIN} characters");
            self.mistake(key.place, what, "as `openssl rand -hex 16` makes one");
            return None;
        }
        Some(secret)
    }

    fn aliases(&mut self, node: &Node, pools: &[Pool]) -> Vec<Alias> {
        let mut view = View::default();
        let entries = self.entries(node, "alias", "as in {short-name: the-model}");
        for (key, value) in entries {
            let Some(model) = self.text(value, "an alias's model") else { continue };
            if view.behind(&key.name).is_some() {
                self.mistake(key.place, format!("alias `{}` twice", key.name), "case does not tell models apart");
            }
            if !pools.iter().any(|pool| pool.takes(model)) {
                let what = format!("alias `{}` leads to `{model}`, which no pool takes", key.name);
                self.mistake(value.place, what, "name a model that a pool's `models` match");
            }
            view.aliases.push(Alias { name: key.name.clone(), model: model.into() });
        }
        for (key, value) in entries {
            if let Value::Text(model) = &value.value
                && view.behind(model).is_some()
            {
                let what = format!("alias `{}` leads to `{model}`, which is an alias itself", key.name);
                self.mistake(value.place, what, "name the model behind it");
            }
        }
        view.aliases
    }
}

pub(super) const ADDRESSED: &[&str] = &["key"];
/// Shorter ones can be guessed by trying.
const KEY_BYTES_MIN: usize = 16;

const MODELS_LIST: &[(&str, ModelsList)] = &[("merge", ModelsList::Merge), ("pass", ModelsList::Pass)];

const fn all(path: &'static str) -> Page {
    Page { path, hides: Hides::All }
}

/// Pages of llama-server that run something on its machine, show other clients' prompts, or change what everybody gets.
/// Its `server.cpp` and `server-http.cpp` have them; by `/predict`, where it is on, all the others can be asked for.
/// llama-swap's show command lines and all that its servers say, and unload models.
const PAGES: [Page; 15] = [
    all("/api/models/unload"),
    all("/cors-proxy"),
    all("/logs"),
    all("/lora-adapters"),
    all("/metrics"),
    Page { path: "/models", hides: Hides::Changes },
    all("/models/load"),
    all("/models/sse"),
    all("/models/unload"),
    all("/predict"),
    all("/props"),
    all("/running"),
    all("/slots"),
    all("/tools"),
    all("/unload"),
];
