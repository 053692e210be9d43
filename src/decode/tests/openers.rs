//! Where a call may begin, in which forms, and what is dropped where it or the answer ends.

use super::*;

t!(a_bare_opener_counts_where_a_line_begins, case("qwen3-coder"),
    "Look:\n<function=get_time></function>" => r#"text "Look:\n" / call get_time / args {} / end"#,
    "Look:\n  <function=get_time></function>" => r#"text "Look:\n  " / call get_time / args {} / end"#,
    "\n <function=get_time></function> <function=get_time></function>" => "call get_time / args {} / end / call get_time / args {} / end",
    "Hm.<think>a</think> <function=get_time></function>" => r#"text "Hm." / think "a" / call get_time / args {} / end"#,
    "<think>a\n<function=get_time></function>" => r#"think "a\n" / call get_time / args {} / end"#,
    "<tool_call>Looking. <function=get_time></function></tool_call>"
        => r#"text "<tool_call>Looking. " / call get_time / args {} / end"#,
    // Not in a sentence, a word, a code block or a fence.
    "Then <function=get_time></function> is it." => r#"text "Then <function=get_time></function> is it.""#,
    "<think>a <function=get_time></function>" => r#"think "a <function=get_time></function>""#,
    "Such:\n    <function=get_time></function>" => r#"text "Such:\n    <function=get_time></function>""#,
    "Such:\n```xml\n<function=get_time></function>\n```\n<function=get_time></function>"
        => r#"text "Such:\n```xml\n<function=get_time></function>\n```\n" / call get_time / args {} / end"#,
    "<tool_call> opens.\nNot <function=get_time></function>" => r#"text "<tool_call> opens.\nNot <function=get_time></function>""#,
);

t!(a_bare_word_opens_nothing_in_prose, case("gemma4"),
    "You may call:get_time{} later." => r#"text "You may call:get_time{} later.""#,
    "syscall:get_time{}" => r#"text "syscall:get_time{}""#,
    "So:\n```\ncall:get_time{}\n```\n" => r#"text "So:\n```\ncall:get_time{}\n```\n""#,
    "Now:\ncall:get_time{}" => r#"text "Now:\n" / call get_time / args {} / end"#,
);

t!(a_tag_ends_the_word_before_it, case("minicpm5"),
    "So<function name=\"get_time\"></function>." => r#"text "So" / call get_time / args {} / end / text ".""#,
    "<function name=\"nope\"<function name=\"get_time\"></function>"
        => r#"text "<function name=\"nope\"" / call get_time / args {} / end"#,
    "`<function name=\"get_time\"></function>`" => r#"text "`<function name=\"get_time\"></function>`""#,
);

t!(a_quoted_opener_opens_nothing, case("hermes"),
    "A call is `<tool_call>{\"name\": \"get_time\"}</tool_call>`, so."
        => r#"text "A call is `<tool_call>{\"name\": \"get_time\"}</tool_call>`, so.""#,
    "`<tool_call>{\"name\": \"get_time\"}</tool_call>` is a call." => r#"text "`<tool_call>{\"name\": \"get_time\"}</tool_call>` is a call.""#,
    "`a` <tool_call>{\"name\": \"get_time\"}</tool_call>" => r#"text "`a` " / call get_time / args {} / end"#,
);

t!(wrappers_that_hermes_models_write, case("hermes"),
    "<tools>\n{\"name\": \"get_time\"}\n</tools>" => "call get_time / args {} / end",
    "<tool_call>\n<tool_call>\n{\"name\": \"get_time\"}\n</tool_call>\n</tool_call>" => "call get_time / args {} / end",
    "<tool_call><tool_call>nope" => r#"text "<tool_call><tool_call>nope""#,
    "<tool_call><tool_call>\n<tool_call>\n\n<tools>{\"name\": \"get_time\"}</tool_call>" => "call get_time / args {} / end",
    "<tool_call>\n<tool_call>\n<tool_call>\n" => r#"text "<tool_call>\n<tool_call>\n<tool_call>\n""#,
    "```json\n{\"name\": \"get_time\"}\n```" => "call get_time / args {} / end",
    "```JSON \r\n{\"name\": \"get_time\"}\r\n{\"name\": \"get_time\"}\r\n```\n"
        => "call get_time / args {} / end / call get_time / args {} / end",
    "```xml\n<tool_call>{\"name\": \"get_time\"}</tool_call>\n```" => "call get_time / args {} / end",
    "```json\n{\"name\": \"nope\"}\n```" => r#"text "```json\n{\"name\": \"nope\"}\n```""#,
    "```json\n{\"name\": \"get_time\"}\n```\nis a call." => r#"text "```json\n{\"name\": \"get_time\"}\n```\nis a call.""#,
    "```jsonl\n{\"name\": \"get_time\"}\n```" => r#"text "```jsonl\n{\"name\": \"get_time\"}\n```""#,
);

