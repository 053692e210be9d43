//! Past calls and results in the messages that go up.

use super::*;

/// A history, and what becomes of it behind the system message.
fn check_history(dialect: &str, messages: &str, expected: &[(&str, &str)]) {
    let turns = turns(dialect, messages);
    let shown: Vec<_> = turns.iter().skip(1).map(|(role, text)| (role.as_str(), text.as_str())).collect();
    assert_eq!(shown, expected, "{dialect}: {messages}");
}

const CALL: &str =
    r#"{"id":"c1","type":"function","function":{"name":"get","arguments":"{\"city\": \"Hà Nội\", \"n\": 1.0}"}}"#;
const CALL_2: &str = r#"{"id":"c2","function":{"name":"put","arguments":"{}"}}"#;

#[test]
fn histories() {
    let conversation = format!(
        r#"[{{"role":"user","content":"u"}},{{"role":"assistant","content":"I look.","tool_calls":[{CALL},{CALL_2}]}},{{"role":"tool","tool_call_id":"c2","content":"two"}},{{"role":"tool","tool_call_id":"c1","content":[{{"type":"text","text":"o"}},{{"type":"text","text":"ne"}}]}},{{"role":"assistant","content":"done"}}]"#
    );
    let call = r#"{"name": "get", "arguments": {"city": "Hà Nội", "n": 1.0}}"#;
    check_history(
        "hermes",
        &conversation,
        &[
            ("user", "u"),
            (
                "assistant",
                &format!(
                    "I look.\n<tool_call>\n{call}\n</tool_call>\n<tool_call>\n{{\"name\": \"put\", \"arguments\": {{}}}}\n</tool_call>"
                ),
            ),
            ("user", "<tool_response>\ntwo\n</tool_response>\n<tool_response>\no\nne\n</tool_response>"),
            ("assistant", "done"),
        ],
    );
    check_history(
        "qwen3-coder",
        &conversation,
        &[
            ("user", "u"),
            (
                "assistant",
                "I look.\n<tool_call>\n<function=get>\n<parameter=city>\nHà Nội\n</parameter>\n<parameter=n>\n1.0\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=put>\n</function>\n</tool_call>",
            ),
            ("user", "<tool_response>\ntwo\n</tool_response>\n<tool_response>\no\nne\n</tool_response>"),
            ("assistant", "done"),
        ],
    );
    check_history(
        "json-envelope",
        &conversation,
        &[
            ("user", "u"),
            (
                "assistant",
                &format!(
                    "I look.\n{{\"tool_call\": {call}}}\n{{\"tool_call\": {{\"name\": \"put\", \"arguments\": {{}}}}}}"
                ),
            ),
            ("user", "[TOOL RESULT: put]\ntwo\n\n[TOOL RESULT: get]\no\nne"),
            ("assistant", "done"),
        ],
    );
    // The tools are in the user message here, and results keep their role.
    check_history(
        "llama3-json",
        &conversation,
        &[
            (
                "assistant",
                r#"I look.
{"name": "get", "parameters": {"city": "Hà Nội", "n": 1.0}}; {"name": "put", "parameters": {}}"#,
            ),
            ("tool", "two"),
            ("tool", "o\nne"),
            ("assistant", "done"),
        ],
    );
    let native = up("gemma4", &format!(r#"{{"messages":{conversation},"tools":{TOOLS}}}"#));
    assert!(native.contains(conversation.strip_prefix('[').unwrap()), "{native}");
}

#[test]
fn neighbours_of_one_role() {
    let call = |content: &str| format!(r#"{{"role":"assistant","content":{content},"tool_calls":[{CALL_2}]}}"#);
    let called = "<tool_call>\n{\"name\": \"put\", \"arguments\": {}}\n</tool_call>";
    let result = r#"{"role":"tool","tool_call_id":"c2","content":"r"}"#;
    let told = "<tool_response>\nr\n</tool_response>";
    let (u, v) = (r#"{"role":"user","content":"u\u00fc","name":"ann"}"#, r#"{"role":"user","content":"v"}"#);
    let image =
        r#"{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"x"}}]}"#;
    let check = |messages: &[&str], expected: &[(&str, &str)]| {
        check_history("hermes", &format!("[{}]", messages.join(",")), expected);
    };
    check(&[&call("null"), result, u], &[("assistant", called), ("user", &format!("{told}\n\nuü"))]);
    check(&[&call("null"), result, u, v], &[("assistant", called), ("user", &format!("{told}\n\nuü")), ("user", "v")]);
    check(&[u, result], &[("user", &format!("uü\n\n{told}"))]);
    check(&[u, v], &[("user", "uü"), ("user", "v")]);
    check(&[&call(r#""""#)], &[("assistant", called)]);
    check(&[&call(r#""I see.\n\n""#)], &[("assistant", &format!("I see.\n\n{called}"))]);
    check(&[&call(r#""C:\\n""#)], &[("assistant", &format!("C:\\n\n{called}"))]);
    // A prefill stays last.
    check(
        &[&call("null"), result, r#"{"role":"assistant","content":"It is"}"#],
        &[("assistant", called), ("user", told), ("assistant", "It is")],
    );
    check(
        &[&call("null"), result, image],
        &[
            ("assistant", called),
            (
                "user",
                &format!(
                    r#"[{{"type":"text","text":"{}\n\n"}},{{"type":"text","text":"see"}},{{"type":"image_url","image_url":{{"url":"x"}}}}]"#,
                    told.replace('\n', "\\n")
                ),
            ),
        ],
    );
    // A picture among the results.
    let picture = r#"{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"r"},{"type":"image_url","image_url":{"url":"x"}}]}"#;
    check(
        &[picture],
        &[(
            "user",
            &format!(
                r#"[{{"type":"text","text":"{}"}},{{"type":"image_url","image_url":{{"url":"x"}}}}]"#,
                told.replace('\n', "\\n")
            ),
        )],
    );
}

#[test]
fn oddities_of_histories() {
    let check =
        |message: &str, expected: (&str, &str)| check_history("json-envelope", &format!("[{message}]"), &[expected]);
    let call = |arguments: &str| {
        format!(r#"{{"role":"assistant","tool_calls":[{{"id":"x","function":{{"name":"f"{arguments}}}}}]}}"#)
    };
    let called = |arguments: &str| format!(r#"{{"tool_call": {{"name": "f", "arguments": {arguments}}}}}"#);
    check(&call(""), ("assistant", &called("{}")));
    check(&call(r#","arguments":"""#), ("assistant", &called("{}")));
    check(&call(r#","arguments":null"#), ("assistant", &called("{}")));
    check(&call(r#","arguments":{"a":1}"#), ("assistant", &called(r#"{"a":1}"#)));
    check(&call(r#","arguments":"{\"a\": tru""#), ("assistant", &called(r#"{"a": tru"#)));
    check(&call(r#","arguments":"\ud800\n""#), ("assistant", &called(r"\ud800\n")));
    check(r#"{"role":"tool","name":"named","content":"r"}"#, ("user", "[TOOL RESULT: named]\nr"));
    check(r#"{"role":"tool","content":null}"#, ("user", "[TOOL RESULT: unknown]\n"));
    check(r#"{"role":"assistant","content":"a","tool_calls":[]}"#, ("assistant", "a"));
    // Fields that a template may read stay.
    let kept = up(
        "hermes",
        &format!(
            r#"{{"messages":[{{"role":"assistant","reasoning_content":"why","tool_calls":[{CALL_2}]}}],"tools":{TOOLS}}}"#
        ),
    );
    assert!(kept.contains(r#"{"role":"assistant","reasoning_content":"why","content":"#), "{kept}");
}
