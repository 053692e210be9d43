//! Which markers count where: in text, behind a call, in reasoning.

use super::*;

const JSON: &str = "payload: { json: { name: [name], arguments: [arguments] } }";

t!(a_closer_may_stand_inside_an_opener, own(&format!("call: {{ open: [\"Do:\\n```json\\n\"], close: [\"```\"] }}\n{JSON}")),
    "Do:\n```json\n{\"name\": \"get_time\"}\n```" => "call get_time / args {} / end",
    "Do:\n```json\n{\"name\": \"get_time\"}\n```\nDo:\n```json\n{\"name\": \"get_time\"}```\n"
        => "call get_time / args {} / end / call get_time / args {} / end",
    "Do:\n```json\n{\"name\": \"get_time\"}\nDo:\n```json\n{\"name\": \"get_time\"}"
        => "call get_time / args {} / end / call get_time / args {} / end",
    "```\nDo: ```" => "text \"```\\nDo: ```\"",
    // Behind text it could be a fence's.
    "Do:\n```json\n{\"name\": \"get_time\"}\nSo.\n```" => "call get_time / args {} / end / text \"\\nSo.\\n```\"",
    "Do:\n```json\n{\"name\": \"get_time\"}\n``" => "call get_time / args {} / end",
    "Do:\n```json\n{\"name\": \"get_time\"}\n`` `" => "call get_time / args {} / end / text \"\\n`` `\"",
    "Do:\n```json\n{\"name\": \"get_time\"}\nDo:\n``x" => "call get_time / args {} / end / text \"\\nDo:\\n``x\"",
);

t!(an_opener_may_be_a_closer_in_reasoning, own(&format!(
    "reasoning: {{ open: [\"<think>\"], close: [\"<say>\"] }}\ncall: {{ open: [\"<say>\"], close: [\"</say>\"] }}\n{JSON}")),
    "<think>a<say>b" => r#"think "a" / text "b""#,
    "<say>{\"name\": \"get_time\"}</say>" => "call get_time / args {} / end",
);

#[test]
fn a_marker_is_refused_against_those_of_its_position() {
    let refused = |keys: &str| Dialects::parse(&yaml(&format!("{keys}\n{JSON}"))).err().map(|e| e.to_string());
    for (keys, expected) in [
        ("call: { open: [\"<a\", \"<a>\"] }", "marker `<a` is a prefix of `<a>`"),
        ("call: { open: [\"<a>\"], close: [\"\"] }", "a marker is empty"),
        // Right after a call both are looked for.
        ("call: { open: [\"<a\"], close: [\"<a>\"] }", "marker `<a` is a prefix of `<a>`"),
        (
            "reasoning: { open: [\"<a>b\"], close: [\"<a>\"] }\ncall: { open: [\"<c>\"] }",
            "marker `<a>` is a prefix of `<a>b`",
        ),
    ] {
        assert_eq!(refused(keys), Some(format!("dialect `own`: {expected}")), "{keys}");
    }
    for keys in [
        // A closer inside an opener; an opener inside what closes reasoning.
        "call: { open: [\"x<a>y\"], close: [\"<a>\"] }",
        "reasoning: { open: [\"<t>\"], close: [\"x<c>y\"] }\ncall: { open: [\"<c>\"] }",
    ] {
        assert_eq!(refused(keys), None, "{keys}");
    }
}