t!(the_other_form_in_hermes_tags, case("hermes"),
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n</function>\n</tool_call>"
        => r#"call get_weather / args {"city":"Rome"} / end"#,
    "<tool_call>{\"name\": \"get_time\"}</tool_call><tool_call><function=get_time></function></tool_call>"
        => "call get_time / args {} / end / call get_time / args {} / end",
    "<function=get_time></function>" => r#"text "<function=get_time></function>""#,
    "<tool_call><function=nope></function></tool_call>" => r#"text "<tool_call><function=nope></function></tool_call>""#,
);

t!(the_other_form_in_qwen_tags, case("qwen3-coder"),
    "<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"</tool_call>\"}}\n</tool_call>\n<function=get_time></function>"
        => r#"call bash / args {"command": "</tool_call>"} / end / call get_time / args {} / end"#,
    "<tool_call>\n{\"name\": \"get_time\"}\n{\"name\": \"get_time\"}\n</tool_call>x"
        => r#"call get_time / args {} / end / call get_time / args {} / end / text "x""#,
    "<tool_call>\n<function=bash>\n<parameter=command>\nls\n<tool_call>\n{\"name\": \"get_time\"}\n</tool_call>\n</parameter>\n</function>\n</tool_call>"
        => r#"call bash / args {"command":"ls\n<tool_call>\n{\"name\": \"get_time\"}\n</tool_call>"} / end"#,
    "<tool_call>\n<function=bash>\n<parameter=command>\nls\n</tool_call>\n<tool_call>\n{\"name\": \"get_time\"}\n</tool_call>"
        => r#"call bash / args {"command":"ls"} / end / call get_time / args {} / end"#,
    "{\"name\": \"get_time\"}" => r#"text "{\"name\": \"get_time\"}""#,
);

t!(any_whitespace_in_an_envelope, case("json-envelope"),
    "{\"tool_call\": {\"name\": \"get_time\"}}" => "call get_time / args {} / end",
    "{ \"tool_call\": {\"name\": \"get_time\"}}" => "call get_time / args {} / end",
    "{\r\n\t\"tool_call\": {\"name\": \"get_time\"}}" => "call get_time / args {} / end",
    "So: {\n        \"tool_call\": {\"name\": \"get_time\"}\n}" => r#"text "So: " / call get_time / args {} / end"#,
    "```JSON\r\n{\n    \"tool_call\": {\"name\": \"get_time\"}\n}\r\n```\r\n" => "call get_time / args {} / end",
    "```\n\n{\"tool_call\": {\"name\": \"get_time\"}}\n``" => "call get_time / args {} / end",
    // Text.
    "{ \"tool\": 1 } {\n{ \"tool_calls\"" => r#"text "{ \"tool\": 1 } {\n{ \"tool_calls\"""#,
    "{\n   " => r#"text "{\n   ""#,
    "x ``` y ```json\n{ \"z\": 1 }\n```" => r#"text "x ``` y ```json\n{ \"z\": 1 }\n```""#,
    "Such:\n```python\nx = {\"tool_call\": {\"name\": \"get_time\"}}\n```\n"
        => r#"text "Such:\n```python\nx = {\"tool_call\": {\"name\": \"get_time\"}}\n```\n""#,
);

t!(what_llama_models_write_around_calls, case("llama3-json"),
    "<|python_start|>{\"name\": \"get_time\"}<|python_end|>" => "call get_time / args {} / end",
    "{\"name\": \"get_time\"}, {\"name\": \"get_time\"},\n{\"name\": \"get_time\"}"
        => "call get_time / args {} / end / call get_time / args {} / end / call get_time / args {} / end",
    "<|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"get_time\"}" => "call get_time / args {} / end",
);

