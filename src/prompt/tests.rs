use super::*;
use crate::dialect::Dialects;

const SEARCH: &str = r##"{"type":"function","function":{"name":"search","description":" Finds \u00e0 la carte ","strict":true,
 "parameters":{"type":"object","properties":{
  "q":{"type":"string","description":"what"},
  "unit":{"type":"string","enum":["c","f"],"default":"c"},
  "at":{"anyOf":[{"$ref":"#/$defs/Point"},{"type":"null"}]},
  "tags":{"type":"array","items":{"type":"string"}},
  "type":{"type":["integer","null"],"default":{"type":"string"}}
 },"required":["q"],"$defs":{"Point":{"type":"object","properties":{"x":{"type":"number"}}}}}}}"##;
const PLAIN: &str = r#"{"function":{"name":"now"}}"#;

fn written(dialect: &str, tool: &str) -> String {
    let dialects = Dialects::builtin();
    let dialect = dialects.get(dialect).unwrap();
    let listed = listed(dialect, [tool].into_iter(), usize::MAX).unwrap().tools;
    let (before, behind) = dialect.spec().prompt.tools.each.sides();
    listed.strip_prefix(before).and_then(|listed| listed.strip_suffix(behind)).unwrap().to_owned()
}

#[test]
fn json_on_a_line() {
    let expected = r##"{"type": "function", "function": {"name": "search", "description": " Finds à la carte ", "strict": true, "parameters": {"type": "object", "properties": {"q": {"type": "string", "description": "what"}, "unit": {"type": "string", "enum": ["c", "f"], "default": "c"}, "at": {"anyOf": [{"$ref": "#/$defs/Point"}, {"type": "null"}]}, "tags": {"type": "array", "items": {"type": "string"}}, "type": {"type": ["integer", "null"], "default": {"type": "string"}}}, "required": ["q"], "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}}}}}}"##;
    assert_eq!(written("hermes", SEARCH), expected);
    assert_eq!(written("hermes", PLAIN), r#"{"function": {"name": "now"}}"#);
}

#[test]
fn json_indented() {
    let expected = "{\n    \"function\": {\n        \"name\": \"now\"\n    }\n}";
    assert_eq!(written("llama3-json", PLAIN), expected);
    let huge = format!(r#"{{"function":{{"name":"f","parameters":{}{}}}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    assert!(written("llama3-json", &huge).len() < 2 * huge.len());
}

/// A tool of which every form can say all.
const SEND: &str = r#"{"type":"function","function":{"name":"send","description":"Sends a text.\nNow.","parameters":{"type":"object",
 "properties":{"to":{"type":"array","items":{"type":"string"},"description":"whom"},"how":{"enum":["mail","fax"],"type":"string","default":"mail"},
  "n":{"type":"integer"}},"required":["to"]}}}"#;

