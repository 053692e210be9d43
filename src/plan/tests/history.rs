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
            ("user", "<tool_response>\no\nne\n</tool_response>\n<tool_response>\ntwo\n</tool_response>"),
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
            ("user", "<tool_response>\no\nne\n</tool_response>\n<tool_response>\ntwo\n</tool_response>"),
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
            ("user", "[TOOL RESULT: get]\no\nne\n\n[TOOL RESULT: put]\ntwo"),
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
            ("tool", "o\nne"),
            ("tool", "two"),
            ("assistant", "done"),
        ],
    );
}

/// What becomes of messages where the server's own template writes calls and results.
fn for_template(dialect: &str, mode: ToolsMode, messages: &str) -> String {
    let body = format!(r#"{{"messages":[{messages}],"tools":{TOOLS}}}"#);
    let Ok(Rewritten::Body { bytes, .. }) = rewritten(&body, &policy(dialect, mode, Engine::OpenAi)) else { panic!() };
    let body = Object::of_body(&bytes).unwrap();
    let messages = crate::json::array(body.get("messages").unwrap()).unwrap();
    messages[usize::from(mode == ToolsMode::Inject)..].join(",")
}

/// A template reads past arguments as JSON: what does not parse is mended, and everything else keeps its bytes.
#[test]
fn past_arguments_parse_for_a_template_too() {
    let message = |arguments: &str| {
        let function = format!(r#"{{"arguments" : {arguments},"name":"f"}}"#);
        format!(
            r#"{{"role":"assistant", "content":null,"tool_calls":[ {{ "function":{function}, "id":"c"}}, {CALL}]}}"#
        )
    };
    let sound = [r#""{}""#, r#""{\"a\": 1.0, \"a\":\"\\ud83d\\ude00\"}""#, r#"" { } ""#];
    let table = [
        (r#""{\"city\": \"Par""#, r#""{\"city\": \"Par\"}""#),
        (r#""""#, r#""{}""#),
        (r#"" ""#, r#""{}""#),
        ("null", r#""{}""#),
        (r#"{"a": 1}"#, r#""{\"a\": 1}""#),
        (r#""{'a': True,}""#, r#""{\"a\": true}""#),
        (r#""null""#, r#""{}""#),
        (
            r#""{\"a\":[1e999,-1e400,1e-999],\"b\":\"1e999\"}""#,
            r#""{\"a\": [\"1e999\", \"-1e400\", 1e-999], \"b\": \"1e999\"}""#,
        ),
        (r#""[1]""#, r#""{\"arguments\":[1]}""#),
        (r#""\"{\\\"a\\\": 1}\"""#, r#""{\"a\": 1}""#),
    ];
    for (dialect, mode) in [("gemma4", ToolsMode::Inject), ("gemma4", ToolsMode::Parse), ("hermes", ToolsMode::Parse)] {
        for arguments in sound {
            assert_eq!(for_template(dialect, mode, &message(arguments)), message(arguments));
        }
        for (arguments, expected) in table {
            let expected = message(expected).replace("[ {", "[{").replace("}, {\"id\"", "},{\"id\"");
            assert_eq!(for_template(dialect, mode, &message(arguments)), expected);
        }
        let deep = format!(r#""{{\"a\":{}{}}}""#, "[".repeat(50_000), "]".repeat(50_000));
        let mended = for_template(dialect, mode, &message(&deep));
        let mended: serde_json::Value = serde_json::from_str(&mended).unwrap();
        let mended = mended["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
        let mut extent = crate::json::Extent::default();
        extent.push(mended.as_bytes());
        assert!(extent.is_closed() && extent.deepest() == 128, "{}", extent.deepest());
    }
    // Where nothing is offered too; and with nothing to mend nothing is touched.
    let parse = policy("hermes", ToolsMode::Parse, Engine::LlamaCpp);
    let bare = |arguments| rewritten(&format!(r#"{{"messages":[{}]}}"#, message(arguments)), &parse);
    assert!(matches!(bare("null"), Ok(Rewritten::Unread(_))));
    assert!(is_untouched(&bare(sound[1])));
    let absent = r#"{"role":"assistant","tool_calls":[{"function":{"name":"f"}},{"type":"custom"},7]}"#;
    let expected = absent.replace(r#""f""#, r#""f","arguments":"{}""#);
    assert_eq!(for_template("gemma4", ToolsMode::Inject, absent), expected);
}

/// A template that keeps one call of a turn gets a turn for each, and its result right behind it.
#[test]
fn a_turn_of_several_calls_becomes_turns_of_one() {
    let call = |id: &str| format!(r#"{{"id":"{id}","function":{{"name":"get","arguments":"{{}}"}}}}"#);
    let turn = |content: &str, calls: &[&str]| {
        let calls: Vec<_> = calls.iter().map(|id| call(id)).collect();
        format!(r#"{{"role":"assistant","content":{content},"tool_calls":[{}]}}"#, calls.join(","))
    };
    let result = |id: &str| format!(r#"{{"role":"tool","tool_call_id":"{id}","content":"r"}}"#);
    let (user, lost) =
        (r#"{"role":"user","content":"u"}"#.to_owned(), r#"{"role":"tool","content":"lost"}"#.to_owned());
    let single = [turn("null", &["a"]), result("a"), user.clone()];
    let table = [
        (single.to_vec(), single.to_vec()),
        (
            vec![user.clone(), turn(r#""so""#, &["a", "b"]), result("b"), result("a"), user.clone()],
            vec![user.clone(), turn(r#""so""#, &["a"]), result("a"), turn("null", &["b"]), result("b"), user.clone()],
        ),
        // Without its result a call stands alone; a result of no call stays behind the turn.
        (
            vec![turn("null", &["a", "b"]), lost.clone(), result("b")],
            vec![turn("null", &["a"]), turn("null", &["b"]), result("b"), lost.clone()],
        ),
        // Of calls with one id each takes one.
        (
            vec![turn("null", &["a", "a"]), result("a"), result("a"), result("a")],
            vec![turn("null", &["a"]), result("a"), turn("null", &["a"]), result("a"), result("a")],
        ),
    ];
    for mode in [ToolsMode::Parse, ToolsMode::Inject] {
        let mut policy = policy("gemma4", mode, Engine::OpenAi);
        policy.tools.as_mut().unwrap().kept = Some(Past::Native(CallsOfTurn::One));
        for (came, expected) in &table {
            let body = format!(r#"{{"messages":[{}]}}"#, came.join(","));
            let expected = format!(r#"{{"messages":[{}]}}"#, expected.join(","));
            let up = match rewritten(&body, &policy) {
                Ok(Rewritten::Unread(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
                Ok(Rewritten::Untouched) => body,
                other => panic!("{other:?}"),
            };
            assert_eq!(up, expected);
        }
    }
}

/// What the server's template would drop is text, be the tools written by the template or not.
#[test]
fn what_a_template_drops_is_text() {
    let messages = format!(r#"{{"role":"assistant","content":null,"tool_calls":[{CALL}]}}"#);
    for (kept, is_text) in [(None, false), (Some(Past::Native(CallsOfTurn::All)), false), (Some(Past::Text), true)] {
        let mut policy = policy("hermes", ToolsMode::Parse, Engine::LlamaCpp);
        policy.tools.as_mut().unwrap().kept = kept;
        let body = format!(r#"{{"messages":[{messages}],"tools":{TOOLS}}}"#);
        let Ok(Rewritten::Body { bytes, .. }) = rewritten(&body, &policy) else { panic!() };
        let up = Object::of_body(&bytes).unwrap();
        assert_eq!(up.get("tools"), Some(TOOLS));
        assert_eq!(up.get("messages").unwrap().contains("<tool_call>"), is_text, "{kept:?}");
    }
}

#[test]
fn results_stand_in_the_order_of_their_calls() {
    let calls = |ids: &[&str]| {
        let calls = ids.iter().map(|id| format!(r#"{{"id":"{id}","function":{{"name":"get","arguments":"{{}}"}}}}"#));
        format!(r#"{{"role":"assistant","content":null,"tool_calls":[{}]}}"#, calls.collect::<Vec<_>>().join(","))
    };
    let result = |id: &str, text: &str| format!(r#"{{"role":"tool","tool_call_id":"{id}","content":"{text}"}}"#);
    let (user, said) =
        (r#"{"role":"user","content":"u"}"#.to_owned(), r#"{"role":"assistant","content":"s"}"#.to_owned());
    let unbound = r#"{"role":"tool","content":"?"}"#.to_owned();
    let table = [
        (vec![calls(&["a", "b", "c"]), result("c", "3"), result("a", "1"), result("b", "2")], "1 2 3"),
        (vec![calls(&["a", "b"]), result("a", "1"), result("b", "2")], "1 2"),
        // Each turn by itself, though clients use ids again.
        (
            vec![
                calls(&["a", "b"]),
                result("b", "2"),
                result("a", "1"),
                calls(&["b", "a"]),
                result("a", "4"),
                result("b", "3"),
            ],
            "1 2 3 4",
        ),
        // What is not known stays where it is.
        (vec![calls(&["a", "b"]), result("b", "2"), unbound, result("x", "x"), result("a", "1")], "1 ? x 2"),
        (vec![result("b", "2"), result("a", "1"), calls(&["a", "b"])], "2 1"),
        (vec![calls(&["a", "b"]), result("b", "2"), user, said, result("a", "1")], "1 u s 2"),
        // Several of one id.
        (
            vec![calls(&["a", "b", "a"]), result("a", "1"), result("a", "3"), result("b", "2"), result("a", "more")],
            "1 2 3 more",
        ),
    ];
    for (messages, expected) in table {
        for (dialect, mode) in
            [("gemma4", ToolsMode::Inject), ("hermes", ToolsMode::Parse), ("llama3-json", ToolsMode::Inject)]
        {
            let up = for_template(dialect, mode, &messages.join(","));
            let contents: Vec<_> =
                up.split(r#""content":""#).skip(1).filter_map(|rest| rest.split('"').next()).collect();
            let contents: Vec<_> = contents.into_iter().filter(|content| !content.starts_with(['{', 'T'])).collect();
            assert_eq!(contents.join(" "), expected, "{dialect} {mode:?}");
        }
    }
}

/// Of two calls with one id each result is named for its own.
#[test]
fn results_of_one_id_have_their_calls_names() {
    let calls = format!("{},{}", CALL, CALL_2.replace("c2", "c1"));
    let result = |text| format!(r#"{{"role":"tool","tool_call_id":"c1","content":"{text}"}}"#);
    let results = [result("1"), result("2"), result("3")].join(",");
    let turns = turns("json-envelope", &format!(r#"[{{"role":"assistant","tool_calls":[{calls}]}},{results}]"#));
    assert_eq!(turns[2].1, "[TOOL RESULT: get]\n1\n\n[TOOL RESULT: put]\n2\n\n[TOOL RESULT: put]\n3");
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
    check(&call(r#","arguments":"{\"a\": 1""#), ("assistant", &called(r#"{"a": 1}"#)));
    check(&call(r#","arguments":"{\"a\": \"\ud83d""#), ("assistant", &called("{\"a\": \"\u{fffd}\"}")));
    check(&call(r#","arguments":"now""#), ("assistant", &called(r#"{"arguments":"now"}"#)));
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

#[test]
fn ids_of_the_history_are_known_where_new_ones_go_on_from_them() {
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":null,"tool_calls":[{{"id":"functions.get:0","type":"function","function":{{"name":"get","arguments":"{{}}"}}}},{{"type":"function","function":{{"name":"put","arguments":"{{}}"}}}}]}}],"tools":{TOOLS}}}"#
    );
    for (dialect, expected) in [("kimi-k2", &["functions.get:0", ""][..]), ("hermes", &[])] {
        let Rewritten::Body { exchange, .. } =
            rewritten(&body, &policy(dialect, ToolsMode::Inject, Engine::OpenAi)).unwrap()
        else {
            panic!("{dialect} reads the answer");
        };
        assert_eq!(exchange.past_ids, expected, "{dialect}");
    }
}

#[test]
fn texts_stand_around_all_calls_and_all_results_of_a_turn() {
    let call = |id: &str, city: &str| {
        format!(
            r#"{{"id":"{id}","type":"function","function":{{"name":"get","arguments":"{{\"city\":\"{city}\"}}"}}}}"#
        )
    };
    let result = |id: &str, text: &str| format!(r#"{{"role":"tool","tool_call_id":"{id}","content":"{text}"}}"#);
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":"","tool_calls":[{},{}]}},{},{},{{"role":"user","content":"y"}},{{"role":"assistant","content":null,"tool_calls":[{}]}},{}],"tools":{TOOLS}}}"#,
        call("a", "Rome"),
        call("b", "Oslo"),
        result("a", r#"say \"sun\"\n"#),
        result("b", "rain"),
        call("c", "Bari"),
        result("c", "fog"),
    );
    let written = "calls: 'C[{calls}]', call: '{name} {id} {arguments}', between: ', '";
    let history = "results: 'R[{results}]', result: { role: user, text: '{id}={json}', between: ', ' }";
    let yaml = format!(
        "name: own\nabout: A dialect of the tests.\ncall: {{ open: [\"<c>\"] }}\npayload: {{ json: {{ name: key }} }}\n\
         written: {{ {written} }}\n\
         prompt: {{ tools: {{ form: json, each: \"{{tools}}\", between: \"; \" }}, text: \"{{tools}}\", history: {{ text: {{ {history} }} }} }}\n"
    );
    let dialect = Arc::new(Dialects::parse(&yaml).unwrap());
    let policy = Policy::of_tools(Engine::OpenAi, Tools::new(ToolsMode::Inject, dialect));
    let Rewritten::Body { bytes, .. } = rewritten(&body, &policy).unwrap() else { panic!("it is rewritten") };
    let sent: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let contents: Vec<_> =
        sent["messages"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert!(contents[0].contains("}; {"), "{}", contents[0]);
    assert_eq!(
        contents[1..],
        [
            "x",
            "C[get a {\"city\":\"Rome\"}, get b {\"city\":\"Oslo\"}]",
            "R[a=\"say \\\"sun\\\"\\n\", b=\"rain\"]\n\ny",
            "C[get c {\"city\":\"Bari\"}]",
            "R[c=\"fog\"]",
        ]
    );
}

/// A title names a class, but for one that a function has.
#[test]
fn past_calls_name_the_classes_that_the_tools_were_shown_with() {
    const TOOLS: &str = r#"[
        {"type":"function","function":{"name":"look-up","parameters":{"title":"Query","properties":{"q":{"type":"string"}}}}},
        {"type":"function","function":{"name":"Query","parameters":{"properties":{"from":{"type":"string"}}}}},
        {"type":"function","function":{"name":"get"}}]"#;
    let call = |id: &str, name: &str, arguments: &str| serde_json::json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let calls = [
        call("c1", "look-up", r#"{"q": "it's\n\"x\" \\ \u0007😀", "more": [true, null]}"#),
        call("c2", "Query", r#"{"from": "a"}"#),
        call("c3", "gone", ""),
    ];
    let messages = serde_json::json!([
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": null, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c2", "name": null, "content": [{"type": "text", "text": "two"}]},
        {"role": "tool", "tool_call_id": "c1", "content": "{\"one\": 1}"},
        {"role": "user", "content": "Go on."}
    ]);
    let body = format!(r#"{{"messages":{messages},"tools":{TOOLS}}}"#);
    let turns = shown(&up("python-code", &body));
    assert!(turns[0].1.contains("\n\ndef look_up(args: Query1):\n"), "{}", turns[0].1);
    let code = r#"```python
look_up(Query1(q="it's\n\"x\" \\ \u0007😀", more=[True, None]))
Query(QueryModel(**{"from": "a"}))
gone(GoneModel())
```"#;
    let results = "Result of look_up (c1):\n{\"one\": 1}\n\nResult of Query (c2):\ntwo\n\nGo on.";
    let expected = [("user", "u"), ("assistant", code), ("user", results)];
    assert_eq!(turns[1..].iter().map(|(role, text)| (role.as_str(), text.as_str())).collect::<Vec<_>>(), expected);
}
