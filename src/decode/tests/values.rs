//! Tagged values that speak of calls: markup inside them is data, wherever the value stands and whatever follows.

use super::*;

const CALL: &str = "<tool_call>\n<function=bash>\n<parameter=command>\nls\n</parameter>\n</function>\n</tool_call>";

/// A call of the same tool, so that its parameters are declared.
const SAME: &str = "<tool_call>\n<function=note>\n<parameter=path>\nx\n</parameter>\n<parameter=body>\ny\n</parameter>\n</function>\n</tool_call>";

const TOOLS: &str = r#"[
    {"type": "function", "function": {"name": "note", "parameters": {"properties": {
        "path": {"type": "string"}, "body": {"type": "string"}}}}},
    {"type": "function", "function": {"name": "bash", "parameters": {"properties": {"command": {"type": "string"}}}}},
    {"type": "function", "function": {"name": "get_time"}}
]"#;

fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "a </function> b",
        "a </tool_call> b",
        "a </parameter> b",
        "a <parameter=q> b",
        "a\n</function>\nb",
        "a\n</tool_call>\nb",
        "a\n</parameter>\nb",
        "a\n<parameter=q>\nb",
        "a\n</parameter>\n<parameter=q>\nb",
        "a\n</function>\n</tool_call>\nb",
        "a\n</parameter>\n</function>\nb",
        "`</parameter></function></tool_call>`",
        "</parameter>",
        "</function>",
        "</tool_call>",
        "<tool_call>",
        "<function=bash>",
        "<tool_call>\n<function=bash>\n<parameter=command>\nls",
        "<parameter=command>x</parameter>",
        "<function=bash> opens, </function> closes, <parameter=command> too",
        "<tool_call>\n<function=get_time>\n</function>\n</tool_call>",
        "<tool_call>{\"name\": \"get_time\"}</tool_call>\n<tool_call>{\"name\": \"get_time\"}</tool_call>",
        "grep '<tool_call>' x | sed 's#</tool_call>##'",
        "print('</' + 'parameter>', </functio",
        "</tool_call><|im_end|>",
        "<think>x</think>",
    ]
    .map(Into::into)
    .into();
    for call in [CALL, SAME] {
        values.push(call.into());
        values.push(format!("{call}\n{CALL}"));
        values.push(format!("Such:\n{call}\nand such:\n{call}\nend"));
    }
    values
}

/// A call as the dialect writes it.
fn written(name: &str, parameters: &[(&str, &str)], wrapped: &str) -> String {
    let parameter = |(key, value): &(&str, &str)| format!("<parameter={key}>\n{value}\n</parameter>\n");
    let parameters: String = parameters.iter().map(parameter).collect();
    let call = format!("<function={name}>\n{parameters}</function>");
    if wrapped.is_empty() { call } else { format!("<tool_call>\n{call}\n</tool_call>") }
}

/// The names and arguments of the calls, and the text.
fn read<'a>(pieces: impl IntoIterator<Item = &'a str>, finish: Finish) -> (Vec<(String, String)>, String) {
    let settings = Settings::new(Arc::clone(DIALECTS.get("qwen3-coder").unwrap()), tools(TOOLS));
    let mut decoder = Decoder::new(settings, &Limits::default());
    let (mut calls, mut text) = (Vec::<(String, String)>::new(), String::new());
    let mut sink = |event: Event<'_>| match event {
        Event::Text(more) => text.push_str(more),
        Event::CallStart { name, .. } => calls.push((name.into(), String::new())),
        Event::Arguments(more) => calls.last_mut().unwrap().1.push_str(more),
        Event::Reasoning(_) | Event::CallEnd => {}
    };
    for piece in pieces {
        decoder.push(piece, &mut sink);
    }
    let ending = decoder.finish(finish, &mut sink);
    assert!(!ending.truncated || finish == Finish::Cut);
    (calls, text)
}

fn arguments(parameters: &[(&str, &str)]) -> String {
    let member = |(key, value): &(&str, &str)| format!("{}:{}", serde_json::json!(key), serde_json::json!(value));
    format!("{{{}}}", parameters.iter().map(member).collect::<Vec<_>>().join(","))
}

#[test]
fn markup_in_a_value_is_data() {
    for value in values() {
        for parameters in [[("path", "a"), ("body", value.as_str())], [("body", value.as_str()), ("path", "a")]] {
            for (wrapped, after) in
                [("yes", ""), ("yes", "\nDone."), ("yes", "second"), ("yes", "<|im_end|>"), ("", ""), ("", "second")]
            {
                let mut text = written("note", &parameters, wrapped);
                let mut expected = vec![("note".to_string(), arguments(&parameters))];
                if after == "second" {
                    let second = [("command", "ls -l")];
                    text = format!("{text}\n{}", written("bash", &second, wrapped));
                    expected.push(("bash".into(), arguments(&second)));
                } else {
                    text.push_str(after);
                }
                let rest = if after == "\nDone." { after } else { "" };
                let whole = read([text.as_str()], Finish::Stop);
                assert_eq!(whole, (expected, rest.to_string()), "{text}");
                let letters = text.split_inclusive(|_: char| true);
                assert_eq!(read(letters, Finish::Stop), whole, "letter by letter: {text}");
            }
        }
    }
}

