//! Models: the classes that stand for a tool's arguments and for the objects in them, with a line for each property.
//! An object leads to others by its properties' types, and none is written twice: so recursive schemas end.

use std::collections::{HashMap, HashSet, VecDeque};

use super::kind::{Kind, is_title_of};
use super::module::Module;
use super::write_docstring;
use crate::json::{Object, Spacing, array, string, write_spaced};
use crate::python::{class_name, field_name, write_json, write_text};

/// Writes the models of one tool.
pub(super) struct Models<'a, 'm> {
    pub(super) module: &'m mut Module,
    /// Schemas that are referred to, by how they are.
    pub(super) definitions: HashMap<String, &'a str>,
    /// What those are, of which it is known. None while it is being found out.
    pub(super) referred: HashMap<String, Option<Kind<'a>>>,
    /// Classes that have been named, and are yet to be written.
    pending: VecDeque<Pending<'a>>,
    /// Whether all of the schema was said so far.
    pub(super) is_whole: bool,
}

struct Pending<'a> {
    class: String,
    schema: Object<'a>,
    /// What the class itself says of what it is for; of what a property has, the property does.
    description: String,
}

/// Members of a schema of arguments that their class says, or that say nothing of a value.
const OF_ARGUMENTS: [&str; 10] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "title",
    "description",
    "$defs",
    "definitions",
    "$schema",
    "$id",
];

impl<'a, 'm> Models<'a, 'm> {
    /// Of arguments by this schema, which are called so.
    pub(super) fn new(written: &'a str, class: &str, module: &'m mut Module) -> Self {
        let root = Object::part(written);
        let mut models = Self {
            module,
            definitions: root.as_ref().map(definitions).unwrap_or_default(),
            referred: HashMap::from([("#".to_owned(), Some(Kind::of(class)))]),
            pending: VecDeque::new(),
            is_whole: root.is_some(),
        };
        let mut schema = root.unwrap_or_else(Object::empty);
        // The arguments themselves may be by another's schema.
        let referred = schema.string("$ref").and_then(|reference| models.definitions.get(reference.as_ref()).copied());
        if let Some(referred) = referred.and_then(Object::part) {
            schema = referred;
        }
        models.is_whole &= schema.members().all(|(key, _)| OF_ARGUMENTS.contains(&key));
        models.is_whole &= schema.get("type").is_none_or(|kind| kind.contains("\"object\""));
        let description = schema.string("description").unwrap_or_default().into_owned();
        models.pending.push_back(Pending { class: class.to_owned(), schema, description });
        models
    }

    /// Adds them to the module, each before those that it is part of. Whether they say all of the schema.
    pub(super) fn write(mut self) -> bool {
        let mut classes = Vec::new();
        while let Some(pending) = self.pending.pop_front() {
            classes.push(self.model(&pending));
        }
        classes.into_iter().rev().for_each(|class| self.module.add_class(class));
        self.is_whole
    }

    /// The class of an object, to be written later.
    pub(super) fn class(&mut self, name: &str, schema: Object<'a>, description: &str) -> String {
        let class = self.module.names.unique(&class_name(name));
        self.pending.push_back(Pending { class: class.clone(), schema, description: description.into() });
        class
    }

    fn model(&mut self, pending: &Pending<'a>) -> String {
        let Pending { class, schema, description } = pending;
        let mut out = format!("class {class}({}):", self.module.import("BaseModel"));
        let head = out.len();
        write_docstring(description, &mut out);
        let others = schema.get("additionalProperties");
        self.is_whole &= others.is_none_or(|others| matches!(others, "true" | "false" | "{}"));
        if others.is_some_and(|others| others != "false") {
            out.extend(["\n    model_config = ", self.module.import("ConfigDict"), "(extra='allow')"]);
        }
        self.module.count(out.len());
        self.write_fields(schema, &mut out);
        out.push_str(if out.len() == head { "\n    pass" } else { "" });
        out
    }

    fn write_fields(&mut self, schema: &Object<'a>, out: &mut String) {
        let properties = schema.get("properties").and_then(Object::part).unwrap_or_else(Object::empty);
        let required = schema.get("required").and_then(array).unwrap_or_default();
        let required: HashSet<_> = required.into_iter().filter_map(string).collect();
        let keys: HashSet<_> = properties.members().map(|(key, _)| key).collect();
        self.is_whole &= required.iter().all(|key| keys.contains(key.as_ref()));
        let mut names = HashSet::new();
        for (key, written) in properties.members() {
            if self.module.is_full() {
                return;
            }
            let name = field_name(key);
            // A keyword means the property of that very name, if there is one.
            let is_anothers = name != key && keys.contains(name.as_str());
            if is_anothers || names.contains(&name) {
                self.is_whole = false;
                continue;
            }
            let start = out.len();
            self.write_field(Field { key, name: &name, is_required: required.contains(key) }, written, out);
            self.module.count(out.len() - start);
            names.insert(name);
        }
    }

    fn write_field(&mut self, field: Field<'_>, written: &'a str, out: &mut String) {
        let mut kind = self.kind(written, field.key, 0);
        let rest = std::mem::take(&mut kind.rest);
        kind.is_optional |= !field.is_required;
        out.extend(["\n    ", field.name, ": "]);
        out.push_str(&kind.spelled(self.module));
        let schema = Object::part(written).unwrap_or_else(Object::empty);
        let mut default = String::new();
        if !field.is_required {
            write_json(schema.get("default").unwrap_or("null"), &mut default);
        }
        let mut more = String::new();
        if field.name != field.key {
            more.push_str(", alias=");
            write_text(field.key, &mut more);
        }
        if let Some(description) = schema.string("description") {
            more.push_str(", description=");
            write_text(&description, &mut more);
        }
        if !more.is_empty() {
            let default = if field.is_required { "..." } else { &default };
            out.extend([" = ", self.module.import("Field"), "(", default, &more, ")"]);
        } else if !field.is_required {
            out.extend([" = ", &default]);
        }
        let is_said = |(key, value): &(String, &str)| match key.as_str() {
            "description" => string(value).is_some(),
            "default" => !field.is_required,
            key => is_title_of(key, value, field.key),
        };
        for (at, (key, value)) in rest.iter().filter(|member| !is_said(member)).enumerate() {
            out.extend([if at == 0 { "  # " } else { ", " }, key, ": "]);
            write_spaced(value, Spacing::Line, out);
        }
    }
}

/// A property of an object.
struct Field<'k> {
    key: &'k str,
    name: &'k str,
    is_required: bool,
}

/// A schema's definitions, by how they are referred to.
fn definitions<'a>(schema: &Object<'a>) -> HashMap<String, &'a str> {
    let mut all = HashMap::new();
    for keyword in ["$defs", "definitions"] {
        let defined = schema.get(keyword).and_then(Object::part).unwrap_or_else(Object::empty);
        let pointer = |key: &str| format!("#/{keyword}/{}", key.replace('~', "~0").replace('/', "~1"));
        all.extend(defined.members().map(|(key, written)| (pointer(key), written)));
    }
    all
}
