//! Thoughts that the server has split off, and calls in them.

use super::*;

const CALL: &str = "<tool_call>\n<function=f>\n<parameter=k>\nv\n</parameter>\n</function>\n</tool_call>";
const ARGUMENTS: &str = r#"{"k":"v"}"#;

/// A family whose calls end a thought.
fn family() -> Exchange {
    of("qwen3-coder", Calls::All, Usage::Unasked)
}

fn of(dialect: &str, calls: Calls, usage: Usage) -> Exchange {
    let mut exchange = exchange(calls, usage);
    exchange.decoding.dialect = Arc::clone(Dialects::builtin().get(dialect).unwrap());
    exchange
}

fn thought(text: &str) -> String {
    chunk(&format!(r#"{{"reasoning_content":{}}}"#, serde_json::to_string(text).unwrap()), "null")
}

fn check(exchange: &Exchange, input: &[String], expected: &[String]) {
    let (out, _) = rewrite(exchange, &input.concat(), End::Clean);
    assert_eq!(out, expected.concat());
}

/// An answer with a thought and a text, streamed a letter at a time, and whole: thought, text, calls, finish reason.
fn read(exchange: &Exchange, thought: &str, text: &str) -> (String, String, usize, String) {
    let mut input = role();
    for (key, said) in [("reasoning_content", thought), ("content", text)] {
        for letter in said.chars() {
            let letter = serde_json::to_string(&letter).unwrap();
            input += &chunk(&format!("{{\"{key}\":{letter}}}"), "null");
        }
    }
    input += &[finish("stop"), DONE.to_owned()].concat();
    let (streamed, summary) = run(exchange, [input.as_bytes()], End::Clean);
    let body = serde_json::json!({"choices": [{"index": 0, "finish_reason": "stop", "message":
        {"role": "assistant", "content": if text.is_empty() { None } else { Some(text) }, "reasoning_content": thought}}]});
    let (whole, whole_summary) = bodies::run(BodyRewriter::new(exchange, &Limits::default()), &body.to_string());
    assert_eq!(summary, whole_summary);
    let [streamed, whole] = [fold(&streamed), Folded::from_body(whole.as_bytes())].map(|folded| {
        let message = folded.messages[&0].clone();
        let [thought, text] = [message.reasoning, message.content].map(Option::unwrap_or_default);
        (thought, text, message.tool_calls.len(), message.finish_reason.unwrap())
    });
    assert_eq!(streamed, whole);
    streamed
}

#[test]
fn a_call_in_a_thought_is_taken_out_of_it() {
    check(
        &family(),
        &[role(), thought("I call.\n"), thought(CALL), finish("stop"), DONE.into()],
        &[role(), thought("I call.\n"), call(0, "f"), arguments(0, ARGUMENTS), finish("tool_calls"), DONE.into()],
    );
    let calls = |text: &str| (text.to_owned(), String::new(), 1, "tool_calls".to_owned());
    assert_eq!(read(&family(), &format!("I call.\n{CALL}"), ""), calls("I call.\n"));
    assert_eq!(read(&family(), &format!("{CALL}\n"), ""), calls(""));
    // What stands behind it is still a thought to the server.
    assert_eq!(read(&family(), &format!("{CALL}\nI wait."), ""), calls("\nI wait."));
    let (thought, text, count, _) = read(&family(), &format!("a{CALL}"), &format!("b{CALL}"));
    assert_eq!((thought.as_str(), text.as_str(), count), ("a", "b", 2));
}

#[test]
fn what_is_no_call_in_a_thought_stays_as_it_came() {
    let half = "<tool_call>\n<function=f>\n<parameter=k>\nv";
    for said in
        ["Two < three.", "One writes <tool_call> first.", "As in <function=nobody>.\n", "Use `<tool_call>`.", half]
    {
        let expected = (said.to_owned(), "Done.".to_owned(), 0, "stop".to_owned());
        assert_eq!(read(&family(), said, "Done."), expected, "{said}");
    }
    // Of a family that quotes calls while it thinks, all of it.
    let quoted = "So: <tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
    let expected = (quoted.to_owned(), "Done.".to_owned(), 0, "stop".to_owned());
    assert_eq!(read(&usual(), quoted, "Done."), expected);
}

#[test]
fn what_is_held_of_a_thought_goes_before_the_text() {
    check(
        &family(),
        &[role(), thought("a<tool"), thought("_c"), text("b"), text("c"), finish("stop"), DONE.into()],
        &[
            role(),
            thought("a"),
            made(r#"{"reasoning_content":"<tool_c"}"#),
            made(r#"{"content":"b"}"#),
            text("c"),
            finish("stop"),
            DONE.into(),
        ],
    );
}

#[test]
fn an_event_with_both_keeps_what_they_begin_with() {
    let both = |thought: &str, text: &str| chunk(&format!(r#"{{"reasoning":"{thought}","content":"{text}"}}"#), "null");
    let inline = CALL.replace('\n', "\\n");
    check(
        &family(),
        &[role(), both("a", "b"), both(&format!("c{inline}"), "d"), finish("stop"), DONE.into()],
        &[
            role(),
            both("a", "b"),
            both("c", ""),
            call(0, "f"),
            arguments(0, ARGUMENTS),
            made(r#"{"content":"d"}"#),
            finish("tool_calls"),
            DONE.into(),
        ],
    );
}

#[test]
fn a_thought_in_the_event_that_ends_the_choice() {
    let inline = CALL.replace('\n', "\\n");
    let last = |thought: &str, finish: &str| {
        chunk(&format!(r#"{{"role":"assistant","content":null,"reasoning":"{thought}"}}"#), finish)
    };
    check(
        &family(),
        &[last(&format!("a{inline}"), "\"stop\""), DONE.into()],
        &[
            made(r#"{"role":"assistant","reasoning":"a"}"#),
            call(0, "f"),
            arguments(0, ARGUMENTS),
            chunk(r#"{"content":null,"reasoning":""}"#, "\"tool_calls\""),
            DONE.into(),
        ],
    );
}

/// As vLLM says it while it changes names.
#[test]
fn a_thought_under_two_names_is_one() {
    let inline = CALL.replace('\n', "\\n");
    let twice =
        |thought: &str| chunk(&format!(r#"{{"reasoning":"{thought}","reasoning_content":"{thought}"}}"#), "null");
    check(
        &family(),
        &[role(), twice("a"), twice(&format!("b{inline}")), finish("stop"), DONE.into()],
        &[role(), twice("a"), twice("b"), call(0, "f"), arguments(0, ARGUMENTS), finish("tool_calls"), DONE.into()],
    );
    let body = |thought: &str, calls: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"message":{{"content":null{calls},"reasoning":"{thought}","reasoning_content":"{thought}"}},"finish_reason":"REASON"}}]}}"#
        )
    };
    let (out, _) = bodies::rewrite(&family(), &body(&format!("a{inline}"), "").replace("REASON", "stop"));
    let calls = r#","tool_calls":[{"id":"ID","type":"function","function":{"name":"f","arguments":"{\"k\":\"v\"}"}}]"#;
    assert_eq!(out, body("a", calls).replace("REASON", "tool_calls"));
}

#[test]
fn where_one_call_is_wanted_the_thoughts_is_it() {
    for usage in [Usage::Asked, Usage::Unasked] {
        let single = of("qwen3-coder", Calls::First, usage);
        let input =
            [role(), thought(CALL), thought("b"), text(&format!("c{CALL}")), finish("stop"), DONE.into()].concat();
        let (out, summary) = rewrite(&single, &input, End::Clean);
        let message = fold(&out).messages[&0].clone();
        assert_eq!((message.reasoning, message.content, message.tool_calls.len()), (None, None, 1));
        assert_eq!((summary.calls, summary.finish_reason.as_deref()), (1, Some("tool_calls")));
    }
    let single = of("qwen3-coder", Calls::First, Usage::Asked);
    assert_eq!(read(&single, CALL, &format!("c{CALL}")).2, 1);
}

#[test]
fn a_server_that_reads_calls_itself_ends_the_thought() {
    let own = chunk(r#"{"tool_calls":[{"index":0,"id":"1","function":{"name":"f","arguments":"{}"}}]}"#, "null");
    check(
        &family(),
        &[role(), thought("a<tool"), own.clone(), thought(CALL), finish("tool_calls"), DONE.into()],
        &[
            role(),
            thought("a"),
            made(r#"{"reasoning_content":"<tool"}"#),
            own,
            thought(CALL),
            finish("tool_calls"),
            DONE.into(),
        ],
    );
}
