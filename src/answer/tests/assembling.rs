//! Streams in, whole answers out, however the stream is cut.

use serde_json::{Value, json};

use super::*;
use crate::api::openai::{AnswerTooLarge, AssembleError, Assembler, ToldText};
use crate::sse::EventTooLarge;

fn assemble_cut(
    exchange: Option<&Exchange>,
    pieces: &[&[u8]],
    limits: &Limits,
) -> Result<(String, Summary), AssembleError> {
    let mut assembler = Assembler::new(1, limits, ToldText::Ignored);
    for piece in pieces {
        assembler.push(Bytes::copy_from_slice(piece))?;
    }
    let mut rewriter = match exchange {
        Some(exchange) => BodyRewriter::new(exchange, limits),
        None => BodyRewriter::unchanging(limits),
    };
    let mut out = BytesMut::new();
    out.extend_from_slice(&rewriter.push(assembler.finish()?));
    let summary = rewriter.finish(&mut out);
    Ok((String::from_utf8(out.to_vec()).unwrap(), summary))
}

/// What is made of a stream, however it is cut.
fn assemble_within(
    limits: &Limits,
    exchange: Option<&Exchange>,
    input: &str,
) -> Result<(Value, Summary), AssembleError> {
    let clean = |(out, summary): (String, Summary)| (without_ids(&out), summary);
    let result = assemble_cut(exchange, &[input.as_bytes()], limits).map(clean);
    // Short streams are cut at every byte, long ones at some two hundred places.
    let step = if input.len() <= 2000 { 1 } else { input.len() / 199 };
    for cut in (0..input.len()).step_by(step) {
        let (a, b) = input.as_bytes().split_at(cut);
        assert_eq!(assemble_cut(exchange, &[a, b], limits).map(clean), result, "cut at {cut}");
    }
    result.map(|(out, summary)| (serde_json::from_str(&out).unwrap(), summary))
}

fn assemble(exchange: Option<&Exchange>, input: &str) -> Result<(Value, Summary), AssembleError> {
    assemble_within(&Limits::default(), exchange, input)
}

/// An answer without what differs from one to the next.
fn steady(mut answer: Value) -> Value {
    let members = answer.as_object_mut().unwrap();
    for key in ["id", "created", "timings"] {
        members.remove(key).unwrap_or_else(|| panic!("{key} is missing"));
    }
    for choice in answer["choices"].as_array_mut().unwrap() {
        for call in choice["message"]["tool_calls"].as_array_mut().into_iter().flatten() {
            call.as_object_mut().unwrap().remove("id").unwrap();
        }
    }
    answer
}

/// What llama-server answers to one request, streamed and whole.
#[test]
fn an_assembled_answer_is_the_server_s_own() {
    macro_rules! pair {
        ($name:literal) => {{
            let stream = include_str!(concat!("../../../tests/captures/llamacpp-", $name, ".sse"));
            let whole = include_str!(concat!("../../../tests/captures/llamacpp-", $name, ".json"));
            ($name, stream, whole)
        }};
    }
    for (name, stream, whole) in [pair!("text"), pair!("length"), pair!("native-call"), pair!("only-call"), pair!("n2")]
    {
        let mut expected = steady(serde_json::from_str(whole).unwrap());
        if !stream.contains("\"usage\"") {
            expected.as_object_mut().unwrap().remove("usage").unwrap();
        }
        let (answer, summary) = assemble(None, stream).unwrap();
        assert_eq!(steady(answer), expected, "{name}");
        assert_eq!(summary.finish_reason.as_deref(), expected["choices"][0]["finish_reason"].as_str(), "{name}");
        assert!(summary.complete && summary.tokens.is_some(), "{name}");
    }
}

