//! Edges where an answer ends.

use crate::harness::{ended, exchange, read};

/// What lacks its closer is a call if it is whole, and the prefix of one if the server says that it was cut.
#[test]
fn a_call_without_its_closer_is_a_call_and_half_a_call_is_cut() {
    for (dialect, text) in [
        ("hermes", "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"city\":\"Rome\"}}"),
        ("glm", "<tool_call>get\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>"),
        ("qwen3-coder", "<tool_call>\n<function=get>\n<parameter=city>\nRome\n</parameter>\n</function>"),
        ("gemma4", "<|tool_call>call:get{city:<|\"|>Rome<|\"|>}"),
        ("gemma4", "<|tool_call>call:get{city:<|\"|>Rome<|\"|>}<|tool_response>"),
        ("harmony", "<|channel|>commentary to=functions.get <|constrain|>json<|message|>{\"city\":\"Rome\"}"),
        ("kimi-k2", "<|tool_call_begin|>functions.get:0<|tool_call_argument_begin|>{\"city\":\"Rome\"}"),
        ("mistral", "[TOOL_CALLS]get[ARGS]{\"city\":\"Rome\"}"),
        ("deepseek-v3.1", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get<｜tool▁sep｜>{\"city\":\"Rome\"}"),
    ] {
        assert_eq!(read(&exchange(dialect), text), "get {\"city\":\"Rome\"} / tool_calls", "{dialect} {text}");
    }
    for (dialect, text, expected) in [
        ("hermes", "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"city\":\"Ro", "get {\"city\":\"Ro / length"),
        ("qwen3-coder", "<tool_call>\n<function=get>\n<parameter=city>\nRo", "get {\"city\":\"Ro / length"),
        ("glm", "<tool_call>get\n<arg_key>city</arg_key>\n<arg_value>Ro", "get {\"city\":\"Ro / length"),
        ("hermes", "<tool_call>\n{\"name\": \"ge", "text \"<tool_call>\\n{\\\"name\\\": \\\"ge\" / length"),
    ] {
        assert_eq!(ended(&exchange(dialect), text, "length"), expected, "{dialect} {text}");
    }
}

/// An end of turn that the model spelled out is no text, but only at the very end.
#[test]
fn an_end_of_turn_in_letters_is_no_text() {
    for (dialect, token) in [
        ("glm", "<|role_end|>"),
        ("glm", "</assistant>"),
        ("hermes", "<|im_end|>"),
        ("deepseek-v3.1", "<｜end▁of▁sentence｜>"),
    ] {
        let exchange = exchange(dialect);
        assert_eq!(read(&exchange, &format!("It rains.{token}")), "text \"It rains.\" / stop", "{dialect}");
        let within = format!("It {token} rains.");
        assert_eq!(read(&exchange, &within), format!("text {within:?} / stop"), "{dialect}");
    }
    let call = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call><|im_end|>";
    assert_eq!(read(&exchange("hermes"), call), "now {} / tool_calls");
}
