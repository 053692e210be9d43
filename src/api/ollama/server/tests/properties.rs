//! Any lines, cut anywhere: the same events, and in them what the lines said.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{last, line, run};
use crate::api::openai::Usage;
use crate::limits::Limits;

/// What a stream says, read as its clients read it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    pub content: String,
    pub thinking: String,
    pub calls: Vec<(String, String)>,
    pub logprobs: usize,
    finishes: usize,
    errors: usize,
    is_done: bool,
}

impl Said {
    pub(super) fn of(stream: &str) -> Self {
        let mut said = Self::default();
        for event in stream.split_inclusive("\n\n") {
            assert!(!said.is_done && said.errors == 0, "something stands behind the end: {event}");
            let data = event.strip_prefix("data: ").and_then(|data| data.strip_suffix("\n\n")).unwrap();
            assert!(!data.contains(['\n', '\r']));
            if data == "[DONE]" {
                said.is_done = true;
                continue;
            }
            let event: Value = serde_json::from_str(data).unwrap();
            said.errors += usize::from(event.get("error").is_some());
            for choice in event["choices"].as_array().into_iter().flatten() {
                let delta = &choice["delta"];
                said.content += delta["content"].as_str().unwrap_or_default();
                said.thinking += delta["reasoning_content"].as_str().unwrap_or_default();
                said.logprobs += choice["logprobs"]["content"].as_array().map_or(0, Vec::len);
                said.finishes += usize::from(choice["finish_reason"].is_string());
                for call in delta["tool_calls"].as_array().into_iter().flatten() {
                    let function = &call["function"];
                    if let Some(name) = function["name"].as_str() {
                        assert_eq!(call["index"], json!(said.calls.len()));
                        said.calls.push((name.to_owned(), String::new()));
                    }
                    said.calls.last_mut().unwrap().1 += function["arguments"].as_str().unwrap();
                }
            }
        }
        said
    }
}

/// A line of an answer, and what it says.
fn a_line() -> impl Strategy<Value = (String, Said)> {
    let text = || prop::option::of("[a\"\\\\\n\u{2028}\u{85}é😀{}]{0,6}");
    let calls = prop::collection::vec(("[fg\"é]{1,3}", "[a\"\\\\\n\u{2028}]{0,4}"), 0..3);
    (text(), text(), calls).prop_map(|(content, thinking, calls)| {
        let arguments: Vec<_> = calls.iter().map(|(_, value)| json!({ "k": value }).to_string()).collect();
        let written: Vec<_> = calls
            .iter()
            .zip(&arguments)
            .map(|((name, _), arguments)| {
                format!(
                    "{{\"id\":\"same\",\"function\":{{\"index\":0,\"name\":{},\"arguments\":{arguments}}}}}",
                    json!(name)
                )
            })
            .collect();
        let message = json!({ "role": "assistant", "content": content, "thinking": thinking }).to_string();
        let message = format!("{},\"tool_calls\":[{}]}}", message.trim_end_matches('}'), written.join(","));
        let said = Said {
            content: content.unwrap_or_default(),
            thinking: thinking.unwrap_or_default(),
            calls: calls.into_iter().map(|(name, _)| name).zip(arguments).collect(),
            ..Said::default()
        };
        (line(&message, "false"), said)
    })
}

/// How an answer ends.
fn an_end() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(last(",\"done_reason\":\"stop\"")),
        1 => Just("{\"error\":\"boom\"}\n".to_owned()),
        1 => Just(String::new()),
        1 => "[\"{}a\n:,]{0,12}",
    ]
}

proptest! {
    /// Nothing of an answer is lost or doubled, and its events are the same however its bytes are cut.
    #[test]
    fn an_answer_says_what_its_lines_say(
        lines in prop::collection::vec(a_line(), 0..6),
        end in an_end(),
        sizes in prop::collection::vec(1_usize..40, 1..5),
        event_bytes_max in prop_oneof![Just(16_usize), Just(1 << 20)],
    ) {
        let limits = Limits { event_bytes_max, ..Limits::default() };
        let mut input: String = lines.iter().map(|(line, _)| line.as_str()).collect();
        input.push_str(&end);
        let (whole, answer) = run(Usage::Asked, &limits, [input.as_bytes()]);
        prop_assert!(!answer.is_empty());
        let mut rest = input.as_bytes();
        let pieces = sizes.iter().cycle().map_while(|size| {
            let (piece, behind) = rest.split_at_checked(*size).unwrap_or((rest, b""));
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(&run(Usage::Asked, &limits, pieces).0, &whole);

        let said = Said::of(&whole);
        let is_complete = end.contains("\"done\":true");
        let of = |text: fn(&Said) -> &str| lines.iter().map(|(_, said)| text(said)).collect::<String>();
        prop_assert_eq!(&said.content, &of(|said| &said.content));
        prop_assert_eq!(&said.thinking, &of(|said| &said.thinking));
        prop_assert_eq!(&said.calls, &lines.into_iter().flat_map(|(_, said)| said.calls).collect::<Vec<_>>());
        prop_assert_eq!((said.is_done, said.finishes, said.errors), if is_complete { (true, 1, 0) } else { (false, 0, 1) });
    }

    /// Whatever comes, each event is one.
    #[test]
    fn any_bytes_become_events(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
        let limits = Limits::default();
        let (whole, _) = run(Usage::Asked, &limits, [bytes.as_slice()]);
        let (a, b) = bytes.split_at(cut.index(bytes.len() + 1));
        prop_assert_eq!(&run(Usage::Asked, &limits, [a, b]).0, &whole);
        prop_assert_eq!(Said::of(&whole).errors, 1);
    }
}
