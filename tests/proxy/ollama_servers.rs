//! Clients of OpenAI's API before servers of Ollama's: what goes up, and what comes of every way to answer.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};
use toolgate::api::ollama::server::Defaults;
use toolgate::api::openai::{Folded, Folder};
use toolgate::config::{self, Alias, Checks, Pool, ToolsChoice};
use toolgate::engine::ChatApi;
use toolgate::server::Running;

use crate::access::{line_of, named};
use crate::harness::{Message, PATIENCE, Wire, ask, assert_error, config, gateway_of, get, ok, peer, post, wait_until};
use crate::ollama::{CALL, DONE, HI, LOADED, NDJSON, Ollama, error, line, lines, pool_at, pool_of, reply};
use crate::prometheus::Page;

const CHAT: &str = "/v1/chat/completions";
const STREAM: &str = r#","stream":true"#;
const TOOLS: &str = r#","tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]"#;

fn body(more: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{more}}}"#)
}

fn chat(more: &str) -> String {
    post(CHAT, &body(more))
}

fn gateway(servers: &[&Ollama]) -> Running {
    gateway_with(servers, |_| ())
}

fn gateway_with(servers: &[&Ollama], change: impl FnOnce(&mut Pool)) -> Running {
    let mut pool = pool_of(servers);
    change(&mut pool);
    gateway_of(config(vec![pool]))
}

/// An answer, streamed or whole.
fn folded(answer: &Message) -> Folded {
    if answer.field("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Folded::from_body(&answer.body);
    }
    let mut folder = Folder::new(1 << 20);
    folder.push(Bytes::copy_from_slice(&answer.body));
    folder.finish()
}

/// The text, the calls with their arguments, and the finish reason.
fn said(answer: &Message) -> (Option<String>, Vec<(String, Value)>) {
    assert_eq!((answer.status(), answer.is_complete), (200, true), "{}", answer.text());
    let folded = folded(answer);
    assert!(folded.error.is_none(), "{}", answer.text());
    let message = folded.messages.get(&0).cloned().unwrap_or_default();
    let calls = message.tool_calls.iter();
    let calls = calls.map(|call| (call.function.name.clone(), serde_json::from_str(&call.function.arguments).unwrap()));
    (message.content, calls.collect())
}

fn hi() -> (Option<String>, Vec<(String, Value)>) {
    (Some("Hi".to_owned()), Vec::new())
}

