//! What real servers sent.

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
