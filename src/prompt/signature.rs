//! A tool as a typed signature with a line for each parameter, for models that were trained on no form at all.
//! What those lines cannot say (choices, defaults, nested and referred schemas) follows as the schema itself.

use std::collections::HashSet;

use crate::json::{Object, Spacing, array, string, write_spaced};

/// Types inside each other in a label; the schema says the rest.
const LABEL_DEPTH_MAX: u32 = 4;

/// Appends a function's signature, description and parameters.
pub(super) fn write(function: &Object<'_>, out: &mut String) {
    let parameters = Parameters::of(function, Words::Schema);
    out.push_str(&function.string("name").unwrap_or_default());
    parameters.write_in_signature(out);
    if let Some(description) = function.string("description").filter(|d| !d.is_empty()) {
        out.push_str("\n  \"\"\"");
        out.push_str(&description);
        out.push_str("\"\"\"");
    }
    out.push_str("\n  Parameters:");
    parameters.write_lines("\n  - ", " — ", out);
    if parameters.is_empty() {
        out.push_str("\n  (no parameters)");
    }
    parameters.write_rest("\n  JSON Schema of the arguments: ", out);
}

/// Whose words for types are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    Schema,
    Python,
}

impl Words {
    fn of(self, kind: &str) -> &str {
        match (self, kind) {
            (Self::Python, "string") => "str",
            (Self::Python, "integer") => "int",
            (Self::Python, "number") => "float",
            (Self::Python, "boolean") => "bool",
            (Self::Python, "object") => "dict",
            (Self::Python, "null") => "None",
            (_, kind) => kind,
        }
    }
}

/// The parameters of a function.
pub(super) struct Parameters<'a> {
    /// Their schema.
    written: &'a str,
    listed: Vec<Parameter<'a>>,
    /// Whether their schema says nothing beside them.
    is_said: bool,
}

impl<'a> Parameters<'a> {
    pub(super) fn of(function: &Object<'a>, words: Words) -> Self {
        let written = function.present("parameters").unwrap_or("{}");
        let parameters = Object::parse(written);
        let properties = parameters.as_ref().and_then(|p| p.get("properties")).and_then(Object::parse);
        let required = parameters.as_ref().and_then(|p| array(p.get("required")?)).unwrap_or_default();
        let required: HashSet<_> = required.into_iter().filter_map(string).collect();
        let need = |name| if required.contains(name) { Need::Required } else { Need::Optional };
        let parameter = |(name, schema)| Parameter::new(name, schema, need(name), words);
        let listed = properties.iter().flat_map(Object::members).map(parameter).collect();
        let said = |p: &Object<'_>| p.members().all(|(key, _)| matches!(key, "type" | "properties" | "required"));
        Self { written, listed, is_said: parameters.as_ref().is_some_and(said) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.is_said
    }

    /// Their names and types, in brackets.
    pub(super) fn write_in_signature(&self, out: &mut String) {
        out.push('(');
        for (at, parameter) in self.listed.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { ", " });
            parameter.write_in_signature(out);
        }
        out.push(')');
    }

    /// A line for each, with texts before it and before its description.
    pub(super) fn write_lines(&self, before: &str, colon: &str, out: &mut String) {
        for parameter in &self.listed {
            parameter.write_line(before, colon, out);
        }
    }

    /// What all of these lines do not say, if there is something, behind a text.
    pub(super) fn write_rest(&self, before: &str, out: &mut String) {
        if !(self.is_said && self.listed.iter().all(Parameter::is_said)) {
            out.push_str(before);
            write_spaced(self.written, Spacing::Line, out);
        }
    }
}

enum Need {
    Required,
    Optional,
}

struct Parameter<'a> {
    name: String,
    schema: Option<Object<'a>>,
    label: String,
    need: Need,
    words: Words,
}

impl<'a> Parameter<'a> {
    fn new(name: &str, schema: &'a str, need: Need, words: Words) -> Self {
        let mut text = String::new();
        write_label(schema, words, LABEL_DEPTH_MAX, &mut text);
        Self { name: name.into(), schema: Object::parse(schema), label: text, need, words }
    }

    fn write_in_signature(&self, out: &mut String) {
        out.push_str(&self.name);
        out.push_str(": ");
        out.push_str(&self.label);
        if let Need::Optional = self.need {
            out.push_str(" = ");
            match self.schema.as_ref().and_then(|s| s.get("default")) {
                Some(default) => write_spaced(default, Spacing::Line, out),
                None => out.push_str("None"),
            }
        }
    }

    fn write_line(&self, before: &str, colon: &str, out: &mut String) {
        out.push_str(before);
        out.push_str(&self.name);
        out.push_str(" (");
        out.push_str(&self.label);
        out.push_str(match self.need {
            Need::Required => ") [required]",
            Need::Optional => ") [optional]",
        });
        if let Some(description) = self.schema.as_ref().and_then(|s| s.string("description")) {
            out.push_str(colon);
            out.push_str(&description);
        }
    }

    /// Whether its line says all that its schema says.
    fn is_said(&self) -> bool {
        let Some(schema) = &self.schema else { return false };
        let kind = schema.string("type");
        let is_list = kind.as_deref() == Some("array");
        schema.members().all(|(key, value)| match key {
            "type" => is_list || is_plain(kind.as_deref()),
            "items" => {
                Object::parse(value).is_some_and(|i| i.members().count() == 1 && is_plain(i.string("type").as_deref()))
            }
            "enum" => self.words == Words::Python,
            "default" => self.words == Words::Python && matches!(self.need, Need::Optional),
            _ => key == "description",
        })
    }
}

/// Whether a type has nothing more to say about its members.
fn is_plain(kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| !matches!(kind, "array" | "object"))
}

/// Appends a schema's type in short.
fn write_label(schema: &str, words: Words, depth: u32, out: &mut String) {
    let Some(schema) = Object::parse(schema).filter(|_| depth > 0) else { return out.push_str("any") };
    let choices = schema.get("enum").and_then(array).filter(|_| words == Words::Python);
    if let Some(choices) = choices {
        out.push_str("Literal[");
        for (at, choice) in choices.into_iter().enumerate() {
            out.push_str(if at == 0 { "" } else { ", " });
            write_spaced(choice, Spacing::Line, out);
        }
        return out.push(']');
    }
    let of_several = || ["anyOf", "oneOf"].iter().find_map(|keyword| array(schema.get(keyword)?));
    match schema.get("type").map(|written| (string(written), array(written))) {
        Some((Some(name), _)) if name == "array" => {
            out.push_str("list[");
            write_label(schema.get("items").unwrap_or_default(), words, depth - 1, out);
            out.push(']');
        }
        Some((Some(name), _)) => out.push_str(words.of(&name)),
        Some((None, Some(names))) => {
            write_joined(&names, |name, out| out.push_str(words.of(&string(name).unwrap_or_default())), out)
        }
        _ => match (of_several(), schema.string("$ref")) {
            (Some(schemas), _) => write_joined(&schemas, |each, out| write_label(each, words, depth - 1, out), out),
            (None, Some(reference)) => out.push_str(reference.rsplit('/').next().unwrap_or_default()),
            (None, None) => out.push_str("any"),
        },
    }
}

fn write_joined(parts: &[&str], mut write: impl FnMut(&str, &mut String), out: &mut String) {
    for (at, part) in parts.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { " | " });
        write(part, out);
    }
}
