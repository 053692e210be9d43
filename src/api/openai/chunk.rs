//! Chunk of a stream: what rewriting must know of a chunk or a whole answer, borrowed from its bytes.
//! Builds no tree: values stay raw, so each can be found again in the bytes and replaced there.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use super::server_error::ServerError;
use super::usage;
use crate::api::Tokens;
use crate::json::{self, Edit, Object, inside};

/// A chunk of a stream, or a whole answer, of JSON that has been read: its parts are not judged again.
#[derive(Debug)]
pub struct Chunk<'a> {
    pub object: &'a Object<'a>,
    pub choices: Vec<Choice<'a>>,
    pub error: Option<ServerError<'a>>,
    /// Whether there is anything else, such as `usage` or `timings`.
    pub carries: bool,
}

#[derive(Debug, Default)]
pub struct Choice<'a> {
    pub index: u64,
    pub message: Message<'a>,
    /// The text of a completion, which has no message.
    pub text: Option<&'a str>,
    pub logprobs: Option<&'a str>,
    pub finish_reason: Option<&'a str>,
    /// What its server says has stopped it: a string, or a token's number. As vLLM and SGLang call it.
    pub stopped_by: Option<&'a str>,
    /// Whether there is anything else, such as `logprobs`.
    pub carries: bool,
}

/// A `delta` or a `message`.
#[derive(Debug, Default)]
pub struct Message<'a> {
    /// All of it, as it was written; empty when there is none.
    pub raw: &'a str,
    pub role: Option<&'a str>,
    pub content: Option<&'a str>,
    pub reasoning: Option<Reasoning<'a>>,
    pub tool_calls: Option<&'a str>,
    /// The words by which the model refuses to answer.
    pub refusal: Option<&'a str>,
    /// Whether there is more than a role, text and reasoning: calls that are not empty, or unknown members.
    pub carries: bool,
    /// Whether there are unknown members.
    pub has_others: bool,
}

/// A member for reasoning that the upstream has, perhaps empty.
#[derive(Clone, Copy, Debug)]
pub struct Reasoning<'a> {
    pub key: ReasoningKey,
    pub value: &'a str,
    /// The same under its other name, as vLLM says it while it changes names.
    twin: Option<&'a str>,
}

/// What becomes of reasoning that the upstream split off itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServersReasoning {
    /// It stays as it came.
    Kept,
    /// It was read as the text was, and something else takes its place.
    Read,
}

/// What the upstream calls reasoning; the client gets it under the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReasoningKey {
    /// As llama.cpp, SGLang and DeepSeek say.
    #[default]
    ReasoningContent,
    /// As vLLM and OpenRouter say.
    Reasoning,
}

impl ReasoningKey {
    /// The member's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReasoningContent => "reasoning_content",
            Self::Reasoning => "reasoning",
        }
    }
}

impl<'a> Reasoning<'a> {
    /// What stands between its quotes; `None` when it is no string.
    pub fn inside(&self) -> Option<&'a [u8]> {
        Some(inside(self.value)?.as_bytes())
    }

    /// The values that say it.
    pub fn values(&self) -> impl Iterator<Item = &'a str> {
        [Some(self.value), self.twin].into_iter().flatten()
    }
}

impl<'a> Chunk<'a> {
    /// `None` when the object has not the shape of chunks and answers.
    pub fn of(object: &'a Object<'a>) -> Option<Self> {
        let mut choices = Vec::new();
        if let Some(list) = object.present("choices") {
            choices =
                json::elements(list)?.into_iter().map(|raw| Choice::of(&Object::part(raw)?)).collect::<Option<_>>()?;
        }
        let carries = object.members().any(|(key, value)| is_extra(key) && !is_void(value));
        Some(Self { error: ServerError::of(object), choices, carries, object })
    }

    /// What the server says here of its tokens. llama.cpp's `timings` are of one choice alone, so they count only
    /// where one is asked for.
    pub fn tokens(&self, choices_asked: usize) -> Option<Tokens> {
        if !self.carries {
            return None;
        }
        let usage = self.object.present("usage").and_then(usage::of_usage);
        let timings = self.object.present("timings").filter(|_| choices_asked == 1).and_then(usage::of_timings);
        match (usage, timings) {
            (Some(usage), Some(timings)) => Some(usage.or(timings)),
            (usage, timings) => usage.or(timings),
        }
    }

    /// How long its server wrote at the answer, where it says so of its one choice.
    pub fn output_time(&self) -> Option<Duration> {
        self.object.present("timings").filter(|_| self.carries).and_then(usage::output_time)
    }

    /// How many of the tokens that it wrote were thoughts, where its server counts them apart.
    pub fn thinking_tokens(&self) -> Option<u64> {
        self.object.present("usage").filter(|_| self.carries).and_then(usage::thinking)
    }

    /// Whether the model said anything in this chunk.
    pub fn speaks(&self) -> bool {
        self.choices.iter().any(|choice| choice.message.speaks())
    }

    /// The value of `key`, if that is all there is beside choices, error and envelope.
    pub fn only_extra(&self, key: &str) -> Option<&'a str> {
        let mut extra = self.object.members().filter(|(name, value)| is_extra(name) && !is_void(value));
        match (extra.next(), extra.next()) {
            (Some((name, value)), None) if name == key => Some(value),
            _ => None,
        }
    }

    /// The members that each event of a stream repeats.
    pub fn envelope(&self) -> impl Iterator<Item = (&str, &str)> {
        self.object.members().filter(|(key, _)| ENVELOPE.contains(key))
    }
}

