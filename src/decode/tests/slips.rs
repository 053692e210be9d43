//! One letter is wrong or missing, and what follows shows what was meant; a name stands where another key is usual.

use super::*;

t!(wrong_closers_and_keys_in_lists, case("hermes"),
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"list\": [[1, 2}, [3, 4]], \"days\": 5}}</tool_call>"
        => r#"call get_weather / args {"list": [[1, 2], [3, 4]], "days": 5} / end"#,
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"list\": [[\"x\"}, [\"y\"]], \"days\": 5}}</tool_call>"
        => r#"call get_weather / args {"list": [["x"], ["y"]], "days": 5} / end"#,
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"list\": [\"x\", \"y\", \"city\": \"Rome\"}}</tool_call>"
        => r#"call get_weather / args {"list": ["x", "y"], "city": "Rome"} / end"#,
    // Flat beside the name.
    "<tool_call>{\"name\": \"get_weather\", \"list\": [\"x\", \"y\", \"city\": \"Rome\"}</tool_call>"
        => r#"call get_weather / args {"list":["x", "y"],"city":"Rome"} / end"#,
    // The list is all of the arguments, and has a key already.
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": [\"city\": \"Rome\", \"days\": 3]}</tool_call>"
        => r#"call get_weather / args ["city" ,"Rome", "days" ,3] / end"#,
);

t!(a_name_where_the_object_itself_could_stand, case("hermes"),
    "<tool_call>{\"type\": \"function\", \"function\": \"get_weather\", \"arguments\": {\"days\": 5}}</tool_call>"
        => r#"call get_weather / args {"days": 5} / end"#,
    "<tool_call>{\"arguments\": {\"days\": 5}, \"function\": \"get_weather\"}</tool_call>"
        => r#"call get_weather / args {"days": 5} / end"#,
    "<tool_call>{\"function\": \"nope\", \"name\": \"get_time\"}</tool_call>" => r#"call get_time / args {"function":"nope"} / end"#,
    "<tool_call>{\"function\": \"nope\", \"arguments\": {}}</tool_call>"
        => r#"text "<tool_call>{\"function\": \"nope\", \"arguments\": {}}</tool_call>""#,
);

t!(gemma4_keys_in_lists, case("gemma4"),
    "<|tool_call>call:get_weather{list:[<|\"|>x<|\"|>,<|\"|>y<|\"|>,city:<|\"|>t<|\"|>}<tool_call|>"
        => r#"call get_weather / args {"list":["x","y"],"city":"t"} / end"#,
    "<|tool_call>call:get_weather{list:[<|\"|>x<|\"|>,3,days:4,metric:true}<tool_call|>"
        => r#"call get_weather / args {"list":["x",3],"days":4,"metric":true} / end"#,
);

t!(llama3_json_mended_before_a_value_is_certain, case("llama3-json"),
    "{\"name\": \"get_weather\", \"parameters\": {\"where\": {\"a\": 1], \"city\": \"x\"}}; {\"name\": \"get_time\", \"parameters\": {}}"
        => r#"call get_weather / args {"where": {"a": 1}, "city": "x"} / end / call get_time / args {} / end"#,
    "{\"type\": \"function\", \"function\": \"get_weather\", \"parameters\": {\"days\": 1}}"
        => r#"call get_weather / args {"days": 1} / end"#,
);

t!(what_a_stray_quote_made_a_key_is_read_again_as_it_was_written, case("llama3-json"),
    "{\"name\": \"get_time\", \"parameters\": {\"e\": 2,\"};\\n(" => r#"call get_time / args {"e": 2} / end / text ";\\n(""#,
    "{\"name\": \"get_time\", \"parameters\": {\"e\": 2,\"};\\b \\\\n" => r#"call get_time / args {"e": 2} / end / text ";\\b \\\\n""#,
    "{\"name\": \"get_time\", \"parameters\": {\"a: \\\"x\\\\n\\\", \"b\": 1}}" => r#"call get_time / args {"a": "x\\n", "b": 1} / end"#,
    "{\"name\": \"get_time\", \"parameters\": {\"a\\\": \\\"x\\\", \\\"b\\\": 1}}" => r#"call get_time / args {"a": "x", "b": 1} / end"#,
    // Quotes that were escaped count like others, and behind the call they stand as they were written.
    "{\"name\": \"get_time\", \"parameters\": {\"e\": 2,\"}; \\\"so\\\"" => r#"call get_time / args {"e": 2} / end / text "; \\\"so\\\"""#,
    "{\"name\": \"get_time\", \"parameters\": {\"e\": 2,\"f: \\\"x\\\"}}; \\\"so\\\""
        => r#"call get_time / args {"e": 2,"f": "x"} / end / text "; \\\"so\\\"""#,
    // The key is written out in fewer bytes.
    "{\"name\": \"get_time\", \"parameters\": {\"e\": 2,\"\\ud800\"é" => "call get_time / args {\"e\": 2,\"\u{fffd}\":null / cut",
    "{\"name\": \"get_time\", \"parameters\": {\"e\": 2,\"a\\\\\"é: 1}}"
        => r#"call get_time / args {"e": 2,"a\\":null,"é": 1} / end"#,
);

