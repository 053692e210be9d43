//! The client's name for the model, alone and beside calls.

use super::*;

fn limits() -> Limits {
    Limits { event_bytes_max: 200, answer_bytes_max: 200, ..Limits::default() }
}

fn streamed(name: &str, pieces: &[&[u8]]) -> String {
    let mut rewriter = StreamRewriter::unread().with_alias(name, &limits());
    let mut out = BytesMut::new();
    pieces.iter().for_each(|piece| out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece))));
    rewriter.finish(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

fn whole(name: &str, pieces: &[&[u8]]) -> String {
    let mut rewriter = BodyRewriter::unread(&limits()).with_alias(name);
    let mut out = BytesMut::new();
    pieces.iter().for_each(|piece| out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece))));
    rewriter.finish(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

/// However it is cut, every `"M"` that is the model's name becomes the client's, and nothing else changes.
fn check(stream: &str) {
    let expected = stream.replace("\"M\"", "\"a \\\"b\\\"\"");
    let name = "a \"b\"";
    for cut in 0..=stream.len() {
        let (left, right) = stream.as_bytes().split_at(cut);
        assert_eq!(streamed(name, &[left, right]), expected, "cut at {cut}");
    }
    let bytes: Vec<_> = stream.as_bytes().chunks(1).collect();
    assert_eq!(streamed(name, &bytes), expected);
}

#[test]
fn each_event_gets_the_name() {
    check(concat!(
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"id\":1,\"model\":\"M\",\"object\":\"o\"}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"y \\\"model\\\":\\\"N\\\"\"}}],\"id\":1,\"model\":\"M\",\"object\":\"o\"}\n\n",
        ": ping\n\n",
        "data: {\"model\" : \"M\" , \"choices\":[]}\r\n\r\n",
        "data: {\"model\" : \"M\" , \"choices\":[],\"usage\":{\"model\":\"other\"}}\r\n\r\n",
        "data: [DONE]\n\n",
    ));
    check("event: message_start\ndata: {\"message\":{\"id\":1,\"model\":\"M\"}}\n\n");
    check("data: {\"response\":{\"model\":\"M\"},\"model\":null}\n\n");
    check("data: {\"choices\":[{\"message\":{\"model\":\"N\"}}]}\n\ndata: {\"model\":7}\n\ndata: {\"mo");
    check("data: {\"m\\u006fdel\":\"M\"}\n\n");
}

#[test]
fn an_event_that_ends_alike_and_is_another_is_told_apart() {
    for (first, second) in [
        // In another object than those that wrap an answer.
        (r#"{"response":{"x":1,"model":"M"}}"#, r#"{"other":{"x":1,"model":"M"}}"#),
        (r#"{"x":1,"model":"M"}"#, r#"{"x":{"y":1,"model":"M"}}"#),
        // A key that only ends alike.
        (r#"{"x":1,"model":"M"}"#, r#"{"x":1,"y\"model":"M"}"#),
    ] {
        let stream = format!("data: {first}\n\ndata: {second}\n\n");
        let expected = stream.replacen("\"M\"", "\"a\"", 1);
        assert_eq!(streamed("a", &[stream.as_bytes()]), expected);
    }
}

#[test]
fn several_lines_of_data_are_one() {
    let stream = "data: {\"id\":1,\ndata: \"model\":\"M\"}\n\n";
    assert_eq!(streamed("a", &[stream.as_bytes()]), "data: {\"id\":1, \"model\":\"a\"}\n\n");
}

#[test]
fn a_whole_answer_gets_the_name() {
    for (body, expected) in [
        (" {\"id\": 1.0, \"model\":\"M\" } ", " {\"id\": 1.0, \"model\":\"a\" } "),
        ("{\"response\":{\"model\":\"M\"}}", "{\"response\":{\"model\":\"a\"}}"),
        ("{\"model\":null}", "{\"model\":null}"),
        ("{\"model\":\"M\"", "{\"model\":\"M\""),
        ("not JSON", "not JSON"),
        ("", ""),
    ] {
        for cut in 0..=body.len() {
            let (left, right) = body.as_bytes().split_at(cut);
            assert_eq!(whole("a", &[left, right]), expected);
        }
    }
}

#[test]
fn what_is_too_large_passes() {
    let stream = format!("data: {{\"model\":\"M\"}}\n\ndata: {{\"x\":\"{}\",\"model\":\"M\"}}\n\n", "x".repeat(200));
    let bytes: Vec<_> = stream.as_bytes().chunks(7).collect();
    assert_eq!(streamed("a", &bytes), stream.replacen("\"M\"", "\"a\"", 1));
    let body = format!("{{\"model\":\"M\",\"x\":\"{}\"}}", "x".repeat(200));
    let bytes: Vec<_> = body.as_bytes().chunks(7).collect();
    assert_eq!(whole("a", &bytes), body);
}
