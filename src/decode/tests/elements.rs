//! Calls in elements that nest, each tag behind a prefix.

use super::*;

fn check(text: &str, expected: &str) {
    let case = own(
        "call: { open: [\"]<]m[>[<calls>\"], bare: [']<]m[>[<invoke name=\"'], close: [\"]<]m[>[</calls>\"] }\n\
         payload: { elements: { prefix: \"]<]m[>[\", name: ['<invoke name=\"', '\">'], item: item, close: \"</invoke>\" } }",
    );
    case.check(&text.replace('P', "]<]m[>["), &expected.replace('P', "]<]m[>["));
}

#[test]
fn elements_are_members_items_and_leaves() {
    for (text, expected) in [
        (
            "P<calls>\nP<invoke name=\"get_weather\">P<city>RomeP</city>P<days>2P</days>P<where>P<a>1P</a>P<b>P<c>xP</c>P</b>P</where>P<list>P<item>aP</item>\nP<item>P</item>P</list>P</invoke>\nP</calls>!",
            r#"call get_weather / args {"city":"Rome","days":2,"where":{"a":"1","b":{"c":"x"}},"list":["a",""]} / end / text "!""#,
        ),
        (
            "P<calls>P<invoke name=\"get_time\">P</invoke>P<invoke name=\"bash\">P<command> a <b> ]<]m </b>\n P</command>P</invoke>P</calls>",
            r#"call get_time / args {} / end / call bash / args {"command":" a <b> ]<]m </b>\n "} / end"#,
        ),
        // What is empty is what its kind says.
        (
            "P<invoke name=\"get_weather\">P<where>P</where>P<list> P</list>P<city>P</city>P</invoke>",
            r#"call get_weather / args {"where":{},"list":[],"city":""} / end"#,
        ),
        // In a string markup is data.
        (
            "P<calls>P<invoke name=\"bash\">P<command>P<x>yP</x> zP</command>P</invoke>P</calls>",
            r#"call bash / args {"command":"P<x>yP</x> z"} / end"#,
        ),
        // Closers that lack.
        (
            "P<calls>P<invoke name=\"get_weather\">P<where>P<a>1P</where>P<days>3P</days>P</calls>",
            r#"call get_weather / args {"where":{"a":"1"},"days":3} / end"#,
        ),
        ("P<invoke name=\"get_weather\">P<where>P<a>1P</a>", r#"call get_weather / args {"where":{"a":"1"}} / end"#),
        ("P<invoke name=\"bash\">P<command>ls", r#"call bash / args {"command":"ls / cut"#),
        // Text.
        (
            "P<calls>P<invoke name=\"nope\">P</invoke>P</calls>",
            r#"text "P<calls>P<invoke name=\"nope\">P</invoke>P</calls>""#,
        ),
        ("P<calls> and P<b>", r#"text "P<calls> and P<b>""#),
    ] {
        check(text, expected);
    }
}
