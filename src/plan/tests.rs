use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::offer::Offer;
use super::*;
use crate::chat::Calls;
use crate::dialect::{CallsOfTurn, Dialects, Past};
use crate::engine::{Engine, ToolsMode};
use crate::json::Object;

mod choices;
mod combinations;
mod head;
mod history;
mod shapes;

const TOOLS: &str = r#"[{"type":"function","function":{"name":"get","parameters":{"type":"object"}}},{"type":"function","function":{"name":"put"}}]"#;

/// Read once: the property tests ask for it thousands of times.
fn builtin() -> &'static Dialects {
    static BUILTIN: LazyLock<Dialects> = LazyLock::new(Dialects::builtin);
    &BUILTIN
}

fn policy(dialect: &str, mode: ToolsMode, engine: Engine) -> Policy {
    let dialect = Arc::clone(builtin().get(dialect).unwrap());
    Policy::of_tools(engine, Tools::new(mode, dialect))
}

/// What became of a body for its tools' sake.
#[derive(Debug)]
enum Rewritten {
    /// It goes up as it came, and nothing of the reply is read.
    Untouched,
    /// This goes up instead, and nothing of the reply is read.
    Unread(Bytes),
    /// This goes up (possibly the same bytes), and the reply is read as the exchange says.
    Body { bytes: Bytes, exchange: Box<Exchange>, shape: Shape },
}

fn rewritten(body: &str, policy: &Policy) -> Result<Rewritten, RequestError> {
    rewrite(&Bytes::copy_from_slice(body.as_bytes()), policy, &Limits::default())
}

fn rewrite(body: &Bytes, policy: &Policy, limits: &Limits) -> Result<Rewritten, RequestError> {
    let Some(request) = Request::read(body) else { return Ok(Rewritten::Untouched) };
    let Planned { plan, body: instead } = Plan::of(Head::CHAT, request, None, policy, limits)?;
    Ok(match (plan.exchange, instead) {
        (Some(exchange), instead) => {
            Rewritten::Body { bytes: instead.unwrap_or_else(|| body.clone()), exchange, shape: plan.shape }
        }
        (None, Some(bytes)) => Rewritten::Unread(bytes),
        (None, None) => Rewritten::Untouched,
    })
}

/// What goes up in inject mode to an engine that needs nothing of its own.
fn up(dialect: &str, body: &str) -> String {
    match rewritten(body, &policy(dialect, ToolsMode::Inject, Engine::OpenAi)) {
        Ok(Rewritten::Body { bytes, .. }) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{body}: {other:?}"),
    }
}

