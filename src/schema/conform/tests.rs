use super::*;
use crate::chat;
use crate::python::{Variables, read};

/// One tool `f` with these parameters.
fn tool(parameters: &str) -> Tool {
    Tool::new(chat::Tool { name: "f".into(), parameters: Some(parameters.into()) })
}

fn value(source: &str) -> Value {
    read(source, &mut Variables::default(), 16).unwrap()
}

/// What becomes of a source as the arguments of such a tool.
fn conformed(parameters: &str, source: &str) -> Option<String> {
    let tool = tool(parameters);
    tool.conform(tool.root(), &value(source))
}

/// Checks rows of a place's schema, a source and the JSON that it becomes.
fn check(table: &[(&str, &str, Option<&str>)]) {
    for (schema, source, expected) in table {
        let parameters = format!(r#"{{"properties":{{"a":{schema}}},"required":["a"]}}"#);
        let tool = tool(&parameters);
        let json = tool.conform(tool.property(tool.root(), "a"), &value(source));
        assert_eq!(json.as_deref(), *expected, "{source} at {schema}");
        let whole = conformed(&parameters, &format!("FModel(a={source})"));
        assert_eq!(whole, expected.map(|json| format!(r#"{{"a":{json}}}"#)), "{source} at {schema}, inside");
    }
}

const SET: &str = r#"{"type":"object","properties":{"s":{"type":"string"},"i":{"type":"integer"},
    "f":{"type":"number"},"b":{"type":"boolean"},"l":{"type":"array","items":{"type":"string"}},
    "o":{"type":"object","additionalProperties":true},"e":{"type":"string","enum":["p","q"]}},"required":["s"]}"#;

#[test]
fn a_model_becomes_the_arguments() {
    for (source, expected) in [
        ("SetModel(s='x')", Some(r#"{"s":"x"}"#)),
        ("SetModel(s='x', i='7', f='2', b='yes')", Some(r#"{"s":"x","i":7,"f":2,"b":true}"#)),
        ("SetModel(s='x', i=1_000, f=-1.5e3)", Some(r#"{"s":"x","i":1000,"f":-1.5e3}"#)),
        ("SetModel(s='x', i=60*60)", Some(r#"{"s":"x","i":3600}"#)),
        ("SetModel(s='x', e=E.q)", Some(r#"{"s":"x","e":"q"}"#)),
        ("SetModel(s='x', e=E('q'))", Some(r#"{"s":"x","e":"q"}"#)),
        (
            "SetModel(s='x', i=3, f=1.5, b=True, l=['a','b'], o={'k': None, 'n': [1, 2]}, e='q')",
            Some(r#"{"s":"x","i":3,"f":1.5,"b":true,"l":["a","b"],"o":{"k":null,"n":[1,2]},"e":"q"}"#),
        ),
        ("{'s': 'x', 'i': 1}", Some(r#"{"s":"x","i":1}"#)),
        // Fields that are not given, by whatever word.
        ("SetModel(s='x', i=None, f=None, b=None, l=None, o=None, e=None)", Some(r#"{"s":"x"}"#)),
        ("SetModel()", None),
        ("SetModel(i=1)", None),
        ("SetModel(s=None)", None),
        // Fields that nobody declared.
        ("SetModel(s='x', unit='c', more={'a': Unit.a})", Some(r#"{"s":"x"}"#)),
        // Values that will not do.
        ("SetModel(s='x', e='r')", None),
        ("SetModel(s='x', e=E.r)", None),
        ("SetModel(s='x', i='many')", None),
        ("SetModel(s='x', i=1.5)", None),
        ("SetModel(s='x', b='perhaps')", None),
        ("SetModel(s='x', l='a')", None),
        ("SetModel(s='x', l=[['a']])", None),
        ("SetModel(s='x', o=[1])", None),
        ("SetModel(s=['x'])", None),
        ("'x'", None),
        ("['x']", None),
    ] {
        assert_eq!(conformed(SET, source).as_deref(), expected, "{source}");
    }
}

#[test]
fn scalars_are_taken_for_what_the_schema_wants() {
    check(&[
        (r#"{"type":"integer"}"#, "7", Some("7")),
        (r#"{"type":"integer"}"#, "' 7 '", Some("7")),
        (r#"{"type":"integer"}"#, "'-7'", Some("-7")),
        (r#"{"type":"integer"}"#, "'7.0'", Some("7")),
        (r#"{"type":"integer"}"#, "7.0", Some("7")),
        (r#"{"type":"integer"}"#, "1e3", Some("1000")),
        (r#"{"type":"integer"}"#, "-0.0", Some("0")),
        (r#"{"type":"integer"}"#, "True", Some("1")),
        (r#"{"type":"integer"}"#, "7.5", None),
        (r#"{"type":"integer"}"#, "1e300", None),
        (r#"{"type":"integer"}"#, "''", None),
        (r#"{"type":"integer"}"#, "123456789012345678901234567890", Some("123456789012345678901234567890")),
        (r#"{"type":"number"}"#, "2", Some("2")),
        (r#"{"type":"number"}"#, "2.50", Some("2.50")),
        (r#"{"type":"number"}"#, "'2.5'", Some("2.5")),
        (r#"{"type":"number"}"#, "'.5'", Some("0.5")),
        (r#"{"type":"number"}"#, "'1e999'", None),
        (r#"{"type":"number"}"#, "'nan'", None),
        (r#"{"type":"number"}"#, "None", None),
        (r#"{"type":"boolean"}"#, "False", Some("false")),
        (r#"{"type":"boolean"}"#, "'ON'", Some("true")),
        (r#"{"type":"boolean"}"#, "'n'", Some("false")),
        (r#"{"type":"boolean"}"#, "'1'", Some("true")),
        (r#"{"type":"boolean"}"#, "1", Some("true")),
        (r#"{"type":"boolean"}"#, "0.0", Some("false")),
        (r#"{"type":"boolean"}"#, "2", None),
        (r#"{"type":"boolean"}"#, "'maybe'", None),
        // No text is lost that stands for a string, nor is a digit.
        (r#"{"type":"string"}"#, "'7'", Some(r#""7""#)),
        (r#"{"type":"string"}"#, "94103", Some(r#""94103""#)),
        (r#"{"type":"string"}"#, "1.10", Some(r#""1.10""#)),
        (r#"{"type":"string"}"#, "True", Some(r#""true""#)),
        (r#"{"type":"string"}"#, "None", None),
        (r#"{"type":"string"}"#, "E.a", None),
        (r#"{"type":"string"}"#, "'a\"\\n'", Some(r#""a\"\n""#)),
        (r#"{"type":"null"}"#, "None", Some("null")),
        (r#"{"type":"null"}"#, "0", None),
        (r#"{}"#, "[1, 'a', None, True, 1.5, A(b={'c': ()})]", Some(r#"[1,"a",null,true,1.5,{"b":{"c":[]}}]"#)),
        (r#"{}"#, "E.a", None),
        (r#"{}"#, "[E.a]", None),
        (r#"true"#, "{'a': 1}", Some(r#"{"a":1}"#)),
    ]);
}

#[test]
fn of_several_types_the_one_that_is_written_counts() {
    check(&[
        (r#"{"type":["integer","string"]}"#, "'7'", Some(r#""7""#)),
        (r#"{"type":["integer","string"]}"#, "7", Some("7")),
        (r#"{"type":["integer","boolean"]}"#, "'7'", Some("7")),
        (r#"{"type":["integer","boolean"]}"#, "'yes'", Some("true")),
        (r#"{"type":["integer","boolean"]}"#, "True", Some("true")),
        (r#"{"type":["integer","null"]}"#, "None", Some("null")),
        (r#"{"type":["number","integer"]}"#, "1.5", Some("1.5")),
        (r#"{"type":"integer","nullable":true}"#, "None", Some("null")),
        (r#"{"anyOf":[{"type":"integer"},{"type":"array","items":{"type":"integer"}}]}"#, "['7']", Some("[7]")),
        (r#"{"anyOf":[{"type":"integer"},{"type":"array","items":{"type":"integer"}}]}"#, "'7'", Some("7")),
        (r#"{"anyOf":[{"type":"string"},{"type":"array"}]}"#, "{'a': 1}", None),
    ]);
}

#[test]
fn enums_are_met_by_value_and_by_member() {
    check(&[
        (r#"{"enum":["a-b","c"]}"#, "'a-b'", Some(r#""a-b""#)),
        (r#"{"enum":["a-b","c"]}"#, "U.a_b", Some(r#""a-b""#)),
        (r#"{"enum":["a-b","c"]}"#, "U.a_b.value", Some(r#""a-b""#)),
        (r#"{"enum":["a-b","c"]}"#, "'a_b'", Some(r#""a-b""#)),
        (r#"{"enum":["a-b","a_b"]}"#, "U.a_b", Some(r#""a_b""#)),
        (r#"{"enum":["a-b","a_b"]}"#, "'a-b'", Some(r#""a-b""#)),
        (r#"{"enum":["from"]}"#, "U.from_", Some(r#""from""#)),
        (r#"{"enum":["a-b","c"]}"#, "U.d", None),
        (r#"{"enum":["a-b","c"]}"#, "''", None),
        (r#"{"enum":[1,2.5,"3",null,true]}"#, "1.0", Some("1")),
        (r#"{"enum":[1,2.5,"3",null]}"#, "'2.5'", Some("2.5")),
        (r#"{"enum":[1,2.5,"3",null]}"#, "3", Some(r#""3""#)),
        (r#"{"enum":[1,2.5,"3",null]}"#, "None", Some("null")),
        (r#"{"enum":[1,2.5,"3",null]}"#, "2", None),
        (r#"{"enum":[1]}"#, "U.field_1", Some("1")),
        (r#"{"const":"k"}"#, "'k'", Some(r#""k""#)),
        (r#"{"const":"k"}"#, "'l'", None),
        (r#"{"type":"integer","enum":["x",1]}"#, "'x'", None),
        // An enum that says nothing sensible allows what its type does.
        (r#"{"type":"integer","enum":["x"]}"#, "1", Some("1")),
        (r#"{"anyOf":[{"enum":["a"]},{"type":"null"}]}"#, "None", Some("null")),
        (r#"{"anyOf":[{"enum":["a"]},{"type":"null"}]}"#, "'b'", None),
        (r#"{"anyOf":[{"enum":["a"]},{"enum":["b"]}]}"#, "'b'", Some(r#""b""#)),
        (r#"{"anyOf":[{"enum":["a"]},{"type":"string"}]}"#, "'b'", Some(r#""b""#)),
        (r#"{"anyOf":[{"enum":["a-b"]},{"type":"string"}]}"#, "U.a_b", Some(r#""a-b""#)),
        (r#"{"allOf":[{"enum":["a","b"]},{"enum":["b","c"]}]}"#, "'b'", Some(r#""b""#)),
        (r#"{"allOf":[{"enum":["a","b"]},{"enum":["b","c"]}]}"#, "'a'", None),
        (r#"{"allOf":[{"type":"string"},{"enum":["b",1]}]}"#, "1", None),
        (r##"{"allOf":[{"$ref":"#/properties/b"}],"description":"d"}"##, "'c'", Some(r#""c""#)),
        (r#"{"type":"array","items":{"enum":["a"]}}"#, "[U.a, 'a']", Some(r#"["a","a"]"#)),
        (r#"{"type":"array","items":{"enum":["a"]}}"#, "['b']", None),
    ]);
}

#[test]
fn members_of_objects() {
    let point = r#"{"type":"object","properties":{"x":{"type":"number"},"y":{"type":"number"}},"required":["x"]}"#;
    let reference = format!(r##"{{"anyOf":[{point},{{"type":"null"}}]}}"##);
    let either = r#"{"anyOf":[
        {"properties":{"kind":{"const":"cat"},"lives":{"type":"integer"}},"required":["kind","lives"]},
        {"properties":{"kind":{"const":"dog"},"name":{"type":"string"}},"required":["kind"]}]}"#;
    check(&[
        (point, "Point(x='1', y=2, z=3)", Some(r#"{"x":1,"y":2}"#)),
        (point, "{'x': 1}", Some(r#"{"x":1}"#)),
        (point, "dict(x=1, y=None)", Some(r#"{"x":1}"#)),
        (point, "Point(y=2)", None),
        (point, "Point(x=None)", None),
        (point, "Point()", None),
        (&reference, "None", Some("null")),
        (&reference, "Point(x=1)", Some(r#"{"x":1}"#)),
        (&reference, "Point(y=1)", None),
        (either, "Cat(kind='cat', lives='9')", Some(r#"{"kind":"cat","lives":9}"#)),
        (either, "Dog(kind='dog')", Some(r#"{"kind":"dog"}"#)),
        (either, "Dog(name='d')", None),
        (either, "Cow(kind='cow')", None),
        (r#"{"type":"object"}"#, "A(b=1, **{'c d': 2})", Some(r#"{"b":1,"c d":2}"#)),
        (r#"{"additionalProperties":{"type":"integer"}}"#, "{'b': '1', 'c': 2.0}", Some(r#"{"b":1,"c":2}"#)),
        (
            r#"{"properties":{"b":{}},"additionalProperties":{"type":"integer"}}"#,
            "{'b': '1', 'c': '2'}",
            Some(r#"{"b":"1","c":2}"#),
        ),
        (r#"{"properties":{"b":{}},"additionalProperties":false}"#, "{'c': 1}", Some("{}")),
        (r#"{"allOf":[{"properties":{"b":{"type":"integer"}},"required":["b"]}]}"#, "{}", None),
        (r#"{"properties":{"b":{}},"anyOf":[{"required":["b"]},{"required":["c"]}]}"#, "{}", Some("{}")),
    ]);
    let tree = r##"{"properties":{"next":{"$ref":"#"},"v":{"type":"integer"}},"required":["v"]}"##;
    let deep = conformed(tree, "T(v='1', next=T(v='2', next=None))");
    assert_eq!(deep.as_deref(), Some(r#"{"v":1,"next":{"v":2}}"#));
    assert_eq!(conformed(tree, "T(v='1', next=T(next=None))"), None);
}

#[test]
fn fields_stand_for_properties() {
    let mv = tool(
        r#"{"properties":{"from":{"type":"string"},"class":{},"a-b":{},"a_b":{},"c d":{},"c-d":{},"2nd":{}},
            "required":["from"]}"#,
    );
    for (written, expected) in [
        ("from", Some("from")),
        ("from_", Some("from")),
        ("class_", Some("class")),
        ("a_b", Some("a_b")),
        ("a-b", Some("a-b")),
        // Of two that are written the same the first.
        ("c_d", Some("c d")),
        ("field_2nd", Some("2nd")),
        ("to", None),
        ("From", None),
    ] {
        assert_eq!(mv.field(mv.root(), written), expected, "{written}");
    }
    let moved = conformed(
        r#"{"properties":{"from":{},"class":{},"a-b":{}},"required":["from"]}"#,
        "MvModel(from_='a', class_='c', a_b='d', **{'from': 'z'})",
    );
    assert_eq!(moved.as_deref(), Some(r#"{"from":"a","class":"c","a-b":"d"}"#));
    for open in ["{}", r#"{"properties":{}}"#, r#"{"properties":{"a":{}},"additionalProperties":true}"#, "7"] {
        let tool = tool(open);
        assert_eq!(tool.field(tool.root(), "to"), Some("to"), "{open}");
    }
}

#[test]
fn what_a_call_lacks() {
    let set = tool(SET);
    let root = set.root();
    assert!(set.lacks(root, |_| false) && !set.lacks(root, |key| key == "s"));
    assert!(!set.lacks(Node::ANY, |_| false));
    for (key, source, expected) in
        [("i", "None", true), ("i", "0", false), ("s", "None", false), ("o", "None", true), ("unknown", "None", false)]
    {
        assert_eq!(set.is_unset(root, key, &value(source)), expected, "{key}={source}");
    }
    for junk in [r#"{"required":7}"#, r#"{"required":[7,null]}"#, r#"{"required":{"a":1}}"#, "null"] {
        let tool = tool(junk);
        assert!(!tool.lacks(tool.root(), |_| false), "{junk}");
    }
}

#[test]
fn plain_texts_may_stream() {
    for (schema, expected) in [
        (r#"{"type":"string"}"#, true),
        (r#"{"type":"string","description":"d","minLength":1}"#, true),
        (r##"{"$ref":"#/$defs/T"}"##, true),
        (r#"{"anyOf":[{"type":"string"},{"type":"string","format":"date"}]}"#, true),
        (r#"{"type":"string","enum":["a"]}"#, false),
        (r#"{"const":"a"}"#, false),
        (r#"{"anyOf":[{"type":"string"},{"enum":["a"]}]}"#, false),
        (r#"{"type":["string","null"]}"#, false),
        (r#"{"type":"integer"}"#, false),
        ("{}", false),
        ("7", false),
    ] {
        let tool = tool(&format!(r#"{{"properties":{{"a":{schema}}},"$defs":{{"T":{{"type":"string"}}}}}}"#));
        assert_eq!(tool.is_plain_text(tool.property(tool.root(), "a")), expected, "{schema}");
    }
}

#[test]
fn hostile_enums_end() {
    let many: Vec<_> = (0..20_000).map(|i| format!(r#""v{i}""#)).collect();
    let many = many.join(",");
    // Unions and intersections that would multiply.
    let mut defs = String::new();
    for i in 0..25 {
        let next = format!(r##"{{"$ref":"#/$defs/d{}"}}"##, i + 1);
        defs += &format!(r#""d{i}":{{"anyOf":[{next},{{"enum":["w{i}"]}}],"required":["r{i}"]}},"#);
    }
    let chain = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{defs}"d25":{{"enum":[{many}],"required":[{many}]}}}}}}"##);
    let both = format!(r#"{{"allOf":[{{"enum":[{many}]}},{{"enum":[{many}]}}]}}"#);
    for schema in [&chain, &both] {
        assert_eq!(conformed(schema, "'elsewhere'").as_deref(), Some(r#""elsewhere""#));
        assert_eq!(conformed(schema, "1"), Some(r#""1""#.into()));
    }
    // A list that stands at many places is kept at as many as there are steps for.
    let listed: Vec<_> = (0..1000).map(|i| format!(r#""v{i}""#)).collect();
    let places: Vec<_> = (0..300).map(|i| format!(r##""p{i}":{{"$ref":"#/$defs/e"}}"##)).collect();
    let (listed, places) = (listed.join(","), places.join(","));
    let parameters = format!(r#"{{"properties":{{{places}}},"$defs":{{"e":{{"enum":[{listed}]}}}}}}"#);
    assert_eq!(conformed(&parameters, "F(p0='elsewhere')"), None);
    assert!(conformed(&parameters, "F(p0='v9', p299='elsewhere')").is_some());
}
