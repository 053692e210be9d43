//! The same answer however it arrives: whole or streamed, one event or many, cut anywhere.

use proptest::prelude::*;

use super::*;
use crate::answer::Message;

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

/// A message with what differs between streams and answers made equal: ids, roles, and empty content.
fn plain(message: &Message) -> Message {
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
        rewriter.push(Bytes::copy_from_slice(&bytes), &mut out);
        rewriter.finish(&mut out);
        prop_assert_eq!(&out[..], &bytes[..]);
    }
}
