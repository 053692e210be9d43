//! Calls as a dialect's models write them: by its text for past calls where it has one, else as its payload is read.
//! Escapes nothing that the dialect does not.

use toolgate::dialect::prompt::CallSpec;
use toolgate::dialect::{
    Around, Dialect, ElementsSpec, JsonName, Kind, KindSpec, Payload, Several, Spec, TaggedSpec, Trim,
};
use toolgate::json::{Object, Token, array, string, tokens};
use toolgate::prompt::{self, PastCall};

/// A tool's name, and its arguments as a JSON object.
pub type Call = (String, String);

/// An answer that is these calls.
pub fn answer(dialect: &Dialect, calls: &[Call]) -> String {
    let spec = dialect.spec();
    let history = spec.prompt.history.text();
    let text = history.map(|history| &history.call);
    let written: Vec<_> = calls.iter().map(|call| one(dialect, text, call)).collect();
    let (open, close) = spec.section.as_ref().map_or(("", ""), |section| (first(&section.open), first(&section.close)));
    match (history, &spec.messages) {
        (Some(history), _) => {
            let (open, close) = history.calls.sides();
            format!("{open}{}{close}", written.join(&history.call.between))
        }
        (None, None) => format!("{open}{}{close}", written.concat()),
        // Each message has a section of its own.
        (None, Some(_)) => written.concat(),
    }
}

fn one(dialect: &Dialect, text: Option<&CallSpec>, (name, arguments): &Call) -> String {
    let spec = dialect.spec();
    if let Some(text) = text {
        let mut out = String::new();
        prompt::write_call(dialect, text, PastCall { name, arguments, id: "a1b2c3d4e" }, &mut out);
        return out;
    }
    let payload = spec.payload.first().expect("at least one");
    let is_named_outside = spec.messages.iter().flat_map(|messages| &messages.kinds).any(is_named_call);
    let own = own(payload, if is_named_outside { "" } else { name }, arguments);
    let (open, close) = (first(&spec.call.open), first(&spec.call.close));
    let call = if open.is_empty() { own } else { format!("{open}{own}{close}") };
    message(spec, name, &call)
}

/// Whether the header names the tool, and the body only has its arguments.
fn is_named_call(kind: &KindSpec) -> bool {
    kind.is == Kind::Call && kind.name.is_some()
}

/// The message that a call is, where answers consist of messages.
fn message(spec: &Spec, name: &str, call: &str) -> String {
    let Some(messages) = &spec.messages else { return call.to_owned() };
    let kind = messages.kinds.iter().find(|kind| matches!(kind.is, Kind::Call | Kind::Calls)).expect("a kind of calls");
    let named = kind.name.as_ref().map_or_else(String::new, |around| {
        let (before, after) = sides(around);
        format!("{before}{name}{after}")
    });
    let mut header = format!("{}{named}{}", first(&messages.start), first(&kind.has));
    let body = first(&messages.body);
    if !messages.body.iter().any(|body| header.ends_with(body.as_str())) {
        header.push_str(body);
    }
    let section = spec.section.as_ref().filter(|_| kind.is == Kind::Calls);
    let (open, close) = section.map_or(("", ""), |section| (first(&section.open), first(&section.close)));
    format!("{header}{open}{call}{close}{}", first(&messages.end))
}

