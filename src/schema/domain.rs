//! Domain of a place: the values that schemas allow there, as unions and intersections make it.
//! Knows of objects what they must have, and nothing of what their members hold.

use std::collections::HashSet;
use std::ptr;

use serde_json::{Map, Value};

use crate::json::Kinds;

/// What a schema allows.
#[derive(Debug, Default)]
pub(super) struct Domain<'a> {
    /// Kinds of which it allows any value or some.
    pub(super) kinds: Kinds,
    /// Kinds of which it allows any value.
    pub(super) free: Kinds,
    /// Values that it allows of the other kinds.
    pub(super) listed: Vec<&'a Value>,
    /// Members that an object must have.
    pub(super) required: Vec<&'a str>,
}

impl<'a> Domain<'a> {
    /// Any value of these kinds.
    pub(super) fn any(kinds: Kinds) -> Self {
        Self { kinds, free: kinds, ..Self::default() }
    }

    /// What `type`, `enum`, `const` and `required` allow.
    pub(super) fn own(schema: &'a Map<String, Value>) -> Self {
        let required = list(schema, "required").iter().filter_map(Value::as_str).collect();
        let stated = stated_kinds(schema);
        let listed = || list(schema, "enum").iter().chain(schema.get("const"));
        if listed().next().is_none() {
            return Self { required, ..Self::any(stated) };
        }
        let kinds = listed().fold(Kinds::NONE, |all, value| all.union(kind_of(value))).intersection(stated);
        let listed = listed().filter(|value| kind_of(value).intersects(stated)).collect();
        Self { kinds, free: Kinds::NONE, listed, required }
    }

    /// Values and names in it.
    pub(super) fn size(&self) -> usize {
        self.listed.len() + self.required.len()
    }

    /// What any of them allows. Members are required where all require them that allow objects.
    pub(super) fn union(domains: &[impl AsRef<Self>]) -> Self {
        let mut all = Self::default();
        let mut seen = HashSet::new();
        for domain in domains.iter().map(AsRef::as_ref) {
            if domain.kinds.intersects(Kinds::OBJECT) {
                if all.kinds.intersects(Kinds::OBJECT) {
                    let required: HashSet<_> = domain.required.iter().collect();
                    all.required.retain(|name| required.contains(name));
                } else {
                    all.required.clone_from(&domain.required);
                }
            }
            all.kinds = all.kinds.union(domain.kinds);
            all.free = all.free.union(domain.free);
            all.listed.extend(domain.listed.iter().filter(|value| seen.insert(ptr::from_ref(**value))));
        }
        all
    }

    /// What both allow.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let ours = self.listed.iter().filter(|value| other.has(value));
        let theirs = other.listed.iter().filter(|value| self.free.intersects(kind_of(value)));
        let seen: HashSet<_> = self.required.iter().collect();
        let more = other.required.iter().filter(|name| !seen.contains(name));
        Self {
            kinds: self.kinds.intersection(other.kinds),
            free: self.free.intersection(other.free),
            listed: ours.chain(theirs).copied().collect(),
            required: self.required.iter().chain(more).copied().collect(),
        }
    }

    fn has(&self, value: &Value) -> bool {
        self.free.intersects(kind_of(value)) || self.listed.contains(&value)
    }
}

/// The kinds that `type` names or the other members imply: every kind where they say nothing.
fn stated_kinds(schema: &Map<String, Value>) -> Kinds {
    let stated = match schema.get("type") {
        Some(Value::String(name)) => kind_named(name),
        Some(Value::Array(names)) => {
            let each = |n: &Value| n.as_str().map_or(Kinds::NONE, kind_named);
            names.iter().fold(Kinds::NONE, |all, n| all.union(each(n)))
        }
        _ => implied_kinds(schema),
    };
    if stated.is_empty() { Kinds::EVERY } else { stated }
}

/// A schema that speaks of members and names no type means the type that has them.
fn implied_kinds(schema: &Map<String, Value>) -> Kinds {
    if schema.contains_key("properties") {
        Kinds::OBJECT
    } else if schema.contains_key("items") || schema.contains_key("prefixItems") {
        Kinds::ARRAY
    } else {
        Kinds::NONE
    }
}

/// The kinds of a type's name. It counts in any case, since some generators write `STRING`, and in the words of programming
/// languages.
pub fn kind_named(name: &str) -> Kinds {
    match name.to_ascii_lowercase().as_str() {
        "null" => Kinds::NULL,
        "boolean" | "bool" => Kinds::BOOLEAN,
        "integer" | "int" | "long" => Kinds::INTEGER,
        "number" | "float" | "double" => Kinds::NUMBER,
        "string" | "str" => Kinds::STRING,
        "array" | "list" => Kinds::ARRAY,
        "object" | "dict" => Kinds::OBJECT,
        _ => Kinds::NONE,
    }
}

fn kind_of(value: &Value) -> Kinds {
    match value {
        Value::Null => Kinds::NULL,
        Value::Bool(_) => Kinds::BOOLEAN,
        Value::Number(n) if n.is_i64() || n.is_u64() => Kinds::INTEGER,
        Value::Number(_) => Kinds::NUMBER,
        Value::String(_) => Kinds::STRING,
        Value::Array(_) => Kinds::ARRAY,
        Value::Object(_) => Kinds::OBJECT,
    }
}

/// The elements of a keyword that has a list.
pub(super) fn list<'a>(schema: &'a Map<String, Value>, keyword: &str) -> &'a [Value] {
    schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
