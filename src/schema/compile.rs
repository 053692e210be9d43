//! Schema compiler: a JSON Schema to a table of places: what may stand there, and where its members lead.
//! Keeps kinds of value, the values that are listed, the members that are required and the way to members; lengths,
//! ranges, patterns and the rest are not its business.
//!
//! A place in the arguments is described by one or more subschemas (`anyOf` names several), so a node of the table
//! stands for a set of them, as a state of a DFA stands for a set of an NFA's.
//! Sets are met again and not made anew, which is what ends recursive schemas.

use std::collections::{HashMap, HashSet};
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::Node;
use super::domain::{Domain, list};
use crate::json::Kinds;
use crate::python;

/// Places of one schema; what lies beyond says nothing. The largest tool schemas in use have some hundreds.
const NODES_MAX: usize = 4096;
/// Values listed at one place; where there are more, any of their kinds will do. They are looked through for each value.
const LISTED_MAX: usize = 1024;
/// Subschemas, properties and listed values looked at while one schema is compiled; unions of unions would multiply
/// without it.
const STEPS_MAX: usize = 200_000;
/// References and combinators inside each other; deeper ones say nothing. They are walked by recursion.
const DEPTH_MAX: u32 = 64;

/// A compiled schema. The default one says nothing.
#[derive(Debug, Default)]
pub(super) struct Schema {
    nodes: Vec<Place>,
}

/// What the schema says of a place.
#[derive(Debug)]
pub(super) struct Place {
    /// None where it does not say.
    pub(super) kinds: Kinds,
    /// Kinds of which any value will do.
    pub(super) free: Kinds,
    /// Values that will do besides.
    pub(super) listed: Vec<Value>,
    pub(super) required: HashSet<String>,
    properties: HashMap<Arc<str>, Node>,
    /// The names of the properties in their order.
    order: Vec<Arc<str>>,
    /// The same by what stands for them in Python, where that is another name. Only who reads Python asks.
    fields: OnceLock<HashMap<String, Arc<str>>>,
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
        self.place(self.root())?.order.get(place).map(AsRef::as_ref)
    }

    pub(super) fn item(&self, at: Node) -> Node {
        self.place(at).map_or(Node::ANY, |p| p.items)
    }

    pub(super) fn kinds(&self, at: Node) -> Kinds {
        self.place(at).map_or(Kinds::NONE, |p| p.kinds)
    }

    pub(super) fn place(&self, at: Node) -> Option<&Place> {
        self.nodes.get(usize::try_from(at.0).ok()?)
    }
}

impl Place {
    /// One that leads to no other.
    fn of(domain: &Domain<'_>) -> Self {
        let (kinds, listed) = (domain.kinds, &domain.listed);
        let is_list = !(listed.is_empty() && domain.free.is_empty()) && listed.len() <= LISTED_MAX;
        let listed = listed.iter().filter(|_| is_list).map(|value| (*value).clone());
        let free = if is_list { domain.free } else { kinds };
        Self {
            kinds: if kinds == Kinds::EVERY { Kinds::NONE } else { kinds },
            free: if kinds.is_empty() { Kinds::EVERY } else { free },
            listed: listed.collect(),
            required: domain.required.iter().map(|name| (*name).to_owned()).collect(),
            properties: HashMap::new(),
            order: vec![],
            fields: OnceLock::new(),
            others: Node::ANY,
            has_others: false,
            items: Node::ANY,
        }
    }

    /// The property whose name this is, or that it stands for in Python.
    pub(super) fn field(&self, written: &str) -> Option<&str> {
        let exact = self.properties.get_key_value(written).map(|(key, _)| key);
        exact.or_else(|| self.fields.get_or_init(|| fields(&self.order)).get(written)).map(AsRef::as_ref)
    }
}

/// Of properties that have the same name in Python the first counts.
fn fields(keys: &[Arc<str>]) -> HashMap<String, Arc<str>> {
    let mut fields = HashMap::new();
    for key in keys {
        let field = python::field_name(key);
        if *field != **key {
            fields.entry(field).or_insert_with(|| Arc::clone(key));
        }
    }
    fields
}

/// A subschema, known by its address in the parsed document.
type Address = *const Map<String, Value>;

struct Compiler<'a> {
    document: &'a Value,
    /// The subschemas of each node, in the order of the nodes' numbers.
    sets: Vec<Vec<&'a Map<String, Value>>>,
    numbers: HashMap<Vec<Address>, Node>,
    domains: HashMap<Address, Rc<Domain<'a>>>,
    everything: Rc<Domain<'a>>,
    steps_left: usize,
}