impl<'a> Choice<'a> {
    pub(super) fn of(object: &Object<'a>) -> Option<Self> {
        let mut choice = Self::default();
        for (key, value) in object.members() {
            match key {
                "index" => choice.index = value.parse().ok()?,
                "delta" | "message" if value == "null" => {}
                "delta" | "message" => choice.message = Message::parse(value)?,
                "finish_reason" => choice.finish_reason = Some(value),
                _ => choice.add_other(key, value),
            }
        }
        Some(choice)
    }

    /// What is carried along, some of which has a name here.
    fn add_other(&mut self, key: &str, value: &'a str) {
        match key {
            "text" => self.text = Some(value),
            "logprobs" => self.logprobs = Some(value),
            "stop_reason" | "matched_stop" if !is_void(value) => self.stopped_by = Some(value),
            _ => {}
        }
        self.carries |= !is_void(value);
    }

    /// Whether there is more than a role.
    pub fn says_something(&self) -> bool {
        self.carries || self.message.carries || self.message.speaks() || self.finished().is_some()
    }

    /// The server's finish reason, once there is one.
    pub fn finished(&self) -> Option<&'a str> {
        inside(self.finish_reason?).filter(|reason| !reason.is_empty())
    }
}

impl<'a> Message<'a> {
    fn parse(raw: &'a str) -> Option<Self> {
        let mut message = Self { raw, ..Self::default() };
        for (key, value) in Object::part(raw)?.members() {
            match key {
                "role" => message.role = Some(value),
                "content" => message.content = Some(value),
                "tool_calls" => message.tool_calls = Some(value),
                "refusal" => message.refusal = Some(value),
                "reasoning_content" => message.add_reasoning(ReasoningKey::ReasoningContent, value),
                "reasoning" => message.add_reasoning(ReasoningKey::Reasoning, value),
                _ => {}
            }
            let is_read = matches!(key, "role" | "content" | "reasoning_content" | "reasoning");
            message.carries |= !is_read && !is_void(value);
            message.has_others |= !is_read && key != "tool_calls" && !is_void(value);
        }
        Some(message)
    }

    /// Whether the model said anything: text, reasoning or a call.
    pub fn speaks(&self) -> bool {
        self.reasons() || [self.content, self.tool_calls].into_iter().flatten().any(|value| !is_void(value))
    }

    /// Whether there is reasoning that is not empty.
    pub fn reasons(&self) -> bool {
        self.reasoning.is_some_and(|reasoning| !is_void(reasoning.value))
    }

    /// The calls that the upstream itself made of the model's text.
    pub fn calls(&self) -> Option<&'a str> {
        self.tool_calls.filter(|value| !is_void(value))
    }

    /// The model's text as it stands between its quotes; `None` when `content` is absent, null or not a string.
    pub fn inside(&self) -> Option<&'a [u8]> {
        Some(inside(self.content?)?.as_bytes())
    }

    /// The message without its role and without what was read of it, and with other `calls` if there are any.
    pub fn rest(&self, reasoning: ServersReasoning, calls: Option<String>) -> String {
        let mut edits = vec![("role", Edit::Remove)];
        edits.extend(calls.map(|calls| ("tool_calls", Edit::Set(Cow::Owned(calls)))));
        let object = Object::part(self.raw);
        let is_read = |key: &&str| *key == "content" || reasoning == ServersReasoning::Read;
        for key in ["content", "reasoning_content", "reasoning"].into_iter().filter(is_read) {
            if object.as_ref().and_then(|object| inside(object.get(key)?)).is_some() {
                edits.push((key, Edit::Set(Cow::Borrowed("\"\""))));
            }
        }
        object.map_or_else(String::new, |object| object.edited(&edits))
    }

    /// Of two members the one that says something is the one to keep to. One that says something else is not read.
    fn add_reasoning(&mut self, key: ReasoningKey, value: &'a str) {
        match &mut self.reasoning {
            Some(first) if !is_void(first.value) && first.value == value => first.twin = Some(value),
            Some(first) if !is_void(first.value) => self.carries |= !is_void(value),
            _ => self.reasoning = Some(Reasoning { key, value, twin: None }),
        }
    }
}

/// Whether a chunk's member is none of those that every chunk has.
fn is_extra(key: &str) -> bool {
    key != "choices" && key != "error" && !ENVELOPE.contains(&key)
}

/// The object that an event's data is, or a whole answer.
pub fn object(data: &[u8]) -> Option<Object<'_>> {
    Object::parse(std::str::from_utf8(data).ok()?)
}

/// Whether data says that nothing follows.
pub fn is_done(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

/// Whether data is all there, and not the half of an event.
pub fn is_whole(data: &[u8]) -> bool {
    is_done(data) || object(data).is_some_and(|object| Chunk::of(&object).is_some())
}

/// Where in `data` a part that was borrowed from it stands.
pub fn place(data: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(data.as_ptr().addr());
    debug_assert_eq!(data.get(start..start + part.len()), Some(part.as_bytes()), "the part is not of this data");
    start..start + part.len()
}

/// Whether a value says nothing.
pub fn is_void(value: &str) -> bool {
    matches!(value, "null" | "\"\"" | "[]" | "{}")
}

/// The members that say whose event this is, not what is in it.
const ENVELOPE: [&str; 6] = ["id", "object", "created", "model", "system_fingerprint", "service_tier"];