#[test]
fn a_value_goes_on_while_nothing_ends_it() {
    let before = "<tool_call>\n<function=note>\n<parameter=body>\n";
    for value in values() {
        // The server stopped in the midst: all of the value is there but what may be its end.
        let (calls, text) = read([format!("{before}{value}\nmore of it").as_str()], Finish::Cut);
        let expected = arguments(&[("body", &format!("{value}\nmore of it"))]);
        let shown = &calls[0].1;
        assert!(
            expected.starts_with(shown.as_str()) && (calls.len(), text.as_str()) == (1, ""),
            "{value}: {calls:?} {text}"
        );
    }
}

/// One letter is wrong in a call whose value speaks of calls: the call behind it is read all the same.
#[test]
fn one_wrong_letter_swallows_no_call() {
    let second = format!("\n{}", written("get_time", &[("zone", "here")], "yes"));
    for value in ["a </function> b\n</tool_call>\n</parameter>\nc", "<tool_call>", CALL, SAME] {
        let first = written("note", &[("path", "a"), ("body", value)], "yes");
        let places = first.char_indices().skip("<tool_call>\n<function=note>".len());
        for (at, c) in places {
            for other in ["", "x", "<"] {
                let text = format!("{}{other}{}{second}", &first[..at], &first[at + c.len_utf8()..]);
                let (calls, _) = read([text.as_str()], Finish::Stop);
                let last = calls.last().unwrap();
                assert_eq!((last.0.as_str(), last.1.as_str()), ("get_time", r#"{"zone":"here"}"#), "{text}");
            }
        }
    }
}

t!(a_string_of_json_may_hold_what_ends_its_value, case("qwen3-coder"),
    "<function=get_weather>\n<parameter=where>\n{\"a\": \"say </parameter>\\n</function>, then\", \"b\": [\"</parameter>\\n</function> x\"]}\n</parameter>\n</function>!"
        => r#"call get_weather / args {"where":{"a": "say </parameter>\n</function>, then", "b": ["</parameter>\n</function> x"]}} / end / text "!""#,
    "<function=get_weather><parameter=where>{\"a\": \"</parameter></function> <function=bash><parameter=command>\\\"ls\\\"</parameter></function>\" }</parameter><parameter=list>[\"</parameter><parameter=days>3\" ,1]</parameter></function>"
        => r#"call get_weather / args {"where":{"a": "</parameter></function> <function=bash><parameter=command>\"ls\"</parameter></function>" },"list":["</parameter><parameter=days>3" ,1]} / end"#,
    // The string lacks its quote: what could be the end is.
    "<function=get_weather><parameter=where>{\"a\": \"x}</parameter></function>\n<function=bash><parameter=command>echo \"a\"</parameter></function>"
        => r#"call get_weather / args {"where":{"a": "x"}} / end / call bash / args {"command":"echo \"a\""} / end"#,
    "<function=get_weather><parameter=where>{\"a\": \"x}</parameter></function> so" => r#"call get_weather / args {"where":{"a": "x"}} / end / text " so""#,
    "<function=get_weather><parameter=where>{\"a\": \"x</parameter><parameter=days>3</parameter></function>"
        => r#"call get_weather / args {"where":{"a": "x"},"days":3} / end"#,
    "<function=get_weather><parameter=where>{\"a\": \"x</parameter> \"" => r#"call get_weather / args {"where":{"a": "x</parameter>  / cut"#,
);

#[test]
fn a_string_of_json_is_looked_through_as_far_as_is_allowed() {
    let mut case = case("qwen3-coder");
    case.limits.pending_bytes_max = 64;
    let text = |behind: usize| {
        let behind = "x".repeat(behind);
        format!(
            "<function=get_weather><parameter=where>{{\"a\": \"</parameter></function>{behind}\"}}</parameter></function>"
        )
    };
    case.check(
        &text(40),
        &format!(r#"call get_weather / args {{"where":{{"a": "</parameter></function>{}"}}}} / end"#, "x".repeat(40)),
    );
    let rest = format!("{}\"}}</parameter></function>", "x".repeat(90));
    case.check(&text(90), &format!(r#"call get_weather / args {{"where":{{"a": ""}}}} / end / text {rest:?}"#));
}

t!(arguments_that_are_a_string_without_an_object_are_passed_on, case("gigachat3"),
    "<|function_call|>{\"name\": \"get_time\", \"arguments\": \"now, please\"}" => r#"call get_time / args "now, please" / end"#,
    "<|function_call|>{\"name\": \"get_time\", \"arguments\": \"{\\\"a\\\": 1}\"}" => r#"call get_time / args {"a": 1} / end"#,
);
