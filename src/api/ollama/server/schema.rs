//! Schema of a tool's parameters, in the words that reach a model through Ollama.
//! Judges nothing, and resolves no address but those within the schema.
//!
//! Ollama's types keep `type`, `anyOf`, `items`, `description`, `enum`, `properties` and `required` of a property, and
//! refuse some shapes of these. So what stands elsewhere is put in its place, `oneOf` is told as `anyOf` and `const` as
//! an `enum` of one, and what would be refused is left out.

use std::borrow::Cow;
use std::collections::HashMap;

use super::request::Members;
use crate::json::{Object, elements, inside, string};

/// Writes the schemas of one request.
#[derive(Debug)]
pub(super) struct Schemas {
    /// Bytes of schemas that may still be put where they are referred to: a few that refer to each other could become
    /// endlessly many.
    left: usize,
}

const BYTES_MAX: usize = 4 << 20;
/// Of schemas in schemas, references followed. What is deeper says nothing.
const DEPTH_MAX: usize = 64;

impl Default for Schemas {
    fn default() -> Self {
        Self { left: BYTES_MAX }
    }
}

impl Schemas {
    /// The parameters of a function, as JSON: an object's schema in any case, since none would become an empty type.
    pub(super) fn parameters(&mut self, written: Option<&str>) -> String {
        let root = written.and_then(Object::part).unwrap_or_else(Object::empty);
        let mut walk = Walk { root: root.text(), definitions: None, open: Vec::new(), left: &mut self.left };
        let mut out = walk.members(root, 0);
        // The root's may be no list.
        out.retain(|(key, value)| key != "type" || string(value).is_some());
        for (key, value) in [("type", "\"object\""), ("properties", "{}")] {
            if !out.iter().any(|(known, _)| known == key) {
                out.push((key.into(), value.into()));
            }
        }
        write(&out)
    }
}

/// A member, its value as JSON.
type Member<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The way through one function's parameters.
struct Walk<'a, 'b> {
    root: &'a str,
    /// By their pointers; none while nobody has asked.
    definitions: Option<HashMap<String, &'a str>>,
    /// The references that are being followed.
    open: Vec<String>,
    left: &'b mut usize,
}

impl<'a> Walk<'a, '_> {
    fn schema(&mut self, written: &'a str, depth: usize) -> String {
        match Object::part(written).filter(|_| depth < DEPTH_MAX) {
            Some(object) => write(&self.members(object, depth)),
            None => "{}".to_owned(),
        }
    }

    /// The members of a schema and of what it stands for, which its own go before.
    fn members(&mut self, schema: Object<'a>, depth: usize) -> Vec<Member<'a>> {
        let opened = self.open.len();
        let mut layers = vec![schema];
        while let Some(next) = layers.last().and_then(|layer| self.meant(layer)).and_then(Object::part) {
            layers.push(next);
        }
        let mut owners: HashMap<String, usize> = HashMap::new();
        for (layer, schema) in layers.iter().enumerate() {
            for (key, _) in schema.members() {
                owners.entry(key.to_owned()).or_insert(layer);
            }
        }
        let has = |key: &str| owners.contains_key(key);
        let mut out = Vec::new();
        for (layer, schema) in layers.iter().enumerate().rev() {
            let is_followed = layer + 1 < layers.len();
            for (key, value) in schema.members().filter(|(key, _)| owners.get(*key) == Some(&layer)) {
                let told = match key {
                    "$ref" | "$defs" | "definitions" => None,
                    "allOf" if is_followed => None,
                    "properties" => Some(("properties", self.properties(value, depth).into())),
                    "anyOf" => Some(("anyOf", self.list(value, depth).into())),
                    "oneOf" if !has("anyOf") => Some(("anyOf", self.list(value, depth).into())),
                    "items" if value.starts_with('{') => Some(("items", self.schema(value, depth + 1).into())),
                    "const" if !has("enum") => Some(("enum", format!("[{value}]").into())),
                    "type" => is_type(value).then_some(("type", value.into())),
                    "required" => are_strings(value).then_some(("required", value.into())),
                    "enum" => elements(value).map(|_| ("enum", value.into())),
                    "description" => inside(value).map(|_| ("description", value.into())),
                    other => Some((other, value.into())),
                };
                out.extend(told.map(|(key, value)| (Cow::Owned(key.to_owned()), value)));
            }
        }
        self.open.truncate(opened);
        out
    }

    fn properties(&mut self, written: &'a str, depth: usize) -> String {
        let properties = Object::part(written).unwrap_or_else(Object::empty);
        let mut out = Members::default();
        for (name, schema) in properties.members() {
            out.put(name, &self.schema(schema, depth + 1));
        }
        out.end()
    }

    fn list(&mut self, written: &'a str, depth: usize) -> String {
        let schemas = elements(written).unwrap_or_default();
        let schemas: Vec<_> = schemas.into_iter().map(|schema| self.schema(schema, depth + 1)).collect();
        super::request::list(&schemas)
    }

    /// The schema that one stands for beside what it says itself: what it refers to, or all of which there is one.
    /// None for a reference that is being followed already.
    fn meant(&mut self, schema: &Object<'a>) -> Option<&'a str> {
        if self.open.len() >= DEPTH_MAX {
            return None;
        }
        let Some(reference) = schema.string("$ref") else {
            let [only] = elements(schema.present("allOf")?)?.try_into().ok()?;
            self.open.push(String::new());
            return Some(only);
        };
        let pointer = reference.strip_prefix('#')?;
        if self.open.iter().any(|open| open == pointer) {
            return None;
        }
        let target = self.target(pointer)?;
        *self.left = self.left.checked_sub(target.len())?;
        self.open.push(pointer.to_owned());
        Some(target)
    }

    /// What a pointer leads to (RFC 6901).
    fn target(&mut self, pointer: &str) -> Option<&'a str> {
        let root = self.root;
        if let Some(known) = self.definitions.get_or_insert_with(|| definitions(root)).get(pointer) {
            return Some(known);
        }
        // Each way through the schema reads it once more.
        *self.left = self.left.checked_sub(root.len())?;
        let mut at = root;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            at = match Object::part(at) {
                Some(object) => object.get(&step)?,
                None => elements(at)?.get(step.parse::<usize>().ok()?).copied()?,
            };
        }
        Some(at)
    }
}

