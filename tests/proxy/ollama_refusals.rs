//! Servers of Ollama's API that refuse, fail, die or break off before a client of OpenAI's: what it hears of that, and who
//! answers in their place.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use toolgate::config::{Checks, ToolsChoice};
use toolgate::server::Running;

use crate::access::{line_of, named};
use crate::harness::{PATIENCE, Wire, ask, assert_error, config, gateway_of, get, peer, wait_until};
use crate::ollama::{DONE, HI, LOADED, NDJSON, Ollama, error, line, lines, pool_of, reply};
use crate::ollama_servers::{STREAM, TOOLS, call, chat, folded, gateway, gateway_with, hi, said};

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