fn call() -> Vec<(String, Value)> {
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

/// A server that answers a chat unless it says what its model does not take.
fn particular(refuses: fn(&Value) -> Option<&'static str>) -> Ollama {
    Ollama::answering(move |chat| match refuses(&chat.json()) {
        Some(message) => error("400 Bad Request", message),
        None => lines(&[HI, DONE]),
    })
}

const NO_TOOLS: &str = "m does not support tools";
const NO_THINKING: &str = "\"m\" does not support thinking";
const NO_LEVELS: &str = "think value \"high\" is not supported for this model";

#[test]
fn what_a_model_does_not_take_is_left_out_and_that_is_remembered() {
    for stream in ["", STREAM] {
        let server = particular(|chat| match &chat["think"] {
            _ if chat.get("tools").is_some() => Some(NO_TOOLS),
            Value::String(_) => Some(NO_LEVELS),
            Value::Bool(_) => Some(NO_THINKING),
            _ => None,
        });
        let gateway = gateway(&[&server]);
        let more = format!(r#"{stream}{TOOLS},"reasoning_effort":"high""#);
        let id = format!("particular-{}", stream.len());
        assert_eq!(said(&ask(gateway.addr, named(&id, chat(&more)))), hi());
        let asked = |chat: &Value| (chat.get("tools").is_some(), chat.get("think").cloned());
        let expected =
            [(true, Some(json!("high"))), (false, Some(json!("high"))), (false, Some(json!(true))), (false, None)];
        for expected in expected {
            assert_eq!(asked(&server.chat().json()), expected);
        }
        assert_eq!(line_of(&id).1["retries"], 3);
        // From here on it is known.
        assert_eq!(said(&ask(gateway.addr, chat(&more))), hi());
        let up = server.chat();
        assert_eq!(asked(&up.json()), (false, None));
        assert!(up.text().contains("weather"), "the tools are in the prompt: {}", up.text());
        assert_eq!(server.others(), 0);
    }
}

#[test]
fn each_complaint_is_heeded_once() {
    for (message, code) in
        [(NO_TOOLS, "tools_unsupported"), (NO_THINKING, "thinking_unsupported"), (NO_LEVELS, "thinking_unsupported")]
    {
        for stream in ["", STREAM] {
            let server = Ollama::answering(move |_| error("400 Bad Request", message));
            let gateway = gateway(&[&server]);
            let answer = ask(gateway.addr, chat(&format!(r#"{stream}{TOOLS},"reasoning_effort":"high""#)));
            assert_error(&answer, 400, code);
            assert_eq!((answer.json()["error"]["message"].as_str(), server.others()), (Some(message), 2));
        }
    }
}

#[test]
fn a_model_that_is_configured_to_take_tools_keeps_its_refusal() {
    let server = particular(|chat| chat.get("tools").is_some().then_some(NO_TOOLS));
    let gateway = gateway_with(&[&server], |pool| pool.tools = ToolsChoice::Native);
    assert_error(&ask(gateway.addr, chat(TOOLS)), 400, "tools_unsupported");
    assert_eq!(server.others(), 1);
}

#[test]
fn calls_that_its_server_cannot_read_are_asked_for_in_other_words() {
    const ENVELOPE: &str = r#"{"tool_call": {"name": "weather", "arguments": {"city": "Oslo"}}}"#;
    for stream in ["", STREAM] {
        let server = Ollama::answering(|chat| match chat.json().get("tools") {
            Some(_) => error("500 Internal Server Error", "XML syntax error on line 3: unexpected EOF"),
            None => lines(&[&line(ENVELOPE), DONE]),
        });
        let gateway = gateway(&[&server]);
        let answer = ask(gateway.addr, chat(&format!("{stream}{TOOLS}")));
        assert_eq!(said(&answer), (None, call()));
        let (first, second) = (server.chat().json(), server.chat());
        assert!(first.get("tools").is_some() && second.text().contains(r#"\"tool_call\""#), "{}", second.text());
        // That was one answer.
        ask(gateway.addr, chat(&format!("{stream}{TOOLS}")));
        assert!(server.chat().json().get("tools").is_some());

        let server = Ollama::answering(|_| error("500 Internal Server Error", "EOF"));
        let gateway = gateway_with(&[&server], |_| ());
        assert_error(&ask(gateway.addr, chat(&format!("{stream}{TOOLS}"))), 502, "upstream_error");
        assert_eq!(server.others(), 2);
    }
}

#[test]
fn a_model_that_was_only_loaded_is_asked_once_more() {
    for more in ["", STREAM, TOOLS, &format!("{STREAM}{TOOLS}")] {
        let count = AtomicUsize::new(0);
        let server = Ollama::answering(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => lines(&[LOADED]),
            _ => lines(&[HI, DONE]),
        });
        assert_eq!(said(&ask(gateway(&[&server]).addr, chat(more))), hi(), "{more}");
        assert_eq!(server.others(), 2);

        let server = Ollama::answering(|_| reply("200 OK", &serde_json::from_str(LOADED).unwrap()));
        assert_error(&ask(gateway(&[&server]).addr, chat(more)), 502, "upstream_empty");
        assert_eq!(server.others(), 2, "{more}");
    }
}

#[test]
fn after_comments_too_a_model_that_was_only_loaded_is_asked_once_more() {
    for (answers, expected) in [([LOADED, HI], "\"content\":\"Hi\""), ([LOADED, LOADED], "\"error\"")] {
        let (go, next) = mpsc::channel::<()>();
        let (next, count) = (Mutex::new(next), AtomicUsize::new(0));
        let server = Ollama::scripted(move |_, wire| {
            next.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            wire.send(lines(&[answers[count.fetch_add(1, Ordering::SeqCst)], DONE]));
        });
        let gateway = gateway_with(&[&server], |pool| pool.keepalive_ms = Some(20));
        let mut client = Wire::connect(gateway.addr);
        client.send(chat(STREAM));
        assert_eq!(client.head().unwrap().status(), 200);
        for _ in 0..2 {
            assert_eq!(client.next_chunk().unwrap(), b": waiting\n\n");
            go.send(()).unwrap();
        }
        let rest = std::iter::from_fn(|| client.next_chunk().filter(|chunk| !chunk.is_empty()));
        let rest = String::from_utf8(rest.flatten().collect()).unwrap();
        assert!(rest.contains(expected) && !rest.contains("upstream_incomplete"), "{rest}");
        assert_eq!(server.others(), 2);
    }
}

#[test]
fn a_server_that_dies_before_the_first_word_is_replaced_unseen() {
    for begun in ["", "HTTP/1.1 200 O", NDJSON, &format!("{NDJSON}10\r\n{}", &HI[..16])] {
        for more in ["", STREAM, TOOLS, &format!("{STREAM}{TOOLS}")] {
            let (first, second) = (dying(begun.to_owned()), Ollama::answering(|_| lines(&[HI, DONE])));
            let mut pool = pool_of(&[&second]);
            pool.peers[0].priority = 1;
            pool.peers.push(peer(first));
            let gateway = gateway_of(config(vec![pool]));
            assert_eq!(said(&ask(gateway.addr, chat(more))), hi(), "{begun:?} {more}");
            assert_eq!(second.others(), 1);
        }
    }
}

/// A server that begins to answer one chat, and is gone then.
fn dying(begun: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let mut wire = Wire::new(tcp.unwrap());
            let request = wire.request().unwrap_or_default();
            if request.first_line.starts_with("POST /api/chat ") {
                wire.send(&begun);
                drop(listener);
                return;
            }
            wire.send(error("404 Not Found", "not found"));
        }
    });
    address
}

#[test]
fn a_server_that_dies_behind_its_first_word_is_not_replaced() {
    for tools in ["", TOOLS] {
        let first = Ollama::scripted(|_, wire| {
            wire.send(NDJSON);
            wire.chunk(HI);
            wire.tcp().shutdown(std::net::Shutdown::Both).unwrap();
        });
        let second = Ollama::answering(|_| lines(&[HI, DONE]));
        let gateway = gateway(&[&first, &second]);
        let answer = ask(gateway.addr, chat(&format!("{STREAM}{tools}")));
        let folded = folded(&answer);
        assert!(answer.is_complete && folded.error.is_some() && !folded.done, "{}", answer.text());
        assert_eq!(second.others(), 0);
    }
}

#[test]
fn an_answer_without_an_end_is_an_error() {
    let long = "x".repeat(9 << 20);
    for (body, code) in [
        (vec![HI.to_owned()], "upstream_incomplete"),
        (vec![HI.to_owned(), "{\"error\":\"out of memory\"}\n".to_owned()], "upstream_error"),
        (vec![HI.to_owned(), "nonsense\n".to_owned()], "upstream_protocol"),
        (vec![HI.to_owned(), line(&long)], "upstream_protocol"),
    ] {
        let server = Ollama::answering(move |_| lines(&body.iter().map(String::as_str).collect::<Vec<_>>()));
        let gateway = gateway(&[&server]);
        for tools in ["", TOOLS] {
            let answer = ask(gateway.addr, chat(&format!("{STREAM}{tools}")));
            assert!(answer.is_complete && answer.text().contains("\"content\":\"Hi\""), "{}", answer.text());
            assert!(answer.text().contains(&format!("\"code\":\"{code}\"")), "{}", answer.text());
            assert!(!answer.text().contains("[DONE]") && !answer.text().contains("\"finish_reason\":\"stop\""));
            assert_error(&ask(gateway.addr, chat(tools)), 502, code);
        }
    }
}

#[test]
fn a_line_may_be_as_long_as_a_file() {
    let text = "x".repeat(7 << 20);
    let file = line(&text);
    let server = Ollama::answering(move |_| lines(&[&file, DONE]));
    let gateway = gateway(&[&server]);
    let whole = said(&ask(gateway.addr, chat(TOOLS))).0;
    assert!(whole.as_deref() == Some(&text), "{:?}", whole.map(|text| text.len()));
    let streamed = ask(gateway.addr, chat(&format!("{STREAM}{TOOLS}")));
    assert!(streamed.body.len() > text.len() && streamed.body.ends_with(b"data: [DONE]\n\n"));
}

/// A gateway that knows which models its servers have.
fn listed(servers: &[&Ollama]) -> Running {
    let gateway = gateway_with(servers, |pool| pool.balancing.checks = Checks::Every { ms: 86_400_000 });
    let has_models = |peer: &Value| peer["models"].as_array().is_some_and(|models| !models.is_empty());
    wait_until("all have told their models", || {
        let status = ask(gateway.admin_addr.unwrap(), get("/status")).json();
        status["pools"][0]["peers"].as_array().unwrap().iter().all(has_models)
    });
    gateway
}

#[test]
fn a_model_that_a_server_has_no_more_is_asked_of_another() {
    for stream in ["", STREAM] {
        let has = Arc::new(AtomicBool::new(true));
        let (lists, now) = (Arc::clone(&has), Arc::clone(&has));
        let first = Ollama::listing(
            move || lists.load(Ordering::SeqCst),
            move |_, wire| {
                now.store(false, Ordering::SeqCst);
                wire.send(error("404 Not Found", "model 'm' not found"));
            },
        );
        let second = Ollama::answering(|_| lines(&[HI, DONE]));
        let gateway = listed(&[&first, &second]);
        assert_eq!(said(&ask(gateway.addr, chat(stream))), hi());
        assert_eq!((first.others(), second.others()), (1, 1));
    }
}

#[test]
fn a_model_that_nobody_has_is_not_looked_for_for_ever() {
    for lists in [true, false] {
        let missing = || {
            let asked = Arc::new(AtomicBool::new(false));
            let was_asked = Arc::clone(&asked);
            Ollama::listing(
                move || lists || !was_asked.load(Ordering::SeqCst),
                move |_, wire| {
                    asked.store(true, Ordering::SeqCst);
                    wire.send(error("404 Not Found", "model 'm' not found, try pulling it first"));
                },
            )
        };
        let (first, second) = (missing(), missing());
        let gateway = listed(&[&first, &second]);
        assert_error(&ask(gateway.addr, chat("")), 404, "model_not_found");
        assert!(first.others() + second.others() <= 3);
    }
}

#[test]
fn a_busy_server_is_passed_over_and_the_last_one_says_when_to_come_back() {
    let busy = || {
        let words = "server busy, please try again.  maximum pending requests exceeded";
        Ollama::answering(move |_| error("503 Service Unavailable", words))
    };
    for stream in ["", STREAM] {
        let (first, second) = (busy(), Ollama::answering(|_| lines(&[HI, DONE])));
        assert_eq!(said(&ask(gateway(&[&first, &second]).addr, chat(stream))), hi());
        assert_eq!((first.others(), second.others()), (1, 1));

        let alone = busy();
        let answer = ask(gateway(&[&alone]).addr, chat(stream));
        assert_error(&answer, 503, "server_busy");
        assert_eq!(answer.field("retry-after"), Some("1"));
    }
}

#[test]
fn a_refusal_of_the_gateway_s_is_no_refusal_of_the_client_s() {
    let server = Ollama::answering(|_| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec());
    for stream in ["", STREAM] {
        assert_error(&ask(gateway(&[&server]).addr, chat(stream)), 502, "upstream_error");
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