/// The messages that go up, a line each: role and content.
fn turns(dialect: &str, messages: &str) -> Vec<(String, String)> {
    shown(&up(dialect, &format!(r#"{{"messages":{messages},"tools":{TOOLS}}}"#)))
}

fn shown(body: &str) -> Vec<(String, String)> {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let show = |m: &serde_json::Value| {
        let text = m["content"].as_str().map_or_else(|| m["content"].to_string(), str::to_owned);
        let calls = m["tool_calls"].as_array().filter(|calls| !calls.is_empty());
        (m["role"].as_str().unwrap().to_owned(), calls.map_or(String::new(), |calls| format!("{calls:?}")) + &text)
    };
    body["messages"].as_array().unwrap().iter().map(show).collect()
}

fn is_untouched(result: &Result<Rewritten, RequestError>) -> bool {
    matches!(result, Ok(Rewritten::Untouched))
}

#[test]
fn what_concerns_tools() {
    let call = r#"{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}}]}"#;
    let table = [
        (r#""tools":[1]"#.to_owned(), true),
        (r#""t\u006fols":[1]"#.to_owned(), true),
        (format!(r#""messages":[{call}]"#), true),
        (format!(r#""messages":[{}]"#, call.replace("tool_calls", r"tool\u005Fcalls")), true),
        (format!(r#""messages":[{}]"#, call.replace("tool_calls", r"\u0074ool_calls")), true),
        (r#""messages":[{"role":"tool","content":""}]"#.to_owned(), true),
        (r#""messages":[{"role":"\u0074ool","content":""}]"#.to_owned(), true),
        (r#""tools":[1],"tools":null"#.to_owned(), false),
        (r#""tools":[]"#.to_owned(), false),
        (r#""messages":[{"role":"user","content":"\u0070","tool_calls":[1],"x":"tool"}]"#.to_owned(), false),
        (r#""messages":[{"role":"assistant","content":"","tool_calls":[]}]"#.to_owned(), false),
        (r#""messages":7"#.to_owned(), false),
        (String::new(), false),
    ];
    for (members, expected) in table {
        let body = format!("{{{members}}}");
        assert_eq!(Request::read(body.as_bytes()).unwrap().is_about_tools(), expected, "{members}");
    }
}

#[test]
fn what_is_left_untouched() {
    let user = r#"[{"role":"user","content":"hi"}]"#;
    let offers = |messages: &str, more: &str| format!(r#"{{"messages":{messages},"tools":{TOOLS}{more}}}"#);
    let bodies = [
        // No tools.
        format!(r#"{{"messages":{user}}}"#),
        format!(r#"{{"messages":{user},"tools":[]}}"#),
        format!(r#"{{"messages":{user},"tools":null}}"#),
        // Tools of another kind, and what came before tools.
        format!(r#"{{"messages":{user},"tools":[{{"type":"custom","custom":{{"name":"x"}}}}]}}"#),
        format!(
            r#"{{"messages":{user},"tools":[{{"type":"function","function":{{"name":"x"}}}},{{"type":"web_search"}}]}}"#
        ),
        format!(r#"{{"messages":{user},"tools":[{{"type":"plugin","function":{{"name":"x"}}}}]}}"#),
        format!(r#"{{"messages":{user},"functions":[{{"name":"x"}}]}}"#),
        offers(user, r#","functions":[{"name":"x"}]"#),
        offers(user, r#","function_call":"auto""#),
        offers(r#"[{"role":"function","name":"f","content":"1"}]"#, ""),
        offers(r#"[{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}]"#, ""),
        // Wrong shapes, for the server to judge.
        offers("[]", ""),
        offers("7", ""),
        offers("null", ""),
        offers("[7]", ""),
        offers(r#"[{"content":"no role"}]"#, ""),
        offers(r#"[{"role":"tool","content":7}]"#, ""),
        offers(r#"[{"role":"system","content":7}]"#, ""),
        offers(r#"[{"role":"assistant","tool_calls":7}]"#, ""),
        offers(r#"[{"role":"assistant","tool_calls":[{"type":"custom","custom":{"name":"x"}}]}]"#, ""),
        format!(r#"{{"messages":{user},"tool_choice":"whatever"}}"#),
        format!(r#"{{"messages":{user},"tools":{{}}}}"#),
        format!(r#"{{"messages":{user},"tools":[{{"function":{{}}}}]}}"#),
        format!(r#"{{"messages":{user},"tools":[7]}}"#),
        format!("{{\"messages\":{user},\"tools\":{TOOLS}"),
        format!("[{user}]"),
        "hello".into(),
        String::new(),
    ];
    for body in bodies {
        let result = rewritten(&body, &policy("hermes", ToolsMode::Inject, Engine::LlamaCpp));
        assert!(is_untouched(&result), "{body}: {result:?}");
    }
    let not_text = Bytes::from_static(b"{\"messages\":\"\xff\"}");
    assert!(is_untouched(&rewrite(&not_text, &policy("hermes", ToolsMode::Inject, Engine::Vllm), &Limits::default())));
    let native = policy("hermes", ToolsMode::Native, Engine::Vllm);
    assert!(is_untouched(&rewritten(&offers(user, ""), &native)));
}

#[test]
fn what_an_engine_needs() {
    use {Engine::*, ToolsMode::*};
    let body = format!(
        r#"{{ "messages" : [{{"role":"user","content":"hi"}}], "skip_special_tokens":true,"reasoning_format":"auto", "tools":{TOOLS}, "tool_choice":"auto" }}"#
    );
    let table = [
        (Inject, LlamaCpp, r#""skip_special_tokens":true,"reasoning_format":"none" }"#),
        (Inject, Vllm, r#""skip_special_tokens":false,"reasoning_format":"auto" }"#),
        (Inject, Sglang, r#""skip_special_tokens":false,"reasoning_format":"auto" }"#),
        (Inject, Ollama, r#""skip_special_tokens":true,"reasoning_format":"auto" }"#),
        (Inject, OpenAi, r#""skip_special_tokens":true,"reasoning_format":"auto" }"#),
    ];
    for (mode, engine, expected) in table {
        let Ok(Rewritten::Body { bytes, .. }) = rewritten(&body, &policy("hermes", mode, engine)) else { panic!() };
        let up = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(up.ends_with(expected), "{engine:?}: {up}");
        assert!(!up.contains(r#""tools""#) && !up.contains("tool_choice"), "{up}");
    }
    let parse = |engine| match rewritten(&body, &policy("hermes", Parse, engine)) {
        Ok(Rewritten::Body { bytes, .. }) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    let unread = body.replace(r#""tool_choice":"auto""#, r#""tool_choice":"none""#);
    assert_eq!(parse(LlamaCpp), unread.replace(r#"reasoning_format":"auto"#, r#"reasoning_format":"none"#));
    assert_eq!(parse(LlamaSwap), parse(LlamaCpp));
    assert_eq!(parse(Vllm), unread.replace(r#"tokens":true"#, r#"tokens":false"#));
    assert_eq!(parse(OpenAi), body);
    // Where no template writes tools without its server's reading the calls, they are injected.
    assert!(!parse(Sglang).contains(r#""tools""#));
    // Ollama knows no choice, so nothing is said of it.
    assert_eq!(parse(Ollama), body);
    let plain = format!(r#"{{"messages":[{{"role":"user"}}],"tools":{TOOLS}}}"#);
    let Ok(Rewritten::Body { bytes, .. }) = rewritten(&plain, &policy("hermes", Inject, LlamaCpp)) else { panic!() };
    assert!(bytes.ends_with(br#","reasoning_format":"none"}"#));
}

#[test]
fn tools_are_read_as_servers_read_them() {
    let tools = r#"[{"type":"x","function":{"name":"a"},"function":{"name":"x","name":"g\u0065t","description":"\ud83d","description":7}, "type":"function"}]"#;
    let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"t\u006fols":{tools}}}"#);
    let inject = policy("hermes", ToolsMode::Inject, Engine::OpenAi);
    let Ok(Rewritten::Body { exchange, bytes, .. }) = rewritten(&body, &inject) else { panic!() };
    assert!(exchange.decoding.tools.find("get").is_some() && exchange.decoding.tools.find("x").is_none());
    assert_eq!(
        Object::of_body(&bytes).unwrap().members().map(|(key, _)| key.to_owned()).collect::<Vec<_>>(),
        ["messages"]
    );
    let marked = Bytes::from(format!("\u{feff}{body}"));
    let Ok(Rewritten::Body { bytes: of_marked, .. }) = rewrite(&marked, &inject, &Limits::default()) else { panic!() };
    assert_eq!(of_marked, bytes);
}

#[test]
fn what_the_reply_side_learns() {
    let exchange = |more: &str| {
        let body = format!(r#"{{"messages":[{{"role":"user"}}],"tools":{TOOLS}{more}}}"#);
        match rewritten(&body, &policy("gemma4", ToolsMode::Inject, Engine::LlamaCpp)) {
            Ok(Rewritten::Body { exchange, shape, bytes }) => (exchange, shape, bytes),
            other => panic!("{other:?}"),
        }
    };
    let (plain, format, _) = exchange("");
    assert_eq!((plain.usage, plain.decoding.calls, plain.choices), (Usage::Unasked, Calls::All, 1));
    assert_eq!((plain.decoding.dialect.name(), format), ("gemma4", Shape::Unconcerned));
    let (asked, _, bytes) = exchange(r#","n":3,"parallel_tool_calls":false,"stream_options":{"include_usage":true}"#);
    assert_eq!((asked.usage, asked.decoding.calls, asked.choices), (Usage::Asked, Calls::First, 3));
    let bytes = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(bytes.contains("Make no more than one call") && !bytes.contains("parallel_tool_calls"), "{bytes}");
    let (_, format, bytes) = exchange(r#","response_format":{"type":"json_object"}"#);
    assert_eq!(format, Shape::Kept);
    assert!(bytes.ends_with(br#","response_format":{"type":"json_object"},"reasoning_format":"none"}"#));
    let (_, format, bytes) = exchange(r#","response_format":{"type":"json_object"},"tool_choice":"required""#);
    assert_eq!(format, Shape::Dropped);
    let up = Object::of_body(&bytes).unwrap();
    assert_eq!((up.get("response_format"), up.get("grammar").is_some()), (None, true));
    let (_, format, _) = exchange(r#","response_format":{"type":"text"},"tool_choice":"required""#);
    assert_eq!(format, Shape::Unconcerned);
}

#[test]
fn every_other_byte_stays() {
    let body = format!(
        "\n{{ \"temperature\" : 0.70,\"tools\":{TOOLS},\n\t\"x\\u0041\":[1e999, 18446744073709551616,{{ }}], \"seed\": -0 , \"tool_choice\" : \"auto\",\"seed\":1, \"messages\" : [ {{\"role\":\"user\", \"content\":\"caf\\u00e9 \\/ \\ud83d\\ude00 \\ud800\" }} , {{ \"content\" :[{{\"type\":\"image_url\",\"image_url\":{{\"url\":\"data:,\"}}}}],\"role\":\"user\"}} ], \"logit_bias\":{{\"1\":false}} }}\r\n"
    );
    let up = up("hermes", &body);
    let (head, rest) = up.split_once(r#"[{"role":"system","content":""#).unwrap();
    assert_eq!(
        head,
        "\n{ \"temperature\" : 0.70,\n\t\"x\\u0041\":[1e999, 18446744073709551616,{ }], \"seed\": -0,\"seed\":1, \"messages\" : "
    );
    let (_, tail) = rest.split_once("\"},").unwrap();
    assert_eq!(
        tail,
        "{\"role\":\"user\", \"content\":\"caf\\u00e9 \\/ \\ud83d\\ude00 \\ud800\" },{ \"content\" :[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:,\"}}],\"role\":\"user\"}], \"logit_bias\":{\"1\":false} }\r\n"
    );
}

#[test]
fn places() {
    let first = |dialect, messages| turns(dialect, messages).remove(0);
    let block = first("hermes", r#"[{"role":"user","content":"u"}]"#).1;
    assert!(block.starts_with("# Tools"), "{block}");
    let system = ("system".to_owned(), format!("S\n\n{block}"));
    assert_eq!(first("hermes", r#"[{"role":"system","content":"S"},{"role":"user","content":"u"}]"#), system);
    assert_eq!(first("hermes", r#"[{"role":"developer","content":"S"}]"#), system);
    let late = turns("hermes", r#"[{"role":"user","content":"u"},{"role":"system","content":"S"}]"#);
    assert_eq!(late, [("system", block.as_str()), ("user", "u"), ("system", "S")].map(|(r, t)| (r.into(), t.into())));
    for nothing in [r#""""#, "null"] {
        let messages = format!(r#"[{{"role":"system","content":{nothing}}}]"#);
        assert_eq!(turns("hermes", &messages), [("system".into(), block.clone())]);
    }
    let parts = first("hermes", r#"[{"role":"system","content":[ {"text":"S", "type":"text"} ]}]"#).1;
    let parts: serde_json::Value = serde_json::from_str(&parts).unwrap();
    assert_eq!(parts[0]["text"], "S");
    assert_eq!(parts[1]["text"], format!("\n\n{block}"));

    let (_, envelope) = first("json-envelope", r#"[{"role":"system","content":"S"}]"#);
    assert!(envelope.starts_with("<tools>") && envelope.ends_with("\n\nS"), "{envelope}");
    let gemma = first("gemma4", r#"[{"role":"system","content":"S"}]"#).1;
    assert!(gemma.starts_with("S<|tool>declaration:get{"), "{gemma}");

    let llama = turns(
        "llama3-json",
        r#"[{"role":"system","content":"S"},{"role":"user","content":"u"},{"role":"user","content":"v"}]"#,
    );
    assert_eq!(llama[0], ("system".into(), "S".into()));
    assert!(llama[1].1.starts_with("These functions") && llama[1].1.ends_with("}\n\nu"), "{llama:?}");
    assert_eq!(llama[2], ("user".into(), "v".into()));
    let none = turns("llama3-json", r#"[{"role":"system","content":"S"},{"role":"assistant","content":"a"}]"#);
    assert_eq!(none.iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["system", "user", "assistant"]);
    let greeted = turns("llama3-json", r#"[{"role":"assistant","content":"a"},{"role":"user","content":"u"}]"#);
    assert_eq!(greeted.iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["user", "assistant", "user"]);
    let image = turns("llama3-json", r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]"#);
    assert!(image[0].1.ends_with(r#",{"type":"image_url","image_url":{"url":"x"}}]"#), "{image:?}");
}

#[test]
fn what_is_made_is_limited_too() {
    let name = "n".repeat(50_000);
    let result = r#",{"role":"tool","tool_call_id":"c","content":""}"#.repeat(1000);
    let body = format!(
        r#"{{"tools":{TOOLS},"messages":[{{"role":"assistant","tool_calls":[{{"id":"c","function":{{"name":"{name}"}}}}]}}{result}]}}"#
    );
    let limits = Limits { request_body_bytes_max: 1 << 20, ..Limits::default() };
    let inject = policy("json-envelope", ToolsMode::Inject, Engine::OpenAi);
    let refused = |body: &str, limits: &Limits| {
        matches!(rewrite(&Bytes::copy_from_slice(body.as_bytes()), &inject, limits), Err(RequestError::TooLarge { .. }))
    };
    assert!(refused(&body, &limits));
    // Long before it is put together: a thousand copies of that name would be 50 MB.
    let request = Request::read(body.as_bytes()).unwrap();
    let (offer, tools) = (Offer::of(&request).unwrap().unwrap(), inject.tools.as_ref().unwrap());
    assert!(messages::as_text(request.conversation().unwrap(), &offer, tools, &limits).is_err());

    let text = "u".repeat(10_000);
    let long = format!(r#"{{"tools":{TOOLS},"messages":[{{"role":"user","content":"{text}"}}]}}"#);
    assert!(refused(&long, &Limits { request_body_bytes_max: long.len(), ..Limits::default() }));
    assert!(!refused(&long, &limits));
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
        "\"([a-zé ,:{}\\[\\]]|\\\\[nt\"\\\\/]|\\\\ud800)*\"",
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[ {}]", v.join(" ,"))),
            prop::collection::vec(("[a-z]{0,3}", inner), 0..4).prop_map(|v| {
                let members: Vec<_> = v.into_iter().map(|(k, v)| format!("\"{k}\" :{v}")).collect();
                format!("{{{} }}", members.join(", "))
            }),
        ]
    })
}

fn message() -> impl Strategy<Value = String> {
    let call = ("[a-c]", json())
        .prop_map(|(id, arguments)| format!(r#"{{"id":"{id}","function":{{"name":"get","arguments":{arguments}}}}}"#));
    let calls = prop::collection::vec(call, 1..3).prop_map(|calls| format!(r#","tool_calls":[{}]"#, calls.join(",")));
    let content = prop_oneof![
        json(),
        Just(r#"[{"type":"text","text":"t"},{"type":"image_url"}]"#.to_owned()),
        Just("\"t\"".into())
    ];
    prop_oneof![
        ("system|developer|user|assistant", content.clone())
            .prop_map(|(r, c)| format!(r#"{{"role":"{r}","content":{c}}}"#)),
        (content.clone(), calls).prop_map(|(c, calls)| format!(r#"{{"role":"assistant","content":{c}{calls}}}"#)),
        ("[a-c]", content).prop_map(|(id, c)| format!(r#"{{"role":"tool","tool_call_id":"{id}","content":{c}}}"#)),
    ]
}

proptest! {
    /// Members that are not ours keep their bytes and their order, and nothing but ours goes or comes.
    #[test]
    fn members_not_ours_keep_their_bytes(others in prop::collection::vec(("[a-z]{1,6}", json(), "[ \n]?"), 0..8), at in 0..8_usize) {
        let ours = [("messages", r#"[{"role":"user","content":"u"}]"#), ("tools", TOOLS), ("tool_choice", "\"auto\"")];
        let mut members: Vec<_> = others.iter().map(|(k, v, s)| format!("{s}\"{k}\"{s}:{s}{v}{s}")).collect();
        let is_ours = |key: &str| ours.iter().any(|(k, _)| *k == key) || ["functions", "function_call"].contains(&key);
        prop_assume!(!others.iter().any(|(k, ..)| is_ours(k)));
        for (key, value) in ours {
            members.insert(at.min(members.len()), format!("\"{key}\":{value}"));
        }
        let up = up("hermes", &format!("{{{}}}", members.join(",")));
        let expected: Vec<_> = others.iter().map(|(k, v, _)| (k.clone(), v.clone())).collect();
        let kept = Object::parse(&up).unwrap();
        let kept: Vec<_> = kept.members().filter(|(k, _)| *k != "messages").map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        prop_assert_eq!(kept, expected);
        for (key, value, space) in &others {
            let written = format!("{space}\"{key}\"{space}:{space}{value}");
            prop_assert!(up.contains(&written), "{} in {}", written, up);
        }
    }

    /// Whatever a conversation holds, what goes up is JSON, and no past call is left in it.
    #[test]
    fn any_conversation_is_survived(messages in prop::collection::vec(message(), 1..6)) {
        let body = Bytes::from(format!(r#"{{"messages":[{}],"tools":{TOOLS}}}"#, messages.join(",")));
        for dialect in builtin().iter() {
            let inject = policy(dialect.name(), ToolsMode::Inject, Engine::LlamaCpp);
            let Ok(Rewritten::Body { bytes, .. }) = rewrite(&body, &inject, &Limits::default()) else { continue };
            let up = Object::parse(std::str::from_utf8(&bytes).unwrap()).unwrap();
            for message in crate::json::array(up.get("messages").unwrap()).unwrap() {
                let calls = Object::parse(message).unwrap().get("tool_calls").is_some();
                prop_assert!(!calls || dialect.spec().prompt.history.text().is_none(), "{}", message);
            }
        }
    }
}
