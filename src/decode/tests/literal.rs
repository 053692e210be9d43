//! Calls whose strings stand between a delimiter of their own: what ends such a string, and what does not.

use super::*;

/// `Q` stands for the delimiter.
fn check(text: &str, expected: &str) {
    case("gemma4").check(&text.replace('Q', "<|\"|>"), &expected.replace('Q', "<|\"|>"));
}

/// A call with `value` as its only string, as the first of two members, in an array, and before another call.
fn check_value(value: &str, read: &str) {
    let json = serde_json::to_string(&read.replace('Q', "<|\"|>")).unwrap();
    let (open, close) = ("<|tool_call>call:", "}<tool_call|>");
    for (before, behind, events) in [
        ("bash{command:Q", "Q", format!("call bash / args {{\"command\":{json}}} / end")),
        ("get_weather{city:Q", "Q,days:3", format!("call get_weather / args {{\"city\":{json},\"days\":3}} / end")),
        ("get_weather{list:[Q", "Q,QbQ]", format!("call get_weather / args {{\"list\":[{json},\"b\"]}} / end")),
        ("get_weather{where:{x:Q", "Q}", format!("call get_weather / args {{\"where\":{{\"x\":{json}}}}} / end")),
    ] {
        check(&format!("{open}{before}{value}{behind}{close}"), &events);
        let second = "<|tool_call>call:bash{command:QlsQ}<tool_call|>";
        let both = format!("{events} / call bash / args {{\"command\":\"ls\"}} / end");
        check(&format!("{open}{before}{value}{behind}{close}{second}"), &both);
        check(&format!("{open}{before}{value}{behind}{close} So."), &format!("{events} / text \" So.\""));
    }
}

#[test]
fn a_delimiter_ends_a_string_only_where_the_structure_goes_on() {
    for (value, read) in [
        ("", ""),
        ("echo QhiQ there", "echo \"hi\" there"),
        ("say QhiQ", "say \"hi\""),
        ("{QaQ: 1}", "{\"a\": 1}"),
        ("{QaQ: QbQ, QcQ: QdQ}", "{\"a\": \"b\", \"c\": \"d\"}"),
        ("[QaQ, QbQ]", "[\"a\", \"b\"]"),
        ("f(Qa, bQ, key: QcQ)", "f(\"a, b\", key: \"c\")"),
        ("awk Q{print $1}Q x", "awk \"{print $1}\" x"),
        ("he said: Qyes, days: 3Q, so", "he said: \"yes, days: 3\", so"),
        ("a QQ b", "a \"\" b"),
        ("a } b ]} c}\n", "a } b ]} c}\n"),
        ("a <\"|> b <||> |\"| <|\"", "a <\"|> b <||> |\"| <|\""),
    ] {
        check_value(value, read);
    }
}

#[test]
fn whole_calls_may_be_quoted_in_a_string() {
    for value in [
        "Use <|tool_call>call:bash{command:QxQ}<tool_call|> to see",
        "Use <|tool_call>call:bash{command:QxQ}<tool_call|>",
        "<|tool_call>call:get_weather{city:QxQ,days:3}<tool_call|><|tool_call>call:bash{command:QyQ}<tool_call|> twice",
        "<|tool_call>call:get_time{}<tool_call|>",
        "it ends with <tool_call|>, or }<tool_call|> so",
    ] {
        check_value(value, value);
    }
    check_value("call:bash{command:QlsQ,days:3}", "call:bash{command:\"ls\",days:3}");
}

#[test]
fn a_delimiter_without_its_pair_is_a_quote() {
    check(
        "<|tool_call>call:get_weather{city:Q5Q pipeQ,days:3}<tool_call|>",
        r#"call get_weather / args {"city":"5\" pipe","days":3} / end"#,
    );
    check(
        "<|tool_call>call:bash{command:QIt ends with Q}<tool_call|> and soQ}<tool_call|>",
        r#"call bash / args {"command":"It ends with \"}<tool_call|> and so"} / end"#,
    );
    check(
        "<|tool_call>call:bash{command:QIt opens with <|tool_call>call:get_time{ and soQ}<tool_call|> So.",
        r#"call bash / args {"command":"It opens with <|tool_call>call:get_time{ and so"} / end / text " So.""#,
    );
}