#[test]
fn token_probabilities_are_joined() {
    let stream = include_str!("../../../tests/captures/llamacpp-logprobs.sse");
    let (answer, _) = assemble(None, stream).unwrap();
    let choice = &answer["choices"][0];
    let tokens = choice["logprobs"]["content"].as_array().unwrap();
    let said: String = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(said, choice["message"]["content"]);
    assert!(stream.contains(r#""logprob":-7.1113152503967285,"#) && tokens[0]["logprob"] == json!(-7.1113152503967285));
}

#[test]
fn progress_is_no_part_of_the_answer() {
    let (answer, _) = assemble(None, include_str!("../../../tests/captures/llamacpp-progress.sse")).unwrap();
    let mut keys: Vec<_> = answer.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["choices", "created", "id", "model", "object", "system_fingerprint", "timings"]);
    assert_eq!(answer["choices"][0]["message"]["role"], "assistant");
}

/// The stream, put together, is read as any whole answer is.
#[test]
fn calls_in_an_assembled_answer_are_found() {
    let stream = include_str!("../../../tests/captures/llamacpp-call-as-text.sse");
    let whole = include_str!("../../../tests/captures/llamacpp-call-as-text.json");
    let (expected, expected_summary) = bodies::rewrite(&usual(), whole);
    let (answer, summary) = assemble(Some(&usual()), stream).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let message = |answer: &Value| {
        let mut message = answer["choices"][0]["message"].clone();
        // The two were asked for different cities.
        message["tool_calls"][0]["function"].as_object_mut().unwrap().remove("arguments").unwrap();
        message
    };
    assert_eq!(message(&answer), message(&expected));
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    let counts = |summary: &Summary| (summary.calls, summary.complete, summary.finish_reason.clone());
    assert_eq!(counts(&summary), counts(&expected_summary));
    assert!(summary.tokens.is_some());
}

fn check(events: &[&str], expected: Value) {
    let input: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
    let (mut answer, _) = assemble(None, &(input + DONE)).unwrap();
    assert_eq!(answer.as_object_mut().unwrap().remove("object").unwrap(), "chat.completion");
    assert_eq!(answer, expected, "{events:?}");
}

/// An answer of one choice with this message.
fn answer(message: Value) -> Value {
    json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
}

#[test]
fn what_comes_in_pieces_is_put_together() {
    check(&[r#"{"choices":[{"index":0,"delta":{}}]}"#], answer(json!({"role": "assistant", "content": ""})));
    check(&[r#"{"choices":[{"delta":null}]}"#], answer(json!({"role": "assistant", "content": ""})));
    check(
        &[
            r#"{"choices":[{"delta":{"role":"assistant","content":"a\n\ud83e"}}]}"#,
            r#"{"choices":[{"delta":{"role":"assistant","content":"\udd80","reasoning_content":"x"}}]}"#,
            r#"{"choices":[{"delta":{"content":null,"reasoning_content":"y","refusal":"no"}}]}"#,
            r#"{"choices":[{"delta":{"refusal":"!","new":["p"],"number":1}}]}"#,
            r#"{"choices":[{"delta":{"new":["q",{"index":"?"}],"number":2}}]}"#,
        ],
        answer(json!({
            "role": "assistant", "content": "a\n🦀", "reasoning_content": "xy", "refusal": "no!",
            "new": ["p", "q", {"index": "?"}], "number": 2,
        })),
    );
    check(
        &[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f"}},{"index":1,"id":"b","function":{"name":null,"arguments":"}"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"[]"}}]}}]}"#,
        ],
        answer(json!({"role": "assistant", "content": "", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "[]"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ]})),
    );
}

#[test]
fn choices_stand_in_their_order_with_all_their_members() {
    check(
        &[
            r#"{"id":"1","created":7,"choices":[{"index":1,"delta":{"content":"b"},"logprobs":{"content":[{"token":"b"}]}}],"usage":null}"#,
            r#"{"id":"1","created":7,"choices":[{"index":0,"delta":{"content":"a"},"logprobs":null,"stop_reason":9}],"timings":{"n":1}}"#,
            r#"{"id":"1","choices":[{"index":1,"delta":{},"finish_reason":"length","logprobs":{"content":[{"token":"c"}]}}],"timings":{"n":2}}"#,
            r#"{"id":"1","choices":[],"usage":{"total_tokens":1}}"#,
            r#"{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"id":"1","choices":[],"usage":{"total_tokens":2}}"#,
        ],
        json!({
            "id": "1", "created": 7, "timings": {"n": 2}, "usage": {"total_tokens": 2},
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "a"}, "logprobs": null, "stop_reason": 9, "finish_reason": "stop"},
                {"index": 1, "message": {"role": "assistant", "content": "b"}, "logprobs": {"content": [{"token": "b"}, {"token": "c"}]}, "finish_reason": "length"},
            ],
        }),
    );
}

