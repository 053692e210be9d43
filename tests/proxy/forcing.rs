//! Required calls at servers that take grammars, and at some that do not.

use serde_json::json;

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

fn has_grammar(request: &Message) -> bool {
    request.json().get("grammar").is_some()
}

#[test]
fn a_server_that_refuses_a_grammar_is_asked_without_and_given_none_again() {
    for status in ["400 Bad Request", "500 Internal Server Error"] {
        check_refusal(status);
    }
}

fn check_refusal(status: &'static str) {
    let (upstream, requests) =
        Upstream::answering(
            move |request| {
                if has_grammar(request) { refused(status, "Failed to parse grammar") } else { answer() }
            },
        );
    let gateway = gateway_of(config(vec![pool("main", vec![peer(upstream.address)])]));
    for grammars in [&[true, false][..], &[false], &[false]] {
        let answer = ask(gateway.addr, chat("required", ""));
        assert_eq!((answer.status(), answer.field("x-toolgate-required-call")), (200, Some("prompted")));
        let message = &answer.json()["choices"][0]["message"];
        assert_eq!(message["tool_calls"][0]["function"]["name"], "now", "{}", answer.text());
        for expected in grammars {
            let sent = requests.recv_timeout(PATIENCE).unwrap();
            assert_eq!(has_grammar(&sent), *expected);
            assert!(sent.text().contains("now"), "the tools are in the prompt");
        }
    }
    let page = || ask(gateway.admin_addr.unwrap(), get("/metrics")).text();
    for counted in [
        r#"toolgate_required_call_answers_total{dialect="hermes",outcome="prompted"} 3"#,
        r#"toolgate_retries_total{pool="main",reason="ungrammatical"} 1"#,
    ] {
        // A request is counted when it is over, which its client may know sooner.
        wait_until(counted, || page().contains(counted));
    }
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
    let grammars: Vec<_> = (0..4).map(|_| has_grammar(&requests.recv_timeout(PATIENCE).unwrap())).collect();
    assert_eq!(grammars, [true, false, true, false]);
    assert!(requests.try_recv().is_err());
}

#[test]
fn a_server_that_fails_for_another_reason_is_not_asked_twice() {
    let (upstream, requests) = Upstream::answering(|_| refused("500 Internal Server Error", "the model has died"));
    let gateway = gateway_of(config(vec![pool("main", vec![peer(upstream.address)])]));
    assert_eq!(ask(gateway.addr, chat("required", "")).status(), 500);
    assert!(has_grammar(&requests.recv_timeout(PATIENCE).unwrap()) && requests.try_recv().is_err());
}
