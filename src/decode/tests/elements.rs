//! Calls in elements that nest, each tag behind a prefix.

use super::*;

const PREFIX: &str = "]<]m[>[";

fn elements() -> Case {
    own("call: { open: [\"]<]m[>[<calls>\"], bare: [']<]m[>[<invoke name=\"'], close: [\"]<]m[>[</calls>\"] }\n\
         payload: { elements: { prefix: \"]<]m[>[\", name: ['<invoke name=\"', '\">'], item: item, close: \"</invoke>\" } }")
}

fn check(text: &str, expected: &str) {
    elements().check(&text.replace('P', PREFIX), &expected.replace('P', PREFIX));
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
        // An element may be called as the wrapper is.
        (
            "P<calls>P<invoke name=\"get_weather\">P<where>P<calls>vP</calls>P</where>P</invoke>P</calls>",
            r#"call get_weather / args {"where":{"calls":"v"}} / end"#,
        ),
        // What is empty is what its kind says.
        (
            "P<invoke name=\"get_weather\">P<where>P</where>P<list> P</list>P<city>P</city>P</invoke>",
            r#"call get_weather / args {"where":{},"list":[],"city":""} / end"#,
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn what_a_text_quotes_is_data() {
    for (text, expected) in [
        (
            "P<calls>P<invoke name=\"bash\">P<command>P<x>yP</x> zP</command>P</invoke>P</calls>",
            r#"call bash / args {"command":"P<x>yP</x> z"} / end"#,
        ),
        // What a text quotes, whole or in part.
        (
            "P<calls>P<invoke name=\"bash\">P<command>echo 'P<calls>P<invoke name=\"bash\">P<command>lsP</command>P</invoke>P</calls>' P</command> | wcP</command>P</invoke>P</calls>",
            r#"call bash / args {"command":"echo 'P<calls>P<invoke name=\"bash\">P<command>lsP</command>P</invoke>P</calls>' P</command> | wc"} / end"#,
        ),
        (
            "P<invoke name=\"bash\">P<command>echo 'P<invoke name=\"bash\">P<command>lsP</command>P</invoke>' P</command> | wcP</command>P</invoke>",
            r#"call bash / args {"command":"echo 'P<invoke name=\"bash\">P<command>lsP</command>P</invoke>' P</command> | wc"} / end"#,
        ),
        (
            "P<invoke name=\"bash\">P<command>grep 'P<command>' aP</command>P</invoke>P<invoke name=\"get_time\">P</invoke>",
            r#"call bash / args {"command":"grep 'P<command>' a"} / end / call get_time / args {} / end"#,
        ),
        (
            "P<calls>P<invoke name=\"bash\">P<command>grep 'P</invoke>' P</x> aP</command>P</invoke>P</calls>",
            r#"call bash / args {"command":"grep 'P</invoke>' P</x> a"} / end"#,
        ),
        (
            "P<calls>P<invoke name=\"bash\">P<command>say P</calls> to close, or P</invoke>P</command>P</invoke>P</calls>!",
            r#"call bash / args {"command":"say P</calls> to close, or P</invoke>"} / end / text "!""#,
        ),
        // Tags that are none.
        (
            "P<invoke name=\"bash\">P<command>P< a>P<>P</ P<a<b> P]<]minimP</command>P</invoke>",
            r#"call bash / args {"command":"P< a>P<>P</ P<a<b> P]<]minim"} / end"#,
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn tags_that_are_wrong_or_lack_cost_no_value() {
    for (text, expected) in [
        (
            "P<invoke name=\"get_weather\">P<city>RomeP</cith>P<days>2P</days>P<ciy>x</ciy>P</invoke>",
            r#"call get_weather / args {"city":"Rome","days":2,"ciy":"x</ciy>"} / end"#,
        ),
        (
            "P<invoke name=\"get_weather\">P<days>2P</days>P</days>P</where>P</invoke>",
            r#"call get_weather / args {"days":2} / end"#,
        ),
        // What has no place between elements comes behind the call.
        (
            "P<invoke name=\"get_weather\">P<days>2P</days> so P<where>P<a>1P</a> it isP</where>P</invoke>",
            r#"call get_weather / args {"days":2,"where":{"a":"1P</a> it is"}} / end / text "so ""#,
        ),
        // Closers that lack.
        (
            "P<calls>P<invoke name=\"get_weather\">P<where>P<a>1P</where>P<days>3P</days>P</calls>",
            r#"call get_weather / args {"where":{"a":"1"},"days":3} / end"#,
        ),
        ("P<invoke name=\"get_weather\">P<where>P<a>1P</a>", r#"call get_weather / args {"where":{"a":"1"}} / end"#),
        ("P<invoke name=\"bash\">P<command>ls", r#"call bash / args {"command":"ls / cut"#),
        (
            "P<invoke name=\"bash\">P<command>lsP<invoke name=\"get_time\">P</invoke>",
            r#"call bash / args {"command":"lsP<invoke name=\"get_time\">P</invoke> / cut"#,
        ),
        (
            "P<calls>P<invoke name=\"get_weather\">P<days>3P<invoke name=\"get_time\">P</invoke>P</calls>",
            r#"call get_weather / args {"days":"3P<invoke name=\"get_time\">P</invoke>"} / end"#,
        ),
        (
            "P<calls>P<invoke name=\"bash\">P<command>lsP</command>P<invoke name=\"get_time\">P</invoke>P</calls>",
            r#"call bash / args {"command":"ls"} / end / call get_time / args {} / end"#,
        ),
        ("P<calls>P<invoke name=\"bash\">P<command>lsP</calls>", r#"call bash / args {"command":"ls"} / end"#),
        (
            "P<calls>P<invoke name=\"bash\">P<command>lsP</calls>\nP<calls>P<invoke name=\"get_time\">P</invoke>P</calls>",
            r#"call bash / args {"command":"ls"} / end / call get_time / args {} / end"#,
        ),
        ("P<invoke name=\"bash\">P<command>lsP</command>P</inv", r#"call bash / args {"command":"ls"} / end"#),
        ("P<invoke name=\"bash\">P<command>lsP</comm", r#"call bash / args {"command":"lsP</comm / cut"#),
    ] {
        check(text, expected);
    }
}

#[test]
fn an_element_twice_is_a_lists_next_item_or_a_member_twice() {
    for (text, expected) in [
        (
            "P<invoke name=\"get_weather\">P<list>aP</list>P<list> bP</list>P<list>P<item>cP</item>P</list>P<days>2P</days>P</invoke>",
            r#"call get_weather / args {"list":["a"," b","c"],"days":2} / end"#,
        ),
        (
            "P<invoke name=\"get_weather\">P<list>P<item>aP</item>P</list>P<list>bP</list>P<list>P</list>P</invoke>",
            r#"call get_weather / args {"list":["a","b"]} / end"#,
        ),
        // One item alone, and a list in JSON.
        ("P<invoke name=\"get_weather\">P<list>aP</list>P</invoke>", r#"call get_weather / args {"list":["a"]} / end"#),
        ("P<invoke name=\"get_weather\">P<list>[1]P</list>P</invoke>", r#"call get_weather / args {"list":[1]} / end"#),
        // What is no list, or does not follow itself.
        (
            "P<invoke name=\"bash\">P<command>aP</command>P<command>bP</command>P</invoke>",
            r#"call bash / args {"command":"a","command":"b"} / end"#,
        ),
        (
            "P<invoke name=\"get_weather\">P<where>P<a>1P</a>P<a>2P</a>P</where>P</invoke>",
            r#"call get_weather / args {"where":{"a":"1","a":"2"}} / end"#,
        ),
        (
            "P<invoke name=\"get_weather\">P<list>aP</list>P<days>2P</days>P<list>bP</list>P</invoke>",
            r#"call get_weather / args {"list":["a"],"days":2,"list":["b"]} / end"#,
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn what_is_no_call_of_elements_is_text() {
    for (text, expected) in [
        (
            "P<calls>P<invoke name=\"nope\">P</invoke>P</calls>",
            r#"text "P<calls>P<invoke name=\"nope\">P</invoke>P</calls>""#,
        ),
        ("P<calls> and P<b>", r#"text "P<calls> and P<b>""#),
    ] {
        check(text, expected);
    }
}

#[test]
fn elements_nest_so_deep_and_then_they_are_text() {
    let mut case = elements();
    case.limits.depth_max = 2;
    let text = "P<invoke name=\"get_weather\">P<where>P<a>P<b>1P</b>P</a>P</where>P</invoke>";
    let expected = r#"call get_weather / args {"where":{"a":"P<b>1P</b>"}} / end"#;
    case.check(&text.replace('P', PREFIX), &expected.replace('P', PREFIX));
}

#[test]
fn a_declared_argument_may_be_called_as_a_tag_of_the_calls_own() {
    let wrapper = own("call: { open: [\"]<]m[>[<city>\"], close: [\"]<]m[>[</city>\"] }\n\
         payload: { elements: { prefix: \"]<]m[>[\", name: ['<invoke name=\"', '\">'], item: item, close: \"</invoke>\" } }");
    let call = own("call: { open: [\"]<]m[>[<calls>\"], close: [\"]<]m[>[</calls>\"] }\n\
         payload: { elements: { prefix: \"]<]m[>[\", name: ['<city name=\"', '\">'], item: item, close: \"</city>\" } }");
    for (case, text) in [
        (wrapper, "P<city>P<invoke name=\"get_weather\">P<city>RomeP</city>P<days>2P</days>P</invoke>P</city>"),
        (call, "P<calls>P<city name=\"get_weather\">P<city>RomeP</city>P<days>2P</days>P</city>P</calls>"),
    ] {
        case.check(&text.replace('P', PREFIX), r#"call get_weather / args {"city":"Rome","days":2} / end"#);
    }
}