impl<'a> Compiler<'a> {
    fn new(document: &'a Value) -> Self {
        let everything = Rc::new(Domain::any(Kinds::EVERY));
        let (numbers, domains) = (HashMap::new(), HashMap::new());
        Self { document, sets: vec![], numbers, domains, everything, steps_left: STEPS_MAX }
    }

    fn run(mut self) -> Schema {
        let mut nodes = vec![];
        self.node(vec![self.document]);
        while let Some(set) = self.sets.get(nodes.len()).cloned() {
            nodes.push(self.place(&set));
        }
        Schema { nodes }
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
        let domains = set.iter().map(|schema| self.domain_of(schema, 0)).collect();
        let domain = self.union(domains);
        let mut named: HashMap<&str, Vec<&Value>> = HashMap::new();
        let mut order = vec![];
        let (mut others, mut items) = (vec![], vec![]);
        for schema in self.parts(set) {
            for (key, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if self.step() {
                    let new = || {
                        order.push(Arc::from(key.as_str()));
                        vec![]
                    };
                    named.entry(key).or_insert_with(new).push(value);
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
        let property = |key: &Arc<str>| Some((Arc::clone(key), self.node(named.remove(&**key)?)));
        Place {
            properties: order.iter().filter_map(property).collect(),
            order,
            has_others: others.iter().any(|schema| **schema != Value::Bool(false)),
            others: self.node(others),
            items: self.node(items),
            ..Place::of(&domain)
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
        self.steps(1)
    }

    /// Whether so many more may be. Those that are too many leave the others theirs.
    fn steps(&mut self, steps: usize) -> bool {
        let left = self.steps_left.checked_sub(steps);
        self.steps_left = left.unwrap_or(self.steps_left);
        left.is_some()
    }

    fn referred(&self, schema: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
        let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.document.pointer(&percent_decoded(pointer)?)?.as_object()
    }

    /// What a subschema allows: everything where it says nothing.
    fn domain_of(&mut self, schema: &'a Map<String, Value>, depth: u32) -> Rc<Domain<'a>> {
        let address = ptr::from_ref(schema);
        if let Some(domain) = self.domains.get(&address) {
            return Rc::clone(domain);
        }
        if depth > DEPTH_MAX {
            return Rc::clone(&self.everything);
        }
        // A schema that leads back to itself says nothing by that.
        self.domains.insert(address, Rc::clone(&self.everything));
        let mut domain = Domain::own(schema);
        if let Some(target) = self.referred(schema) {
            let target = self.domain_of(target, depth + 1);
            domain = self.intersection(&domain, &target);
        }
        for part in list(schema, "allOf") {
            let part = self.domain_of_value(part, depth);
            domain = self.intersection(&domain, &part);
        }
        for keyword in ["anyOf", "oneOf"] {
            let parts = list(schema, keyword).iter().map(|part| self.domain_of_value(part, depth)).collect();
            let any = self.union(parts);
            if !any.kinds.is_empty() {
                domain = self.intersection(&domain, &any);
            }
        }
        if schema.get("nullable") == Some(&Value::Bool(true)) {
            domain = Domain { kinds: domain.kinds.union(Kinds::NULL), free: domain.free.union(Kinds::NULL), ..domain };
        }
        let domain = Rc::new(domain);
        self.domains.insert(address, Rc::clone(&domain));
        domain
    }

    fn domain_of_value(&mut self, schema: &'a Value, depth: u32) -> Rc<Domain<'a>> {
        match schema.as_object() {
            Some(schema) => self.domain_of(schema, depth + 1),
            None => Rc::clone(&self.everything),
        }
    }

    /// Without steps for the values in them, domains are of kinds alone.
    fn union(&mut self, domains: Vec<Rc<Domain<'a>>>) -> Domain<'a> {
        if self.steps(domains.iter().map(|domain| domain.size()).sum()) {
            return Domain::union(&domains);
        }
        Domain::any(domains.iter().fold(Kinds::NONE, |all, domain| all.union(domain.kinds)))
    }

    fn intersection(&mut self, one: &Domain<'a>, other: &Domain<'a>) -> Domain<'a> {
        let compared = one.listed.len().saturating_mul(other.listed.len());
        if self.steps(compared.saturating_add(one.size() + other.size())) {
            return one.intersection(other);
        }
        Domain::any(one.kinds.intersection(other.kinds))
    }
}

/// The members of a subschema's combinators.
fn combined(schema: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|keyword| list(schema, keyword)).filter_map(Value::as_object)
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
