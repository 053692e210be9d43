//! Clients that read calls as text: by what a request says, and by the configuration's rules.

use serde_json::{Value, json};
use toolgate::Dialects;
use toolgate::config::{AgentRule, Config, DialectChoice, OllamaApi, Pool};

use crate::harness::{PATIENCE, Upstream, ask, config, gateway_of, ok, peer, pool, post};

const CALL: &str = "Now: <tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>";
const BLOCK: &str =
    "Now:\n\n<tool_call>\n{\n  \"name\": \"f\",\n  \"arguments\": {\n    \"a\": 1\n  }\n}\n</tool_call>";

fn body(members: &Value) -> String {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body.to_string()
}

fn hermes(at: std::net::SocketAddr) -> Pool {
    let hermes = Dialects::builtin().get("hermes").unwrap().clone();
    Pool { dialect: DialectChoice::Named(hermes), ..pool("default", vec![peer(at)]) }
}

fn answer() -> String {
    json!({"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": CALL}}]})
        .to_string()
}

/// What the client gets as text.
fn text(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap();
    answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_request_says_how_it_wants_calls_and_no_server_hears_of_it() {
    let (upstream, requests) = Upstream::answering(|_| ok(&answer()));
    let gateway = gateway_of(config(vec![hermes(upstream.address)]));
    for (said, expected) in [
        (json!({}), "Now: "),
        (json!({"agent_format": "openai"}), "Now: "),
        (json!({"agent_format": "xml"}), BLOCK),
        (json!({"agent_format": "passthrough"}), CALL),
        (json!({"tool_call_tags": "A,B"}), "Now: A{\"name\":\"f\",\"arguments\":{\"a\": 1}}B"),
    ] {
        let got = ask(gateway.addr, post("/v1/chat/completions", &body(&said)));
        assert_eq!(text(&got.text()), expected, "{said}");
        let seen = requests.recv_timeout(PATIENCE).unwrap().text();
        assert!(!seen.contains("agent_format") && !seen.contains("tool_call_tags"), "{seen}");
    }
    // Where there are no tools, there is nothing to write; the member is the gateway's all the same.
    let plain = r#"{ "model":"m", "messages":[{"role":"user","content":"x"}] ,"agent_format":"xml"}"#;
    assert_eq!(text(&ask(gateway.addr, post("/v1/chat/completions", plain)).text()), CALL);
    let seen = requests.recv_timeout(PATIENCE).unwrap().text();
    assert_eq!(seen, r#"{ "model":"m", "messages":[{"role":"user","content":"x"}]}"#);
}

#[test]
fn a_format_that_is_none_is_refused() {
    let (upstream, requests) = Upstream::answering(|_| ok(&answer()));
    let gateway = gateway_of(config(vec![hermes(upstream.address)]));
    for (said, word) in [
        (json!({"agent_format": "custom"}), "agent_format `custom` is none"),
        (json!({"tool_call_tags": "A,B,C"}), "tool_call_tags: tags are"),
    ] {
        let got = ask(gateway.addr, post("/v1/chat/completions", &body(&said)));
        let error: Value = serde_json::from_str(&got.text()).unwrap();
        assert_eq!((got.status(), error["error"]["code"].as_str()), (400, Some("invalid_agent_format")));
        assert!(error["error"]["message"].as_str().unwrap().contains(word), "{error}");
    }
    assert!(requests.try_recv().is_err(), "no server was asked");
}

/// The agents of a configuration file.
fn agents(rules: &str) -> Vec<AgentRule> {
    struct Nothing;
    impl toolgate::config::Surroundings for Nothing {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }
        fn dialects(&self, _: &str) -> Result<Vec<(String, String)>, String> {
            Ok(Vec::new())
        }
        fn file(&self, name: &str) -> Result<(String, String), String> {
            Err(name.to_owned())
        }
    }
    let yaml = format!("pools: [{{name: p, peers: ['http://127.0.0.1:1']}}]\nagents:\n{rules}");
    Config::from_yaml(&yaml, "toolgate.yaml", &Nothing).unwrap().view.agents
}

#[test]
fn other_apis_have_one_form_of_calls() {
    let (upstream, _requests) = Upstream::answering(|_| ok(&answer()));
    let mut config = config(vec![hermes(upstream.address)]);
    config.view.agents = agents("  - {model: 'm*', format: xml}\n  - {format: auto}\n");
    config.view.ollama_api = Some(OllamaApi::default());
    let gateway = gateway_of(config);
    let messages = r#""messages":[{"role":"user","content":"hi"}],"stream":false"#;
    let tool = r#""name":"f","description":"d""#;
    for model in ["m", "other"] {
        let anthropic =
            format!(r#"{{"model":"{model}",{messages},"max_tokens":9,"tools":[{{{tool},"input_schema":{{}}}}]}}"#);
        let answer = ask(gateway.addr, post("/v1/messages", &anthropic)).json();
        assert_eq!(answer["content"][1]["input"], json!({ "a": 1 }), "{answer}");
        let function = format!(r#"{{"type":"function","function":{{{tool},"parameters":{{}}}}}}"#);
        let ollama = format!(r#"{{"model":"{model}",{messages},"tools":[{function}]}}"#);
        let answer = ask(gateway.addr, post("/api/chat", &ollama)).json();
        assert_eq!(answer["message"]["tool_calls"][0]["function"]["arguments"], json!({ "a": 1 }), "{answer}");
    }
}

#[test]
fn the_first_rule_that_fits_says_it_for_clients_that_cannot() {
    let (upstream, _requests) = Upstream::answering(|_| ok(&answer()));
    let mut config = config(vec![hermes(upstream.address)]);
    config.view.agents = agents(
        "  - {user_agent: '*reader*', model: 'other*', tags: 'X,Y'}\n  \
           - {user_agent: '*reader*', format: xml}\n  \
           - {key: sesame, format: passthrough}\n  \
           - {path: '/v1/*', format: auto}\n",
    );
    let gateway = gateway_of(config);
    for (fields, members, expected) in [
        ("User-Agent: The Reader/1\r\n", json!({}), BLOCK),
        ("User-Agent: The Reader/1\r\n", json!({"agent_format": "openai"}), "Now: "),
        (
            "User-Agent: The Reader/1\r\n",
            json!({"model": "other-7b"}),
            "Now: X{\"name\":\"f\",\"arguments\":{\"a\": 1}}Y",
        ),
        ("Authorization: Bearer sesame\r\n", json!({}), CALL),
        ("Authorization: Bearer sesamo\r\n", json!({}), "Now: "),
        ("User-Agent: OpenAI/Python 2.0\r\n", json!({"model": "llama"}), "Now: "),
        ("X-Agent-Type: xml\r\n", json!({}), BLOCK),
    ] {
        let body = body(&members);
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{fields}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(text(&ask(gateway.addr, request).text()), expected, "{fields}{members}");
    }
}
