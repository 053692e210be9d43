//! Whole answer: a chat completion as the one message that Anthropic's API has for it.

use std::borrow::Cow;

use bytes::Bytes;

use super::blocks::{Blocks, Kind};
use super::content::Content;
use super::error::error_body;
use super::message::write_head;
use super::said::{FIRST, refusal, words};
use super::stop::{Bounds, Calls, Facts, Stop};
use super::told::Told;
use super::usage::Usage;
use crate::api::openai::ServerError;
use crate::api::openai::chunk::{Choice, Chunk};
use crate::api::openai::finish::STOP;
use crate::api::openai::served;
use crate::json::{Object, escape_into, inside, unescape_into};

/// The message for an answer that came whole. An error in its place becomes Anthropic's, as does what is no answer; of
/// which request it is, it does not say.
pub fn whole(told: &Told, facts: Facts, body: &[u8]) -> Bytes {
    let object = Object::of_body(body);
    let chunk = object.as_ref().and_then(Chunk::of);
    if let Some(error) = chunk.as_ref().and_then(|chunk| chunk.error) {
        return error_body(error).into();
    }
    let choice = chunk.as_ref().and_then(|chunk| chunk.choices.iter().find(|choice| choice.index == FIRST));
    let (Some(chunk), Some(choice)) = (&chunk, choice) else {
        return error_body(ServerError::Data(NO_ANSWER)).into();
    };
    let mut usage = Usage::default();
    usage.take(chunk);
    let mut content = Content::default();
    // The answer has been read whole, so what waits is no longer than it.
    let mut blocks = Blocks::new(usize::MAX);
    if !told.fills_cache {
        say(told, facts, choice, &mut blocks, &mut usage, &mut content);
    }
    blocks.finish(&mut content);
    let mut stop = Stop::default();
    stop.take(choice.finished().unwrap_or(STOP), choice);
    if refusal(choice).is_some() {
        stop.refuse();
    }
    let mut out = String::with_capacity(content.elements.len() + ENVELOPE_BYTES);
    write_head(&told.model, &mut out);
    out.extend([&content.elements, "],"]);
    let calls = if blocks.has_calls() { Calls::Some } else { Calls::None };
    stop.write(Bounds::new(told, facts), calls, &usage, &mut out);
    out.push_str(",\"usage\":");
    usage.write(&mut out);
    out.push('}');
    out.into()
}

fn say(told: &Told, facts: Facts, choice: &Choice<'_>, blocks: &mut Blocks, usage: &mut Usage, content: &mut Content) {
    let own = choice.message.content.and_then(inside);
    for (kind, text) in words(choice) {
        let is_continued = kind == Kind::Text && own == Some(text);
        let text = match &told.prefill {
            Some(prefill) if is_continued && !facts.is_assembled => continuation(text, prefill),
            _ => Cow::Borrowed(text),
        };
        usage.count_bytes(text.len());
        blocks.say(kind, &text, content);
    }
    for piece in choice.message.calls().into_iter().flat_map(served::pieces) {
        usage.count_bytes(piece.name.len() + piece.arguments.len());
        blocks.take(&piece, content);
    }
}

/// A text without its beginning, where a server says that again: its client has written it.
fn continuation<'a>(inside: &'a str, prefill: &str) -> Cow<'a, str> {
    let mut text = String::with_capacity(inside.len());
    let is_text = unescape_into(inside, &mut text).is_some();
    match text.strip_prefix(prefill) {
        Some(rest) if is_text => {
            let mut escaped = String::with_capacity(rest.len());
            escape_into(rest, &mut escaped);
            Cow::Owned(escaped)
        }
        _ => Cow::Borrowed(inside),
    }
}

