//! What stands around several calls: held until the first of them, closed behind the last.

use super::*;

/// A section around calls that have markers of their own.
fn around() -> Case {
    own("reasoning: { open: [\"<think>\"], close: [\"</think>\"], call: ends }\n\
         section: { open: [\"<calls>\", \"<call_s>\"], close: [\"</calls>\"] }\n\
         call: { open: [\"<call>\"], close: [\"</call>\"], end_tokens: [\"<|eot|>\"] }\n\
         payload: { header: { name: [\"\", \"<args>\"] } }")
}

/// A section around calls that begin as their payload does.
fn tagged() -> Case {
    own("section: { open: [\"<calls>\"], close: [\"</calls>\"] }\ncall: {}\n\
         payload: { tagged: { name: [\"<invoke name=\\\"\", \"\\\">\"], key: [\"<p name=\\\"\", \"\\\">\"], \
         value: [\"\", \"</p>\"], close: \"</invoke>\" } }")
}

t!(a_section_holds_several_calls, around(),
    "<calls><call>get_time<args>{}</call><call>bash<args>{\"command\": \"ls\"}</call></calls>"
        => r#"call get_time / args {} / end / call bash / args {"command": "ls"} / end"#,
    "Hi.\n<calls>\n<call>get_time<args>{}</call>\n</calls>\nBye."
        => r#"text "Hi.\n" / call get_time / args {} / end / text "\nBye.""#,
    "<calls><calls><call_s> <call>get_time<args>{}</call></calls><|eot|>" => "call get_time / args {} / end",
    "<calls><call>get_time<args>{}</call></calls>\n<calls><call>get_time<args>{}</call></calls>"
        => "call get_time / args {} / end / call get_time / args {} / end",
    // Each closer may lack, and a section's ends a call from within.
    "<calls><call>get_time<args>{}" => "call get_time / args {} / end",
    "<calls><call>get_time<args>{}</calls> x" => r#"call get_time / args {} / end / text " x""#,
    "<calls><call>bash<args>{\"command\": \"</calls>\"</calls>!" => r#"call bash / args {"command": "</calls>"} / end / text "!""#,
    "<calls><call>bash<args>{\"command\": [1, 2</calls>!" => r#"call bash / args {"command": [1, 2]} / end / text "!""#,
    "<calls><call>get_time<args>{}</call></cal" => "call get_time / args {} / end",
    // Its closer is markup wherever it comes, once.
    "<calls><call>get_time<args>{}</call> and so </calls> it </calls> is"
        => r#"call get_time / args {} / end / text " and so  it </calls> is""#,
    // Without a section it is a call all the same, and what closes none is dropped.
    "<call>get_time<args>{}</call></calls>" => "call get_time / args {} / end",
);

t!(a_section_without_a_call_is_text, around(),
    "Write <calls> around them." => r#"text "Write <calls> around them.""#,
    "<calls>\n<call>nope<args>{}</call>\n</calls>" => r#"text "<calls>\n<call>nope<args>{}</call>\n</calls>""#,
    "<calls><call>nope<args>{}</call><call>get_time<args>{}</call></calls>"
        => r#"text "<calls><call>nope<args>{}</call>" / call get_time / args {} / end"#,
    "<calls> then <call>get_time<args>{}</call></calls>" => r#"text "<calls> then " / call get_time / args {} / end"#,
    "<calls><calls" => r#"text "<calls><calls""#,
    "<calls>\n " => r#"text "<calls>\n ""#,
    "<calls><ca<calls><call>get_time<args>{}" => r#"text "<calls><ca" / call get_time / args {} / end"#,
    "A code span: `<calls><call>`." => r#"text "A code span: `<calls><call>`.""#,
    // With nothing in it there is nothing to show.
    "One <calls> </calls> two" => r#"text "One  two""#,
    "<calls></calls><calls><call>get_time<args>{}</call></calls>" => "call get_time / args {} / end",
);

