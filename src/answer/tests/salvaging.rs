//! Errors that tell what the model wrote: in a stream, in place of a whole answer, and in a stream that is assembled.

use super::*;
use crate::api::openai::{Assembler, ToldText};
use crate::decode::Reasoning;

const CALL: &str = r#"<tool_call>{"name":"f","arguments":{"k":"v"}}</tool_call>"#;

/// An error of llama-server's, as a body or as data of an event.
fn error(message: &str) -> String {
    let message = serde_json::to_string(message).unwrap();
    format!(r#"{{"error":{{"code":500,"message":{message},"type":"server_error"}}}}"#)
}

fn check(input: &[String], expected: &[String]) -> Summary {
    let (out, summary) = rewrite(&usual(), &input.concat(), End::Clean);
    assert_eq!(out, expected.concat());
    summary
}

#[test]
fn a_stream_whose_server_fails_to_parse_it_goes_on_with_its_text() {
    let told = format!("data: {}\n\n", error(&format!("Failed to parse input at pos 7: b{CALL}")));
    let summary = check(
        &[role(), text("a"), told.clone(), text("late"), DONE.into()],
        &[
            role(),
            text("a"),
            made(r#"{"content":"b"}"#),
            call(0, "f"),
            arguments(0, r#"{"k":"v"}"#),
            finish("tool_calls"),
            DONE.into(),
        ],
    );
    assert!(summary.salvaged && summary.complete);
    assert_eq!((summary.calls, summary.finish_reason.as_deref()), (1, Some("tool_calls")));
    // What was held goes with it.
    let half = CALL.len() / 2;
    let told = format!("data: {}\n\n", error(&format!("Failed to parse input at pos 7: {}", &CALL[half..])));
    let summary = check(
        &[role(), text(&CALL[..half]), told],
        &[role(), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), DONE.into()],
    );
    assert_eq!(summary.calls, 1);
}

#[test]
fn arguments_that_a_server_could_not_parse_are_the_call_that_they_name() {
    let told = |raw: &str| {
        format!("data: {}\n\n", error(&format!("error parsing tool call: raw='{raw}', err=invalid character")))
    };
    let summary = check(
        &[role(), told(r#"{"name":"f","arguments":{"k":"v"}}]"#)],
        &[role(), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), DONE.into()],
    );
    assert!(summary.salvaged && summary.calls == 1);
    let text = made(r#"{"content":"print(1)"}"#);
    check(&[role(), told("print(1)")], &[role(), text, finish("stop"), DONE.into()]);
}

#[test]
fn an_error_is_one_where_it_tells_no_text_or_the_answer_has_ended() {
    let other = format!("data: {}\n\n", error("the model has died"));
    let (out, summary) = rewrite(&usual(), &[role(), text("a"), other.clone()].concat(), End::Clean);
    assert!(out.ends_with(&other) && !summary.salvaged, "{out}");
    let told = format!("data: {}\n\n", error("Failed to parse input at pos 0: a"));
    let (out, summary) = rewrite(&usual(), &[role(), text("a"), finish("stop"), told.clone()].concat(), End::Clean);
    assert!(out.ends_with(&told) && !summary.salvaged, "{out}");
}

/// What comes of a stream whose calls its server reads, made sure that cuts make no difference.
fn look(events: &[String], end: End) -> (String, Summary) {
    let input = events.concat();
    // What the prompt has opened, the server has split off.
    let mut exchange = usual();
    exchange.decoding.reasoning = Reasoning::Open;
    let look = |pieces: &[&[u8]]| {
        let rewriter = StreamRewriter::looking_for_errors(&exchange, &Limits::default());
        let (out, summary) = run_through(rewriter, pieces.iter().copied(), end);
        (without_ids(&out), summary)
    };
    let whole = look(&[input.as_bytes()]);
    for cut in 0..input.len() {
        let (a, b) = input.as_bytes().split_at(cut);
        assert_eq!(look(&[a, b]), whole, "cut at {cut}");
    }
    whole
}

#[test]
fn a_stream_that_its_server_reads_goes_on_with_what_an_error_tells() {
    let told = |raw: &str| format!("data: {}\n\n", error(&format!("Failed to parse input at pos 7: {raw}")));
    // What it took for text is text.
    let before = [": hello\n\n".to_owned(), role(), text("a"), text(CALL)];
    let (out, summary) = look(&[&before[..], &[told(&format!("b{CALL}")), text("late")]].concat(), End::Clean);
    let rest =
        [made(r#"{"content":"b"}"#), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), DONE.to_owned()];
    assert_eq!(out, [&before[..], &rest].concat().concat());
    assert!(summary.salvaged && summary.complete && summary.calls == 1);
    let rewriter = StreamRewriter::looking_for_errors(&usual(), &Limits::default());
    let renamed = rewriter.with_alias(ALIAS, &Limits::default());
    let (out, _) = run_through(renamed, [[role(), told("b")].concat().as_bytes()], End::Clean);
    assert_eq!(out, renamed_alone(&[role(), made(r#"{"content":"b"}"#), finish("stop"), DONE.into()].concat()));
}

#[test]
fn whatever_else_comes_in_such_a_stream_passes_as_it_is() {
    let told = format!("data: {}\n\n", error(&format!("Failed to parse input at pos 7: {CALL}")));
    let other = format!("data: {}\n\n", error("the model has died"));
    let served = chunk(r#"{"tool_calls":[{"index":0,"id":"i","function":{"name":"f","arguments":"{"}}]}"#, "null");
    let half = "data: {\"id\":\"x\",\"choi".to_owned();
    for events in [
        vec![role(), text("a"), finish("stop"), DONE.into()],
        vec![role(), text("a"), other.clone()],
        vec!["data: {\"error\":\"boom\"}\n\n".to_owned(), DONE.into()],
        // What it tells may be of the call that has begun, and the answer may be over.
        vec![role(), served, told.clone()],
        vec![role(), text("a"), finish("stop"), told],
        vec![role(), text("a")],
        vec![role(), half],
        vec!["no events\r\r".to_owned(), "\n\n\n".to_owned()],
    ] {
        assert_eq!(look(&events, End::Clean), (events.concat(), Summary::default()));
    }
}

#[test]
fn an_error_behind_the_servers_own_calls_is_one() {
    let served = chunk(r#"{"tool_calls":[{"index":0,"id":"i","function":{"name":"f","arguments":"{"}}]}"#, "null");
    let told = format!("data: {}\n\n", error("Failed to parse input at pos 0: a"));
    let events = [role(), served, told];
    let (out, summary) = rewrite(&usual(), &events.concat(), End::Clean);
    assert_eq!((out, summary.salvaged), (events.concat(), false));
    let mut assembler = Assembler::new(1, &Limits::default(), ToldText::Read);
    assert!(assembler.push(events.concat().into()).is_err());
}

#[test]
fn a_body_that_tells_the_text_is_an_answer() {
    let body = error(&format!("Failed to parse input at pos 0: a{CALL}"));
    let (out, summary) = bodies::rewrite(&usual(), &format!(r#"{{"id":"x","created":0,{}"#, &body[1..]));
    let calls = r#"[{"id":"ID","type":"function","function":{"name":"f","arguments":"{\"k\":\"v\"}"}}]"#;
    let message = format!(r#"{{"role":"assistant","content":"a","tool_calls":{calls}}}"#);
    let choice = format!(r#"{{"index":0,"message":{message},"finish_reason":"tool_calls"}}"#);
    assert_eq!(out, format!(r#"{{"id":"x","created":0,"choices":[{choice}]}}"#));
    assert!(summary.salvaged && summary.complete && summary.calls == 1);
    let other = error("the model has died");
    assert_eq!(bodies::rewrite(&usual(), &other).0, other);
}

#[test]
fn what_was_said_before_is_kept_when_a_stream_is_assembled() {
    let told = |message: &str| format!("data: {}\n\n", error(message));
    let assembled = |last: &str, told_text: ToldText| {
        let mut assembler = Assembler::new(1, &Limits::default(), told_text);
        assembler.push([role(), text("a"), last.to_owned()].concat().into())?;
        let body = assembler.finish()?;
        Ok::<_, openai::AssembleError>(bodies::rewrite(&usual(), std::str::from_utf8(&body).unwrap()))
    };
    let text = told(&format!("Failed to parse input at pos 7: b{CALL}"));
    let (out, summary) = assembled(&text, ToldText::Read).unwrap();
    let answer = Folded::from_body(out.as_bytes());
    let message = &answer.messages[&0];
    assert_eq!((message.content.as_deref(), message.tool_calls.len(), answer.error), (Some("ab"), 1, None));
    assert_eq!((message.finish_reason.as_deref(), summary.salvaged), (Some("tool_calls"), true));
    assert!(assembled(&text, ToldText::Ignored).is_err());
    // The same where the server reads the calls, and what it took for an answer stays.
    let look = |body: &str| {
        let mut rewriter = BodyRewriter::looking_for_errors(&usual(), &Limits::default());
        let mut out = BytesMut::from(&rewriter.push(Bytes::copy_from_slice(body.as_bytes()))[..]);
        let summary = rewriter.finish(&mut out);
        (String::from_utf8(out.to_vec()).unwrap(), summary.salvaged)
    };
    let mut assembler = Assembler::new(1, &Limits::default(), ToldText::Read);
    assembler.push([role(), self::text("a"), text.clone()].concat().into()).unwrap();
    let (looked, salvaged) = look(std::str::from_utf8(&assembler.finish().unwrap()).unwrap());
    assert!(salvaged && without_ids(&looked) == without_ids(&out), "{looked}");
    let whole =
        format!(r#"{{"choices":[{{"index":0,"message":{{"content":{}}}}}]}}"#, serde_json::to_string(CALL).unwrap());
    assert_eq!(look(&whole), (whole, false));
    assert!(assembled(&told("the model has died"), ToldText::Read).is_err());
}
