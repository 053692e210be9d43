//! What becomes of single events.

use super::*;

fn check(exchange: &Exchange, input: &[String], expected: &[String]) -> Summary {
    let (out, summary) = rewrite(exchange, &input.concat(), End::Clean);
    assert_eq!(out, expected.concat());
    summary
}

macro_rules! t {
    ($name:ident, [$($input:expr),* $(,)?] => [$($expected:expr),* $(,)?]) => {
        #[test]
        fn $name() {
            check(&usual(), &[$(String::from($input)),*], &[$(String::from($expected)),*]);
        }
    };
    ($name:ident, [$($input:expr),* $(,)?] unchanged) => {
        t!($name, [$($input),*] => [$($input),*]);
    };
}

/// A whole call of `f`, as the model writes it.
const CALL: &str = r#"<tool_call>{"name":"f","arguments":{"k":"v"}}</tool_call>"#;

/// An event with text, and with more members of its choice and of its own.
fn with(content: &str, of_choice: &str, of_chunk: &str) -> String {
    let content = serde_json::to_string(content).unwrap();
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{content}}}{of_choice}}}],\"id\":\"x\"{of_chunk}}}\n\n"
    )
}

t!(text_is_forwarded_as_the_bytes_that_came, [
    role(),
    text("a"),
    "data:{ \"choices\" : [ {\"delta\" : {\"content\" : \"\\u00e9 \\/\\ud83d\\ude00\" }, \"index\":0 } ] , \"x\":[1] }\n\n",
    text("é"),
    text("\n"),
    text(""),
    text("a"),
    finish("stop"),
    DONE,
] unchanged);

