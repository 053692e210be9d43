//! Calls as text, for clients that read text.

use super::*;
use crate::dialect::Dialects;

const CALL: &str = r#"<tool_call>{"name": "f", "arguments": {"a": "<b>", "n": [1]}}</tool_call>"#;
const JSON: &str =
    "{\n  \"name\": \"f\",\n  \"arguments\": {\n    \"a\": \"<b>\",\n    \"n\": [\n      1\n    ]\n  }\n}";

fn told(format: AgentFormat) -> Exchange {
    Exchange { format, ..usual() }
}

fn named(format: &str) -> Exchange {
    told(AgentFormat::named(format, &Dialects::builtin()).unwrap())
}

fn tags(tags: &str) -> Exchange {
    told(AgentFormat::of_tags(tags).unwrap())
}

/// What a client makes of an answer: its text, how many calls it has, and the finish reason.
fn heard(folded: &Folded) -> (String, usize, String) {
    let message = folded.messages[&0].clone();
    (message.content.unwrap_or_default(), message.tool_calls.len(), message.finish_reason.unwrap())
}

fn streamed(exchange: &Exchange, events: &[String]) -> (String, usize, String) {
    let input = [&[role()][..], events].concat().concat();
    heard(&fold(&rewrite(exchange, &input, End::Clean).0))
}

/// A text a letter an event, and the finish reason.
fn letters(said: &str, reason: &str) -> Vec<String> {
    let letters = said.chars().map(|letter| text(&letter.to_string()));
    letters.chain([finish(reason), DONE.to_owned()]).collect()
}

fn whole(exchange: &Exchange, message: serde_json::Value) -> (String, usize, String) {
    let body = serde_json::json!({"choices": [{"index": 0, "finish_reason": "stop", "message": message}]});
    let (out, _) = bodies::run(BodyRewriter::new(exchange, &Limits::default()), &body.to_string());
    heard(&Folded::from_body(out.as_bytes()))
}

#[test]
fn calls_stand_in_the_text_as_their_format_says() {
    let block = format!("<|tool_call|>\n{JSON}\n</|tool_call|>");
    let line = r#"{"name":"f","arguments":{"a": "<b>", "n": [1]}}"#;
    let hermes = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"<b>\", \"n\": [1]}}\n</tool_call>";
    let coder = "<tool_call>\n<function=f>\n<parameter=a>\n<b>\n</parameter>\n<parameter=n>\n[1]\n</parameter>\n</function>\n</tool_call>";
    for (exchange, said, expected, calls) in [
        (named("qwen3"), CALL.to_owned(), block.clone(), 0),
        (named("qwen3"), format!("So: \n{CALL}\n\nDone. "), format!("So:\n\n{block}\n\nDone. "), 0),
        (named("qwen3"), format!("{CALL}\n{CALL}"), format!("{block}\n\n{block}"), 0),
        (named("qwen3"), "no call \n ".to_owned(), "no call \n ".to_owned(), 0),
        (named("gemma"), CALL.to_owned(), format!("```tool_code\n{JSON}\n```"), 0),
        (named("hermes"), format!("a {CALL}"), format!("a\n\n{hermes}"), 0),
        (named("qwen3-coder"), CALL.to_owned(), coder.to_owned(), 0),
        (
            named("kimi-k2"),
            CALL.to_owned(),
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\": \"<b>\", \"n\": [1]}<|tool_call_end|><|tool_calls_section_end|>".to_owned(),
            0,
        ),
        (tags("START,END"), format!("before {CALL} after"), format!("before START{line}END after"), 1),
        (tags("T"), format!("{CALL}{CALL}"), format!("<T>{line}</T>\n<T>{line}</T>"), 2),
        (named("passthrough"), format!("x {CALL} <think>y</think>"), format!("x {CALL} <think>y</think>"), 1),
        (named("openai"), format!("x {CALL} y"), "x  y".to_owned(), 1),
    ] {
        let is_call = said.contains(CALL);
        let reason = if is_call { "tool_calls" } else { "stop" };
        assert_eq!(streamed(&exchange, &letters(&said, "stop")), (expected.clone(), calls, reason.into()), "{said}");
        assert_eq!(
            streamed(&exchange, &[text(&said), finish("stop"), DONE.into()]),
            (expected.clone(), calls, reason.into()),
            "{said}"
        );
        let content = serde_json::json!({"role": "assistant", "content": said});
        let (out, found, reason_whole) = whole(&exchange, content);
        let count = said.matches(CALL).count();
        assert_eq!((out, found, reason_whole.as_str()), (expected, count, reason), "{said}");
    }
}

