//! Calls as a family writes them, as rules of a grammar: what stands around them, and their arguments inside. What such
//! a grammar admits is what `prompt` writes of a past call.

use serde_json::Value;

use super::rules::{Rules, any_of, literal};
use super::values::{KEY, Notation, Style, Values, others};
use crate::chat::{IdForm, IdPart, Tool};
use crate::decode::Reasoning;
use crate::dialect::prompt::{Hole, Piece, Text};
use crate::dialect::{ArgumentsForm, Payload, Spec, StartOfAnswer, WrittenSpec};
use crate::json::Kinds;
use crate::python::{field_name, model_name};
use crate::schema;

/// The calls of one dialect, in one of its spellings.
pub struct Calls<'d> {
    spec: &'d Spec,
    written: &'d WrittenSpec,
    style: Style,
}

/// The parameters of a tool, as its schema and as what is known of the kinds.
struct Parameters<'t> {
    schema: &'t Value,
    tools: schema::Tools,
    name: &'t str,
}

/// What calls begin with, as far as it is always the same.
pub fn openers(spec: &Spec) -> impl Iterator<Item = &str> {
    let section = spec.section.iter().flat_map(|section| &section.open);
    section.chain(&spec.call.open).chain(&spec.call.bare).map(String::as_str)
}

/// Whether calls begin with an opener, so that no bare one escapes notice.
pub fn are_opened(spec: &Spec) -> bool {
    // A fence behind other backticks is none.
    let is_known = !openers(spec).any(|opener| opener.starts_with('`'));
    is_known && openers(spec).next().is_some() && spec.call.start != Some(StartOfAnswer::Json)
}

impl<'d> Calls<'d> {
    /// The calls of a dialect in this spelling.
    pub fn new(spec: &'d Spec, written: &'d WrittenSpec) -> Self {
        let (notation, closers) = match written.arguments {
            ArgumentsForm::Json | ArgumentsForm::Indented(_) => (Notation::Json, Vec::new()),
            ArgumentsForm::Python | ArgumentsForm::Fields => (Notation::Python, Vec::new()),
            ArgumentsForm::Members(_) => (Notation::Json, enders(spec)),
            ArgumentsForm::Literal => (literal_notation(spec), spec.call.close.clone()),
            ArgumentsForm::Elements => (elements_notation(spec), enders(spec)),
        };
        Self { spec, written, style: Style { notation, closers } }
    }