#[test]
fn function_alone() {
    assert_eq!(written("minimax-m3", PLAIN), r#"{"name": "now"}"#);
}

#[test]
fn typescript() {
    let expected = r#"// Sends a text.
// Now.
type send = (_: {
// whom
to: Array<string>,
// default: "mail"
how?: "mail" | "fax",
// an integer
n?: number,
}) => any;"#;
    assert_eq!(written("harmony", SEND), expected);
    assert_eq!(written("harmony", PLAIN), "type now = () => any;");
    let nested = r#"{"function":{"name":"f","parameters":{"type":"object","properties":{"a b":{"type":"object","properties":{"x":{"type":["number","null"]}},"required":["x"]},"t":{"const":"k"}}}}}"#;
    let expected = "type f = (_: {\n\"a b\"?: {\nx: number | null,\n},\nt?: \"k\",\n}) => any;";
    assert_eq!(written("harmony", nested), expected);
    // What it cannot say follows.
    for (properties, is_said) in [
        (r#"{"a":{"type":"string","pattern":"x"}}"#, false),
        (r#"{"a":{"type":"array","items":{"type":"integer"}}}"#, false),
        (r##"{"a":{"$ref":"#/b"}}"##, false),
        (r#"{"a":{"type":"array","items":{"type":"string","description":"d"}}}"#, false),
        (r#"{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}"#, true),
        (r#"{"a":{}}"#, true),
    ] {
        let tool =
            format!(r#"{{"function":{{"name":"f","parameters":{{"type":"object","properties":{properties}}}}}}}"#);
        assert_eq!(!written("harmony", &tool).contains("JSON Schema"), is_said, "{properties}");
    }
}

#[test]
fn python() {
    let expected = r#"def send(to: list[str], how: Literal["mail", "fax"] = "mail", n: int = None):
    """Sends a text.
Now.

    Args:
    - to (list[str]) [required]: whom
    - how (Literal["mail", "fax"]) [optional]
    - n (int) [optional]
    """"#;
    assert_eq!(written("seed-oss", SEND), expected);
    assert_eq!(written("seed-oss", PLAIN), "def now(): ...");
    assert!(written("seed-oss", SEARCH).contains("\n\n    JSON Schema of the arguments: {\"type\": \"object\""));
}

#[test]
fn xml() {
    let expected = r##"<function>
<name>search</name>
<description>Finds à la carte</description>
<parameters>
<parameter>
<name>q</name>
<type>string</type>
<description>what</description>
</parameter>
<parameter>
<name>unit</name>
<type>string</type>
<enum>["c", "f"]</enum>
<default>c</default>
</parameter>
<parameter>
<name>at</name>
<anyOf>[{"$ref": "#/$defs/Point"}, {"type": "null"}]</anyOf>
</parameter>
<parameter>
<name>tags</name>
<type>array</type>
<items>{"type": "string"}</items>
</parameter>
<parameter>
<name>type</name>
<type>["integer", "null"]</type>
<default>{"type": "string"}</default>
</parameter>
<required>["q"]</required>
<$defs>{"Point": {"type": "object", "properties": {"x": {"type": "number"}}}}</$defs>
</parameters>
<strict>true</strict>
</function>"##;
    assert_eq!(written("qwen3-coder", SEARCH), expected);
    assert_eq!(written("qwen3-coder", PLAIN), "<function>\n<name>now</name>\n<parameters>\n</parameters>\n</function>");
}

#[test]
fn declaration() {
    let expected = r##"declaration:search{description:<|"|> Finds à la carte <|"|>,strict:true,parameters:{type:<|"|>OBJECT<|"|>,properties:{q:{type:<|"|>STRING<|"|>,description:<|"|>what<|"|>},unit:{type:<|"|>STRING<|"|>,enum:[<|"|>c<|"|>,<|"|>f<|"|>],default:<|"|>c<|"|>},at:{anyOf:[{$ref:<|"|>#/$defs/Point<|"|>},{type:<|"|>NULL<|"|>}]},tags:{type:<|"|>ARRAY<|"|>,items:{type:<|"|>STRING<|"|>}},type:{type:[<|"|>INTEGER<|"|>,<|"|>NULL<|"|>],default:{type:<|"|>string<|"|>}}},required:[<|"|>q<|"|>],$defs:{Point:{type:<|"|>OBJECT<|"|>,properties:{x:{type:<|"|>NUMBER<|"|>}}}}}}"##;
    assert_eq!(written("gemma4", SEARCH), expected);
    assert_eq!(written("gemma4", PLAIN), "declaration:now{}");
}

#[test]
fn signature() {
    let expected = r##"search(q: string, unit: string = "c", at: Point | null = None, tags: list[string] = None, type: integer | null = {"type": "string"})
  """ Finds à la carte """
  Parameters:
  - q (string) [required] — what
  - unit (string) [optional]
  - at (Point | null) [optional]
  - tags (list[string]) [optional]
  - type (integer | null) [optional]
  JSON Schema of the arguments: {"type": "object", "properties": {"q": "##;
    let text = written("json-envelope", SEARCH);
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.ends_with(r#""$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}}}}"#),
        "{text}"
    );
    let simple = r#"{"function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}}},"required":["a"]}}}"#;
    let expected = "f(a: list[integer])\n  Parameters:\n  - a (list[integer]) [required]";
    assert_eq!(written("json-envelope", simple), expected);
    for more in [r#","enum":["x"]"#, r#","minimum":1"#, r#","items":{"type":"string","enum":["x"]}"#, r#","default":1"#]
    {
        let schema = format!(r#"{{"properties": {{"a": {{"type": "string"{more}}}}}}}"#);
        let text = written("json-envelope", &format!(r#"{{"function":{{"name":"f","parameters":{schema}}}}}"#));
        assert!(text.contains("JSON Schema"), "{text}");
    }
    assert_eq!(written("json-envelope", PLAIN), "now()\n  Parameters:\n  (no parameters)");
}

/// Whatever a schema holds, every word of it reaches the model; where classes are written, in Python's words.
#[test]
fn schemas_go_up_whole() {
    let values = ["search", "à la carte", "what", "c", "f", "x"];
    let words = ["enum", "default", "anyOf", "$defs/Point", "items"];
    let pythons =
        ["(Enum)", "Optional[Unit] = 'c'", "Optional[Point]", "class Point", "List[str]", "= {'type': 'string'}"];
    for dialect in Dialects::builtin().iter() {
        let text = written(dialect.name(), SEARCH);
        let is_python = dialect.spec().prompt.tools.form == ToolsForm::Models;
        let words: &[_] = if is_python { &pythons } else { &words };
        for word in values.iter().chain(words) {
            assert!(text.contains(word), "{} lacks {word}: {text}", dialect.name());
        }
    }
}

#[test]
fn odd_schemas_do_no_harm() {
    let odd = [
        "null",
        "true",
        "[]",
        "7",
        r#""x""#,
        r#"{"properties":[1],"required":{}}"#,
        r#"{"properties":{"a":true,"b":null}}"#,
    ];
    for dialect in Dialects::builtin().iter() {
        for parameters in odd {
            let tool = format!(r#"{{"function":{{"name":"f","description":null,"parameters":{parameters}}}}}"#);
            let text = written(dialect.name(), &tool);
            assert!(text.contains('f'), "{text}");
        }
        // What is no function has no place in a module of them.
        let is_module = dialect.spec().prompt.tools.form == ToolsForm::Models;
        let expected = if is_module { "from __future__ import annotations" } else { "{}" };
        assert_eq!(written(dialect.name(), "{}"), expected);
    }
}

#[test]
fn tools_in_their_text() {
    let dialects = Dialects::builtin();
    let write = |dialect, bytes_max| tools(dialects.get(dialect).unwrap(), [PLAIN; 100].into_iter(), bytes_max);
    let hermes = write("hermes", 10_000).unwrap();
    assert!(hermes.starts_with("# Tools\n\n") && hermes.ends_with("}\n</tool_call>"), "{hermes}");
    assert!(hermes.contains("<tools>\n{\"function\": {\"name\": \"now\"}}\n{"), "{hermes}");
    assert_eq!(write("gemma4", 10_000), Some("<|tool>declaration:now{}<tool|>".repeat(100)));
    assert_eq!(write("hermes", 1000), None);
}

#[test]
fn what_is_wanted_is_said_in_sentences() {
    let dialects = Dialects::builtin();
    let two = ["now".into(), "then".into()];
    let named = [Cow::Borrowed("now")];
    let required = "Your next answer must be a call of one of the functions.";
    let among = "In your next answer, call no functions but these: now, then.";
    let single = "Make no more than one call in an answer.";
    let table = [
        (Choice::Auto, &[][..], Calls::All, String::new()),
        (Choice::Auto, &[], Calls::First, single.into()),
        (Choice::Auto, &two, Calls::All, among.into()),
        (Choice::None, &[], Calls::First, "Call no function in your next answer; answer in plain words.".into()),
        (Choice::Required, &[], Calls::All, required.into()),
        (Choice::Required, &two, Calls::First, format!("{among}\n\n{required}\n\n{single}")),
        (
            Choice::Named("now".into()),
            &named,
            Calls::All,
            "Your next answer must be a call of the function `now`.".into(),
        ),
    ];
    for dialect in dialects.iter() {
        for (choice, among, count, expected) in &table {
            let said = wish(dialect, Wish { choice, among, calls: *count });
            assert_eq!(said, *expected, "{}: {choice:?}", dialect.name());
        }
    }
}
