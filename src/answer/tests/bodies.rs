//! Answers that come whole.

use super::*;

pub(super) fn rewrite(exchange: &Exchange, input: &str) -> (String, Summary) {
    rewrite_within(exchange, input, &Limits::default())
}

fn rewrite_within(exchange: &Exchange, input: &str, limits: &Limits) -> (String, Summary) {
    let (out, summary) = run(BodyRewriter::new(exchange, limits), input);
    (without_ids(&out), summary)
}

pub(super) fn run(mut rewriter: BodyRewriter, input: &str) -> (String, Summary) {
    let mut out = BytesMut::new();
    for piece in input.as_bytes().chunks(7) {
        out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece)));
    }
    let summary = rewriter.finish(&mut out);
    (String::from_utf8(out.to_vec()).unwrap(), summary)
}

/// An answer whose message has these members.
fn answer(message: &str, finish: &str) -> String {
    format!(
        r#"{{ "id": "x", "choices": [ {{"index": 0, "message": {{"role":"assistant",{message}}}, "finish_reason": {finish}}} ], "more": [1] }}"#
    )
}

macro_rules! t {
    ($name:ident, $message:expr, $finish:expr => $expected:expr, $expected_finish:expr) => {
        #[test]
        fn $name() {
            let (out, summary) = rewrite(&usual(), &answer($message, $finish));
            assert_eq!(out, answer($expected, $expected_finish));
            assert!(!summary.bailed_out);
        }
    };
}