/// A first half, in the escape in which it has to come.
fn half(before: &str) -> String {
    chunk(&format!(r#"{{"content":"{before}\ud83d"}}"#), "null")
}

fn other_half(behind: &str) -> String {
    chunk(&format!(r#"{{"content":"\ude00{behind}"}}"#), "null")
}

t!(two_halves_of_a_letter_come_as_one, [role(), half(""), other_half(""), half("a"), other_half("b"), finish("stop"), DONE] =>
    [role(), text("😀"), text("a"), text("😀b"), finish("stop"), DONE]);

t!(half_a_letter_waits_for_the_other, [role(), half("a"), text(""), chunk(r#"{"reasoning":"r"}"#, "null"), other_half("<think>r"), half(""), other_half("</think>c"), finish("stop"), DONE] =>
    [role(), text("a"), text(""), chunk(r#"{"reasoning":"r"}"#, "null"), text("😀"), made(r#"{"reasoning":"r"}"#), made(r#"{"reasoning":"😀"}"#), text("c"), finish("stop"), DONE]);

t!(half_a_letter_that_stays_alone_is_no_letter, [role(), half("a"), half("b"), text("c"), half("d"), chunk(r#"{"content":"\ud83d"}"#, "\"stop\""), DONE] =>
    [role(), text("a"), text("\u{fffd}b"), text("\u{fffd}c"), text("d"), made("{\"content\":\"\u{fffd}\u{fffd}\"}"), chunk(r#"{"content":""}"#, "\"stop\""), DONE]);

t!(half_a_letter_in_a_call, [role(), half(r#"<tool_call>{\"name\":\"f\",\"arguments\":{\"k\":\"a"#), other_half(r#" b\"}}</tool_call>"#), finish("stop"), DONE] =>
    [role(), call(0, "f"), arguments(0, r#"{"k":"a"#), arguments(0, r#"😀 b"}"#), finish("tool_calls"), DONE]);

t!(a_finish_for_calls_without_any_is_a_stop, [role(), text("a"), finish("tool_calls"), DONE] =>
    [role(), text("a"), finish("stop"), DONE]);

t!(a_call, [role(), text(CALL), finish("stop"), DONE] =>
    [role(), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), DONE]);

t!(text_around_calls_keeps_its_order, [role(), text(&format!("a{CALL}b{CALL}")), finish("stop"), DONE] => [
    role(),
    text("a"),
    call(0, "f"),
    arguments(0, r#"{"k":"v"}"#),
    made(r#"{"content":"b"}"#),
    call(1, "f"),
    arguments(1, r#"{"k":"v"}"#),
    finish("tool_calls"),
    DONE,
]);

t!(held_text_goes_with_the_event_that_decides, [role(), text("x<tool"), text("b\"ox"), text("."), finish("stop"), DONE] =>
    [role(), text("x"), text("<toolb\"ox"), text("."), finish("stop"), DONE]);

t!(held_text_goes_before_the_finish_reason, [role(), text("x"), text("<tool"), finish("length"), DONE] =>
    [role(), text("x"), made(r#"{"content":"<tool"}"#), finish("length"), DONE]);

t!(held_text_and_the_last_text, [role(), text("<tool"), chunk(r#"{"content":"box"}"#, "\"stop\""), DONE] =>
    [role(), made(r#"{"content":"<toolbox"}"#), chunk(r#"{"content":""}"#, "\"stop\""), DONE]);

t!(an_event_that_carries_more_is_kept, [
    role(),
    with("<tool_", ",\"logprobs\":{\"content\":[1]}", ""),
    with("call>", "", ",\"usage\":{\"total_tokens\":1}"),
    with("{\"name\":\"f\"", "", ",\"timings\":{\"n\":1}"),
    with(",\"argum", ",\"x\":1", ""),
    with("ents\":{}}", ",\"logprobs\":null,\"x\":[]", ",\"usage\":null"),
    with("</tool_call>", ",\"logprobs\":null", ""),
    finish("stop"),
    DONE,
] => [
    role(),
    with("", ",\"logprobs\":{\"content\":[1]}", ""),
    with("", "", ",\"usage\":{\"total_tokens\":1}"),
    with("", "", ",\"timings\":{\"n\":1}"),
    with("", ",\"x\":1", ""),
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"ID\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]},\"finish_reason\":null}]}\n\n",
    finish("tool_calls"),
    DONE,
]);

t!(comments_stay, [role(), ": a\n\n", text("<tool"), format!(": b\n{}", text("_call")), ":\n\n", text("s"), finish("stop"), DONE] =>
    [role(), ": a\n\n", format!(": b\n{}", text("")), ":\n\n", text("<tool_calls"), finish("stop"), DONE]);

t!(a_role_beside_a_call_goes_first, [chunk(&format!(r#"{{"role":"assistant","content":{}}}"#, serde_json::to_string(CALL).unwrap()), "null"), finish("stop"), DONE] =>
    [chunk(r#"{"role":"assistant","content":""}"#, "null"), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), DONE]);

t!(a_role_beside_a_call_and_a_finish_reason_goes_first, [chunk(&format!(r#"{{"role":"assistant","content":{}}}"#, serde_json::to_string(CALL).unwrap()), "\"stop\""), DONE] =>
    [call(0, "f").replace("\"tool_calls\"", "\"role\":\"assistant\",\"tool_calls\""), arguments(0, r#"{"k":"v"}"#), chunk(r#"{"content":""}"#, "\"tool_calls\""), DONE]);

t!(a_role_beside_text_that_is_dropped_at_the_end_stays, [chunk(r#"{"role":"assistant","content":"<think></think>"}"#, "\"stop\""), DONE] =>
    [chunk(r#"{"role":"assistant","content":""}"#, "\"stop\""), DONE]);

t!(a_role_that_never_came_is_made, [text(CALL), finish("stop"), DONE] =>
    [call(0, "f").replace("\"tool_calls\"", "\"role\":\"assistant\",\"tool_calls\""), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), DONE]);

t!(a_role_in_each_event_does_not_keep_them, [
    chunk(r#"{"role":"assistant","content":"a"}"#, "null"),
    chunk(r#"{"role":"assistant","content":"<tool"}"#, "null"),
    chunk(r#"{"role":"assistant","content":"x"}"#, "null"),
    finish("stop"),
    DONE,
] => [
    chunk(r#"{"role":"assistant","content":"a"}"#, "null"),
    chunk(r#"{"role":"assistant","content":"<toolx"}"#, "null"),
    finish("stop"),
    DONE,
]);

t!(reasoning_has_its_own_member, [role(), text("<think>r"), text("s</think>"), text("a"), finish("stop"), DONE] =>
    [role(), made(r#"{"reasoning_content":"r"}"#), made(r#"{"reasoning_content":"s"}"#), text("a"), finish("stop"), DONE]);

t!(reasoning_and_text_of_one_event, [role(), text("<think>r</think>a"), finish("stop"), DONE] =>
    [role(), made(r#"{"reasoning_content":"r"}"#), made(r#"{"content":"a"}"#), finish("stop"), DONE]);

t!(reasoning_keeps_the_name_that_the_server_has_for_it, [chunk(r#"{"role":"assistant","content":"","reasoning":null}"#, "null"), text("<think>r</think>"), text("a"), finish("stop"), DONE] =>
    [chunk(r#"{"role":"assistant","content":"","reasoning":null}"#, "null"), made(r#"{"reasoning":"r"}"#), text("a"), finish("stop"), DONE]);

t!(the_servers_own_reasoning_stays, [role(), chunk(r#"{"reasoning":"r","content":null}"#, "null"), chunk(r#"{"reasoning_content":"r"}"#, "null"), text("a"), finish("stop"), DONE] unchanged);

t!(other_finish_reasons_stay, [role(), text("a"), finish("content_filter"), DONE] unchanged);

t!(length_stays_after_a_call, [role(), text(CALL), finish("length"), DONE] =>
    [role(), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("length"), DONE]);

t!(a_call_that_was_cut_off_is_length, [role(), text(r#"<tool_call>{"name":"f","arguments":{"k":"v"#), finish("stop"), DONE] =>
    [role(), call(0, "f"), arguments(0, r#"{"k":"v"#), finish("length"), DONE]);

t!(an_empty_finish_reason_is_none, [chunk(r#"{"content":"a"}"#, "\"\""), chunk(r#"{"content":"<tool"}"#, "\"\""), finish("stop"), DONE] =>
    [chunk(r#"{"content":"a"}"#, "\"\""), made(r#"{"content":"<tool"}"#), finish("stop"), DONE]);

t!(done_without_a_finish_reason_gets_one, [role(), text(CALL), DONE] =>
    [role(), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), DONE]);

t!(done_without_a_finish_reason_and_held_text, [role(), text("a<tool"), DONE] =>
    [role(), text("a"), made(r#"{"content":"<tool"}"#), finish("stop"), DONE]);

t!(usage_stays, [role(), text(CALL), finish("stop"), "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n", DONE] =>
    [role(), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n", DONE]);

t!(the_servers_own_calls_end_the_reading, [
    role(),
    text("a<tool"),
    chunk(r#"{"tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"g","arguments":""}}]}"#, "null"),
    text(CALL),
    finish("tool_calls"),
    DONE,
] => [
    role(),
    text("a"),
    made(r#"{"content":"<tool"}"#),
    chunk(r#"{"tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"g","arguments":""}}]}"#, "null"),
    text(CALL),
    finish("tool_calls"),
    DONE,
]);

/// A piece of a call that the server made itself.
fn served(place: &str, finish: &str) -> String {
    chunk(&format!(r#"{{"tool_calls":[{{{place}"function":{{"arguments":"{{"}}}}]}}"#), finish)
}

t!(the_servers_own_calls_have_places_of_their_own, [
    role(),
    text(&format!("{CALL}{CALL}")),
    served(r#""index":0,"#, "null"),
    served(r#""index":1,"#, "null"),
    served("", "\"stop\""),
    DONE,
] => [
    role(),
    call(0, "f"),
    arguments(0, r#"{"k":"v"}"#),
    call(1, "f"),
    arguments(1, r#"{"k":"v"}"#),
    served(r#""index":2,"#, "null"),
    served(r#""index":3,"#, "null"),
    served("", "null").replace("\"arguments\":\"{\"}", "\"arguments\":\"{\"},\"index\":2").replace("null", "\"tool_calls\""),
    DONE,
]);

t!(one_event_with_text_and_the_servers_own_call, [
    chunk(&format!(r#"{{"role":"assistant","content":{},"tool_calls":[{{"index":0,"id":"1"}}]}}"#, serde_json::to_string(CALL).unwrap()), "\"stop\""),
    DONE,
] => [
    call(0, "f").replace("\"tool_calls\"", "\"role\":\"assistant\",\"tool_calls\""),
    arguments(0, r#"{"k":"v"}"#),
    chunk(r#"{"content":"","tool_calls":[{"index":1,"id":"1"}]}"#, "\"tool_calls\""),
    DONE,
]);

t!(an_empty_list_of_calls_does_not, [chunk(r#"{"role":"assistant","content":"","tool_calls":[]}"#, "null"), chunk(&format!(r#"{{"content":{},"tool_calls":[]}}"#, serde_json::to_string(CALL).unwrap()), "null"), finish("stop"), DONE] =>
    [chunk(r#"{"role":"assistant","content":"","tool_calls":[]}"#, "null"), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), DONE]);

t!(what_follows_the_finish_reason_stays, [role(), text("a"), finish("stop"), text("<tool"), finish("stop"), DONE] unchanged);

t!(data_in_several_lines, [role(), "id: 7\ndata: {\"choices\":\ndata: [{\"delta\":{\"content\":\"a<tool\"}}]}\n\n", finish("stop"), DONE] =>
    [role(), "id: 7\ndata: {\"choices\": [{\"delta\":{\"content\":\"a\"}}]}\n\n", made(r#"{"content":"<tool"}"#), finish("stop"), DONE]);

// `text` reads like a chunk's own members: only a JSON string may take the shortcut.
t!(text_that_looks_like_a_chunk, [
    role(),
    text("a"),
    text(r#"b","x":"y"#),
    event(r#"{"index":0,"delta":{"content":"b","role":"c"},"finish_reason":null}"#),
    event(r#"{"index":0,"delta":{"content":"<tool"},"logprobs":{"x":"y"},"finish_reason":null}"#),
    event(r#"{"index":0,"delta":{"content":"b\"},"finish_reason":null}"#),
    text("x"),
    finish("stop"),
    DONE,
] => [
    role(),
    text("a"),
    text(r#"b","x":"y"#),
    event(r#"{"index":0,"delta":{"content":"b","role":"c"},"finish_reason":null}"#),
    event(r#"{"index":0,"delta":{"content":""},"logprobs":{"x":"y"},"finish_reason":null}"#),
    event(r#"{"index":0,"delta":{"content":"b\"},"finish_reason":null}"#),
    text("<toolx"),
    finish("stop"),
    DONE,
]);

/// A choice's event with this delta.
fn of(index: u32, delta: &str, finish: &str) -> String {
    event(&format!(r#"{{"index":{index},"delta":{delta},"finish_reason":{finish}}}"#))
}

#[test]
fn choices_do_not_disturb_each_other() {
    let content =
        |index, text: &str| of(index, &format!("{{\"content\":{}}}", serde_json::to_string(text).unwrap()), "null");
    let input = [
        content(0, "a<tool"),
        content(1, "b"),
        content(0, "_call>"),
        content(1, "<tool"),
        content(0, r#"{"name":"f","arguments":{}}</tool_call>"#),
        content(1, "x"),
        of(1, "{}", "\"stop\""),
        of(0, "{}", "\"stop\""),
        DONE.into(),
    ];
    let expected = [
        content(0, "a"),
        content(1, "b"),
        call(0, "f"),
        arguments(0, "{}"),
        content(1, "<toolx"),
        of(1, "{}", "\"stop\""),
        of(0, "{}", "\"tool_calls\""),
        DONE.into(),
    ];
    let summary = check(&usual(), &input, &expected);
    assert_eq!((summary.calls, summary.finish_reason.as_deref()), (1, Some("tool_calls")));
}

#[test]
fn several_choices_in_one_event() {
    let both = |a: &str, b: &str| event(&format!(r#"{{"index":0,"delta":{a}}},{{"delta":{b},"index":1}}"#));
    let input = [
        both(r#"{"content":"a<tool"}"#, r#"{"content":"<tool"}"#),
        both(r#"{"content":"x"}"#, r#"{"content":"b"}"#),
        of(0, "{}", "\"stop\""),
        of(1, "{}", "\"stop\""),
        DONE.into(),
    ];
    let expected = [
        both(r#"{"content":"a"}"#, r#"{"content":""}"#),
        both(r#"{"content":"<toolx"}"#, r#"{"content":"<toolb"}"#),
        of(0, "{}", "\"stop\""),
        of(1, "{}", "\"stop\""),
        DONE.into(),
    ];
    check(&usual(), &input, &expected);
}

#[test]
fn made_events_end_their_lines_as_the_others_do() {
    let crlf = |events: &[String]| [events.concat().replace('\n', "\r\n")];
    let input = crlf(&[role(), text(CALL), finish("stop"), DONE.into()]);
    let expected = crlf(&[role(), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), DONE.into()]);
    let (out, _) = run(&usual(), [input.concat().as_bytes()], End::Clean);
    assert_eq!(without_ids(&out), expected.concat());
}

#[test]
fn a_cut_inside_a_line_end_changes_no_byte() {
    let input = [role(), text("a"), finish("stop")].concat().replace('\n', "\r\n");
    // The last line end is missing.
    let input = input.trim_end();
    for cut in 0..input.len() {
        let (a, b) = input.as_bytes().split_at(cut);
        assert_eq!(run(&usual(), [a, b], End::Clean).0, format!("{input}\n\n{DONE}"), "cut at {cut}");
    }
}

#[test]
fn ids_are_not_used_again() {
    let input = [role(), text(&CALL.repeat(100)), finish("stop"), DONE.into()].concat();
    let folded = fold(&run(&usual(), [input.as_bytes()], End::Clean).0);
    let ids: std::collections::HashSet<_> = folded.messages[&0].tool_calls.iter().map(|call| &call.id).collect();
    assert_eq!(ids.len(), 100);
}

/// `parallel_tool_calls: false`.
mod first_call_only {
    use super::*;

    #[test]
    fn the_answer_ends_with_the_call() {
        let exchange = exchange(Calls::First, Usage::Unasked);
        let input = [role(), text("a"), text(&format!("{CALL}b{CALL}")), text("c"), finish("stop"), DONE.into()];
        let expected =
            [role(), text("a"), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), DONE.into()];
        let summary = check(&exchange, &input, &expected);
        assert!(summary.complete);
        assert_eq!((summary.calls, summary.finish_reason.as_deref()), (1, Some("tool_calls")));

        let mut rewriter = StreamRewriter::new(&exchange, &Limits::default());
        let mut out = BytesMut::new();
        out.extend_from_slice(&rewriter.push(text("a").into()));
        assert!(!rewriter.is_done());
        out.extend_from_slice(&rewriter.push(text(CALL).into()));
        assert!(rewriter.is_done());
        let written = out.len();
        out.extend_from_slice(&rewriter.push(text("b").into()));
        assert!(rewriter.fail("gone", &mut out).complete);
        assert_eq!(out.len(), written, "nothing follows");
    }

    #[test]
    fn usage_is_waited_for() {
        let usage = "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n".to_owned();
        let input = [role(), text(CALL), text("b"), text(CALL), finish("stop"), usage.clone(), DONE.into()];
        let expected = [role(), call(0, "f"), arguments(0, r#"{"k":"v"}"#), finish("tool_calls"), usage, DONE.into()];
        check(&exchange(Calls::First, Usage::Asked), &input, &expected);
    }

    #[test]
    fn the_servers_own_call_is_one_too_many() {
        let input = [role(), text(CALL), served(r#""index":0,"#, "null"), finish("tool_calls"), DONE.into()];
        let list = chunk(r#"{"tool_calls":[]}"#, "null");
        let expected = [role(), call(0, "f"), arguments(0, r#"{"k":"v"}"#), list, finish("tool_calls"), DONE.into()];
        check(&exchange(Calls::First, Usage::Asked), &input, &expected);
    }

    #[test]
    fn the_other_choices_are_waited_for() {
        let exchange = Exchange { choices: 2, ..exchange(Calls::First, Usage::Unasked) };
        let other = of(1, r#"{"content":"a"}"#, "null");
        let input = [
            role(),
            text(CALL),
            text("b"),
            other.clone(),
            of(1, "{}", "\"stop\""),
            text("c"),
            finish("stop"),
            DONE.into(),
        ];
        let expected = [
            role(),
            call(0, "f"),
            arguments(0, r#"{"k":"v"}"#),
            other,
            of(1, "{}", "\"stop\""),
            finish("tool_calls"),
            DONE.into(),
        ];
        check(&exchange, &input, &expected);
    }

    #[test]
    fn an_answer_without_a_call_is_whole() {
        let input = [role(), text("a"), finish("stop"), DONE.into()];
        check(&exchange(Calls::First, Usage::Unasked), &input, &input);
    }
}

/// What was said so far and what is held back is known after every piece, with and without the shortcut.
#[test]
fn words_are_counted_and_held_text_is_told() {
    let events = [
        (role(), 0, 0),
        (chunk(r#"{"content":""}"#, "null"), 0, 0),
        (text("one"), 1, 0),
        (text("two"), 2, 0),
        (text("<tool_c"), 3, 7),
        (text("an"), 4, 0),
        (chunk(r#"{"reasoning_content":"hm"}"#, "null"), 5, 0),
        (text("<tool_call>{"), 6, 12),
        (": a comment\n\n".to_owned(), 6, 12),
        (finish("length"), 6, 0),
    ];
    let mut rewriter = StreamRewriter::new(&usual(), &Limits::default());
    for (at, (event, spoken, held)) in events.into_iter().enumerate() {
        rewriter.push(Bytes::from(event));
        assert_eq!((rewriter.spoken(), rewriter.held()), (spoken, held), "after event {at}");
    }
}

#[test]
fn a_piece_in_which_nothing_changes_is_not_copied() {
    let mut rewriter = StreamRewriter::new(&usual(), &Limits::default());
    for events in [role() + &text("a"), text("b"), text("c") + &text("d"), ": a comment\n\n".to_owned()] {
        let piece = Bytes::from(events);
        assert_eq!(rewriter.push(piece.clone()).as_ptr_range(), piece.as_ptr_range());
    }
    let piece = Bytes::from(text("e") + &text("<tool_c"));
    assert_eq!(rewriter.push(piece.clone()), text("e"));
    assert_eq!(rewriter.push(Bytes::from(text("f") + &text("g"))), text("<tool_cf") + &text("g"));
}

#[test]
fn a_call_that_was_cut_off_is_counted() {
    let events = [text("<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": \"abc"), finish("length")].concat();
    let summary = rewrite(&usual(), &events, End::Clean).1;
    assert_eq!((summary.calls, summary.truncated), (1, 1));
}