fn definitions(root: &str) -> HashMap<String, &str> {
    let mut all = HashMap::new();
    let Some(root) = Object::part(root) else { return all };
    for group in ["$defs", "definitions"] {
        let Some(found) = root.get(group).and_then(Object::part) else { continue };
        for (name, schema) in found.members() {
            all.insert(format!("/{group}/{}", name.replace('~', "~0").replace('/', "~1")), schema);
        }
    }
    all
}

/// Whether a value may stand as a type: a string, or a list of strings.
fn is_type(value: &str) -> bool {
    string(value).is_some() || are_strings(value)
}

fn are_strings(value: &str) -> bool {
    elements(value).is_some_and(|list| list.into_iter().all(|value| string(value).is_some()))
}

fn write(members: &[Member<'_>]) -> String {
    let mut out = Members::default();
    members.iter().for_each(|(key, value)| out.put(key, value));
    out.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(properties: &str, defs: &str) -> String {
        let written = format!(r#"{{"type":"object","properties":{properties},"$defs":{defs}}}"#);
        let out = Schemas::default().parameters(Some(&written));
        out.strip_prefix(r#"{"type":"object","properties":"#).unwrap().strip_suffix('}').unwrap().to_owned()
    }

    #[test]
    fn what_would_be_lost_is_told_in_words_that_stay() {
        let defs = r##"{"U":{"type":"string","enum":["c"],"description":"d"},"V":{"$ref":"#/$defs/U","x":1},
            "a/b~c":{"type":"null"},"T":{"type":"object","properties":{"next":{"$ref":"#/$defs/T","description":"n"}}}}"##;
        for (property, expected) in [
            (r#"{"type":"string","minimum":1.0}"#, r#"{"type":"string","minimum":1.0}"#),
            (r##"{"$ref":"#/$defs/U"}"##, r#"{"type":"string","enum":["c"],"description":"d"}"#),
            (r##"{"$ref":"#/$defs/U","description":"own"}"##, r#"{"type":"string","enum":["c"],"description":"own"}"#),
            (r##"{"$ref":"#/$defs/V"}"##, r#"{"type":"string","enum":["c"],"description":"d","x":1}"#),
            (r##"{"$ref":"#/$defs/a~1b~0c"}"##, r#"{"type":"null"}"#),
            (r##"{"$ref":"#/properties/q/anyOf/1"}"##, r#"{"type":"integer"}"#),
            (r##"{"$ref":"#/$defs/None","title":"t"}"##, r#"{"title":"t"}"#),
            (r#"{"$ref":"http://a/b"}"#, "{}"),
            (r##"{"$ref":"#/$defs/T"}"##, r#"{"type":"object","properties":{"next":{"description":"n"}}}"#),
            (r##"{"allOf":[{"$ref":"#/$defs/a~1b~0c"}],"x":1}"##, r#"{"type":"null","x":1}"#),
            (r#"{"allOf":[{"a":1},{"b":2}]}"#, r#"{"allOf":[{"a":1},{"b":2}]}"#),
            (r#"{"oneOf":[{"const":1},true]}"#, r#"{"anyOf":[{"enum":[1]},{}]}"#),
            (r#"{"oneOf":[],"anyOf":[{}]}"#, r#"{"oneOf":[],"anyOf":[{}]}"#),
            (r#"{"const":1,"enum":[1,2]}"#, r#"{"const":1,"enum":[1,2]}"#),
            (r##"{"items":{"$ref":"#/$defs/a~1b~0c"}}"##, r#"{"items":{"type":"null"}}"#),
            (r#"{"items":false}"#, r#"{"items":false}"#),
            ("true", "{}"),
            (r#"{"type":7,"description":["d"],"x":1}"#, r#"{"x":1}"#),
            (r#"{"type":["string",7]}"#, "{}"),
            (r#"{"type":["string","null"]}"#, r#"{"type":["string","null"]}"#),
            (r#"{"type":"string","required":true,"enum":"a"}"#, r#"{"type":"string"}"#),
            (r#"{"required":["a",7],"enum":[null,7]}"#, r#"{"enum":[null,7]}"#),
            (r#"{"properties":7}"#, r#"{"properties":{}}"#),
        ] {
            let properties = format!(r#"{{"p":{property},"q":{{"anyOf":[{{}},{{"type":"integer"}}]}}}}"#);
            let expected = format!(r#"{{"p":{expected},"q":{{"anyOf":[{{}},{{"type":"integer"}}]}}}}"#);
            assert_eq!(of(&properties, defs), expected, "{property}");
        }
    }

    #[test]
    fn parameters_are_an_objects() {
        const EMPTY: &str = r#"{"type":"object","properties":{}}"#;
        for (written, expected) in [
            (None, EMPTY),
            (Some("true"), EMPTY),
            (Some("{}"), EMPTY),
            (Some(r#"{"type":"object"}"#), EMPTY),
            (Some(r#"{"type":["object","null"]}"#), EMPTY),
            (
                Some(r##"{"$ref":"#/definitions/A","definitions":{"A":{"required":[]}}}"##),
                r#"{"required":[],"type":"object","properties":{}}"#,
            ),
            (Some(r##"{"$ref":"#"}"##), EMPTY),
        ] {
            assert_eq!(Schemas::default().parameters(written), expected, "{written:?}");
        }
    }

    #[test]
    fn what_schemas_refer_to_stays_within_bounds() {
        // Each refers to the next twice.
        let twice = |n: usize| {
            format!(
                r##""D{n}":{{"properties":{{"a":{{"$ref":"#/$defs/D{0}"}},"b":{{"$ref":"#/$defs/D{0}"}}}}}}"##,
                n + 1
            )
        };
        let doubling: Vec<_> = (0..60).map(twice).collect();
        // Each is the next.
        let chain: Vec<_> = (0..1000).map(|n| format!(r##""D{n}":{{"$ref":"#/$defs/D{}"}}"##, n + 1)).collect();
        for defs in [doubling, chain] {
            let out = of(r##"{"p":{"$ref":"#/$defs/D0"}}"##, &format!("{{{}}}", defs.join(",")));
            assert!(out.len() < 2 * BYTES_MAX && Object::parse(&out).is_some());
        }
        let deep = format!("{}true{}", r#"{"anyOf":["#.repeat(5000), "]}".repeat(5000));
        assert!(Object::parse(&of(&format!(r#"{{"p":{deep}}}"#), "{}")).is_some());
    }
}
