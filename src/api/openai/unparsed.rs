//! What a model wrote and its server could not parse: some servers tell it in an error, in place of the answer.
//! Finds it, and says the error as an answer that is still to be read; reads no calls.
//!
//! Sources: llama.cpp's `common/chat.cpp` (`common_chat_peg_parse`), Ollama's `harmony/harmonyparser.go`, and its
//! `llm/llama_server.go`, which hands the former on.

use std::borrow::Cow;

use super::ids::Ids;
use super::server_error::ServerError;
use crate::json::{Edit, Object};

/// What became of the model's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unparsed {
    /// The rest of its text, from where the server stopped reading.
    Text(String),
    /// The arguments of a call whose name the server does not tell.
    Arguments(String),
}

/// What is done with errors that tell what the model wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToldText {
    /// They are errors like any other.
    #[default]
    Ignored,
    /// They are, and it matters what they complain of.
    Heard,
    /// They are read as answers.
    Read,
}

impl ServerError<'_> {
    /// What the model wrote, where a member `error` tells it.
    pub fn unparsed(self) -> Option<Unparsed> {
        matches!(self, Self::Member(_)).then(|| find(&self.words(), LAYERS_MAX)).flatten()
    }
}

/// A server that hands on another's error may put its whole body into its own.
const LAYERS_MAX: usize = 2;
const OF_TEXT: &str = "Failed to parse input at pos ";
const OF_ARGUMENTS: &str = "error parsing tool call: raw='";

fn find(words: &str, layers: usize) -> Option<Unparsed> {
    if let Some(error) = Object::parse(words).as_ref().and_then(ServerError::of) {
        return find(&error.words(), layers.checked_sub(1)?);
    }
    arguments(words).map(Unparsed::Arguments).or_else(|| text(words).map(Unparsed::Text))
}

fn arguments(words: &str) -> Option<String> {
    let (_, raw) = words.split_once(OF_ARGUMENTS)?;
    // It may hold both a quote and these words.
    let raw = raw.rsplit_once("', err=").map(|(raw, _)| raw).or_else(|| raw.trim_end().strip_suffix('\''))?;
    said(raw)
}

fn text(words: &str) -> Option<String> {
    let (before, behind) = words.split_once(OF_TEXT)?;
    let (place, text) = behind.split_once(": ")?;
    (!place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
    // A member of a map as Go prints it.
    let is_member = before.contains("map[");
    said(text.rsplit_once(" type:").filter(|_| is_member).map_or(text, |(text, _)| text))
}

fn said(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// The body of an error that tells what the model wrote, as one of an answer that has begun: with what says whose it is.
/// `None` where it is another error.
pub fn told_answer(body: &[u8], object: &str) -> Option<String> {
    let refused = Object::of_body(body)?;
    ServerError::of(&refused)?.unparsed()?;
    let mut id = String::from('"');
    Ids::default().write_answer_id(&mut id);
    id.push('"');
    let object = format!("\"{object}\"");
    // When it was made, and by which model, its server does not say; strict readers want both.
    let unsaid = [("created", "0"), ("model", "\"\"")].map(|(key, value)| (key, value.to_owned()));
    let envelope = [("id", id), ("object", object)].into_iter().chain(unsaid);
    let edits: Vec<_> = envelope.map(|(key, value)| (key, Edit::Set(Cow::Owned(value)))).collect();
    Some(refused.edited(&edits).replace(['\r', '\n'], " "))
}

/// A whole answer without the error in it: where it has no choice, with one that says nothing and has ended.
pub fn without_error(answer: &Object<'_>) -> String {
    let mut edits = vec![("error", Edit::Remove)];
    if answer.present("choices").is_none() {
        let choice = r#"[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}]"#;
        edits.push(("choices", Edit::Set(Cow::Borrowed(choice))));
    }
    answer.edited(&edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_words_are_found_in_errors() {
        let text = |text: &str| Some(Unparsed::Text(text.to_owned()));
        let arguments = |raw: &str| Some(Unparsed::Arguments(raw.to_owned()));
        let llama = r#"{"error":{"code":500,"message":"Failed to parse input at pos 12: <tool_call>\n{\"a\": 1}","type":"server_error"}}"#;
        let quoted = serde_json::to_string(llama).unwrap();
        for (body, expected) in [
            (llama.to_owned(), text("<tool_call>\n{\"a\": 1}")),
            (format!(r#"{{"error":{quoted}}}"#), text("<tool_call>\n{\"a\": 1}")),
            (
                r#"{"error":"llama-server chat error: map[code:500 message:Failed to parse input at pos 0: <tool_call>oops type:server_error]"}"#.to_owned(),
                text("<tool_call>oops"),
            ),
            (
                r#"{"error":{"message":"error parsing tool call: raw='{\"a\":\"it's', err=b\"}]', err=invalid character ']'","type":"api_error"}}"#.to_owned(),
                arguments("{\"a\":\"it's', err=b\"}]"),
            ),
            (r#"{"error":"error parsing tool call: raw='print(1)'"}"#.to_owned(), arguments("print(1)")),
            (r#"{"error":"Failed to parse input at pos 7: "}"#.to_owned(), None),
            (r#"{"error":"Failed to parse input at pos x: a"}"#.to_owned(), None),
            (r#"{"error":"error parsing tool call: raw='"}"#.to_owned(), None),
            (r#"{"error":{"message":"context size exceeded"}}"#.to_owned(), None),
        ] {
            let object = Object::parse(&body).unwrap();
            assert_eq!(ServerError::of(&object).unwrap().unparsed(), expected, "{body}");
            assert_eq!(told_answer(body.as_bytes(), "chat.completion").is_some(), expected.is_some(), "{body}");
        }
        let told: serde_json::Value = serde_json::from_str(&told_answer(llama.as_bytes(), "x").unwrap()).unwrap();
        assert_eq!((&told["object"], &told["created"], &told["model"]), (&"x".into(), &0.into(), &"".into()));
        let mut deep = llama.to_owned();
        for _ in 0..=LAYERS_MAX {
            deep = format!("{{\"error\":{}}}", serde_json::to_string(&deep).unwrap());
        }
        assert_eq!(ServerError::of(&Object::parse(&deep).unwrap()).unwrap().unparsed(), None);
    }
}
