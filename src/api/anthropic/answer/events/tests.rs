//! What events come of streams of chunks: by tables.

use serde_json::Value;

use super::*;

mod properties;

fn told() -> Told {
    Told { model: "m".to_owned(), is_streamed: true, max_tokens: 100, fills_cache: false, prefill: None }
}

fn fresh(limits: &Limits) -> Events {
    Events::new(&told(), Facts::default(), limits)
}

/// The events of a stream that comes in pieces.
fn events_of<'a>(events: &mut Events, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(&events.push(Bytes::copy_from_slice(piece)));
    }
    out.extend_from_slice(&events.finish());
    assert!(events.is_done() && events.push(Bytes::from_static(b"data: [DONE]\n\n")).is_empty());
    assert!(events.wait().is_empty() && events.finish().is_empty());
    String::from_utf8(out).unwrap()
}

/// The events of a stream in short: what blocks begin, say and end, and how all of it ends.
fn read(stream: &[&str]) -> Vec<String> {
    let stream: String = stream.iter().map(|event| format!("{event}\n\n")).collect();
    shown(&events_of(&mut fresh(&Limits::default()), [stream.as_bytes()]))
}

fn shown(events: &str) -> Vec<String> {
    events.split_terminator("\n\n").map(show).collect()
}

fn show(event: &str) -> String {
    let Some((name, data)) = event.split_once("\ndata: ") else { return event.to_owned() };
    let data: Value = serde_json::from_str(data).unwrap();
    let name = name.strip_prefix("event: ").unwrap();
    assert_eq!(data["type"], name);
    let text = |place: &str| data.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned();
    match name {
        "message_start" => "start".to_owned(),
        "content_block_start" => format!("{} {}", data["index"], text("/content_block/type")),
        "content_block_delta" => {
            ["/delta/text", "/delta/thinking", "/delta/partial_json", "/delta/signature"].map(text).concat()
        }
        "content_block_stop" => format!("{} stop", data["index"]),
        "message_delta" => text("/delta/stop_reason"),
        "error" => format!("error {}: {}", text("/error/type"), text("/error/message")),
        other => other.to_owned(),
    }
}

const A: &str = r#"data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
const ROLE: &str = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}"#;
const HALF_CALL: &str = r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"a\""}}]}}]}"#;
const STOPPED: &str = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str = r#"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
const DONE: &str = "data: [DONE]";
const UNFINISHED_ERROR: &str = "error api_error: the server ended its answer before it was complete";

#[test]
fn a_stream_ends_once_and_says_how() {
    let said = ["start", "0 text", "a", "0 stop", "end_turn", "message_stop"].as_slice();
    let empty = &["start", "0 text", "0 stop", "end_turn", "message_stop"];
    let boom = "error api_error: boom";
    for (stream, expected) in [
        (&[A, STOPPED, USAGE, DONE][..], said),
        // What it took is the last that is said.
        (&[A, STOPPED, USAGE, A], said),
        (&[A, STOPPED, DONE, USAGE], said),
        (&[A, STOPPED], said),
        (&[A, DONE], said),
        (&[ROLE, ROLE, A, USAGE, STOPPED, ROLE, DONE], said),
        (&[DONE], empty),
        (&[STOPPED], empty),
        (&[], &[UNFINISHED_ERROR]),
        (&[A], &["start", "0 text", "a", UNFINISHED_ERROR]),
        (&[HALF_CALL], &["start", "0 tool_use", "{\"a\"", UNFINISHED_ERROR]),
        (&[HALF_CALL, STOPPED], &["start", "0 tool_use", "{\"a\"", "0 stop", "tool_use", "message_stop"]),
        (
            &[A, "data: {\"choices\""],
            &["start", "0 text", "a", "error api_error: an event of the server's answer is no chunk"],
        ),
        (&["data: [1]", A], &["error api_error: an event of the server's answer is no chunk"]),
        (&[A, "event: error\ndata: {\"message\":\"boom\"}", A], &["start", "0 text", "a", boom]),
        // An event that looks like the one before and calls itself an error is one.
        (
            &[A, &["event: error\n", A].concat()],
            &["start", "0 text", "a", "error api_error: the server gave no reason"],
        ),
        (&["data: {\"error\":\"boom\"}", A], &[boom]),
        (&["event: error"], &["error api_error: the server gave no reason"]),
        (&["data: {\"error\":{\"message\":\"late\",\"code\":503}}"], &["error overloaded_error: late"]),
        (
            &["data: {\"error\":{\"code\":400,\"n_prompt_tokens\":9,\"n_ctx\":8}}"],
            &["error invalid_request_error: prompt is too long: 9 tokens > 8 maximum"],
        ),
        // What comes behind the reason is told all the same.
        (&[STOPPED, A, DONE], said),
        // After it an end of any kind is one.
        (&[A, STOPPED, "data: {\"error\":\"boom\"}"], said),
        (&[A, STOPPED, "data: x"], said),
        (&[A, STOPPED, "data: {\"choices\""], said),
    ] {
        assert_eq!(read(stream), expected, "{stream:?}");
    }
}

