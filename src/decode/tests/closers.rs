//! Closers that begin as a payload goes on: what was held for one is read again, and every call is one.

use super::*;

/// Closers of all kinds. The first begins as nothing else does.
const CLOSERS: [&str; 10] = ["</c>", "[/c]", "\n</c>", "\n\n[/c]", "]/c", "}c", "}}c>", ",c", "]", "}}"];

/// A form of calls: its payload, an opener, a call of `bash` and one with no arguments.
struct Form {
    payload: &'static str,
    bash: &'static str,
    time: &'static str,
}

const FORMS: [Form; 3] = [
    Form {
        payload: "payload: { json: { name: [name], arguments: [arguments] } }",
        bash: "{\"name\": \"bash\", \"arguments\": {\n  \"command\": \"a [b], {c}\",\n  \"list\": [[1], {\"n\": 2}]\n}}",
        time: "{\n\"name\": \"get_time\"\n}",
    },
    Form {
        payload: "payload: { tagged: { name: [\"<f=\", \">\"], key: [\"<p=\", \">\"], value: [\"\", \"</p>\"], close: \"</f>\" } }",
        bash: "<f=bash>\n<p=command>\na [b], {c}\n</p>\n<p=list>\n[[1], {\"n\": 2}]\n</p>\n</f>",
        time: "<f=get_time>\n</f>",
    },
    Form {
        payload: "payload: { literal: { header: [\"call:\"], quote: \"'''\" } }",
        bash: "call:bash{\n  command:'''a [b], {c}''',\n  list:[[1], {n:2}]\n}",
        time: "call:get_time{\n}",
    },
];

impl Form {
    fn case(&self, closer: &str) -> Case {
        let closer = serde_json::to_string(closer).unwrap();
        own(&format!("call: {{ open: [\"<c>\"], close: [{closer}], end_tokens: [\"<eot>\"] }}\n{}", self.payload))
    }

    /// What a decoder with a plain closer makes of `text`, in which `$` stands for the closer.
    fn expected(&self, text: &str) -> String {
        self.case(CLOSERS[0]).run([text.replace('$', CLOSERS[0]).as_str()]).0
    }

    fn check(&self, text: &str) -> String {
        let expected = self.expected(text);
        for closer in CLOSERS {
            let (case, text) = (self.case(closer), text.replace('$', closer));
            case.check(&text, &expected);
            let third = |n: usize| (0..=text.len() * n / 3).rev().find(|&i| text.is_char_boundary(i)).unwrap();
            let pieces = [&text[..third(1)], &text[third(1)..third(2)], &text[third(2)..]];
            assert_eq!(case.run(pieces).0, expected, "in thirds: {text}");
        }
        expected
    }
}

#[test]
fn a_closer_that_begins_as_the_payload_goes_on_costs_no_call() {
    for form in &FORMS {
        let Form { bash, time, .. } = form;
        let calls = |text: &str| form.check(text).matches("/ end").count();
        assert_eq!(calls(&format!("<c>{bash}$")), 1, "{bash}");
        assert_eq!(calls(&format!("Hi.\n<c>\n{bash}\n$\n<c>{time}$ <c>{bash}\n$<eot>\n")), 3, "{bash}");
        assert_eq!(calls(&format!("<c>{time}$ So.")), 1, "{time}");
        // Without the last closer, or the first.
        assert_eq!(calls(&format!("<c>{bash}$<c>{time}")), 2, "{bash}");
        assert_eq!(calls(&format!("<c>{bash}\n<c>{time}$<eot>")), 2, "{bash}");
        assert_eq!(calls(&format!("<c>{bash}<eot>")), 1, "{bash}");
    }
}

#[test]
fn a_list_ends_before_a_closer_that_begins_with_a_bracket() {
    let [json, ..] = &FORMS;
    let Form { bash, time, .. } = json;
    for text in [
        format!("<c>[{time}, {bash}]$"),
        format!("<c>[{bash},\n{time}\n]\n$<c>[{time}]$"),
        format!("<c>[{bash}, {time}]\n<c>[{time}]"),
        format!("<c>[{bash}]"),
    ] {
        assert!(json.check(&text).contains("call bash"), "{text}");
    }
}

#[test]
fn a_wrong_letter_in_a_closer_costs_neither_its_call_nor_the_next() {
    for form in &FORMS {
        let Form { bash, time, .. } = form;
        for closer in CLOSERS {
            let case = form.case(closer);
            for (at, c) in closer.char_indices() {
                let (before, behind) = (&closer[..at], &closer[at + c.len_utf8()..]);
                for wrong in
                    [format!("{before}{behind}"), format!("{before}{c}{c}{behind}"), format!("{before}~{behind}")]
                {
                    let text = format!("<c>{bash}{wrong}\n<c>{time}{closer}");
                    let (line, ending) = case.run([text.as_str()]);
                    assert!(
                        line.contains("call bash") && line.contains("call get_time") && line.ends_with("/ end"),
                        "{text}\n{line}"
                    );
                    assert_eq!(ending.calls, 2, "{text}");
                    let letters: Vec<String> = text.chars().map(String::from).collect();
                    assert_eq!(case.run(letters.iter().map(String::as_str)).0, line, "letter by letter: {text}");
                }
            }
        }
    }
}

/// A dialect whose closer begins as a list ends, and whose arguments may be any value.
fn bracketed() -> Case {
    let yaml = Dialects::source("hermes").unwrap();
    let (before, behind) = yaml.split_once("  close: [\"</tool_call>\"").unwrap();
    let yaml = format!("{before}  close: [\"]<]end[>[\", \"]}}<end>\"{behind}");
    of(Arc::new(Dialects::parse(&yaml).unwrap()))
}

