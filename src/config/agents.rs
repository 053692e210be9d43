//! Agents: rules by which a client gets calls as text, and in which format.
//! Knows no requests; `gateway` holds them to this.

use super::fields::{Fields, Reader};
use super::tree::Node;
use super::{Glob, Secret};
use crate::dialect::Dialects;
use crate::plan::AgentFormat;

/// For whom calls are written how. What a rule does not say holds for everybody.
#[derive(Clone, Debug)]
pub struct AgentRule {
    pub user_agent: Option<Glob>,
    pub path: Option<Glob>,
    /// Of the model's name, as the client says it.
    pub model: Option<Glob>,
    /// What the client sends as `Authorization: Bearer`.
    pub key: Option<Secret>,
    pub wants: Wants,
    /// The format as it was written.
    written: String,
}

/// What a rule says of the format.
#[derive(Clone, Debug)]
pub enum Wants {
    /// What suits the client.
    Auto,
    Format(AgentFormat),
}

impl PartialEq for AgentRule {
    fn eq(&self, other: &Self) -> bool {
        let (Self { user_agent, path, model, key, written, .. }, wants) = (self, other);
        (user_agent, path, model, key, written)
            == (&wants.user_agent, &wants.path, &wants.model, &wants.key, &wants.written)
    }
}

impl Eq for AgentRule {}

impl Reader<'_> {
    /// Rules, of which the first that fits holds.
    pub(super) fn agents(&mut self, node: &Node, dialects: &Dialects) -> Vec<AgentRule> {
        let items = self.items(node, "agents");
        items.iter().filter_map(|item| self.agent(item, dialects)).collect()
    }

    fn agent(&mut self, node: &Node, dialects: &Dialects) -> Option<AgentRule> {
        let fields = self.fields(node, "a rule of agents", AGENT)?;
        let (wants, written) = self.wants(node, &fields, dialects)?;
        Some(AgentRule {
            user_agent: self.glob(&fields, "user_agent"),
            path: self.glob(&fields, "path"),
            model: self.glob(&fields, "model"),
            key: fields.find("key").and_then(|node| self.secret(node, "an agent's key")),
            wants,
            written,
        })
    }

    fn wants(&mut self, node: &Node, fields: &Fields<'_>, dialects: &Dialects) -> Option<(Wants, String)> {
        let (wants, written) = match (fields.find("format"), fields.find("tags")) {
            (Some(format), None) => {
                let name = self.text(format, "an agent's format")?;
                match Wants::named(name, dialects) {
                    Ok(wants) => (wants, name),
                    Err(error) => {
                        self.mistake(format.place, error, "`toolgate dialects` lists dialects");
                        return None;
                    }
                }
            }
            (None, Some(tags)) => {
                let text = self.text(tags, "an agent's tags")?;
                match AgentFormat::of_tags(text) {
                    Ok(format) => (Wants::Format(format), text),
                    Err(error) => {
                        self.mistake(tags.place, error.to_string(), "tags: \"<call>,</call>\"");
                        return None;
                    }
                }
            }
            _ => {
                let hint = "as in {user_agent: \"*reader*\", format: xml}";
                self.mistake(node.place, "a rule of agents has either `format` or `tags`", hint);
                return None;
            }
        };
        Some((wants, written.to_owned()))
    }

    fn glob(&mut self, fields: &Fields<'_>, key: &str) -> Option<Glob> {
        fields.find(key).and_then(|node| self.text(node, key)).map(Glob::new)
    }
}

impl Wants {
    fn named(name: &str, dialects: &Dialects) -> Result<Self, String> {
        if AgentFormat::is_auto(name) {
            return Ok(Self::Auto);
        }
        AgentFormat::named(name, dialects).map(Self::Format).map_err(|error| error.to_string())
    }
}

pub(super) const AGENT: &[&str] = &["user_agent", "path", "model", "key", "format", "tags"];
