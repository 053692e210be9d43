//! Markers whose suffix the answer itself says.

use super::*;

fn suffixed() -> Case {
    own("suffix: \":\"\nreasoning: { open: [\"<think{suffix}>\"], close: [\"</think{suffix}>\"] }\n\
         call: { open: [\"<call{suffix}>\"], close: [\"</call{suffix}>\"] }\npayload: { json: { name: [name], arguments: [arguments] } }")
}

t!(the_first_marker_says_the_suffix_of_all, suffixed(),
    "<call:a1>{\"name\": \"get_time\"}</call:a1> so" => r#"call get_time / args {} / end / text " so""#,
    "<call>{\"name\": \"get_time\"}</call>" => "call get_time / args {} / end",
    "<think:x-1.b_>hm <think:y></think:x-1.b_><call:x-1.b_>{\"name\": \"get_time\"}</call:x-1.b_>"
        => r#"think "hm <think:y>" / call get_time / args {} / end"#,
    "Hi. <call:a1>{\"name\": \"bash\", \"arguments\": {\"command\": \"</call:a1>\"}}</call:a1><call:a1>{\"name\": \"get_time\"}"
        => r#"text "Hi. " / call bash / args {"command": "</call:a1>"} / end / call get_time / args {} / end"#,
    "<call:a1>{\"name\": \"get_time\"}</call:a1><call:b2>{\"name\": \"get_time\"}</call:b2>"
        => r#"call get_time / args {} / end / text "<call:b2>{\"name\": \"get_time\"}</call:b2>""#,
    // None.
    "<call:>{}" => r#"text "<call:>{}""#,
    "<call: x>" => r#"text "<call: x>""#,
    "<call:a1" => r#"text "<call:a1""#,
    "<call:a1 <call:b2>{\"name\": \"get_time\"}" => r#"text "<call:a1 " / call get_time / args {} / end"#,
    "<call:nope>{\"name\": \"nope\"}</call:nope>" => r#"text "<call:nope>{\"name\": \"nope\"}</call:nope>""#,
);

t!(a_thought_that_the_prompt_opened_says_it_too, Case { reasoning: Reasoning::Open, ..suffixed() },
    "hm</think:a1>\n<call:a1>{\"name\": \"get_time\"}</call:a1>" => r#"think "hm" / call get_time / args {} / end"#,
    "hm</think>so" => r#"think "hm" / text "so""#,
);

#[test]
fn a_suffix_has_a_length() {
    let text = format!("<call:{}>{{\"name\": \"get_time\"}}", "x".repeat(80));
    suffixed().check(&text, &format!("text {text:?}"));
}
