//! Calls in a dialect's own syntax, as rules of a grammar: what stands around a call, and its arguments inside.
//! A past call is written so in the prompt, where the dialect has a text for it; else as its payload is read.

use serde_json::Value;

use super::rules::{Rules, any_of, literal};
use super::values::{Style, Values};
use crate::chat::Tool;
use crate::dialect::prompt::{ArgumentsForm, CallSpec, History, Hole, Piece, Text};
use crate::dialect::{Around, Dialect, LiteralSpec, Payload, Spec, TaggedSpec};
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
        let payload = spec.payload.iter().next()?;
        let text = match &spec.prompt.history {
            History::Text(history) => Some(&history.call),
            History::Native => None,
        };
        let (quote, closers) = match payload {
            Payload::Literal(literal) => (Some(literal.quote.clone()), spec.call.close.clone()),
            Payload::Tagged(_) => (None, enders(spec, payload)),
            Payload::Json(_) | Payload::Header(_) => (None, Vec::new()),
        };
        Some(Self { spec, payload, text, style: Style { quote, closers } })
    }

    /// What a call begins with, as far as it is always the same.
    pub fn openers(&self) -> impl Iterator<Item = &'d str> {
        self.spec.call.open.iter().chain(&self.spec.call.bare).map(String::as_str)
    }

    /// What stands between two calls.
    pub fn between(&self) -> &'d str {
        self.text.map_or("", |text| text.between.as_str())
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
            ArgumentsForm::Json | ArgumentsForm::Literal => self.object(parameters, rules),
            ArgumentsForm::Members(each) => self.members(each, parameters, rules),
        };
        filled(&text.text, parameters.name, &arguments)
    }

    fn by_payload(&self, parameters: &Parameters<'_>, rules: &mut Rules) -> String {
        let first = |texts: &[String]| literal(texts.first().map_or("", String::as_str));
        let name = parameters.name;
        let inside = match self.payload {
            Payload::Json(json) => {
                let key = |keys: &[String]| Value::from(keys.first().map_or("", String::as_str)).to_string();
                let begin = format!("{{{}: {}, {}: ", key(&json.name), Value::from(name), key(&json.arguments));
                format!("{} {} \"}}\"", literal(&begin), self.object(parameters, rules))
            }
            Payload::Literal(spec) => {
                let begin = format!("{}{name}", spec.header.first().map_or("", String::as_str));
                format!("{} {}", literal(&begin), self.object(parameters, rules))
            }
            Payload::Header(spec) => {
                let side = |around: &Option<Around>, before: bool| {
                    let texts = around.as_ref().map(|around| if before { &around.0 } else { &around.1 });
                    texts.and_then(|texts| texts.iter().next()).map_or(String::new(), Clone::clone)
                };
                let begin = format!(
                    "{}{name}{}{}",
                    side(&spec.name, true),
                    side(&spec.name, false),
                    side(&spec.arguments, true)
                );
                let end = literal(&side(&spec.arguments, false));
                format!("{} {} {end}", literal(&begin), self.object(parameters, rules))
            }
            Payload::Tagged(spec) => {
                let begin = literal(&format!("{}{name}{}", spec.name[0], spec.name[1]));
                format!("{begin} {} {}", self.tags(spec, parameters, rules), literal(&spec.close))
            }
        };
        format!("{} {inside} {}", first(&self.spec.call.open), first(&self.spec.call.close))
    }

    fn object(&self, parameters: &Parameters<'_>, rules: &mut Rules) -> String {
        Values::new(parameters.schema, &self.style, rules).arguments(parameters.schema)
    }

    /// Each parameter in the dialect's text for one.
    fn members(&self, each: &Text, parameters: &Parameters<'_>, rules: &mut Rules) -> String {
        self.each(parameters, rules, |key, value| filled(each, key, value))
    }

    fn tags(&self, spec: &TaggedSpec, parameters: &Parameters<'_>, rules: &mut Rules) -> String {
        self.each(parameters, rules, |key, value| {
            let begin = literal(&format!("{}{key}{}", spec.key[0], spec.key[1]));
            format!("{begin} {value} {}", literal(&spec.value_close))
        })
    }

    /// All parameters in the schema's order, those that are not required perhaps.
    fn each(&self, parameters: &Parameters<'_>, rules: &mut Rules, written: impl Fn(&str, &str) -> String) -> String {
        let map = Values::new(parameters.schema, &self.style, rules).resolved(parameters.schema);
        let properties = map.and_then(|map| map.get("properties")?.as_object());
        let required = map.and_then(|map| map.get("required")?.as_array());
        let is_required = |key: &str| required.is_some_and(|all| all.iter().any(|one| one == key));
        let mut all = Vec::new();
        for (key, schema) in properties.into_iter().flatten() {
            if rules.is_full() {
                break;
            }
            let value = self.raw_or_json(parameters, key, schema, rules);
            let member = rules.add("parameter", written(key, &value));
            all.push(if is_required(key) { member } else { format!("{member}?") });
        }
        if all.is_empty() { String::from("\"\"") } else { all.join(" ") }
    }

    /// A value between tags: a text where it can be a string, else JSON.
    fn raw_or_json<'t>(&self, parameters: &Parameters<'t>, key: &str, schema: &'t Value, rules: &mut Rules) -> String {
        let Some(tool) = parameters.tools.find(parameters.name) else { return self.raw(rules) };
        let kinds = tool.kinds(tool.property(tool.root(), key));
        if !kinds.is_empty() && !kinds.contains(Kinds::STRING) {
            return Values::new(parameters.schema, &self.style, rules).value(schema);
        }
        let words = Values::new(parameters.schema, &self.style, rules);
        let words = words.resolved(schema).and_then(|map| map.get("enum")?.as_array());
        let words = words.and_then(|all| all.iter().map(|word| word.as_str().map(literal)).collect::<Option<Vec<_>>>());
        words.filter(|words| !words.is_empty()).map_or_else(|| self.raw(rules), |words| any_of(&words))
    }

    /// A text that no literal ends before its own end.
    fn raw(&self, rules: &mut Rules) -> String {
        let enders = enders(self.spec, self.payload);
        rules.until(&enders.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// What may end a value, wherever it stands in it.
fn enders(spec: &Spec, payload: &Payload) -> Vec<String> {
    let own = match payload {
        Payload::Tagged(TaggedSpec { key, value_close, close, .. }) => vec![&key[0], value_close, close],
        Payload::Literal(LiteralSpec { quote, .. }) => vec![quote],
        Payload::Json(_) | Payload::Header(_) => Vec::new(),
    };
    own.into_iter().chain(&spec.call.close).cloned().collect()
}

/// A text with its holes filled.
fn filled(text: &Text, name: &str, arguments: &str) -> String {
    let (mut parts, mut fixed) = (Vec::new(), String::new());
    for piece in text.pieces() {
        match piece {
            Piece::Literal(text) => fixed.push_str(text),
            Piece::Hole(Hole::Arguments) => {
                parts.extend([literal(&std::mem::take(&mut fixed)), arguments.to_owned()]);
            }
            Piece::Hole(_) => fixed.push_str(name),
        }
    }
    parts.push(literal(&fixed));
    parts.join(" ")
}
