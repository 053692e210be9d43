//! What a client says of the choice among its tools, and how a server is held to that.

use super::*;

/// Whatever the choice, the head shows all tools; what is wanted stands at the end, and the reply side looks for what may
/// be called.
#[test]
fn choices() {
    let named = "Your next answer must be a call of the function `put`.";
    let required = "Your next answer must be a call of one of the functions.";
    let only = |names| format!("In your next answer, call no functions but these: {names}.");
    let some = r#","tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"put"}}]}}"#;
    let table = [
        ("", "get put", String::new()),
        (r#","tool_choice":null"#, "get put", String::new()),
        (r#","tool_choice":"auto""#, "get put", String::new()),
        (r#","tool_choice":{}"#, "get put", String::new()),
        (r#","tool_choice":"required""#, "get put", required.into()),
        (r#","tool_choice":{"type":"any"}"#, "get put", required.into()),
        (r#","tool_choice":{"type":"function","function":{"name":"put"}}"#, "put", named.into()),
        (r#","tool_choice":{"type":"tool","name":"put"}"#, "put", named.into()),
        (r#","tool_choice":"put""#, "put", named.into()),
        (some, "put", format!("{}\n\n{required}", only("put"))),
        (r#","tool_choice":{"type":"allowed_tools","mode":"auto","tools":["get","put"]}"#, "get put", only("get, put")),
    ];
    let inject = policy("hermes", ToolsMode::Inject, Engine::OpenAi);
    let mut heads = vec![];
    for (more, callable, wish) in table {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"tools":{TOOLS}{more}}}"#);
        let Ok(Rewritten::Body { bytes, exchange, .. }) = rewritten(&body, &inject) else { panic!("{more}") };
        for name in ["get", "put"] {
            let is_callable = callable.split(' ').any(|n| n == name);
            assert_eq!(exchange.decoding.tools.find(name).is_some(), is_callable, "{more}: {name}");
        }
        let turns = shown(std::str::from_utf8(&bytes).unwrap());
        let last = if wish.is_empty() { "hi".into() } else { format!("hi\n\n{wish}") };
        assert_eq!(turns[1..], [("user".to_owned(), last)], "{more}");
        heads.push(turns[0].clone());
    }
    assert!(heads.iter().all(|head| *head == heads[0] && head.1.contains("\"get\"") && head.1.contains("\"put\"")));
}

/// A call that is required is one that the server lets the model write alone, where it can be told so.
#[test]
fn a_required_call_is_forced_where_the_server_can_be_told() {
    use crate::engine::Engine::{LlamaCpp, Ollama, OpenAi, Sglang, Vllm};
    for (more, engine, key, outcome) in [
        (r#","tool_choice":"required""#, LlamaCpp, Some("grammar"), Some("forced")),
        (r#","tool_choice":{"type":"function","function":{"name":"put"}}"#, LlamaCpp, Some("grammar"), Some("forced")),
        (
            r#","tool_choice":"required","grammar":"root ::= x","json_schema":{}"#,
            LlamaCpp,
            Some("grammar"),
            Some("forced"),
        ),
        (r#","tool_choice":"required""#, Vllm, Some("structured_outputs"), Some("forced")),
        (r#","tool_choice":"required""#, Sglang, Some("ebnf"), Some("forced")),
        (r#","tool_choice":"required""#, Ollama, Some("response_format"), Some("object")),
        (r#","tool_choice":"required""#, OpenAi, None, Some("prompted")),
        ("", LlamaCpp, None, None),
        (r#","tool_choice":"none""#, LlamaCpp, None, None),
    ] {
        for mode in [ToolsMode::Inject, ToolsMode::Parse] {
            let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"tools":{TOOLS}{more}}}"#);
            let request = Request::read(body.as_bytes()).unwrap();
            let rewriting = tools::rewriting(
                &request,
                &policy("hermes", mode, engine).tools.unwrap(),
                engine,
                &AgentFormat::Calls,
                &Limits::default(),
            );
            let rewriting = rewriting.unwrap();
            assert_eq!(rewriting.required_call.name(), outcome, "{more} {engine:?}");
            let up = request.edited(&rewriting.edits).unwrap_or_else(|| Bytes::copy_from_slice(body.as_bytes()));
            let up = Object::of_body(&up).unwrap();
            for member in ["grammar", "structured_outputs", "ebnf", "response_format"] {
                assert_eq!(up.get(member).is_some(), key == Some(member), "{more} {engine:?}: {member}");
            }
            assert!(key.is_none() || up.get("json_schema").is_none());
            let Some(written) = key.and_then(|key| up.get(key)) else { continue };
            if outcome == Some("object") {
                assert!(written.contains(r#"{"name":{"const":"put"},"arguments":{"#), "{written}");
                continue;
            }
            assert!(written.contains(r#"<tool_call>\\n{\\\"name\\\": \\\"put\\\""#), "{written}");
            let names_one = more.contains("function");
            assert_eq!(written.contains(r#"\\\"get\\\""#), !names_one, "{written}");
        }
    }
}

/// A call that may come is held to its schema where a tool asks for that, unless the client shapes the answer itself.
#[test]
fn strict_tools_are_held_to_their_schemas() {
    const STRICT: &str = r#"[{"type":"function","function":{"name":"get","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"null"}}}}},{"type":"function","function":{"name":"put","parameters":{"properties":{"b":{"type":"null"}}}}}]"#;
    for (tools, more, is_held) in [
        (STRICT, "", true),
        (STRICT, r#","tool_choice":"none""#, false),
        (STRICT, r#","grammar":"root ::= x""#, false),
        (STRICT, r#","response_format":{"type":"json_object"}"#, false),
        (TOOLS, "", false),
    ] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"tools":{tools}{more}}}"#);
        let engine = Engine::LlamaCpp;
        let bytes = match rewritten(&body, &policy("hermes", ToolsMode::Parse, engine)) {
            Ok(Rewritten::Body { bytes, .. } | Rewritten::Unread(bytes)) => bytes,
            other => panic!("{other:?}"),
        };
        let up = Object::of_body(&bytes).unwrap();
        let grammar = up.get("grammar").filter(|grammar| grammar.contains("tool_call"));
        assert_eq!(grammar.is_some(), is_held, "{more}");
        let Some(grammar) = grammar else { continue };
        // The other tool's calls are free.
        assert!(grammar.contains(r#"\\\"a\\\": "#), "{grammar}");
        assert!(!grammar.contains(r#"\\\"b\\\": "#), "{grammar}");
    }
}

/// Where the server's template writes the tools, they stay as they are, and what is wanted is said at the end too: the
/// server is told that nothing is to be called, so that it reads nothing.
#[test]
fn choices_for_a_template() {
    let table = [
        ("", r#""none""#, "", true),
        (r#","tool_choice":"auto""#, r#""none""#, "", true),
        (r#","tool_choice":"required""#, r#""none""#, "must be a call of one", true),
        (r#","tool_choice":{"type":"function","function":{"name":"put"}}"#, r#""none""#, "of the function `put`", true),
        (r#","parallel_tool_calls":false"#, r#""none""#, "no more than one call", true),
        (r#","tool_choice":"none""#, r#""none""#, "Call no function", false),
    ];
    for (more, choice, wish, is_read) in table {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"tools":{TOOLS}{more}}}"#);
        let (bytes, exchange) = match rewritten(&body, &policy("hermes", ToolsMode::Parse, Engine::LlamaCpp)) {
            Ok(Rewritten::Body { bytes, exchange, .. }) => (bytes, Some(exchange)),
            Ok(Rewritten::Unread(bytes)) => (bytes, None),
            other => panic!("{other:?}"),
        };
        let up = Object::of_body(&bytes).unwrap();
        assert_eq!((up.get("tools"), up.get("tool_choice")), (Some(TOOLS), Some(choice)), "{more}");
        let turns = shown(std::str::from_utf8(&bytes).unwrap());
        let (_, said) = turns.last().unwrap();
        assert!(turns.len() == 1 && said.starts_with("hi") && said.contains(wish), "{more}: {said}");
        assert_eq!((wish.is_empty(), exchange.is_some()), (said == "hi", is_read), "{more}");
        assert_eq!(up.get("reasoning_format"), is_read.then_some(r#""none""#), "{more}");
    }
}

/// What a server refuses beside tools would cost the answer: such a request shows them in its prompt.
#[test]
fn what_a_server_refuses_beside_tools_goes_up_without() {
    for (more, engine, is_injected) in [
        (r#","logprobs":true"#, Engine::LlamaCpp, true),
        (r#","logprobs":false"#, Engine::LlamaCpp, false),
        (r#","logprobs":null"#, Engine::LlamaCpp, false),
        (r#","logprobs":true"#, Engine::Vllm, false),
        (r#","tool_choice":"required""#, Engine::LlamaCpp, false),
        (r#","tool_choice":"required""#, Engine::Ollama, true),
        (r#","tool_choice":{"type":"function","function":{"name":"get"}}"#, Engine::Ollama, true),
        (r#","tool_choice":"auto","logprobs":true"#, Engine::Ollama, false),
    ] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"tools":{TOOLS}{more}}}"#);
        let result = rewritten(&body, &policy("hermes", ToolsMode::Parse, engine));
        let Ok(Rewritten::Body { bytes, .. }) = result else { panic!("{result:?}") };
        assert_eq!(Object::of_body(&bytes).unwrap().get("tools").is_none(), is_injected, "{more} {engine:?}");
    }
}

#[test]
fn a_choice_that_is_not_offered() {
    let choices = [
        r#"{"type":"function","function":{"name":"zzz"}}"#,
        r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"get"}},{"type":"function","function":{"name":"zzz"}}]}}"#,
    ];
    for choice in choices {
        let body = format!(r#"{{"messages":[{{"role":"user"}}],"tools":{TOOLS},"tool_choice":{choice}}}"#);
        for mode in [ToolsMode::Inject, ToolsMode::Parse] {
            let result = rewritten(&body, &policy("hermes", mode, Engine::LlamaCpp));
            assert!(matches!(&result, Err(RequestError::UnknownToolChoice(name)) if name == "zzz"), "{result:?}");
        }
    }
}

#[test]
fn a_choice_that_is_not_understood() {
    for choice in [r#""whatever""#, "7", r#"{"type":"custom","custom":{"name":"get"}}"#] {
        let body = format!(r#"{{"messages":[{{"role":"user"}}],"tools":{TOOLS},"tool_choice":{choice}}}"#);
        for mode in [ToolsMode::Inject, ToolsMode::Parse] {
            let result = rewritten(&body, &policy("hermes", mode, Engine::LlamaCpp));
            assert!(matches!(&result, Err(RequestError::ToolChoice(shown)) if shown == choice), "{result:?}");
        }
    }
}

/// It would be enforced from the answer's first word on, whoever writes the tools.
#[test]
fn a_format_gives_way_to_a_required_call_for_a_template_too() {
    for (choice, expected) in [("auto", Shape::Kept), ("required", Shape::Dropped)] {
        let body = format!(
            r#"{{"messages":[{{"role":"user"}}],"tools":{TOOLS},"tool_choice":"{choice}","response_format":{{"type":"json_object"}}}}"#
        );
        let result = rewritten(&body, &policy("hermes", ToolsMode::Parse, Engine::LlamaCpp));
        let Ok(Rewritten::Body { bytes, shape, .. }) = result else { panic!("{result:?}") };
        assert_eq!(shape, expected);
        let is_kept = Object::of_body(&bytes).unwrap().get("response_format").is_some();
        assert_eq!(is_kept, expected == Shape::Kept);
    }
}
