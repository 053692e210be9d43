//! Types: what a schema says of a value, as Python's annotations say it.
//! What an annotation leaves open is kept beside it, for whoever can say it elsewhere.

use std::borrow::Cow;

use super::model::Models;
use super::module::Module;
use super::write_docstring;
use crate::json::{Object, array, string};
use crate::python::{class_name, member_name, write_json, write_text};

/// Types inside each other; the schema says the rest. They are walked by recursion.
const DEPTH_MAX: u32 = 16;
/// Bytes of a type that is no class and may be referred to often.
const REFERRED_BYTES_MAX: usize = 256;

/// What a value is.
#[derive(Clone, Debug, Default)]
pub(super) struct Kind<'a> {
    /// Its type, but for `None`; empty where it is nothing else.
    text: String,
    pub(super) is_optional: bool,
    /// Members of its schema that the type does not say.
    pub(super) rest: Vec<(String, &'a str)>,
}

impl<'a> Kind<'a> {
    pub(super) fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Its type as it is written.
    pub(super) fn spelled(&self, module: &mut Module) -> String {
        match self.text.as_str() {
            "" => "None".into(),
            text if self.is_optional => format!("{}[{text}]", module.import("Optional")),
            text => text.to_owned(),
        }
    }
}

/// What a schema bounds values by, and what pydantic calls that.
const OF_NUMBERS: &[(&str, &str)] = &[
    ("minimum", "ge"),
    ("exclusiveMinimum", "gt"),
    ("maximum", "le"),
    ("exclusiveMaximum", "lt"),
    ("multipleOf", "multiple_of"),
];
const OF_STRINGS: &[(&str, &str)] = &[("minLength", "min_length"), ("maxLength", "max_length"), ("pattern", "pattern")];
const OF_ARRAYS: &[(&str, &str)] = &[("minItems", "min_length"), ("maxItems", "max_length")];

