//! Any request body: it goes up untouched, refused, or as JSON that offers no tools and keeps every other member.

use bytes::Bytes;
use serde_json::Value;
use toolgate::api::openai::Request;
use toolgate::dialect::{CallsOfTurn, Past};
use toolgate::engine::{Engine, ToolsMode};
use toolgate::limits::Limits;
use toolgate::plan::{Head, Plan, Planned, Policy, RequestError, Tools};

use super::vocabulary;

/// The members that toolgate answers for.
const OURS: [&str; 8] = [
    "messages",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_format",
    "skip_special_tokens",
    "stream",
];

const FRAGMENTS: [&str; 42] = [
    r#"{"model":"m","messages":["#,
    r#"{"role":"user","content":"hi"}"#,
    r#"{"role":"system","content":[{"type":"text","text":"be brief"}]}"#,
    r#"{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"get_time","arguments":"{}"}}]}"#,
    r#"{"role":"tool","tool_call_id":"a","content":"noon"}"#,
    r#"{"role":"developer","content":"x"}"#,
    r#"{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"get_time","arguments":"{\"at\": \"no"}},{"id":"b","function":{"name":"get_time"}}]}"#,
    r#"{"role":"tool","tool_call_id":"b","content":[{"type":"text","text":"two"}]}"#,
    r#"],"tools":[{"type":"function","function":{"name":"get_time"}}]"#,
    r#"],"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string","enum":["a"]}}}}}]"#,
    r#","tools":[]"#,
    r#","tools":null"#,
    r#","tool_choice":"required""#,
    r#","tool_choice":{"type":"function","function":{"name":"get_time"}}"#,
    r#","tool_choice":"none""#,
    r#","parallel_tool_calls":false"#,
    r#","response_format":{"type":"json_object"}"#,
    r#","stream":true"#,
    r#","n":2"#,
    r#","temperature":1.50"#,
    r#","seed":123456789012345678901234567890"#,
    r#","x":{"y":[1,"\u00e9"]}"#,
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "null",
    "true",
    "1e9",
    " ",
    "\n",
    "é",
    "\"role\"",
    "\"content\"",
    "\"tools\"",
    "\"messages\"",
    "\"function\"",
    "\"name\"",
];

/// The first bytes choose the policy; the rest is the body, bytes of 128 and above standing for fragments of one.
pub fn holds(data: &[u8]) {
    let Some((&[dialect, choice], rest)) = data.split_first_chunk() else { return };
    let engines = [Engine::LlamaCpp, Engine::Vllm, Engine::Sglang, Engine::Ollama, Engine::OpenAi];
    let mode = [ToolsMode::Inject, ToolsMode::Parse, ToolsMode::Native][usize::from(choice % 3)];
    let kept = [None, Some(Past::Text), Some(Past::Native(CallsOfTurn::One))][usize::from(dialect % 3)];
    let tools = Tools { kept, ..Tools::new(mode, vocabulary::chosen(dialect)) };
    let policy = Policy::of_tools(engines[usize::from(choice / 3) % engines.len()], tools);
    let body = Bytes::from(vocabulary::text(&FRAGMENTS.map(String::from), rest));
    check(&body, &policy);
    check(&Bytes::copy_from_slice(rest), &policy);
    check(&Bytes::from(chat(rest)), &policy);
}

/// A sound request: each byte chooses a message, and the first few choose members too.
fn chat(bytes: &[u8]) -> String {
    let (messages, members) = (&FRAGMENTS[1..8], &FRAGMENTS[10..22]);
    let turns: Vec<&str> = bytes.iter().map(|&byte| messages[usize::from(byte) % messages.len()]).collect();
    let mut more: Vec<&str> = bytes.iter().take(4).map(|&byte| members[usize::from(byte) % members.len()]).collect();
    more.sort_unstable();
    more.dedup();
    [FRAGMENTS[0], &turns.join(","), FRAGMENTS[8 + bytes.len() % 2], &more.concat(), "}"].concat()
}

fn check(body: &Bytes, policy: &Policy) {
    let Some(Ok(planned)) = planned(body, policy) else { return };
    let Some(bytes) = planned.body.or_else(|| planned.plan.exchange.map(|_| body.clone())) else { return };
    let mode = policy.tools.as_ref().map(|tools| tools.mode);
    assert_ne!(mode, Some(ToolsMode::Native));
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) =
        (serde_json::from_slice(body), serde_json::from_slice(&bytes))
    else {
        // A body that serde_json does not take (it nests deeper than it reads) is not judged here.
        return assert!(serde_json::from_slice::<Value>(body).is_err(), "no JSON goes up: {bytes:?}");
    };
    for (key, value) in before.iter().filter(|(key, _)| !OURS.contains(&key.as_str())) {
        assert_eq!(after.get(key), Some(value), "{body:?}");
    }
    if mode == Some(ToolsMode::Inject) {
        assert!(!after.contains_key("tools") && !after.contains_key("tool_choice"), "{after:?}");
        let again = self::planned(&bytes, policy);
        let is_untouched =
            |again: Result<Planned, _>| again.is_ok_and(|again| again.body.is_none() && again.plan.exchange.is_none());
        assert!(again.is_none_or(is_untouched), "what goes up offers tools: {bytes:?}");
    }
}

fn planned(body: &[u8], policy: &Policy) -> Option<Result<Planned, RequestError>> {
    Some(Plan::of(Head::CHAT, Request::read(body)?, None, policy, &Limits::default()))
}
