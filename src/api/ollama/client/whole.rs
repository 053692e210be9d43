//! Whole answer: a chat completion, or a completion, as the one object that Ollama's API has for it.

use bytes::Bytes;

use super::answer::{Ending, Frame, Words};
use super::asked::Told;
use super::calls::{Calls, Close, Closed};
use super::cost::{Cost, Moment};
use super::lines::{FIRST, UNSAID, done_reason, texts, token_list};
use super::mistake::error_body;
use super::shape::Kind;
use crate::api::openai::chunk::{Choice, Chunk};
use crate::api::openai::finish::{STOP, is_cut};
use crate::api::openai::served;
use crate::json::{Object, inside};

/// The object for an answer that came whole. An error in its place becomes Ollama's, as does what is no answer.
pub fn whole(told: &Told, body: &[u8], now: Moment) -> Bytes {
    let object = Object::of_body(body);
    let chunk = object.as_ref().and_then(Chunk::of);
    if let Some(error) = chunk.as_ref().and_then(|chunk| chunk.error) {
        let words = error.words();
        return error_body(if words.trim_ascii().is_empty() { UNSAID } else { &words }).into();
    }
    let choice = chunk.as_ref().and_then(|chunk| chunk.choices.iter().find(|choice| choice.index == FIRST));
    let (Some(chunk), Some(choice)) = (&chunk, choice) else { return error_body(NO_ANSWER).into() };
    let mut cost = Cost::default();
    cost.take(chunk);
    let reason = choice.finished().unwrap_or(STOP);
    let said = Said::of(choice, if is_cut(reason) { Close::Cut } else { Close::Over });
    let words = Words {
        content: &said.content,
        thinking: &said.thinking,
        calls: &said.calls,
        logprobs: choice.logprobs.and_then(token_list),
    };
    let mut out = String::new();
    Frame::new(told).write(words, Ending::Done(done_reason(reason), &cost), now, &mut out);
    out.into()
}

/// What a choice says, as insides of strings and elements of a list.
#[derive(Debug, Default)]
struct Said {
    content: String,
    thinking: String,
    calls: String,
}

impl Said {
    fn of(choice: &Choice<'_>, why: Close) -> Self {
        let mut said = Self::default();
        for (kind, value) in texts(choice) {
            let text = inside(value).unwrap_or_default();
            match kind {
                Kind::Content => said.content.push_str(text),
                Kind::Thinking => said.thinking.push_str(text),
            }
        }
        // The answer has been read whole, so its calls are no longer than it.
        let mut calls = Calls::new(usize::MAX);
        for piece in choice.message.calls().into_iter().flat_map(served::pieces) {
            calls.take(&piece, &mut |closed| said.add(closed));
        }
        calls.close(why, &mut |closed| said.add(closed));
        said
    }

    fn add(&mut self, closed: Closed<'_>) {
        match closed {
            Closed::Text(text) => self.content.push_str(text),
            Closed::Call(call) => {
                self.calls.push_str(if self.calls.is_empty() { "" } else { "," });
                self.calls.push_str(&call);
            }
        }
    }
}

const NO_ANSWER: &str = "the upstream's answer has no choice";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::asked::Page;
    use super::*;

    fn told(page: Page, body: &str) -> String {
        let told = Told { page, model: "m".to_owned(), is_streamed: false };
        let now = Moment { since: Duration::from_nanos(9), waited: Duration::from_nanos(2), ..Moment::default() };
        String::from_utf8(whole(&told, body.as_bytes(), now).to_vec()).unwrap()
    }

    #[test]
    fn an_answer_keeps_what_it_says() {
        let head = r#"{"model":"m","created_at":"1970-01-01T00:00:00.000000000Z","#;
        let tail = r#","total_duration":9,"load_duration":2,"prompt_eval_duration":7,"eval_duration":7}"#;
        for (page, body, expected) in [
            (
                Page::Chat,
                r#"{"choices":[{"index":1,"message":{"content":"b"}},{"index":0,"message":{"content":"a\n","reasoning":"t"},"logprobs":{"content":[ {"token":"a"} ]},"finish_reason":"content_filter"}]}"#,
                r#""message":{"role":"assistant","content":"a\n","thinking":"t"},"done":true,"done_reason":"stop","logprobs":[{"token":"a"}]"#,
            ),
            (
                Page::Chat,
                r#"{"choices":[{"message":{"content":"a","tool_calls":[{"id":"x","function":{"name":"f","arguments":"{}"}},{"id":"y","function":{"name":"g","arguments":"{\"a"}}]},"finish_reason":"length"}]}"#,
                r#""message":{"role":"assistant","content":"ag{\"a","tool_calls":[{"id":"x","function":{"index":0,"name":"f","arguments":{}}}]},"done":true,"done_reason":"length""#,
            ),
            (
                Page::Generate,
                r#"{"object":"text_completion","choices":[{"index":0,"text":"a","logprobs":null,"finish_reason":"stop"}]}"#,
                r#""response":"a","done":true,"done_reason":"stop""#,
            ),
        ] {
            assert_eq!(told(page, body), [head, expected, tail].concat(), "{body}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for (body, expected) in [
            (r#"{"error":{"message":"boom"}}"#, r#"{"error":"boom"}"#),
            (r#"{"error":{}}"#, r#"{"error":"the upstream failed within its answer"}"#),
            ("{}", r#"{"error":"the upstream's answer has no choice"}"#),
            ("<html>", r#"{"error":"the upstream's answer has no choice"}"#),
        ] {
            assert_eq!(told(Page::Chat, body), expected, "{body}");
        }
    }
}