t!(text_in_a_section_hides_no_call, tagged(),
    "<calls><invoke name=\"get_time\"></invoke><invoke name=\"nope\"></invoke><invoke name=\"get_time\"></invoke></calls>"
        => r#"call get_time / args {} / end / text "<invoke name=\"nope\"></invoke>" / call get_time / args {} / end"#,
    "<calls><invoke name=\"get_time\"></invoke>and<invoke name=\"get_time\"></invoke></calls> so"
        => r#"call get_time / args {} / end / text "and" / call get_time / args {} / end / text " so""#,
    // Nor one in a wrapper; behind the closer of either it is quoted.
    "<calls><invoke name=\"get_time\"></invoke></calls> and <invoke name=\"get_time\"></invoke>"
        => r#"call get_time / args {} / end / text " and <invoke name=\"get_time\"></invoke>""#,
);

t!(a_section_whose_first_call_is_none_hides_no_other, case("muse"),
    "to=bash<|message|><atem:function_calls>\n<atem:invoke name=\"nope\">\n</atem:invoke>\n<atem:invoke name=\"get_time\">\n</atem:invoke>\n</atem:function_calls><|eot|>"
        => r#"text "<atem:function_calls>\n<atem:invoke name=\"nope\">\n</atem:invoke>\n" / call get_time / args {} / end"#,
);

t!(text_in_a_wrapper_hides_no_call, case("qwen3-coder"),
    "<tool_call><function=get_time></function>\nx<function=get_time></function></tool_call>"
        => r#"call get_time / args {} / end / text "\nx" / call get_time / args {} / end"#,
    "<tool_call><function=get_time></function>\n<function=nope>\n</function><function=get_time></function></tool_call>"
        => r#"call get_time / args {} / end / text "\n<function=nope>\n</function>" / call get_time / args {} / end"#,
    "<tool_call><function=get_time></function></tool_call>\nx <function=get_time></function>"
        => r#"call get_time / args {} / end / text "\nx <function=get_time></function>""#,
);

t!(a_section_in_a_thought, around(),
    "<think>hm <calls><call>get_time<args>{}</call></calls></think> so"
        => r#"think "hm " / call get_time / args {} / end / text "so""#,
    "<think>hm <calls> no </think> so" => r#"think "hm <calls> no " / text "so""#,
    "<think>hm <calls><call>nope<args>{}</call></calls></think> so"
        => r#"think "hm <calls><call>nope<args>{}</call></calls>" / text "so""#,
    "<think>hm <calls></calls> no</think> so" => r#"think "hm  no" / text "so""#,
    "<think>hm <calls>" => r#"think "hm <calls>""#,
);

t!(a_call_in_a_section_may_begin_as_its_payload_does, tagged(),
    "<calls>\n<invoke name=\"bash\">\n<p name=\"command\">ls</p>\n</invoke>\n<invoke name=\"get_time\"></invoke>\n</calls>"
        => r#"call bash / args {"command":"ls"} / end / call get_time / args {} / end"#,
    "<calls><invoke  name=\"get_time\"></invoke></calls>" => r#"text "<calls><invoke  name=\"get_time\"></invoke></calls>""#,
    // Only there.
    "<invoke name=\"get_time\"></invoke>" => r#"text "<invoke name=\"get_time\"></invoke>""#,
);

t!(objects_in_a_section, own(
    "section: { open: [\"<calls>\"], close: [\"</calls>\"] }\ncall: {}\npayload: { json: { name: [name], arguments: [arguments] } }"),
    "<calls>{\"name\": \"get_time\"}\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}</calls> x"
        => r#"call get_time / args {} / end / call bash / args {"command": "ls"} / end / text " x""#,
    "<calls>[{\"name\": \"get_time\"}]</calls>" => "call get_time / args {} / end",
    "{\"name\": \"get_time\"}" => r#"text "{\"name\": \"get_time\"}""#,
);

#[test]
fn a_section_waits_for_its_call_no_longer_than_is_allowed() {
    let limits = Limits { pending_bytes_max: 32, ..Limits::default() };
    let case = Case { limits, ..around() };
    let blank = " ".repeat(40);
    case.check(&format!("<calls>{blank}x"), &format!("text {:?}", format!("<calls>{blank}x")));
}
