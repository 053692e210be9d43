//! The head of the prompt, which stays what it is while a conversation goes on.

use super::*;
use crate::dialect::prompt::Place;

/// The body that goes up, whether its answer is read or not.
fn sent(dialect: &str, body: &str) -> Option<Bytes> {
    match rewritten(body, &policy(dialect, ToolsMode::Inject, Engine::LlamaCpp)).unwrap() {
        Rewritten::Body { bytes, .. } | Rewritten::Unread(bytes) => Some(bytes),
        Rewritten::Untouched => None,
    }
}

/// A turn that may not call goes up as the others do, but that nothing of its answer is read.
#[test]
fn a_turn_without_calls_goes_up_as_the_others() {
    let call = r#"{"id":"a","type":"function","function":{"name":"get","arguments":"{}"}}"#;
    let history = format!(
        r#"[{{"role":"user","content":"u"}},{{"role":"assistant","content":null,"tool_calls":[{call}]}},{{"role":"tool","tool_call_id":"a","content":"r"}}]"#
    );
    for dialect in builtin().iter() {
        let name = dialect.name();
        let is_native = dialect.spec().prompt.history.text().is_none();
        let turns = |members: &str| {
            let body = format!(r#"{{"messages":{history}{members}}}"#);
            let result = rewritten(&body, &policy(name, ToolsMode::Inject, Engine::LlamaCpp));
            let is_read = matches!(&result, Ok(Rewritten::Body { .. }));
            let bytes = sent(name, &body).unwrap_or(body.into());
            let object = Object::of_body(&bytes).unwrap();
            for key in ["tools", "tool_choice", "parallel_tool_calls"] {
                assert_eq!(object.get(key), None, "{name}: {members}");
            }
            assert_eq!(object.get("reasoning_format").is_some(), is_read, "{name}: {members}");
            let messages = object.get("messages").unwrap();
            assert!(!messages.contains(r#""tool_calls""#) || is_native, "{name}: {messages}");
            (crate::json::array(messages).unwrap().into_iter().map(str::to_owned).collect::<Vec<_>>(), is_read)
        };
        let (offered, is_read) = turns(&format!(r#","tools":{TOOLS}"#));
        assert!(is_read);
        let (none, is_read) = turns(&format!(r#","tools":{TOOLS},"tool_choice":"none","parallel_tool_calls":false"#));
        assert!(!is_read);
        assert_eq!(none[..2], offered[..2], "{name}");
        assert!(none.last().unwrap().contains("Call no function in your next answer"), "{name}");
        let behind_tools = usize::from(offered.len() > 3);
        for no_tools in ["", r#","tools":[],"tool_choice":"none""#, r#","tools":null"#] {
            let (bare, is_read) =
                turns(&if no_tools.contains("choice") && is_native { String::new() } else { no_tools.to_owned() });
            assert!(!is_read);
            if behind_tools == 1 {
                assert_eq!(bare[..], offered[1..], "{name}");
            } else {
                assert_eq!(bare[1..], offered[1..], "{name}");
            }
        }
    }
}

/// The beginning of an answer stays last, and a turn that is not the user's is left alone.
#[test]
fn what_is_wanted_stands_at_the_end() {
    let wish = "Your next answer must be a call of one of the functions.";
    let told = |before: &str| format!("{before}\n\n{wish}");
    let (user, said) = (r#"{"role":"user","content":"u"}"#, r#"{"role":"assistant","content":"s"}"#);
    let (system, result) = (r#"{"role":"system","content":"S"}"#, r#"{"role":"tool","content":"r"}"#);
    let parts = r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}"#;
    let of_parts =
        format!(r#"[{{"type":"image_url","image_url":{{"url":"x"}}}},{{"type":"text","text":"\n\n{wish}"}}]"#);
    let table = [
        ("hermes", vec![user], vec![("user", told("u"))]),
        ("hermes", vec![user, said], vec![("user", told("u")), ("assistant", "s".into())]),
        (
            "hermes",
            vec![user, said, system],
            vec![("user", "u".into()), ("assistant", "s".into()), ("system", "S".into()), ("user", wish.into())],
        ),
        (
            "hermes",
            vec![said, result],
            vec![("assistant", "s".into()), ("user", told("<tool_response>\nr\n</tool_response>"))],
        ),
        ("gemma4", vec![said, result], vec![("assistant", "s".into()), ("tool", "r".into()), ("user", wish.into())]),
        ("hermes", vec![said], vec![("user", wish.into()), ("assistant", "s".into())]),
        ("hermes", vec![parts], vec![("user", of_parts)]),
    ];
    for (dialect, messages, expected) in table {
        let body = format!(r#"{{"messages":[{}],"tools":{TOOLS},"tool_choice":"required"}}"#, messages.join(","));
        let turns = shown(&up(dialect, &body));
        let expected: Vec<_> = expected.into_iter().map(|(role, text)| (role.to_owned(), text)).collect();
        assert_eq!(turns[1..], expected, "{body}");
    }
}

/// A system message of the gateway's own would take the place of the one that the server has for its model.
#[test]
fn what_the_server_says_to_its_model_stays_where_tools_get_a_message_of_their_own() {
    let first = |dialect: &str, messages: &str| {
        let mut policy = policy(dialect, ToolsMode::Inject, Engine::Ollama);
        policy.tools.iter_mut().for_each(|tools| tools.system = Some("Be brief.".into()));
        let body = format!(r#"{{"messages":[{messages}],"tools":{TOOLS}}}"#);
        let Rewritten::Body { bytes, .. } = rewritten(&body, &policy).unwrap() else { panic!("{dialect}") };
        shown(std::str::from_utf8(&bytes).unwrap()).remove(0)
    };
    let user = r#"{"role":"user","content":"u"}"#;
    let (role, text) = first("hermes", user);
    assert!(role == "system" && text.starts_with("Be brief.\n\n# Tools"), "{text}");
    let (_, text) = first("hermes", &format!(r#"{{"role":"system","content":"S"}},{user}"#));
    assert!(text.starts_with("S\n\n# Tools"), "{text}");
    for dialect in builtin().iter().filter(|dialect| dialect.spec().prompt.place == Place::SystemStart) {
        let (role, text) = first(dialect.name(), user);
        assert!(role == "system" && text.ends_with("Be brief."), "{}: {text}", dialect.name());
    }
    for dialect in builtin().iter().filter(|dialect| dialect.spec().prompt.place == Place::UserStart) {
        let (role, text) = first(dialect.name(), user);
        assert!(role == "user" && !text.contains("Be brief."), "{}: {text}", dialect.name());
    }
}

/// A conversation, as the messages that each of its turns adds: the last of them is not the assistant's, and in the
/// first turn it is the user's.
fn conversation() -> impl Strategy<Value = Vec<Vec<String>>> {
    let said =
        |role: &'static str| ("[ab]{0,3}").prop_map(move |text| format!(r#"{{"role":"{role}","content":"{text}"}}"#));
    let part = Just(r#"{"role":"user","content":[{"type":"text","text":"t"},{"type":"image_url"}]}"#.to_owned());
    let asked = prop_oneof![4 => said("user"), 1 => said("system"), 1 => said("developer"), 1 => part];
    let called = (1..3_usize, any::<bool>(), "[xy]{0,2}").prop_map(|(count, is_turned, text)| {
        let ids: Vec<_> = (0..count).map(|n| format!("c{n}")).collect();
        let call = |id: &String| {
            format!(r#"{{"id":"{id}","type":"function","function":{{"name":"get","arguments":"{{\"a\": {text}1"}}}}"#)
        };
        let calls: Vec<_> = ids.iter().map(call).collect();
        let mut turn = vec![format!(r#"{{"role":"assistant","content":"{text}","tool_calls":[{}]}}"#, calls.join(","))];
        let mut results: Vec<_> =
            ids.iter().map(|id| format!(r#"{{"role":"tool","tool_call_id":"{id}","content":"r{id}"}}"#)).collect();
        if is_turned {
            results.reverse();
        }
        turn.append(&mut results);
        turn
    });
    let answered = (said("assistant"), asked.clone()).prop_map(|(a, q)| vec![a, q]);
    let first = prop::collection::vec(prop_oneof![asked.clone(), said("assistant")], 0..3);
    let turn = prop_oneof![called, answered, asked.clone().prop_map(|q| vec![q])];
    (first, said("user"), prop::collection::vec(turn, 1..5)).prop_map(|(mut first, asked, mut turns)| {
        first.push(asked);
        turns.insert(0, first);
        turns
    })
}

const CHOICES: [&str; 8] = [
    "",
    r#","tool_choice":"auto","parallel_tool_calls":true"#,
    r#","tool_choice":"none""#,
    r#","tool_choice":"required""#,
    r#","tool_choice":{"type":"function","function":{"name":"put"}}"#,
    r#","tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"get"}]}"#,
    r#","parallel_tool_calls":false"#,
    r#","tool_choice":"any","parallel_tool_calls":false"#,
];

/// The messages that go up, as a template reads them: roles, and what is said, the parts of one message joined.
fn read(dialect: &str, body: &str) -> Vec<(String, String)> {
    let body: serde_json::Value = serde_json::from_slice(&sent(dialect, body).unwrap()).unwrap();
    let said = |part: &serde_json::Value| part["text"].as_str().map_or_else(|| part.to_string(), str::to_owned);
    let show = |message: &serde_json::Value| {
        let content = match &message["content"] {
            serde_json::Value::Array(parts) => parts.iter().map(said).collect(),
            content => content.as_str().unwrap_or_default().to_owned(),
        };
        let calls = message.get("tool_calls").map(ToString::to_string).unwrap_or_default();
        (message["role"].as_str().unwrap().to_owned(), content + &calls)
    };
    body["messages"].as_array().unwrap().iter().map(show).collect()
}

/// Whether `later` begins with all of `earlier`, whose last turn may have been gone on with.
fn begins_with(later: &[(String, String)], earlier: &[(String, String)]) -> bool {
    let Some(((role, text), before)) = earlier.split_last() else { return true };
    later.starts_with(before) && later.get(before.len()).is_some_and(|(r, t)| r == role && t.starts_with(text))
}

proptest! {
    /// Whatever is asked of each turn, its messages begin as those of the turn before did, but for what stood at that
    /// one's very end.
    #[test]
    fn each_turn_begins_as_the_one_before(
        turns in conversation(),
        choices in prop::collection::vec(prop::sample::select(&CHOICES[..]), 5),
    ) {
        for dialect in builtin().iter() {
            let mut messages = vec![];
            let mut before: Option<Vec<(String, String)>> = None;
            for (turn, choice) in turns.iter().zip(choices.iter()) {
                messages.extend(turn.iter().cloned());
                let body = |choice| format!(r#"{{"messages":[{}],"tools":{TOOLS}{choice}}}"#, messages.join(","));
                let (plain, chosen) = (read(dialect.name(), &body("")), read(dialect.name(), &body(choice)));
                prop_assert!(begins_with(&chosen, &plain), "{}: {:?}\n{:?}", dialect.name(), plain, chosen);
                if let Some(before) = &before {
                    prop_assert!(begins_with(&chosen, before), "{}: {:?}\n{:?}", dialect.name(), before, chosen);
                }
                before = Some(plain);
            }
        }
    }
}
