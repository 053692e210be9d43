//! The types that Ollama's requests have, and what it says of a value that has another.
//! Checks no meaning: that is for who has read the whole request.

use serde_json::Value;

/// A type of a member, as Go decodes it. `null` is everywhere as good as absent, and unknown members are passed over.
pub(super) enum Shape {
    Text,
    Flag,
    Int,
    /// What is read later.
    Any,
    /// An object of any members.
    Object,
    /// A text, or a list of them.
    TextOrTexts,
    List(&'static Shape),
    /// An object whose members are all alike.
    Map(&'static Shape),
    Struct(&'static [(&'static str, &'static Shape)]),
}

pub(super) static CHAT: Shape = Shape::Struct(&[
    ("model", &Shape::Text),
    ("messages", &Shape::List(&MESSAGE)),
    ("tools", &Shape::List(&TOOL)),
    ("stream", &Shape::Flag),
    ("options", &Shape::Object),
    ("truncate", &Shape::Flag),
    ("shift", &Shape::Flag),
    ("logprobs", &Shape::Flag),
    ("top_logprobs", &Shape::Int),
]);

static MESSAGE: Shape = Shape::Struct(&[
    ("role", &Shape::Text),
    ("content", &Shape::Text),
    ("thinking", &Shape::Text),
    ("images", &Shape::List(&Shape::Text)),
    ("tool_calls", &Shape::List(&CALL)),
    ("tool_name", &Shape::Text),
    ("tool_call_id", &Shape::Text),
]);

static CALL: Shape = Shape::Struct(&[("id", &Shape::Text), ("function", &CALLED)]);
static CALLED: Shape = Shape::Struct(&[("index", &Shape::Int), ("name", &Shape::Text), ("arguments", &Shape::Object)]);

static TOOL: Shape = Shape::Struct(&[("type", &Shape::Text), ("function", &FUNCTION)]);
static FUNCTION: Shape =
    Shape::Struct(&[("name", &Shape::Text), ("description", &Shape::Text), ("parameters", &PARAMETERS)]);
static PARAMETERS: Shape = Shape::Struct(&[
    ("type", &Shape::Text),
    ("required", &Shape::List(&Shape::Text)),
    ("properties", &Shape::Map(&PROPERTY)),
]);
static PROPERTY: Shape = Shape::Struct(&[
    ("anyOf", &Shape::List(&PROPERTY)),
    ("type", &Shape::TextOrTexts),
    ("description", &Shape::Text),
    ("enum", &Shape::List(&Shape::Any)),
    ("properties", &Shape::Map(&PROPERTY)),
    ("required", &Shape::List(&Shape::Text)),
]);

impl Shape {
    /// Checks a value that stands at `path`; what it fails with is an error's message.
    pub fn check(&self, value: &Value, path: &str) -> Result<(), String> {
        let below = |name: &str| format!("{path}.{name}");
        match (self, value) {
            (_, Value::Null)
            | (Self::Any, _)
            | (Self::Text | Self::TextOrTexts, Value::String(_))
            | (Self::Flag, Value::Bool(_))
            | (Self::Object, Value::Object(_)) => Ok(()),
            (Self::Int, Value::Number(number)) if number.is_i64() => Ok(()),
            (Self::TextOrTexts, Value::Array(items)) => items.iter().try_for_each(|item| Self::Text.check(item, path)),
            (Self::List(of), Value::Array(items)) => items.iter().try_for_each(|item| of.check(item, path)),
            (Self::Map(of), Value::Object(members)) => {
                members.iter().try_for_each(|(name, value)| of.check(value, &below(name)))
            }
            (Self::Struct(fields), Value::Object(members)) => fields
                .iter()
                .try_for_each(|(name, of)| members.get(*name).map_or(Ok(()), |value| of.check(value, &below(name)))),
            _ => {
                let (kind, wanted) = (kind(value), self.word());
                Err(format!("json: cannot unmarshal {kind} into Go struct field {path} of type {wanted}"))
            }
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Flag => "bool",
            Self::Int => "int",
            Self::Any | Self::Object | Self::Map(_) => "map[string]interface {}",
            Self::TextOrTexts | Self::List(Self::Text) => "[]string",
            Self::List(_) => "[]struct",
            Self::Struct(_) => "struct",
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Checks a model's options; unknown ones are passed over. What it fails with is an error's message.
pub(super) fn check_options(options: &Value) -> Result<(), String> {
    for (name, value) in options.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let name = name.as_str();
        let wanted = match name {
            _ if FLOATS.contains(&name) && !value.is_number() => "float32",
            _ if INTEGERS.contains(&name) && !value.is_number() => "integer",
            "use_mmap" if !value.is_boolean() => "boolean",
            "stop" => match value.as_array() {
                None => "array",
                Some(items) if !items.iter().all(Value::is_string) => "[]string",
                Some(_) => continue,
            },
            _ => continue,
        };
        return Err(format!("option {name:?} must be of type {wanted}"));
    }
    Ok(())
}

const FLOATS: [&str; 7] =
    ["temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty", "frequency_penalty"];

const INTEGERS: [&str; 11] = [
    "num_keep",
    "seed",
    "num_predict",
    "top_k",
    "repeat_last_n",
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "draft_num_predict",
];
