//! Values that have no members: lists, texts, numbers and words, and a value of which nothing is said.

use serde_json::{Map, Value};

use super::{Notation, Values, count, list};
use crate::grammar::rules::{class, literal, repeated};

/// A model that is weak runs on otherwise.
const DIGITS_MAX: u32 = 15;

impl<'a> Values<'a, '_> {
    /// A list by this schema.
    pub(super) fn array(&mut self, map: &'a Map<String, Value>) -> String {
        let comma = literal(self.comma());
        if let Some(firsts) = list(map, "prefixItems") {
            let firsts: Vec<_> = firsts.iter().map(|schema| self.item(schema)).collect();
            // More may follow, unless the schema says that nothing may.
            let more = match map.get("items") {
                Some(Value::Bool(false)) => String::new(),
                items => {
                    let item = self.item(items.unwrap_or(&Value::Null));
                    format!(" ( {comma} {item} )*")
                }
            };
            return self.bracketed(&format!("{}{more}", firsts.join(&format!(" {comma} "))));
        }
        let item = self.item(map.get("items").unwrap_or(&Value::Null));
        let (least, most) = (count(map, "minItems").unwrap_or(0), count(map, "maxItems"));
        let more = format!("{comma} {item}");
        let body = match (least, most) {
            (_, Some(0)) => return self.no_items(),
            (0, most) => format!("( {item} {} )?", repeated(&more, 0, most.map(|most| most - 1))),
            (least, most) => format!("{item} {}", repeated(&more, least - 1, most.map(|most| most.max(least) - 1))),
        };
        self.bracketed(&body)
    }

    fn item(&mut self, schema: &'a Value) -> String {
        let value = self.value(schema);
        match &self.style.notation {
            Notation::Elements { item, .. } => {
                let element = self.element(&literal(item), &value);
                self.rules.add("item", element)
            }
            _ => value,
        }
    }

    fn no_items(&self) -> String {
        literal(if matches!(self.style.notation, Notation::Elements { .. }) { "" } else { "[]" })
    }

    fn bracketed(&mut self, items: &str) -> String {
        let body = match self.style.notation {
            Notation::Elements { .. } => items.to_owned(),
            _ => format!("\"[\" {items} \"]\""),
        };
        self.rules.add("array", body)
    }

    /// A text by this schema.
    pub(super) fn string(&mut self, map: &'a Map<String, Value>) -> String {
        let (least, most) = (count(map, "minLength"), count(map, "maxLength"));
        let is_quoted = matches!(self.style.notation, Notation::Json | Notation::Python);
        if !is_quoted || (least, most) == (None, None) {
            return self.any_string();
        }
        let c = self.json_char();
        let chars = repeated(&c, least.unwrap_or(0), most.map(|most| most.max(least.unwrap_or(0))));
        self.rules.add("string", format!("\"\\\"\" {chars} \"\\\"\""))
    }

    /// Any text.
    pub(super) fn any_string(&mut self) -> String {
        let closers = self.style.closers.iter().map(String::as_str);
        match &self.style.notation {
            Notation::Json | Notation::Python => {
                let c = self.json_char();
                self.rules.add("string", format!("\"\\\"\" {c}* \"\\\"\""))
            }
            Notation::Literal(quote) => {
                let text = self.rules.until(&closers.chain([quote.as_str()]).collect::<Vec<_>>());
                self.rules.add("string", format!("{0} {text} {0}", literal(quote)))
            }
            Notation::Elements { .. } => self.rules.until(&closers.collect::<Vec<_>>()),
        }
    }

    fn json_char(&mut self) -> String {
        let mut bare: Vec<_> = self.style.closers.iter().filter_map(|text| text.chars().next()).collect();
        bare.extend(['"', '\\']);
        bare.sort_unstable();
        bare.dedup();
        let bare = class("^\\x00-\\x1F\\x7F", &bare);
        // What is an escape in both.
        let escaped = if self.style.notation == Notation::Python { r"\x22\x5Cnrt" } else { r"\x22\x5C/bfnrt" };
        self.rules.add("char", format!(r#"{bare} | "\\" ( [{escaped}] | "u" [0-9a-fA-F]{{4}} )"#))
    }

    /// An integer.
    pub(super) fn integer(&mut self) -> String {
        self.rules.add("integer", format!("\"-\"? ( \"0\" | [1-9] [0-9]{{0,{DIGITS_MAX}}} )"))
    }

    /// A number.
    pub(super) fn number(&mut self) -> String {
        let integer = self.integer();
        let body = format!("{integer} ( \".\" [0-9]{{1,{DIGITS_MAX}}} )? ( [eE] ( \"+\" | \"-\" )? [0-9]{{1,2}} )?");
        self.rules.add("number", body)
    }

    /// A word of JSON's, as it is written here.
    pub(super) fn word(&self, word: &str) -> String {
        literal(self.spelled(word))
    }

    fn spelled<'w>(&self, word: &'w str) -> &'w str {
        match (word, &self.style.notation) {
            ("true", Notation::Python) => "True",
            ("false", Notation::Python) => "False",
            ("null", Notation::Python) => "None",
            _ => word,
        }
    }

    /// Any value.
    pub(super) fn anything(&mut self) -> String {
        if let Some(name) = &self.anything {
            return name.clone();
        }
        // What is an element's text and what are elements in it only a schema tells.
        if matches!(self.style.notation, Notation::Elements { .. }) {
            return self.any_string();
        }
        let (name, reserved) = self.rules.reserve("value");
        self.anything = Some(name.clone());
        let comma = literal(self.comma());
        let object = self.any_object();
        let array = self.rules.add("array", format!("\"[\" ( {name} ( {comma} {name} )* )? \"]\""));
        let (string, number) = (self.any_string(), self.number());
        let words = ["true", "false", "null"].map(|word| self.word(word)).join(" | ");
        self.rules.define(reserved, format!("{object} | {array} | {string} | {number} | {words}"));
        name
    }

    /// This value and no other.
    pub(super) fn exactly(&mut self, value: &Value) -> String {
        match (value, &self.style.notation) {
            (Value::String(text), Notation::Literal(quote)) if !text.contains(quote.as_str()) => {
                literal(&format!("{quote}{text}{quote}"))
            }
            (Value::String(text), Notation::Elements { prefix, .. }) if !text.contains(prefix.as_str()) => {
                literal(text)
            }
            // What cannot be written there can be anything.
            (
                Value::String(_) | Value::Array(_) | Value::Object(_),
                Notation::Literal(_) | Notation::Elements { .. },
            ) => self.anything(),
            (value, _) => literal(&self.written(value)),
        }
    }

    /// A value as text, where strings are JSON's.
    fn written(&self, value: &Value) -> String {
        match value {
            Value::Array(all) => {
                let all: Vec<_> = all.iter().map(|one| self.written(one)).collect();
                format!("[{}]", all.join(", "))
            }
            Value::Object(all) => {
                let pair =
                    |(key, value): (&String, _)| format!("{}: {}", Value::from(key.as_str()), self.written(value));
                let all: Vec<_> = all.iter().map(pair).collect();
                format!("{{{}}}", all.join(", "))
            }
            value => self.spelled(&value.to_string()).to_owned(),
        }
    }

    /// What stands between two members, or two items.
    pub(super) fn comma(&self) -> &'static str {
        match self.style.notation {
            Notation::Json | Notation::Python => ", ",
            Notation::Literal(_) => ",",
            Notation::Elements { .. } => "",
        }
    }
}
