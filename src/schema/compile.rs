//! Schema compiler: a JSON Schema to a table of places: what may stand there, and where its members lead.
//! Keeps kinds of value and the way to members; lengths, ranges, patterns and the rest are not its business.
//!
//! A place in the arguments is described by one or more subschemas (`anyOf` names several), so a node of the table
//! stands for a set of them, as a state of a DFA stands for a set of an NFA's.
//! Sets are met again and not made anew, which is what ends recursive schemas.

use std::collections::{HashMap, HashSet};
use std::ptr;

use serde_json::{Map, Value};

use super::Node;
use crate::json::Kinds;

/// Places of one schema; what lies beyond says nothing. The largest tool schemas in use have some hundreds.
const NODES_MAX: usize = 4096;
/// Subschemas and properties looked at while one schema is compiled; unions of unions would multiply without it.
const STEPS_MAX: u32 = 200_000;
/// References and combinators inside each other; deeper ones say nothing. They are walked by recursion.
const DEPTH_MAX: u32 = 64;

/// A compiled schema. The default one says nothing.
#[derive(Debug, Default)]
pub(super) struct Schema {
    nodes: Vec<Place>,
    /// The properties of the arguments themselves, in their order.
    order: Vec<String>,
}

#[derive(Debug)]
struct Place {
    kinds: Kinds,
    properties: HashMap<String, Node>,
    /// Properties that are not named.
    others: Node,
    /// The schema says outright that there may be others.
    has_others: bool,
    items: Node,
}

impl Schema {
    pub(super) fn compile(parameters: &str) -> Self {
        let Ok(root) = serde_json::from_str::<Value>(parameters) else { return Self::default() };
        Compiler::new(&root).run()
    }

    pub(super) fn root(&self) -> Node {
        if self.nodes.is_empty() { Node::ANY } else { Node(0) }
    }

    pub(super) fn property(&self, at: Node, key: &str) -> Node {
        self.place(at).map_or(Node::ANY, |p| p.properties.get(key).copied().unwrap_or(p.others))
    }

    pub(super) fn declares(&self, at: Node, key: &str) -> bool {
        self.place(at).is_some_and(|p| p.properties.contains_key(key))
    }

    pub(super) fn expects(&self, at: Node, key: &str) -> bool {
        self.place(at).is_none_or(|p| p.has_others || p.properties.is_empty() || p.properties.contains_key(key))
    }

    pub(super) fn nth(&self, place: usize) -> Option<&str> {
        self.order.get(place).map(String::as_str)
    }

    pub(super) fn item(&self, at: Node) -> Node {
        self.place(at).map_or(Node::ANY, |p| p.items)
    }

    pub(super) fn kinds(&self, at: Node) -> Kinds {
        self.place(at).map_or(Kinds::NONE, |p| p.kinds)
    }

    fn place(&self, at: Node) -> Option<&Place> {
        self.nodes.get(usize::try_from(at.0).ok()?)
    }
}

/// A subschema, known by its address in the parsed document.
type Address = *const Map<String, Value>;

struct Compiler<'a> {
    document: &'a Value,
    /// The subschemas of each node, in the order of the nodes' numbers.
    sets: Vec<Vec<&'a Map<String, Value>>>,
    numbers: HashMap<Vec<Address>, Node>,
    kinds: HashMap<Address, Kinds>,
    steps_left: u32,
}

impl<'a> Compiler<'a> {
    fn new(document: &'a Value) -> Self {
        Self { document, sets: vec![], numbers: HashMap::new(), kinds: HashMap::new(), steps_left: STEPS_MAX }
    }

    fn run(mut self) -> Schema {
        let mut nodes = vec![];
        self.node(vec![self.document]);
        while let Some(set) = self.sets.get(nodes.len()).cloned() {
            nodes.push(self.place(&set));
        }
        let properties = self.document.get("properties").and_then(Value::as_object);
        let order = properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect();
        Schema { nodes, order }
    }

    /// The node of a set of subschemas. Those that are not objects say nothing and do not count.
    fn node(&mut self, schemas: Vec<&'a Value>) -> Node {
        let mut set: Vec<_> = schemas.into_iter().filter_map(Value::as_object).collect();
        set.sort_by_key(|s| ptr::from_ref(*s));
        set.dedup_by_key(|s| ptr::from_ref(*s));
        let key: Vec<_> = set.iter().map(|s| ptr::from_ref(*s)).collect();
        if let Some(&node) = self.numbers.get(&key) {
            return node;
        }
        let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        if set.is_empty() || self.sets.len() >= NODES_MAX {
            return Node::ANY;
        }
        self.sets.push(set);
        self.numbers.insert(key, Node(number));
        Node(number)
    }