    /// What stands between two calls.
    pub fn between(&self) -> &'d str {
        &self.written.between
    }

    /// What stands around all calls.
    pub fn sides(&self) -> (&'d str, &'d str) {
        self.written.calls.sides()
    }

    /// A thought that is a message of its own, if there are such.
    pub fn thought(&self, reasoning: Reasoning, rules: &mut Rules) -> Option<String> {
        let (before, behind) = self.written.thought.sides();
        let messages = self.spec.messages.as_ref().filter(|_| !self.written.thought.pieces().is_empty())?;
        let enders: Vec<_> = messages.end.iter().chain(&messages.start).map(String::as_str).collect();
        let thought = format!("{} {}", rules.until(&enders), literal(behind));
        Some(match reasoning {
            Reasoning::Open => thought,
            Reasoning::Auto | Reasoning::Off => format!("( {} {thought} )?", literal(before)),
        })
    }

    /// A call of one tool.
    pub fn call(&self, tool: &Tool, rules: &mut Rules) -> String {
        let schema = tool.parameters.as_deref().and_then(|written| serde_json::from_str(written).ok());
        let schema = schema.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let parameters =
            Parameters { schema: &schema, tools: schema::Tools::new(vec![tool.clone()]), name: &tool.name };
        let mut values = Values::new(&schema, &self.style, rules);
        let arguments = match &self.written.arguments {
            ArgumentsForm::Json | ArgumentsForm::Indented(_) | ArgumentsForm::Literal | ArgumentsForm::Elements => {
                values.arguments(&schema)
            }
            ArgumentsForm::Python => values.keywords(&schema).unwrap_or_else(|| values.arguments(&schema)),
            ArgumentsForm::Fields => {
                values.keywords(&schema).unwrap_or_else(|| format!("{} {}", literal("**"), values.arguments(&schema)))
            }
            ArgumentsForm::Members(each) => self.members(each, &parameters, rules),
        };
        let id = id(&self.spec.ids.mint, &tool.name);
        let (function, model) =
            (field_name(&tool.name), model_name(&tool.name, schema.get("title").and_then(Value::as_str)));
        let body = joined(self.written.call.pieces().iter().map(|piece| match piece {
            Piece::Literal(text) => Part::Text(text),
            Piece::Hole(Hole::Arguments) => Part::Rule(&arguments),
            Piece::Hole(Hole::Id) => Part::Rule(&id),
            Piece::Hole(Hole::Number | Hole::Nth) => Part::Rule(NUMBER),
            Piece::Hole(Hole::Function) => Part::Text(&function),
            Piece::Hole(Hole::Model) => Part::Text(&model),
            Piece::Hole(_) => Part::Text(parameters.name),
        }));
        rules.add("call", body)
    }

    /// All parameters in the schema's order, those that are not required perhaps, and then others if there may be any.
    fn members(&self, each: &Text, parameters: &Parameters<'_>, rules: &mut Rules) -> String {
        let map = Values::new(parameters.schema, &self.style, rules).resolved(parameters.schema);
        let properties = map.and_then(|map| map.get("properties")?.as_object());
        let required = map.and_then(|map| map.get("required")?.as_array());
        let is_required = |key: &str| required.is_some_and(|all| all.iter().any(|one| one == key));
        let mut all = Vec::new();
        for (key, schema) in properties.into_iter().flatten() {
            if rules.is_full() {
                break;
            }
            let member = self.member(each, parameters, key, schema, rules);
            all.push(if is_required(key) { member } else { format!("{member}?") });
        }
        if properties.is_none() || map.is_some_and(others) {
            let key = rules.add("key", String::from(KEY));
            let text = Holds { value: self.raw(rules), types: vec!["string"] };
            let member = rules.add("parameter", filled(each, Part::Rule(&key), &text));
            all.push(format!("{member}*"));
        }
        if all.is_empty() { String::from("\"\"") } else { all.join(" ") }
    }

    /// A parameter: a text where it can be a string, else JSON; both, where the text says which it is.
    fn member<'t>(
        &self,
        each: &Text,
        parameters: &Parameters<'t>,
        key: &str,
        schema: &'t Value,
        rules: &mut Rules,
    ) -> String {
        let tool = parameters.tools.find(parameters.name);
        let kinds = tool.map_or(Kinds::NONE, |tool| tool.kinds(tool.property(tool.root(), key)));
        let may_be_text = kinds.is_empty() || kinds.contains(Kinds::STRING);
        let says = |hole| each.pieces().contains(&Piece::Hole(hole));
        let mut all = Vec::new();
        if may_be_text {
            all.push(Holds { value: self.text(parameters, schema, rules), types: vec!["string"] });
        }
        let types = json_types(kinds);
        if !types.is_empty() && (!may_be_text || says(Hole::Type) || says(Hole::IsString)) {
            let value = Values::new(parameters.schema, &self.style, rules).value(schema);
            all.push(Holds { value, types });
        }
        let all: Vec<_> = all.iter().map(|holds| filled(each, Part::Text(key), holds)).collect();
        rules.add("parameter", any_of(&all))
    }

    /// A text between tags: one of the schema's, where it lists some.
    fn text<'t>(&self, parameters: &Parameters<'t>, schema: &'t Value, rules: &mut Rules) -> String {
        let values = Values::new(parameters.schema, &self.style, rules);
        let words = values.resolved(schema).and_then(|map| map.get("enum")?.as_array());
        let words = words.and_then(|all| all.iter().map(|word| word.as_str().map(literal)).collect::<Option<Vec<_>>>());
        let words = words.filter(|words| !words.is_empty());
        words.map_or_else(|| self.raw(rules), |words| any_of(&words))
    }

    /// A text that no literal ends before its own end.
    fn raw(&self, rules: &mut Rules) -> String {
        rules.until(&self.style.closers.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// The number of a call.
const NUMBER: &str = "[0-9]{1,4}";

/// An id that a model may write for itself.
fn id(form: &IdForm, name: &str) -> String {
    match form {
        IdForm::Letters(letters) => format!("[a-zA-Z0-9]{{{letters}}}"),
        IdForm::Call => String::from("[a-zA-Z0-9_.:-]{1,64}"),
        IdForm::Text(parts) => joined(parts.iter().map(|part| match part {
            IdPart::Literal(text) => Part::Text(text),
            IdPart::Name => Part::Text(name),
            IdPart::Number => Part::Rule(NUMBER),
        })),
    }
}

/// What a value between tags is, and what JSON calls its type.
struct Holds {
    value: String,
    types: Vec<&'static str>,
}

/// What JSON calls the types of these kinds that are no strings.
fn json_types(kinds: Kinds) -> Vec<&'static str> {
    let table = [
        (Kinds::INTEGER, "number"),
        (Kinds::NUMBER, "number"),
        (Kinds::BOOLEAN, "boolean"),
        (Kinds::NULL, "null"),
        (Kinds::ARRAY, "array"),
        (Kinds::OBJECT, "object"),
    ];
    let mut types: Vec<_> = table.into_iter().filter(|(kind, _)| kinds.contains(*kind)).map(|(_, name)| name).collect();
    types.dedup();
    types
}

fn literal_notation(spec: &Spec) -> Notation {
    let mut quotes = spec.payload.iter().filter_map(|payload| match payload {
        Payload::Literal(literal) => Some(Notation::Literal(literal.quote.clone())),
        _ => None,
    });
    quotes.next().unwrap_or(Notation::Json)
}

fn elements_notation(spec: &Spec) -> Notation {
    let mut elements = spec.payload.iter().filter_map(|payload| match payload {
        Payload::Elements(elements) => {
            Some(Notation::Elements { prefix: elements.prefix.clone(), item: elements.item.clone() })
        }
        _ => None,
    });
    elements.next().unwrap_or(Notation::Json)
}

/// What may end a value between tags, wherever it stands in it.
fn enders(spec: &Spec) -> Vec<String> {
    let own = spec.payload.iter().flat_map(|payload| match payload {
        Payload::Tagged(tagged) => {
            let sides = [&tagged.key.0, &tagged.value.1, &tagged.close, &tagged.name.0].into_iter();
            let own = sides.flat_map(|texts| texts.iter().map(String::as_str));
            own.chain(tagged.cdata.iter().map(|[_, close]| close.as_str())).collect()
        }
        Payload::Elements(elements) => vec![elements.prefix.as_str()],
        Payload::Literal(_) | Payload::Json(_) | Payload::Header(_) | Payload::Python(_) | Payload::Code(_) => {
            Vec::new()
        }
    });
    let call = spec.enclosing();
    let all = own.map(str::to_owned).chain(call.close);
    all.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
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

/// A parameter's text with its holes filled.
fn filled(text: &Text, name: Part<'_>, holds: &Holds) -> String {
    let types: Vec<_> = holds.types.iter().map(|name| literal(name)).collect();
    let types = any_of(&types);
    joined(text.pieces().iter().map(|piece| match piece {
        Piece::Literal(text) => Part::Text(text),
        Piece::Hole(Hole::Arguments) => Part::Rule(&holds.value),
        Piece::Hole(Hole::Type) => Part::Rule(&types),
        Piece::Hole(Hole::IsString) => Part::Text(if holds.types == ["string"] { "true" } else { "false" }),
        Piece::Hole(_) => name,
    }))
}