/// A letter of a delimiter is missing, doubled, put in or another one, in its opening and in its closing.
#[test]
fn a_misspelt_delimiter_is_one_where_it_must_be() {
    let wrong = ["|\"|>", "<\"|>", "<||>", "<|\">", "<|\"|", "<||\"|>", "<|\"\"|>", "<|;\"|>", "<|'|>", "<|\"|>>"];
    for wrong in wrong {
        let member = r#"call get_weather / args {"city":"a, b","days":3} / end"#;
        let closing = format!("<|tool_call>call:get_weather{{city:Qa, b{wrong},days:3}}<tool_call|>");
        check(&closing, member);
        check(
            &closing.replace("<tool_call|>", "<tool_call|>call:get_time{}"),
            &format!("{member} / call get_time / args {{}} / end"),
        );
        let last = format!("<|tool_call>call:bash{{command:Qa, b{wrong}}}<tool_call|>");
        check(&last, r#"call bash / args {"command":"a, b"} / end"#);
        if wrong != "<|\"|>>" {
            check(&format!("<|tool_call>call:get_weather{{city:{wrong}a, bQ,days:3}}<tool_call|>"), member);
        }
    }
    // Before a whole one it is data where the string ends.
    check(
        "<|tool_call>call:get_weather{city:Qa, b<Q,days:3}<tool_call|><|tool_call>call:bash{command:Q1 <<QQ}<tool_call|>",
        r#"call get_weather / args {"city":"a, b<","days":3} / end / call bash / args {"command":"1 <<"} / end"#,
    );
    check(
        "<|tool_call>call:get_weather{city:<Qa, bQ,days:3}<tool_call|>",
        r#"call get_weather / args {"city":"a, b","days":3} / end"#,
    );
    for stray in ["\"", ";", "'", ":", "}"] {
        check(
            &format!("<|tool_call>call:get_weather{{city:QaQ{stray},days:3}}<tool_call|>"),
            r#"call get_weather / args {"city":"a","days":3} / end"#,
        );
    }
}

#[test]
fn a_string_without_its_delimiter_ends_before_the_next_call() {
    let second = "call get_time / args {} / end";
    for (text, first) in [
        ("bash{command:Qls}<tool_call|>", r#"{"command":"ls"}"#),
        ("bash{command:Qls<tool_call|>", r#"{"command":"ls"}"#),
    ] {
        let name = text.split('{').next().unwrap();
        let text = format!("<|tool_call>call:{text}<|tool_call>call:get_time{{}}<tool_call|>");
        check(&text, &format!("call {name} / args {first} / end / {second}"));
    }
    // What names no tool begins no call.
    check(
        "<|tool_call>call:bash{command:Qls}<tool_call|><|tool_call>call:other{}Q}<tool_call|>",
        r#"call bash / args {"command":"ls}<tool_call|><|tool_call>call:other{}"} / end"#,
    );
}

#[test]
fn a_string_may_be_closed_by_the_other_kind_of_quote() {
    for (text, arguments) in [
        ("bash{command:Qls\"}<tool_call|>", r#"{"command":"ls"}"#),
        ("bash{command:Qls\" }", r#"{"command":"ls"}"#),
        ("bash{command:\"lsQ}<tool_call|>", r#"{"command":"ls"}"#),
        // It is the pair of another, or the delimiter comes.
        ("bash{command:Qecho \"a\"}<tool_call|>", r#"{"command":"echo \"a\""}"#),
        ("bash{command:Qgrep \"}Q}<tool_call|>", r#"{"command":"grep \"}"}"#),
        // No parenthesis is open that this could close.
        ("bash{command:Qsize 5\")}<tool_call|>", r#"{"command":"size 5\")"}"#),
        ("bash{command:Qa\"}<tool_call|> bQ}<tool_call|>", r#"{"command":"a\"}<tool_call|> b"}"#),
    ] {
        let first = format!("call bash / args {arguments} / end");
        check(&format!("<|tool_call>call:{text}"), &first);
        if text.ends_with('>') {
            check(
                &format!("<|tool_call>call:{text}<|tool_call>call:get_time{{}}"),
                &format!("{first} / call get_time / args {{}} / end"),
            );
        }
    }
}

#[test]
fn a_string_may_be_closed_by_the_other_kind_of_quote_before_a_member() {
    for (text, arguments) in [
        ("city:QRome\",days:2", r#"{"city":"Rome","days":2}"#),
        ("city:QRome\", days: 2", r#"{"city":"Rome", "days": 2}"#),
        ("city:QRome\",\"days\":2", r#"{"city":"Rome","days":2}"#),
        ("city:QRome\",maybe:QsunnyQ", r#"{"city":"Rome","maybe":"sunny"}"#),
        ("city:QRome\",list:[QaQ]", r#"{"city":"Rome","list":["a"]}"#),
        ("city:QRome\",maybe:Qsunny\"", r#"{"city":"Rome","maybe":"sunny"}"#),
        ("city:\"RomeQ,days:2", r#"{"city":"Rome","days":2}"#),
        ("city:\"RomeQ , days=2", r#"{"city":"Rome" , "days":2}"#),
        ("city:\"RomeQ,maybe:\"sunnyQ", r#"{"city":"Rome","maybe":"sunny"}"#),
        ("city:\"RomeQ,other:2\"", r#"{"city":"Rome<|\"|>,other:2"}"#),
        // The delimiter comes, the quote is the pair of another, or the key is none of the tool's.
        ("city:Q5\",days:2Q", r#"{"city":"5\",days:2"}"#),
        ("city:Q5\",days:2Q,days:3", r#"{"city":"5\",days:2","days":3}"#),
        ("city:Q\"Rome\",days:2Q", r#"{"city":"\"Rome\",days:2"}"#),
        ("city:Q5\",other:2", r#"{"city":"5\",other:2"}"#),
        ("city:Q5\",and so, days:2Q", r#"{"city":"5\",and so, days:2"}"#),
    ] {
        let call = format!("<|tool_call>call:get_weather{{{text}}}<tool_call|>");
        let events = format!("call get_weather / args {arguments} / end");
        check(&call, &events);
        check(&format!("{call}<|tool_call>call:get_time{{}}"), &format!("{events} / call get_time / args {{}} / end"));
    }
    check(
        "<|tool_call>call:get_weather{city:QRome\",days:2}",
        r#"call get_weather / args {"city":"Rome","days":2} / end"#,
    );
}

#[test]
fn an_answer_may_end_in_a_closer() {
    for (text, read) in [
        ("bash{command:Qls}<tool_c", "{\"command\":\"ls\"}"),
        ("bash{command:QlsQ}<tool_c", "{\"command\":\"ls\"}"),
        ("bash{command:QlsQ<tool_c", "{\"command\":\"ls\"}"),
        ("get_weather{days:3<tool_c", "{\"days\":3}"),
        ("get_weather{list:[1]<|tool", "{\"list\":[1]}"),
    ] {
        let name = text.split('{').next().unwrap();
        check(&format!("<|tool_call>call:{text}"), &format!("call {name} / args {read} / end"));
    }
}

#[test]
fn an_answer_may_end_in_a_delimiter() {
    for (end, read) in [
        ("<", "{\"command\":\"ls< / cut"),
        ("<|", "{\"command\":\"ls<| / cut"),
        ("<|\"", "{\"command\":\"ls<|\\\" / cut"),
        ("<|\"|", "{\"command\":\"ls\"} / end"),
        ("Q", "{\"command\":\"ls\"} / end"),
        ("Q}", "{\"command\":\"ls\"} / end"),
        ("Qx", "{\"command\":\"ls\\\"x / cut"),
    ] {
        check(&format!("<|tool_call>call:bash{{command:Qls{end}"), &format!("call bash / args {read}"));
    }
}

#[test]
fn the_forms_of_a_call() {
    for (text, read) in [
        ("<|tool_call>bash{command:QlsQ}<tool_call|>", r#"call bash / args {"command":"ls"} / end"#),
        ("<|tool_call>call:default_api:bash{command:QlsQ}<tool_call|>", r#"call bash / args {"command":"ls"} / end"#),
        ("<|tool_call>call:bash{command=QlsQ}<tool_call|>", r#"call bash / args {"command":"ls"} / end"#),
        ("<|tool_call>call:bash(command=\"ls\")<tool_call|>", r#"call bash / args {"command":"ls"} / end"#),
        ("<|tool_call>call:get_time<tool_call|>", "call get_time / args {} / end"),
        ("<|tool_call>call:other<tool_call|>", "text \"<|tool_call>call:other<tool_call|>\""),
        ("<|tool_call>get_time is a tool", "text \"<|tool_call>get_time is a tool\""),
        (
            "<|tool_call>call:get_weather{city:Rome, Italy,days:3}<tool_call|>",
            r#"call get_weather / args {"city":"Rome, Italy","days":3} / end"#,
        ),
        (
            "<|tool_call>call:get_weather{days:3,city:a, b and c}<tool_call|>",
            r#"call get_weather / args {"days":3,"city":"a, b and c"} / end"#,
        ),
        (
            "<|tool_call>call:get_weather{maybe:NaN,where:{a:0x1F,b:007}}<tool_call|>",
            r#"call get_weather / args {"maybe":"NaN","where":{"a":"0x1F","b":"007"}} / end"#,
        ),
        (
            "<|tool_call>call:get_weather{days:3}call:bash{command:QlsQ}<tool_call|>",
            r#"call get_weather / args {"days":3} / end / call bash / args {"command":"ls"} / end"#,
        ),
    ] {
        check(text, read);
    }
}

t!(a_thought_may_lack_the_line_break_of_its_opener, case("gemma4"),
    "<|channel>thought\nhm<channel|>b" => r#"think "hm" / text "b""#,
    "<|channel>thought<channel|>b" => r#"text "b""#,
    "<|channel>thought\n<channel|>b" => r#"text "b""#,
    "<|channel>thoughthm<channel|>b" => r#"think "hm" / text "b""#,
    "<|channel>thought\n\nhm<channel|>" => r#"think "\nhm""#,
);

t!(a_thought_that_the_prompt_opened_may_open_again, Case { reasoning: Reasoning::Open, ..case("gemma4") },
    "<|channel>thought\nhm<channel|>b" => r#"think "hm" / text "b""#,
    "<|channel>thoughthm<channel|>b" => r#"think "hm" / text "b""#,
    "\nhm<channel|>b" => r#"think "\nhm" / text "b""#,
);
