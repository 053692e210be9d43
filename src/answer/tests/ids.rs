//! Ids of calls: the model's own reach the client, and no two calls of an answer share one.

use serde_json::{Value, json};

use super::*;

/// An exchange whose dialect says where a call's own id stands.
fn with_ids() -> Exchange {
    let yaml = Dialects::source("hermes").unwrap().replace("json: { name: [name],", "json: { name: [name], id: [id],");
    let mut exchange = usual();
    exchange.decoding.dialect = Arc::new(Dialects::parse(&yaml).unwrap());
    exchange
}

const TEXT: &str = "<tool_call>{\"id\": \"a\\\"b\", \"name\": \"f\", \"arguments\": {}}</tool_call>\
                    <tool_call>{\"id\": \"a\\\"b\", \"name\": \"f\", \"arguments\": {}}</tool_call>\
                    <tool_call>{\"id\": \"\", \"name\": \"f\", \"arguments\": {}}</tool_call>\
                    <tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";

fn check(ids: &[String]) {
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert_eq!(ids[0], "a\"b");
    assert!(ids[1..].iter().all(|id| id.starts_with("call_") && id.len() == 29), "{ids:?}");
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 4, "{ids:?}");
}

#[test]
fn a_models_own_id_reaches_the_client_once() {
    check(&ids(&with_ids(), TEXT));

    let body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}]});
    let mut rewriter = BodyRewriter::new(&with_ids(), &Limits::default());
    let mut out = BytesMut::from(rewriter.push(Bytes::from(body.to_string())));
    rewriter.finish(&mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    let calls = body.pointer("/choices/0/message/tool_calls").and_then(Value::as_array).unwrap();
    check(&calls.iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
}

#[test]
fn an_id_that_the_model_did_not_write_has_the_familys_form() {
    let dialects = Dialects::builtin();
    let call = |id: &str| format!("<|tool_call_begin|>{id}<|tool_call_argument_begin|>{{}}<|tool_call_end|>");
    let text = format!("{}{}{}", call("functions.f:0"), call("functions.f:2"), call("functions.f:2"));
    let mut exchange = usual();
    exchange.decoding.dialect = Arc::clone(dialects.get("kimi-k2").unwrap());
    exchange.past_ids = vec!["functions.f:0".into(), "call_1".into()];
    assert_eq!(ids(&exchange, &text), ["functions.f:2", "functions.f:3", "functions.f:4"].map(String::from));

    exchange.decoding.dialect = Arc::clone(dialects.get("mistral").unwrap());
    let ids = ids(&exchange, "[TOOL_CALLS]f[ARGS]{}[TOOL_CALLS]f[ARGS]{}");
    assert!(ids.len() == 2 && ids.iter().all(|id| id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric())));
}

/// The ids that a client gets of a stream with this text.
fn ids(exchange: &Exchange, text: &str) -> Vec<String> {
    let event = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]});
    let (out, _) = run(exchange, [format!("data: {event}\n\ndata: [DONE]\n\n").as_bytes()], End::Clean);
    let events = out.split("data: ").filter_map(|event| serde_json::from_str::<Value>(event.trim()).ok());
    let id = |event: Value| Some(event.pointer("/choices/0/delta/tool_calls/0/id")?.as_str()?.to_owned());
    events.filter_map(id).collect()
}