fn own(payload: &Payload, name: &str, arguments: &str) -> String {
    match payload {
        Payload::Json(json) => match &json.name {
            JsonName::Key => format!(r#"{{"{name}": {arguments}}}"#),
            JsonName::Under(keys) => {
                format!(r#"{{"{}": "{name}", "{}": {arguments}}}"#, first(keys), first(&json.arguments))
            }
        },
        Payload::Literal(spec) => format!("{}{name}{}", first(&spec.header), literal(arguments, &spec.quote)),
        Payload::Python(_) => {
            format!("{name}({})", members(arguments, ", ", |key, value| format!("{key}={}", python(value))))
        }
        Payload::Header(header) => {
            let (before, after) = header.name.as_ref().map_or(("", ""), sides);
            let (open, close) = header.arguments.as_ref().map_or(("", ""), sides);
            let id = header.id.as_ref().filter(|id| Some(*id) != header.name.as_ref()).map_or_else(String::new, |id| {
                let (before, after) = sides(id);
                // What follows it may be what the name stands behind.
                let after = if header.name.as_ref().is_some_and(|name| name.0.iter().any(|before| before == after)) {
                    ""
                } else {
                    after
                };
                format!("{before}a1b2c3{after}")
            });
            // Where two parts share a literal, it stands there once.
            let open = if after == open { "" } else { open };
            format!("{id}{before}{name}{after}{open}{arguments}{close}")
        }
        Payload::Elements(spec) => {
            let (before, after) = sides(&spec.name);
            let parameters = elements(spec, arguments);
            format!("{0}{before}{name}{after}{parameters}{0}{1}", spec.prefix, first(&spec.close))
        }
        Payload::Tagged(tags) => {
            let tag_end = tags.name.2.as_deref().unwrap_or_default();
            let parameters = members(arguments, "", |key, value| parameter(tags, key, value));
            format!("{}{name}{}{tag_end}{parameters}{}", first(&tags.name.0), first(&tags.name.1), first(&tags.close))
        }
    }
}

/// A parameter: a string as it is, anything else as JSON.
fn parameter(tags: &TaggedSpec, key: &str, value: &str) -> String {
    let (key_open, key_close) = sides(&tags.key);
    let (value_open, value_close) = sides(&tags.value);
    let text = value.starts_with('"').then(|| string(value).expect("a string"));
    let stated = tags.stated.as_ref().map_or_else(String::new, |stated| {
        let word = if text.is_some() { first(&stated.text) } else { "json" };
        // An attribute stands apart from the one before it.
        let gap = if stated.open.starts_with(char::is_alphabetic) { " " } else { "" };
        format!("{gap}{}{word}{}", stated.open, stated.close)
    });
    let edge = if tags.trim == Trim::Newline { "\n" } else { "" };
    let text = text.as_deref().unwrap_or(value);
    format!("{key_open}{key}{key_close}{stated}{value_open}{edge}{text}{edge}{value_close}")
}

/// An element for each member of an object and each item of a list, which nest; a string as it is, else JSON.
fn elements(spec: &ElementsSpec, json: &str) -> String {
    let element = |tag: &str, value: &str| format!("{0}<{tag}>{1}{0}</{tag}>", spec.prefix, elements(spec, value));
    match json.chars().next() {
        Some('{') => members(json, "", element),
        Some('[') => array(json).expect("a list").into_iter().map(|item| element(&spec.item, item)).collect(),
        Some('"') => string(json).expect("a string").into_owned(),
        _ => json.to_owned(),
    }
}

fn members(arguments: &str, between: &str, mut written: impl FnMut(&str, &str) -> String) -> String {
    let object = Object::parse(arguments).expect("an object");
    object.members().map(|(key, value)| written(key, value)).collect::<Vec<_>>().join(between)
}

/// What ends a value in which nothing is escaped, or a call, wherever it stands in it. Where values are JSON or
/// Python's, nothing does.
pub fn own_markup(dialect: &Dialect) -> Vec<String> {
    let spec = dialect.spec();
    let mut texts: Vec<&str> = match spec.payload.first() {
        Some(Payload::Tagged(tags)) => {
            let own = [&tags.name.0, &tags.key.0, &tags.value.1, &tags.close];
            own.into_iter().flat_map(Several::texts).chain(tags.cdata.iter().flatten().map(String::as_str)).collect()
        }
        Some(Payload::Literal(literal)) => vec![&literal.quote],
        Some(Payload::Elements(elements)) => vec![&elements.prefix],
        _ => return Vec::new(),
    };
    let section = spec.section.iter().flat_map(|section| section.open.iter().chain(&section.close));
    let messages = spec.messages.iter().flat_map(|messages| messages.start.iter().chain(&messages.end));
    texts.extend(spec.call.open.iter().chain(&spec.call.close).chain(section).chain(messages).map(|text| text.trim()));
    texts.into_iter().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// JSON in Python's words.
fn python(json: &str) -> String {
    tokens(json).fold(String::new(), |mut out, token| {
        match token {
            Token::Open(bracket) | Token::Close(bracket) => out.push(bracket),
            Token::Colon => out.push_str(": "),
            Token::Comma => out.push_str(", "),
            Token::String(written) => out.push_str(written),
            Token::Scalar("true") => out.push_str("True"),
            Token::Scalar("false") => out.push_str("False"),
            Token::Scalar("null") => out.push_str("None"),
            Token::Scalar(number) => out.push_str(number),
        }
        out
    })
}

/// JSON with bare keys, and strings between delimiters in which nothing is escaped.
fn literal(json: &str, quote: &str) -> String {
    let mut tokens = tokens(json).peekable();
    let mut out = String::new();
    while let Some(token) = tokens.next() {
        match token {
            Token::Open(bracket) | Token::Close(bracket) => out.push(bracket),
            Token::Colon => out.push(':'),
            Token::Comma => out.push(','),
            Token::Scalar(written) => out.push_str(written),
            Token::String(written) => {
                let text = string(written).expect("a string");
                let quote = if tokens.peek() == Some(&Token::Colon) { "" } else { quote };
                out.extend([quote, &text, quote]);
            }
        }
    }
    out
}

fn first(texts: &[String]) -> &str {
    texts.first().map_or("", String::as_str)
}

fn sides(around: &Around) -> (&str, &str) {
    (first(&around.0), first(&around.1))
}
