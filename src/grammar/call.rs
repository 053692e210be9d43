//! Calls in a dialect's own syntax, as rules of a grammar: what stands around a call, and its arguments inside.
//! A past call is written so in the prompt, where the dialect has a text for it; else as its payload is read.

use serde_json::Value;

use super::rules::{Rules, any_of, literal};
use super::values::{KEY, Style, Values, others};
use crate::chat::{IdForm, Tool};
use crate::dialect::prompt::{ArgumentsForm, CallSpec, Hole, Piece, Text};
use crate::dialect::{Around, Dialect, JsonName, Payload, Several, Spec, StartOfAnswer, TaggedSpec};
use crate::json::Kinds;
use crate::schema;

/// The calls of one dialect.
pub struct Calls<'d> {
    spec: &'d Spec,
    payload: &'d Payload,
    text: Option<&'d CallSpec>,
    style: Style,
}

/// The parameters of a tool, as its schema and as what is known of the kinds.
struct Parameters<'t> {
    schema: &'t Value,
    tools: schema::Tools,
    name: &'t str,
}

impl<'d> Calls<'d> {
    /// `None` when nobody knows how the dialect's calls are written.
    pub fn of(dialect: &'d Dialect) -> Option<Self> {
        let spec = dialect.spec();
        // Who calls in a message says so in its header, which the prompt may have begun, and a suffix is not known before
        // the first answer.
        let payload = spec.payload.iter().next().filter(|_| spec.messages.is_none() && spec.suffix.is_none())?;
        let text = spec.prompt.history.text().map(|history| &history.call);
        let (quote, closers) = match payload {
            Payload::Literal(literal) => (Some(literal.quote.clone()), spec.call.close.clone()),
            Payload::Tagged(_) | Payload::Elements(_) => (None, enders(spec, payload)),
            Payload::Json(_) | Payload::Header(_) | Payload::Python(_) => (None, Vec::new()),
        };
        Some(Self { spec, payload, text, style: Style { quote, closers } })
    }

