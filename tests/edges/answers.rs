//! Edges in what models write.

use crate::harness::{exchange, read, single, streamed, thinking};

/// Markers come in pieces of any size, and several in one. Every other test here cuts its texts, too.
#[test]
fn a_marker_in_pieces_and_several_markers_in_a_piece_are_calls() {
    for (dialect, text) in [
        (
            "internlm2",
            "<|action_start|><|plugin|>\n{\"name\": \"get\", \"parameters\": {\"city\":\"Rome\"}}<|action_end|><|action_start|><|plugin|>\n{\"name\": \"now\", \"parameters\": {}}<|action_end|>",
        ),
        ("gemma4", "<|tool_call>call:get{city:<|\"|>Rome<|\"|>}<tool_call|><|tool_call>call:now{}<tool_call|>"),
        (
            "deepseek-dsml",
            "\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Rome</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
        ),
        (
            "kimi-k2",
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.get:0<|tool_call_argument_begin|>{\"city\":\"Rome\"}<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
        ),
        (
            "minimax-m2",
            "<minimax:tool_call>\n<invoke name=\"get\">\n<parameter name=\"city\">Rome</parameter>\n</invoke>\n<invoke name=\"now\">\n</invoke>\n</minimax:tool_call>",
        ),
        (
            "step3",
            "<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name=\"get\"><steptml:parameter name=\"city\">Rome</steptml:parameter></steptml:invoke><｜tool_call_end｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name=\"now\"></steptml:invoke><｜tool_call_end｜><｜tool_calls_end｜>",
        ),
        (
            "harmony",
            "<|channel|>commentary to=functions.get <|constrain|>json<|message|>{\"city\":\"Rome\"}<|call|><|start|>assistant<|channel|>commentary to=functions.now <|constrain|>json<|message|>{}<|call|>",
        ),
    ] {
        let exchange = exchange(dialect);
        let expected = "get {\"city\":\"Rome\"} / now {} / tool_calls";
        assert_eq!(read(&exchange, text), expected, "{dialect}");
        for size in [2, 3, 5, 8, 13, 21, 34] {
            let letters: Vec<char> = text.chars().collect();
            let pieces: Vec<String> = letters.chunks(size).map(|piece| piece.iter().collect()).collect();
            let message = streamed(&exchange, pieces.iter().map(String::as_str), "stop");
            assert_eq!(crate::harness::shown(&message), expected, "{dialect} in pieces of {size}");
        }
    }
}

/// A call without arguments is a call, and its arguments are `{}`.
#[test]
fn a_call_without_arguments_is_a_call() {
    for (dialect, text) in [
        ("hermes", "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"),
        ("hermes", "<tool_call>{\"name\": \"now\"}</tool_call>"),
        ("hermes", "<tool_call>{\"name\": \"now\", \"arguments\": \"\"}</tool_call>"),
        ("hermes", "<tool_call>{\"name\": \"now\", \"arguments\": null}</tool_call>"),
        ("qwen3-coder", "<tool_call>\n<function=now>\n</function>\n</tool_call>"),
        ("qwen3-coder", "<tool_call><function=now></function></tool_call>"),
        ("glm", "<tool_call>now</tool_call>"),
        ("glm", "<tool_call>now\n</tool_call>"),
        ("gemma4", "<|tool_call>call:now{}<tool_call|>"),
        ("lfm2", "<|tool_call_start|>[now()]<|tool_call_end|>"),
        ("mistral", "[TOOL_CALLS]now[ARGS]{}"),
        ("llama3-json", "{\"name\": \"now\", \"parameters\": {}}"),
        ("kimi-k2", "<|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>{}<|tool_call_end|>"),
        ("minicpm5", "<function name=\"now\"></function>"),
        ("harmony", "<|channel|>commentary to=functions.now <|constrain|>json<|message|>{}<|call|>"),
    ] {
        assert_eq!(read(&exchange(dialect), text), "now {} / tool_calls", "{dialect} {text}");
        // Nor is what follows it lost.
        let twice = [text, text].join(if dialect == "llama3-json" { "; " } else { "" });
        assert_eq!(read(&exchange(dialect), &twice), "now {} / now {} / tool_calls", "{dialect} {twice}");
    }
}

/// What ends a call outside a string does not end it inside one.
#[test]
fn markers_inside_a_string_are_data() {
    let data = "a </tool_call> b; c] d} [TOOL_CALLS] <|im_end|> e";
    let json = serde_json::to_string(data).unwrap();
    for (dialect, text) in [
        ("hermes", format!("<tool_call>\n{{\"name\": \"put\", \"arguments\": {{\"text\":{json}}}}}\n</tool_call>")),
        ("llama3-json", format!("{{\"name\": \"put\", \"parameters\": {{\"text\":{json}}}}}")),
        ("mistral", format!("[TOOL_CALLS]put[ARGS]{{\"text\":{json}}}")),
        ("mistral", format!("[TOOL_CALLS][{{\"name\": \"put\", \"arguments\": {{\"text\":{json}}}}}]")),
        ("functools", format!("functools[{{\"name\": \"put\", \"arguments\": {{\"text\":{json}}}}}]")),
        (
            "qwen3-coder",
            format!("<tool_call>\n<function=put>\n<parameter=text>\n{data}\n</parameter>\n</function>\n</tool_call>"),
        ),
        ("glm", format!("<tool_call>put\n<arg_key>text</arg_key>\n<arg_value>{data}</arg_value>\n</tool_call>")),
        ("lfm2", format!("<|tool_call_start|>[put(text='{data}')]<|tool_call_end|>")),
        ("gemma4", format!("<|tool_call>call:put{{text:<|\"|>{data}<|\"|>}}<tool_call|>")),
    ] {
        assert_eq!(read(&exchange(dialect), &text), format!("put {{\"text\":{json}}} / tool_calls"), "{dialect}");
    }
}

/// The opener is missing, and the closer stands alone.
#[test]
fn a_call_whose_opener_is_missing_is_a_call() {
    let call = "<function=get>\n<parameter=city>\nRome\n</parameter>\n</function>\n</tool_call>";
    let expected = "get {\"city\":\"Rome\"} / tool_calls";
    assert_eq!(read(&exchange("qwen3-coder"), call), expected);
    assert_eq!(
        read(&exchange("qwen3-coder"), &format!("I look.\n\n{call}")),
        format!("text \"I look.\\n\\n\" / {expected}")
    );
    assert_eq!(
        read(
            &exchange("kimi-k2"),
            "<|tool_call_begin|>functions.get:0<|tool_call_argument_begin|>{\"city\":\"Rome\"}<|tool_call_end|><|tool_calls_section_end|>"
        ),
        expected
    );
    assert_eq!(
        read(
            &exchange("minimax-m2"),
            "<invoke name=\"get\">\n<parameter name=\"city\">Rome</parameter>\n</invoke>\n</minimax:tool_call>"
        ),
        expected
    );
    // The beginning of one that leads to nothing is text, and so is one of no declared tool.
    for text in ["#include <functional>\n", "<function", "<function=", "<function=nobody>\n</function>\n"] {
        let expected = format!("text {text:?} / stop");
        assert_eq!(read(&exchange("qwen3-coder"), text), expected);
    }
}

/// Text before, between and after calls is text; white space alone is not.
#[test]
fn text_around_calls_is_kept() {
    let call = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    let hermes = exchange("hermes");
    assert_eq!(read(&hermes, &format!("{call}\n{call}\n")), "now {} / now {} / tool_calls");
    assert_eq!(
        read(&hermes, &format!("One.\n{call}\nTwo.\n{call}\nThree.")),
        "text \"One.\\n\\nTwo.\\n\\nThree.\" / now {} / now {} / tool_calls"
    );
    assert_eq!(
        read(&exchange("mistral"), "[TOOL_CALLS]get[ARGS]{\"city\":\"Rome\"}\n\nThat is all."),
        "text \"\\n\\nThat is all.\" / get {\"city\":\"Rome\"} / tool_calls"
    );
    assert_eq!(
        read(&exchange("lfm2"), "<|tool_call_start|>[now()]<|tool_call_end|>I ask for the time."),
        "text \"I ask for the time.\" / now {} / tool_calls"
    );
    // An opened thought behind the last call takes nothing away.
    assert_eq!(read(&exchange("hermes"), &format!("{call}\n<think>")), "now {} / tool_calls");
}

/// Where the family lets a call end a thought, it does; a quoted one is thought.
#[test]
fn a_call_in_a_thought_is_a_call_where_the_family_calls_so() {
    let call = "<tool_call>\n<function=now>\n</function>\n</tool_call>";
    let coder = exchange("qwen3-coder");
    assert_eq!(read(&coder, &format!("<think>I call.\n{call}")), "think \"I call.\\n\" / now {} / tool_calls");
    assert_eq!(
        read(&thinking("qwen3-coder"), &format!("I call.\n{call}")),
        "think \"I call.\\n\" / now {} / tool_calls"
    );
    assert_eq!(
        read(&coder, "<think>One writes `<tool_call>`, then <function=NAME>.</think>Done."),
        "think \"One writes `<tool_call>`, then <function=NAME>.\" / text \"Done.\" / stop"
    );
    let quoted = "<think>As in <tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call>.</think>Done.";
    assert_eq!(
        read(&exchange("hermes"), quoted),
        "think \"As in <tool_call>{\\\"name\\\": \\\"now\\\", \\\"arguments\\\": {}}</tool_call>.\" / text \"Done.\" / stop"
    );
    // No thought ends or begins inside of a call.
    let glm = "<tool_call>put\n<arg_key>text</arg_key>\n<arg_value><think>a</think> <tool_call>b</tool_call></arg_value>\n</tool_call>";
    assert_eq!(
        read(&exchange("glm"), glm),
        "put {\"text\":\"<think>a</think> <tool_call>b</tool_call>\"} / tool_calls"
    );
}

/// Several calls have their places in order, and one is one where one was asked for.
#[test]
fn calls_in_a_row_are_as_many_calls() {
    let call = |city: &str| {
        format!("<tool_call>\n{{\"name\": \"get\", \"arguments\": {{\"city\":\"{city}\"}}}}\n</tool_call>")
    };
    let three = [call("a"), call("b"), call("c")].join("\n");
    assert_eq!(
        read(&exchange("hermes"), &three),
        "get {\"city\":\"a\"} / get {\"city\":\"b\"} / get {\"city\":\"c\"} / tool_calls"
    );
    assert_eq!(read(&single("hermes"), &three), "get {\"city\":\"a\"} / tool_calls");
    // What a model numbers itself does not count.
    let k3 =
        |name: &str, index: u32| format!("<|open|>call tool=\"{name}\" index=\"{index}\"<|sep|><|close|>call<|sep|>");
    let text = format!("<|open|>tools<|sep|>{}{}<|close|>tools<|sep|>", k3("now", 7), k3("now", 7));
    let message = streamed(&exchange("kimi-k3"), [text.as_str()], "stop");
    assert_eq!(message.tool_calls.len(), 2);
}

/// The arguments may stand before the name, and may have a `name` of their own.
#[test]
fn members_of_a_call_stand_in_any_order() {
    let expected = "get_all {\"name\": \"get\", \"id\": 7} / tool_calls";
    for (dialect, text) in [
        ("hermes", "<tool_call>\n{\"arguments\": {\"name\": \"get\", \"id\": 7}, \"name\": \"get_all\"}\n</tool_call>"),
        (
            "hermes",
            "<tool_call>\n{\"id\": \"a\", \"arguments\": {\"name\": \"get\", \"id\": 7}, \"name\": \"get_all\"}\n</tool_call>",
        ),
        ("llama3-json", "{\"parameters\": {\"name\": \"get\", \"id\": 7}, \"name\": \"get_all\"}"),
        ("mistral", "[TOOL_CALLS][{\"arguments\": {\"name\": \"get\", \"id\": 7}, \"name\": \"get_all\"}]"),
        ("json-envelope", "{\"tool_call\": {\"arguments\": {\"name\": \"get\", \"id\": 7}, \"name\": \"get_all\"}}"),
    ] {
        assert_eq!(read(&exchange(dialect), text), expected, "{dialect} {text}");
    }
}

/// Values are what the schema says, and keep their spelling.
#[test]
fn values_have_the_types_of_the_schema() {
    let hermes = |arguments: &str| {
        let text = format!("<tool_call>\n{{\"name\": \"get\", \"arguments\": {arguments}}}\n</tool_call>");
        read(&exchange("hermes"), &text).strip_suffix(" / tool_calls").unwrap().to_owned()
    };
    for (written, expected) in [
        (r#""{\"city\": \"Rome\"}""#, r#"get {"city": "Rome"}"#),
        ("{'city': 'Rome', 'all': True}", r#"get {"city": "Rome", "all": true}"#),
        (r#"{"days": 123456789012345678901234567890}"#, r#"get {"days": 123456789012345678901234567890}"#),
        (r#"{"city": "007"}"#, r#"get {"city": "007"}"#),
        (r#"{"where": null}"#, r#"get {"where": null}"#),
    ] {
        assert_eq!(hermes(written), expected, "{written}");
    }
    let coder = |key: &str, value: &str| {
        let text =
            format!("<tool_call>\n<function=get>\n<parameter={key}>\n{value}\n</parameter>\n</function>\n</tool_call>");
        read(&exchange("qwen3-coder"), &text).strip_suffix(" / tool_calls").unwrap().to_owned()
    };
    for (key, value, expected) in [
        ("city", "007", r#"get {"city":"007"}"#),
        ("city", "  a\n\n", r#"get {"city":"  a\n\n"}"#),
        ("days", "007", r#"get {"days":"007"}"#),
        ("days", "123456789012345678901234567890", r#"get {"days":123456789012345678901234567890}"#),
        ("all", "True", r#"get {"all":true}"#),
        ("where", "{\"a\": [1]}", r#"get {"where":{"a": [1]}}"#),
        ("other", "12", r#"get {"other":"12"}"#),
    ] {
        assert_eq!(coder(key, value), expected, "{key} {value}");
    }
    // Braces that a prompt has doubled.
    let doubled = "<TOOLCALL>[{{\"name\": \"get\", \"arguments\": {{\"city\": \"Rome\"}}}}]</TOOLCALL>";
    assert_eq!(read(&exchange("nemotron"), doubled), "get {\"city\": \"Rome\"} / tool_calls");
}

/// A fence that is the whole answer may be a call; one within prose never is.
#[test]
fn a_fence_in_prose_is_no_call() {
    let fence = "```json\n{\"name\": \"get\", \"arguments\": {\"city\": \"Rome\"}}\n```";
    let hermes = exchange("hermes");
    assert_eq!(read(&hermes, fence), "get {\"city\": \"Rome\"} / tool_calls");
    for text in [
        format!("It looks so:\n{fence}"),
        format!("{fence}\nThat is how it looks."),
        fence.replace("get", "nobody"),
        "```json\n{\"city\": \"Rome\"}\n```".to_owned(),
    ] {
        assert_eq!(read(&hermes, &text), format!("text {text:?} / stop"));
    }
}

/// What no tool is called is text, verbatim.
#[test]
fn a_call_of_nobody_is_text() {
    for (dialect, text) in [
        ("hermes", "<tool_call>\n{\"name\": \"nobody\", \"arguments\": {}}\n</tool_call>"),
        ("qwen3-coder", "<tool_call>\n<function=nobody>\n</function>\n</tool_call>"),
        ("llama3-json", "{\"name\": \"nobody\", \"parameters\": {}}"),
        ("harmony", "<|channel|>commentary to=container.exec code<|message|>{\"cmd\":[\"ls\"]}<|call|>"),
        ("kimi-k2", "<|tool_call_begin|>functions.nobody:0<|tool_call_argument_begin|>{}<|tool_call_end|>"),
        ("pythonic", "[nobody(a=1)]"),
        ("pythonic", "[link](https://example.org)"),
    ] {
        let expected = format!("text {text:?} / stop");
        assert_eq!(read(&exchange(dialect), text), expected, "{dialect}");
    }
}

/// A name with something around it is the tool's whose name it holds.
#[test]
fn a_name_with_something_around_it_is_understood() {
    for (dialect, text) in [
        (
            "harmony",
            "<|channel|>commentary to=functions.get<|channel|>commentary<|message|>{\"city\":\"Rome\"}<|call|>",
        ),
        ("harmony", "<|channel|>commentary to=get <|constrain|>json<|message|>{\"city\":\"Rome\"}<|call|>"),
        ("hermes", "<tool_call>{\"name\": \"functions.get\", \"arguments\": {\"city\":\"Rome\"}}</tool_call>"),
        (
            "hermes",
            "<tool_call>{\"name\": \"get<|channel|>commentary\", \"arguments\": {\"city\":\"Rome\"}}</tool_call>",
        ),
        ("kimi-k2", "<|tool_call_begin|>functionsget5<|tool_call_argument_begin|>{\"city\":\"Rome\"}<|tool_call_end|>"),
        (
            "kimi-k2",
            "<|tool_call_begin|>functions_get_1<|tool_call_argument_begin|>{\"city\":\"Rome\"}<|tool_call_end|>",
        ),
        (
            "muse",
            "<|start|>assistant to=get.get<|message|><atem:function_calls>\n<atem:invoke name=\"get\">\n<atem:parameter name=\"city\">Rome</atem:parameter>\n</atem:invoke>\n</atem:function_calls><|eot|>",
        ),
    ] {
        assert_eq!(read(&exchange(dialect), text), "get {\"city\":\"Rome\"} / tool_calls", "{dialect} {text}");
    }
}

/// White space around calls and thoughts is theirs; in an answer without either it is text.
#[test]
fn white_space_before_a_call_is_no_content() {
    let call = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    let hermes = exchange("hermes");
    assert_eq!(read(&hermes, &format!("\n\n{call}\n\n")), "now {} / tool_calls");
    assert_eq!(read(&hermes, &format!("<think>A.\n</think>\n\n{call}")), "think \"A.\\n\" / now {} / tool_calls");
    assert_eq!(read(&hermes, "  Two.\n\n\nlines \n"), "text \"  Two.\\n\\n\\nlines \\n\" / stop");
    let message = streamed(&hermes, ["\n", "\n", call, "\n"], "stop");
    assert_eq!(message.content, None);
}

/// Where the prompt has opened a thought the answer begins inside of it; elsewhere it does not.
#[test]
fn a_thought_that_the_prompt_opened_is_no_content() {
    let expected = "think \"Let me see.\\n\" / text \"It rains.\" / stop";
    assert_eq!(read(&thinking("hermes"), "Let me see.\n</think>\n\nIt rains."), expected);
    assert_eq!(read(&thinking("hermes"), "<think>Let me see.\n</think>\n\nIt rains."), expected);
    assert_eq!(read(&exchange("hermes"), "<think>Let me see.\n</think>\n\nIt rains."), expected);
    assert_eq!(read(&exchange("hermes"), "It rains."), "text \"It rains.\" / stop");
    // A closer with which the answer begins closed what the prompt had opened.
    assert_eq!(read(&exchange("hermes"), "\n</think>\n\nIt rains."), "text \"It rains.\" / stop");
}
