//! Line of an answer: what it says, borrowed from its bytes.
//! Builds no tree, and unescapes no text.

use std::borrow::Cow;

use super::error::Told;
use crate::json::{Object, elements, inside, string};

/// A line that says something of an answer.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub object: Object<'a>,
    /// The inside of its string; none where it is empty.
    pub thinking: Option<&'a str>,
    /// The same of the text.
    pub content: Option<&'a str>,
    pub calls: Vec<Call<'a>>,
    pub is_done: bool,
}

/// A call, whole.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub id: Option<Cow<'a, str>>,
    /// The inside of its string.
    pub name: &'a str,
    /// As they were written: an object, as a rule.
    pub arguments: &'a str,
}

/// What a line is that says nothing of an answer.
#[derive(Debug)]
pub(super) enum Misread {
    /// It is no JSON object.
    NoJson,
    /// Of what it has to say something is of a wrong shape.
    NoLine,
    Error(Told),
}

/// Reads a line.
pub(super) fn read(line: &[u8]) -> Result<Line<'_>, Misread> {
    let object = Object::of_body(line).ok_or(Misread::NoJson)?;
    if let Some(error) = object.present("error") {
        return Err(Misread::Error(Told::of(error)));
    }
    let is_done = object.get("done") == Some("true");
    let Some(message) = object.present("message") else {
        // Some versions put the words of an error where its key belongs.
        let has_ended = object.get("done").is_some();
        let odd = object.members().next().filter(|_| !has_ended).map(|(key, value)| Told::of_member(key, value));
        return match odd {
            Some(told) => Err(Misread::Error(told)),
            None if has_ended => Ok(Line { object, thinking: None, content: None, calls: Vec::new(), is_done }),
            None => Err(Misread::NoLine),
        };
    };
    let message = Object::part(message).ok_or(Misread::NoLine)?;
    let thinking = text(&message, "thinking")?;
    let content = text(&message, "content")?;
    let calls = calls(&message)?;
    Ok(Line { object, thinking, content, calls, is_done })
}

impl<'a> Line<'a> {
    /// What is known of each token, as it was written: a list that is not empty.
    pub(super) fn logprobs(&self) -> Option<&'a str> {
        self.object.present("logprobs").filter(|list| list.starts_with('[') && *list != "[]")
    }
}

fn text<'a>(message: &Object<'a>, key: &str) -> Result<Option<&'a str>, Misread> {
    let Some(written) = message.present(key) else { return Ok(None) };
    let text = inside(written).ok_or(Misread::NoLine)?;
    Ok((!text.is_empty()).then_some(text))
}

fn calls<'a>(message: &Object<'a>) -> Result<Vec<Call<'a>>, Misread> {
    let Some(written) = message.present("tool_calls") else { return Ok(Vec::new()) };
    let calls = elements(written).ok_or(Misread::NoLine)?;
    calls.into_iter().map(|call| Call::read(call).ok_or(Misread::NoLine)).collect()
}

impl<'a> Call<'a> {
    fn read(written: &'a str) -> Option<Self> {
        let call = Object::part(written)?;
        let function = Object::part(call.get("function")?)?;
        Some(Self {
            id: call.get("id").and_then(string),
            name: inside(function.get("name")?)?,
            arguments: function.present("arguments").unwrap_or("{}"),
        })
    }
}