const NO_ANSWER: &str = "the server's answer has no choice";
/// About what a message has around its content.
const ENVELOPE_BYTES: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(prefill: Option<&str>, body: &str) -> String {
        let told = Told {
            model: "m\"".to_owned(),
            is_streamed: false,
            max_tokens: 0,
            fills_cache: prefill == Some(CACHE),
            prefill: prefill.map(str::to_owned),
        };
        String::from_utf8(whole(&told, Facts::default(), body.as_bytes()).to_vec()).unwrap()
    }

    const CACHE: &str = "only the cache";

    #[test]
    fn an_answer_keeps_what_it_says() {
        let reasons = r#""stop_reason":"end_turn","stop_sequence":null"#;
        for (prefill, choice, expected) in [
            (
                None,
                r#""message":{"content":"a\n\u00e9"}"#,
                format!(r#"[{{"type":"text","text":"a\n\u00e9"}}],{reasons}"#),
            ),
            (None, r#""message":{"content":" \n"}"#, format!(r#"[{{"type":"text","text":" \n"}}],{reasons}"#)),
            (
                Some("a\n"),
                r#""message":{"content":"a\u000a\"b"}"#,
                format!(r#"[{{"type":"text","text":"\"b"}}],{reasons}"#),
            ),
            (
                Some("b"),
                r#""message":{"content":"ab","reasoning":"b"}"#,
                format!(
                    r#"[{{"type":"thinking","thinking":"b","signature":"toolgate"}},{{"type":"text","text":"ab"}}],{reasons}"#
                ),
            ),
            (
                Some(CACHE),
                r#""message":{"content":"x","tool_calls":[{"function":{"name":"f"}}]}"#,
                format!(r#"[{{"type":"text","text":""}}],{}"#, reasons.replace("end_turn", "max_tokens")),
            ),
            (
                None,
                r#""message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":[1]}},{"id":"b","function":{"name":"g","arguments":"{\"x\":1,\"y\":\"z"}},{"id":"c","function":{"name":"h"}}]}"#,
                format!(
                    r#"[{{"type":"tool_use","id":"a","name":"f","input":{{"value":[1]}}}},{{"type":"tool_use","id":"b","name":"g","input":{{"x":1}}}},{{"type":"tool_use","id":"c","name":"h","input":{{}}}}],{}"#,
                    reasons.replace("end_turn", "tool_use")
                ),
            ),
        ] {
            let answer = told(
                prefill,
                &format!(
                    r#"{{"choices":[{{"index":1}},{{"index":0,{choice}}}],"usage":{{"prompt_tokens":1,"completion_tokens":1}}}}"#
                ),
            );
            let (head, rest) = answer.split_once(",\"content\":").unwrap();
            let id = head
                .strip_prefix("{\"id\":\"msg_")
                .unwrap()
                .strip_suffix(r#"","type":"message","role":"assistant","model":"m\"""#)
                .unwrap();
            assert!(id.len() == 24 && id.bytes().all(|b| b.is_ascii_alphanumeric()));
            let usage = r#","usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}"#;
            assert_eq!(rest.strip_suffix(usage), Some(expected.as_str()));
        }
    }

    #[test]
    fn what_was_assembled_from_a_stream_repeats_nothing() {
        let (max_tokens, prefill) = (9, Some("[".to_owned()));
        let told = Told { model: "m".to_owned(), is_streamed: false, max_tokens, fills_cache: false, prefill };
        let body = br#"{"choices":[{"message":{"content":"[1],[2]]"}}]}"#;
        for (is_assembled, expected) in [(true, "\"text\":\"[1],[2]]\""), (false, "\"text\":\"1],[2]]\"")] {
            let facts = Facts { is_assembled, ..Facts::default() };
            let answer = String::from_utf8(whole(&told, facts, body).to_vec()).unwrap();
            assert!(answer.contains(expected), "{answer}");
        }
    }

    #[test]
    fn a_call_without_an_id_gets_one() {
        let answer =
            told(None, r#"{"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}"#);
        let (_, id) = answer.split_once("\"tool_use\",\"id\":\"toolu_").unwrap();
        assert_eq!(id.find('"'), Some(24), "{answer}");
        assert!(answer.contains(r#""output_tokens":1,"estimated":true"#), "{answer}");
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let error = |words: &str| format!(r#"{{"type":"error","error":{{"type":"api_error","message":"{words}"}}}}"#);
        for (body, expected) in [
            (r#"{"error":{"message":"boom"}}"#, error("boom")),
            (r#"{"error":{}}"#, error("the server gave no reason")),
            (r#"{"error":{"message":"no","code":404}}"#, error("no").replace("api", "not_found")),
            ("{}", error("the server's answer has no choice")),
            (r#"{"choices":[]}"#, error("the server's answer has no choice")),
            ("<html>", error("the server's answer has no choice")),
        ] {
            assert_eq!(told(None, body), expected, "{body}");
        }
    }
}
