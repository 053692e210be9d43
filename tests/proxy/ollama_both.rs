//! Clients of Ollama's API before servers of Ollama's: what passes as it is, and what comes back the same where it was
//! read in between.

use std::sync::Arc;

use serde_json::{Value, json};
use toolgate::api::ollama::server::Defaults;
use toolgate::config::{self, Alias, OllamaApi, Pool, ToolsChoice};
use toolgate::mock::{Api, Mock, Script};
use toolgate::server::Running;

use crate::access::{line_of, named};
use crate::harness::{Message, ask, config, gateway_of, get, peer, post, wait_until};
use crate::ollama::{CALL, DONE, HI, NDJSON, Ollama, error, line, lines, pool_at, pool_of, reply};
use crate::ollama_clients;
use crate::prometheus::Page;

const TOOLS: &str = r#","tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]"#;
const THOUGHT: &str = "{\"model\":\"m\",\"created_at\":\"2026-08-21T10:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\"},\"done\":false}\n";

fn gateway(pools: Vec<Pool>) -> Running {
    let mut config = config(pools);
    config.view.ollama_api = Some(OllamaApi::default());
    config.view.aliases.push(Alias { name: "qwen3:8b".to_owned(), model: "m".to_owned() });
    gateway_of(config)
}

fn body(more: &str) -> String {
    format!(r#"{{"model": "m","messages":[{{"role":"user","content":"hi"}}]{more}}}"#)
}

fn chat(more: &str) -> String {
    post("/api/chat", &body(more))
}

/// A pool that wants nothing of its chats.
fn without_wishes(pool: Pool) -> Pool {
    let defaults = Arc::new(Defaults::default());
    Pool { ollama: config::Ollama { defaults, ..config::Ollama::default() }, ..pool }
}

#[test]
fn what_needs_nothing_done_passes_byte_for_byte() {
    // Bytes that no translation would write.
    let odd = format!("{}\r\n\r\n{THOUGHT}{CALL}{DONE}", HI.trim_end().replace(':', " :"));
    let answer = odd.clone();
    let server = Ollama::answering(move |_| lines(&[&answer]));
    for (tools, is_native) in [("", false), ("", true), (TOOLS, true)] {
        let tools_of = if is_native { ToolsChoice::Native } else { ToolsChoice::Auto };
        let pool = Pool { tools: tools_of, ..without_wishes(pool_of(&[&server])) };
        let gateway = gateway(vec![pool]);
        for more in ["", r#", "stream":true"#, r#","options":{"seed":1.50},"x":[ ]"#] {
            let request = chat(&format!("{tools}{more}"));
            let answer = ask(gateway.addr, &request);
            assert_eq!((answer.text(), answer.field("content-type")), (odd.clone(), Some("application/x-ndjson")));
            assert!(answer.field("x-request-id").is_some() && answer.is_complete);
            let up = server.chat();
            assert_eq!(
                (up.first_line.as_str(), up.text()),
                ("POST /api/chat HTTP/1.1", body(&format!("{tools}{more}")))
            );
        }
    }
}

#[test]
fn what_a_pool_wants_of_each_chat_is_added_and_nothing_else() {
    let server = Ollama::answering(|_| lines(&[HI, DONE]));
    let gateway = gateway(vec![pool_of(&[&server])]);
    let answer = ask(gateway.addr, chat(r#", "x": 1.0"#));
    assert_eq!(answer.text(), [HI, DONE].concat());
    let up = server.chat();
    let sent = body(r#", "x": 1.0"#);
    assert_eq!(up.text(), format!("{},\"truncate\":false}}", sent.strip_suffix('}').unwrap()));
    assert_eq!(up.field("content-length"), Some(up.body.len().to_string().as_str()));
}

/// What goes to `/api/embed`, `/api/generate` and the like; with the members that are added.
const OTHERS: [(&str, &str, &str); 6] = [
    ("/api/embed", r#"{"model": "m","input":"hi"}"#, r#","options":{"num_ctx":9}"#),
    ("/api/embeddings", r#"{"model": "m","prompt":"hi"}"#, r#","options":{"num_ctx":9}"#),
    ("/api/generate", r#"{"model": "m","prompt":"hi","raw":true}"#, r#","options":{"num_ctx":9},"truncate":false"#),
    ("/api/generate", r#"{"model": "m"}"#, r#","options":{"num_ctx":9}"#),
    ("/api/chat", r#"{"model": "m","messages":[]}"#, r#","options":{"num_ctx":9}"#),
    ("/api/chat", r#"{"model": "m","keep_alive":0}"#, ""),
];

#[test]
fn other_pages_pass_to_a_server_that_has_them() {
    let server = Ollama::answering(|request| reply("200 OK", &json!({ "asked": request.text() })));
    let gateway = gateway(vec![without_wishes(pool_of(&[&server]))]);
    for (path, body, _) in OTHERS {
        assert_eq!(ask(gateway.addr, post(path, body)).json()["asked"], body, "{path}");
        assert_eq!(server.chat().first_line, format!("POST {path} HTTP/1.1"));
    }
}

#[test]
fn whatever_loads_a_model_loads_it_as_its_pool_wants() {
    let server = Ollama::answering(|request| reply("200 OK", &json!({ "asked": request.text() })));
    let defaults = Arc::new(Defaults { num_ctx: Some(9), truncate: Some(false), ..Defaults::default() });
    let ollama = config::Ollama { defaults, ..config::Ollama::default() };
    let gateway = gateway(vec![Pool { ollama, ..pool_of(&[&server]) }]);
    for (path, body, more) in OTHERS {
        let expected = format!("{}{more}}}", body.strip_suffix('}').unwrap());
        assert_eq!(ask(gateway.addr, post(path, body)).json()["asked"], expected, "{path}");
    }
}

#[test]
fn an_alias_is_known_with_the_tag_that_lists_give_it_and_without() {
    let server = Ollama::answering(|_| lines(&[HI, DONE]));
    let mut config = config(vec![pool_of(&[&server])]);
    config.view.ollama_api = Some(OllamaApi::default());
    config.view.aliases.push(Alias { name: "gpt-4o".to_owned(), model: "m".to_owned() });
    let gateway = gateway_of(config);
    for name in ["gpt-4o", "gpt-4o:latest", "GPT-4o:latest"] {
        for (path, more) in [
            ("/api/chat", r#","messages":[{"role":"user","content":"hi"}]"#),
            ("/api/chat", r#","messages":[],"keep_alive":0"#),
            ("/api/generate", ""),
            ("/api/generate", r#","prompt":"hi","raw":true"#),
        ] {
            let answer = ask(gateway.addr, post(path, &format!(r#"{{"model":"{name}"{more}}}"#)));
            assert_eq!((answer.status(), &server.chat().json()["model"]), (200, &json!("m")), "{name} {path} {more}");
        }
    }
}

#[test]
fn a_refusal_of_its_own_passes_and_one_of_a_proxy_is_told_as_its() {
    let server = Ollama::answering(|request| match request.text().contains("html") {
        true => b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>".to_vec(),
        false => error("400 Bad Request", "that  is bad"),
    });
    let gateway = gateway(vec![pool_of(&[&server])]);
    let answer = ask(gateway.addr, chat(""));
    assert_eq!((answer.status(), answer.text().as_str()), (400, r#"{"error":"that  is bad"}"#));
    let answer = ask(gateway.addr, chat(r#","x":"html""#));
    assert_eq!((answer.status(), answer.json()), (502, json!({ "error": "upstream answered 502" })));
}

/// Everything that a stream says, in its order; texts side by side are one.
fn said(answer: &Message) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for mut line in ollama_clients::lines(answer) {
        let message = line["message"].take();
        for key in ["thinking", "content"] {
            let text = message[key].as_str().unwrap_or_default();
            match all.last_mut().and_then(|last| last.get_mut(key)) {
                Some(Value::String(last)) => last.push_str(text),
                _ if text.is_empty() => {}
                _ => all.push(json!({ key: text })),
            }
        }
        all.extend(message["tool_calls"].as_array().into_iter().flatten().cloned());
        if line["done"] == true {
            let counts = ["done_reason", "prompt_eval_count", "eval_count"].map(|key| line[key].clone());
            all.push(counts.into_iter().collect());
        }
    }
    all
}

#[test]
fn what_was_read_in_between_comes_back_the_same() {
    let server = Ollama::answering(|_| {
        lines(&[
            THOUGHT,
            HI,
            &line(" there"),
            CALL,
            &CALL.replace("call_own", "call_two").replace("\"index\":0", "\"index\":1"),
            DONE,
        ])
    });
    let call = |id: &str, index: u64| json!({ "id": id, "function": { "index": index, "name": "weather", "arguments": { "city": "Oslo" } } });
    let expected = [
        json!({ "thinking": "hm" }),
        json!({ "content": "Hi there" }),
        call("call_own", 0),
        call("call_two", 1),
        json!(["stop", 26, 5]),
    ];
    for (tools, model) in [(ToolsChoice::Auto, "m"), (ToolsChoice::Auto, "M:latest"), (ToolsChoice::Native, "qwen3:8b")]
    {
        let gateway = gateway(vec![Pool { tools, ..pool_of(&[&server]) }]);
        let request = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]{TOOLS}}}"#);
        let answer = ask(gateway.addr, post("/api/chat", &request));
        assert_eq!(said(&answer), expected, "{model}");
        assert!(answer.text().lines().all(|line| line.starts_with(&format!("{{\"model\":\"{model}\","))), "{model}");
        let up = server.chat();
        assert!(up.json().get("tools").is_some() && up.first_line == "POST /api/chat HTTP/1.1");
        let whole =
            ask(gateway.addr, post("/api/chat", &request.replace("\"messages\"", "\"stream\":false,\"messages\"")));
        let whole = whole.json();
        assert_eq!((&whole["message"]["content"], &whole["message"]["thinking"]), (&json!("Hi there"), &json!("hm")));
        assert_eq!(whole["message"]["tool_calls"], json!([call("call_own", 0), call("call_two", 1)]));
    }
}

#[test]
fn a_model_that_takes_no_tools_gets_them_in_its_prompt() {
    let script = r#"
model: m
about: { capabilities: [completion] }
answers: [{ text: '{"tool_call": {"name": "weather", "arguments": {"city": "Oslo"}}}' }]
"#;
    let mock = Mock::start("127.0.0.1:0", Script::from_yaml(script).unwrap().speaking(Api::Ollama).unwrap()).unwrap();
    let gateway = gateway(vec![pool_at(vec![peer(mock.addr())])]);
    let answer = ask(gateway.addr, chat(TOOLS));
    let said = said(&answer);
    assert_eq!((&said[0]["function"]["name"], said.len()), (&json!("weather"), 2), "{said:?}");
    // Where they are listed it is as any model.
    let tags = ask(gateway.addr, get("/api/tags")).json();
    let names: Vec<_> = tags["models"].as_array().unwrap().iter().map(|model| model["name"].clone()).collect();
    assert_eq!(names, ["m:latest", "qwen3:8b"]);
    assert!(tags["models"][0]["capabilities"].as_array().unwrap().contains(&json!("tools")));
    assert_eq!(ask(gateway.addr, post("/api/show", r#"{"model":"m"}"#)).json()["model_info"]["general.basename"], "m");
}

#[test]
fn a_stream_that_breaks_off_ends_in_an_error_line() {
    let server = Ollama::scripted(|_, wire| {
        wire.send(NDJSON);
        wire.chunk(HI);
        wire.tcp().shutdown(std::net::Shutdown::Both).unwrap();
    });
    let gateway = gateway(vec![pool_of(&[&server])]);
    for more in ["", TOOLS] {
        let lines = ollama_clients::lines(&ask(gateway.addr, chat(more)));
        assert!(lines.len() == 2 && lines[1]["error"].is_string(), "{lines:?}");
    }
}

#[test]
fn what_breaks_off_where_no_line_may_follow_is_cut_off() {
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: application/{fields}\r\n\r\n");
    for (head, begun) in [
        (NDJSON.to_owned(), format!("20\r\n{}\r\n", &HI[..32])),
        (head("x-ndjson\r\nContent-Length: 1000"), HI.to_owned()),
        (head("json\r\nTransfer-Encoding: chunked"), "1\r\n\n\r\n".to_owned()),
        (head("x-ndjson\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked"), "1\r\n\n\r\n".to_owned()),
    ] {
        let answer = format!("{head}{begun}");
        let server = Ollama::scripted(move |_, wire| {
            wire.send(&answer);
            wire.tcp().shutdown(std::net::Shutdown::Both).unwrap();
        });
        let gateway = gateway(vec![pool_of(&[&server])]);
        let answer = ask(gateway.addr, chat(""));
        assert!(!answer.is_complete && !answer.text().contains("error"), "{head}: {}", answer.text());
    }
}

#[test]
fn what_passes_is_counted_as_what_is_read() {
    let server = Ollama::answering(|_| lines(&[HI, DONE]));
    let gateway = gateway(vec![pool_of(&[&server])]);
    let requests = [("both-passed", chat("")), ("both-read", chat(TOOLS))];
    for (id, request) in requests {
        assert_eq!(ask(gateway.addr, named(id, request)).field("x-request-id"), Some(id));
        let (_, line) = line_of(id);
        let facts = ["model", "path", "status", "outcome", "finish", "input_tokens", "output_tokens"];
        let expected = json!(["m", "/api/chat", 200, "ok", "stop", 26, 5]);
        assert_eq!(facts.map(|key| line[key].clone()).into_iter().collect::<Value>(), expected, "{line}");
    }
    let counted = |kind: &str| {
        let page = Page::parse(&ask(gateway.admin_addr.unwrap(), get("/metrics")).text());
        let labels = [("gen_ai_operation_name", "chat"), ("gen_ai_token_type", kind)];
        page.sum("gen_ai_client_token_usage_sum", &labels).unwrap_or_default()
    };
    wait_until("both are counted", || (counted("input"), counted("output")) == (52.0, 10.0));
}
