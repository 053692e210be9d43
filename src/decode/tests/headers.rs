//! Calls whose name, and perhaps their id, stand before the payload; ids that stand in it.

use super::*;

/// The header is the call's id, and the name a part of it.
fn numbered() -> Case {
    own("call: { open: [\"<|call|>\"], close: [\"<|end|>\"], end_tokens: [\"<|eot|>\"], \
         header: { name: { until: [\":\"] }, id: {}, end: [\"<|args|>\"] } }\npayload: { arguments: {} }")
}

/// The header says what a message is, and to whom it goes.
fn addressed() -> Case {
    own("reasoning: { open: [\"<|channel|>analysis<|message|>\"], close: [\"<|end|>\"] }\n\
         call: { open: [\"<|channel|>commentary\", \"<|start|>assistant\"], close: [\"<|call|>\", \"<|end|>\"], \
         header: { name: { after: [\" to=functions.\", \" to=\"], until: [\" \", \"<\"] }, end: [\"<|message|>\"] } }\n\
         payload: { arguments: {} }")
}

/// A name, then perhaps an id.
fn sectioned() -> Case {
    own(
        "call: { open: [\"[CALL]\"], header: { name: { until: [\"[ID]\"] }, id: { after: [\"[ID]\"] }, end: [\"[ARGS]\"] } }\n\
         payload: { arguments: {} }",
    )
}

t!(a_header_names_the_call_and_gives_its_id, numbered(),
    "<|call|>functions.get_time:0<|args|>{}<|end|>" => "call get_time as functions.get_time:0 / args {} / end",
    "Hi.<|call|>functions.bash:1<|args|>{\"command\": \"a<|end|>\"}<|end|><|call|>get_time:2<|args|> {} <|end|><|eot|>"
        => r#"text "Hi." / call bash as functions.bash:1 / args {"command": "a<|end|>"} / end / call get_time as get_time:2 / args {} / end"#,
    "<|call|>bash:1<|args|>{\"command\": \"a\"" => r#"call bash as bash:1 / args {"command": "a"} / end"#,
    "<|call|><|call|>\nget_time:1<|args|>{'a': True}" => "call get_time as get_time:1 / args {\"a\": true} / end",
    // Text: no tool, no end, no object, none before the next call.
    "<|call|>nope:0<|args|>{}<|end|>" => r#"text "<|call|>nope:0<|args|>{}<|end|>""#,
    "<|call|>get_time:0{}" => r#"text "<|call|>get_time:0{}""#,
    "<|call|>get_time:0<|args|>nothing" => r#"text "<|call|>get_time:0<|args|>nothing""#,
    "<|call|><|args|>{}" => r#"text "<|call|><|args|>{}""#,
    "<|call|>get_time:0 or <|call|>get_time:1<|args|>{}"
        => r#"text "<|call|>get_time:0 or " / call get_time as get_time:1 / args {} / end"#,
);

t!(a_name_stands_where_the_header_says, addressed(),
    "<|channel|>commentary to=functions.get_time <|constrain|>json<|message|>{}<|call|>" => "call get_time / args {} / end",
    "<|start|>assistant to=get_time<|channel|>final json<|message|>{}<|end|>\n<|start|>assistant to=functions.bash<|message|>{\"command\": \"ls\"}<|call|>"
        => r#"call get_time / args {} / end / call bash / args {"command": "ls"} / end"#,
    "<|channel|>analysis<|message|>hm<|end|><|channel|>commentary to=get_time<|message|>{}"
        => r#"think "hm" / call get_time / args {} / end"#,
    "<|channel|>commentary<|message|>I look." => r#"text "<|channel|>commentary<|message|>I look.""#,
    "<|channel|>commentary to=python<|message|>{}<|call|>" => r#"text "<|channel|>commentary to=python<|message|>{}<|call|>""#,
);

t!(an_id_may_lack, sectioned(),
    "[CALL]get_time[ID]a1[ARGS]{}[CALL]bash[ARGS]{\"command\": \"ls\"}"
        => r#"call get_time as a1 / args {} / end / call bash / args {"command": "ls"} / end"#,
    "[CALL]get_time[ID][ARGS]{}" => "call get_time / args {} / end",
);

t!(a_payload_begins_behind_the_name, own(
    "call: { open: [\"<c>\"], close: [\"</c>\"], header: { name: {}, end: [\"<args>\"] } }\n\
     payload: { tagged: { name: [\"<f=\", \">\"], key: [\"<p=\", \">\"], value_close: \"</p>\", close: \"</f>\" } }"),
    "<c>bash<args><p=command>ls</p></f></c>" => r#"call bash / args {"command":"ls"} / end"#,
    "<c>get_time<args></c>" => "call get_time / args {} / end",
    "<c>get_time<args>nothing" => r#"text "<c>get_time<args>nothing""#,
);

t!(a_literal_begins_behind_the_name, own(
    "call: { open: [\"<c>\"], close: [\"</c>\"], header: { name: {}, end: [\"<args>\"] } }\n\
     payload: { literal: { header: [], quote: \"'''\" } }"),
    "<c>bash<args>{command:'''ls'''}</c>" => r#"call bash / args {"command":"ls"} / end"#,
    "<c>nope<args>{command:'''ls'''}</c>" => r#"text "<c>nope<args>{command:'''ls'''}</c>""#,
);

t!(an_object_may_name_the_call_again, own(
    "call: { open: [\"<c>\"], close: [\"</c>\"], header: { name: {}, end: [\"<args>\"] } }\n\
     payload: { json: { name: [name], arguments: [args] } }"),
    "<c>bash<args>{\"name\": \"bash\", \"args\": {\"command\": \"ls\"}}</c>" => r#"call bash / args {"command": "ls"} / end"#,
    "<c>get_time<args>{\"args\": {\"a\": 1}}</c>" => "call get_time / args {\"a\": 1} / end",
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
fn arguments_alone_need_a_name() {
    let refused =
        |call: &str| Dialects::parse(&yaml(&format!("call: {call}\npayload: {{ arguments: {{}} }}"))).unwrap_err();
    for call in ["{ open: [\"<c>\"] }", "{ open: [\"<c>\"], bare: [\"{\"], header: { end: [\">\"] } }"] {
        let expected = "dialect `own`: nothing names the tool: the payload `arguments` goes with `call.header` and without `call.bare`";
        assert_eq!(refused(call).to_string(), expected);
    }
}