/// llama.cpp sums up each choice when it ends; a whole answer has the first one's sum.
#[test]
fn the_first_choice_s_usage_counts() {
    let end = |index: u64| format!(r#"{{"choices":[{{"index":{index},"delta":{{}},"finish_reason":"stop"}}]}}"#);
    let usage = |tokens: u64| format!(r#"{{"choices":[],"usage":{{"total_tokens":{tokens}}}}}"#);
    for (events, tokens) in [
        ([end(0), usage(5), end(1), usage(6)], 5),
        ([end(1), usage(5), end(0), usage(6)], 6),
        ([end(0), end(1), usage(5), usage(6)], 6),
    ] {
        let input: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
        let (answer, _) = assemble(None, &(input + DONE)).unwrap();
        assert_eq!(answer["usage"]["total_tokens"], tokens, "{events:?}");
    }
}

#[test]
fn an_answer_that_is_not_all_there_is_none() {
    let fails = |input: &str, expected| {
        for exchange in [None, Some(&usual())] {
            assert_eq!(assemble(exchange, input).unwrap_err(), expected, "{input}");
        }
    };
    fails("", AssembleError::Incomplete);
    fails(DONE, AssembleError::Incomplete);
    fails(&(role() + &text("Hi")), AssembleError::Incomplete);
    fails(&(text("Hi") + &finish("")), AssembleError::Incomplete);
    fails(
        &(text("Hi") + &event(r#"{"index":1,"delta":{"content":"Ho"}}"#) + &finish("stop")),
        AssembleError::Incomplete,
    );
    fails(include_str!("../../../tests/captures/llamacpp-killed.sse"), AssembleError::Incomplete);
    for data in ["x", "7", "[]", "{", r#"{"choices":7}"#, r#"{"choices":[7]}"#, r#"{"choices":[{"index":-1}]}"#] {
        fails(&format!("{}data: {data}\n\n{DONE}", text("Hi")), AssembleError::NoChunk);
    }
}

#[test]
fn an_answer_is_whole_after_its_finish_reasons() {
    let said = text("Hi") + &finish("stop");
    let (expected, _) = assemble(None, &(said.clone() + DONE)).unwrap();
    for end in ["", "\n", ": bye\n\n", "data: [DONE]\n", "data: [DONE]", "data: {\"ch"] {
        let (answer, summary) = assemble(None, &(said.clone() + end)).unwrap();
        assert_eq!((&answer, summary.complete), (&expected, true), "{end:?}");
    }
    let (answer, _) = assemble(None, said.trim_end()).unwrap();
    assert_eq!(answer, expected);
    // Another choice was asked for, and may still begin.
    let mut assembler = Assembler::new(2, &Limits::default(), ToldText::Ignored);
    assembler.push(said.into()).unwrap();
    assert!(!assembler.is_said());
    assert_eq!(assembler.finish(), Err(AssembleError::Incomplete));
}

#[test]
fn an_error_takes_the_place_of_the_answer() {
    let captured = include_str!("../../../tests/captures/llamacpp-error.sse");
    for (input, status, body) in [
        (captured.to_owned(), 500, None),
        (
            text("Hi") + &finish("stop") + "data: {\"error\":{\"code\":400,\"message\":\"no\",\"n_ctx\":9}}\n\n",
            400,
            Some(r#"{"error":{"code":400,"message":"no","n_ctx":9,"type":"invalid_request_error","param":null}}"#),
        ),
        (
            text("Hi") + "event: error\ndata: {\"code\":503,\"message\":\"boom\"}\n\n" + DONE,
            503,
            Some(r#"{"error":{"code":503,"message":"boom","type":"server_error","param":null}}"#),
        ),
    ] {
        for exchange in [None, Some(&usual())] {
            let AssembleError::Reported(reported) = assemble(exchange, &input).unwrap_err() else { panic!("{input}") };
            assert_eq!(reported.status, status, "{input}");
            let error: Value = serde_json::from_str(&reported.body).unwrap();
            assert!(error["error"].is_object() && body.is_none_or(|body| body == reported.body), "{}", reported.body);
        }
    }
}

#[test]
fn what_comes_behind_the_end_counts_for_nothing() {
    let whole = format!("{}: ping\n\n{}{DONE}", text("Hi"), finish("stop"));
    let expected = assemble(None, &whole).unwrap();
    for more in [": bye\n\n", "data: x\n\n", "data: {\"error\":{}}\n\n", "data: {\"ch"] {
        assert_eq!(assemble(None, &(whole.clone() + more)).unwrap(), expected, "{more}");
    }
}

#[test]
fn an_answer_over_the_limit_is_none() {
    let limits = |answer_bytes_max, event_bytes_max| Limits { answer_bytes_max, event_bytes_max, ..Limits::default() };
    let stream = |deltas: &str| deltas.repeat(50) + &finish("stop") + DONE;
    let long = |deltas: &str| assemble_within(&limits(2000, 1 << 20), None, &stream(deltas)).map(|_| ());
    for deltas in [
        text(&"x".repeat(60)),
        chunk(r#"{"reasoning_content":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#, "null"),
        event(
            r#"{"index":0,"delta":{},"logprobs":{"content":[{"token":"a"},{"token":"b"},{"token":"c"},{"token":"d"}]}}"#,
        ),
    ] {
        assert_eq!(long(&deltas), Err(AnswerTooLarge(2000).into()), "{deltas}");
    }
    let growing = |member: &dyn Fn(usize) -> String| {
        let input = (0..100).map(member).collect::<String>() + &finish("stop") + DONE;
        assert_eq!(assemble_within(&limits(2000, 1 << 20), None, &input), Err(AnswerTooLarge(2000).into()), "{input}");
    };
    growing(&|n| chunk(&format!("{{\"k{n}\":null}}"), "null"));
    growing(&|n| chunk(&format!("{{\"tool_calls\":[{{\"index\":{n}}}]}}"), "null"));
    growing(&|n| event(&format!("{{\"index\":{n}}}")));
    // What takes the place of something else does not count twice.
    let timings =
        "data: {\"choices\":[],\"timings\":{\"a\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}}\n\n";
    assert_eq!(long(timings), Ok(()));
    assert_eq!(long(&chunk(r#"{"role":"assistant","content":"x"}"#, "null")), Ok(()));
    let one = text(&"x".repeat(60)) + &finish("stop") + DONE;
    assert_eq!(assemble_within(&limits(2000, 100), None, &one).unwrap_err(), EventTooLarge(100).into());
}

/// Nesting costs neither the stack nor time.
#[test]
fn depth_is_bounded() {
    let deep = format!("{}{}", "{\"a\":".repeat(50_000), "1".to_owned() + &"}".repeat(50_000));
    let input = chunk(&deep, "null").repeat(2) + &finish("stop") + DONE;
    let (out, _) = assemble_cut(None, &[input.as_bytes()], &Limits::default()).unwrap();
    assert!(out.contains(&"{\"a\":".repeat(50_000)));
    let lists = format!("{{\"a\":{}{}}}", "[{\"index\":0,\"a\":".repeat(50_000), "1".to_owned() + &"}]".repeat(50_000));
    let input = chunk(&lists, "null") + &finish("stop") + DONE;
    assert!(assemble_cut(None, &[input.as_bytes()], &Limits::default()).is_ok());
}
