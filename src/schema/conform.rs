//! Python's values made fit a tool's schema, as pydantic does it where it is lax: a numeric text is a number where only
//! that will do, `yes` is true, an enum's member is its value, and a field that nobody declared is dropped.
//! Goes further where a call would be lost: a number is a string of its digits where only that will do.
//!
//! Alternatives of a schema are not told apart: what one of them allows at a place is allowed there.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::compile::Place;
use super::{Node, Tool};
use crate::json::{Kinds, repair, write_string};
use crate::python::{Value, member_name};

impl Tool {
    /// The property of the object at `at` that a keyword means: the one of that name, or the one that it stands for in
    /// Python; itself, where the schema says that there may be others, or names none. `None` is unknown.
    pub fn field<'a>(&'a self, at: Node, written: &'a str) -> Option<&'a str> {
        let declared = self.schema().place(at).and_then(|place| place.field(written));
        declared.or_else(|| self.expects(at, written).then_some(written))
    }

    /// The JSON of a value as the schema wants it at `at`, `None` where it cannot be.
    /// A value is as deep as its reader lets it be.
    pub fn conform(&self, at: Node, value: &Value) -> Option<String> {
        let mut out = String::new();
        self.write(at, value, &mut out)?;
        Some(out)
    }

    /// Whether a value says no more than that a property of the object at `at` is not given: `None`, where null is not
    /// allowed and the property is not required.
    pub fn is_unset(&self, at: Node, key: &str, value: &Value) -> bool {
        let is_required = self.schema().place(at).is_some_and(|place| place.required.contains(key));
        *value == Value::None && !is_required && allowed(self.schema().place(self.property(at, key)), value).is_none()
    }

    /// Whether the object at `at` must have a property that is not given.
    pub fn lacks(&self, at: Node, is_given: impl Fn(&str) -> bool) -> bool {
        self.schema().place(at).is_some_and(|place| place.required.iter().any(|key| !is_given(key)))
    }

    /// Whether nothing but a string will do at `at`, and any will.
    pub fn is_plain_text(&self, at: Node) -> bool {
        self.schema()
            .place(at)
            .is_some_and(|place| place.kinds == Kinds::STRING && place.free == Kinds::STRING && place.listed.is_empty())
    }

    fn write(&self, at: Node, value: &Value, out: &mut String) -> Option<()> {
        let place = self.schema().place(at);
        let is_free = |kind| place.is_none_or(|place| place.free.contains(kind));
        match value {
            Value::List(values) if is_free(Kinds::ARRAY) => self.write_array(self.item(at), values, out),
            Value::Dict(members) | Value::Model { fields: members, .. } if is_free(Kinds::OBJECT) => {
                self.write_object(at, members, out)
            }
            Value::List(_) | Value::Dict(_) | Value::Model { .. } => None,
            Value::Member { name, .. } => {
                out.push_str(&member(place?, name)?);
                Some(())
            }
            scalar => {
                out.push_str(&conformed(place, scalar)?);
                Some(())
            }
        }
    }

    fn write_array(&self, item: Node, values: &[Value], out: &mut String) -> Option<()> {
        out.push('[');
        for (place, value) in values.iter().enumerate() {
            out.push_str(if place > 0 { "," } else { "" });
            self.write(item, value, out)?;
        }
        out.push(']');
        Some(())
    }

    /// Of two fields that mean one property the first counts.
    fn write_object(&self, at: Node, members: &[(String, Value)], out: &mut String) -> Option<()> {
        let mut given = HashSet::new();
        out.push('{');
        for (written, value) in members {
            let Some(key) = self.field(at, written) else { continue };
            let place = self.property(at, key);
            if self.is_unset(at, key, value) || !given.insert(key) {
                continue;
            }
            out.push_str(if given.len() > 1 { "," } else { "" });
            write_string(key, out);
            out.push(':');
            self.write(place, value, out)?;
        }
        out.push('}');
        (!self.lacks(at, |key| given.contains(key))).then_some(())
    }
}