#[test]
fn a_call_that_was_cut_off_is_a_beginning() {
    for (format, expected) in [
        ("xml", "<tool_call>\n{\n  \"name\": \"f\",\n  \"arguments\": {\n    \"a\": \"<b>\""),
        ("olmo3", "<function_calls>\nf(a=\"<b>\""),
    ] {
        let (out, calls, reason) = streamed(&named(format), &letters(&CALL[..50], "length"));
        assert_eq!((out.as_str(), calls, reason.as_str()), (expected, 0, "length"));
    }
}

#[test]
fn what_stands_around_calls_is_closed_where_only_the_first_counts() {
    let exchange = Exchange { format: named("olmo3").format, ..exchange(Calls::First, Usage::Unasked) };
    let told = streamed(&exchange, &letters(&format!("{CALL}\n{CALL}"), "stop"));
    assert_eq!(told, ("<function_calls>\nf(a=\"<b>\", n=[1])\n</function_calls>".into(), 0, "tool_calls".into()));
}

#[test]
fn much_white_space_is_no_gap() {
    let said = format!("a{}b {CALL}", " ".repeat(5000));
    let (out, ..) = streamed(&named("hermes"), &[text(&said), finish("stop"), DONE.into()]);
    assert!(out.starts_with(&format!("a{}b\n\n<tool_call>", " ".repeat(5000))), "{:.40}", out);
    assert_eq!(streamed(&named("hermes"), &letters(&said, "stop")).0, out);
}

