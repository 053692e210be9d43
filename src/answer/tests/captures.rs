//! What real servers sent.

use std::time::Duration;

use super::*;

macro_rules! captures {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../tests/captures/", $name)))),*]
    };
}

/// Streams in which nothing is a call: each comes out as it went in.
#[test]
fn streams_without_calls_are_not_changed() {
    let streams = captures![
        "llamacpp-n2.sse",
        "llamacpp-text.sse",
        "llamacpp-unicode.sse",
        "llamacpp-progress.sse",
        "llamacpp-error.sse",
        "llamacpp-native-call.sse",
        "llamacpp-length.sse",
        "llamacpp-python.sse",
        "vllm-n2.sse",
        "vllm-logprobs.sse",
        "vllm-continuous-usage.sse",
        "vllm-native-call.sse",
    ];
    for (name, input) in streams {
        let (out, summary) = rewrite(&usual(), input, End::Clean);
        assert!(out == input, "{name} came out as\n{out}");
        assert!(summary.complete && !summary.bailed_out && summary.calls == 0, "{name}: {summary:?}");
    }
}

#[test]
fn crlf_streams_without_calls_are_not_changed() {
    for (name, input) in captures!["llamacpp-text.sse", "vllm-continuous-usage.sse"] {
        let input = input.replace('\n', "\r\n");
        assert!(rewrite(&usual(), &input, End::Clean).0 == input, "{name}");
    }
}

/// Whole answers in which nothing is a call.
#[test]
fn answers_without_calls_are_not_changed() {
    let answers = captures!["llamacpp-n2.json", "vllm-text.json", "llamacpp-logprobs.json", "vllm-native-call.json"];
    for (name, input) in answers {
        let (out, summary) = bodies::rewrite(&usual(), input);
        assert!(out == input, "{name} came out as\n{out}");
        assert!(summary.complete && summary.calls == 0, "{name}: {summary:?}");
    }
}

/// A server that was killed in mid-stream: what came goes on, then the error.
#[test]
fn a_killed_server_is_an_error() {
    let input = include_str!("../../../tests/captures/llamacpp-killed.sse");
    let (out, summary) = rewrite(&usual(), input, End::Died);
    let error = out.strip_prefix(input).unwrap();
    assert!(error.starts_with("data: {\"error\":{\"message\":\"connection reset\""), "{error}");
    assert!(!summary.complete && !out.contains(DONE));
}

/// The call that the model wrote as text, over one token an event, with everything else that the servers send.
#[test]
fn calls_written_as_text_become_calls() {
    let streams =
        captures!["llamacpp-logprobs.sse", "llamacpp-usage.sse", "llamacpp-call-as-text.sse", "vllm-call-as-text.sse"];
    for (name, input) in streams {
        let (out, summary) = rewrite(&usual(), input, End::Clean);
        let before = fold(input);
        let folded = fold(&out);
        let message = &folded.messages[&0];
        assert_eq!(message.content.as_deref(), Some("Sure.\n"), "{name}");
        assert_eq!(message.role.as_deref(), Some("assistant"), "{name}");
        assert_eq!(message.finish_reason.as_deref(), Some("tool_calls"), "{name}");
        assert_eq!(message.tool_calls.len(), 1, "{name}");
        let function = &message.tool_calls[0].function;
        assert_eq!(function.name, "get_weather", "{name}");
        let text = before.messages[&0].content.clone().unwrap();
        let written = text.split("\"arguments\": ").nth(1).unwrap().split("}\n</tool_call>").next().unwrap();
        assert_eq!(function.arguments, written, "{name}: valid arguments are as the model wrote them");
        assert_eq!((folded.usage, folded.done), (before.usage, true), "{name}");
        assert_eq!(out.matches("\"timings\"").count(), input.matches("\"timings\"").count(), "{name}");
        assert_eq!(out.matches("\"logprobs\":{").count(), input.matches("\"logprobs\":{").count(), "{name}");
        assert_eq!((summary.calls, summary.finish_reason.as_deref()), (1, Some("tool_calls")), "{name}");
    }
}

#[test]
fn thinking_becomes_reasoning() {
    let input = include_str!("../../../tests/captures/llamacpp-think.sse");
    let folded = fold(&rewrite(&usual(), input, End::Clean).0);
    let message = &folded.messages[&0];
    let text = fold(input).messages[&0].content.clone().unwrap();
    let (reasoning, content) = text.strip_prefix("<think>").unwrap().split_once("</think>").unwrap();
    assert_eq!(message.reasoning.as_deref(), Some(reasoning));
    assert_eq!(message.content.as_deref(), Some(content.trim_start()));
}

#[test]
fn a_whole_answer_with_a_call_as_text_has_a_call() {
    let input = include_str!("../../../tests/captures/llamacpp-call-as-text.json");
    let (out, summary) = bodies::rewrite(&usual(), input);
    let expected = input
        .replace("\"finish_reason\":\"stop\"", "\"finish_reason\":\"tool_calls\"")
        .replace(
            r#""content":"Sure.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>""#,
            r#""content":"Sure.\n","tool_calls":[{"id":"ID","type":"function","function":{"name":"get_weather","arguments":"{\"city\": \"Paris\"}"}}]"#,
        );
    assert_eq!(out, expected);
    assert_eq!(summary.calls, 1);
}

/// What each server says of its tokens, in whichever way it says it.
#[test]
fn tokens_are_what_the_server_says() {
    let said =
        |input, cached, output| Some(Tokens { input: Some(input), cached, output: Some(output), prompt_time: None });
    let taking = |tokens: Option<Tokens>, micros| {
        tokens.map(|tokens| Tokens { prompt_time: Some(Duration::from_micros(micros)), ..tokens })
    };
    let two = Exchange { choices: 2, ..usual() };
    let without_usage = include_str!("../../../tests/captures/llamacpp-n2.sse").replace("\"usage\"", "\"other\"");
    let one = usual();
    let table = [
        (
            "timings alone",
            &one,
            include_str!("../../../tests/captures/llamacpp-text.sse"),
            taking(said(18, Some(17), 17), 514),
        ),
        (
            "usage and timings",
            &one,
            include_str!("../../../tests/captures/llamacpp-usage.sse"),
            taking(said(28, Some(27), 41), 486),
        ),
        ("in each event", &one, include_str!("../../../tests/captures/vllm-continuous-usage.sse"), said(18, None, 17)),
        // llama.cpp's usage is that of one choice, and so are its timings; the latter alone are not believed.
        ("of several choices", &two, include_str!("../../../tests/captures/llamacpp-n2.sse"), said(28, Some(27), 3)),
        ("timings of each choice", &two, &without_usage, None),
        ("nothing", &one, include_str!("../../../tests/captures/llamacpp-killed.sse"), None),
    ];
    for (name, exchange, input, expected) in table {
        assert_eq!(rewrite(exchange, input, End::Clean).1.tokens, expected, "{name}");
    }
    for (name, input, expected) in [
        ("llama.cpp", include_str!("../../../tests/captures/llamacpp-n2.json"), said(28, Some(27), 3)),
        ("vllm", include_str!("../../../tests/captures/vllm-text.json"), said(18, None, 17)),
    ] {
        assert_eq!(bodies::rewrite(&usual(), input).1.tokens, expected, "{name}");
    }
}
