//! Required calls at servers that take grammars, and at some that do not.

use serde_json::json;
use toolgate::engine::Engine;

use crate::harness::{Message, PATIENCE, Upstream, ask, config, gateway_of, get, ok, peer, pool, post, wait_until};

const CALL: &str = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
const TOOLS: &str = r#"[{"type":"function","function":{"name":"now","parameters":{"type":"object","properties":{}}}}]"#;

fn chat(choice: &str, more: &str) -> String {
    let members = format!(r#""tools":{TOOLS},"tool_choice":"{choice}"{more}"#);
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{members}}}"#);
    post("/v1/chat/completions", &body).replace("Host", "X-Toolgate-Explain: 1\r\nHost")
}

fn refused(status: &str, why: &str) -> Vec<u8> {
    let body = json!({"error": {"message": why}}).to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    format!("{head}\r\n\r\n{body}").into_bytes()
}

fn answer() -> Vec<u8> {
    let message = json!({"role": "assistant", "content": CALL});
    ok(&json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).to_string())
}

/// What a request has to say of its answer, besides in its prompt.
fn constraint(request: &Message) -> &'static str {
    let request = request.json();
    match (request.get("grammar"), request.get("response_format")) {
        (Some(_), None) => "grammar",
        (None, Some(_)) => "schema",
        (None, None) => "nothing",
        (Some(_), Some(_)) => "both",
    }
}

/// A server that takes no grammar, and one that takes no schema either, by what it complains of: what it is asked, request
/// by request, and what the answer says.
#[test]
fn a_server_that_refuses_a_constraint_is_given_a_weaker_one_and_no_stronger_again() {
    let (bad, failed) = ("400 Bad Request", "500 Internal Server Error");
    let object: [(&[_], _); 3] = [(&["grammar", "schema"], "object"), (&["schema"], "object"), (&["schema"], "object")];
    let prompt: [(&[_], _); 3] =
        [(&["grammar", "schema", "nothing"], "prompted"), (&["nothing"], "prompted"), (&["nothing"], "prompted")];
    // One that does not say what it is that it refuses is asked for no more than before in the same request.
    let vague: [(&[_], _); 3] =
        [(&["grammar", "nothing"], "prompted"), (&["schema"], "object"), (&["schema"], "object")];
    let mute: [(&[_], _); 3] =
        [(&["grammar", "nothing"], "prompted"), (&["schema", "nothing"], "prompted"), (&["nothing"], "prompted")];
    check_refusal((bad, "Failed to parse grammar"), &["grammar"], object);
    check_refusal((failed, "Failed to parse grammar"), &["grammar"], object);
    check_refusal((bad, "neither a grammar nor a schema"), &["grammar", "schema"], prompt);
    check_refusal((bad, "unknown field"), &["grammar"], vague);
    check_refusal((bad, "unknown field"), &["grammar", "schema"], mute);
}

