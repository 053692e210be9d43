//! Servers by HTTP: how they are asked, and what becomes of those that answer badly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, json};
use tokio::time::{Duration, timeout};

use super::peer::text;
use super::web::{EVENTS, Told, answered, greeting, in_events, in_json, keep, response};
use crate::mcp::meter::MESSAGE_BYTES_MAX;

const LOST: &str = "Error: docs: the connection was lost before it answered";

#[tokio::test]
async fn a_server_is_asked_within_a_session_and_with_the_headers_of_the_configuration() {
    let mut web = keep(json!({"headers": {"Authorization": "Bearer key", "X-Team": "a b"}}), greeting).await;
    assert_eq!(web.call().await, "found");
    for method in ["initialize", "tools/call"] {
        let got = web.got(|got| got.asks() == method).await;
        let header = |name: &str| got.headers.get(name).map(String::as_str);
        assert_eq!((header("authorization"), header("x-team")), (Some("Bearer key"), Some("a b")));
        assert_eq!(header("accept"), Some("application/json, text/event-stream"));
        assert_eq!(header("mcp-session-id"), (method == "tools/call").then_some("s-1"));
    }
    web.server.stop();
    let got = web.got(|got| got.method == "DELETE").await;
    assert_eq!(got.headers["mcp-session-id"], "s-1");
}

#[tokio::test]
async fn an_answer_may_come_in_events() {
    let web = keep(json!({}), |got| match got.asks() {
        "tools/call" => {
            let token = &got.message["params"]["_meta"]["progressToken"];
            let progress = json!({"progressToken": token, "progress": 1});
            let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress});
            in_events(&[progress, answered(got, text("streamed"))])
        }
        _ => greeting(got),
    })
    .await;
    assert_eq!(web.call().await, "streamed");
}

#[tokio::test]
async fn a_server_that_does_not_answer_as_one_is_not_there() {
    let large = " ".repeat(MESSAGE_BYTES_MAX + 1);
    let json = "Content-Type: application/json\r\n";
    for (told, expected) in [
        (
            response("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", "no"),
            "it answered 401: its `headers` do not let toolgate in",
        ),
        (response("403 Forbidden", json, "{}"), "it answered 403: its `headers` do not let toolgate in"),
        (response("307 Temporary Redirect", "Location: /mcp\r\n", ""), "it answered 307: its `url` is another one"),
        (response("404 Not Found", "", "no"), "it answered 404"),
        (response("500 Internal Server Error", json, "{}"), "it answered 500"),
        (response("200 OK", "Content-Type: text/html\r\n", "<p>"), "its answer is neither JSON nor events"),
        (response("200 OK", json, "{\"a\": 1}"), "its answer is no message of MCP"),
        (response("200 OK", &format!("{json}Content-Encoding: gzip\r\n"), "x"), "its answer is compressed"),
        (response("200 OK", json, &large), "its answer is over 4194304 bytes"),
        (
            Told::Bytes(format!("HTTP/1.1 200 OK\r\n{json}Content-Length: 99\r\n\r\n{{")),
            "the server closed the connection within its answer",
        ),
        (
            Told::Bytes(format!("HTTP/1.1 200 OK\r\n{json}Content-Length: 9\r\nContent-Length: 8\r\n\r\n{{}}")),
            "the length of its answer is none",
        ),
        (Told::Bytes(String::new()), "the server closed the connection before its answer"),
        (
            Told::Endless(format!("HTTP/1.1 200 OK\r\n{json}Connection: close\r\n\r\n"), " ".to_owned()),
            "its answer is over 4194304 bytes",
        ),
        (Told::Endless(EVENTS.to_owned(), ": noise\n\n".to_owned()), "it sent more than 512 messages a second"),
        (Told::Endless(EVENTS.to_owned(), "data: x".to_owned()), "it sent a message of more than 4194304 bytes"),
    ] {
        let told = std::sync::Mutex::new(Some(told));
        let web = keep(json!({}), move |got| match told.lock().unwrap().take() {
            Some(told) => told,
            None => greeting(got),
        })
        .await;
        assert_eq!(web.down().await, expected);
        web.server.stop();
    }
}

