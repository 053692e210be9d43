//! What rewriting must know of a chunk or a whole answer, borrowed from its bytes.
//! Builds no tree: values stay raw, so each can be found again in the bytes and replaced there.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::shape;
use crate::json;

/// A chunk of a stream, or a whole answer.
#[derive(Debug, Default)]
pub(super) struct Chunk<'a> {
    /// The members that each event of a stream repeats.
    pub envelope: Vec<(Cow<'a, str>, &'a RawValue)>,
    pub choices: Vec<Choice<'a>>,
    pub error: Option<&'a RawValue>,
    /// Whether there is anything else, such as `usage` or `timings`.
    pub carries: bool,
}

#[derive(Debug, Default)]
pub(super) struct Choice<'a> {
    pub index: u64,
    /// The whole of `delta` or `message`.
    pub raw_message: Option<&'a RawValue>,
    pub message: Message<'a>,
    pub finish_reason: Option<&'a RawValue>,
    /// Whether there is anything else, such as `logprobs`.
    pub carries: bool,
}

/// A `delta` or a `message`.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub members: Vec<(Cow<'a, str>, &'a RawValue)>,
    pub role: Option<&'a RawValue>,
    pub content: Option<&'a RawValue>,
    pub reasoning: Option<Reasoning<'a>>,
    pub tool_calls: Option<&'a RawValue>,
    /// Whether there is more than a role and text: calls and reasoning that are not empty, or unknown members.
    pub carries: bool,
}

/// A member for reasoning that the upstream has, perhaps empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reasoning<'a> {
    pub key: ReasoningKey,
    pub value: &'a RawValue,
}

/// What the upstream calls reasoning; the client gets it under the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ReasoningKey {
    /// As llama.cpp, SGLang and DeepSeek say.
    #[default]
    ReasoningContent,
    /// As vLLM and OpenRouter say.
    Reasoning,
}

impl ReasoningKey {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ReasoningContent => "reasoning_content",
            Self::Reasoning => "reasoning",
        }
    }
}

impl<'a> Chunk<'a> {
    /// `None` when this is not JSON of the shape that chunks and answers have.
    pub(super) fn parse(data: &'a [u8]) -> Option<Self> {
        let Members(members) = serde_json::from_slice(data).ok()?;
        let mut chunk = Self::default();
        for (key, value) in members {
            match key.as_ref() {
                "choices" if value.get() == "null" => {}
                "choices" => {
                    let choices: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
                    chunk.choices = choices.into_iter().map(Choice::parse).collect::<Option<_>>()?;
                }
                "error" if value.get() == "null" => {}
                "error" => chunk.error = Some(value),
                "id" | "object" | "created" | "model" | "system_fingerprint" | "service_tier" => {
                    chunk.envelope.push((key, value));
                }
                _ => chunk.carries |= !is_void(value),
            }
        }
        Some(chunk)
    }
}

impl<'a> Choice<'a> {
    fn parse(raw: &'a RawValue) -> Option<Self> {
        let Members(members) = serde_json::from_str(raw.get()).ok()?;
        let mut choice = Self::default();
        for (key, value) in members {
            match key.as_ref() {
                "index" => choice.index = value.get().parse().ok()?,
                "delta" | "message" if value.get() == "null" => {}
                "delta" | "message" => {
                    choice.message = Message::parse(value)?;
                    choice.raw_message = Some(value);
                }
                "finish_reason" => choice.finish_reason = Some(value),
                _ => choice.carries |= !is_void(value),
            }
        }
        Some(choice)
    }

    /// The server's finish reason, once there is one.
    pub(super) fn finished(&self) -> Option<&'a str> {
        string(self.finish_reason?).filter(|reason| !reason.is_empty())
    }
}

impl<'a> Message<'a> {
    fn parse(raw: &'a RawValue) -> Option<Self> {
        let Members(members) = serde_json::from_str(raw.get()).ok()?;
        let mut message = Self::default();
        for (key, value) in &members {
            match key.as_ref() {
                "role" => message.role = Some(value),
                "content" => message.content = Some(value),
                "tool_calls" => {
                    message.tool_calls = Some(value);
                    message.carries |= !is_void(value);
                }
                "reasoning_content" => message.add_reasoning(ReasoningKey::ReasoningContent, value),
                "reasoning" => message.add_reasoning(ReasoningKey::Reasoning, value),
                _ => message.carries |= !is_void(value),
            }
        }
        message.members = members;
        Some(message)
    }

    /// Whether the upstream itself made calls of the model's text.
    pub(super) fn has_calls(&self) -> bool {
        self.tool_calls.is_some_and(|value| !is_void(value))
    }

    /// The model's text; `None` when `content` is absent, null or not a string.
    /// `scratch` holds it when it was escaped.
    pub(super) fn text<'t>(&self, scratch: &'t mut String) -> Option<&'t str>
    where
        'a: 't,
    {
        shape::text(string(self.content?)?.as_bytes(), scratch)
    }

    /// Appends the message without its role, and without its text.
    pub(super) fn write_rest(&self, out: &mut String) {
        out.push('{');
        let mut comma = "";
        for (key, value) in &self.members {
            let value = match key.as_ref() {
                "role" => continue,
                "content" if string(value).is_some() => "\"\"",
                _ => value.get(),
            };
            out.push_str(comma);
            json::write_string(key, out);
            out.push(':');
            out.push_str(value);
            comma = ",";
        }
        out.push('}');
    }

    /// Of two members the one that says something is the one to keep to.
    fn add_reasoning(&mut self, key: ReasoningKey, value: &'a RawValue) {
        if self.reasoning.is_none_or(|other| is_void(other.value)) {
            self.reasoning = Some(Reasoning { key, value });
        }
        self.carries |= !is_void(value);
    }
}

/// Where in `data` a part that was borrowed from it stands.
pub(super) fn place(data: &[u8], part: &RawValue) -> Range<usize> {
    let part = part.get();
    let start = part.as_ptr().addr().saturating_sub(data.as_ptr().addr());
    debug_assert_eq!(data.get(start..start + part.len()), Some(part.as_bytes()), "the part is not of this data");
    start..start + part.len()
}

/// What stands between a JSON string's quotes; `None` when the value is not a string.
pub(super) fn string(value: &RawValue) -> Option<&str> {
    value.get().strip_prefix('"')?.strip_suffix('"')
}

/// Whether a value says nothing.
pub(super) fn is_void(value: &RawValue) -> bool {
    matches!(value.get(), "null" | "\"\"" | "[]" | "{}")
}

/// An object's members in their order, the values raw.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some((Key(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
