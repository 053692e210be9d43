//! Ollama's API: how its servers are asked for chats, and where its clients are served.
//! Asks and serves nobody; `api::ollama` knows the words.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::fields::Reader;
use super::read::FLAG;
use super::tree::{Node, Value};
use super::{Address, Pool};
use crate::api::ollama::server::Defaults;
use crate::engine::ChatApi;
use crate::json::write_string;

/// How a pool's Ollama servers are asked for chats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ollama {
    /// In their own API, or as OpenAI's clients ask.
    pub api: ChatApi,
    /// What each chat in their own API says, unless its client says otherwise.
    pub defaults: Arc<Defaults>,
}

impl Default for Ollama {
    fn default() -> Self {
        // A prompt that is too long is refused: cut, it would lose what the model was told without a word.
        Self { api: ChatApi::Ollama, defaults: Arc::new(Defaults { truncate: Some(false), ..Defaults::default() }) }
    }
}

impl Pool {
    /// The API in which its servers are asked for chats.
    pub fn chat_api(&self) -> ChatApi {
        match self.engine.row().chat_api {
            ChatApi::OpenAi => ChatApi::OpenAi,
            ChatApi::Ollama => self.ollama.api,
        }
    }
}

/// Clients of Ollama's API are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OllamaApi {
    /// Addresses at which they are, and nowhere else; none means wherever clients connect. Each is listened on.
    pub listen: Vec<String>,
    /// The version of Ollama that they are told.
    pub version: String,
}

impl Default for OllamaApi {
    fn default() -> Self {
        Self { listen: Vec::new(), version: VERSION.to_owned() }
    }
}

/// Clients ask for a version that has what they need.
const VERSION: &str = "0.30.0";
pub(super) const OLLAMA_API: &[&str] = &["listen", "version"];
pub(super) const OLLAMA: &[&str] = &["api", "num_ctx", "keep_alive", "truncate", "options"];
const APIS: &[(&str, ChatApi)] = &[("chat", ChatApi::Ollama), ("v1", ChatApi::OpenAi)];
/// More than any model reads.
const TOKENS: RangeInclusive<u64> = 1..=100_000_000;

impl Reader<'_> {
    /// Whether clients of Ollama's API are served, and where. `taken` are the addresses that are listened on otherwise.
    pub(super) fn ollama_api(&mut self, node: &Node, taken: &[String]) -> Option<OllamaApi> {
        if let Value::Text(_) = &node.value {
            let is_on = self.choice(node, "ollama_api", FLAG)?;
            return is_on.then(OllamaApi::default);
        }
        let mut api = OllamaApi::default();
        let fields = self.fields(node, "ollama_api", OLLAMA_API)?;
        for node in fields.find("listen").map_or(&[][..], |node| self.items(node, "listen")) {
            let taken = [taken, &api.listen].concat();
            let Some(text) = self.address(node, "listen", &taken) else { continue };
            match Address::parse(&text) {
                Ok(Address::Unix { .. }) => self.mistake(node.place, "a socket's file under ollama_api", "host:port"),
                Ok(Address::Tcp { .. }) | Err(_) => api.listen.push(text),
            }
        }
        if let Some(node) = fields.find("version") {
            let version = self.text(node, "version")?;
            let is_plain = version.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
            if !is_plain {
                self.mistake(node.place, format!("version `{version}`"), "numbers and dots, as in 0.30.0");
            }
            api.version = version.to_owned();
        }
        Some(api)
    }

    pub(super) fn ollama(&mut self, node: &Node) -> Ollama {
        let mut ollama = Ollama::default();
        let Some(fields) = self.fields(node, "ollama", OLLAMA) else { return ollama };
        self.choose(&fields, "api", "api", APIS, &mut ollama.api);
        let num_ctx = fields.find("num_ctx").and_then(|node| self.number(node, "num_ctx", TOKENS));
        let keep_alive = fields.find("keep_alive").and_then(|node| self.text(node, "keep_alive")).map(scalar);
        let mut truncate = false;
        self.choose(&fields, "truncate", "truncate", FLAG, &mut truncate);
        let mut options = Vec::new();
        if let Some(node) = fields.find("options") {
            for (key, value) in self.entries(node, "options", "options of Ollama's, as in {num_batch: 1024}") {
                match &value.value {
                    Value::Text(text) => options.push((key.name.clone(), scalar(text))),
                    _ => self.mistake(value.place, format!("option `{}` is one value", key.name), "write one value"),
                }
            }
        }
        ollama.defaults = Arc::new(Defaults { num_ctx, keep_alive, truncate: Some(truncate), options });
        ollama
    }
}

/// A value as JSON: a number or a truth value as it is, else a text.
fn scalar(text: &str) -> String {
    let is_plain = |value: serde_json::Value| value.is_number() || value.is_boolean();
    if serde_json::from_str(text).is_ok_and(is_plain) {
        return text.to_owned();
    }
    let mut written = String::new();
    write_string(text, &mut written);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_of_its_kind() {
        for (text, expected) in [
            ("-1", "-1"),
            ("0.5", "0.5"),
            ("true", "true"),
            ("30m", "\"30m\""),
            ("null", "\"null\""),
            ("[1]", "\"[1]\""),
        ] {
            assert_eq!(scalar(text), expected);
        }
    }
}