#[tokio::test]
async fn a_server_that_floods_within_a_call_is_cut_off() {
    let changed = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
    for (flood, expected) in [
        (changed, "it sent more than 512 messages a second"),
        ("data: {\"jsonrpc\"", "it sent a message of more than 4194304 bytes"),
    ] {
        let web = keep(json!({}), move |got| match got.asks() {
            "tools/call" => Told::Endless(EVENTS.to_owned(), flood.to_owned()),
            _ => greeting(got),
        })
        .await;
        assert_eq!(web.call().await, LOST);
        assert_eq!(web.down().await, expected);
    }
}

#[tokio::test]
async fn a_server_that_fails_a_call_is_looked_at_again() {
    let calls = AtomicUsize::default();
    let web = keep(json!({}), move |got| match (got.asks(), calls.load(Ordering::Relaxed)) {
        ("tools/call", _) => {
            calls.store(1, Ordering::Relaxed);
            response("503 Service Unavailable", "", "")
        }
        // Once: then it is there again.
        ("tools/list", 1) => {
            calls.store(2, Ordering::Relaxed);
            response("502 Bad Gateway", "", "")
        }
        _ => greeting(got),
    })
    .await;
    assert_eq!(web.call().await, "Error: docs: it answered 503");
    // It would be looked at without that, too, after a minute.
    let soon = timeout(Duration::from_secs(30), web.down());
    assert_eq!(soon.await.unwrap(), "it answered 502");
    web.up().await;
}

#[tokio::test]
async fn a_refusal_in_json_is_told_though_it_names_no_request() {
    let web = keep(json!({}), |got| match got.asks() {
        "tools/call" => {
            let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "Bad arguments"}});
            response("400 Bad Request", "Content-Type: application/json\r\n", &error.to_string())
        }
        _ => greeting(got),
    })
    .await;
    assert_eq!(web.call().await, "Error: docs: Bad arguments");
}

#[tokio::test]
async fn an_answer_that_is_too_large_fails_its_call_alone() {
    let calls = AtomicUsize::default();
    let web = keep(json!({}), move |got| match got.asks() {
        "tools/call" if calls.fetch_add(1, Ordering::Relaxed) == 0 => {
            in_json(&answered(got, text(&"x".repeat(MESSAGE_BYTES_MAX))))
        }
        _ => greeting(got),
    })
    .await;
    assert_eq!(web.call().await, "Error: docs: its answer is over 4194304 bytes");
    assert_eq!(web.server.call("search", Map::new()).await.text, "found");
}

#[tokio::test]
async fn a_server_without_sessions_is_asked_all_the_same() {
    let mut web = keep(json!({}), |got| match got.asks() {
        "initialize" => {
            let info = json!({"name": "web", "version": "1"});
            in_json(&answered(got, json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": info})))
        }
        _ => greeting(got),
    })
    .await;
    assert_eq!(web.call().await, "found");
    let got = web.got(|got| got.asks() == "tools/call").await;
    assert_eq!(got.headers.get("mcp-session-id"), None);
    assert_eq!(got.headers["mcp-protocol-version"], "2025-06-18");
}

#[tokio::test]
async fn a_session_that_was_forgotten_is_begun_anew() {
    let calls = AtomicUsize::default();
    let web = keep(json!({}), move |got| match got.asks() {
        "tools/call" if calls.fetch_add(1, Ordering::Relaxed) == 0 => response("404 Not Found", "", ""),
        "tools/call" => in_json(&answered(got, text("again"))),
        _ => greeting(got),
    })
    .await;
    assert_eq!(web.call().await, "again");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled_at_the_server() {
    for told in [String::new(), EVENTS.to_owned()] {
        let mut web = keep(json!({}), move |got| match got.asks() {
            "tools/call" => Told::Open(told.clone()),
            _ => greeting(got),
        })
        .await;
        web.up().await;
        let server = Arc::clone(&web.server);
        let waiting = tokio::spawn(async move { server.call("search", Map::new()).await });
        let call = web.got(|got| got.asks() == "tools/call").await;
        waiting.abort();
        let cancelled = web.got(|got| got.asks() == "notifications/cancelled").await;
        assert_eq!(cancelled.message["params"]["requestId"], call.message["id"]);
    }
}
