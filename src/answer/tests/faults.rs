//! Streams that end badly, are too large, or are no chat at all.

use super::*;
use crate::answer::{Head, Pipeline, Subject};
use crate::plan::Plan;

const UNFINISHED: &str = "data: {\"error\":{\"message\":\"the upstream ended its answer without a finish reason\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_incomplete\"}}\n\n";
const DIED: &str = "data: {\"error\":{\"message\":\"connection reset\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_error\"}}\n\n";

fn check(input: &[String], end: End, expected: &[String]) -> Summary {
    let (out, summary) = rewrite(&usual(), &input.concat(), end);
    assert_eq!(out, expected.concat());
    summary
}

#[test]
fn what_is_no_chunk_passes() {
    let strange = [
        ": a comment\n\n",
        "event: x\nid: 1\n\n",
        "data: not json\n\n",
        "data: [1]\n\n",
        "data: {\"choices\":{}}\n\n",
        "data: {\"choices\":[1]}\n\n",
        "data: {\"choices\":[{\"index\":-1,\"delta\":{\"content\":\"a\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":[\"a\"]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":[]}]}\n\n",
        "data: {\"choices\":null}\n\n",
        "\n",
    ];
    for strange in strange {
        let input = [text("a"), strange.into(), text("b"), finish("stop"), DONE.into()];
        check(&input, End::Clean, &input);
    }
}

