//! A module of Python as it grows: classes, then functions, and before them imports of what they use.
//! Knows no schema.

use std::collections::{BTreeSet, HashMap};

use crate::python::{member_name, write_text};

/// What can be imported, by where it is from. pydantic comes last, behind a blank line, as what is not Python's own.
const IMPORTS: [(&str, &[&str]); 3] = [
    ("enum", &["Enum"]),
    ("typing", &["Any", "Dict", "List", "Literal", "Optional", "Union"]),
    ("pydantic", &["BaseModel", "ConfigDict", "Field", "confloat", "conint", "conlist", "constr"]),
];

/// Names that a module has already, and how often each was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    /// All but those of imports, of Python's own words and these.
    pub(super) fn reserving(others: impl Iterator<Item = String>) -> Self {
        let imports = IMPORTS.iter().flat_map(|(_, names)| names.iter().copied());
        let words = imports.chain(["False", "None", "True"]).map(str::to_owned);
        Self(words.chain(others).map(|name| (name, 1)).collect())
    }

    /// The name, with a number behind it where it is taken.
    pub(super) fn unique(&mut self, name: &str) -> String {
        loop {
            let count = self.0.entry(name.to_owned()).or_default();
            *count += 1;
            let found = if *count == 1 { name.to_owned() } else { format!("{name}{}", *count - 1) };
            // A name with its number may be somebody's own.
            if found == name || self.0.insert(found.clone(), 1).is_none() {
                return found;
            }
        }
    }
}

/// A module.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) names: Names,
    imports: BTreeSet<&'static str>,
    classes: Vec<String>,
    functions: Vec<String>,
    /// Enums by the name that each was to have and what it says, so that equal ones are one.
    enums: HashMap<(String, String), String>,
    /// None when more was said than may be.
    bytes_left: Option<usize>,
}

impl Module {
    pub(super) fn new(names: Names, bytes_max: usize) -> Self {
        Self {
            names,
            imports: BTreeSet::new(),
            classes: Vec::new(),
            functions: Vec::new(),
            enums: HashMap::new(),
            bytes_left: Some(bytes_max),
        }
    }

    /// A name that is used, and so imported.
    pub(super) fn import(&mut self, name: &'static str) -> &'static str {
        self.imports.insert(name);
        name
    }

    /// Counts what will be part of it.
    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes_left = self.bytes_left.and_then(|left| left.checked_sub(bytes));
    }

    /// Whether no more may be said.
    pub(super) fn is_full(&self) -> bool {
        self.bytes_left.is_none()
    }

    pub(super) fn add_class(&mut self, class: String) {
        self.classes.push(class);
    }

    pub(super) fn add_function(&mut self, function: String) {
        self.count(function.len());
        self.functions.push(function);
    }

    /// The enum of these values, which it may have already.
    pub(super) fn enumeration(&mut self, name: &str, values: &[String], docstring: &str) -> String {
        let mut body = docstring.to_owned();
        for value in values {
            body.push_str("\n    ");
            body.push_str(&member_name(value));
            body.push_str(" = ");
            write_text(value, &mut body);
        }
        let key = (name.to_owned(), body);
        if let Some(known) = self.enums.get(&key) {
            return known.clone();
        }
        let name = self.names.unique(name);
        let written = format!("class {name}({}):{}", self.import("Enum"), key.1);
        self.count(written.len());
        self.classes.push(written);
        self.enums.insert(key, name.clone());
        name
    }

    /// All of it. `None` when it is too long.
    pub(super) fn finish(self) -> Option<String> {
        let mut out = String::from("from __future__ import annotations\n");
        for (from, names) in IMPORTS {
            let used: Vec<_> = names.iter().filter(|name| self.imports.contains(*name)).copied().collect();
            if used.is_empty() {
                continue;
            }
            let is_apart = from == "pydantic" || out.ends_with("annotations\n");
            out.push_str(if is_apart { "\n" } else { "" });
            out.extend(["from ", from, " import ", &used.join(", "), "\n"]);
        }
        for part in self.classes.iter().chain(&self.functions) {
            out.extend(["\n\n", part, "\n"]);
        }
        out.truncate(out.trim_end().len());
        self.bytes_left.map(|_| out)
    }
}