    /// What a call begins with, as far as it is always the same.
    pub fn openers(&self) -> impl Iterator<Item = &'d str> {
        let section = self.spec.section.iter().flat_map(|section| &section.open);
        section.chain(&self.spec.call.open).chain(&self.spec.call.bare).map(String::as_str)
    }

    /// Whether calls begin with an opener, so that no bare one escapes notice.
    pub fn are_opened(&self) -> bool {
        // A fence behind other backticks is none.
        let is_known = !self.openers().any(|opener| opener.starts_with('`'));
        is_known && self.openers().next().is_some() && self.spec.call.start != Some(StartOfAnswer::Json)
    }

    /// What stands between two calls.
    pub fn between(&self) -> &'d str {
        self.text.map_or("", |text| text.between.as_str())
    }

    /// What stands around all calls.
    pub fn section(&self) -> (&'d str, &'d str) {
        let history = self.spec.prompt.history.text().map(|history| history.calls.sides());
        if let Some(sides) = history.filter(|sides| *sides != ("", "")) {
            return sides;
        }
        let side = |texts: &'d [String]| texts.first().map_or("", String::as_str);
        self.spec.section.as_ref().map_or(("", ""), |section| (side(&section.open), side(&section.close)))
    }

    /// A call of one tool.
    pub fn call(&self, tool: &Tool, rules: &mut Rules) -> String {
        let schema = tool.parameters.as_deref().and_then(|written| serde_json::from_str(written).ok());
        let schema = schema.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let parameters =
            Parameters { schema: &schema, tools: schema::Tools::new(vec![tool.clone()]), name: &tool.name };
        let body = match self.text {
            Some(text) => self.by_text(text, &parameters, rules),
            None => self.by_payload(&parameters, rules),
        };
        rules.add("call", body)
    }

    fn by_text(&self, text: &CallSpec, parameters: &Parameters<'_>, rules: &mut Rules) -> String {
        let arguments = match &text.arguments {
            // All arguments as one dict, which is JSON.
            ArgumentsForm::Json | ArgumentsForm::Literal | ArgumentsForm::Python => self.object(parameters, rules),
            ArgumentsForm::Members(each) => self.members(each, parameters, rules),
        };
        let has_id = text.text.pieces().contains(&Piece::Hole(Hole::Id));
        let id = if has_id { rules.add("id", id(&self.spec.ids.mint)) } else { String::new() };
        joined(text.text.pieces().iter().map(|piece| match piece {
            Piece::Literal(text) => Part::Text(text),
            Piece::Hole(Hole::Arguments) => Part::Rule(&arguments),
            Piece::Hole(Hole::Id) => Part::Rule(&id),
            Piece::Hole(_) => Part::Text(parameters.name),
        }))
    }

    fn by_payload(&self, parameters: &Parameters<'_>, rules: &mut Rules) -> String {
        let name = parameters.name;
        let end_of_elements;
        let (begin, inside, end) = match self.payload {
            Payload::Json(json) => {
                let key = |keys: &[String]| Value::from(keys.first().map_or("", String::as_str)).to_string();
                let name = Value::from(name);
                let begin = match &json.name {
                    JsonName::Under(keys) => format!("{{{}: {name}, {}: ", key(keys), key(&json.arguments)),
                    JsonName::Key => format!("{{{name}: "),
                };
                (begin, self.object(parameters, rules), "}")
            }
            Payload::Literal(spec) => {
                let begin = format!("{}{name}", spec.header.first().map_or("", String::as_str));
                (begin, self.object(parameters, rules), "")
            }
            Payload::Elements(spec) => {
                end_of_elements = format!("{}{}", spec.prefix, first(&spec.close));
                let begin = format!("{}{}{name}{}", spec.prefix, first(&spec.name.0), first(&spec.name.1));
                (begin, self.elements(&spec.prefix, parameters, rules), end_of_elements.as_str())
            }
            // All arguments as one dict, which is JSON.
            Payload::Python(_) => (format!("{name}("), self.object(parameters, rules), ")"),
            Payload::Header(spec) => {
                let (named, given) = (sides(spec.name.as_ref()), sides(spec.arguments.as_ref()));
                // Where two parts of it share a literal, it stands there once.
                let given_open = if named.1 == given.0 { "" } else { given.0 };
                let begin = format!("{}{name}{}{given_open}", named.0, named.1);
                (begin, self.object(parameters, rules), given.1)
            }
            Payload::Tagged(spec) => {
                let tag_end = spec.name.2.as_deref().unwrap_or_default();
                let begin = format!("{}{name}{}{tag_end}", first(&spec.name.0), first(&spec.name.1));
                (begin, self.tags(spec, parameters, rules), first(&spec.close))
            }
        };
        let call = &self.spec.call;
        let (open, close) = (call.open.first(), call.close.first());
        let open = open.map_or("", String::as_str);
        let close = close.filter(|_| !open.is_empty()).map_or("", String::as_str);
        joined([Part::Text(open), Part::Text(&begin), Part::Rule(&inside), Part::Text(end), Part::Text(close)])
    }

    fn object(&self, parameters: &Parameters<'_>, rules: &mut Rules) -> String {
        Values::new(parameters.schema, &self.style, rules).arguments(parameters.schema)
    }

    /// Each parameter in the dialect's text for one.
    fn members(&self, each: &Text, parameters: &Parameters<'_>, rules: &mut Rules) -> String {
        self.each(parameters, rules, |key, value, _| filled(each, key, value))
    }

    /// What is no string is JSON inside its element.
    fn elements(&self, prefix: &str, parameters: &Parameters<'_>, rules: &mut Rules) -> String {
        let [prefix, tag, close, end] = [prefix, "<", "</", ">"].map(Part::Text);
        self.each(parameters, rules, |key, value, _| {
            joined([prefix, tag, key, end, Part::Rule(value), prefix, close, key, end])
        })
    }

    fn tags(&self, spec: &TaggedSpec, parameters: &Parameters<'_>, rules: &mut Rules) -> String {
        let (key_open, key_close) = sides(Some(&spec.key));
        let (value_open, value_close) = sides(Some(&spec.value));
        self.each(parameters, rules, |key, value, holds| {
            let stated = spec.stated.as_ref().map_or_else(String::new, |stated| {
                let word = match holds {
                    Holds::Text => stated.text.first().map_or("", String::as_str),
                    Holds::Json => "json",
                };
                // An attribute stands apart from the one before it.
                let gap = if stated.open.starts_with(char::is_alphabetic) { " " } else { "" };
                format!("{gap}{}{word}{}", stated.open, stated.close)
            });
            let before =
                [Part::Text(key_open), key, Part::Text(key_close), Part::Text(&stated), Part::Text(value_open)];
            joined(before.into_iter().chain([Part::Rule(value), Part::Text(value_close)]))
        })
    }

    /// All parameters in the schema's order, those that are not required perhaps, and then others if there may be any.
    fn each(
        &self,
        parameters: &Parameters<'_>,
        rules: &mut Rules,
        written: impl Fn(Part<'_>, &str, Holds) -> String,
    ) -> String {
        let map = Values::new(parameters.schema, &self.style, rules).resolved(parameters.schema);
        let properties = map.and_then(|map| map.get("properties")?.as_object());
        let required = map.and_then(|map| map.get("required")?.as_array());
        let is_required = |key: &str| required.is_some_and(|all| all.iter().any(|one| one == key));
        let mut all = Vec::new();
        for (key, schema) in properties.into_iter().flatten() {
            if rules.is_full() {
                break;
            }
            let (value, holds) = self.raw_or_json(parameters, key, schema, rules);
            let member = rules.add("parameter", written(Part::Text(key), &value, holds));
            all.push(if is_required(key) { member } else { format!("{member}?") });
        }
        if properties.is_none() || map.is_some_and(others) {
            let (key, value) = (rules.add("key", String::from(KEY)), self.raw(rules));
            let member = rules.add("parameter", written(Part::Rule(&key), &value, Holds::Text));
            all.push(format!("{member}*"));
        }
        if all.is_empty() { String::from("\"\"") } else { all.join(" ") }
    }

    /// A value between tags: a text where it can be a string, else JSON.
    fn raw_or_json<'t>(
        &self,
        parameters: &Parameters<'t>,
        key: &str,
        schema: &'t Value,
        rules: &mut Rules,
    ) -> (String, Holds) {
        let tool = parameters.tools.find(parameters.name);
        let kinds = tool.map_or(Kinds::NONE, |tool| tool.kinds(tool.property(tool.root(), key)));
        let mut values = Values::new(parameters.schema, &self.style, rules);
        if !kinds.is_empty() && !kinds.contains(Kinds::STRING) {
            return (values.value(schema), Holds::Json);
        }
        let words = values.resolved(schema).and_then(|map| map.get("enum")?.as_array());
        let words = words.and_then(|all| all.iter().map(|word| word.as_str().map(literal)).collect::<Option<Vec<_>>>());
        let words = words.filter(|words| !words.is_empty());
        (words.map_or_else(|| self.raw(rules), |words| any_of(&words)), Holds::Text)
    }

    /// A text that no literal ends before its own end.
    fn raw(&self, rules: &mut Rules) -> String {
        let enders = enders(self.spec, self.payload);
        rules.until(&enders.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// An id that a model may write for itself.
fn id(form: &IdForm) -> String {
    match form {
        IdForm::Letters(letters) => format!("[a-zA-Z0-9]{{{letters}}}"),
        IdForm::Call | IdForm::Text(_) => String::from("[a-zA-Z0-9_.:-]{1,64}"),
    }
}

/// What a value between tags is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Text,
    Json,
}

/// What may end a value, wherever it stands in it.
fn enders(spec: &Spec, payload: &Payload) -> Vec<String> {
    let own: Vec<&str> = match payload {
        Payload::Tagged(tagged) => {
            let sides = [&tagged.key.0, &tagged.value.1, &tagged.close, &tagged.name.0];
            sides.into_iter().flat_map(|texts| texts.iter().map(String::as_str)).collect()
        }
        Payload::Literal(literal) => vec![&literal.quote],
        Payload::Elements(elements) => vec![&elements.prefix],
        Payload::Json(_) | Payload::Header(_) | Payload::Python(_) => Vec::new(),
    };
    let outer = spec.section.iter().flat_map(|section| &section.close).chain(&spec.call.close).map(String::as_str);
    own.into_iter().chain(outer).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// The spelling that is written.
fn first(texts: &Several<String>) -> &str {
    texts.iter().next().map_or("", String::as_str)
}

fn sides(around: Option<&Around>) -> (&str, &str) {
    around.map_or(("", ""), |around| (first(&around.0), first(&around.1)))
}

/// A part of what is written.
#[derive(Clone, Copy)]
enum Part<'p> {
    Text(&'p str),
    /// Anything that a rule allows.
    Rule(&'p str),
}

/// Parts one behind the other.
fn joined<'p>(parts: impl IntoIterator<Item = Part<'p>>) -> String {
    let (mut out, mut fixed) = (Vec::new(), String::new());
    for part in parts {
        match part {
            Part::Text(text) => fixed.push_str(text),
            Part::Rule(rule) => {
                if !fixed.is_empty() {
                    out.push(literal(&std::mem::take(&mut fixed)));
                }
                out.push(rule.to_owned());
            }
        }
    }
    if !fixed.is_empty() || out.is_empty() {
        out.push(literal(&fixed));
    }
    out.join(" ")
}

/// A text with its holes filled.
fn filled(text: &Text, name: Part<'_>, arguments: &str) -> String {
    joined(text.pieces().iter().map(|piece| match piece {
        Piece::Literal(text) => Part::Text(text),
        Piece::Hole(Hole::Arguments) => Part::Rule(arguments),
        Piece::Hole(_) => name,
    }))
}