/// A scalar as it is, or as what it may be taken for, or as the member of an enum that it names.
fn conformed(place: Option<&Place>, scalar: &Value) -> Option<String> {
    let as_another = || taken_for(scalar).iter().find_map(|other| allowed(place, other));
    let as_member = || match scalar {
        Value::Text(name) => member(place?, name),
        _ => None,
    };
    allowed(place, scalar).or_else(as_another).or_else(as_member)
}

/// The JSON of a scalar that is allowed as it is.
fn allowed(place: Option<&Place>, scalar: &Value) -> Option<String> {
    let (kind, json) = match scalar {
        Value::None => (Kinds::NULL, "null".to_owned()),
        Value::Bool(is_true) => (Kinds::BOOLEAN, is_true.to_string()),
        Value::Number(number) => (if is_whole(number) { Kinds::INTEGER } else { Kinds::NUMBER }, number.clone()),
        Value::Text(text) => {
            let mut json = String::new();
            write_string(text, &mut json);
            (Kinds::STRING, json)
        }
        Value::List(_) | Value::Dict(_) | Value::Model { .. } | Value::Member { .. } => return None,
    };
    let Some(place) = place.filter(|place| !place.free.contains(kind)) else { return Some(json) };
    place.listed.iter().find(|listed| is_same(listed, scalar)).map(Json::to_string)
}

fn is_same(listed: &Json, scalar: &Value) -> bool {
    match (listed, scalar) {
        (Json::Null, Value::None) => true,
        (Json::Bool(listed), Value::Bool(is_true)) => listed == is_true,
        (Json::String(listed), Value::Text(text)) => listed == text,
        (Json::Number(listed), Value::Number(number)) => {
            listed.to_string() == *number || listed.as_f64().is_some_and(|listed| number.parse() == Ok(listed))
        }
        _ => false,
    }
}

/// The value of an enum's member, by its name or by the value itself.
fn member(place: &Place, name: &str) -> Option<String> {
    let text = |listed: &Json| listed.as_str().map_or_else(|| listed.to_string(), str::to_owned);
    let mut listed = place.listed.iter();
    let exact = listed.clone().find(|listed| text(listed) == name);
    exact.or_else(|| listed.find(|listed| member_name(&text(listed)) == name)).map(Json::to_string)
}

/// What a scalar may be taken for where it is not allowed as it is, the likeliest first.
fn taken_for(scalar: &Value) -> Vec<Value> {
    match scalar {
        Value::Text(text) => {
            let number = repair::number(text.trim()).filter(|number| number.parse().is_ok_and(f64::is_finite));
            let whole = number.as_deref().and_then(whole);
            let numbers = number.into_iter().chain(whole).map(Value::Number);
            numbers.chain(truth(text.trim()).map(Value::Bool)).collect()
        }
        Value::Number(digits) => {
            let whole = whole(digits);
            let is_true = truth(whole.as_deref().unwrap_or(digits)).map(Value::Bool);
            whole.map(Value::Number).into_iter().chain(is_true).chain([Value::Text(digits.clone())]).collect()
        }
        Value::Bool(is_true) => {
            vec![Value::Number(u8::from(*is_true).to_string()), Value::Text(is_true.to_string())]
        }
        _ => vec![],
    }
}

/// The words by which pydantic knows a boolean.
fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
        "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
        _ => None,
    }
}

fn is_whole(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

/// The integer that a number with a point or an exponent is, where a double says exactly which.
fn whole(number: &str) -> Option<String> {
    let double: f64 = number.parse().ok().filter(|_| !is_whole(number))?;
    let is_exact = double.fract() == 0.0 && double.abs() <= EXACT_MAX;
    is_exact.then(|| format!("{:.0}", double + 0.0))
}

/// Doubles beyond stand for several integers.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests;