t!(closers_that_begin_as_a_list_ends, bracketed(),
    "<tool_call>{\"name\": \"get_time\", \"arguments\": [1]<]end[>[x" => r#"call get_time / args [1] / end / text "x""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"a\": [1]]<]end[>[x" => r#"call get_time / args {"a": [1]} / end / text "x""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": [1]}]<]end[>[x" => r#"call get_time / args [1] / end / text "x""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": [1]<x" => r#"call get_time / args [1] / end / text "<x""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": [1]<]<]end[>[x" => r#"call get_time / args [1] / end / text "<x""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": [1]<" => r#"call get_time / args [1] / end"#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"a\": [1]}<x" => r#"call get_time / args {"a": [1]} / end / text "<x""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"a\": [1]}}x" => r#"call get_time / args {"a": [1]} / end / text "x""#,
    "<tool_call>{\"name\": \"get_time\", \"more\": [1], \"arguments\": [2]}x" => r#"call get_time / args [2] / end / text "x""#,
    "<tool_call>{\"name\": \"get_time\", \"more\": [1]<x" => r#"text "<tool_call>{\"name\": \"get_time\", \"more\": [1]<x""#,
    "<tool_call>{\"arguments\": [1]<, \"name\": \"get_time\"}" => r#"text "<tool_call>{\"arguments\": [1]<, \"name\": \"get_time\"}""#,
);

t!(a_closer_cut_short_behind_a_call_goes_with_it, case("qwen3-coder"),
    "<function=bash><parameter=command>a</parameter>\n</function>\n</tool" => r#"call bash / args {"command":"a"} / end"#,
    "<function=bash><parameter=command>a</parameter>\n</func" => r#"call bash / args {"command":"a"} / end"#,
    // Behind something else it is text, and so is an opener.
    "<function=bash><parameter=command>a</parameter>\n<tool_call></para" => r#"call bash / args {"command":"a"} / end / text "\n<tool_call></para""#,
    "<function=bash><parameter=command>a</parameter>\n<tool_call><p" => r#"call bash / args {"command":"a"} / end / text "\n<tool_call><p""#,
    "<function=bash><parameter=command>a</parameter>\n<tool" => r#"call bash / args {"command":"a"} / end / text "\n<tool""#,
);

t!(a_wrapper_is_closed_once, case("glm"),
    "<tool_call>get_time</tool_call> b </tool_call> c" => r#"call get_time / args {} / end / text " b </tool_call> c""#,
    "<tool_call>bash<arg_key>command</arg_key><arg_value>a</arg_value></tool_call> b </tool_call> c"
        => r#"call bash / args {"command":"a"} / end / text " b </tool_call> c""#,
    "<tool_call>bash{\"command\": \"a\"}</tool_call> b </tool_call> c"
        => r#"call bash / args {"command": "a"} / end / text " b </tool_call> c""#,
    // One too many right behind the call goes.
    "<tool_call>get_time</tool_call></tool_call> c" => r#"call get_time / args {} / end / text " c""#,
);

t!(a_broken_closer_behind_a_call_goes_where_a_call_or_the_end_follows, case("hermes"),
    "<tool_call>{\"name\": \"get_time\"}</tool_call}" => "call get_time / args {} / end",
    "<tool_call>{\"name\": \"get_time\"}\n</tol_call>\n" => "call get_time / args {} / end",
    "<tool_call>{\"name\": \"get_time\"}<tool_cal1>" => r#"call get_time / args {} / end / text "<tool_cal1>""#,
    "<tool_call>{\"name\": \"get_time\"}</tool_cal1>\n<tool_call>{\"name\": \"get_time\"}\n<//tool_call>"
        => "call get_time / args {} / end / call get_time / args {} / end",
    "<tool_call>{\"name\": \"get_time\"}</tool_cal></tool_call><|im_end|>" => "call get_time / args {} / end",
    "<tool_call>{\"name\": \"get_time\"}</tool_cal><|im_end|>" => "call get_time / args {} / end",
    // Before text it is text, and so is what is no closer.
    "<tool_call>{\"name\": \"get_time\"}</tool_call} So" => r#"call get_time / args {} / end / text "</tool_call} So""#,
    "<tool_call>{\"name\": \"get_time\"}</tool_cal><|im_end|> So" => r#"call get_time / args {} / end / text "</tool_cal><|im_end|> So""#,
    "<tool_call>{\"name\": \"get_time\"}\n</tol" => r#"call get_time / args {} / end / text "\n</tol""#,
    "<tool_call>{\"name\": \"get_time\"}</so</tool_call>" => r#"call get_time / args {} / end / text "</so""#,
    "<tool_call>{\"name\": \"get_time\"}s</tool_call> b" => r#"call get_time / args {} / end / text "s b""#,
    "<tool_call>{\"name\": \"get_time\"}s<tool_call>{\"name\": \"get_time\"}"
        => r#"call get_time / args {} / end / text "s" / call get_time / args {} / end"#,
    "<tool_call>{\"name\": \"get_time\"}</tool_call></tool_cal>" => r#"call get_time / args {} / end / text "</tool_cal>""#,
);

t!(a_broken_closer_of_the_familys_own_form, case("generic"),
    "<|tool_call|>{\"name\": \"get_time\"}</|tool_call|}" => "call get_time / args {} / end",
    "<|tool_call|>{\"name\": \"get_time\"}</|tool_call|}\n<|tool_call|>{\"name\": \"get_time\"}</|tool_call|>"
        => "call get_time / args {} / end / call get_time / args {} / end",
);
