//! Markers around text that is no call: dropped wherever they stand, and nothing else with them.

use super::*;

fn wrapped() -> Case {
    own(
        "reasoning: { open: [\"<think>\"], close: [\"</think>\"] }\nwrap: [\"<answer>\", \"</answer>\", \"<box>\", \"</box>\"]\n\
         call: { open: [\"<call>\"], close: [\"</call>\"], end_tokens: [\"<|eot|>\"] }\npayload: { json: { name: [name], arguments: [arguments] } }",
    )
}

t!(what_stands_around_text_is_dropped, wrapped(),
    "<answer>Hi.</answer>" => r#"text "Hi.""#,
    "<answer>Hi.</answer><|eot|>" => r#"text "Hi.""#,
    "<think>hm</think>\n<answer>\nHi.\n</answer>" => r#"think "hm" / text "Hi.\n""#,
    "It is <box>42</box> apples.\n" => r#"text "It is 42 apples.\n""#,
    "<answer>I look.</answer>\n<call>{\"name\": \"get_time\"}</call>" => r#"text "I look.\n" / call get_time / args {} / end"#,
    "<answer><call>{\"name\": \"get_time\"}</call></answer>" => "call get_time / args {} / end",
    "<call>{\"name\": \"get_time\"}</call>\n<answer>So.</answer>" => r#"call get_time / args {} / end / text "\nSo.""#,
    "<call>{\"name\": \"get_time\"}</call><answer><call>{\"name\": \"get_time\"}" => "call get_time / args {} / end / call get_time / args {} / end",
    // One may lack, or be cut short.
    "Hi.</answer>" => r#"text "Hi.""#,
    "<answer></answer>" => "",
    "Hi.</ans" => r#"text "Hi.</ans""#,
    "<call>{\"name\": \"get_time\"}</call></ans" => "call get_time / args {} / end",
);

t!(what_is_quoted_or_thought_or_given_stays, wrapped(),
    "In a span: `<answer>`." => r#"text "In a span: `<answer>`.""#,
    "```xml\n<answer>1</answer>\n```\n<answer>2" => r#"text "```xml\n<answer>1</answer>\n```\n2""#,
    "<think>an <answer>?</think>" => r#"think "an <answer>?""#,
    "<call>{\"name\": \"bash\", \"arguments\": {\"command\": \"<answer>\"}}</call>" => r#"call bash / args {"command": "<answer>"} / end"#,
);