#[test]
fn comments_stay_and_other_fields_go() {
    for (stream, expected) in [
        (": queued position=2\n\n", ": queued position=2\n\n"),
        (": a\r\n:b\r\n\r\n", ": a\n:b\n\n"),
        ("id: 7\n\n\n\nretry: 5\n\nevent: x\n\ndata:\n\n", ""),
        (": a\nid: 7\n\n", ": a\n\n"),
    ] {
        let ways = (0..=stream.len()).map(|cut| {
            let mut events = fresh(&Limits::default());
            let (one, other) = stream.split_at(cut);
            [events.push(one.to_owned().into()), events.push(other.to_owned().into())].concat()
        });
        for way in ways {
            assert_eq!(std::str::from_utf8(&way), Ok(expected), "{stream:?}");
        }
    }
}

#[test]
fn a_client_that_waits_hears_the_start_once() {
    let mut events = fresh(&Limits::default());
    let mut heard = Vec::new();
    heard.extend_from_slice(&events.wait());
    heard.extend_from_slice(&events.wait());
    heard.extend_from_slice(&events.push(format!("{A}\n\n").into()));
    heard.extend_from_slice(&events.wait());
    heard.extend_from_slice(&events.push(format!("{STOPPED}\n\n").into()));
    heard.extend_from_slice(&events.wait());
    heard.extend_from_slice(&events.finish());
    let heard = String::from_utf8(heard).unwrap();
    let expected = ["start", "ping", "0 text", "a", "ping", "0 stop", "ping", "end_turn", "message_stop"];
    assert_eq!(shown(&heard), expected);
    let mut begun = Events::begun(&told(), Facts::default(), &Limits::default());
    assert_eq!(begun.wait(), ping());
    assert_eq!(shown(&events_of(&mut begun, [A.as_bytes()]))[..2], ["0 text", "a"]);
    let start = super::super::message_start(&told());
    let (own, later) = (std::str::from_utf8(&start).unwrap(), heard.split_inclusive("\n\n").next().unwrap());
    let without_id = |start: &str| start.split_once("\"type\":\"message\"").unwrap().1.to_owned();
    assert_eq!(without_id(own), without_id(later));
}

#[test]
fn nothing_is_said_where_only_the_cache_is_filled() {
    let told = Told { fills_cache: true, max_tokens: 0, ..told() };
    let mut events = Events::new(&told, Facts::default(), &Limits::default());
    let stream = [A, A, HALF_CALL, STOPPED, USAGE].map(|event| format!("{event}\n\n")).concat();
    let expected = ["start", "0 text", "0 stop", "max_tokens", "message_stop"];
    assert_eq!(shown(&events_of(&mut events, [stream.as_bytes()])), expected);
}

#[test]
fn a_stream_within_its_limits_is_kept_and_no_other() {
    let limits = Limits { answer_bytes_max: 300, ..Limits::default() };
    let stream = format!("{A}\n\ndata: {}\n\n", "x".repeat(300));
    let expected = ["start", "0 text", "a", "error api_error: an event is longer than 300 bytes"];
    assert_eq!(shown(&events_of(&mut fresh(&limits), [stream.as_bytes()])), expected);
}

#[test]
fn the_last_blank_line_may_be_missing_and_half_an_event_is_none() {
    for stream in [
        format!("{A}\n\n{STOPPED}"),
        format!("{A}\n\n{STOPPED}\n\ndata: {{\"choi"),
        format!("{A}\r\n\r\n{STOPPED}\r\n\r"),
    ] {
        let events = shown(&events_of(&mut fresh(&Limits::default()), [stream.as_bytes()]));
        assert_eq!(events, ["start", "0 text", "a", "0 stop", "end_turn", "message_stop"], "{stream}");
    }
}
