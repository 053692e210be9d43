//! Calls whose name, and perhaps their id, stand before their arguments; ids that stand in an object.

use super::*;

/// The id holds the name.
fn numbered() -> Case {
    own("call: { open: [\"<|call|>\"], close: [\"<|end|>\"], end_tokens: [\"<|eot|>\"] }\n\
         payload: { header: { name: [\"\", \"<|args|>\"], id: [\"\", \"<|args|>\"] } }")
}

/// A name, then perhaps an id; or an object.
fn bracketed() -> Case {
    own("call: { open: [\"[CALL]\"] }\n\
         payload: [{ json: { name: [name], arguments: [arguments], id: [id] } }, \
         { header: { name: [\"\", \"\"], id: [\"[ID]\", \"\"], arguments: [\"[ARGS]\", \"\"] } }]")
}

/// Whatever stands around them, in whatever order, and the value in a fence.
fn fenced() -> Case {
    own("call: { open: [\"<c>\"], close: [\"</c>\"] }\n\
         payload: { header: { id: [\"#\", \":\"], name: [[\"f/\", \"fn/\"], [\"\\n\", \" \"]], arguments: [\"```json\", \"```\"] } }")
}

t!(a_header_names_the_call_and_gives_its_id, numbered(),
    "<|call|>functions.get_time:0<|args|>{}<|end|>" => "call get_time as functions.get_time:0 / args {} / end",
    "Hi.<|call|>functions.bash:1<|args|>{\"command\": \"a<|end|>\"}<|end|><|call|>get_time:2<|args|> {} <|end|><|eot|>"
        => r#"text "Hi." / call bash as functions.bash:1 / args {"command": "a<|end|>"} / end / call get_time as get_time:2 / args {} / end"#,
    "<|call|>bash:1<|args|>{\"command\": \"a\"" => r#"call bash as bash:1 / args {"command": "a"} / end"#,
    "<|call|>bash:1<|args|>{\"command\": [1<|end|>!" => r#"call bash as bash:1 / args {"command": [1]} / end / text "!""#,
    "<|call|><|call|>\nget_time:1<|args|>{'a': True}" => "call get_time as get_time:1 / args {\"a\": true} / end",
    // No arguments.
    "<|call|>get_time:1<|args|> <|end|>!" => "call get_time as get_time:1 / args {} / end / text \"!\"",
    // A string without its end ends before the next call, one that quotes a call does not.
    "<|call|>bash:1<|args|>{\"command\": \"a}<|end|>\n<|call|>get_time:2<|args|>{\"zone\": \"b\"}<|end|>"
        => r#"call bash as bash:1 / args {"command": "a"} / end / call get_time as get_time:2 / args {"zone": "b"} / end"#,
    "<|call|>bash:1<|args|>{\"command\": \"a}<|end|>\n<|call|>get_time:2<|args|>{\\\"zone\\\": 1}\"}<|end|>"
        => r#"call bash as bash:1 / args {"command": "a}<|end|>\n<|call|>get_time:2<|args|>{\"zone\": 1}"} / end"#,
    "<|call|>bash:1<|args|>{\"command\": \"<|end|>\\\"a\\\": \\\"<|call|>\"}<|end|>"
        => r#"call bash as bash:1 / args {"command": "<|end|>\"a\": \"<|call|>"} / end"#,
    // A quote too many behind the last value.
    "<|call|>bash:1<|args|>{\"command\": [\"a\"]'<|end|>\n<|call|>get_time:2<|args|>{\"zone\": \"b\"}<|end|>"
        => r#"call bash as bash:1 / args {"command": ["a"]} / end / call get_time as get_time:2 / args {"zone": "b"} / end"#,
    // Text: no tool, no end, no object, none before the next call.
    "<|call|>nope:0<|args|>{}<|end|>" => r#"text "<|call|>nope:0<|args|>{}<|end|>""#,
    "<|call|>get_time:0{}" => r#"text "<|call|>get_time:0{}""#,
    "<|call|>get_time:0<|args|>nothing" => r#"text "<|call|>get_time:0<|args|>nothing""#,
    "<|call|><|args|>{}" => r#"text "<|call|><|args|>{}""#,
    "<|call|>get_time:0<|args|>" => r#"text "<|call|>get_time:0<|args|>""#,
    "<|call|>get_time:0 or <|call|>get_time:1<|args|>{}"
        => r#"text "<|call|>get_time:0 or " / call get_time as get_time:1 / args {} / end"#,
);

t!(a_name_may_end_where_the_next_literal_begins, bracketed(),
    "[CALL]get_time[ID]a1[ARGS]{}[CALL]bash[ARGS]{\"command\": \"ls\"}"
        => r#"call get_time as a1 / args {} / end / call bash / args {"command": "ls"} / end"#,
    "[CALL]get_time[ID][ARGS]{}" => "call get_time / args {} / end",
    "[CALL]bash {\"command\": \"[CALL]get_time{}\"} so" => r#"call bash / args {"command": "[CALL]get_time{}"} / end / text " so""#,
    "[CALL] [{\"name\": \"get_time\", \"arguments\": {}, \"id\": \"a\"}]" => "call get_time / args {} / end",
    "[CALL]get_time[CALL]get_time[ID]7[CALL]bash{\"command\": 1}"
        => r#"call get_time / args {} / end / call get_time as 7 / args {} / end / call bash / args {"command": 1} / end"#,
    "[CALL] opens a call, {} is its object" => r#"text "[CALL] opens a call, {} is its object""#,
    "[CALL]nope[ARGS]{}" => r#"text "[CALL]nope[ARGS]{}""#,
);

