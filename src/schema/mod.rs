//! Tool schemas: what a tool's parameters say about types.
//! Answers which kinds of JSON value a place in the arguments may hold, and makes Python's values fit there.
//! Does not validate: lengths, ranges and patterns are the tool's own business.
//!
//! Schemas come from strangers, so junk in any place of one means that it says nothing there.
//! A schema is compiled when its tool is first called: agents send dozens of large ones and call few of them.

mod compile;
mod conform;
mod domain;
mod fit;

use std::collections::HashMap;
use std::sync::OnceLock;

pub use self::domain::kind_named;

use self::compile::Schema;
use crate::chat;
use crate::json::Kinds;
use crate::python;

/// The tools that a request offers, by name.
#[derive(Debug, Default)]
pub struct Tools {
    tools: Vec<Tool>,
    by_name: HashMap<String, usize>,
    /// Those whose names Python does not take, by what they are called there.
    by_function: OnceLock<HashMap<String, usize>>,
}

/// One declared tool.
#[derive(Debug)]
pub struct Tool {
    pub name: String,
    parameters: Option<Box<str>>,
    schema: OnceLock<Schema>,
}

/// A place in a tool's parameters schema. `Node::ANY` is where the schema says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node(u32);

impl Node {
    pub const ANY: Self = Self(u32::MAX);
}

impl Tools {
    /// Of tools that share a name the first counts.
    pub fn new(tools: Vec<chat::Tool>) -> Self {
        let tools: Vec<_> = tools.into_iter().map(Tool::new).collect();
        let mut by_name = HashMap::with_capacity(tools.len());
        for (at, tool) in tools.iter().enumerate() {
            by_name.entry(tool.name.clone()).or_insert(at);
        }
        Self { tools, by_name, by_function: OnceLock::new() }
    }

    /// The tool of exactly this name.
    pub fn find(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name).and_then(|&at| self.tools.get(at))
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.iter().map(|tool| tool.name.as_str())
    }

    /// The tool that a function of this name stands for in Python. Of several the first counts.
    pub fn function(&self, name: &str) -> Option<&Tool> {
        let by_function = self.by_function.get_or_init(|| {
            let mut places = HashMap::new();
            for (at, tool) in self.tools.iter().enumerate().filter(|(_, tool)| !python::is_word(&tool.name)) {
                places.entry(python::field_name(&tool.name)).or_insert(at);
            }
            places
        });
        self.find(name).or_else(|| by_function.get(name).and_then(|&at| self.tools.get(at)))
    }

    /// The tool at a place that `resolve` gave.
    pub fn at(&self, place: usize) -> Option<&Tool> {
        self.tools.get(place)
    }

    /// The place of the tool that a written name leads to: its own, or a contaminated one
    /// (`functions.NAME`, `NAME<|channel|>commentary`, `NAME.NAME`, `SPACE:NAME`, `NAME:7`, `functions_NAME_7`) that
    /// leads to exactly one tool.
    pub fn resolve(&self, written: &str) -> Option<usize> {
        if let Some(&place) = self.by_name.get(written) {
            return Some(place);
        }
        let name = written.split_once("<|channel|>").map_or(written, |(name, _)| name.trim_end());
        let name = unnumbered(name);
        let bare = name.strip_prefix("functions.").unwrap_or(name);
        let last = name.rsplit_once(':').map_or(name, |(_, last)| last);
        let names = [Some(name), Some(bare), Some(last), unmarked(name)].into_iter().flatten();
        let names = names.flat_map(|n| [Some(n), undoubled(n)]).flatten();
        let mut places = names.filter_map(|n| self.by_name.get(n).copied());
        let first = places.next()?;
        places.all(|other| other == first).then_some(first)
    }
}

/// `NAME` of `NAME:7`.
fn unnumbered(name: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.rsplit_once(':').filter(|(_, number)| is_number(number)).map_or(name, |(name, _)| name)
}

/// `NAME` of `functionsNAME7` and `functions_NAME_7`: an id of `functions.NAME:7` whose marks are others, or gone.
fn unmarked(name: &str) -> Option<&str> {
    let numbered = name.strip_prefix("functions")?;
    let name = numbered.trim_end_matches(|c: char| c.is_ascii_digit());
    (name.len() < numbered.len()).then(|| name.trim_matches(['_', '.', '-']))
}

/// `NAME` of `NAME.NAME`.
fn undoubled(name: &str) -> Option<&str> {
    let (first, second) = name.split_at_checked(name.len() / 2)?;
    (second.strip_prefix('.') == Some(first)).then_some(first)
}

impl Tool {
    fn new(tool: chat::Tool) -> Self {
        Self { name: tool.name, parameters: tool.parameters, schema: OnceLock::new() }
    }

    /// The arguments object itself.
    pub fn root(&self) -> Node {
        self.schema().root()
    }

    /// The value of `key` in the object at `at`.
    pub fn property(&self, at: Node, key: &str) -> Node {
        self.schema().property(at, key)
    }

    /// Whether the schema at `at` names this property outright.
    pub fn declares(&self, at: Node, key: &str) -> bool {
        self.schema().declares(at, key)
    }

    /// Whether this property may well stand in the object at `at`: it is named there, or no others are, or the schema
    /// says that there may be others.
    pub fn expects(&self, at: Node, key: &str) -> bool {
        self.schema().expects(at, key)
    }

    /// The property that stands at this place in the order of the schema.
    pub fn nth(&self, place: usize) -> Option<&str> {
        self.schema().nth(place)
    }

    /// Any element of the array at `at`.
    pub fn item(&self, at: Node) -> Node {
        self.schema().item(at)
    }

    /// The kinds of value allowed at `at`; empty when the schema does not say.
    pub fn kinds(&self, at: Node) -> Kinds {
        self.schema().kinds(at)
    }

    fn schema(&self) -> &Schema {
        self.schema.get_or_init(|| self.parameters.as_deref().map_or_else(Schema::default, Schema::compile))
    }
}

#[cfg(test)]
mod tests;