impl<'a> Models<'a, '_> {
    /// What a schema says of the values of a property of this name.
    pub(super) fn kind(&mut self, written: &'a str, name: &str, depth: u32) -> Kind<'a> {
        if matches!(written, "true" | "{}") {
            return self.any();
        }
        let schema = Object::part(written).filter(|_| depth < DEPTH_MAX && !self.module.is_full());
        let Some(schema) = schema else { return self.unsaid() };
        let mut said = Vec::new();
        let mut kind = self.of_schema(&schema, name, depth, &mut said);
        if schema.get("nullable") == Some("true") {
            kind.is_optional = true;
            said.push("nullable");
        }
        let rest = schema.members().filter(|(key, _)| !said.contains(key));
        kind.rest.extend(rest.map(|(key, value)| (key.to_owned(), value)));
        kind
    }

    /// Notes which members of the schema were said.
    fn of_schema(&mut self, schema: &Object<'a>, name: &str, depth: u32, said: &mut Vec<&'static str>) -> Kind<'a> {
        if let Some(reference) = schema.string("$ref") {
            said.push("$ref");
            return self.referred(&reference, depth);
        }
        let choices = schema.get("enum").and_then(array).filter(|choices| !choices.is_empty());
        if let Some(choices) = choices.filter(|choices| choices.iter().all(|choice| is_scalar(choice))) {
            said.extend(["enum", "type"]);
            let description = description_within(schema, depth, said);
            return self.one_of(&choices, name, &description);
        }
        if let Some(value) = schema.get("const").filter(|value| is_scalar(value)) {
            said.extend(["const", "type"]);
            return self.literal(&[value]);
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            let several = schema.get(keyword).and_then(array).unwrap_or_default();
            // What holds of several at once is no type, unless it is one.
            if !several.is_empty() && (keyword != "allOf" || several.len() == 1) {
                said.push(keyword);
                let kinds = several.into_iter().map(|each| self.kind(each, name, depth + 1)).collect();
                return self.union(kinds);
            }
        }
        match schema.get("type").map(|kinds| (string(kinds), array(kinds))) {
            Some((Some(kind), _)) => self.of_type(&kind, schema, name, depth, said),
            Some((None, Some(kinds))) => {
                let kinds = kinds.into_iter().filter_map(string);
                let kinds = kinds.map(|kind| self.of_type(&kind, schema, name, depth, said)).collect();
                self.union(kinds)
            }
            _ if schema.get("properties").is_some() => self.of_type("object", schema, name, depth, said),
            _ if schema.get("items").is_some() => self.of_type("array", schema, name, depth, said),
            _ => self.any(),
        }
    }

    fn of_type(
        &mut self,
        kind: &str,
        schema: &Object<'a>,
        name: &str,
        depth: u32,
        said: &mut Vec<&'static str>,
    ) -> Kind<'a> {
        let (plain, bounded, bounds) = match kind {
            "string" => ("str", "constr", OF_STRINGS),
            "integer" => ("int", "conint", OF_NUMBERS),
            "number" => ("float", "confloat", OF_NUMBERS),
            "boolean" => ("bool", "", &[][..]),
            "null" => {
                said.push("type");
                return Kind { is_optional: true, ..Kind::default() };
            }
            "array" => {
                said.extend(["type", "items"]);
                let item = self.inner(schema.get("items").unwrap_or("{}"), name, depth);
                return self.list(&item, schema, said);
            }
            "object" => {
                said.push("type");
                return self.object(schema, name, depth, said);
            }
            _ => return self.any(),
        };
        said.push("type");
        let bounds = bounds_of(schema, bounds, said);
        if bounds.is_empty() {
            return Kind::of(plain);
        }
        Kind::of(format!("{}({})", self.module.import(bounded), bounds.join(", ")))
    }

    fn list(&mut self, item: &Kind<'a>, schema: &Object<'a>, said: &mut Vec<&'static str>) -> Kind<'a> {
        let (item, bounds) = (item.spelled(self.module), bounds_of(schema, OF_ARRAYS, said));
        if bounds.is_empty() {
            return Kind::of(format!("{}[{item}]", self.module.import("List")));
        }
        Kind::of(format!("{}({item}, {})", self.module.import("conlist"), bounds.join(", ")))
    }

    /// An object: a class of its own where its properties are known, else a dict.
    fn object(&mut self, schema: &Object<'a>, name: &str, depth: u32, said: &mut Vec<&'static str>) -> Kind<'a> {
        said.extend(["properties", "additionalProperties"]);
        let properties = schema.get("properties").and_then(Object::part).unwrap_or_else(Object::empty);
        if properties.members().next().is_some() {
            said.push("required");
            let description = description_within(schema, depth, said);
            return Kind::of(self.class(name, schema.clone(), &description));
        }
        let others = schema.get("additionalProperties").filter(|others| others.starts_with('{')).unwrap_or("{}");
        let value = self.inner(others, name, depth).spelled(self.module);
        Kind::of(format!("{}[str, {value}]", self.module.import("Dict")))
    }

    /// What stands inside of another type. There is no place for what it leaves open.
    fn inner(&mut self, written: &'a str, name: &str, depth: u32) -> Kind<'a> {
        let mut kind = self.kind(written, name, depth + 1);
        let rest = std::mem::take(&mut kind.rest);
        self.is_whole &= rest.iter().all(|(key, value)| is_title_of(key, value, name));
        kind
    }

    fn union(&mut self, kinds: Vec<Kind<'a>>) -> Kind<'a> {
        let is_optional = kinds.iter().any(|kind| kind.is_optional);
        let mut kinds: Vec<_> = kinds.into_iter().filter(|kind| !kind.text.is_empty()).collect();
        if kinds.len() < 2 {
            let only = kinds.pop().unwrap_or_default();
            return Kind { is_optional, ..only };
        }
        self.is_whole &= kinds.iter().all(|kind| kind.rest.is_empty());
        let mut texts: Vec<String> = Vec::new();
        for kind in kinds {
            if !texts.contains(&kind.text) {
                texts.push(kind.text);
            }
        }
        let text = match texts.as_slice() {
            [only] => only.clone(),
            several => format!("{}[{}]", self.module.import("Union"), several.join(", ")),
        };
        Kind { text, is_optional, rest: Vec::new() }
    }

    /// One of several values: an enum, where each can be the name of a member.
    fn one_of(&mut self, choices: &[&'a str], name: &str, description: &str) -> Kind<'a> {
        let given: Vec<_> = choices.iter().copied().filter(|choice| *choice != "null").collect();
        let texts: Vec<_> = given.iter().filter_map(|choice| string(choice)).map(|text| text.into_owned()).collect();
        let mut members: Vec<_> = texts.iter().map(|text| member_name(text)).collect();
        members.sort_unstable();
        members.dedup();
        // Python keeps these names of members for itself.
        let are_members = members.iter().all(|name| !name.starts_with('_') && name != "mro");
        if texts.is_empty() || members.len() != given.len() || !are_members {
            return self.literal(choices);
        }
        let mut docstring = String::new();
        write_docstring(description, &mut docstring);
        let text = self.module.enumeration(&class_name(name), &texts, &docstring);
        Kind { text, is_optional: given.len() < choices.len(), rest: Vec::new() }
    }

    fn literal(&mut self, values: &[&'a str]) -> Kind<'a> {
        let mut text = String::from(self.module.import("Literal"));
        for (at, value) in values.iter().enumerate() {
            text.push_str(if at == 0 { "[" } else { ", " });
            write_json(value, &mut text);
        }
        text.push(']');
        Kind::of(text)
    }

    /// What is referred to. A class is written later, so what leads back to it finds its name.
    fn referred(&mut self, reference: &str, depth: u32) -> Kind<'a> {
        if let Some(known) = self.referred.get(reference) {
            return known.clone().unwrap_or_else(|| self.unsaid());
        }
        let Some(written) = self.definitions.get(reference).copied() else { return self.unsaid() };
        let name = reference.rsplit('/').next().unwrap_or_default();
        self.referred.insert(reference.to_owned(), None);
        let mut kind = self.inner(written, name, depth);
        if kind.text.len() > REFERRED_BYTES_MAX {
            kind = self.unsaid();
        }
        self.referred.insert(reference.to_owned(), Some(kind.clone()));
        kind
    }

    fn any(&mut self) -> Kind<'a> {
        Kind::of(self.module.import("Any"))
    }

    /// Anything, though the schema says more.
    fn unsaid(&mut self) -> Kind<'a> {
        self.is_whole = false;
        self.any()
    }
}

/// What a class says of what it is for. Of a property's own, the property does.
fn description_within<'a>(schema: &Object<'a>, depth: u32, said: &mut Vec<&'static str>) -> Cow<'a, str> {
    let description = schema.string("description").filter(|_| depth > 0);
    said.extend(description.is_some().then_some("description"));
    description.unwrap_or_default()
}

/// Whether a member is a title that is but the name, in other letters.
pub(super) fn is_title_of(key: &str, value: &str, name: &str) -> bool {
    let letters =
        |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    key == "title" && string(value).is_some_and(|title| letters(&title) == letters(name))
}

fn is_scalar(json: &str) -> bool {
    !json.starts_with(['{', '['])
}

/// A schema's bounds as arguments in Python. Those of another shape are left.
fn bounds_of(schema: &Object<'_>, bounds: &[(&'static str, &str)], said: &mut Vec<&'static str>) -> Vec<String> {
    let mut out = Vec::new();
    for (keyword, argument) in bounds {
        let Some(value) = schema.get(keyword) else { continue };
        let mut written = format!("{argument}=");
        match string(value) {
            Some(pattern) if *keyword == "pattern" => write_text(&pattern, &mut written),
            None if value.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => written.push_str(value),
            _ => continue,
        }
        said.push(keyword);
        out.push(written);
    }
    out
}