    fn place(&mut self, set: &[&'a Map<String, Value>]) -> Place {
        let kinds = set.iter().fold(Kinds::NONE, |all, s| all.union(self.kinds_of(s, 0)));
        let mut named: HashMap<&str, Vec<&Value>> = HashMap::new();
        let (mut others, mut items) = (vec![], vec![]);
        for schema in self.parts(set) {
            for (key, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if self.step() {
                    named.entry(key).or_default().push(value);
                }
            }
            others.extend(schema.get("additionalProperties"));
            for keyword in ["prefixItems", "items"] {
                match schema.get(keyword) {
                    Some(Value::Array(each)) => items.extend(each),
                    one => items.extend(one),
                }
            }
        }
        Place {
            kinds: if kinds == every_kind() { Kinds::NONE } else { kinds },
            properties: named.into_iter().map(|(key, values)| (key.to_owned(), self.node(values))).collect(),
            has_others: others.iter().any(|schema| **schema != Value::Bool(false)),
            others: self.node(others),
            items: self.node(items),
        }
    }

    /// The set and all that it refers to or is combined of, each once.
    fn parts(&mut self, set: &[&'a Map<String, Value>]) -> Vec<&'a Map<String, Value>> {
        let mut parts = set.to_vec();
        let mut seen: HashSet<Address> = set.iter().map(|s| ptr::from_ref(*s)).collect();
        let mut next = 0;
        while let Some(schema) = parts.get(next).copied() {
            next += 1;
            for part in self.referred(schema).into_iter().chain(combined(schema)) {
                if seen.insert(ptr::from_ref(part)) && self.step() {
                    parts.push(part);
                }
            }
        }
        parts
    }

    /// Whether one more subschema may be looked at.
    fn step(&mut self) -> bool {
        let more = self.steps_left > 0;
        self.steps_left = self.steps_left.saturating_sub(1);
        more
    }

    fn referred(&self, schema: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
        let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.document.pointer(&percent_decoded(pointer)?)?.as_object()
    }

    /// The kinds a subschema allows: every kind where it says nothing.
    fn kinds_of(&mut self, schema: &'a Map<String, Value>, depth: u32) -> Kinds {
        let address = ptr::from_ref(schema);
        if let Some(&kinds) = self.kinds.get(&address) {
            return kinds;
        }
        if depth > DEPTH_MAX {
            return every_kind();
        }
        // A schema that leads back to itself says nothing by that.
        self.kinds.insert(address, every_kind());
        let mut kinds = own_kinds(schema);
        if let Some(target) = self.referred(schema) {
            kinds = kinds.intersection(self.kinds_of(target, depth + 1));
        }
        for part in list(schema, "allOf") {
            kinds = kinds.intersection(self.kinds_of_value(part, depth));
        }
        for keyword in ["anyOf", "oneOf"] {
            let any =
                list(schema, keyword).iter().fold(Kinds::NONE, |k, part| k.union(self.kinds_of_value(part, depth)));
            if !any.is_empty() {
                kinds = kinds.intersection(any);
            }
        }
        if schema.get("nullable") == Some(&Value::Bool(true)) {
            kinds = kinds.union(Kinds::NULL);
        }
        self.kinds.insert(address, kinds);
        kinds
    }

    fn kinds_of_value(&mut self, schema: &'a Value, depth: u32) -> Kinds {
        schema.as_object().map_or_else(every_kind, |s| self.kinds_of(s, depth + 1))
    }
}

/// The members of a subschema's combinators.
fn combined(schema: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|keyword| list(schema, keyword)).filter_map(Value::as_object)
}

fn list<'a>(schema: &'a Map<String, Value>, keyword: &str) -> &'a [Value] {
    schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What `type`, `enum` and `const` allow.
fn own_kinds(schema: &Map<String, Value>) -> Kinds {
    let stated = match schema.get("type") {
        Some(Value::String(name)) => kind_named(name),
        Some(Value::Array(names)) => {
            let each = |n: &Value| n.as_str().map_or(Kinds::NONE, kind_named);
            names.iter().fold(Kinds::NONE, |all, n| all.union(each(n)))
        }
        _ => implied_kinds(schema),
    };
    let mut kinds = if stated.is_empty() { every_kind() } else { stated };
    let listed = list(schema, "enum").iter().chain(schema.get("const"));
    let listed = listed.fold(Kinds::NONE, |all, value| all.union(kind_of(value)));
    if !listed.is_empty() {
        kinds = kinds.intersection(listed);
    }
    kinds
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

fn every_kind() -> Kinds {
    [Kinds::NULL, Kinds::BOOLEAN, Kinds::NUMBER, Kinds::STRING, Kinds::ARRAY, Kinds::OBJECT]
        .into_iter()
        .fold(Kinds::NONE, Kinds::union)
}

/// A pointer as it stands in a URI fragment, decoded: generators write `Record%3Cstring%3E`.
fn percent_decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut parts = fragment.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
