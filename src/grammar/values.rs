//! Values by a JSON schema, as rules of a grammar. Looser than the schema where a grammar cannot say it, never
//! stricter, but for the order of members: that is the schema's.
//!
//! Said are `type`, `properties` with `required`, `additionalProperties`, `items`, `prefixItems`, the numbers of items
//! and of a string's characters, `enum`, `const`, `anyOf`, `oneOf`, a single `allOf`, and references within the schema.

mod leaves;
mod members;

use std::collections::HashMap;

use serde_json::{Map, Value};

pub use self::members::{KEY, others};
use super::rules::{Rules, any_of};
use crate::json::Kinds;
use crate::schema::kind_named;

/// How values are written inside a call.
#[derive(Clone, Debug)]
pub struct Style {
    pub notation: Notation,
    /// What ends the value from outside, so that no string holds it: where strings are JSON's, its first character is
    /// escaped.
    pub closers: Vec<String>,
}

/// In whose form values are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notation {
    Json,
    /// As JSON, but for some words.
    Python,
    /// With bare keys, and with strings between such quotes.
    Literal(String),
    /// An element for each member and item; this stands before every tag, and that is the element of an item.
    Elements {
        prefix: String,
        item: String,
    },
}

/// Writes the values of one schema.
#[derive(Debug)]
pub struct Values<'a, 'r> {
    document: &'a Value,
    style: &'a Style,
    rules: &'r mut Rules,
    /// What a reference leads to, by its pointer.
    references: HashMap<&'a str, String>,
    /// Any value.
    anything: Option<String>,
    depth: u32,
}

/// What lies deeper is any value.
const DEPTH_MAX: u32 = 32;
/// Readers of grammars take no larger counts; more is any number.
const COUNT_MAX: u64 = 1_000;

impl<'a, 'r> Values<'a, 'r> {
    /// For what refers into `document`.
    pub fn new(document: &'a Value, style: &'a Style, rules: &'r mut Rules) -> Self {
        Self { document, style, rules, references: HashMap::new(), anything: None, depth: 0 }
    }

    /// A value by this schema.
    pub fn value(&mut self, schema: &'a Value) -> String {
        let Value::Object(map) = schema else { return self.anything() };
        if self.depth >= DEPTH_MAX || self.rules.is_full() {
            return self.anything();
        }
        self.depth += 1;
        let value = self.by(map);
        self.depth -= 1;
        value
    }

    /// The arguments of a call: an object, whatever the schema says.
    pub fn arguments(&mut self, schema: &'a Value) -> String {
        let Some(map) = self.resolved(schema) else { return self.any_object() };
        self.object(map)
    }

    /// What a schema is after its references.
    pub fn resolved(&self, schema: &'a Value) -> Option<&'a Map<String, Value>> {
        let mut map = schema.as_object()?;
        for _ in 0..DEPTH_MAX {
            let Some(target) = self.target(map) else { return Some(map) };
            map = target.1.as_object()?;
        }
        None
    }

    fn target(&self, map: &'a Map<String, Value>) -> Option<(&'a str, &'a Value)> {
        let pointer = map.get("$ref")?.as_str()?.strip_prefix('#')?;
        Some((pointer, self.document.pointer(pointer)?))
    }

    fn by(&mut self, map: &'a Map<String, Value>) -> String {
        if let Some((pointer, target)) = self.target(map) {
            return self.reference(pointer, target);
        }
        if let Some(value) = map.get("const") {
            return self.exactly(value);
        }
        if let Some(all) = list(map, "enum") {
            let all: Vec<_> = all.iter().map(|value| self.exactly(value)).collect();
            return any_of(&all);
        }
        if let Some(all) = list(map, "anyOf").or_else(|| list(map, "oneOf")) {
            let all: Vec<_> = all.iter().map(|schema| self.value(schema)).collect();
            let choice = any_of(&all);
            return self.rules.add("any", choice);
        }
        match map.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            Some([one]) if !map.contains_key("properties") => return self.value(one),
            Some([_, ..]) => return self.loosely(map),
            _ => {}
        }
        match map.get("type") {
            Some(Value::String(kind)) => self.of_kind(kind, map),
            Some(Value::Array(kinds)) if !kinds.is_empty() => {
                let all: Vec<_> = kinds.iter().map(|kind| self.of_kind(kind.as_str().unwrap_or(""), map)).collect();
                any_of(&all)
            }
            _ if map.contains_key("properties") => self.object(map),
            _ if map.contains_key("items") => self.array(map),
            _ => self.anything(),
        }
    }

    /// One that leads back to itself is a rule that does.
    fn reference(&mut self, pointer: &'a str, target: &'a Value) -> String {
        if let Some(name) = self.references.get(pointer) {
            return name.clone();
        }
        let (name, reserved) = self.rules.reserve("ref");
        self.references.insert(pointer, name.clone());
        let body = self.value(target);
        // A reference to nothing but itself says nothing.
        let body = if body == name { self.anything() } else { body };
        self.rules.define(reserved, body);
        name
    }

    /// Of several that must all hold the kind is said, and no more.
    fn loosely(&mut self, map: &'a Map<String, Value>) -> String {
        match map.get("type").and_then(Value::as_str) {
            Some("object") => self.any_object(),
            _ if map.contains_key("properties") => self.any_object(),
            _ => self.anything(),
        }
    }

    fn of_kind(&mut self, kind: &str, map: &'a Map<String, Value>) -> String {
        match kind_named(kind) {
            Kinds::OBJECT => self.object(map),
            Kinds::ARRAY => self.array(map),
            Kinds::STRING => self.string(map),
            Kinds::INTEGER => self.integer(),
            Kinds::NUMBER => self.number(),
            Kinds::BOOLEAN => any_of(&[self.word("true"), self.word("false")]),
            Kinds::NULL => self.word("null"),
            _ => self.anything(),
        }
    }
}

/// A list that has something in it.
fn list<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a [Value]> {
    map.get(key)?.as_array().map(Vec::as_slice).filter(|all| !all.is_empty())
}

fn count(map: &Map<String, Value>, key: &str) -> Option<u64> {
    map.get(key)?.as_u64().filter(|count| *count <= COUNT_MAX)
}
