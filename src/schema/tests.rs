use super::*;

/// One tool `f` with these parameters.
fn tool(parameters: &str) -> Tool {
    Tool::new(chat::Tool { name: "f".into(), parameters: Some(parameters.into()) })
}

fn named(kinds: Kinds) -> String {
    let names = [
        (Kinds::NULL, "null"),
        (Kinds::BOOLEAN, "boolean"),
        (Kinds::NUMBER, "number"),
        (Kinds::INTEGER, "integer"),
        (Kinds::STRING, "string"),
        (Kinds::ARRAY, "array"),
        (Kinds::OBJECT, "object"),
    ];
    let has_number = kinds.contains(Kinds::NUMBER);
    let shown = names.iter().filter(|(kind, name)| kinds.contains(*kind) && !(has_number && *name == "integer"));
    shown.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

/// The kinds at a path of keys; `[]` is an element.
fn at(parameters: &str, path: &str) -> String {
    let tool = tool(parameters);
    let step = |node, key: &str| if key == "[]" { tool.item(node) } else { tool.property(node, key) };
    named(tool.kinds(path.split_terminator('/').fold(tool.root(), step)))
}

#[test]
fn kinds_at_a_place() {
    let table = [
        (r#"{"type":"object"}"#, "", "object"),
        (r#"{"type":"object","properties":{"a":{"type":"integer"}}}"#, "a", "integer"),
        (r#"{"properties":{"a":{"type":"NUMBER"}}}"#, "a", "number"),
        (r#"{"properties":{"a":{"type":["string","null"]}}}"#, "a", "null string"),
        (r#"{"properties":{"a":{"type":["string",7,"what"]}}}"#, "a", "string"),
        (r#"{"properties":{"a":{"type":"what"}}}"#, "a", ""),
        (r#"{"properties":{"a":{"type":["int","bool"]}}}"#, "a", "boolean integer"),
        (r#"{"properties":{"a":{"type":"long"},"b":{"type":"Float"}}}"#, "a", "integer"),
        (r#"{"properties":{"a":{"type":"long"},"b":{"type":"Float"}}}"#, "b", "number"),
        (r#"{"properties":{"a":{"type":["str","double"]}}}"#, "a", "number string"),
        (r#"{"type":"dict","properties":{"a":{"type":"list","items":{"type":"dict"}}}}"#, "a", "array"),
        (r#"{"type":"dict","properties":{"a":{"type":"list","items":{"type":"dict"}}}}"#, "a/[]", "object"),
        (r#"{"properties":{"a":{"type":"string","nullable":true}}}"#, "a", "null string"),
        (r#"{"properties":{"a":{"enum":["x",1,null]}}}"#, "a", "null integer string"),
        (r#"{"properties":{"a":{"enum":[1.5]}}}"#, "a", "number"),
        (r#"{"properties":{"a":{"const":true}}}"#, "a", "boolean"),
        (r#"{"properties":{"a":{"type":"number","enum":[1,2]}}}"#, "a", "integer"),
        (r#"{"properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}}"#, "a", "null string"),
        (r#"{"properties":{"a":{"oneOf":[{"type":"array"},{"const":1}]}}}"#, "a", "integer array"),
        (r#"{"properties":{"a":{"anyOf":[{"type":"string"},{}]}}}"#, "a", ""),
        (r#"{"properties":{"a":{"anyOf":[{"type":"string"},true]}}}"#, "a", ""),
        (r#"{"properties":{"a":{"allOf":[{"type":["string","null"]},{"type":"string"}]}}}"#, "a", "string"),
        (r#"{"properties":{"a":{"allOf":[{"type":"string"},{"description":"d"}]}}}"#, "a", "string"),
        (r#"{"properties":{"a":{"allOf":[{"type":"string"},{"type":"integer"}]}}}"#, "a", ""),
        (r#"{"properties":{"a":{"properties":{"b":{"type":"boolean"}}}}}"#, "a", "object"),
        (r#"{"properties":{"a":{"properties":{"b":{"type":"boolean"}}}}}"#, "a/b", "boolean"),
        (r#"{"additionalProperties":{"type":"integer"},"properties":{"a":{"type":"string"}}}"#, "a", "string"),
        (r#"{"additionalProperties":{"type":"integer"},"properties":{"a":{"type":"string"}}}"#, "z", "integer"),
        (r#"{"additionalProperties":false,"properties":{"a":{"type":"string"}}}"#, "z", ""),
        (r#"{"properties":{"a":{"type":"array","items":{"type":"integer"}}}}"#, "a/[]", "integer"),
        (r#"{"properties":{"a":{"items":{"items":{"type":"null"}}}}}"#, "a", "array"),
        (r#"{"properties":{"a":{"items":{"items":{"type":"null"}}}}}"#, "a/[]/[]", "null"),
        (
            r#"{"properties":{"a":{"prefixItems":[{"type":"integer"}],"items":{"type":"string"}}}}"#,
            "a/[]",
            "integer string",
        ),
        (r#"{"properties":{"a":{"items":[{"type":"integer"},{"type":"boolean"}]}}}"#, "a/[]", "boolean integer"),
        // Members that several alternatives describe.
        (
            r#"{"anyOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"a":{"type":"integer"}}}]}"#,
            "a",
            "integer string",
        ),
        (r#"{"type":"object","allOf":[{"properties":{"a":{"type":"string"}}}]}"#, "a", "string"),
        (r#"{"properties":{"a":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}"#, "a", "string"),
    ];
    for (schema, path, expected) in table {
        assert_eq!(at(schema, path), expected, "{schema} at {path:?}");
    }
}

#[test]
fn references() {
    let table = [
        (r##"{"properties":{"a":{"$ref":"#/$defs/T"}},"$defs":{"T":{"type":"integer"}}}"##, "a", "integer"),
        (r##"{"properties":{"a":{"$ref":"#/definitions/T"}},"definitions":{"T":{"enum":["x"]}}}"##, "a", "string"),
        (r##"{"properties":{"a":{"type":"boolean"},"b":{"$ref":"#/properties/a"}}}"##, "b", "boolean"),
        (
            r##"{"properties":{"a":{"$ref":"#/$defs/R%3Cx%2Fy~1z%3E"}},"$defs":{"R<x/y":{}, "R<x":{"y/z>":{"type":"null"}}}}"##,
            "a",
            "null",
        ),
        (
            r##"{"properties":{"a":{"allOf":[{"$ref":"#/$defs/T"}],"default":1}},"$defs":{"T":{"type":"integer"}}}"##,
            "a",
            "integer",
        ),
        (
            r##"{"properties":{"a":{"anyOf":[{"$ref":"#/$defs/T"},{"type":"null"}]}},"$defs":{"T":{"type":"object","properties":{"b":{"type":"string"}}}}}"##,
            "a/b",
            "string",
        ),
        // A tree, however deep.
        (
            r##"{"properties":{"next":{"$ref":"#"},"v":{"type":"integer"}},"type":"object"}"##,
            "next/next/next/v",
            "integer",
        ),
        (
            r##"{"$ref":"#/$defs/N","$defs":{"N":{"properties":{"kids":{"type":"array","items":{"$ref":"#/$defs/N"}}}}}}"##,
            "kids/[]/kids/[]",
            "object",
        ),
        // Loops and dead ends say nothing.
        (r##"{"properties":{"a":{"$ref":"#/properties/a"}}}"##, "a", ""),
        (r##"{"properties":{"a":{"$ref":"#/properties/b"},"b":{"$ref":"#/properties/a"}}}"##, "a", ""),
        (r##"{"properties":{"a":{"$ref":"#/$defs/absent"}}}"##, "a", ""),
        (r##"{"properties":{"a":{"$ref":"https://example.org/T"}}}"##, "a", ""),
        (r##"{"properties":{"a":{"$ref":"#/%zz"}}}"##, "a", ""),
        (r##"{"properties":{"a":{"$ref":7}}}"##, "a", ""),
    ];
    for (schema, path, expected) in table {
        assert_eq!(at(schema, path), expected, "{schema} at {path:?}");
    }
}

#[test]
fn junk_says_nothing() {
    for junk in ["null", "true", "false", "7", r#""x""#, "[]", "{}", r#"{"type":{},"properties":[],"items":3}"#] {
        let tool = tool(junk);
        assert!(!tool.declares(tool.root(), "a"), "{junk}");
        assert_eq!(tool.property(tool.root(), "a"), Node::ANY, "{junk}");
        assert_eq!(named(tool.kinds(tool.item(tool.root()))), "", "{junk}");
    }
    let absent = Tool::new(chat::Tool { name: "f".into(), parameters: None });
    assert_eq!(absent.root(), Node::ANY);
    assert_eq!(absent.kinds(Node::ANY), Kinds::NONE);
}

#[test]
fn declares_only_what_is_named() {
    let tool = tool(r#"{"properties":{"a":{},"b":true},"additionalProperties":{"type":"string"}}"#);
    let declared = ["a", "b", "c"].map(|key| tool.declares(tool.root(), key));
    assert_eq!(declared, [true, true, false]);
}

#[test]
fn hostile_schemas_end() {
    // Each definition combines the next one twice: 2^n ways through it.
    let mut defs = String::new();
    for i in 0..2000 {
        let next = format!(r##"{{"$ref":"#/$defs/d{}"}}"##, i + 1);
        defs += &format!(r#""d{i}":{{"anyOf":[{next},{next}],"properties":{{"a":{next},"b{i}":{next}}}}},"#);
    }
    let doubling = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{defs}"d2000":{{"type":"string"}}}}}}"##);
    let tool = tool(&doubling);
    let place = tool.property(tool.property(tool.root(), "a"), "b1");
    assert!(tool.kinds(place).is_empty() || tool.kinds(place) == Kinds::OBJECT);

    let twice = |i| format!(r##""d{i}":{{"anyOf":[{{"$ref":"#/$defs/d{0}"}},{{"$ref":"#/$defs/d{0}"}}]}},"##, i + 1);
    let defs: String = (0..40).map(twice).collect();
    let leaf = r#""d40":{"properties":{"x":{"type":"integer"}}}"#;
    assert_eq!(at(&format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{defs}{leaf}}}}}"##), "x"), "integer");

    let deep = format!("{}{}", r#"{"items":"#.repeat(400), "{}".to_owned() + &"}".repeat(400));
    assert_eq!(self::tool(&deep).root(), Node::ANY);
}

#[test]
fn names_resolve() {
    let declare = |name: &&str| chat::Tool { name: (*name).into(), parameters: None };
    let tools = Tools::new(["get", "get_all", "functions.run", "run", "a.a"].iter().map(declare).collect());
    let table = [
        ("get", Some("get")),
        ("functions.get", Some("get")),
        ("get<|channel|>commentary", Some("get")),
        ("functions.get<|channel|>commentary json", Some("get")),
        ("get.get", Some("get")),
        ("functions.get.get", Some("get")),
        ("functions.run", Some("functions.run")),
        ("functions.get:0", Some("get")),
        ("functionsget0", Some("get")),
        ("functions_get_all_12", Some("get_all")),
        ("functions_nope_1", None),
        ("get_all:12", Some("get_all")),
        ("get:", None),
        ("get:x1", None),
        (":1", None),
        ("a.a", Some("a.a")),
        ("a", None),
        ("getx", None),
        ("get_", None),
        ("my.get", None),
        ("get.get_all", None),
        ("functions.", None),
        ("functionsget", None),
        ("GET", None),
        ("", None),
        (".", None),
        ("é.é", None),
        // Two tools could be meant.
        ("functions.run<|channel|>commentary", None),
    ];
    for (written, expected) in table {
        assert_eq!(
            tools.resolve(written).and_then(|at| tools.at(at)).map(|t| t.name.as_str()),
            expected,
            "{written:?}"
        );
    }
}
