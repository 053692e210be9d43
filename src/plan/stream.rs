//! Asks for a stream in the place of a client that did not, and for what a stream can say before its first word.
//! Changes the members that ask for it and nothing else; a stream that was not asked for is `answer::Assembler`'s.

use std::borrow::Cow;

use bytes::Bytes;

use crate::json::{Edit, Object};

/// A chat request that asks for a stream in its client's stead.
#[derive(Debug, PartialEq, Eq)]
pub struct Streamed {
    pub body: Bytes,
    /// How many choices it asks for (`n`).
    pub choices: usize,
}

/// The chat request as one for a stream, usage included. `None` when it asks for a stream itself, and when its shape is
/// for the server to judge.
pub fn streamed(body: &[u8]) -> Option<Streamed> {
    let object = Object::of_body(body)?;
    object.present("messages")?;
    if !matches!(object.present("stream"), None | Some("false")) {
        return None;
    }
    let options = object.present("stream_options").map_or_else(|| Some(Object::empty()), Object::parse)?;
    let yes = || Edit::Set(Cow::Borrowed("true"));
    let options = options.edited(&[("include_usage", yes())]);
    let body = object.edited(&[("stream", yes()), ("stream_options", Edit::Set(options.into()))]).into();
    Some(Streamed { body, choices: object.get("n").and_then(|n| n.parse().ok()).unwrap_or(1) })
}

/// The chat request as one that lets llama.cpp say how far it is with the prompt. `None` when it asks for no stream, has
/// an opinion on that itself, or asks for several choices: they would say it in the midst of each other's words.
pub fn asking_for_progress(body: &[u8]) -> Option<Bytes> {
    let object = Object::of_body(body)?;
    let is_fit = object.get("stream") == Some("true")
        && object.get(PROGRESS).is_none()
        && matches!(object.present("n"), None | Some("1"));
    is_fit.then(|| object.edited(&[(PROGRESS, Edit::Set(Cow::Borrowed("true")))]).into())
}

const PROGRESS: &str = "return_progress";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_asks_for_the_stream_changes() {
        let table = [
            (r#"{"messages":[]}"#, Some(r#"{"messages":[],"stream":true,"stream_options":{"include_usage":true}}"#)),
            (
                r#"{ "stream" : false, "n": 2, "messages": [ 1.0 ] }"#,
                Some(r#"{ "stream" : true, "n": 2, "messages": [ 1.0 ],"stream_options":{"include_usage":true} }"#),
            ),
            (
                r#"{"stream":null,"stream_options":{"x":[1],"include_usage":false},"messages":[]}"#,
                Some(r#"{"stream":true,"stream_options":{"x":[1],"include_usage":true},"messages":[]}"#),
            ),
            (
                r#"{"stream_options":null,"messages":[]}"#,
                Some(r#"{"stream_options":{"include_usage":true},"messages":[],"stream":true}"#),
            ),
            (r#"{"stream":true,"messages":[]}"#, None),
            (r#"{"stream":"no","messages":[]}"#, None),
            (r#"{"stream_options":7,"messages":[]}"#, None),
            (r#"{"messages":null}"#, None),
            (r#"{"prompt":""}"#, None),
            (r#"{"messages":[}"#, None),
            ("[]", None),
        ];
        for (body, expected) in table {
            let streamed = streamed(body.as_bytes());
            assert_eq!(streamed.as_ref().map(|streamed| streamed.body.as_ref()), expected.map(str::as_bytes), "{body}");
            let choices = if body.contains("\"n\": 2") { 2 } else { 1 };
            assert!(streamed.is_none_or(|streamed| streamed.choices == choices), "{body}");
        }
        assert_eq!(streamed(b"{\"messages\":\"\xff\"}"), None);
    }

    #[test]
    fn progress_is_asked_for_unless_the_client_decided_that() {
        let table = [
            (r#"{ "stream":true, "n": 1 }"#, Some(r#"{ "stream":true, "n": 1,"return_progress":true }"#)),
            (r#"{"stream":true,"n":null}"#, Some(r#"{"stream":true,"n":null,"return_progress":true}"#)),
            (r#"{"stream":true,"return_progress":false}"#, None),
            (r#"{"stream":true,"return_progress":null}"#, None),
            (r#"{"stream":true,"n":2}"#, None),
            (r#"{"stream":false}"#, None),
            ("{}", None),
            ("[]", None),
        ];
        for (body, expected) in table {
            assert_eq!(asking_for_progress(body.as_bytes()).as_deref(), expected.map(str::as_bytes), "{body}");
        }
    }
}
