//! Values by a JSON schema, as rules of a grammar. Looser than the schema where a grammar cannot say it, never
//! stricter, but for the order of members: that is the schema's.
//!
//! Said are `type`, `properties` with `required`, `additionalProperties`, `items`, `prefixItems`, the numbers of items
//! and of a string's characters, `enum`, `const`, `anyOf`, `oneOf`, a single `allOf`, and references within the schema.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::rules::{Rules, any_of, class, literal, repeated};
use crate::json::Kinds;
use crate::schema::kind_named;

/// How values are written inside a call.
#[derive(Clone, Debug)]
pub struct Style {
    /// What delimits strings, and keys have none then; without it both are JSON's.
    pub quote: Option<String>,
    /// What ends the value from outside, so that no string holds it: where strings are JSON's, its first character is
    /// escaped.
    pub closers: Vec<String>,
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

/// A key that stands there bare.
pub const KEY: &str = "[a-zA-Z_] [a-zA-Z0-9_]*";

/// What lies deeper is any value.
const DEPTH_MAX: u32 = 32;
/// A model that is weak runs on otherwise.
const DIGITS_MAX: u32 = 15;
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
            Kinds::BOOLEAN => String::from("( \"true\" | \"false\" )"),
            Kinds::NULL => String::from("\"null\""),
            _ => self.anything(),
        }
    }

    fn object(&mut self, map: &'a Map<String, Value>) -> String {
        let Some(properties) = map.get("properties").and_then(Value::as_object) else { return self.any_object() };
        let required: Vec<_> =
            map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut members: Vec<(String, bool)> = Vec::new();
        for (key, schema) in properties {
            if self.rules.is_full() {
                break;
            }
            let value = self.value(schema);
            let member = self.member(key, value);
            members.push((self.rules.add("member", member), required.contains(&key.as_str())));
        }
        for key in required.iter().filter(|key| !properties.contains_key(**key)) {
            let value = self.anything();
            let member = self.member(key, value);
            members.push((self.rules.add("member", member), true));
        }
        let others = others(map).then(|| map.get("additionalProperties").unwrap_or(&Value::Null));
        let others = others.map(|schema| {
            let (key, value) = (self.any_key(), self.value(schema));
            let pair = format!("{key} {} {value}", literal(self.colon()));
            self.rules.add("pair", pair)
        });
        self.braced(&members, others)
    }

    /// Members in their order, those that may be missing perhaps, and then others.
    fn braced(&mut self, members: &[(String, bool)], others: Option<String>) -> String {
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
        self.rules.add("object", format!("\"{{\" {first} \"}}\""))
    }

    fn member(&mut self, key: &str, value: String) -> String {
        let key = match &self.style.quote {
            Some(_) => key.to_owned(),
            None => Value::from(key).to_string(),
        };
        format!("{} {value}", literal(&format!("{key}{}", self.colon())))
    }

    fn array(&mut self, map: &'a Map<String, Value>) -> String {
        let comma = literal(self.comma());
        if let Some(firsts) = list(map, "prefixItems") {
            let firsts: Vec<_> = firsts.iter().map(|schema| self.value(schema)).collect();
            // More may follow, unless the schema says that nothing may.
            let more = match map.get("items") {
                Some(Value::Bool(false)) => String::new(),
                items => {
                    let item = self.value(items.unwrap_or(&Value::Null));
                    format!(" ( {comma} {item} )*")
                }
            };
            return self.rules.add("array", format!("\"[\" {}{more} \"]\"", firsts.join(&format!(" {comma} "))));
        }
        let item = self.value(map.get("items").unwrap_or(&Value::Null));
        let (least, most) = (count(map, "minItems").unwrap_or(0), count(map, "maxItems"));
        let more = format!("{comma} {item}");
        let body = match (least, most) {
            (_, Some(0)) => return String::from("\"[]\""),
            (0, most) => format!("( {item} {} )?", repeated(&more, 0, most.map(|most| most - 1))),
            (least, most) => format!("{item} {}", repeated(&more, least - 1, most.map(|most| most.max(least) - 1))),
        };
        self.rules.add("array", format!("\"[\" {body} \"]\""))
    }

    fn string(&mut self, map: &'a Map<String, Value>) -> String {
        let (least, most) = (count(map, "minLength"), count(map, "maxLength"));
        if self.style.quote.is_some() || (least, most) == (None, None) {
            return self.any_string();
        }
        let c = self.json_char();
        let chars = repeated(&c, least.unwrap_or(0), most.map(|most| most.max(least.unwrap_or(0))));
        self.rules.add("string", format!("\"\\\"\" {chars} \"\\\"\""))
    }

    fn any_string(&mut self) -> String {
        let Some(quote) = &self.style.quote else {
            let c = self.json_char();
            return self.rules.add("string", format!("\"\\\"\" {c}* \"\\\"\""));
        };
        let enders: Vec<_> = std::iter::once(quote).chain(&self.style.closers).map(String::as_str).collect();
        let text = self.rules.until(&enders);
        self.rules.add("string", format!("{0} {text} {0}", literal(quote)))
    }

    fn json_char(&mut self) -> String {
        let mut bare: Vec<_> = self.style.closers.iter().filter_map(|text| text.chars().next()).collect();
        bare.extend(['"', '\\']);
        bare.sort_unstable();
        bare.dedup();
        let bare = class("^\\x00-\\x1F\\x7F", &bare);
        self.rules.add("char", format!(r#"{bare} | "\\" ( [\x22\x5C/bfnrt] | "u" [0-9a-fA-F]{{4}} )"#))
    }

    fn integer(&mut self) -> String {
        self.rules.add("integer", format!("\"-\"? ( \"0\" | [1-9] [0-9]{{0,{DIGITS_MAX}}} )"))
    }

    fn number(&mut self) -> String {
        let integer = self.integer();
        let body = format!("{integer} ( \".\" [0-9]{{1,{DIGITS_MAX}}} )? ( [eE] ( \"+\" | \"-\" )? [0-9]{{1,2}} )?");
        self.rules.add("number", body)
    }

    fn any_key(&mut self) -> String {
        match self.style.quote {
            Some(_) => self.rules.add("key", String::from(KEY)),
            None => self.any_string(),
        }
    }

    fn any_object(&mut self) -> String {
        let (key, value) = (self.any_key(), self.anything());
        self.any_object_of(&key, &value)
    }

    fn any_object_of(&mut self, key: &str, value: &str) -> String {
        let (comma, pair) = (literal(self.comma()), format!("{key} {} {value}", literal(self.colon())));
        self.rules.add("object", format!("\"{{\" ( {pair} ( {comma} {pair} )* )? \"}}\""))
    }

    /// Any value.
    fn anything(&mut self) -> String {
        if let Some(name) = &self.anything {
            return name.clone();
        }
        let (name, reserved) = self.rules.reserve("value");
        self.anything = Some(name.clone());
        let (key, comma) = (self.any_key(), literal(self.comma()));
        let object = self.any_object_of(&key, &name);
        let array = self.rules.add("array", format!("\"[\" ( {name} ( {comma} {name} )* )? \"]\""));
        let (string, number) = (self.any_string(), self.number());
        let all = format!("{object} | {array} | {string} | {number} | \"true\" | \"false\" | \"null\"");
        self.rules.define(reserved, all);
        name
    }

    /// This value and no other.
    fn exactly(&mut self, value: &Value) -> String {
        match (value, &self.style.quote) {
            (Value::String(text), Some(quote)) if !text.contains(quote.as_str()) => {
                literal(&format!("{quote}{text}{quote}"))
            }
            // What cannot be written there can be anything.
            (Value::String(_) | Value::Array(_) | Value::Object(_), Some(_)) => self.anything(),
            (value, _) => literal(&value.to_string()),
        }
    }

    fn comma(&self) -> &'static str {
        if self.style.quote.is_some() { "," } else { ", " }
    }

    fn colon(&self) -> &'static str {
        if self.style.quote.is_some() { ":" } else { ": " }
    }
}

/// Whether a schema says outright that there may be members that it does not name.
pub fn others(map: &Map<String, Value>) -> bool {
    let says = map.get("additionalProperties").is_some_and(|others| *others != Value::Bool(false));
    says || map.contains_key("patternProperties")
}

/// A list that has something in it.
fn list<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a [Value]> {
    map.get(key)?.as_array().map(Vec::as_slice).filter(|all| !all.is_empty())
}

fn count(map: &Map<String, Value>, key: &str) -> Option<u64> {
    map.get(key)?.as_u64().filter(|count| *count <= COUNT_MAX)
}
