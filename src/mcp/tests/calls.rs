//! Calls and lists of servers that mean no harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::peer::{Deed, config, greeting, keep, result, say, text, tool, with_call};
use crate::config::{Changes, Glob, ToolServer};
use crate::mcp::server::Standing;
use crate::tooling::Outcome;

fn done(text: &str) -> Outcome {
    Outcome { text: text.to_owned(), is_error: false }
}

fn failed(text: &str) -> Outcome {
    Outcome { text: text.to_owned(), is_error: true }
}

#[tokio::test(start_paused = true)]
async fn tools_come_in_pages() {
    let rig = keep(config(), |_, message| match (message["method"].as_str(), message["params"]["cursor"].as_str()) {
        (Some("tools/list"), None) => say(result(message, json!({"tools": [tool("a"), tool("b")], "nextCursor": "2"}))),
        (Some("tools/list"), Some("2")) => say(result(message, json!({"tools": [tool("c")]}))),
        _ => greeting(message),
    });
    rig.up().await;
    assert_eq!(rig.tools(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_configuration_leaves_out_is_no_tool() {
    let config = ToolServer { tools: vec![Glob::new("get_*"), Glob::new("c")], ..config() };
    let tools = ["get_a", "delete_b", "c"].map(tool);
    let rig = keep(config, move |_, message| match message["method"].as_str() {
        Some("tools/list") => say(result(message, json!({"tools": tools}))),
        _ => greeting(message),
    });
    rig.up().await;
    assert_eq!(rig.tools(), ["get_a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn answers_become_texts() {
    let image = json!({"type": "image", "data": "AAEC", "mimeType": "image/png"});
    let link = json!({"type": "resource_link", "uri": "file:///a", "name": "a"});
    let inside = json!({"type": "resource", "resource": {"uri": "file:///b", "text": "inside"}});
    let blob = json!({"type": "resource", "resource": {"uri": "file:///c", "blob": "AAEC"}});
    let words = json!({"type": "text", "text": "words"});
    for (answer, expected) in [
        (json!({"content": [words, image, link]}), done("words\n\n[image image/png, 3 bytes]\n\n[resource file:///a]")),
        (json!({"content": [inside, blob]}), done("inside\n\n[resource file:///c]")),
        (json!({"content": [words], "structuredContent": {"a": 1}}), done("words")),
        (json!({"content": [], "structuredContent": {"a": [1, 2]}}), done("{\"a\":[1,2]}")),
        (json!({"content": [words], "isError": true}), failed("Error: words")),
        (json!({}), done("(no output)")),
        (json!({"tools": []}), failed("Error: docs: what it answered is no result of a tool")),
    ] {
        let said = answer.clone();
        let rig = keep(config(), move |_, message| with_call(message, |call| say(result(call, said.clone()))));
        assert_eq!(rig.call("search").await, expected, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_protocol_is_told_in_the_servers_words() {
    let rig = keep(config(), |_, message| {
        with_call(message, |call| {
            say(json!({"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32602, "message": "Unknown tool: x"}}))
        })
    });
    assert_eq!(rig.call("x").await, failed("Error: docs: Unknown tool: x"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_waits_for_is_cancelled_at_the_server() {
    let mut rig = keep(config(), |_, message| with_call(message, |_| Vec::new()));
    rig.up().await;
    let server = Arc::clone(&rig.server);
    let waiting = tokio::spawn(async move { server.call("search", serde_json::Map::new()).await });
    let call = rig.heard("tools/call").await;
    waiting.abort();
    let cancelled = rig.heard("notifications/cancelled").await;
    assert_eq!(cancelled["params"]["requestId"], call["id"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_and_is_cancelled() {
    let mut rig = keep(config(), |_, message| with_call(message, |_| Vec::new()));
    assert_eq!(rig.call("search").await, failed("Error: docs: no answer within 60 s"));
    rig.heard("notifications/cancelled").await;
    assert_eq!(rig.server.standing(), Standing::Up, "others may still be answered");
}

fn progress(call: &Value, step: u32) -> Deed {
    let params = json!({"progressToken": call["params"]["_meta"]["progressToken"], "progress": step});
    Deed::Say(json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}))
}

#[tokio::test(start_paused = true)]
async fn progress_keeps_a_call_alive() {
    let steps = |steps: u32| {
        move |call: &Value| {
            let step = |at| [Deed::Wait(Duration::from_secs(40)), progress(call, at)];
            (0..steps).flat_map(step).chain(say(result(call, text("done")))).collect()
        }
    };
    let rig = keep(config(), move |_, message| with_call(message, steps(9)));
    assert_eq!(rig.call("search").await, done("done"));
    let rig = keep(config(), move |_, message| with_call(message, steps(20)));
    assert_eq!(rig.call("search").await, failed("Error: docs: no answer within 600 s"));
}

/// A server whose tools turn when one is called.
fn turning(message: &Value, has_turned: &AtomicBool) -> Vec<Deed> {
    match message["method"].as_str() {
        Some("tools/list") if has_turned.load(Ordering::Relaxed) => {
            let turned = json!({"name": "b", "description": "Sends it away.", "inputSchema": {"type": "object"}});
            say(result(message, json!({"tools": [tool("a"), turned, tool("c")]})))
        }
        Some("tools/list") => say(result(message, json!({"tools": [tool("a"), tool("b")]}))),
        Some("tools/call") => {
            has_turned.store(true, Ordering::Relaxed);
            let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
            vec![Deed::Say(changed), Deed::Say(result(message, text("turned")))]
        }
        _ => greeting(message),
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_changes_is_asked_for_again() {
    for (changes, expected) in [(Changes::Told, vec!["a", "b", "c"]), (Changes::Refused, vec!["a"])] {
        let has_turned = AtomicBool::default();
        let config = ToolServer { changes, ..config() };
        let mut rig = keep(config, move |_, message| turning(message, &has_turned));
        rig.up().await;
        rig.heard("tools/list").await;
        assert_eq!(rig.tools(), ["a", "b"]);
        assert_eq!(rig.call("a").await, done("turned"));
        rig.heard("tools/list").await;
        while rig.tools() == ["a", "b"] {
            tokio::task::yield_now().await;
        }
        assert_eq!(rig.tools(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_is_offered_nothing_but_to_answer_calls() {
    let asks = ["sampling/createMessage", "roots/list", "elicitation/create"];
    for (at, method) in asks.into_iter().enumerate() {
        let mut rig = keep(config(), move |_, message| {
            with_call(message, |call| {
                let params = match at {
                    0 => {
                        json!({"messages": [{"role": "user", "content": {"type": "text", "text": "a"}}], "maxTokens": 1})
                    }
                    1 => json!({}),
                    _ => json!({"message": "a", "requestedSchema": {"type": "object", "properties": {}}}),
                };
                let asked = json!({"jsonrpc": "2.0", "id": "ask", "method": method, "params": params});
                vec![Deed::Say(asked), Deed::Say(result(call, text("done")))]
            })
        });
        let hello = rig.heard("initialize").await;
        assert_eq!(hello["params"]["capabilities"], json!({}));
        assert_eq!(rig.call("search").await, done("done"), "{method}");
        assert_eq!(rig.answered("ask").await["error"]["code"], -32601, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_of_the_protocol_that_has_no_initialize_is_discovered() {
    let mut rig = keep(config(), |_, message| match message["method"].as_str() {
        Some("initialize") => {
            let error = json!({"code": -32601, "message": "Method not found"});
            say(json!({"jsonrpc": "2.0", "id": message["id"], "error": error}))
        }
        Some("server/discover") => say(result(
            message,
            json!({
                "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {"listChanged": true}},
                "serverInfo": {"name": "script", "version": "1"}, "ttlMs": 0, "cacheScope": "private",
            }),
        )),
        Some("tools/list") => say(result(
            message,
            json!({
                "resultType": "complete", "tools": [tool("search")], "ttlMs": 0, "cacheScope": "private",
            }),
        )),
        _ => Vec::new(),
    });
    assert_eq!(rig.down().await, "it refuses to begin: Method not found");
    rig.up().await;
    assert_eq!(rig.tools(), ["search"]);
    let asked = rig.heard("subscriptions/listen").await;
    assert_eq!(asked["params"]["notifications"]["toolsListChanged"], true, "{asked}");
}
