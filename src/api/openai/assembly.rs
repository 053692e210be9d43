//! Assembly of chunks: folds the chunks of a stream to one answer and keeps every member of them.
//! Knows nothing of events, and judges nothing but that a chunk is one.

use std::collections::BTreeMap;

use super::chunk::{self, is_done};
use super::finish::STOP;
use super::merge::{AnswerTooLarge, Kept, Members, Value};
use super::server_error::ServerError;
use super::unparsed::ToldText;
use crate::json::{Object, elements};
use crate::sse::{self, EventTooLarge};

/// The chunks so far.
#[derive(Debug)]
pub(super) struct Assembly {
    /// What stands beside the choices, as it was said last.
    members: Members,
    choices: BTreeMap<u64, Members>,
    /// The choice whose finish reason came last.
    finished: Option<u64>,
    /// Whether the server has summed up the first choice.
    summed_up: bool,
    done: bool,
    told_text: ToldText,
    kept: Kept,
}

/// Whether the model said something in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    None,
    Some,
}

/// Why no answer can be made of a stream. What has come of it is lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    #[error(transparent)]
    EventTooLarge(#[from] EventTooLarge),
    #[error(transparent)]
    AnswerTooLarge(#[from] AnswerTooLarge),
    #[error("an event of the answer is no chunk")]
    NoChunk,
    #[error("the server reported an error within its answer")]
    Reported(Reported),
    #[error("the answer ends before it is complete")]
    Incomplete,
}

/// What a server that did not stream would have answered in place of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    pub status: u16,
    /// `{"error": …}`, with the server's own members and whatever else clients expect.
    pub body: String,
}

impl Assembly {
    pub(super) fn new(bytes_max: usize, told_text: ToldText) -> Self {
        Self {
            members: Members::default(),
            choices: BTreeMap::new(),
            finished: None,
            summed_up: false,
            done: false,
            told_text,
            kept: Kept::new(bytes_max),
        }
    }

    /// Takes one event, and says whether the model said something in it. What comes after `[DONE]` counts for nothing.
    pub(super) fn take(&mut self, event: &sse::Event<'_>) -> Result<Speech, AssembleError> {
        if self.done {
            return Ok(Speech::None);
        }
        if let Some(told) = ServerError::of_event(event) {
            return self.fail(told);
        }
        let data = event.data().unwrap_or_default().trim_ascii();
        if data.is_empty() {
            return Ok(Speech::None);
        }
        if is_done(data) {
            self.done = true;
            return Ok(Speech::None);
        }
        let chunk = std::str::from_utf8(data).ok().and_then(Object::parse).ok_or(AssembleError::NoChunk)?;
        if let Some(told) = ServerError::of(&chunk) {
            return self.fail(told);
        }
        let choices = chunk.present("choices").map_or(Some(Vec::new()), elements).ok_or(AssembleError::NoChunk)?;
        let mut speech = Speech::None;
        for choice in &choices {
            let choice = Object::part(choice).ok_or(AssembleError::NoChunk)?;
            if chunk::Choice::of(&choice).is_some_and(|choice| choice.message.speaks()) {
                speech = Speech::Some;
            }
            self.take_choice(&choice)?;
        }
        if choices.is_empty() {
            // llama.cpp sums up each choice when it ends, but in a whole answer the first alone.
            let is_of_first = self.finished == Some(FIRST);
            if self.summed_up && !is_of_first {
                return Ok(speech);
            }
            self.summed_up = is_of_first;
        }
        let mut members = chunk.members().filter(|(key, _)| !NOT_KEPT.contains(key));
        members.try_for_each(|(key, value)| self.members.replace_member(key, value, &mut self.kept))?;
        Ok(speech)
    }

    /// An error is all that comes of it, unless it tells what the model wrote: then it ends the answer, and stands in it.
    fn fail(&mut self, told: ServerError<'_>) -> Result<Speech, AssembleError> {
        let status = told.status();
        let error = told.object(status);
        self.members.replace_member("error", &error, &mut self.kept)?;
        if self.told_text == ToldText::Read && !self.has_calls() && told.unparsed().is_some() {
            self.kept.entry(&mut self.choices, FIRST)?;
            self.done = true;
            return Ok(Speech::Some);
        }
        Err(AssembleError::Reported(Reported { status, body: format!("{{\"error\":{error}}}") }))
    }

    /// Whether the server has made calls itself: an error may tell of them, then, and nothing may be doubled.
    fn has_calls(&self) -> bool {
        let message = |choice: &Members| choice.object(MESSAGE).is_some_and(|message| message.says("tool_calls"));
        self.choices.values().any(message)
    }

    fn take_choice(&mut self, choice: &Object<'_>) -> Result<(), AssembleError> {
        let index = choice.present("index").map_or(Some(FIRST), |index| index.parse().ok());
        let index = index.ok_or(AssembleError::NoChunk)?;
        if choice.present(FINISH_REASON).is_some() {
            self.finished = Some(index);
        }
        let members = self.kept.entry(&mut self.choices, index)?;
        for (key, value) in choice.members() {
            let key = if key == "delta" { MESSAGE } else { key };
            members.merge_member(key, value, 0, &mut self.kept)?;
        }
        Ok(())
    }

    /// Whether `[DONE]` came.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether so many choices have come, and each has its finish reason.
    pub(super) fn is_finished(&self, choices_asked: usize) -> bool {
        self.choices.len() >= choices_asked.max(1) && self.choices.values().all(|choice| choice.says(FINISH_REASON))
    }

    /// Nothing more comes: adds what an answer says and a stream may leave unsaid.
    pub(super) fn complete(mut self) -> Result<Self, AssembleError> {
        if self.choices.is_empty() {
            return Err(AssembleError::Incomplete);
        }
        for (index, choice) in &mut self.choices {
            choice.get_or("index", Value::Plain(index.to_string()));
            choice.get_or(FINISH_REASON, Value::Plain(format!("\"{STOP}\"")));
            let Value::Object(message) = choice.get_or(MESSAGE, Value::Object(Members::default())) else { continue };
            message.get_or("role", Value::Plain("\"assistant\"".to_owned()));
            message.get_or("content", Value::Plain("\"\"".to_owned()));
        }
        Ok(self)
    }

    /// The answer as it would have come whole.
    pub(super) fn into_body(mut self) -> String {
        let mut choices = String::from("[");
        for (place, choice) in self.choices.values().enumerate() {
            choices.push_str(if place == 0 { "" } else { "," });
            choice.write(&mut choices);
        }
        choices.push(']');
        self.members.get_or("choices", Value::Plain(choices));
        self.members.get_or("object", Value::Plain("\"chat.completion\"".to_owned()));
        let mut body = String::new();
        self.members.write(&mut body);
        body
    }
}

const FIRST: u64 = 0;
const MESSAGE: &str = "message";
const FINISH_REASON: &str = "finish_reason";
/// Members of a chunk that a whole answer has otherwise, or not at all.
const NOT_KEPT: [&str; 4] = ["choices", "error", "object", "prompt_progress"];
