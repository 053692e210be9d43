//! Requests: which are refused, and in which words.

use serde_json::json;

use super::{error, post, start, status};
use crate::mock::Heard;
use crate::mock::tests::{body, exchange, get};

/// The reply to a request of these members beside a model and a message.
fn asked(members: &str) -> String {
    let mock = start("about: { capabilities: [completion, tools, thinking] }\nanswers: [{ text: hi }]");
    let reply = post(&mock, "/api/chat", &format!(r#"{{"model":"m","messages":[{{"role":"user"}}],{members}}}"#));
    mock.stop();
    reply
}

#[test]
fn what_ollama_reads_is_answered() {
    for members in [
        r#""stream":null,"format":"","keep_alive":"1h30m","options":{"stop":["a"],"num_ctx":4096,"temperature":0,"x":"y"}"#,
        r#""format":"json","keep_alive":-1,"think":false,"truncate":false,"logprobs":true,"top_logprobs":20"#,
        r#""format":{"type":"object"},"think":"max","keep_alive":"-1s","options":{"seed":null}"#,
        r#""messages":[{"role":"user","content":null,"images":["aGk="]},{"role":"assistant","thinking":"x","tool_calls":[{"function":{"name":"f","arguments":{}}}]},{"role":"tool","content":"","tool_name":"f","tool_call_id":"c"}]"#,
        r#""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","required":["a"],"properties":{"a":{"type":["string","null"],"enum":[1,"b"],"items":{"type":3}},"b":{"anyOf":[{"type":"string"}],"minimum":1}}}}}]"#,
    ] {
        let reply = asked(members);
        assert_eq!(status(&reply), 200, "{members} got {reply}");
    }
}

#[test]
fn shapes_that_ollama_does_not_read_are_refused() {
    let cannot = |what: &str| format!("json: cannot unmarshal {what}");
    let tool = |property: &str| {
        format!(
            r#""tools":[{{"type":"function","function":{{"name":"f","parameters":{{"type":"object","properties":{{"a":{property}}}}}}}}}]"#
        )
    };
    let call = |call: &str| format!(r#""messages":[{{"role":"assistant","tool_calls":[{call}]}}]"#);
    for (members, message) in [
        (r#""stream":"true""#.into(), cannot("string into Go struct field ChatRequest.stream of type bool")),
        (r#""options":{"stop":"END"}"#.into(), r#"option "stop" must be of type array"#.into()),
        (r#""options":{"stop":[1]}"#.into(), r#"option "stop" must be of type []string"#.into()),
        (r#""options":{"temperature":"0"}"#.into(), r#"option "temperature" must be of type float32"#.into()),
        (r#""options":{"num_ctx":"4k"}"#.into(), r#"option "num_ctx" must be of type integer"#.into()),
        (r#""options":[]"#.into(), cannot("array into Go struct field ChatRequest.options")),
        (
            r#""messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]"#.into(),
            cannot("array into Go struct field ChatRequest.messages.content of type string"),
        ),
        (
            r#""messages":[{"role":"user","images":["data:image/png;base64,aGk="]}]"#.into(),
            "illegal base64 data at input byte 4".into(),
        ),
        (r#""messages":[{"role":"user","images":["aGk"]}]"#.into(), "illegal base64 data at input byte 3".into()),
        (
            call(r#"{"function":{"name":"f","arguments":"{}"}}"#),
            cannot("string into Go struct field ChatRequest.messages.tool_calls.function.arguments"),
        ),
        (
            call(r#"{"function":{"name":"f","index":1.5}}"#),
            cannot("number into Go struct field ChatRequest.messages.tool_calls.function.index of type int"),
        ),
        (
            tool("true"),
            cannot("bool into Go struct field ChatRequest.tools.function.parameters.properties.a of type struct"),
        ),
        (
            tool(r#"{"type":3}"#),
            cannot("number into Go struct field ChatRequest.tools.function.parameters.properties.a.type"),
        ),
        (
            tool(r#"{"type":["string",{}]}"#),
            cannot("object into Go struct field ChatRequest.tools.function.parameters.properties.a.type"),
        ),
        (tool(r#"{"description":1}"#), cannot("number into Go struct field")),
        (
            tool(r#"{"properties":{"b":false}}"#),
            cannot("bool into Go struct field ChatRequest.tools.function.parameters.properties.a.properties.b"),
        ),
        (tool(r#"{"anyOf":[true]}"#), cannot("bool into Go struct field")),
        (
            r#""format":"yaml""#.into(),
            r#"invalid format: "yaml"; expected "json" or a valid JSON Schema object"#.into(),
        ),
        (r#""think":"deep""#.into(), r#"invalid think value: "deep""#.into()),
        (r#""think":1"#.into(), "think must be a boolean or string".into()),
        (r#""keep_alive":"-1""#.into(), r#"time: invalid duration "-1""#.into()),
        (r#""keep_alive":"5 min""#.into(), r#"time: invalid duration "5 min""#.into()),
        (r#""top_logprobs":21"#.into(), "top_logprobs must be between 0 and 20".into()),
        (r#""model":"""#.into(), "model is required".into()),
    ] {
        let members: String = members;
        let reply = asked(&members);
        assert_eq!(status(&reply), 400, "{members} got {reply}");
        let message: String = message;
        assert!(error(&reply).starts_with(&message), "{members} got {reply}");
    }
}

#[test]
fn what_a_model_cannot_do_is_refused() {
    let tools = r#""tools":[{"type":"function","function":{"name":"f"}}]"#;
    for (about, members, message) in [
        ("capabilities: [completion]", tools, "m does not support tools"),
        ("capabilities: [completion]", r#""tools":[]"#, ""),
        ("capabilities: [tools]", tools, ""),
        ("capabilities: [tools]", r#""think":true"#, r#""m" does not support thinking"#),
        ("capabilities: [tools]", r#""think":"low""#, r#""m" does not support thinking"#),
        ("capabilities: [tools]", r#""think":false"#, ""),
        ("capabilities: [thinking]", r#""think":"medium""#, ""),
        (
            "{ capabilities: [thinking], think_levels: [high] }",
            r#""think":"medium""#,
            r#"think value "medium" is not supported for this model"#,
        ),
        ("{ capabilities: [thinking], think_levels: [] }", r#""think":true"#, ""),
    ] {
        let about = if about.starts_with('{') { about.to_owned() } else { format!("{{ {about} }}") };
        let mock = start(&format!("about: {about}\nanswers: [{{ text: hi }}]"));
        let reply = post(&mock, "/api/chat", &format!(r#"{{"model":"m","messages":[{{"role":"user"}}],{members}}}"#));
        let expected = if message.is_empty() { 200 } else { 400 };
        assert_eq!(status(&reply), expected, "{about} {members} got {reply}");
        assert!(message.is_empty() || error(&reply) == message, "{reply}");
        // It is refused before it is loaded.
        assert_eq!(get(&mock, "/api/ps").contains(r#""name":"m""#), message.is_empty());
        mock.stop();
    }
}

#[test]
fn a_request_may_name_no_model_or_be_none() {
    let mock = start("answers: [{ text: hi }]");
    for (path, sent, code, message) in [
        ("/api/chat", r#"{"model":"x","messages":[]}"#, 404, "model 'x' not found"),
        ("/api/chat", r#"{"messages":[]}"#, 400, "model is required"),
        ("/api/chat", "", 400, "missing request body"),
        ("/api/chat", "{", 400, "EOF while parsing an object at line 1 column 1"),
        ("/api/show", r#"{"name":"x"}"#, 404, "model 'x' not found"),
        ("/api/embed", "{}", 400, "model is required"),
        ("/api/generate", r#"{"model":"m","keep_alive":"never"}"#, 400, r#"time: invalid duration "never""#),
        ("/api/generate", r#"{"model":"m","prompt":"x"}"#, 501, "the mock has answers at /api/chat alone"),
    ] {
        let reply = post(&mock, path, sent);
        assert_eq!((status(&reply), error(&reply).as_str()), (code, message), "{path} {sent}");
    }
    mock.stop();
}

#[test]
fn foreign_pages_of_browsers_get_an_empty_403() {
    let mock = start("answers: [{ text: hi }]");
    for (origin, code) in [
        ("https://example.org", 403),
        ("http://localhost.example.org", 403),
        ("null", 403),
        ("http://localhost:3000", 200),
        ("https://127.0.0.1", 200),
        ("app://obsidian.md", 200),
    ] {
        let reply =
            exchange(&mock, &format!("GET /api/tags HTTP/1.1\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n"));
        assert_eq!(status(&reply), code, "{origin}");
        assert!(code == 200 || body(&reply).is_empty());
    }
    mock.stop();
}

#[test]
fn what_was_asked_can_be_seen() {
    let mock = start("answers: [{ text: hi }]");
    get(&mock, "/api/version?x=1");
    let sent = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    post(&mock, "/api/chat", sent);
    let heard = |method: &str, target: &str, body: &str| Heard {
        method: method.to_owned(),
        target: target.to_owned(),
        body: body.to_owned(),
    };
    assert_eq!(mock.heard(), [heard("GET", "/api/version?x=1", ""), heard("POST", "/api/chat", sent)]);
    let page = super::value(body(&get(&mock, "/mock/heard")));
    assert_eq!((page.as_array().unwrap().len(), &page[1]["body"]["model"]), (2, &json!("m")));
    // As many as are kept, and the newest even where it is too large for that.
    for _ in 0..100 {
        get(&mock, "/");
    }
    assert_eq!((mock.heard().len(), mock.heard()[0].target.as_str()), (100, "/"));
    post(&mock, "/api/chat", &"x".repeat(5 << 20));
    assert_eq!((mock.heard().len(), mock.heard()[0].body.len()), (1, 5 << 20));
    mock.stop();
}
