//! A tool as a typed signature with a line for each parameter, for models that were trained on no form at all.
//! What those lines cannot say (choices, defaults, nested and referred schemas) follows as the schema itself.

use std::collections::HashSet;

use crate::json::{Object, Spacing, array, string, write_spaced};

/// Types inside each other in a label; the schema says the rest.
const LABEL_DEPTH_MAX: u32 = 4;

/// Appends a function's signature, description and parameters.
pub(super) fn write(function: &Object<'_>, out: &mut String) {
    let written = function.present("parameters").unwrap_or("{}");
    let parameters = Object::parse(written);
    let properties = parameters.as_ref().and_then(|p| p.get("properties")).and_then(Object::parse);
    let required = parameters.as_ref().and_then(|p| array(p.get("required")?)).unwrap_or_default();
    let required: HashSet<_> = required.into_iter().filter_map(string).collect();
    let parameter = |(name, schema)| Parameter::new(name, schema, required.contains(name));
    let listed: Vec<_> = properties.iter().flat_map(Object::members).map(parameter).collect();

    out.push_str(&function.string("name").unwrap_or_default());
    out.push('(');
    for (at, parameter) in listed.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        parameter.write_in_signature(out);
    }
    out.push(')');
    if let Some(description) = function.string("description").filter(|d| !d.is_empty()) {
        out.push_str("\n  \"\"\"");
        out.push_str(&description);
        out.push_str("\"\"\"");
    }
    out.push_str("\n  Parameters:");
    for parameter in &listed {
        parameter.write_line(out);
    }
    if listed.is_empty() {
        out.push_str("\n  (no parameters)");
    }
    let said = |p: &Object<'_>| p.members().all(|(key, _)| matches!(key, "type" | "properties" | "required"));
    if !(listed.iter().all(Parameter::is_said) && parameters.as_ref().is_some_and(said)) {
        out.push_str("\n  JSON Schema of the arguments: ");
        write_spaced(written, Spacing::Line, out);
    }
}

enum Need {
    Required,
    Optional,
}

struct Parameter<'a> {
    name: &'a str,
    schema: Option<Object<'a>>,
    label: String,
    need: Need,
}

impl<'a> Parameter<'a> {
    fn new(name: &'a str, schema: &'a str, is_required: bool) -> Self {
        let need = if is_required { Need::Required } else { Need::Optional };
        let mut text = String::new();
        write_label(schema, LABEL_DEPTH_MAX, &mut text);
        Self { name, schema: Object::parse(schema), label: text, need }
    }

    fn write_in_signature(&self, out: &mut String) {
        out.push_str(self.name);
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

    fn write_line(&self, out: &mut String) {
        out.push_str("\n  - ");
        out.push_str(self.name);
        out.push_str(" (");
        out.push_str(&self.label);
        out.push_str(match self.need {
            Need::Required => ") [required]",
            Need::Optional => ") [optional]",
        });
        if let Some(description) = self.schema.as_ref().and_then(|s| s.string("description")) {
            out.push_str(" — ");
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
            _ => key == "description",
        })
    }
}

/// Whether a type has nothing more to say about its members.
fn is_plain(kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| !matches!(kind, "array" | "object"))
}

/// Appends a schema's type in short.
fn write_label(schema: &str, depth: u32, out: &mut String) {
    let Some(schema) = Object::parse(schema).filter(|_| depth > 0) else { return out.push_str("any") };
    let of_several = || ["anyOf", "oneOf"].iter().find_map(|keyword| array(schema.get(keyword)?));
    match schema.get("type").map(|written| (string(written), array(written))) {
        Some((Some(name), _)) if name == "array" => {
            out.push_str("list[");
            write_label(schema.get("items").unwrap_or_default(), depth - 1, out);
            out.push(']');
        }
        Some((Some(name), _)) => out.push_str(&name),
        Some((None, Some(names))) => {
            write_joined(&names, |name, out| out.push_str(&string(name).unwrap_or_default()), out)
        }
        _ => match (of_several(), schema.string("$ref")) {
            (Some(schemas), _) => write_joined(&schemas, |each, out| write_label(each, depth - 1, out), out),
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