t!(parts_are_told_by_what_stands_around_them, fenced(),
    "<c>f/get_time\n```json\n{}\n```\n</c>!" => r#"call get_time / args {} / end / text "!""#,
    "<c>#7: fn/bash\n```json\n{\"command\": \"```\"}\n```</c>" => r#"call bash as 7 / args {"command": "```"} / end"#,
    "<c>fn/bash {\"command\": \"a\"}</c> <c>f/get_time\n```json\n```\n</c>" => r#"call bash / args {"command": "a"} / end / call get_time / args {} / end"#,
    "<c>f/bash\n```json\n{\"command\": [1```</c>." => r#"call bash / args {"command": [1]} / end / text ".""#,
    "<c>f/bash\n```json\n{\"command\": 1}\n``" => r#"call bash / args {"command": 1} / end"#,
    "<c>f/bash\n```json\n{\"command\": 1} so" => r#"call bash / args {"command": 1} / end / text " so""#,
);

t!(the_whole_call_once_more_where_its_arguments_should_stand, numbered(),
    "<|call|>bash:1<|args|>{\"name\": \"bash\", \"arguments\": {\"command\": \"a<|end|>\"}, \"call_id\": null}<|end|>!"
        => r#"call bash as bash:1 / args {"command": "a<|end|>"} / end / text "!""#,
    "<|call|>get_time:1<|args|> { \"name\" : \"functions.get_time\" , \"parameters\" : {}}<|end|><|call|>get_time:2<|args|>{}"
        => "call get_time as get_time:1 / args {} / end / call get_time as get_time:2 / args {} / end",
    // Closers that lack.
    "<|call|>bash:1<|args|>{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}"
        => r#"call bash as bash:1 / args {"command": "ls"} / end"#,
    "<|call|>bash:1<|args|>{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}<|end|>!"
        => r#"call bash as bash:1 / args {"command": "ls"} / end / text "!""#,
    "<|call|>bash:1<|args|>{\"name\": \"bash\", \"arguments\": {\"command\": \"l" => r#"call bash as bash:1 / args {"command": "l / cut"#,
    // Another name, one without arguments, and keys that the tool declares, are arguments.
    "<|call|>bash:1<|args|>{\"name\": \"get_time\", \"arguments\": {}}<|end|>"
        => r#"call bash as bash:1 / args {"name": "get_time", "arguments": {}} / end"#,
    "<|call|>bash:1<|args|>{\"name\": \"bash\"}<|end|>" => r#"call bash as bash:1 / args {"name": "bash"} / end"#,
    "<|call|>bash:1<|args|>{\"name\": \"bash\", \"command\": \"ls\"}<|end|>"
        => r#"call bash as bash:1 / args {"name": "bash", "command": "ls"} / end"#,
);

#[test]
fn a_header_has_a_length() {
    let case = numbered();
    let long = format!("<|call|>get_time:{}<|args|>{{}}", "0".repeat(600));
    case.check(&long, &format!("text {long:?}"));
}

t!(an_id_in_the_object_counts_where_the_call_begins_behind_it, own(
    "call: { open: [\"<c>\"], close: [\"</c>\"] }\npayload: { json: { name: [name], arguments: [arguments], id: [id, call_id] } }"),
    "<c>{\"id\": \"a\\u00e9\", \"name\": \"get_time\", \"arguments\": {\"id\": \"x\"}}</c>"
        => "call get_time as aé / args {\"id\": \"x\"} / end",
    "<c>{\"name\": \"get_time\", \"call_id\": \"7\"}</c>" => "call get_time as 7 / args {} / end",
    "<c>{\"arguments\": {}, \"id\": \"7\", \"name\": \"get_time\"}</c>" => "call get_time as 7 / args {} / end",
    "<c>[{\"id\": \"1\", \"name\": \"get_time\"}, {\"id\": \"1\", \"name\": \"get_time\"}]</c>"
        => "call get_time as 1 / args {} / end / call get_time as 1 / args {} / end",
    // Too late, or none.
    "<c>{\"name\": \"get_time\", \"arguments\": {}, \"id\": \"7\"}</c>" => "call get_time / args {} / end",
    "<c>{\"name\": \"get_time\", \"id\": 7}</c>" => "call get_time / args {} / end",
);

#[test]
fn a_value_alone_needs_a_name() {
    let refused = Dialects::parse(&yaml("call: { open: [\"<c>\"] }\npayload: { header: {} }")).unwrap_err();
    assert_eq!(refused.to_string(), "dialect `own`: nothing names the tool: the payload `header` has no `name`");
}
