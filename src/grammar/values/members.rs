//! Objects by a schema: their members, the notations of their keys, and what stands between two.

use serde_json::{Map, Value};

use super::{Notation, Values};
use crate::grammar::rules::literal;
use crate::python::is_name;

/// How the keys of an object are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Quoted,
    Bare,
    Keywords,
    Tags,
}

/// A key that stands there bare.
pub const KEY: &str = "[a-zA-Z_] [a-zA-Z0-9_]*";

impl<'a> Values<'a, '_> {
    /// The arguments of a call, each with its keyword. `None` where one of the keys can be none: all of them are one dict
    /// there.
    pub fn keywords(&mut self, schema: &'a Value) -> Option<String> {
        let map = self.resolved(schema);
        let mut keys = map.and_then(|map| map.get("properties")?.as_object()).into_iter().flat_map(Map::keys);
        if keys.any(|key| !is_name(key)) {
            return None;
        }
        Some(match map {
            Some(map) => self.members(map, Keys::Keywords),
            None => self.any_members(Keys::Keywords),
        })
    }

    /// An object by this schema.
    pub(super) fn object(&mut self, map: &'a Map<String, Value>) -> String {
        let members = self.members(map, self.keys());
        self.embraced(&members)
    }

    fn embraced(&mut self, members: &str) -> String {
        match self.style.notation {
            Notation::Elements { .. } => members.to_owned(),
            _ => self.rules.add("object", format!("\"{{\" {members} \"}}\"")),
        }
    }

    /// The members of an object, in the schema's order, and others if there may be any.
    fn members(&mut self, map: &'a Map<String, Value>, keys: Keys) -> String {
        let Some(properties) = map.get("properties").and_then(Value::as_object) else { return self.any_members(keys) };
        let required: Vec<_> =
            map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut members: Vec<(String, bool)> = Vec::new();
        for (key, schema) in properties {
            if self.rules.is_full() {
                break;
            }
            let value = self.value(schema);
            let member = self.member(keys, key, &value);
            members.push((self.rules.add("member", member), required.contains(&key.as_str())));
        }
        for key in required.iter().filter(|key| !properties.contains_key(**key)) {
            let value = self.anything();
            let member = self.member(keys, key, &value);
            members.push((self.rules.add("member", member), true));
        }
        let others = others(map).then(|| map.get("additionalProperties").unwrap_or(&Value::Null));
        let others = others.map(|schema| {
            let value = self.value(schema);
            let pair = self.pair(keys, &value);
            self.rules.add("pair", pair)
        });
        if keys == Keys::Tags { self.row(&members, others) } else { self.list(&members, others) }
    }

    /// Members in their order, those that may be missing perhaps, and then others, with nothing between them.
    fn row(&mut self, members: &[(String, bool)], others: Option<String>) -> String {
        let members = members.iter().map(
            |(member, is_required)| {
                if *is_required { member.clone() } else { format!("{member}?") }
            },
        );
        let all: Vec<_> = members.chain(others.map(|pair| format!("{pair}*"))).collect();
        let all = if all.is_empty() { String::from("\"\"") } else { all.join(" ") };
        self.rules.add("members", all)
    }

    /// The same, with commas between them.
    fn list(&mut self, members: &[(String, bool)], others: Option<String>) -> String {
        let comma = literal(self.comma());
        // Behind a member, and where none has been written yet.
        let (mut rest, mut first) = match others {
            Some(pair) => {
                let rest = self.rules.add("rest", format!("( {comma} {pair} )*"));
                (rest.clone(), self.rules.add("first", format!("( {pair} {rest} )?")))
            }
            None => (String::from("\"\""), String::from("\"\"")),
        };
        for (member, is_required) in members.iter().rev() {
            let (behind, begun) = (format!("{comma} {member} {rest}"), format!("{member} {rest}"));
            if *is_required {
                (rest, first) = (self.rules.add("rest", behind), self.rules.add("first", begun));
            } else {
                (rest, first) = (
                    self.rules.add("rest", format!("{behind} | {rest}")),
                    self.rules.add("first", format!("{begun} | {first}")),
                );
            }
        }
        first
    }

    fn member(&self, keys: Keys, key: &str, value: &str) -> String {
        let before = match keys {
            Keys::Quoted => format!("{}: ", Value::from(key)),
            Keys::Bare => format!("{key}:"),
            Keys::Keywords => format!("{key}="),
            Keys::Tags => return self.element(&literal(key), value),
        };
        format!("{} {value}", literal(&before))
    }

    /// A member with any key.
    fn pair(&mut self, keys: Keys, value: &str) -> String {
        let key = match keys {
            Keys::Quoted => self.any_string(),
            Keys::Bare | Keys::Keywords | Keys::Tags => self.rules.add("key", String::from(KEY)),
        };
        match keys {
            Keys::Quoted => format!("{key} \": \" {value}"),
            Keys::Bare => format!("{key} \":\" {value}"),
            Keys::Keywords => format!("{key} \"=\" {value}"),
            Keys::Tags => self.element(&key, value),
        }
    }

    /// An element around a value; its name is an expression.
    pub(super) fn element(&self, name: &str, value: &str) -> String {
        let prefix = match &self.style.notation {
            Notation::Elements { prefix, .. } => prefix.as_str(),
            _ => "",
        };
        let [open, close] = ["<", "</"].map(|tag| literal(&format!("{prefix}{tag}")));
        format!("{open} {name} \">\" {value} {close} {name} \">\"")
    }

    /// Any object.
    pub(super) fn any_object(&mut self) -> String {
        let members = self.any_members(self.keys());
        self.embraced(&members)
    }

    fn any_members(&mut self, keys: Keys) -> String {
        let value = self.anything();
        let pair = self.pair(keys, &value);
        if keys == Keys::Tags {
            return self.rules.add("members", format!("( {pair} )*"));
        }
        let comma = literal(self.comma());
        self.rules.add("members", format!("( {pair} ( {comma} {pair} )* )?"))
    }

    fn keys(&self) -> Keys {
        match self.style.notation {
            Notation::Json | Notation::Python => Keys::Quoted,
            Notation::Literal(_) => Keys::Bare,
            Notation::Elements { .. } => Keys::Tags,
        }
    }
}

/// Whether a schema says outright that there may be members that it does not name.
pub fn others(map: &Map<String, Value>) -> bool {
    let says = map.get("additionalProperties").is_some_and(|others| *others != Value::Bool(false));
    says || map.contains_key("patternProperties")
}