/// Of a server that reads the calls itself nothing else changes.
#[test]
fn the_servers_own_calls_are_told_as_text_too() {
    let piece = |index: u32, member: &str| made(&format!(r#"{{"tool_calls":[{{"index":{index},{member}}}]}}"#));
    let events = [
        text("So: "),
        piece(0, r#""id":"i1","type":"function","function":{"name":"f","arguments":""}"#),
        piece(0, r#""function":{"arguments":"{\"a\": \"<"}"#),
        piece(0, r#""function":{"arguments":"b>\", \"n\": [1]}"}"#),
        piece(1, r#""id":"i2","type":"function","function":{"name":"g","arguments":"{}"}"#),
        finish("tool_calls"),
        DONE.to_owned(),
    ];
    let second = "{\n  \"name\": \"g\",\n  \"arguments\": {}\n}";
    let expected =
        format!("So:\n\n<function_call>\n{JSON}\n</function_call>\n\n<function_call>\n{second}\n</function_call>");
    assert_eq!(streamed(&named("llama3"), &events), (expected.clone(), 0, "tool_calls".into()));
    let (out, _) = rewrite(&named("llama3"), &events.concat(), End::Clean);
    assert!(!out.contains("tool_calls\":"), "{out}");
    let tagged = concat!(
        r#"So: <T>{"name":"f","arguments":{"a": "<b>", "n": [1]}}</T>"#,
        "\n",
        r#"<T>{"name":"g","arguments":{}}</T>"#
    );
    assert_eq!(streamed(&tags("T"), &events), (tagged.into(), 2, "tool_calls".into()));
    let calls = serde_json::json!([
        {"id": "i1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": \"<b>\", \"n\": [1]}"}},
        {"id": "i2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]);
    for content in [serde_json::json!("So: "), serde_json::json!("So:")] {
        let message = serde_json::json!({"role": "assistant", "content": content, "tool_calls": calls});
        assert_eq!(whole(&named("llama3"), message), (expected.clone(), 2, "tool_calls".into()));
    }
}

/// What stands beside and behind the server's own calls keeps its place, and a call that was cut off stays open.
#[test]
fn the_order_is_the_servers_whatever_it_reads_itself() {
    let piece = |id: &str, arguments: &str| {
        made(&format!(
            r#"{{"reasoning_content":"r","tool_calls":[{{"index":0,"id":"{id}","function":{{"name":"f","arguments":{arguments}}}}}]}}"#
        ))
    };
    let block = |json: &str| format!("<T>{{\"name\":\"f\",\"arguments\":{json}");
    let events = [piece("i1", r#""{}""#), piece("i2", r#""{}""#), text("bye"), finish("tool_calls"), DONE.to_owned()];
    let expected = format!("{}}}</T>\n{}}}</T>bye", block("{}"), block("{}"));
    assert_eq!(streamed(&tags("T"), &events), (expected, 2, "tool_calls".into()));
    let (out, _) = rewrite(&named("xml"), &events.concat(), End::Clean);
    assert_eq!(out.matches(r#""reasoning_content":"r""#).count(), 2, "{out}");
    let cut = [piece("i1", r#""{\"a\": \"Ro""#), finish("length"), DONE.to_owned()];
    assert_eq!(streamed(&tags("T"), &cut), (block("{\"a\": \"Ro"), 1, "length".into()));
    let died = [role(), piece("i1", r#""{\"a\": 1""#), format!("data: {}\n\n", UNPARSED)];
    let (out, _) = rewrite(&tags("T"), &died.concat(), End::Clean);
    assert!(out.contains("Failed to parse") && !out.contains("finish_reason\":\"tool_calls"), "{out}");
}

#[test]
fn calls_that_come_in_turns_are_told_one_behind_the_other() {
    let piece = |index: u32, member: &str| made(&format!(r#"{{"tool_calls":[{{"index":{index},{member}}}]}}"#));
    let begun = |index: u32, arguments: &str| {
        piece(index, &format!(r#""id":"i{index}","function":{{"name":"f{index}","arguments":"{arguments}"}}"#))
    };
    let more = |index: u32, arguments: &str| piece(index, &format!(r#""function":{{"arguments":"{arguments}"}}"#));
    let block = |name: &str, json: &str| format!("<T>{{\"name\":\"{name}\",\"arguments\":{json}}}</T>");
    let events = [
        begun(0, ""),
        begun(1, "{"),
        begun(2, "{}"),
        more(0, r#"{\"a\":"#),
        more(1, "}"),
        more(0, "1}"),
        // What is no part of any call.
        more(0, "{}"),
        finish("tool_calls"),
        DONE.to_owned(),
    ];
    let expected = [block("f0", r#"{"a":1}"#), block("f1", "{}"), block("f2", "{}")].join("\n");
    assert_eq!(streamed(&tags("T"), &events), (expected, 3, "tool_calls".into()));
    // One that is not whole ends where text follows.
    let events = [begun(0, ""), begun(1, "{}"), text("bye"), finish("tool_calls"), DONE.to_owned()];
    let expected = format!("{}\n{}bye", block("f0", "{}"), block("f1", "{}"));
    assert_eq!(streamed(&tags("T"), &events), (expected, 2, "tool_calls".into()));
}

const UNPARSED: &str = r#"{"error":{"code":500,"message":"Failed to parse input at pos 0: <tool_call>{\"name\": \"f\"}","type":"server_error"}}"#;

#[test]
fn only_the_first_call_counts_whoever_read_it() {
    let exchange = Exchange { format: named("xml").format, ..exchange(Calls::First, Usage::Unasked) };
    let calls = serde_json::json!([{"id": "i1", "type": "function", "function": {"name": "g", "arguments": "{}"}}]);
    let message = serde_json::json!({"role": "assistant", "content": CALL, "tool_calls": calls});
    let (out, found, _) = whole(&exchange, message);
    assert_eq!((out.matches("<tool_call>").count(), found), (1, 1), "{out}");
}