fn check_refusal(refusal: (&'static str, &'static str), refuses: &'static [&str], expected: [(&[&str], &str); 3]) {
    let (upstream, requests) = Upstream::answering(move |request| {
        if refuses.contains(&constraint(request)) { refused(refusal.0, refusal.1) } else { answer() }
    });
    let gateway = gateway_of(config(vec![pool("main", vec![peer(upstream.address)])]));
    let (mut retries, mut outcomes) = (0, std::collections::BTreeMap::new());
    for (constraints, outcome) in expected {
        let answer = ask(gateway.addr, chat("required", ""));
        assert_eq!((answer.status(), answer.field("x-toolgate-required-call")), (200, Some(outcome)), "{refusal:?}");
        let message = &answer.json()["choices"][0]["message"];
        assert_eq!(message["tool_calls"][0]["function"]["name"], "now", "{}", answer.text());
        for expected in constraints {
            let sent = requests.recv_timeout(PATIENCE).unwrap();
            assert_eq!(constraint(&sent), *expected, "{refusal:?}");
            assert!(sent.text().contains("now"), "the tools are in the prompt");
        }
        retries += constraints.len() - 1;
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    let page = || ask(gateway.admin_addr.unwrap(), get("/metrics")).text();
    let outcomes = outcomes.into_iter().map(|(outcome, count)| {
        format!(r#"toolgate_required_call_answers_total{{dialect="hermes",outcome="{outcome}"}} {count}"#)
    });
    let retried = format!(r#"toolgate_retries_total{{pool="main",reason="ungrammatical"}} {retries}"#);
    for counted in outcomes.chain([retried]) {
        // A request is counted when it is over, which its client may know sooner.
        wait_until(&counted, || page().contains(&counted));
    }
}

/// Where a model is held to a schema, its answer is that object, or its own form where the server did not care.
#[test]
fn an_answer_that_is_a_json_object_is_a_call() {
    let (upstream, requests) = Upstream::answering(|request| {
        if request.first_line.contains("/api/show") {
            return refused("404 Not Found", "nothing is told");
        }
        let format = &request.json()["format"];
        assert_eq!(format["properties"]["name"]["const"], "now", "{format}");
        let message = json!({"role": "assistant", "content": r#"{"name": "now", "arguments": {}}"#});
        ok(&json!({"message": message, "done": true, "done_reason": "stop"}).to_string())
    });
    let mut main = pool("main", vec![peer(upstream.address)]);
    main.engine = Engine::Ollama;
    let gateway = gateway_of(config(vec![main]));
    let answer = ask(gateway.addr, chat("required", ""));
    assert_eq!((answer.status(), answer.field("x-toolgate-required-call")), (200, Some("object")));
    let choice = &answer.json()["choices"][0];
    let function = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!((&function["name"], &function["arguments"]), (&json!("now"), &json!("{}")), "{choice}");
    assert_eq!(choice["finish_reason"], "tool_calls");
    let chats = requests.try_iter().filter(|request| request.first_line == "POST /api/chat HTTP/1.1");
    assert_eq!(chats.count(), 1);
}

#[test]
fn a_request_that_is_refused_without_a_grammar_too_says_nothing_of_grammars() {
    let (upstream, requests) = Upstream::answering(|request| {
        if request.text().contains("too long") {
            refused("400 Bad Request", "the prompt is too long")
        } else {
            answer()
        }
    });
    let gateway = gateway_of(config(vec![pool("main", vec![peer(upstream.address)])]));
    let long = ask(gateway.addr, chat("required", r#","user":"too long""#));
    assert_eq!((long.status(), long.json()["error"]["message"].as_str()), (400, Some("the prompt is too long")));
    let forced = ask(gateway.addr, chat("required", ""));
    assert_eq!((forced.status(), forced.field("x-toolgate-required-call")), (200, Some("forced")));
    // Where nothing is forced, nothing is asked twice.
    assert_eq!(ask(gateway.addr, chat("auto", r#","user":"too long""#)).status(), 400);
    let constraints: Vec<_> = (0..4).map(|_| constraint(&requests.recv_timeout(PATIENCE).unwrap())).collect();
    assert_eq!(constraints, ["grammar", "nothing", "grammar", "nothing"]);
    assert!(requests.try_recv().is_err());
}

#[test]
fn a_conversation_that_its_server_calls_too_long_is_not_asked_twice() {
    let (upstream, requests) =
        Upstream::answering(|_| refused("400 Bad Request", "request (9 tokens) exceeds the available context size"));
    let gateway = gateway_of(config(vec![pool("main", vec![peer(upstream.address)])]));
    let long = ask(gateway.addr, chat("required", ""));
    assert_eq!(long.status(), 400);
    assert!(long.text().contains("exceeds the available context size"), "{}", long.text());
    assert_eq!(constraint(&requests.recv_timeout(PATIENCE).unwrap()), "grammar");
    assert!(requests.try_recv().is_err());
}

#[test]
fn a_server_that_fails_for_another_reason_is_not_asked_twice() {
    let (upstream, requests) = Upstream::answering(|_| refused("500 Internal Server Error", "the model has died"));
    let gateway = gateway_of(config(vec![pool("main", vec![peer(upstream.address)])]));
    assert_eq!(ask(gateway.addr, chat("required", "")).status(), 500);
    assert_eq!(constraint(&requests.recv_timeout(PATIENCE).unwrap()), "grammar");
    assert!(requests.try_recv().is_err());
}
