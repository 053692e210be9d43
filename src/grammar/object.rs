//! A call as a JSON object, and the schema of answers that are one: for servers that hold a model to a schema, and take
//! no grammar.

use serde_json::{Map, Value, json};

use super::Wish;
use crate::chat::Tool;
use crate::dialect::fallback::{ARGUMENTS, NAME};

/// The schema of an answer that is a call of one of the tools.
pub fn schema(wish: &Wish<'_>) -> String {
    let mut definitions = Map::new();
    let mut calls: Vec<_> = wish.tools.iter().map(|tool| call(tool, &mut definitions)).collect();
    let mut schema = match (calls.pop(), calls.is_empty()) {
        (Some(one), true) => one,
        (last, _) => json!({ "anyOf": calls.into_iter().chain(last).collect::<Vec<_>>() }),
    };
    if let Some(schema) = schema.as_object_mut().filter(|_| !definitions.is_empty()) {
        schema.insert("$defs".into(), Value::Object(definitions));
    }
    schema.to_string()
}

/// A call of a tool. Parameters that refer into themselves stand among the definitions, since a reference leads from the
/// schema's own root.
fn call(tool: &Tool, definitions: &mut Map<String, Value>) -> Value {
    let written = tool.parameters.as_deref().and_then(|written| serde_json::from_str(written).ok());
    let mut parameters = written.filter(Value::is_object).unwrap_or_else(|| json!({ "type": "object" }));
    if refers(&parameters) {
        let place = format!("#/$defs/{}", tool.name.replace('~', "~0").replace('/', "~1"));
        move_references(&mut parameters, &place);
        definitions.insert(tool.name.clone(), parameters);
        parameters = json!({ "$ref": place });
    }
    json!({
        "type": "object",
        "properties": { NAME: { "const": tool.name }, ARGUMENTS: parameters },
        "required": [NAME, ARGUMENTS],
        "additionalProperties": false,
    })
}

/// Whether a schema has references to parts of itself.
fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.get("$ref").is_some_and(Value::is_string) || map.values().any(refers),
        Value::Array(all) => all.iter().any(refers),
        _ => false,
    }
}

/// Has references within a schema lead to where it now stands.
fn move_references(schema: &mut Value, place: &str) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(target) if key == "$ref" && target.starts_with('#') => {
                        target.replace_range(..1, place);
                    }
                    value => move_references(value, place),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| move_references(value, place)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Calls;
    use crate::decode::Reasoning;

    fn of(tools: &[(&str, Option<&str>)]) -> Value {
        let tool = |(name, parameters): &(&str, Option<&str>)| Tool {
            name: (*name).into(),
            parameters: parameters.map(Into::into),
        };
        let tools: Vec<_> = tools.iter().map(tool).collect();
        let wish = Wish { tools: &tools, calls: Calls::All, reasoning: Reasoning::Auto };
        serde_json::from_str(&schema(&wish)).unwrap()
    }

    fn one(name: &str, parameters: &Value) -> Value {
        json!({
            "type": "object",
            "properties": { "name": { "const": name }, "arguments": parameters },
            "required": ["name", "arguments"],
            "additionalProperties": false,
        })
    }

    #[test]
    fn an_answer_is_one_of_the_calls() {
        let any = json!({ "type": "object" });
        assert_eq!(of(&[("f", None)]), one("f", &any));
        let number = json!({ "properties": { "$ref": { "type": "integer" } } });
        let tools = [("f", None), ("g", Some(r#"{"properties":{"$ref":{"type":"integer"}}}"#))];
        assert_eq!(of(&tools), json!({ "anyOf": [one("f", &any), one("g", &number)] }));
    }

    #[test]
    fn references_lead_to_where_their_schema_stands() {
        let tree = r##"{"properties":{"a":{"$ref":"#/$defs/n"},"b":{"items":[{"$ref":"#"}]}},"$defs":{"n":{"$ref":"#/$defs/n"}}}"##;
        let schema = of(&[("f", None), ("a/b", Some(tree))]);
        let place = "#/$defs/a~1b";
        assert_eq!(schema["anyOf"][1], one("a/b", &json!({ "$ref": place })));
        let moved = &schema["$defs"]["a/b"];
        assert_eq!(moved["properties"]["a"]["$ref"], format!("{place}/$defs/n"));
        assert_eq!(moved["properties"]["b"]["items"][0]["$ref"], place);
        assert_eq!(moved["$defs"]["n"]["$ref"], format!("{place}/$defs/n"));
    }
}
