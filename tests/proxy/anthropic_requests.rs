//! Requests of Anthropic's clients: what of them goes to a server, what stays here, and what is noted of them.

use std::sync::mpsc::Receiver;

use serde_json::{Value, json};
use toolgate::api::anthropic::HostedTools;
use toolgate::config::{Messages, Pool, Secret, ToolsChoice};

use crate::access::{line_of, named};
use crate::anthropic::{STREAM, TOOLS, llama, message, told, with};
use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, config, gateway_of, get, models, ok, peer, pool, post, wait_until,
};
use crate::led::answering;
use crate::prometheus::Page;

const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

fn server() -> (Upstream, Receiver<Message>) {
    answering(|request| (!request.first_line.contains("/props")).then(|| ok(ANSWER)))
}

#[test]
fn a_message_goes_up_as_a_chat() {
    let (upstream, requests) = server();
    for tools in [ToolsChoice::Inject, ToolsChoice::Parse, ToolsChoice::Native] {
        let gateway = gateway_of(config(vec![Pool { tools, ..pool("p", vec![peer(upstream.address)]) }]));
        for more in ["", STREAM, TOOLS] {
            let request = message("hi", &format!(r#"{more},"system":"Be kind.","stop_sequences":["END"]"#));
            ask(gateway.addr, request.replacen("/v1/messages", "/v1/messages?beta=true", 1));
            let up = requests.recv_timeout(PATIENCE).unwrap();
            assert_eq!(up.first_line, "POST /v1/chat/completions HTTP/1.1");
            let up = up.json();
            let [system, user] = &up["messages"].as_array().unwrap()[..] else { panic!("{up}") };
            assert!(system["role"] == "system" && system["content"].as_str().unwrap().contains("Be kind."), "{up}");
            assert_eq!((&user["role"], &user["content"]), (&json!("user"), &json!("hi")));
            assert_eq!((&up["max_tokens"], &up["stop"]), (&json!(100), &json!(["END"])));
            let is_injected = tools == ToolsChoice::Inject && more == TOOLS;
            assert_eq!(system["content"].as_str().unwrap().contains("weather"), is_injected, "{up}");
            assert_eq!(up.get("tools").is_some(), more == TOOLS && !is_injected, "{up}");
        }
    }
}

#[test]
fn the_head_is_for_here_and_the_key_is_the_servers() {
    let (upstream, requests) = server();
    let own = "Authorization: Bearer peers";
    let fields = "anthropic-version: 2023-06-01\r\nAnthropic-Beta: a,b\r\nanthropic-dangerous-direct-browser-access: true\r\n\
                  X-Stainless-Lang: js\r\nX-App: cli\r\nX-Claude-Code-Session-Id: s";
    for (key, peers, expected) in [
        ("x-api-key: K", None, Some("Bearer K")),
        ("Authorization: Bearer K", None, Some("Bearer K")),
        ("x-api-key: K\r\nAuthorization: Bearer A", None, Some("Bearer A")),
        ("x-api-key: K", Some("peers"), own.strip_prefix("Authorization: ")),
        ("Authorization: Bearer K", Some("peers"), own.strip_prefix("Authorization: ")),
        ("X-Other: 1", None, None),
    ] {
        let mut peer = peer(upstream.address);
        peer.api_key = peers.map(|key| Secret::new(key.to_owned()));
        let gateway = gateway_of(config(vec![pool("p", vec![peer])]));
        for more in ["", TOOLS] {
            ask(gateway.addr, with(&message("hi", more), &format!("{key}\r\n{fields}")));
            let up = requests.recv_timeout(PATIENCE).unwrap();
            assert_eq!(up.field("authorization"), expected, "{key}");
            let left: Vec<_> = up.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            let is_its = |name: &&String| {
                ["anthropic-", "x-stainless-", "x-app", "x-api-key", "x-claude"].iter().any(|its| name.starts_with(its))
            };
            assert_eq!(left.iter().find(is_its), None, "{left:?}");
        }
    }
}

#[test]
fn nobody_is_told_of_the_conversation() {
    let (upstream, requests) = server();
    let gateway = gateway_of(config(vec![pool("p", vec![peer(upstream.address)])]));
    let user = Value::from(r#"{"device_id":"secret","session_id":"secret"}"#);
    ask(gateway.addr, message("hi", &format!(r#","metadata":{{"user_id":{user}}}"#)));
    assert!(!requests.recv_timeout(PATIENCE).unwrap().text().contains("secret"));
}

#[test]
fn what_had_no_effect_is_named() {
    let (upstream, requests) = server();
    let pool = Pool { hosted_tools: HostedTools::Drop, ..pool("p", vec![peer(upstream.address)]) };
    let gateway = gateway_of(config(vec![pool]));
    let search = r#","tools":[{"type":"web_search_20250305","name":"web_search"}]"#;
    let edits = r#","context_management":{"edits":[]}"#;
    for (more, expected) in [
        (String::new(), None),
        (edits.to_owned(), Some("context_management")),
        (format!("{edits}{STREAM}"), Some("context_management")),
        (search.to_owned(), Some("web_search_20250305")),
    ] {
        let answer = ask(gateway.addr, message("hi", &more));
        let ignored = answer.field("x-toolgate-ignored");
        assert!(
            ignored.is_some() == expected.is_some()
                && ignored.unwrap_or_default().contains(expected.unwrap_or_default()),
            "{more}: {ignored:?}"
        );
        assert_eq!(requests.recv_timeout(PATIENCE).unwrap().json().get("tools"), None);
    }
    // The errors of such a request say it, too.
    let (broken, _requests) = Upstream::answering(|_| b"HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\n{}".to_vec());
    let gateway = gateway_of(config(vec![self::pool("p", vec![peer(broken.address)])]));
    let answer = ask(gateway.addr, message("hi", edits));
    assert_eq!((answer.status(), answer.field("x-toolgate-ignored")), (400, Some("context_management")));
}

#[test]
fn a_server_that_has_the_api_itself_gets_it_as_it_came() {
    let (upstream, requests) = Upstream::answering(|request| ok(&request.text()));
    let (other, _) = Upstream::answering(|_| ok(ANSWER));
    let passing =
        || Pool { messages: Messages::Pass, models: models(&["m"]), ..pool("p", vec![peer(upstream.address)]) };
    let chatting = Pool { models: models(&["other"]), ..pool("q", vec![peer(other.address)]) };
    for pools in [vec![passing()], vec![passing(), chatting]] {
        let gateway = gateway_of(config(pools));
        for path in ["/v1/messages?beta=true", "/v1/messages/count_tokens"] {
            let body = r#"{ "model":"m","tools":[{"name":"x"}],"stream" : true,"messages":[] }"#;
            let fields = "x-api-key: K\r\nanthropic-version: 2023-06-01\r\nX-Claude-Code-Session-Id: s";
            let answer = ask(gateway.addr, with(&post(path, body), fields));
            assert_eq!((answer.status(), answer.text().as_str()), (200, body));
            let up = requests.recv_timeout(PATIENCE).unwrap();
            assert_eq!((up.text().as_str(), &up.first_line), (body, &format!("POST {path} HTTP/1.1")));
            let own = ["x-api-key", "anthropic-version", "x-claude-code-session-id"];
            assert_eq!(own.map(|name| up.field(name)), [Some("K"), Some("2023-06-01"), Some("s")]);
        }
    }
}

#[test]
fn the_first_question_of_a_client_is_its_servers() {
    let (upstream, requests) = Upstream::answering(|_| b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec());
    let gateway = gateway_of(config(vec![pool("p", vec![peer(upstream.address)])]));
    let mut client = Wire::connect(gateway.addr);
    client.send(with(&get("/").replace("GET", "HEAD"), "anthropic-version: 2023-06-01"));
    assert_eq!(client.head().unwrap().status(), 404);
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().first_line, "HEAD / HTTP/1.1");
}

#[test]
fn their_requests_are_counted_and_logged_as_any_other() {
    let llama = llama();
    let gateway = gateway_of(config(vec![pool("p", vec![peer(llama.addr())])]));
    for (id, more) in [("messages-stream", STREAM), ("messages-whole", "")] {
        let answer = ask(gateway.addr, named(id, message("[[call]]", &format!("{TOOLS}{more}"))));
        assert_eq!(answer.field("request-id"), Some(id));
        let usage = told(&answer)["usage"].clone();
        let (_, line) = line_of(id);
        let facts = ["model", "path", "status", "outcome", "calls", "finish"].map(|key| line[key].clone());
        let expected = [json!("m"), json!("/v1/messages"), json!(200), json!("ok"), json!(1), json!("tool_calls")];
        assert_eq!(facts, expected, "{line}");
        assert_eq!(line["output_tokens"], usage["output_tokens"], "{line}");
    }
    let count = post("/v1/messages/count_tokens", r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#);
    assert_eq!(ask(gateway.addr, named("messages-count", count)).status(), 200);
    let (_, line) = line_of("messages-count");
    assert_eq!((&line["status"], &line["outcome"], &line["model"]), (&json!(200), &json!("ok"), &json!("m")), "{line}");
    let counted = |operation: &str| {
        let page = Page::parse(&ask(gateway.admin_addr.unwrap(), get("/metrics")).text());
        page.sum("toolgate_requests_total", &[("operation", operation), ("code", "200")]).unwrap_or_default()
    };
    wait_until("all are counted", || counted("other") == 1.0);
    assert_eq!(counted("chat"), 2.0, "a count is no chat");
}
