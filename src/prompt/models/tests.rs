use super::*;

/// The module of tools, each given by its name and the schema of its arguments.
fn module(tools: &[(&str, &str)]) -> String {
    let tool = |(name, parameters): &(&str, &str)| {
        format!(r#"{{"type":"function","function":{{"name":"{name}","parameters":{parameters}}}}}"#)
    };
    let tools: Vec<_> = tools.iter().map(tool).collect();
    Stubs::new(tools.iter().map(String::as_str)).write(usize::MAX).unwrap()
}

/// The module of a tool whose arguments have these properties, without imports.
fn of_properties(properties: &str) -> String {
    let written = module(&[("f", &format!(r#"{{"type":"object","properties":{properties}}}"#))]);
    written.split_once("\n\n\n").unwrap().1.to_owned()
}

#[test]
fn a_tool_is_a_function_that_takes_a_model() {
    const WEATHER: &str = r#"{"function":{"name":"get_weather","description":"Get the current weather","parameters":
        {"type":"object","properties":{"location":{"type":"string","description":"City name"},"days":{"type":"integer"},
        "unit":{"type":"string","enum":["c","f"],"default":"c"}},"required":["location"]}}}"#;
    let tools = [WEATHER, r#"{"function":{"name":"ping"}}"#];
    let expected = r#"from __future__ import annotations

from enum import Enum
from typing import Optional

from pydantic import BaseModel, Field


class Unit(Enum):
    c = 'c'
    f = 'f'


class GetWeatherModel(BaseModel):
    location: str = Field(..., description='City name')
    days: Optional[int] = None
    unit: Optional[Unit] = 'c'


class PingModel(BaseModel):
    pass


def get_weather(args: GetWeatherModel):
    """Get the current weather"""


def ping(args: PingModel):
    pass"#;
    let stubs = Stubs::new(tools.into_iter());
    assert_eq!(stubs.write(usize::MAX).as_deref(), Some(expected));
    assert_eq!(stubs.examples(), "get_weather(GetWeatherModel(location=...))\nping(PingModel())");
    assert_eq!((stubs.write(expected.len()).is_some(), stubs.write(100)), (true, None));
}

#[test]
fn examples_are_few() {
    let tools = vec![r#"{"function":{"name":"f","parameters":{"required":["from"]}}}"#; 50];
    assert_eq!(Stubs::new(tools.into_iter()).examples().matches("(from_=...)").count(), EXAMPLES_MAX);
}

/// The type of one property, and what stands behind it.
#[test]
fn types_say_what_a_schema_says() {
    for (schema, expected) in [
        (r#"{"type":"string"}"#, "Optional[str] = None"),
        (r#"{"type":"number"}"#, "Optional[float] = None"),
        (r#"{"type":"boolean","default":true}"#, "Optional[bool] = True"),
        (r#"{"type":"array","items":{"type":"string"},"default":[]}"#, "Optional[List[str]] = []"),
        (r#"{"type":"array"}"#, "Optional[List[Any]] = None"),
        (r#"{"type":"object"}"#, "Optional[Dict[str, Any]] = None"),
        (r#"{"type":"object","properties":{},"additionalProperties":true}"#, "Optional[Dict[str, Any]] = None"),
        (r#"{"type":"object","additionalProperties":{"type":"integer"}}"#, "Optional[Dict[str, int]] = None"),
        (r#"{"type":"null"}"#, "None = None"),
        ("{}", "Optional[Any] = None"),
        ("true", "Optional[Any] = None"),
        (r#"{"type":["string","null"]}"#, "Optional[str] = None"),
        (r#"{"type":["string","integer"]}"#, "Optional[Union[str, int]] = None"),
        (r#"{"anyOf":[{"type":"integer","minimum":1},{"type":"null"}]}"#, "Optional[conint(ge=1)] = None"),
        (r#"{"oneOf":[{"type":"integer"},{"type":"integer"}]}"#, "Optional[int] = None"),
        (r#"{"allOf":[{"type":"string"}],"nullable":true}"#, "Optional[str] = None"),
        (r#"{"const":"k"}"#, "Optional[Literal['k']] = None"),
        (r#"{"enum":["c",1,null]}"#, "Optional[Literal['c', 1, None]] = None"),
        (r#"{"enum":["a b","a-b"]}"#, "Optional[Literal['a b', 'a-b']] = None"),
        (r#"{"enum":["mro","x"]}"#, "Optional[Literal['mro', 'x']] = None"),
        (r#"{"enum":["_x"]}"#, "Optional[Literal['_x']] = None"),
        (r#"{"type":"integer","minimum":0,"maximum":10,"default":5}"#, "Optional[conint(ge=0, le=10)] = 5"),
        (r#"{"type":"number","exclusiveMinimum":0.5}"#, "Optional[confloat(gt=0.5)] = None"),
        (
            r#"{"type":"string","minLength":1,"pattern":"^\\d'$"}"#,
            r#"Optional[constr(min_length=1, pattern="^\\d'$")] = None"#,
        ),
        (r#"{"type":"array","items":{"type":"integer"},"maxItems":3}"#, "Optional[conlist(int, max_length=3)] = None"),
        (
            r#"{"type":"string","description":"it's\n\"x\""}"#,
            r#"Optional[str] = Field(None, description='it\'s\n"x"')"#,
        ),
        // What it is called is its name, and no other title.
        (r#"{"type":"string","title":"P"}"#, "Optional[str] = None"),
        (r#"{"type":"string","title":"Q"}"#, r#"Optional[str] = None  # title: "Q""#),
        // What no type says stands in a comment.
        (
            r#"{"type":"string","format":"date","examples":["2020-01-01"]}"#,
            r#"Optional[str] = None  # format: "date", examples: ["2020-01-01"]"#,
        ),
        (r#"{"type":"integer","exclusiveMinimum":true}"#, "Optional[int] = None  # exclusiveMinimum: true"),
        (
            r#"{"allOf":[{"type":"string"},{"minLength":1}]}"#,
            r#"Optional[Any] = None  # allOf: [{"type": "string"}, {"minLength": 1}]"#,
        ),
    ] {
        let written = of_properties(&format!(r#"{{"p":{schema}}}"#));
        let expected = format!("class FModel(BaseModel):\n    p: {expected}\n\n\ndef f(args: FModel):\n    pass");
        assert_eq!(written, expected, "{schema}");
    }
}

#[test]
fn what_fits_in_no_comment_goes_up_as_the_schema() {
    for (properties, is_whole) in [
        (r#"{"a":{"type":"array","items":{"type":"string","format":"date"}}}"#, false),
        (r#"{"a":{"anyOf":[{"type":"string","format":"date"},{"type":"integer"}]}}"#, false),
        (r#"{"a":{"anyOf":[{"type":"string","format":"date"},{"type":"null"}]}}"#, true),
        (r#"{"a":{"$ref":"http://example.com/b"}}"#, false),
        (r#"{"a":false}"#, false),
        (r#"{"a":{"type":"object","properties":{"x":{}},"additionalProperties":{"type":"string"}}}"#, false),
        (r#"{"a":{"type":"object","properties":{"x":{}},"additionalProperties":false}}"#, true),
        (r#"{"a":{}},"required":["a","b"]"#, false),
        (r#"{"a":{}},"minProperties":1"#, false),
        (r#"{"a":{}},"$schema":"x","additionalProperties":false,"$defs":{}"#, true),
    ] {
        let written = of_properties(properties);
        assert_eq!(!written.contains("\n    # JSON Schema of the arguments: {\"type\": "), is_whole, "{written}");
    }
}

#[test]
fn objects_are_classes_of_their_own() {
    let nested = r#"{"at":{"type":"object","description":"where","properties":{"x":{"type":"number"}},"required":["x"]},
        "rows":{"type":"array","items":{"type":"object","description":"A row.","properties":{"at":{"type":"object","properties":{"y":{}}}},"additionalProperties":true}}}"#;
    let expected = r#"class At1(BaseModel):
    y: Optional[Any] = None


class Rows(BaseModel):
    """A row."""
    model_config = ConfigDict(extra='allow')
    at: Optional[At1] = None


class At(BaseModel):
    x: float


class FModel(BaseModel):
    at: Optional[At] = Field(None, description='where')
    rows: Optional[List[Rows]] = None


def f(args: FModel):
    pass"#;
    assert_eq!(of_properties(nested), expected);
}

#[test]
fn definitions_are_written_once_and_may_lead_back() {
    let tree = r##"{"type":"object","properties":{"root":{"$ref":"#/$defs/Node"},"unit":{"$ref":"#/$defs/Unit","default":"c"},
        "self":{"$ref":"#"},"list":{"$ref":"#/$defs/a~1b"}},"required":["root"],"$defs":{
        "Node":{"type":"object","title":"Node","description":"A node.","properties":{"next":{"anyOf":[{"$ref":"#/$defs/Node"},{"type":"null"}]}},"required":["next"]},
        "Unit":{"type":"string","title":"Unit","description":"Of heat.","enum":["c"]},
        "a/b":{"type":"array","items":{"$ref":"#/$defs/Node"}}}}"##;
    let expected = r#"class Unit(Enum):
    """Of heat."""
    c = 'c'


class Node(BaseModel):
    """A node."""
    next: Optional[Node]


class TreeModel(BaseModel):
    root: Node
    unit: Optional[Unit] = 'c'
    self: Optional[TreeModel] = None
    list: Optional[List[Node]] = None


def tree(args: TreeModel):
    pass"#;
    assert_eq!(module(&[("tree", tree)]).split_once("\n\n\n").unwrap().1, expected);
    let root = r##"{"$ref":"#/$defs/A","$defs":{"A":{"type":"object","properties":{"x":{"type":"integer"}}}}}"##;
    assert!(module(&[("f", root)]).contains("class FModel(BaseModel):\n    x: Optional[int] = None\n"));
    // A definition of which nothing is but itself.
    for definition in [r##"{"$ref":"#/$defs/A"}"##, r##"{"type":"array","items":{"$ref":"#/$defs/A"}}"##] {
        let schema = format!(r##"{{"properties":{{"a":{{"$ref":"#/$defs/A"}}}},"$defs":{{"A":{definition}}}}}"##);
        assert!(module(&[("f", &schema)]).contains("JSON Schema of the arguments"), "{definition}");
    }
}

#[test]
fn no_two_classes_have_one_name() {
    let titled = r#"{"title":"Search","properties":{"unit":{"enum":["c","f"]}}}"#;
    let other = r#"{"title":"Field","properties":{"unit":{"enum":["k"]}}}"#;
    let written = module(&[("search", titled), ("find", titled), ("Search", other), ("from", "{}"), ("a-b", "{}")]);
    let heads = written.lines().filter(|line| line.starts_with("class ") || line.starts_with("def "));
    let expected = [
        "class Unit(Enum):",
        "class Search1(BaseModel):",
        "class Search2(BaseModel):",
        "class Unit1(Enum):",
        "class Field1(BaseModel):",
        "class FromModel(BaseModel):",
        "class ABModel(BaseModel):",
        "def search(args: Search1):",
        "def find(args: Search2):",
        "def Search(args: Field1):",
        "def from_(args: FromModel):",
        "def a_b(args: ABModel):",
    ];
    assert_eq!(heads.collect::<Vec<_>>(), expected, "{written}");
    let taken = r#"{"properties":{"a":{"properties":{"x":{}}},"a1":{"properties":{"y":{"properties":{"z":{}}}}},"A":{"properties":{"w":{}}}}}"#;
    let written = module(&[("f", taken)]);
    for head in ["class A(", "class A1(", "class A2("] {
        assert_eq!(written.matches(head).count(), 1, "{head}: {written}");
    }
}

#[test]
fn keywords_stand_for_properties_whose_names_are_none() {
    let written =
        of_properties(r#"{"from":{},"a-b":{},"a_b":{"type":"integer"},"x y":{},"x-y":{},"2":{}},"required":["2"]"#);
    let expected = r#"class FModel(BaseModel):
    from_: Optional[Any] = Field(None, alias='from')
    a_b: Optional[int] = None
    x_y: Optional[Any] = Field(None, alias='x y')
    field_2: Any = Field(..., alias='2')


def f(args: FModel):
    # JSON Schema of the arguments: {"type": "object", "properties": {"from": {}, "a-b": {}, "#;
    assert!(written.starts_with(expected), "{written}");
}

#[test]
fn docstrings_end_where_they_should() {
    for (text, expected) in [
        ("One line.", r#""""One line.""""#),
        (r#"a "b" c"#, r#""""a "b" c""""#),
        (r#"a "b""#, r#""""a \"b\"""""#),
        (r#"""""#, r#""""\"\"\"""""#),
        (r#"x """y"#, r#""""x \"\"\"y""""#),
        ("a\\", r#""""a\\""""#),
        ("a\n\n  b\tc\0", "\"\"\"a\n\n      b\tc\\x00\n    \"\"\""),
        ("", ""),
    ] {
        let mut out = String::new();
        write_docstring(text, &mut out);
        assert_eq!(out.trim_start(), expected, "{text}");
    }
}

/// Definitions that double what they refer to, that lead on and on, and schemas in which nothing is as it should be.
#[test]
fn what_is_written_is_no_longer_than_it_may_be() {
    let twice = |n: usize| {
        format!(
            r##""D{n}":{{"anyOf":[{{"$ref":"#/$defs/D{0}"}},{{"type":"array","items":{{"$ref":"#/$defs/D{0}"}}}}]}}"##,
            n + 1
        )
    };
    let doubling: Vec<_> = (0..200).map(twice).collect();
    let link = |n: usize| format!(r##""D{n}":{{"properties":{{"n":{{"$ref":"#/$defs/D{}"}}}}}}"##, n + 1);
    let chain: Vec<_> = (0..5000).map(link).collect();
    for definitions in [doubling, chain] {
        let (count, definitions) = (definitions.len(), definitions.join(","));
        let last = format!(r#""D{count}":{{"type":"string"}}"#);
        let schema = format!(r##"{{"properties":{{"a":{{"$ref":"#/$defs/D0"}}}},"$defs":{{{definitions},{last}}}}}"##);
        assert!(module(&[("f", &schema)]).len() < 4 * schema.len());
    }
    let deep = format!(r#"{}{{"type":"string"}}{}"#, r#"{"type":"array","items":"#.repeat(100), "}".repeat(100));
    assert!(of_properties(&format!(r#"{{"a":{deep}}}"#)).contains("List[Any]"));
    let many = format!("{{{}}}", vec![r#""a":{"properties":{"b":{"properties":{}}}}"#; 1000].join(","));
    assert_eq!(module(&[("f", &format!(r#"{{"properties":{many}}}"#))]).matches("class A").count(), 1);
    for odd in
        ["7", "[]", "null", r#"{"properties":[1],"required":{}}"#, r#"{"properties":{"a":{"type":7,"enum":[[]]}}}"#]
    {
        assert!(module(&[("f", odd)]).contains("def f(args: FModel):"), "{odd}");
    }
}
