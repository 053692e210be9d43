//! An answer as Ollama's lines: what each says, and the object that an answer is when it is wanted whole.
//! Writes to no connection.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::super::chat::Generation;
use super::super::script::Answer;
use super::script::{Call, Oddity, Part};

/// One thing that the model does.
#[derive(Clone, Debug)]
pub(super) enum Step<'a> {
    Thinks(String),
    Writes(String),
    Calls(&'a [Call]),
    /// A line as it stands.
    Line(&'a str),
}

/// What one line says, or all of them.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub thinking: String,
    pub content: String,
    /// Without the brackets of their list.
    calls: String,
}

/// All that an answer does, in order.
pub(super) fn steps(answer: &Answer) -> Vec<Step<'_>> {
    if !answer.lines.is_empty() {
        return answer.lines.iter().map(|line| Step::Line(line)).collect();
    }
    let calls = match answer.odd.contains(&Oddity::OneLine) {
        true => answer.tool_calls.len().max(1),
        false => 1,
    };
    let thoughts = Answer::text(answer.thinking.as_str()).tokens().into_owned();
    let thoughts = thoughts.into_iter().map(Step::Thinks);
    let text = answer.tokens().into_owned().into_iter().map(Step::Writes);
    thoughts.chain(text).chain(answer.tool_calls.chunks(calls).map(Step::Calls)).collect()
}

impl Step<'_> {
    /// The kind of what is said.
    pub fn part(&self) -> Option<Part> {
        match self {
            Self::Thinks(_) => Some(Part::Thinking),
            Self::Writes(_) => Some(Part::Text),
            Self::Calls(_) => Some(Part::Calls),
            Self::Line(_) => None,
        }
    }

    /// What the model's tokens for it are, near enough.
    pub fn text(&self) -> String {
        match self {
            Self::Thinks(text) | Self::Writes(text) => text.clone(),
            Self::Calls(calls) => calls.iter().map(|call| format!("{}{}", call.name, arguments(call))).collect(),
            Self::Line(line) => (*line).to_owned(),
        }
    }
}

impl Said {
    /// Adds what a step says. `count` is how many calls were said before, and counts on; ids are made of `number`.
    pub fn add(&mut self, step: &Step<'_>, count: &mut usize, odd: &[Oddity], number: u64) {
        match step {
            Step::Thinks(text) => self.thinking.push_str(text),
            Step::Writes(text) => self.content.push_str(text),
            Step::Calls(calls) => {
                for call in *calls {
                    let index = if odd.contains(&Oddity::SameIndex) { 0 } else { *count };
                    self.add_call(call, index, &format!("call_{number:04x}{count:04x}"));
                    *count += 1;
                }
            }
            Step::Line(_) => {}
        }
    }

    fn add_call(&mut self, call: &Call, index: usize, made: &str) {
        let id = call.id.as_deref().unwrap_or(made);
        let id = if id.is_empty() { String::new() } else { format!(r#""id":{},"#, Value::from(id)) };
        let (name, arguments) = (Value::from(call.name.as_str()), arguments(call));
        let comma = if self.calls.is_empty() { "" } else { "," };
        let function = format!(r#"{{"index":{index},"name":{name},"arguments":{arguments}}}"#);
        let _ = write!(self.calls, r#"{comma}{{{id}"function":{function}}}"#);
    }

    /// The line that says it; `rest` begins with `done`.
    pub fn line(&self, model: &str, rest: &str) -> String {
        let (model, time) = (Value::from(model), super::now());
        let mut message = format!(r#""role":"assistant","content":{}"#, Value::from(self.content.as_str()));
        if !self.thinking.is_empty() {
            let _ = write!(message, r#","thinking":{}"#, Value::from(self.thinking.as_str()));
        }
        if !self.calls.is_empty() {
            let _ = write!(message, r#","tool_calls":[{}]"#, self.calls);
        }
        format!(r#"{{"model":{model},"created_at":"{time}","message":{{{message}}},{rest}}}"#)
    }
}

fn arguments(call: &Call) -> Cow<'_, str> {
    match &call.arguments {
        Value::Null => "{}".into(),
        Value::String(text) => text.into(),
        value => value.to_string().into(),
    }
}

/// What the last line says of the answer as a whole. What only loaded a model has no figures, and what is 0 is left out.
pub(super) fn ending(generation: &Generation<'_>) -> String {
    let reason = generation.finish_reason();
    let mut ending = String::from(r#""done":true"#);
    if !reason.is_empty() {
        let _ = write!(ending, r#","done_reason":{}"#, Value::from(reason));
    }
    if matches!(reason, "load" | "unload") {
        return ending;
    }
    let (read, wrote) = (generation.prefill.takes.as_nanos().max(1), generation.started.elapsed().as_nanos().max(1));
    let _ = write!(ending, r#","total_duration":{},"load_duration":{LOAD_NS}"#, LOAD_NS + read + wrote);
    let (prompt, cached) = (generation.prefill.prompt, generation.prefill.cached);
    let _ = write!(ending, r#","prompt_eval_count":{prompt}"#);
    if cached > 0 {
        let _ = write!(ending, r#","prompt_eval_cached_count":{cached}"#);
    }
    let _ = write!(ending, r#","prompt_eval_duration":{read}"#);
    if generation.written > 0 {
        let _ = write!(ending, r#","eval_count":{},"eval_duration":{wrote}"#, generation.written);
    }
    ending
}

/// How long a model that is there takes to be found.
const LOAD_NS: u128 = 1_000_000;
