//! Tools as a module of Python: the arguments of each as a pydantic model, and a function that takes one.
//! What types cannot say of a property stands in a comment behind it; what fits nowhere, in one that holds the schema.

mod kind;
mod model;
mod module;

use std::fmt::Write;

use super::function;
use crate::json::{Object, Spacing, array, string, write_spaced};
use crate::python::{field_name, model_name, write_char};
use model::Models;
use module::{Module, Names};

/// Tools of which examples are shown. They are alike, and many would be long.
const EXAMPLES_MAX: usize = 3;

/// Tools whose arguments are shown as models.
pub(super) struct Stubs<'a> {
    functions: Vec<Object<'a>>,
    /// The model of each.
    classes: Vec<String>,
    names: Names,
}

impl<'a> Stubs<'a> {
    /// Of tools, each given as its JSON.
    pub(super) fn new(tools: impl Iterator<Item = &'a str>) -> Self {
        let functions: Vec<_> = tools.filter_map(function).collect();
        // A class of a function's name would hide it.
        let mut names = Names::reserving(functions.iter().map(called));
        let classes = functions.iter().map(|function| names.unique(&own_model(function))).collect();
        Self { functions, classes, names }
    }

    /// Appends the module. `None` when it would be longer than `bytes_max`.
    pub(super) fn write(&self, bytes_max: usize) -> Option<String> {
        let mut module = Module::new(self.names.clone(), bytes_max);
        for (function, class) in self.functions.iter().zip(&self.classes) {
            write_function(function, class, &mut module);
        }
        module.finish()
    }

    /// Calls of the first tools, a line for each.
    pub(super) fn examples(&self) -> String {
        let mut out = String::new();
        for (at, (function, class)) in self.functions.iter().zip(&self.classes).take(EXAMPLES_MAX).enumerate() {
            let parameters = function.get("parameters").and_then(Object::part);
            let required = parameters.and_then(|parameters| array(parameters.get("required")?)).unwrap_or_default();
            let fields = required.into_iter().filter_map(string).map(|key| format!("{}=...", field_name(&key)));
            out.push_str(if at == 0 { "" } else { "\n" });
            let _ = write!(out, "{}({class}({}))", called(function), fields.collect::<Vec<_>>().join(", "));
        }
        out
    }

    /// The tools' names, each with that of its model.
    pub(super) fn model_names(self) -> impl Iterator<Item = (String, String)> {
        let names = self.functions.into_iter().map(|function| function.string("name").unwrap_or_default().into_owned());
        names.zip(self.classes)
    }
}

/// What a function is called in Python.
fn called(function: &Object<'_>) -> String {
    field_name(&function.string("name").unwrap_or_default())
}

fn own_model(function: &Object<'_>) -> String {
    let parameters = function.get("parameters").and_then(Object::part);
    let title = parameters.and_then(|parameters| parameters.string("title"));
    model_name(&function.string("name").unwrap_or_default(), title.as_deref())
}

fn write_function(function: &Object<'_>, class: &str, module: &mut Module) {
    let written = function.present("parameters").unwrap_or("{}");
    let is_whole = Models::new(written, class, module).write();
    let mut out = format!("def {}(args: {class}):", called(function));
    let description = function.string("description").unwrap_or_default();
    write_docstring(&description, &mut out);
    if !is_whole {
        out.push_str("\n    # JSON Schema of the arguments: ");
        write_spaced(written, Spacing::Line, &mut out);
    }
    out.push_str(if description.is_empty() { "\n    pass" } else { "" });
    module.add_function(out);
}

/// Appends what describes a class or a function, inside of it. Its lines are indented as Python's own help takes them.
fn write_docstring(text: &str, out: &mut String) {
    if text.is_empty() {
        return;
    }
    // No quotes end it before its end.
    let is_escaped = text.contains("\"\"\"") || text.ends_with('"');
    out.push_str("\n    \"\"\"");
    for (at, line) in text.lines().enumerate() {
        let is_first = at == 0;
        out.push_str(if is_first { "" } else { "\n" });
        out.push_str(if is_first || line.is_empty() { "" } else { "    " });
        for c in line.chars() {
            match c {
                '"' if is_escaped => out.push_str("\\\""),
                '\t' => out.push(c),
                c => write_char(c, out),
            }
        }
    }
    out.push_str(if text.contains('\n') { "\n    \"\"\"" } else { "\"\"\"" });
}

#[cfg(test)]
mod tests;