t!(text, r#""content":"hi""#, r#""stop""# => r#""content":"hi""#, r#""stop""#);
t!(null, r#""content": null"#, r#""stop""# => r#""content": null"#, r#""stop""#);
t!(no_content, r#""refusal":null"#, r#""stop""# => r#""refusal":null"#, r#""stop""#);
t!(content_parts, r#""content":[{"type":"text"}]"#, r#""stop""# => r#""content":[{"type":"text"}]"#, r#""stop""#);
t!(escapes_stay, r#""content":"\u00e9\/ <tool""#, r#""stop""# => r#""content":"\u00e9\/ <tool""#, r#""stop""#);

t!(call_alone, r#""content":"<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>""#, r#""stop""# =>
    r#""content":null,"tool_calls":[{"id":"ID","type":"function","function":{"name":"f","arguments":"{}"}}]"#, r#""tool_calls""#);
t!(call_without_finish_reason, r#""content":"<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>""#, "null" =>
    r#""content":null,"tool_calls":[{"id":"ID","type":"function","function":{"name":"f","arguments":"{}"}}]"#, r#""tool_calls""#);
t!(two_calls_and_text, r#""content":"a<tool_call>{\"name\":\"f\",\"arguments\":{\"k\":\"\\\"\"}}</tool_call>b<tool_call>{\"name\":\"f\"}</tool_call>""#, r#""stop""# =>
    r#""content":"ab","tool_calls":[{"id":"ID","type":"function","function":{"name":"f","arguments":"{\"k\":\"\\\"\"}"}},{"id":"ID","type":"function","function":{"name":"f","arguments":"{}"}}]"#, r#""tool_calls""#);
t!(call_cut_off, r#""content":"<tool_call>{\"name\":\"f\",\"arguments\":{\"k\":\"v""#, r#""length""# =>
    r#""content":null,"tool_calls":[{"id":"ID","type":"function","function":{"name":"f","arguments":"{\"k\":\"v"}}]"#, r#""length""#);
t!(call_cut_off_under_stop, r#""content":"<tool_call>{\"name\":\"f\",\"arguments\":{\"k\":\"v""#, r#""stop""# =>
    r#""content":null,"tool_calls":[{"id":"ID","type":"function","function":{"name":"f","arguments":"{\"k\":\"v"}}]"#, r#""length""#);
t!(member_for_calls_is_used, r#""content":"<tool_call>{\"name\":\"f\"}</tool_call>", "tool_calls": [], "x":1"#, r#""stop""# =>
    r#""content":null, "tool_calls": [{"id":"ID","type":"function","function":{"name":"f","arguments":"{}"}}], "x":1"#, r#""tool_calls""#);
t!(own_calls_pass, r#""content":"a","tool_calls":[{"id":"1"}]"#, r#""stop""# =>
    r#""content":"a","tool_calls":[{"id":"1"}]"#, r#""tool_calls""#);
t!(own_calls_stand_behind_those_in_the_text, r#""content":"a<tool_call>{\"name\":\"f\"}</tool_call>","tool_calls":[ {"id":"1"} ]"#, r#""tool_calls""# =>
    r#""content":"a","tool_calls":[{"id":"ID","type":"function","function":{"name":"f","arguments":"{}"}}, {"id":"1"} ]"#, r#""tool_calls""#);
t!(no_calls_are_no_reason_to_end, r#""content":"a","tool_calls":[]"#, r#""tool_calls""# =>
    r#""content":"a","tool_calls":[]"#, r#""stop""#);

t!(reasoning, r#""content":"<think>r</think>a""#, r#""stop""# =>
    r#""content":"a","reasoning_content":"r""#, r#""stop""#);
t!(reasoning_alone, r#""content":"<think>r</think>""#, r#""stop""# =>
    r#""content":"","reasoning_content":"r""#, r#""stop""#);
t!(reasoning_under_its_other_name, r#""content":"<think>r</think>a","reasoning":null"#, r#""stop""# =>
    r#""content":"a","reasoning":"r""#, r#""stop""#);
t!(reasoning_beside_reasoning, r#""reasoning_content":"q","content":"<think>\"r</think>a""#, r#""stop""# =>
    r#""reasoning_content":"q\"r","content":"a""#, r#""stop""#);
t!(reasoning_and_a_call, r#""content":"<think>r</think><tool_call>{\"name\":\"f\"}</tool_call>""#, r#""stop""# =>
    r#""content":null,"reasoning_content":"r","tool_calls":[{"id":"ID","type":"function","function":{"name":"f","arguments":"{}"}}]"#, r#""tool_calls""#);

#[test]
fn each_choice_is_read_by_itself() {
    let choice = |index: u32, content: &str| {
        format!(r#"{{"index":{index},"message":{{"content":{content}}},"finish_reason":"stop"}}"#)
    };
    let call = r#""<tool_call>{\"name\":\"f\"}</tool_call>""#;
    let input = format!(r#"{{"choices":[{},{},{}]}}"#, choice(0, r#""<tool""#), choice(1, call), choice(2, call));
    let (out, summary) = rewrite(&usual(), &input);
    let folded = Folded::from_body(out.as_bytes());
    let calls: Vec<_> = folded.messages.values().map(|m| m.tool_calls.len()).collect();
    let reasons: Vec<_> = folded.messages.values().filter_map(|m| m.finish_reason.as_deref()).collect();
    assert_eq!((calls, reasons), (vec![0, 1, 1], vec!["stop", "tool_calls", "tool_calls"]));
    assert_eq!(folded.messages[&0].content.as_deref(), Some("<tool"));
    assert_eq!((summary.calls, summary.finish_reason.as_deref()), (2, Some("stop")));
}

#[test]
fn only_the_first_call_when_they_may_not_be_parallel() {
    let call = r#"<tool_call>{\"name\":\"f\"}</tool_call>"#;
    let input = answer(&format!(r#""content":"{call}and{call}""#), r#""stop""#);
    let (out, _) = rewrite(&exchange(Calls::First, Usage::Unasked), &input);
    let message = &Folded::from_body(out.as_bytes()).messages[&0];
    assert_eq!((message.content.as_deref(), message.tool_calls.len()), (None, 1));
    let input = answer(&format!(r#""content":"{call}","tool_calls":[{{"id":"1"}}]"#), r#""stop""#);
    let (out, _) = rewrite(&exchange(Calls::First, Usage::Unasked), &input);
    assert_eq!(Folded::from_body(out.as_bytes()).messages[&0].tool_calls.len(), 1);
}

#[test]
fn what_is_no_answer_passes() {
    for input in
        ["", "not json", "[1,2]", "{}", r#"{"choices":3}"#, r#"{"choices":[3]}"#, r#"{"error":{"message":"no"}}"#]
    {
        assert_eq!(rewrite(&usual(), input).0, input);
    }
    let cut = answer(r#""content":"<tool_call>{\"name\":\"f\"}</tool_call>""#, "\"stop\"");
    let cut = cut.strip_suffix('}').unwrap();
    assert_eq!(rewrite(&usual(), cut).0, cut);
}

#[test]
fn over_a_limit_an_answer_passes() {
    let input = answer(r#""content":"<tool_call>{\"name\":\"f\"}</tool_call>""#, "\"stop\"");
    let limits = Limits { answer_bytes_max: input.len() - 1, ..Limits::default() };
    let (out, summary) = rewrite_within(&usual(), &input, &limits);
    assert_eq!((out, summary.bailed_out), (input.clone(), true));
    let limits = Limits { choices_max: 0, ..Limits::default() };
    let (out, summary) = rewrite_within(&usual(), &input, &limits);
    assert_eq!((out, summary.bailed_out), (input.clone(), true));
    let limits = Limits { answer_bytes_max: input.len(), choices_max: 1, ..Limits::default() };
    assert_eq!(rewrite_within(&usual(), &input, &limits).1.calls, 1);
}
