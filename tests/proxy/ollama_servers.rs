//! Clients of OpenAI's API before servers of Ollama's: what goes up, and what comes of every way to answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};
use toolgate::api::ollama::server::Defaults;
use toolgate::api::openai::{Folded, Folder};
use toolgate::config::{self, Alias, Checks, Pool};
use toolgate::engine::ChatApi;
use toolgate::server::Running;

use crate::access::{line_of, named};
use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, assert_error, config, gateway_of, get, ok, peer, post, wait_until,
};
use crate::ollama::{CALL, DONE, HI, NDJSON, Ollama, line, lines, pool_at, pool_of, reply};
use crate::prometheus::Page;

pub const CHAT: &str = "/v1/chat/completions";
pub const STREAM: &str = r#","stream":true"#;
pub const TOOLS: &str = r#","tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]"#;

fn body(more: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{more}}}"#)
}

pub fn chat(more: &str) -> String {
    post(CHAT, &body(more))
}

pub fn gateway(servers: &[&Ollama]) -> Running {
    gateway_with(servers, |_| ())
}

pub fn gateway_with(servers: &[&Ollama], change: impl FnOnce(&mut Pool)) -> Running {
    let mut pool = pool_of(servers);
    change(&mut pool);
    gateway_of(config(vec![pool]))
}

/// An answer, streamed or whole.
pub fn folded(answer: &Message) -> Folded {
    if answer.field("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Folded::from_body(&answer.body);
    }
    let mut folder = Folder::new(1 << 20);
    folder.push(Bytes::copy_from_slice(&answer.body));
    folder.finish()
}

/// The text, the calls with their arguments, and the finish reason.
pub fn said(answer: &Message) -> (Option<String>, Vec<(String, Value)>) {
    assert_eq!((answer.status(), answer.is_complete), (200, true), "{}", answer.text());
    let folded = folded(answer);
    assert!(folded.error.is_none(), "{}", answer.text());
    let message = folded.messages.get(&0).cloned().unwrap_or_default();
    let calls = message.tool_calls.iter();
    let calls = calls.map(|call| (call.function.name.clone(), serde_json::from_str(&call.function.arguments).unwrap()));
    (message.content, calls.collect())
}

pub fn hi() -> (Option<String>, Vec<(String, Value)>) {
    (Some("Hi".to_owned()), Vec::new())
}

pub fn call() -> Vec<(String, Value)> {
    vec![("weather".to_owned(), json!({ "city": "Oslo" }))]
}

#[test]
fn every_chat_goes_up_in_the_servers_words() {
    let server = Ollama::answering(|_| lines(&[HI, DONE]));
    let mut peer = peer(server.upstream.address);
    peer.prefix = "/box".to_owned();
    let gateway = gateway_of(config(vec![pool_at(vec![peer])]));
    for more in ["", STREAM, TOOLS, &format!("{STREAM}{TOOLS}")] {
        let request = post(&format!("{CHAT}?key=1"), &body(more));
        let fields = "Origin: http://page\r\nReferer: http://page/x\r\nContent-Type: application/json; charset=utf-8";
        let answer = ask(gateway.addr, request.replace("Content-Type: application/json", fields));
        assert_eq!(said(&answer), hi(), "{more}");
        let streamed = more.starts_with(STREAM);
        let content_type = if streamed { "text/event-stream" } else { "application/json; charset=utf-8" };
        assert_eq!(answer.field("content-type"), Some(content_type));
        let up = server.chat();
        assert_eq!(up.first_line, "POST /box/api/chat HTTP/1.1");
        let fields = ["origin", "referer", "content-type", "accept-encoding"].map(|name| up.field(name));
        assert_eq!(fields, [None, None, Some("application/json"), Some("identity")]);
        let up = up.json();
        assert_eq!(
            (&up["stream"], &up["truncate"], up.get("tools").is_some()),
            (&json!(true), &json!(false), more.contains("tools"))
        );
        assert_eq!((&up["messages"][0]["role"], &up["messages"][0]["content"]), (&json!("user"), &json!("hi")));
    }
}