t!(what_looks_like_a_key_and_has_no_colon_is_text, case("hermes"),
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {}, hello  there</tool_call>" => r#"call get_time / args {} / end / text "hello  there""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {}, \"hello\"  there</tool_call>"
        => r#"call get_time / args {} / end / text "\"hello\"  there""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {}, hello</tool_call>" => r#"call get_time / args {} / end / text "hello""#,
    "<tool_call>{\"name\": \"get_time\", hello</tool_call>" => r#"call get_time / args {} / end / text "hello""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {}, \"hel" => r#"call get_time / args {} / end / text "\"hel""#,
    // It lacks a quote, and what is its value then goes on behind the call.
    "<tool_call>{\"name\": \"get_time\", \"a: {}}{\"\tb" => r#"call get_time / args {} / end / text "{\"\tb""#,
);

t!(what_was_read_behind_a_member_is_read_again, case("llama3-json"),
    "<|python_tag|>{\"name\": \"bash\", \"x\": {\"a\": ”””<|python_end|>\"b" => r#"call bash / args {"a": "”"} / end / text "\"b""#,
);

t!(blanks_behind_a_closer_that_a_string_may_lack_its_quote_before, case("hermes"),
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"a}\n}" => r#"call get_weather / args {"city": "a"} / end"#,
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"a}\u{c}" => r#"call get_weather / args {"city": "a"} / end"#,
);

t!(a_string_that_lacks_its_quote_ends_before_a_call_in_a_list_too, case("hermes"),
    "<tool_call>[{\"name\": \"bash\", \"arguments\": {\"command\": \"a}}]</tool_call>\n<tool_call>[{\"name\": \"get_time\", \"arguments\": {\"zone\": \"b\"}}]</tool_call>"
        => r#"call bash / args {"command": "a"} / end / call get_time / args {"zone": "b"} / end"#,
    "<tool_call>[{\"name\": \"bash\", \"arguments\": {\"command\": \"a}[b\"}}]</tool_call>" => r#"call bash / args {"command": "a}[b"} / end"#,
);

// The list's bracket is the first letter of the dialect's own markers.
t!(a_bracket_behind_a_closer_is_a_lists_whatever_markers_begin_with_it, case("mistral"),
    "[TOOL_CALLS][{\"name\": \"bash\", \"arguments\": {\"command\": \"a}}[{\"name\": \"get_time\", \"arguments\": {\"zone\": \"b\"}}]"
        => r#"call bash / args {"command": "a"} / end / call get_time / args {"zone": "b"} / end"#,
    "[TOOL_CALLS][{\"name\": \"bash\", \"arguments\": {\"command\": \"a}[b\"}}]" => r#"call bash / args {"command": "a}[b"} / end"#,
);

#[test]
fn a_tool_may_be_called_as_the_key_of_names_is() {
    let offered = tools(
        r#"[{"type": "function", "function": {"name": "name"}}, {"type": "function", "function": {"name": "bash"}}]"#,
    );
    let settings = Settings::new(Arc::clone(DIALECTS.get("apertus").unwrap()), offered);
    for (text, expected) in [
        (r#"[{"name": {"first": "a"}}, {"bash": {}}, {"name": {}}]"#, r#"name {"first": "a"};bash {};name {};"#),
        (r#"[{"name": "bash", "arguments": {"name": {}}}]"#, r#"bash {"name": {}};"#),
        (r#"[{"name": "name", "arguments": {"a": 1}}]"#, r#"name {"a": 1};"#),
    ] {
        let mut decoder = Decoder::new(settings.clone(), &Limits::default());
        let mut calls = String::new();
        let mut sink = |event: Event<'_>| match event {
            Event::CallStart { name, .. } => calls.extend([name, " "]),
            Event::Arguments(text) | Event::Text(text) | Event::Reasoning(text) => calls.push_str(text),
            Event::CallEnd => calls.push(';'),
        };
        decoder.push(&format!("<|tools_prefix|>{text}<|tools_suffix|>"), &mut sink);
        decoder.finish(Finish::Stop, &mut sink);
        assert_eq!(calls, expected, "{text}");
    }
}
