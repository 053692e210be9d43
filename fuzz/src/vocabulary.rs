//! Model texts and requests out of arbitrary bytes, so that a fuzzer finds markers without guessing their letters.
//! Knows no dialect: what a dialect writes it takes from the dialect's own spec.

use std::sync::{Arc, LazyLock};

use toolgate::dialect::{Around, Dialect, Dialects, MessagesSpec, Payload};

/// The built-in dialects, read once.
static DIALECTS: LazyLock<Vec<Arc<Dialect>>> = LazyLock::new(|| {
    let dialects = Dialects::builtin();
    dialects.iter().chain(dialects.union()).cloned().collect()
});

/// Tools of every kind of schema that decides how a value is read.
pub const TOOLS: &str = r#"[
    {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}, "metric": {"type": "boolean"},
        "where": {"type": "object"}, "maybe": {"type": ["string", "null", "object"]}, "list": {"type": "array"},
        "arguments": {"type": "number"}}}}},
    {"type": "function", "function": {"name": "get_time"}},
    {"type": "function", "function": {"name": "bash", "parameters": {"properties": {"command": {"type": "string"}}}}}
]"#;

/// What stands in calls of every dialect, and what breaks them.
const COMMON: [&str; 66] = [
    "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"",
    "{\"name\": \"bash\", \"parameters\": {\"command\": \"",
    "{\"name\": \"get_time\"}",
    "{\"name\": \"get_time\", \"arguments\": \"{\\\"a\\\": 1}\"}",
    "{\"tool_call\": {\"name\": \"get_time\", \"arguments\": {",
    "\"name\": \"",
    "\"arguments\": ",
    "\"parameters\": {",
    "\"tool_call\"",
    "\"function\": ",
    "\"other\": ",
    "get_weather",
    "get_time",
    "bash",
    "nope",
    "functions.bash",
    "city",
    "days",
    "metric",
    "where",
    "maybe",
    "list",
    "arguments",
    "command",
    "), get_time(",
    "), bash(command=",
    "}[",
    "}}[{",
    "\")",
    "')",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "'",
    "“",
    "”",
    "\\",
    ",",
    ":",
    ";",
    "=",
    "<",
    ">",
    "|",
    "/",
    "`",
    "```",
    "```json\n",
    "\n",
    " ",
    "\t",
    "    ",
    "True",
    "null",
    "-1.5e3",
    "007",
    "\\u00",
    "\\ud83d",
    "é",
    "😀",
    "word ",
    "\u{7f}",
];

/// The dialect of a name.
pub fn named(name: &str) -> Arc<Dialect> {
    Arc::clone(DIALECTS.iter().find(|dialect| dialect.name() == name).expect("a built-in dialect"))
}

/// A dialect that a byte chooses.
pub fn chosen(byte: u8) -> Arc<Dialect> {
    Arc::clone(&DIALECTS[usize::from(byte) % DIALECTS.len()])
}

/// The literals of a dialect, their halves, and the common fragments.
pub fn of(dialect: &Dialect) -> Vec<String> {
    let mut texts = own(dialect);
    // Halves of markers are what a scan holds.
    let halves: Vec<String> = texts.iter().filter_map(|text| text.get(..text.len() / 2)).map(Into::into).collect();
    texts.extend(halves);
    texts.extend(COMMON.map(Into::into));
    texts.retain(|text| !text.is_empty());
    texts
}

/// The literals of a dialect, and what its calls begin with.
pub fn own(dialect: &Dialect) -> Vec<String> {
    let spec = dialect.reads();
    let call = &spec.call;
    let mut texts: Vec<String> = [&call.open, &call.bare, &call.close, &call.end_tokens]
        .into_iter()
        .flatten()
        .chain(&spec.wrap)
        .chain(spec.messages.iter().flat_map(MessagesSpec::literals))
        .chain(spec.section.iter().flat_map(|section| section.open.iter().chain(&section.close)))
        .chain(spec.reasoning.iter().flat_map(|block| block.open.iter().chain(&block.close)))
        .cloned()
        .chain(call.fence.iter().map(|word| format!("```{word}\n")))
        .collect();
    for payload in spec.payload.iter() {
        markup_of(payload, &mut texts);
    }
    texts.retain(|text| !text.is_empty());
    texts
}

/// The markup inside a call.
fn markup_of(payload: &Payload, texts: &mut Vec<String>) {
    match payload {
        Payload::Json(_) => {}
        Payload::Elements(elements) => {
            let tag = |tag: &str| format!("{}{tag}", elements.prefix);
            texts.extend(["<city>", "</city>", "<where>", "<list>", "<item>", "</item>", "</invoke>", "<"].map(tag));
            let (before, after) = (elements.name.0.first(), elements.name.1.first());
            let (before, after) = (before.cloned().unwrap_or_default(), after.cloned().unwrap_or_default());
            texts.push(tag(&format!("{before}get_weather{after}")));
            texts.push(tag(&format!("{before}bash{after}")));
        }
        Payload::Python(_) => texts
            .extend(["[get_weather(city='", "', days=", "bash(command=\"", "get_time()", "=[{'a': "].map(Into::into)),
        Payload::Code(_) => {
            let fences = ["```python\n", "\n```\n", "````md\n"];
            let calls =
                ["get_weather(GetWeatherModel(city=\"", "bash(command='''", "get_time()\n", "where=[x, {'a': ", ")\n"];
            let around =
                ["x = ", "x: int = [1, ", "print(", "print(x, ", "await ", "# ", "import a\n", "def f():\n    "];
            texts.extend(fences.into_iter().chain(calls).chain(around).map(Into::into));
        }
        Payload::Header(header) => {
            texts.extend(header.literals().chain(header.arguments.iter().flat_map(Around::literals)).map(Into::into));
            texts.push("get_weather".into());
        }
        Payload::Tagged(tags) => {
            let first = |texts: &[String]| texts.first().cloned().unwrap_or_default();
            let (named, keyed) = (first(&tags.name.1), first(&tags.key.1) + &first(&tags.value.0));
            let (name, key) = (first(&tags.name.0), first(&tags.key.0));
            texts.extend(tags.name.0.iter().chain(&*tags.name.1).chain(tags.close.iter()).cloned());
            texts.extend(tags.key.literals().chain(tags.value.literals()).map(Into::into));
            texts.push(format!("{name}get_weather{named}\n{key}days{keyed}\n"));
            texts.push(format!("{name}bash{named}{key}command{keyed}"));
        }
        Payload::Literal(literal) => {
            texts.extend(literal.header.iter().chain([&literal.quote]).cloned());
            texts.push(format!("call:get_weather{{city:{}", literal.quote));
        }
    }
}

/// A text out of bytes: ASCII is itself, and each other byte is a fragment.
pub fn text(fragments: &[String], bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            0..=127 => text.push(char::from(byte)),
            _ => text.push_str(&fragments[usize::from(byte - 128) % fragments.len()]),
        }
    }
    text
}