#[test]
fn whatever_is_no_chat_passes_as_it_came() {
    let server = Ollama::answering(|request| ok(&request.first_line));
    let gateway = gateway(&[&server]);
    for request in [
        post("/v1/completions?x=1", r#"{"model":"m","prompt":"hi"}"#),
        post("/v1/embeddings", r#"{"model": "m","input":"hi"}"#),
        post("/api/chat", r#"{"model": "m","messages":[]}"#),
        post("/api/generate", r#"{"model": "m","prompt":"hi"}"#),
        get("/v1/models?x=1"),
        get("/api/blobs/x"),
    ] {
        let answer = ask(gateway.addr, request.replace("Host: gateway", "Host: gateway\r\nOrigin: http://page"));
        let up = server.chat();
        let expected = (request.lines().next().unwrap(), request.rsplit_once("\r\n\r\n").unwrap().1.to_owned());
        assert_eq!((up.first_line.as_str(), up.text()), expected);
        assert_eq!((answer.text(), up.field("origin")), (up.first_line.clone(), Some("http://page")));
    }
}

#[test]
fn a_whole_answer_is_put_together_and_says_what_it_cost() {
    let server = Ollama::answering(|_| lines(&[HI, CALL, DONE]));
    let gateway = gateway(&[&server]);
    let answer = ask(gateway.addr, chat(TOOLS));
    assert_eq!(said(&answer), (hi().0, call()));
    let answer = answer.json();
    let choice = &answer["choices"][0];
    assert_eq!((&answer["object"], &choice["finish_reason"]), (&json!("chat.completion"), &json!("tool_calls")));
    assert_eq!(choice["message"]["tool_calls"][0]["id"], "call_own");
    let counts = ["prompt_tokens", "completion_tokens", "total_tokens"].map(|key| answer["usage"][key].as_u64());
    assert_eq!(counts, [Some(26), Some(5), Some(31)]);
}

#[test]
fn a_stream_says_what_it_cost_where_that_was_asked() {
    let server = Ollama::answering(|_| lines(&[HI, DONE]));
    let gateway = gateway(&[&server]);
    for tools in ["", TOOLS] {
        for (asked, expected) in [("", false), (r#","stream_options":{"include_usage":true}"#, true)] {
            let answer = ask(gateway.addr, chat(&format!("{STREAM}{asked}{tools}"))).text();
            assert_eq!(answer.contains("\"usage\":{\"prompt_tokens\":26"), expected, "{answer}");
            assert!(answer.ends_with("data: [DONE]\n\n"));
        }
    }
}

#[test]
fn a_stream_comes_as_its_server_writes_it() {
    let (go, next) = mpsc::channel::<()>();
    let next = Mutex::new(next);
    let server = Ollama::scripted(move |_, wire| {
        wire.send(NDJSON);
        for text in ["one", "two", "three"] {
            wire.chunk(line(text));
            next.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        wire.chunk(DONE);
        wire.last_chunk();
    });
    let gateway = gateway(&[&server]);
    for tools in ["", TOOLS] {
        let mut client = Wire::connect(gateway.addr);
        client.send(chat(&format!("{STREAM}{tools}")));
        assert_eq!(client.head().unwrap().field("content-type"), Some("text/event-stream"));
        for text in ["one", "two", "three"] {
            let mut heard = String::new();
            while !heard.contains(&format!("\"content\":\"{text}\"")) {
                heard += &String::from_utf8(client.next_chunk().unwrap()).unwrap();
            }
            go.send(()).unwrap();
        }
        let rest: Vec<u8> =
            std::iter::from_fn(|| client.next_chunk().filter(|chunk| !chunk.is_empty())).flatten().collect();
        assert!(rest.ends_with(b"data: [DONE]\n\n"));
    }
}

#[test]
fn a_client_that_leaves_ends_the_answer() {
    for more in ["", STREAM, TOOLS] {
        let (say, closed) = mpsc::channel();
        let say = Mutex::new(say);
        let server = Ollama::scripted(move |_, wire| {
            // The client may have left before.
            let _ = wire.try_send(format!("{NDJSON}{:x}\r\n{HI}\r\n", HI.len()));
            wire.expect_close();
            say.lock().unwrap().send(()).unwrap();
        });
        let gateway = gateway(&[&server]);
        let mut client = Wire::connect(gateway.addr);
        client.send(chat(more));
        server.chat();
        if more == STREAM {
            client.head().unwrap();
        }
        drop(client);
        closed.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_client_hears_comments_while_its_server_is_silent() {
    for tools in ["", TOOLS] {
        let (go, next) = mpsc::channel::<()>();
        let next = Mutex::new(next);
        let server = Ollama::scripted(move |_, wire| {
            next.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            wire.send(lines(&[HI, DONE]));
        });
        let gateway = gateway_with(&[&server], |pool| pool.keepalive_ms = Some(20));
        let mut client = Wire::connect(gateway.addr);
        client.send(chat(&format!("{STREAM}{tools}")));
        assert_eq!(client.head().unwrap().field("content-type"), Some("text/event-stream"));
        for _ in 0..2 {
            assert_eq!(client.next_chunk().unwrap(), b": waiting\n\n");
        }
        go.send(()).unwrap();
        let rest: Vec<u8> =
            std::iter::from_fn(|| client.next_chunk().filter(|chunk| !chunk.is_empty())).flatten().collect();
        let rest = String::from_utf8(rest).unwrap();
        assert!(rest.contains("\"content\":\"Hi\"") && rest.ends_with("data: [DONE]\n\n"), "{rest}");
    }
}

#[test]
fn its_chats_are_counted_and_logged_as_any_other() {
    let server = Ollama::answering(|_| lines(&[HI, CALL, DONE]));
    let gateway = gateway(&[&server]);
    for (id, stream) in [("ollama-whole", ""), ("ollama-streamed", STREAM)] {
        said(&ask(gateway.addr, named(id, chat(&format!("{stream}{TOOLS}")))));
        let (_, line) = line_of(id);
        let facts = ["model", "engine", "status", "outcome", "finish", "path", "retries"].map(|key| line[key].clone());
        let expected =
            [json!("m"), json!("ollama"), json!(200), json!("ok"), json!("tool_calls"), json!(CHAT), json!(0)];
        assert_eq!(facts, expected, "{line}");
        assert_eq!((&line["input_tokens"], &line["output_tokens"]), (&json!(26), &json!(5)), "{line}");
    }
    let tokens = |kind: &str| {
        let page = Page::parse(&ask(gateway.admin_addr.unwrap(), get("/metrics")).text());
        page.sum("gen_ai_client_token_usage_sum", &[("gen_ai_token_type", kind)]).unwrap_or_default()
    };
    wait_until("both are counted", || (tokens("input"), tokens("output")) == (52.0, 10.0));
}

#[test]
fn an_alias_stands_for_its_model() {
    let server = Ollama::answering(|_| lines(&[HI, DONE]));
    let mut config = config(vec![pool_of(&[&server])]);
    config.view.aliases.push(Alias { name: "gpt-4o".to_owned(), model: "m".to_owned() });
    let gateway = gateway_of(config);
    for more in ["", STREAM, TOOLS] {
        let answer = ask(gateway.addr, post(CHAT, &body(more).replace("\"m\"", "\"gpt-4o\"")));
        assert_eq!(said(&answer), hi());
        assert!(answer.text().contains("\"model\":\"gpt-4o\"") && !answer.text().contains("\"model\":\"m\""));
        assert_eq!(server.chat().json()["model"], "m");
    }
}

#[test]
fn a_pool_may_be_asked_as_openai_s_clients_ask() {
    let whole = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;
    let server = Ollama::answering(move |_| ok(whole));
    let gateway = gateway_with(&[&server], |pool| pool.ollama.api = ChatApi::OpenAi);
    let text = body(r#", "num_ctx": 5"#);
    assert_eq!(ask(gateway.addr, post(&format!("{CHAT}?x=1"), &text)).text(), whole);
    let up = server.chat();
    assert_eq!((up.first_line.as_str(), up.text()), ("POST /v1/chat/completions?x=1 HTTP/1.1", text));
}

#[test]
fn what_a_pool_wants_of_each_chat_is_in_each_and_the_client_s_word_wins() {
    let server = Ollama::answering(|_| lines(&[HI, DONE]));
    let gateway = gateway_with(&[&server], |pool| {
        let options = vec![("num_thread".to_owned(), "4".to_owned())];
        let (num_ctx, keep_alive) = (Some(8192), Some("-1".to_owned()));
        let defaults = Arc::new(Defaults { num_ctx, keep_alive, truncate: Some(true), options });
        pool.ollama = config::Ollama { defaults, ..config::Ollama::default() };
    });
    let own = r#","options":{"num_ctx":1,"num_thread":2},"keep_alive":"5m","truncate":false"#;
    for more in ["", STREAM, TOOLS] {
        for (own, expected) in [
            ("", json!([{ "num_ctx": 8192, "num_thread": 4 }, -1, true])),
            (own, json!([{ "num_ctx": 1, "num_thread": 2 }, "5m", false])),
        ] {
            said(&ask(gateway.addr, chat(&format!("{more}{own}"))));
            let up = server.chat().json();
            assert_eq!(json!([up["options"], up["keep_alive"], up["truncate"]]), expected);
        }
    }
}

#[test]
fn a_model_is_loaded_as_its_pool_wants_each_chat() {
    let is_loaded = AtomicBool::new(false);
    let (upstream, requests) = Upstream::answering(move |request| {
        let model = json!({ "name": "m:latest", "size": 1 });
        let models = |are: bool| json!({ "models": are.then_some(&model).into_iter().collect::<Vec<_>>() });
        let is = |page: &str| request.first_line.contains(page);
        if is(" /api/tags ") {
            return reply("200 OK", &models(true));
        }
        if is(" /api/ps ") {
            return reply("200 OK", &models(is_loaded.load(Ordering::SeqCst)));
        }
        if is(" /api/embed ") {
            is_loaded.store(true, Ordering::SeqCst);
            return reply("200 OK", &json!({ "embeddings": [] }));
        }
        if is(" /api/chat ") { lines(&[HI, DONE]) } else { reply("200 OK", &json!({})) }
    });
    let (num_ctx, keep_alive) = (Some(8192), Some("-1".to_owned()));
    let defaults = Arc::new(Defaults { num_ctx, keep_alive, truncate: Some(true), options: vec![] });
    let ollama = config::Ollama { defaults, ..config::Ollama::default() };
    let mut pool = Pool { ollama, ..pool_at(vec![peer(upstream.address)]) };
    pool.balancing.checks = Checks::Every { ms: 86_400_000 };
    let gateway = gateway_of(config(vec![pool]));
    assert_eq!(said(&ask(gateway.addr, chat(""))), hi());
    let order = requests.try_iter().find(|request| request.first_line.contains("/api/embed"));
    assert_eq!(
        order.unwrap().json(),
        json!({ "model": "m:latest", "input": [], "options": { "num_ctx": 8192 }, "keep_alive": -1 })
    );
}

#[test]
fn what_cannot_be_asked_there_is_refused_here() {
    let server = Ollama::answering(|_| lines(&[HI, DONE]));
    let gateway = gateway(&[&server]);
    for (more, param) in [(r#","n":2"#, "n"), (r#","reasoning_effort":"huge""#, "reasoning_effort")] {
        let answer = ask(gateway.addr, chat(more));
        assert_error(&answer, 400, "invalid_request");
        assert_eq!((answer.json()["error"]["param"].as_str(), server.others()), (Some(param), 0));
    }
}

#[test]
fn a_server_that_says_nothing_is_late() {
    let server = Ollama::scripted(|_, wire| wire.expect_close());
    let gateway = gateway_with(&[&server], |pool| pool.timeouts.first_byte_ms = Some(50));
    assert_error(&ask(gateway.addr, chat("")), 504, "upstream_timeout");
}