t!(a_closer_cut_short_is_dropped_behind_a_call, case("hermes"),
    "<tool_call>{\"name\": \"get_time\"}\n</tool_" => "call get_time / args {} / end",
    "<tool_call>{\"name\": \"get_time\"}</tool_call>\n<|im_" => "call get_time / args {} / end",
    "<tool_call>[{\"name\": \"get_time\"}\n]\n<" => "call get_time / args {} / end",
    "<tool_call>{\"name\": \"get_time\"}</tool_call> a <" => r#"call get_time / args {} / end / text " a <""#,
    "<tool_call>{\"name\": \"get_time\"}</tool_call><tool_c" => r#"call get_time / args {} / end / text "<tool_c""#,
    "a </tool_" => r#"text "a </tool_""#,
    "a <" => r#"text "a <""#,
    "<|im_" => r#"text "<|im_""#,
);

t!(a_closer_that_length_cut_short, Case { finish: Finish::Cut, ..case("qwen3-coder") },
    "<tool_call>\n<function=get_time>\n</function>\n</tool_" => "call get_time / args {} / end",
    "<tool_call>\n<function=bash>\n<parameter=command>\nls\n</parameter>\n</function>\n</tool_"
        => r#"call bash / args {"command":"ls"} / end"#,
);

t!(end_tokens_are_dropped_at_the_very_end, case("hermes"),
    "\n<|im_end|>" => r#"text "\n""#,
    "Hello.<|im_end|>" => r#"text "Hello.""#,
    "Hello.<|im_end|>\n<|endoftext|> " => r#"text "Hello.""#,
    "Hello.<|im_end|>\n world" => r#"text "Hello.<|im_end|>\n world""#,
    "Hello.<|im_end|><tool_call>{\"name\": \"get_time\"}</tool_call><|im_end|>"
        => r#"text "Hello.<|im_end|>" / call get_time / args {} / end"#,
    "<think>a</think>\n<|im_end|>" => r#"think "a""#,
    "<think>a<|im_end|>" => r#"think "a<|im_end|>""#,
    "<|im_end|>" => "",
    "Hello.<|im_e" => r#"text "Hello.<|im_e""#,
);

t!(a_marker_goes_before_a_call_that_none_opens, own(
    "call: { open: [\"[CALLS]\"], start: json }\npayload: { json: { name: [name], arguments: [arguments] } }"),
    "[CALLS][{\"name\": \"get_time\"}] so" => r#"call get_time / args {} / end / text " so""#,
    "[{\"name\": \"get_time\"}]" => "call get_time / args {} / end",
    "[\n{\"name\": \"get_time\"}, {\"name\": \"get_time\"}]\nso" => r#"call get_time / args {} / end / call get_time / args {} / end / text "\nso""#,
    "[{\"name\": \"get_time\"}]\n[{\"name\": \"get_time\"}] [1]"
        => r#"call get_time / args {} / end / call get_time / args {} / end / text " [1]""#,
    "[CALL]" => r#"text "[CALL]""#,
    "[C" => r#"text "[C""#,
);

#[test]
fn a_name_may_be_the_objects_only_key() {
    let case = own("call: { open: [\"<c>\"], close: [\"</c>\"] }\npayload: { json: { name: key } }");
    for (text, expected) in [
        (
            r#"<c>[{"get_weather": {"city": "Rome"}}, {"get_time": {}}]</c>"#,
            r#"call get_weather / args {"city": "Rome"} / end / call get_time / args {} / end"#,
        ),
        (r#"<c>{"bash": "{\"command\": \"ls\"}"}</c>"#, r#"call bash / args {"command": "ls"} / end"#),
        (r#"<c>{"name": "bash", "arguments": {"command": "ls"}}</c>"#, r#"call bash / args {"command": "ls"} / end"#),
        // One brace lacks, and the next call begins.
        (
            r#"<c>[{"bash": {"command": "ls}}, {"get_time": {}}]</c>"#,
            r#"call bash / args {"command": "ls"} / end / call get_time / args {} / end"#,
        ),
        (r#"<c>{"nope": {"city": "Rome"}}</c>"#, r#"text "<c>{\"nope\": {\"city\": \"Rome\"}}</c>""#),
    ] {
        case.check(text, expected);
    }
}
