//! Requests: what each field becomes beside the messages, and what is told of those that become nothing.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::anthropic::HostedTools;
use crate::engine::Engine;

const MESSAGES: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

fn server(engine: Engine) -> Server {
    Server {
        takes: engine.row().messages,
        sees: None,
        thinks: None,
        hosted_tools: HostedTools::Refuse,
        runs: std::sync::Arc::default(),
    }
}

/// The members behind the messages, and what is ignored.
fn told(engine: Engine, more: &str) -> Result<[String; 2], String> {
    let body = format!(r#"{{"model":"m",{MESSAGES}{more}}}"#);
    let asked = request(body.as_bytes(), &server(engine)).map_err(|mistake| mistake.message.into_owned())?;
    let chat = String::from_utf8(asked.body.to_vec()).unwrap();
    assert!(serde_json::from_str::<Value>(&chat).is_ok(), "{chat}");
    let rest = chat.strip_prefix(&format!(r#"{{"model":"m",{MESSAGES}"#)).unwrap().trim_end_matches('}');
    Ok([rest.to_owned(), asked.ignored.join(" ")])
}

/// The same for a request that is otherwise whole.
fn of(engine: Engine, more: &str) -> [String; 2] {
    let [rest, ignored] = told(engine, &format!(r#","max_tokens":9{more}"#)).unwrap();
    [rest.strip_prefix(r#","max_tokens":9"#).unwrap().to_owned(), ignored]
}

#[test]
fn fields_of_an_answer_have_their_counterparts() {
    for (more, expected) in [
        (r#","temperature":0.70,"top_p":1,"top_k":40"#, r#","temperature":0.70,"top_p":1,"top_k":40"#),
        (r#","temperature":null,"stop_sequences":null"#, ""),
        (r#","stop_sequences":[]"#, ""),
        (r#","stop_sequences":["a", "\n"]"#, r#","stop":["a", "\n"]"#),
        (r#","stream":false"#, ""),
        (r#","stream":true"#, r#","stream":true,"stream_options":{"include_usage":true"#),
        (
            r#","output_format":{"type":"json_schema","schema":{"b":1.0}}"#,
            r#","response_format":{"type":"json_schema","json_schema":{"name":"output","schema":{"b":1.0},"strict":true"#,
        ),
        (r#","service_tier":"auto","metadata":{"user_id":"u"},"betas":["x"],"mcp_servers":[],"container":null"#, ""),
    ] {
        assert_eq!(of(Engine::LlamaCpp, more), [expected, ""].map(str::to_owned), "{more}");
    }
}

#[test]
fn what_no_api_has_goes_to_those_that_may_know_it() {
    let more = r#","min_p":0.050,"x y":[1],"chat_template_kwargs":{"k":1},"top_k":4,"none":null"#;
    let template = r#""chat_template_kwargs":{"k":1}"#;
    for (engine, expected, ignored) in [
        (Engine::LlamaCpp, format!(r#","top_k":4,{template},"min_p":0.050,"x y":[1]"#), ""),
        (Engine::Vllm, format!(r#","top_k":4,{template},"min_p":0.050,"x y":[1]"#), ""),
        (
            Engine::Ollama,
            format!(r#","top_k":4,{template},"min_p":0.050,"x y":[1]"#),
            "chat_template_kwargs another field",
        ),
        (Engine::OpenAi, String::new(), "top_k min_p another field chat_template_kwargs"),
    ] {
        let told = of(engine, more);
        assert_eq!(told, [expected, ignored.to_owned()], "{}", engine.name());
    }
}

#[test]
fn a_clients_own_words_stand_in_place_of_ours() {
    let off = r#","thinking":{"type":"disabled"},"chat_template_kwargs":{"enable_thinking":true,"k":{}}"#;
    let expected = r#","chat_template_kwargs":{"enable_thinking":true,"k":{"#;
    assert_eq!(of(Engine::LlamaCpp, off), [expected, ""].map(str::to_owned));
    let effort = r#","output_config":{"effort":"max"},"reasoning_effort":"xhigh""#;
    assert_eq!(of(Engine::LlamaCpp, effort), [r#","reasoning_effort":"xhigh""#, ""].map(str::to_owned));
    assert_eq!(of(Engine::Ollama, r#","chat_template_kwargs":{"enable_thinking":true}"#)[1], "");
}

#[test]
fn what_has_no_effect_and_could_be_missed_is_named() {
    for (more, expected) in [
        (r#","context_management":{"edits":[]}"#, "context_management"),
        (r#","context_management":null"#, ""),
        (r#","output_config":{"task_budget":{},"effort":null}"#, "output_config.task_budget"),
        (r#","n":2,"functions":[],"stream_options":{}"#, "n functions stream_options"),
    ] {
        assert_eq!(of(Engine::LlamaCpp, more), ["", expected].map(str::to_owned), "{more}");
    }
}

#[test]
fn how_the_answer_is_told_is_known() {
    for (more, expected) in
        [(r#""max_tokens":100"#, (false, 100, false, None)), (r#""max_tokens":0,"stream":true"#, (true, 0, true, None))]
    {
        let body = format!(r#"{{"model":"\u006d",{MESSAGES},{more}}}"#);
        let Asked { told, body, .. } = request(body.as_bytes(), &server(Engine::LlamaCpp)).unwrap();
        assert_eq!((told.is_streamed, told.max_tokens, told.fills_cache, told.prefill.as_deref()), expected);
        assert_eq!(told.model, "m");
        let chat: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(chat["max_tokens"], told.max_tokens.max(1));
    }
    let continued = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"The"}]}"#;
    let repeated = Some("The");
    for (engine, members, prefill) in [
        (Engine::Sglang, true, None),
        (Engine::Vllm, true, None),
        (Engine::LlamaCpp, false, repeated),
        (Engine::OpenAi, false, None),
        (Engine::Ollama, false, None),
    ] {
        let Asked { told, body, .. } = request(continued.as_bytes(), &server(engine)).unwrap();
        assert_eq!(told.prefill.as_deref(), prefill, "{}", engine.name());
        let chat: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(chat["continue_final_message"] == true && chat["add_generation_prompt"] == false, members);
    }
}

#[test]
fn a_count_asks_the_same_without_an_answer() {
    let fields = r#""tools":[{"name":"f","input_schema":{}}],"thinking":{"type":"disabled"},"system":"s""#;
    let counted = format!(r#"{{"model":"m",{MESSAGES},{fields}}}"#);
    let asked = format!(r#"{{"model":"m",{MESSAGES},{fields},"max_tokens":9,"stream":true}}"#);
    let count = count_request(counted.as_bytes(), &server(Engine::LlamaCpp)).unwrap();
    let answer = request(asked.as_bytes(), &server(Engine::LlamaCpp)).unwrap();
    assert_eq!((count.told.max_tokens, count.told.is_streamed, count.told.fills_cache), (0, false, false));
    let mut chat: Value = serde_json::from_slice(&answer.body).unwrap();
    for key in ["max_tokens", "stream", "stream_options"] {
        assert!(chat.as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    assert_eq!(serde_json::from_slice::<Value>(&count.body).unwrap(), chat);
    assert_eq!(count_request(asked.as_bytes(), &server(Engine::LlamaCpp)).unwrap().body, count.body);
}

#[test]
fn what_is_of_a_wrong_shape_is_told() {
    for (more, expected) in [
        ("", "max_tokens: Field required"),
        (r#","max_tokens":-1"#, "max_tokens: must be an integer that is not negative"),
        (r#","max_tokens":"9""#, "max_tokens: must be an integer that is not negative"),
        (r#","max_tokens":9,"stream":1"#, "stream: must be true or false"),
        (r#","max_tokens":9,"temperature":"x""#, "temperature: must be a number"),
        (r#","max_tokens":9,"stop_sequences":"x""#, "stop_sequences: must be a list of strings"),
        (r#","max_tokens":9,"stop_sequences":[7]"#, "stop_sequences: must be a list of strings"),
        (r#","max_tokens":9,"output_config":7"#, "output_config: must be an object"),
        (
            r#","max_tokens":9,"output_config":{"format":{"type":"x"}}"#,
            "output_config.format.type: must be json_schema",
        ),
        (r#","max_tokens":9,"output_format":{"type":"json_schema"}"#, "output_format.schema: Field required"),
        (r#","max_tokens":9,"chat_template_kwargs":7"#, "chat_template_kwargs: must be an object"),
        (r#","max_tokens":9,"mcp_servers":[{}]"#, "mcp_servers: MCP servers cannot be reached from here"),
        (
            r#","max_tokens":9,"container":"c""#,
            "container: containers run on Anthropic's servers and cannot be used here",
        ),
        (r#","max_tokens":9,"system":7"#, "system: must be a string or a list of text blocks"),
    ] {
        assert_eq!(told(Engine::LlamaCpp, more), Err(expected.to_owned()), "{more}");
    }
    for (body, expected) in [
        ("", "the body must be a JSON object"),
        ("[]", "the body must be a JSON object"),
        ("{}", "model: Field required"),
        (r#"{"model":7}"#, "model: must be a string that is not empty"),
        (r#"{"model":""}"#, "model: must be a string that is not empty"),
    ] {
        assert_eq!(model(body.as_bytes()), Err(Mistake::new(expected)), "{body}");
        assert_eq!(request(body.as_bytes(), &server(Engine::LlamaCpp)), Err(Mistake::new(expected)), "{body}");
    }
    assert_eq!(model(br#"{"model":"m\n","messages":7}"#).as_deref(), Ok("m\n"));
}

#[test]
fn a_conversation_is_known_by_its_session() {
    let long = "x".repeat(257);
    for (metadata, expected) in [
        (r#"{"user_id":"{\"device_id\":\"d\",\"session_id\":\"s-1\"}"}"#, Some("s-1")),
        (r#"{"user_id":"{\"session_id\":\"\"}"}"#, None),
        (&format!(r#"{{"user_id":"{{\"session_id\":\"{long}\"}}"}}"#), None),
        (r#"{"user_id":"{\"session_id\":7}"}"#, None),
        (r#"{"user_id":"u1"}"#, None),
        (r#"{"user_id":null}"#, None),
        (r#"{}"#, None),
        ("7", None),
    ] {
        assert_eq!(session(format!(r#"{{"metadata":{metadata}}}"#).as_bytes()).as_deref(), expected, "{metadata}");
    }
    assert_eq!(session(b"x"), None);
}

/// A request with something of everything.
fn everything() -> Value {
    let png = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}});
    json!({
        "model": "m", "max_tokens": 100, "stream": true, "temperature": 0.5, "top_k": 4, "stop_sequences": ["a"],
        "system": [{"type": "text", "text": "s"}], "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "context_management": {"edits": []}, "metadata": {"user_id": "{\"session_id\":\"s\"}"},
        "mcp_servers": [], "container": null, "min_p": 0.1, "chat_template_kwargs": {"k": 1},
        "tools": [
            {"name": "f", "description": "d", "input_schema": {"type": "object"}, "input_examples": [{"x": 1}]},
            {"type": "bash_20250124", "name": "bash"}, {"type": "tool_search_tool_bm25", "name": "s"},
        ],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        "messages": [
            {"role": "user", "content": [
                {"type": "document", "title": "t", "source": {"type": "content", "content": [png.clone()]}},
                {"type": "search_result", "source": "s", "content": [{"type": "text", "text": "x"}]},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "h", "signature": "s"},
                {"type": "server_tool_use", "name": "w", "input": {"q": 1}},
                {"type": "web_search_tool_result", "content": [{"encrypted_content": "e", "title": "t"}]},
                {"type": "tool_use", "id": "tgb_Og", "name": "f", "input": {"x": 1}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "tgb_Og", "is_error": true, "content": [png]},
                {"type": "text", "text": "u", "citations": [{}]},
            ]},
            {"role": "system", "content": "r"},
        ],
    })
}

/// The places of all values.
fn places(value: &Value, place: &str, out: &mut Vec<String>) {
    out.push(place.to_owned());
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| places(value, &format!("{place}/{key}"), out)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(at, value)| places(value, &format!("{place}/{at}"), out));
        }
        _ => {}
    }
}

proptest! {
    /// Whatever stands in whatever place: a chat, or a mistake that begins with a field's name.
    #[test]
    fn any_request_becomes_a_chat_or_a_mistake(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize), 0..4),
        engine in prop::sample::select(&Engine::ALL[..]),
    ) {
        let mut asked = everything();
        for (place, value) in edits {
            let mut all = vec![];
            places(&asked, "", &mut all);
            let values = [
                json!(null), json!(true), json!(0), json!(-1.5), json!(""), json!("x\"\n"), json!([]), json!({}),
                json!([[{}], 7]), json!({"type": "text", "text": "x"}), json!({"type": "x"}), json!("error"),
            ];
            *asked.pointer_mut(&all[place.index(all.len())]).unwrap() = values[value].clone();
        }
        let body = asked.to_string();
        for ask in [request, count_request] {
            match ask(body.as_bytes(), &server(engine)) {
                Ok(Asked { body, ignored, .. }) => {
                    let chat: Value = serde_json::from_slice(&body).unwrap();
                    prop_assert!(chat["model"].is_string() && !chat["messages"].as_array().unwrap().is_empty());
                    prop_assert!(ignored.iter().all(|name| name.bytes().all(|byte| (0x20..0x7f).contains(&byte))));
                }
                Err(Mistake { message }) => {
                    let field = message.split([':', '.']).next().unwrap();
                    prop_assert!(everything().get(field).is_some() || message.starts_with("the body"), "{message}");
                }
            }
        }
        let _ = (session(body.as_bytes()), model(body.as_bytes()));
    }
}
