//! A tool as a TypeScript type: `type NAME = (_: { city: string, days?: number }) => any;`, and a comment for each
//! description. What TypeScript cannot say follows as the schema itself.

use std::collections::HashSet;

use crate::json::{Object, Spacing, array, string, write_spaced, write_string};

/// Types inside each other; the schema says the rest.
const DEPTH_MAX: u32 = 4;

/// Appends a function's type.
pub(super) fn write(function: &Object<'_>, out: &mut String) {
    let written = function.present("parameters").unwrap_or("{}");
    if let Some(description) = function.string("description") {
        write_comment(&description, out);
    }
    out.push_str("type ");
    out.push_str(&function.string("name").unwrap_or_default());
    let mut writer = Writer { out, is_said: true };
    match Object::parse(written).filter(|parameters| parameters.get("properties").is_some()) {
        Some(parameters) => {
            writer.out.push_str(" = (_: ");
            writer.write_object(&parameters, DEPTH_MAX);
            writer.note(&parameters, &["type"]);
            writer.out.push_str(") => any;");
        }
        None => {
            writer.out.push_str(" = () => any;");
            writer.is_said = matches!(written.trim(), "{}") || is_void(written);
        }
    }
    if !writer.is_said {
        out.push_str("\n// JSON Schema of the arguments: ");
        write_spaced(written, Spacing::Line, out);
    }
}

/// Whether a schema says no more than that there is an object.
fn is_void(schema: &str) -> bool {
    Object::parse(schema).is_some_and(|schema| schema.members().all(|(key, _)| key == "type"))
}

struct Writer<'o> {
    out: &'o mut String,
    /// Whether all of the schema was said so far.
    is_said: bool,
}

impl Writer<'_> {
    /// Notes whether a schema says something that is neither in its type nor among these members.
    fn note(&mut self, schema: &Object<'_>, more: &[&str]) {
        let is_said = |(key, value): (&str, &str)| match key {
            "type" | "properties" | "required" | "items" | "enum" | "const" | "anyOf" | "oneOf" => true,
            // A type without more members says so.
            "additionalProperties" => value == "false",
            key => more.contains(&key),
        };
        self.is_said &= schema.members().all(is_said);
    }

    fn write_object(&mut self, schema: &Object<'_>, depth: u32) {
        let required = schema.get("required").and_then(array).unwrap_or_default();
        let required: HashSet<_> = required.into_iter().filter_map(string).collect();
        let properties = schema.get("properties").and_then(Object::parse);
        self.out.push_str("{\n");
        for (key, written) in properties.iter().flat_map(Object::members) {
            let property = Object::parse(written);
            if let Some(property) = &property {
                self.write_comments(property);
            }
            let is_plain = key.chars().all(|c| c == '_' || c == '$' || c.is_alphanumeric());
            if is_plain {
                self.out.push_str(key);
            } else {
                write_string(key, self.out);
            }
            self.out.push_str(if required.contains(key) { ": " } else { "?: " });
            self.write_type(written, &["description", "default"], depth - 1);
            self.out.push_str(",\n");
        }
        self.out.push('}');
    }

    /// What is said of a property beside its type.
    fn write_comments(&mut self, property: &Object<'_>) {
        if let Some(description) = property.string("description") {
            write_comment(&description, self.out);
        }
        if let Some(default) = property.get("default") {
            self.out.push_str("// default: ");
            write_spaced(default, Spacing::Line, self.out);
            self.out.push('\n');
        }
        if property.string("type").is_some_and(|kind| kind == "integer") {
            self.out.push_str("// an integer\n");
        }
    }

    /// Appends a schema's type. `said` are the members that were written before it.
    fn write_type(&mut self, written: &str, said: &[&str], depth: u32) {
        let Some(schema) = Object::parse(written).filter(|_| depth > 0) else {
            self.is_said &= matches!(written.trim(), "true" | "{}");
            return self.out.push_str("any");
        };
        self.note(&schema, said);
        let several = ["anyOf", "oneOf"].iter().find_map(|keyword| array(schema.get(keyword)?));
        if let Some(values) = schema.get("enum").and_then(array) {
            self.write_joined(&values, |writer, value| write_spaced(value, Spacing::Line, writer.out));
        } else if let Some(value) = schema.get("const") {
            write_spaced(value, Spacing::Line, self.out);
        } else if let Some(schemas) = several {
            self.write_joined(&schemas, |writer, each| writer.write_type(each, &[], depth - 1));
        } else if let Some(kinds) = schema.get("type").and_then(array) {
            self.write_joined(&kinds, |writer, kind| {
                writer.write_kind(&string(kind).unwrap_or_default(), &schema, said, depth);
            });
        } else {
            self.write_kind(&schema.string("type").unwrap_or_default(), &schema, said, depth);
        }
    }

    fn write_kind(&mut self, kind: &str, schema: &Object<'_>, said: &[&str], depth: u32) {
        match kind {
            "string" | "boolean" | "null" | "number" => self.out.push_str(kind),
            "integer" => {
                // What is written before a property says that it is one.
                self.is_said &= !said.is_empty() && schema.string("type").is_some();
                self.out.push_str("number");
            }
            "array" => {
                self.out.push_str("Array<");
                self.write_type(schema.get("items").unwrap_or("{}"), &[], depth - 1);
                self.out.push('>');
            }
            "object" if schema.get("properties").is_some() => self.write_object(schema, depth),
            "object" => self.out.push_str("object"),
            _ => self.out.push_str("any"),
        }
    }

    fn write_joined(&mut self, parts: &[&str], mut write: impl FnMut(&mut Self, &str)) {
        for (at, part) in parts.iter().enumerate() {
            self.out.push_str(if at == 0 { "" } else { " | " });
            write(self, part);
        }
    }
}

fn write_comment(text: &str, out: &mut String) {
    for line in text.lines() {
        out.extend(["// ", line, "\n"]);
    }
}