#[test]
fn an_end_without_a_finish_reason_is_an_error() {
    let summary = check(&[text("a<tool")], End::Clean, &[text("a"), made(r#"{"content":"<tool"}"#), UNFINISHED.into()]);
    assert!(!summary.complete);
    let (out, summary) = run(&usual(), [], End::Clean);
    assert_eq!((out.as_str(), summary.complete), (UNFINISHED, false));
    assert!(!check(&[": ping\n\n".into()], End::Clean, &[": ping\n\n".into(), UNFINISHED.into()]).complete);
}

#[test]
fn done_alone_is_an_error() {
    assert!(!check(&[DONE.into()], End::Clean, &[UNFINISHED.into(), DONE.into()]).complete);
}

#[test]
fn an_end_after_the_finish_reason_is_success() {
    let input = [text("a"), finish("stop")];
    for end in [End::Clean, End::Died] {
        assert!(check(&input, end, &[text("a"), finish("stop"), DONE.into()]).complete);
    }
    let all = [text("a"), finish("stop"), DONE.into()];
    for end in [End::Clean, End::Died] {
        assert!(check(&all, end, &all).complete);
    }
}

#[test]
fn one_choice_without_a_finish_reason_is_an_error() {
    let other = event(r#"{"index":1,"delta":{"content":"b"},"finish_reason":null}"#);
    let input = [text("a"), other, finish("stop")];
    assert!(!check(&input, End::Clean, &[input.concat(), UNFINISHED.into()]).complete);
}

#[test]
fn a_death_lets_go_and_says_so() {
    let summary = check(&[text("a<tool")], End::Died, &[text("a"), made(r#"{"content":"<tool"}"#), DIED.into()]);
    assert!(!summary.complete);
    let cut = r#"<tool_call>{"name":"f","arguments":{"k":"v"#;
    check(&[role(), text(cut)], End::Died, &[role(), call(0, "f"), arguments(0, r#"{"k":"v"#), DIED.into()]);
}

#[test]
fn half_an_event_is_dropped() {
    for half in ["data: {\"choices\":[{\"del", "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n", "dat", ": pi"]
    {
        check(&[text("a"), half.into()], End::Died, &[text("a"), DIED.into()]);
    }
    check(&[text("a"), "data: {\"choices\":[{\"del".into()], End::Clean, &[text("a"), UNFINISHED.into()]);
}

#[test]
fn the_last_blank_line_may_be_missing() {
    for ending in ["", "\n"] {
        let last = text("<tool").trim_end().to_owned() + ending;
        check(&[role(), last], End::Clean, &[role(), made(r#"{"content":"<tool"}"#), UNFINISHED.into()]);
        let done = DONE.trim_end().to_owned() + ending;
        let (out, summary) = rewrite(&usual(), &[text("a<tool"), done].concat(), End::Clean);
        assert_eq!(out, [text("a"), made(r#"{"content":"<tool"}"#), finish("stop"), DONE.into()].concat());
        assert!(summary.complete);
    }
}

#[test]
fn an_error_event_goes_on_after_what_was_held() {
    let error = "data: {\"error\":{\"code\":500,\"message\":\"no\"}}\n\n".to_owned();
    let expected = [text("a"), made(r#"{"content":"<tool"}"#), error.clone()];
    for end in [End::Clean, End::Died] {
        assert!(check(&[text("a<tool"), error.clone()], end, &expected).complete);
    }
    check(&[error.clone(), DONE.into()], End::Clean, &[error, DONE.into()]);
    let none = "data: {\"error\":null,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n".to_owned();
    check(&[none.clone(), finish("stop"), DONE.into()], End::Clean, &[none, finish("stop"), DONE.into()]);
}

#[test]
fn an_error_that_is_told_in_another_way_goes_on_in_openais() {
    for told in [
        "event: error\ndata: {\"code\":500,\"message\":\"no\"}\n\n",
        "event: error\ndata: {\"code\":500,\ndata: \"message\":\"no\"}\n\n",
        "data: {\"object\":\"error\",\"message\":\"no\"}\n\n",
        "event: error\ndata: no\n\n",
    ] {
        let (out, summary) = rewrite(&usual(), &[text("a<tool"), told.to_owned(), DONE.into()].concat(), End::Clean);
        let let_go = [text("a"), made(r#"{"content":"<tool"}"#)].concat();
        let error = out.strip_prefix(&let_go).unwrap().strip_suffix(DONE).unwrap();
        let error: serde_json::Value = serde_json::from_str(error.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(error["error"]["message"], "no", "{told}");
        assert!(summary.complete && summary.finish_reason.is_none());
    }
    let known = "event: error\ndata: {\"error\":{\"message\":\"no\"}}\n\n".to_owned();
    check(&[text("a"), known.clone(), DONE.into()], End::Clean, &[text("a"), known, DONE.into()]);
}

#[test]
fn an_answer_that_lacks_a_choice_is_not_complete() {
    let two = Exchange { choices: 2, ..usual() };
    let input = [text("a"), finish("stop")].concat();
    assert_eq!(rewrite(&two, &input, End::Died).0, [&input, DIED].concat());
}

#[test]
fn an_answer_is_said_before_it_is_over() {
    for (choices, input, expected) in [
        (1, text("a"), false),
        (1, text("a") + &finish("stop"), true),
        (2, text("a") + &finish("stop"), false),
        (2, text("a") + DONE, true),
        (1, "data: {\"error\":{}}\n\n".to_owned(), true),
    ] {
        let mut rewriter = StreamRewriter::new(&Exchange { choices, ..usual() }, &Limits::default());
        rewriter.push(input.clone().into());
        assert_eq!(rewriter.is_said(), expected, "{input}");
    }
}

/// What comes out with these limits, all of it pushed in pieces of every size.
fn within(limits: &Limits, input: &str, end: End) -> (String, Summary) {
    let mut results = (1..=input.len()).map(|size| {
        let mut rewriter = StreamRewriter::new(&usual(), limits);
        let mut out = BytesMut::new();
        for piece in input.as_bytes().chunks(size) {
            out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece)));
        }
        let summary = match end {
            End::Clean => rewriter.finish(&mut out),
            End::Died => rewriter.fail("connection reset", &mut out),
        };
        (String::from_utf8(out.to_vec()).unwrap(), summary)
    });
    let first = results.next().unwrap();
    assert!(results.all(|result| result == first), "pieces of another size make a difference");
    first
}

#[test]
fn an_event_over_the_limit_ends_the_reading() {
    let limits = Limits { event_bytes_max: 120, ..Limits::default() };
    let large = text(&"x".repeat(120));
    let input = [text("a<tool"), large.clone(), text("<tool_call>"), finish("stop"), DONE.into()].concat();
    let (out, summary) = within(&limits, &input, End::Clean);
    let let_go = [text("a"), made(r#"{"content":"<tool"}"#)].concat();
    assert_eq!(out, [let_go.as_str(), &large, &text("<tool_call>"), &finish("stop"), DONE].concat());
    assert!(summary.bailed_out);

    let half = large.get(..140).unwrap();
    let (out, summary) = within(&limits, &[&text("a<tool"), half].concat(), End::Died);
    assert_eq!(out, [let_go.as_str(), half, "\n\n", DIED].concat());
    assert!(summary.bailed_out && !summary.complete);
}

#[test]
fn choices_over_the_limit_end_the_reading() {
    let limits = Limits { choices_max: 1, ..Limits::default() };
    let other = event(r#"{"index":1,"delta":{"content":"<tool"},"finish_reason":null}"#);
    let input = [text("a<tool"), other.clone(), text("_call>"), finish("stop"), DONE.into()].concat();
    let (out, summary) = within(&limits, &input, End::Clean);
    let expected =
        [text("a"), made(r#"{"content":"<tool"}"#), other, text("_call>"), finish("stop"), DONE.into()].concat();
    assert_eq!(out, expected);
    assert!(summary.bailed_out);
}

#[test]
fn an_unread_stream_that_ends_in_an_event_has_more_to_say_and_no_other() {
    let unread = |plan: &Plan, pieces: &[&str], subject: Subject| {
        let head = Head {
            status: 200,
            content_type: b"text/event-stream",
            content_encoding: None,
            has_length: false,
            is_told: false,
        };
        let mut pipeline = Pipeline::new(&head, subject, plan, &Limits::default()).unwrap();
        pieces.iter().for_each(|piece| {
            pipeline.push(Bytes::copy_from_slice(piece.as_bytes())).unwrap();
        });
        pipeline.unfinished()
    };
    let died = ["data: {\"choices\":[]}\n\n", "\n\nproxy error: Failed to read connection"];
    for plan in [
        Plan::default(),
        Plan { alias: Some("n".to_owned()), ..Plan::default() },
        Plan { salvage: Some(Box::new(usual())), ..Plan::default() },
    ] {
        let more = unread(&plan, &died, Subject::Generation);
        assert_eq!(more.as_deref(), Some(format!("\n\n{UNFINISHED}").as_bytes()), "{plan:?}");
        assert_eq!(unread(&plan, &died, Subject::Other), None, "{plan:?}");
        assert_eq!(unread(&plan, &[&text("a"), DONE], Subject::Generation), None, "{plan:?}");
    }
}
