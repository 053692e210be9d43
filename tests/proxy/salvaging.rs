//! Servers that fail to parse what their model wrote, and tell it in an error: the client gets the call, or the text.

use bytes::Bytes;
use serde_json::json;
use toolgate::api::openai::{Folded, FoldedMessage, Folder};
use toolgate::config::{DialectChoice, Pool, ToolsChoice};
use toolgate::engine::Engine;
use toolgate::plan::Chats;

use crate::harness::{Upstream, ask, config, gateway_of, get, ok, peer, pool, post, wait_until};

const CALL: &str = r#"<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>"#;

fn chat(more: &str) -> String {
    let tools = r#"[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]"#;
    post(
        "/v1/chat/completions",
        &format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"tools":{tools}{more}}}"#),
    )
}

fn error(message: &str) -> String {
    json!({"error": {"code": 500, "message": message, "type": "server_error"}}).to_string()
}

fn refusal(message: &str) -> String {
    let body = error(message);
    let length = body.len();
    format!(
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// A server of this engine that refuses every chat with this message.
fn refusing(engine: Engine, tools: ToolsChoice, message: &str) -> (Upstream, Pool) {
    let answer = refusal(message);
    let upstream = Upstream::start(move |mut wire| {
        if wire.request().is_some() {
            wire.send(&answer);
        }
    });
    let pool = Pool { engine, tools, ..pool("main", vec![peer(upstream.address)]) };
    (upstream, pool)
}

fn message(folded: &Folded) -> FoldedMessage {
    folded.messages.get(&0).cloned().unwrap_or_default()
}

fn streamed(body: &[u8]) -> Folded {
    let mut folder = Folder::new(1 << 20);
    folder.push(Bytes::copy_from_slice(body));
    folder.finish()
}

#[test]
fn a_refusal_that_tells_the_models_text_is_read_as_its_answer() {
    for (engine, tools) in [
        (Engine::LlamaCpp, ToolsChoice::Inject),
        (Engine::Ollama, ToolsChoice::Inject),
        // Its server reads the calls.
        (Engine::LlamaCpp, ToolsChoice::Native),
        (Engine::Ollama, ToolsChoice::Native),
    ] {
        for (told, content, calls) in [
            (format!("Failed to parse input at pos 0: I look.\n{CALL}"), Some("I look.\n"), 1),
            ("Failed to parse input at pos 3: <tool_call>oops".to_owned(), Some("<tool_call>oops"), 0),
            (r#"error parsing tool call: raw='{"city":"Oslo"}]', err=invalid character ']'"#.to_owned(), None, 1),
        ] {
            let (_upstream, pool) = refusing(engine, tools, &told);
            let gateway = gateway_of(config(vec![pool]));
            // More often than a breaker allows to fail.
            for _ in 0..3 {
                let answers = [(r#","stream":true"#, "text/event-stream"), ("", "application/json; charset=utf-8")];
                for (more, content_type) in answers {
                    let answer = ask(gateway.addr, chat(more));
                    assert_eq!((answer.status(), answer.field("content-type")), (200, Some(content_type)), "{told}");
                    let folded = if more.is_empty() { Folded::from_body(&answer.body) } else { streamed(&answer.body) };
                    assert!((folded.done || more.is_empty()) && folded.error.is_none(), "{}", answer.text());
                    let message = message(&folded);
                    assert_eq!((message.content.as_deref(), message.tool_calls.len()), (content, calls), "{told}");
                    let finish = if calls > 0 { "tool_calls" } else { "stop" };
                    assert_eq!(message.finish_reason.as_deref(), Some(finish));
                    for call in message.tool_calls {
                        let arguments: serde_json::Value = serde_json::from_str(&call.function.arguments).unwrap();
                        assert_eq!((call.function.name.as_str(), arguments), ("weather", json!({"city": "Oslo"})));
                    }
                }
            }
            let counted = r#"toolgate_answers_total{pool="main",reading="salvaged"} 6"#;
            let page = || ask(gateway.admin_addr.unwrap(), get("/metrics")).text();
            // A request is counted when it is over, which its client may know sooner.
            wait_until("all answers are counted", || page().contains(counted));
        }
    }
}

#[test]
fn an_error_in_a_stream_that_tells_the_models_text_goes_on_with_it() {
    let event = |data: String| format!("data: {data}\n\n");
    let begun = event(json!({"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "I look.\n"}, "finish_reason": null}]}).to_string());
    let told = event(error(&format!("Failed to parse input at pos 8: {CALL}")));
    let upstream = Upstream::start(move |mut wire| {
        if wire.request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
            wire.chunk(&begun);
            wire.chunk(&told);
            wire.last_chunk();
        }
    });
    for tools in [ToolsChoice::Inject, ToolsChoice::Native] {
        let pool = Pool { tools, assemble: Chats::All, ..pool("main", vec![peer(upstream.address)]) };
        let gateway = gateway_of(config(vec![pool]));
        for more in [r#","stream":true"#, ""] {
            let answer = ask(gateway.addr, chat(more));
            let folded = if more.is_empty() { Folded::from_body(&answer.body) } else { streamed(&answer.body) };
            let message = message(&folded);
            let said = (message.content.as_deref(), message.tool_calls.len());
            assert_eq!(said, (Some("I look.\n"), 1), "{}", answer.text());
            assert_eq!((message.finish_reason.as_deref(), folded.error), (Some("tool_calls"), None));
        }
    }
}

#[test]
fn what_a_server_tells_that_reads_the_calls_is_read_as_its_template_writes() {
    for tools in [ToolsChoice::Auto, ToolsChoice::Native] {
        let told =
            "<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{\"city\": \"Oslo\"}<|call|>";
        let answer = refusal(&format!("Failed to parse input at pos 0: {told}"));
        let (upstream, requests) = Upstream::answering(move |request| {
            let is_chat = request.first_line.starts_with("POST /v1/chat");
            if is_chat { answer.clone().into_bytes() } else { ok(r#"{"chat_template":"<|channel|> <|message|>"}"#) }
        });
        let pool = Pool { tools, dialect: DialectChoice::Auto, ..pool("main", vec![peer(upstream.address)]) };
        let gateway = gateway_of(config(vec![pool]));
        let answer = ask(gateway.addr, chat(r#","stream":true"#));
        let folded = streamed(&answer.body);
        let calls = message(&folded).tool_calls;
        let called = calls.iter().map(|call| (call.function.name.as_str(), call.function.arguments.as_str()));
        assert_eq!(called.collect::<Vec<_>>(), [("weather", r#"{"city": "Oslo"}"#)], "{tools:?}: {}", answer.text());
        drop((gateway, upstream));
        let sent = requests.iter().find(|request| request.first_line.starts_with("POST /v1/chat")).unwrap();
        assert!(sent.text().contains("\"tools\""), "{tools:?}");
    }
}

#[test]
fn any_other_refusal_is_the_server_s() {
    for tools in [ToolsChoice::Inject, ToolsChoice::Native] {
        let (_upstream, pool) = refusing(Engine::LlamaCpp, tools, "the model has died");
        let gateway = gateway_of(config(vec![pool]));
        let answer = ask(gateway.addr, chat(r#","stream":true"#));
        assert_eq!((answer.status(), answer.json()["error"]["message"].as_str()), (500, Some("the model has died")));
    }
}

/// Of some codings nothing says where a body ends but its connection.
#[test]
fn a_refusal_in_another_coding_reaches_its_client() {
    let body = error("the model has died");
    let answer = format!(
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nTransfer-Encoding: identity\r\n\r\n{body}"
    );
    let upstream = Upstream::start(move |mut wire| {
        if wire.request().is_some() {
            wire.send(&answer);
        }
    });
    let gateway = gateway_of(config(vec![pool("main", vec![peer(upstream.address)])]));
    for more in [r#","stream":true"#, ""] {
        let answer = ask(gateway.addr, chat(more));
        assert_eq!((answer.status(), answer.text()), (500, body.clone()));
    }
}
