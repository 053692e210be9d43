//! `dialect: auto` asks the servers once, when tools are first offered, and again when one has come back.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use toolgate::config::{DialectChoice, Pool, ToolsChoice};
use toolgate::decode::Reasoning;
use toolgate::engine::Engine;
use toolgate::mock::{Answer, Mock, Script, When, Written};

use crate::harness::{Upstream, ask, config, dead_address, gateway_of, get, ok, peer, pool, post};

const OFFER: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#;

/// A server that tells its template, and how often it was asked.
fn server(template: &'static str) -> (Upstream, Arc<AtomicUsize>) {
    server_at("127.0.0.1:0".parse().unwrap(), template)
}

fn server_at(address: SocketAddr, template: &'static str) -> (Upstream, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let (upstream, _) = Upstream::answering_at(address, move |request| {
        if request.first_line.starts_with("GET /props") {
            counted.fetch_add(1, Ordering::SeqCst);
            return ok(&serde_json::json!({"total_slots": 1, "chat_template": template}).to_string());
        }
        ok("{}")
    });
    (upstream, asked)
}

#[test]
fn a_pool_is_asked_once_and_only_when_tools_are_offered() {
    let (upstream, asked) = server("<tool_call> <tools> add_generation_prompt");
    let mut pool = pool("default", vec![peer(upstream.address)]);
    pool.dialect = DialectChoice::Auto;
    let gateway = gateway_of(config(vec![pool]));
    assert_eq!(ask(gateway.addr, post("/v1/chat/completions", r#"{"messages":[]}"#)).status(), 200);
    assert_eq!(ask(gateway.addr, get("/v1/models")).status(), 200);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    for _ in 0..3 {
        assert_eq!(ask(gateway.addr, post("/v1/chat/completions", OFFER)).status(), 200);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

/// The dialect that was named stays.
#[test]
fn a_template_says_how_reasoning_begins() {
    const SAID: &str = r#"{"choices":[{"index":0,"message":{"content":"so</think>yes"},"finish_reason":"stop"}]}"#;
    const OPENED: &str = "<tool_call><function=<parameter= {% if add_generation_prompt %}<think>{% endif %}";
    let read = |template: &'static str, reasoning| {
        let (upstream, _requests) = Upstream::answering(move |request| match request.first_line.as_str() {
            line if line.starts_with("GET /props") => ok(&serde_json::json!({"chat_template": template}).to_string()),
            _ => ok(SAID),
        });
        let mut pool = pool("default", vec![peer(upstream.address)]);
        pool.reasoning = reasoning;
        let answer = ask(gateway_of(config(vec![pool])).addr, post("/v1/chat/completions", OFFER)).json();
        let message = &answer["choices"][0]["message"];
        (message["reasoning_content"].clone(), message["content"].clone())
    };
    assert_eq!(read(OPENED, Reasoning::Auto), ("so".into(), "yes".into()));
    assert_eq!(read(OPENED, Reasoning::Off), (serde_json::Value::Null, "so</think>yes".into()));
    assert_eq!(read("plain", Reasoning::Auto), (serde_json::Value::Null, "so</think>yes".into()));
}

/// What became of the tools of a request, at a server with this template that writes such prompts.
fn tools_at(template: &'static str, written: &'static str, dialect: DialectChoice) -> &'static str {
    let rehearsed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&rehearsed);
    let (upstream, requests) = Upstream::answering(move |request| match request.first_line.as_str() {
        line if line.starts_with("GET /props") => ok(&serde_json::json!({"chat_template": template}).to_string()),
        line if line.starts_with("POST /apply-template") => {
            let body = request.json();
            if body["messages"].as_array().unwrap().len() > 1 {
                return ok("{}");
            }
            counted.fetch_add(1, Ordering::SeqCst);
            let tool = body["tools"][0]["function"]["name"].as_str().unwrap();
            assert_eq!(
                (body["tool_choice"].as_str(), body["messages"][0]["role"].as_str()),
                (Some("none"), Some("user"))
            );
            match written {
                "" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
                written => ok(&serde_json::json!({"prompt": written.replace("TOOL", tool)}).to_string()),
            }
        }
        _ => ok("{}"),
    });
    let mut pool = pool("default", vec![peer(upstream.address)]);
    (pool.dialect, pool.tools) = (dialect, ToolsChoice::Auto);
    let gateway = gateway_of(config(vec![pool]));
    let mut modes: Vec<_> = (0..2)
        .map(|_| {
            assert_eq!(ask(gateway.addr, post("/v1/chat/completions", OFFER)).status(), 200);
            let sent = requests.iter().find(|request| request.first_line.starts_with("POST /v1/chat")).unwrap().json();
            match (sent.get("tools"), sent.get("tool_choice")) {
                (None, None) => "inject",
                (Some(_), Some(choice)) if choice == "none" => "parse",
                (Some(_), None) => "native",
                other => panic!("{other:?}"),
            }
        })
        .collect();
    modes.dedup();
    assert_eq!(modes.len(), 1, "{modes:?}");
    assert_eq!(rehearsed.load(Ordering::SeqCst), 1);
    modes[0]
}

/// The template decides, once, and only where its family is what is read.
#[test]
fn tools_go_as_the_template_can_have_them() {
    const TAGS: &str = "<tool_call> tools";
    let named = |name: &str| DialectChoice::Named(Arc::clone(toolgate::Dialects::builtin().get(name).unwrap()));
    let auto = || DialectChoice::Auto;
    for (template, written, dialect, expected) in [
        (TAGS, "<tools>TOOL</tools>", auto(), "parse"),
        (TAGS, "no such thing", auto(), "inject"),
        (TAGS, "", auto(), "inject"),
        (TAGS, "<tools>TOOL</tools>", named("hermes"), "parse"),
        // Another family than the one that is read.
        (TAGS, "<tools>TOOL</tools>", named("gemma4"), "inject"),
        ("of a family that nobody knows", "TOOL", auto(), "inject"),
        // Their text would reach nobody.
        ("<|channel|>", "TOOL", auto(), "native"),
        ("<|channel|>", "TOOL", named("hermes"), "inject"),
        (">>>all >>>${recipient}", "TOOL", auto(), "native"),
        ("<|open|> <|close|> <|end_of_msg|>", "TOOL", auto(), "native"),
    ] {
        assert_eq!(tools_at(template, written, dialect), expected, "{template}: {written}");
    }
}

/// A server that shows no template, and perhaps keeps from its model what may not be called.
#[test]
fn tools_that_a_prompt_would_leave_out_are_injected_whatever_is_configured() {
    for (pages, writes, tools, expected) in [
        ("vllm", json!(["tools", "calls"]), ToolsChoice::Parse, "by the template"),
        ("vllm", json!(["callable-tools", "calls"]), ToolsChoice::Parse, "in the prompt"),
        // Not every build has the page.
        ("vllm", json!(null), ToolsChoice::Parse, "by the template"),
        // Of which family its template is nobody knows.
        ("vllm", json!(["tools", "calls"]), ToolsChoice::Auto, "in the prompt"),
        ("llama.cpp", json!(["callable-tools", "calls"]), ToolsChoice::Parse, "in the prompt"),
    ] {
        let script = json!({ "pages": pages, "chat_template": "<tool_call>", "template_writes": writes, "answers": [
            { "when": { "anywhere": "\"tools\":" }, "text": "by the template" },
            { "when": { "anywhere": "<tools>" }, "text": "in the prompt" },
        ]});
        let mock = Mock::start("127.0.0.1:0", Script::from_yaml(&script.to_string()).unwrap()).unwrap();
        let engine = if pages == "vllm" { Engine::Vllm } else { Engine::LlamaCpp };
        let pool = Pool { engine, tools, dialect: DialectChoice::Auto, ..pool("default", vec![peer(mock.addr())]) };
        let offer = OFFER.replace("\"m\"", "\"qwen3-8b\"");
        let answer = ask(gateway_of(config(vec![pool])).addr, post("/v1/chat/completions", &offer)).json();
        assert_eq!(answer["choices"][0]["message"]["content"], expected, "{pages} {writes} {tools:?}");
    }
}

/// A turn with two calls, in each of the forms that a template may keep.
#[test]
fn what_a_template_would_drop_of_the_past_is_written_as_text() {
    let call = |id| serde_json::json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let result = |id| serde_json::json!({"role": "tool", "tool_call_id": id, "content": "18"});
    let user = serde_json::json!({"role": "user", "content": "hi"});
    let turn = serde_json::json!({"role": "assistant", "content": "", "tool_calls": [call("a"), call("b")]});
    let tools = serde_json::json!([{"type": "function", "function": {"name": "f"}}]);
    let body = serde_json::json!({"model": "m", "tools": tools, "messages": [user, turn, result("a"), result("b")]});
    for (writes, dialect, expected) in [
        (vec![Written::Tools, Written::Calls], "auto", "as it came"),
        (vec![Written::Tools, Written::FirstCalls], "auto", "one by one"),
        (vec![Written::Tools], "auto", "as text"),
        // Beside tools in the prompt this dialect's past is text in any case, and this one's is the template's.
        (vec![Written::Calls], "auto", "as text"),
        (vec![Written::FirstCalls], "gemma4", "one by one"),
        (vec![], "gemma4", "as it came"),
    ] {
        let sign = if dialect == "auto" { "<tool_call>" } else { "<|tool_call>call:" };
        let mut script = Script::always(Answer::text("as it came"));
        let found = |text: &str, sign: &str| {
            let when = When { anywhere: Some(sign.to_owned()), ..When::default() };
            Answer { when, ..Answer::text(text) }
        };
        script.answers.insert(0, found("as text", "<tool_response>"));
        script.answers.insert(0, found("one by one", r#""content":null,"tool_calls":["#));
        (script.chat_template, script.template_writes) = (sign.to_owned(), Some(writes.clone()));
        let mock = Mock::start("127.0.0.1:0", script).unwrap();
        let mut pool = pool("default", vec![peer(mock.addr())]);
        (pool.dialect, pool.tools) = (DialectChoice::Auto, ToolsChoice::Auto);
        let answer = ask(gateway_of(config(vec![pool])).addr, post("/v1/chat/completions", &body.to_string())).json();
        assert_eq!(answer["choices"][0]["message"]["content"], expected, "{writes:?} {dialect}");
    }
}

/// Writing a prompt would wake it.
#[test]
fn a_server_that_sleeps_is_not_asked_to_write() {
    let (upstream, requests) = Upstream::answering(|request| match request.first_line.as_str() {
        line if line.starts_with("GET /props") => ok(r#"{"chat_template":"<tool_call>","is_sleeping":true}"#),
        _ => ok("{}"),
    });
    let mut pool = pool("default", vec![peer(upstream.address)]);
    (pool.dialect, pool.tools) = (DialectChoice::Auto, ToolsChoice::Auto);
    let gateway = gateway_of(config(vec![pool]));
    assert_eq!(ask(gateway.addr, post("/v1/chat/completions", OFFER)).status(), 200);
    drop((gateway, upstream));
    let asked: Vec<_> = requests.iter().map(|request| request.first_line).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
}

#[test]
fn a_server_that_does_not_tell_is_no_failure() {
    let (upstream, _requests) = Upstream::answering(|request| {
        if request.first_line.starts_with("GET /props") {
            return b"HTTP/1.1 503 Loading\r\nContent-Length: 0\r\n\r\n".to_vec();
        }
        ok("{}")
    });
    let mut pool = pool("default", vec![peer(upstream.address)]);
    pool.dialect = DialectChoice::Auto;
    let gateway = gateway_of(config(vec![pool]));
    assert_eq!(ask(gateway.addr, post("/v1/chat/completions", OFFER)).status(), 200);
}

#[test]
fn a_server_that_never_came_back_is_not_asked_again() {
    let (upstream, asked) = server("x");
    let mut pool = pool("default", vec![peer(dead_address()), peer(upstream.address)]);
    pool.dialect = DialectChoice::Auto;
    let gateway = gateway_of(config(vec![pool]));
    for _ in 0..2 {
        assert_eq!(ask(gateway.addr, post("/v1/chat/completions", OFFER)).status(), 200);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_pool_is_asked_again_when_a_server_has_come_back() {
    // On an address of its own: no other test comes to listen there meanwhile.
    let address = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let mut pool = pool("default", vec![peer(address)]);
    pool.dialect = DialectChoice::Auto;
    let gateway = gateway_of(config(vec![pool]));
    let status = || ask(gateway.addr, post("/v1/chat/completions", OFFER)).status();
    assert_eq!(status(), 502);
    let (_upstream, asked) = server_at(address, "<tool_call> <tools> add_generation_prompt");
    // The one that finds it alive goes by the model's name still.
    for expected in [0, 1, 1] {
        assert_eq!((status(), asked.load(Ordering::SeqCst)), (200, expected));
    }
}
