//! A tool as `<function>` with an element for each property, as the templates of tagged dialects write it
//! (`Qwen3-Coder.jinja` in llama.cpp). Escapes nothing, as they do not.

use crate::json::{Object, Spacing, string, write_spaced};

/// Appends a function's definition.
pub(super) fn write(function: &Object<'_>, out: &mut String) {
    out.push_str("<function>\n<name>");
    out.push_str(&function.string("name").unwrap_or_default());
    out.push_str("</name>");
    write_members(function, &["description"], out);
    out.push_str("\n<parameters>");
    let parameters = function.get("parameters").and_then(Object::parse);
    let properties = parameters.as_ref().and_then(|p| p.get("properties")).and_then(Object::parse);
    for (name, schema) in properties.iter().flat_map(Object::members) {
        out.push_str("\n<parameter>\n<name>");
        out.push_str(name);
        out.push_str("</name>");
        if let Some(schema) = Object::parse(schema) {
            write_members(&schema, &["type", "description"], out);
            write_others(&schema, &["type", "description"], out);
        }
        out.push_str("\n</parameter>");
    }
    if let Some(parameters) = parameters {
        let written: &[_] = if properties.is_some() { &["type", "properties"] } else { &["type"] };
        write_others(&parameters, written, out);
    }
    out.push_str("\n</parameters>");
    write_others(function, &["name", "description", "parameters"], out);
    out.push_str("\n</function>");
}

/// Those of these members that are there, in this order.
fn write_members(object: &Object<'_>, keys: &[&str], out: &mut String) {
    for key in keys {
        if let Some(value) = object.get(key) {
            write_element(key, value, out);
        }
    }
}

/// The members that are none of these, in the client's order.
fn write_others(object: &Object<'_>, keys: &[&str], out: &mut String) {
    for (key, value) in object.members().filter(|(key, _)| !keys.contains(key)) {
        write_element(key, value, out);
    }
}

fn write_element(key: &str, value: &str, out: &mut String) {
    out.push_str("\n<");
    out.push_str(key);
    out.push('>');
    match string(value) {
        Some(text) => out.push_str(text.trim()),
        None => write_spaced(value, Spacing::Line, out),
    }
    out.push_str("</");
    out.push_str(key);
    out.push('>');
}
