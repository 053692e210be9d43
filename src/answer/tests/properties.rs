//! The same answer however it arrives: whole or streamed, one event or many, cut anywhere.

use proptest::prelude::*;

use super::*;
use crate::answer::{Head, Pipeline, Subject};
use crate::api::openai::FoldedMessage;
use crate::plan::Plan;

/// What models write, whole and broken.
const FRAGMENTS: [&str; 16] = [
    "<tool_call>",
    "</tool_call>",
    r#"<tool_call>{"name": "f", "arguments": {"k": "v"}}</tool_call>"#,
    r#"{"name": "f", "arguments": {"#,
    r#""k": [1, true, null]}}"#,
    r#"{"name": "unknown"}"#,
    "<think>",
    "</think>",
    "<tool",
    "<",
    " ",
    "\n",
    "a word",
    "é😀",
    "\"",
    "\\u0041\\",
];

/// How one event is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Plain,
    Escaped,
    Logprobs,
    Commented,
    Role,
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![
        6 => Just(Form::Plain),
        2 => Just(Form::Escaped),
        1 => Just(Form::Logprobs),
        1 => Just(Form::Commented),
        1 => Just(Form::Role),
    ]
}

fn write(text: &str, form: Form) -> String {
    let json = serde_json::to_string(text).unwrap();
    match form {
        Form::Plain => chunk(&format!(r#"{{"content":{json}}}"#), "null"),
        Form::Commented => format!(": c\n{}", chunk(&format!(r#"{{"content":{json}}}"#), "null")),
        Form::Role => chunk(&format!(r#"{{"role":"assistant","content":{json}}}"#), "null"),
        Form::Logprobs => event(&format!(r#"{{"index":0,"delta":{{"content":{json}}},"logprobs":{{"content":[1]}}}}"#)),
        Form::Escaped => {
            let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            chunk(&format!(r#"{{"content":"{units}"}}"#), "null")
        }
    }
}

/// A text with the places at which it is cut into events, and their forms.
fn answer() -> impl Strategy<Value = (String, Vec<(prop::sample::Index, Form)>)> {
    let text = prop::collection::vec(prop::sample::select(&FRAGMENTS[..]), 0..8).prop_map(|parts| parts.concat());
    (text, prop::collection::vec((any::<prop::sample::Index>(), form()), 1..20))
}

fn stream(text: &str, cuts: &[(prop::sample::Index, Form)], reason: &str) -> String {
    let mut places: Vec<_> = cuts
        .iter()
        .map(|(cut, form)| {
            let at = cut.index(text.len() + 1);
            ((0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0), *form)
        })
        .collect();
    places.sort_by_key(|place| place.0);
    let mut out = String::new();
    let mut start = 0;
    for (at, form) in places {
        out += &write(&text[start..at], form);
        start = at;
    }
    out + &write(&text[start..], Form::Plain) + &finish(reason) + DONE
}

/// Where events say the model's name.
#[derive(Clone, Copy, Debug)]
enum ModelAt {
    Front,
    End,
    Nowhere,
}

impl ModelAt {
    /// An event or an answer with these choices.
    fn object(self, choices: &str) -> String {
        match self {
            Self::Front => format!(r#"{{"model":"m","choices":{choices},"id":"x"}}"#),
            Self::End => format!(r#"{{"id":"x","choices":{choices},"model":"m"}}"#),
            Self::Nowhere => format!(r#"{{"choices":{choices}}}"#),
        }
    }
}

/// A stream of several choices that take turns; each event carries one.
fn several(answers: &[(String, Vec<(prop::sample::Index, Form)>)], place: ModelAt) -> String {
    let mut queues: Vec<Vec<String>> = Vec::new();
    for (index, (text, cuts)) in answers.iter().enumerate() {
        let characters: Vec<char> = text.chars().collect();
        let mut events: Vec<String> = characters
            .chunks(characters.len() / cuts.len() + 1)
            .map(|part| {
                let part = serde_json::to_string(&part.iter().collect::<String>()).unwrap();
                format!(r#"[{{"index":{index},"delta":{{"content":{part}}}}}]"#)
            })
            .collect();
        events.push(format!(r#"[{{"index":{index},"delta":{{}},"finish_reason":"stop"}}]"#));
        queues.push(events);
    }
    let turns = queues.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = String::new();
    for turn in 0..turns {
        for choices in queues.iter().filter_map(|events| events.get(turn)) {
            out += &format!("data: {}\n\n", place.object(choices));
        }
    }
    out + DONE
}

/// A message with what differs between streams and answers made equal: ids, roles, and empty content.
fn plain(message: &FoldedMessage) -> FoldedMessage {
    let mut message = message.clone();
    message.role = None;
    message.content = message.content.filter(|content| !content.is_empty());
    message.tool_calls.iter_mut().for_each(|call| call.id.clear());
    message
}

proptest! {
    #[test]
    fn whole_and_streamed_answers_agree(
        (text, cuts) in answer(),
        reason in prop::sample::select(&["stop", "length"][..]),
        size in 1_usize..300,
    ) {
        let whole = serde_json::to_string(&text).unwrap();
        let whole = format!(r#"{{"choices":[{{"index":0,"message":{{"content":{whole}}},"finish_reason":"{reason}"}}]}}"#);
        let (body, body_summary) = bodies::rewrite(&usual(), &whole);
        let input = stream(&text, &cuts, reason);
        let (out, summary) = run(&usual(), input.as_bytes().chunks(size), End::Clean);
        let folded = fold(&out);
        prop_assert_eq!(plain(&folded.messages[&0]), plain(&Folded::from_body(body.as_bytes()).messages[&0]));
        prop_assert!(folded.done && summary.complete);
        prop_assert_eq!(&summary, &body_summary);

        let (slow, slow_summary) = run_slowly(&usual(), &input, End::Clean);
        prop_assert_eq!(slow, without_ids(&out));
        prop_assert_eq!(slow_summary, summary);
        prop_assert_eq!(out.matches("\"logprobs\":{").count(), input.matches("\"logprobs\":{").count());
    }

    #[test]
    fn an_alias_beside_calls_is_the_alias_behind_them(
        answers in prop::collection::vec(answer(), 1..4),
        place in prop::sample::select(&[ModelAt::Front, ModelAt::End, ModelAt::Nowhere][..]),
        size in 1_usize..300,
    ) {
        let input = several(&answers, place);
        let exchange = Exchange { choices: answers.len(), ..usual() };
        let (out, summary) = run(&exchange, [input.as_bytes()], End::Clean);
        let pieces: Vec<&[u8]> = input.as_bytes().chunks(size).collect();
        let (renamed, renamed_summary) = run_renamed(&exchange, &pieces, End::Clean);
        prop_assert_eq!(without_ids(&renamed), renamed_alone(&without_ids(&out)));
        prop_assert_eq!(renamed_summary, summary);
        prop_assert!(!renamed.contains("\"model\":\"m\""));

        let choices = answers.iter().enumerate().map(|(index, (text, _))| {
            let text = serde_json::to_string(text).unwrap();
            format!(r#"{{"index":{index},"message":{{"content":{text}}},"finish_reason":"stop"}}"#)
        });
        let whole = place.object(&format!("[{}]", choices.collect::<Vec<_>>().join(",")));
        let whole_of = |rewriter: BodyRewriter| {
            let (out, summary) = bodies::run(rewriter, &whole);
            (without_ids(&out), summary)
        };
        let (out, summary) = whole_of(BodyRewriter::new(&exchange, &Limits::default()));
        let renamed = whole_of(BodyRewriter::new(&exchange, &Limits::default()).with_alias(ALIAS));
        let alone = bodies::run(BodyRewriter::unread(&Limits::default()).with_alias(ALIAS), &out).0;
        prop_assert_eq!(renamed, (alone, summary));
    }

    #[test]
    fn where_nothing_is_to_be_done_the_bytes_pass_as_they_come(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        size in 1_usize..50,
    ) {
        let head = |content_type: &'static str| Head {
            status: 200, content_type: content_type.as_bytes(), content_encoding: None, has_length: false, is_told: false,
        };
        for subject in [Subject::Generation, Subject::Other] {
            for content_type in ["text/event-stream", "application/json", "text/html", ""] {
                let mut pipeline = Pipeline::new(&head(content_type), subject, &Plan::default(), &Limits::default()).unwrap();
                prop_assert!(!pipeline.changes_length() && !pipeline.is_read());
                for piece in bytes.chunks(size) {
                    prop_assert_eq!(&pipeline.push(Bytes::copy_from_slice(piece)).unwrap()[..], piece);
                }
                prop_assert_eq!(pipeline.finish(), (Bytes::new(), None));
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..50) {
        for end in [End::Clean, End::Died] {
            let mut rewriter = StreamRewriter::new(&usual(), &Limits { event_bytes_max: 100, ..Limits::default() });
            let mut out = BytesMut::new();
            bytes.chunks(size).for_each(|piece| out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece))));
            match end {
                End::Clean => rewriter.finish(&mut out),
                End::Died => rewriter.fail("gone", &mut out),
            };
        }
        let mut rewriter = BodyRewriter::new(&usual(), &Limits::default());
        let mut out = BytesMut::new();
        out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(&bytes)));
        rewriter.finish(&mut out);
        prop_assert_eq!(&out[..], &bytes[..]);
    }
}
