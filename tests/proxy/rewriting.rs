//! Chat requests that offer tools: what goes up, what comes back, and how it ends when something fails.

use std::sync::Mutex;
use std::sync::mpsc;

use bytes::Bytes;
use toolgate::api::openai::{Folded, Folder};
use toolgate::config::Timeouts;

use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, assert_error, config, gateway, gateway_of, models, peer, pool, post,
};

const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A request that offers one tool, with more members.
fn offer(more: &str) -> String {
    format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"tools":[{{"type":"function","function":{{"name":"weather","parameters":{{"type":"object","properties":{{"city":{{"type":"string"}}}}}}}}}}]{more}}}"#
    )
}

fn chat(more: &str) -> String {
    post("/v1/chat/completions", &offer(more))
}

fn event(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

fn text(text: &str) -> String {
    event(&format!("{{\"content\":{}}}", serde_json::to_string(text).unwrap()), "null")
}

fn end() -> String {
    event("{}", "\"stop\"") + "data: [DONE]\n\n"
}

const CALL: [&str; 5] =
    ["<tool_", "call>{\"name\": \"weather\",", " \"arguments\": {\"ci", "ty\": \"Oslo\"}}", "</tool_call>"];

/// An upstream that streams these events and ends properly.
fn streaming(events: Vec<String>) -> Upstream {
    Upstream::start(move |mut wire| {
        wire.request();
        wire.send(STREAM_HEAD);
        events.iter().for_each(|event| wire.chunk(event));
        wire.last_chunk();
    })
}

fn folded(answer: &Message) -> Folded {
    let mut folder = Folder::new(1 << 20);
    folder.push(Bytes::from(answer.body.clone()));
    folder.finish()
}

#[test]
fn what_goes_up_has_its_exact_length_and_asks_for_plain_bytes() {
    let (upstream, requests) = Upstream::answering(|_| crate::harness::ok("{}"));
    let gateway = gateway(upstream.address);
    for fill in [0, 10, 65_000, 65_536, 70_000, 1_000_000] {
        let body = offer(&format!(",\"fill\":\"{}\",\"stream\":true", "x".repeat(fill)));
        let sized = post("/v1/chat/completions", &body).replace("Host", "Accept-Encoding: gzip, br\r\nHost");
        let chunked = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        for request in [sized, chunked] {
            assert_eq!(ask(gateway.addr, request).status(), 200);
            let seen = requests.recv_timeout(PATIENCE).unwrap();
            assert_eq!(seen.field("content-length"), Some(seen.body.len().to_string().as_str()));
            assert_eq!((seen.field("transfer-encoding"), seen.field("accept-encoding")), (None, Some("identity")));
            // The server need not keep what nobody takes again.
            assert_eq!(seen.field("connection"), Some("close"));
            let sent = seen.json();
            assert_eq!((sent.get("tools"), sent["fill"].as_str().map(str::len)), (None, Some(fill)));
            assert!(sent["messages"].to_string().contains("weather"), "the tools are in the prompt");
        }
    }
}

#[test]
fn what_is_not_read_may_be_compressed() {
    let (upstream, requests) = Upstream::answering(|_| crate::harness::ok("{}"));
    let gateway = gateway(upstream.address);
    for request in [post("/v1/chat/completions", "{}"), chat(r#","tool_choice":"none""#), crate::harness::get("/x")] {
        ask(gateway.addr, request.replace("Host", "Accept-Encoding: gzip, br\r\nHost"));
        assert_eq!(requests.recv_timeout(PATIENCE).unwrap().field("accept-encoding"), Some("gzip, br"));
    }
}

#[test]
fn a_bad_tool_choice_is_refused() {
    let gateway = gateway(crate::harness::dead_address());
    for choice in [r#"{"type":"function","function":{"name":"other"}}"#, r#"{"type":"web_search"}"#, r#""maybe""#] {
        let answer = ask(gateway.addr, chat(&format!(r#","tool_choice":{choice}"#)));
        assert_error(&answer, 400, "invalid_tool_choice");
        assert_eq!(answer.json()["error"]["param"], "tool_choice");
    }
}

/// Keys are what they mean and not how they are written, and a byte order mark is nothing.
#[test]
fn a_request_is_read_as_its_server_would_read_it() {
    let (upstream, requests) = Upstream::answering(|_| crate::harness::ok("{}"));
    let mut first = pool("first", vec![peer(crate::harness::dead_address())]);
    first.models = models(&["other"]);
    let gateway = gateway_of(config(vec![first, pool("second", vec![peer(upstream.address)])]));
    let plain = offer(r#","stream":true"#);
    let spelt = plain.replace("\"tools\"", r#""t\u006fols""#).replace("\"model\"", r#""model":"other","mod\u0065l""#);
    for body in [plain.clone(), format!("\u{feff}{plain}"), spelt.clone(), format!("\u{feff}{spelt}")] {
        let chunked = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        for request in [post("/v1/chat/completions", &body), chunked] {
            assert_eq!(ask(gateway.addr, request).status(), 200, "{body}");
            let sent = requests.recv_timeout(PATIENCE).unwrap().json();
            assert!(sent.get("tools").is_none() && sent["messages"].to_string().contains("weather"), "{sent}");
        }
    }
}

/// The prompt is that of the turn before, and of the answer nothing is read.
#[test]
fn a_turn_that_may_not_call_is_written_and_not_read() {
    let written = [text("<tool_call>{\"name\": \"weather\", \"arguments\": {}}</tool_call>"), end()].concat();
    let answer = written.clone();
    let (upstream, requests) = Upstream::answering(move |_| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        )
        .into()
    });
    let gateway = gateway(upstream.address);
    let mut heads = vec![];
    for (more, is_read) in [("", true), (r#","tool_choice":"none""#, false)] {
        let answer = ask(gateway.addr, chat(&format!(r#","stream":true{more}"#)));
        assert_eq!(answer.text() == written, !is_read, "{}", answer.text());
        let sent = requests.recv_timeout(PATIENCE).unwrap().json();
        assert!(sent.get("tools").is_none() && sent.get("tool_choice").is_none(), "{sent}");
        heads.push(sent["messages"][0].clone());
    }
    assert_eq!(heads[0], heads[1]);
}

#[test]
fn a_stream_of_text_comes_as_it_was() {
    let events = vec![event(r#"{"role":"assistant","content":null}"#, "null"), text("Hel"), text("lo"), end()];
    let upstream = streaming(events.clone());
    let gateway = gateway(upstream.address);
    let answer = ask(gateway.addr, chat(r#","stream":true"#));
    assert_eq!((answer.text(), answer.is_complete), (events.concat(), true));
    assert_eq!((answer.field("x-accel-buffering"), answer.field("cache-control")), (Some("no"), Some("no-cache")));
}

#[test]
fn arguments_stream_as_they_are_written() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let upstream = Upstream::start(move |mut wire| {
        wire.request();
        wire.send(STREAM_HEAD);
        wire.chunk(text("<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"Os"));
        // The rest waits for the client to have seen this much.
        gone.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        wire.chunk(text("lo\"}}</tool_call>"));
        wire.chunk(end());
        wire.last_chunk();
    });
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send(chat(r#","stream":true"#));
    client.head().unwrap();
    let mut seen = String::new();
    while !seen.contains("Os") {
        seen += &String::from_utf8(client.next_chunk().unwrap()).unwrap();
    }
    go.send(()).unwrap();
    while let Some(chunk) = client.next_chunk().filter(|chunk| !chunk.is_empty()) {
        seen += &String::from_utf8(chunk).unwrap();
    }
    assert!(seen.ends_with("data: [DONE]\n\n"), "{seen}");
}

#[test]
fn unreadable_answers_pass_through() {
    let call = serde_json::to_string(&CALL.concat()).unwrap();
    for (head, body) in [
        ("HTTP/1.1 500 X\r\nContent-Type: application/json", call.as_str()),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/plain", &call),
        ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip", "\u{1f}\u{8b}"),
        ("HTTP/1.1 200 OK\r\nContent-Type: application/json", "not JSON"),
        ("HTTP/1.1 200 OK", ""),
    ] {
        let reply = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let upstream = Upstream::start(move |mut wire| {
            wire.request();
            wire.send(&reply);
        });
        let gateway = gateway(upstream.address);
        let answer = ask(gateway.addr, chat(""));
        assert_eq!((answer.first_line.as_str(), answer.is_complete), (head.lines().next().unwrap(), true));
        assert_eq!(answer.text(), body, "{head}");
    }
}

#[test]
fn a_native_pool_s_tools_go_up_as_they_came() {
    let (upstream, requests) = Upstream::answering(|_| crate::harness::ok("{}"));
    let mut native = pool("native", vec![peer(upstream.address)]);
    native.tools = toolgate::config::ToolsChoice::Native;
    native.models = models(&["m"]);
    let gateway = gateway_of(config(vec![native]));
    assert_eq!(ask(gateway.addr, chat("")).status(), 200);
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().text(), offer(""));
}

#[test]
fn a_server_that_dies_in_mid_stream_ends_in_an_error_event() {
    // Held back: a marker that is not whole yet.
    for (events, content) in [
        (vec![text("Hel"), text("lo <tool")], "Hello <tool"),
        (vec![text("Hello "), text("wor"), "data: {\"id\":\"c\",\"choi".to_owned()], "Hello wor"),
        (vec![text("Hello"), "data: {\"id\":\"c\",\"choi".to_owned()], "Hello"),
    ] {
        let upstream = Upstream::start(move |mut wire| {
            wire.request();
            wire.send(STREAM_HEAD);
            events.iter().for_each(|event| wire.chunk(event));
        });
        let gateway = gateway(upstream.address);
        let answer = ask(gateway.addr, chat(r#","stream":true"#));
        assert!(answer.is_complete, "the body ends properly");
        let folded = folded(&answer);
        let said: String = folded.messages.values().filter_map(|message| message.content.clone()).collect();
        assert_eq!(said, content);
        assert!(folded.error.is_some() && !folded.done, "{}", answer.text());
    }
}

#[test]
fn a_stream_that_stalls_ends_in_an_error_event() {
    let upstream = Upstream::start(|mut wire| {
        wire.request();
        wire.send(STREAM_HEAD);
        wire.chunk(text("Hello <tool"));
        wire.expect_close();
    });
    let mut pool = pool("default", vec![peer(upstream.address)]);
    pool.timeouts = Timeouts { idle_ms: Some(50), ..Timeouts::default() };
    let gateway = gateway_of(config(vec![pool]));
    let answer = ask(gateway.addr, chat(r#","stream":true"#));
    let folded = folded(&answer);
    assert_eq!(folded.messages[&0].content.as_deref(), Some("Hello <tool"));
    assert!(answer.is_complete && folded.error.unwrap().to_string().contains("50 ms"));
}

#[test]
fn a_whole_answer_that_breaks_off_does_not_look_whole() {
    let upstream = Upstream::start(|mut wire| {
        wire.request();
        wire.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"choices\":[");
    });
    let gateway = gateway(upstream.address);
    let answer = ask(gateway.addr, chat(""));
    assert_eq!((answer.text().as_str(), answer.is_complete), ("{\"choices\":[", false));
}

#[test]
fn a_server_that_dies_after_its_last_word_has_not_failed() {
    for last in [end(), event("{}", "\"stop\"")] {
        let upstream = Upstream::start(move |mut wire| {
            wire.request();
            wire.send(STREAM_HEAD);
            wire.chunk(text("Hi"));
            wire.chunk(&last);
        });
        let gateway = gateway(upstream.address);
        let answer = ask(gateway.addr, chat(r#","stream":true"#));
        let folded = folded(&answer);
        assert!(answer.is_complete && folded.done && folded.error.is_none(), "{}", answer.text());
    }
}

/// Nobody waits for a server that goes on saying nothing.
#[test]
fn an_answer_is_over_a_short_while_after_its_last_word() {
    for last in [end(), event("{}", "\"stop\"")] {
        let upstream = Upstream::start(move |mut wire| {
            wire.request();
            wire.send(STREAM_HEAD);
            wire.chunk(text("Hi"));
            wire.chunk(&last);
            wire.expect_close();
        });
        let mut pool = pool("default", vec![peer(upstream.address)]);
        pool.timeouts = Timeouts { idle_ms: Some(60_000), ..Timeouts::default() };
        let answer = ask(gateway_of(config(vec![pool])).addr, chat(r#","stream":true"#));
        let folded = folded(&answer);
        assert!(answer.is_complete && folded.done && folded.error.is_none(), "{}", answer.text());
    }
}

#[test]
fn a_stream_under_another_type_is_read_as_it_comes() {
    for line in ["Content-Type: application/json\r\n", "Content-Type: text/plain\r\n", ""] {
        let head = STREAM_HEAD.replace("Content-Type: text/event-stream; charset=utf-8\r\n", line);
        let (go, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let upstream = Upstream::start(move |mut wire| {
            wire.request();
            wire.send(&head);
            wire.chunk(text("Hello"));
            wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            CALL.iter().for_each(|part| wire.chunk(text(part)));
            wire.chunk(end());
            wire.last_chunk();
        });
        for origin in ["", "Origin: http://other\r\n"] {
            let gateway = gateway(upstream.address);
            let mut client = Wire::connect(gateway.addr);
            client.send(chat(r#","stream":true"#).replace("Host:", &format!("{origin}Host:")));
            assert_eq!(client.head().unwrap().field("content-type"), Some("text/event-stream"), "{line}");
            let mut body = client.next_chunk().unwrap();
            go.send(()).unwrap();
            while let Some(chunk) = client.next_chunk().filter(|chunk| !chunk.is_empty()) {
                body.extend(chunk);
            }
            let folded = folded(&Message { body, ..Message::default() });
            let message = &folded.messages[&0];
            assert_eq!((message.content.as_deref(), message.tool_calls.len()), (Some("Hello"), 1), "{line}");
        }
    }
}

#[test]
fn a_client_that_leaves_a_rewritten_stream_frees_its_server() {
    let (say, left) = mpsc::channel();
    let say = Mutex::new(say);
    let upstream = Upstream::start(move |mut wire| {
        wire.request();
        wire.send(STREAM_HEAD);
        wire.chunk(text("Hello"));
        wire.expect_close();
        say.lock().unwrap().send(()).unwrap();
    });
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send(chat(r#","stream":true"#));
    client.head().unwrap();
    client.next_chunk().unwrap();
    drop(client);
    left.recv_timeout(crate::harness::PATIENCE).unwrap();
}

#[test]
fn a_call_comes_as_a_tool_call() {
    let mut events: Vec<_> = CALL.iter().map(|piece| text(piece)).collect();
    events.push(end());
    let stream = streaming(events);
    let whole = Upstream::start(|mut wire| {
        wire.request();
        let content = serde_json::to_string(&CALL.concat()).unwrap();
        wire.send(crate::harness::ok(&format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":{content}}},"finish_reason":"stop"}}]}}"#
        )));
    });
    for upstream in [stream, whole] {
        let gateway = gateway(upstream.address);
        // The reply's type decides, not the request.
        for stream in ["", r#","stream":true"#] {
            let answer = ask(gateway.addr, chat(stream));
            assert!(answer.is_complete);
            let is_stream = answer.field("content-type").is_some_and(|value| value.contains("event-stream"));
            let folded = if is_stream { folded(&answer) } else { Folded::from_body(&answer.body) };
            let message = &folded.messages[&0];
            assert_eq!((message.finish_reason.as_deref(), message.content.as_deref()), (Some("tool_calls"), None));
            assert_eq!(message.tool_calls[0].function.name, "weather");
            assert_eq!(message.tool_calls[0].function.arguments, r#"{"city": "Oslo"}"#);
        }
    }
}

#[test]
fn the_server_is_disconnected_after_the_only_allowed_call() {
    let (say, left) = mpsc::channel();
    let say = Mutex::new(say);
    let upstream = Upstream::start(move |mut wire| {
        wire.request();
        wire.send(STREAM_HEAD);
        // At once: after the call's last bracket nobody need be there to take more.
        wire.chunk(CALL.map(text).concat());
        wire.expect_close();
        say.lock().unwrap().send(()).unwrap();
    });
    let gateway = gateway(upstream.address);
    let answer = ask(gateway.addr, chat(r#","stream":true,"parallel_tool_calls":false"#));
    left.recv_timeout(crate::harness::PATIENCE).unwrap();
    let folded = folded(&answer);
    let message = &folded.messages[&0];
    assert_eq!((message.tool_calls.len(), message.finish_reason.as_deref()), (1, Some("tool_calls")));
    assert!(answer.is_complete && folded.done && folded.error.is_none());
}

#[test]
fn an_end_that_comes_with_the_only_allowed_call_leaves_the_client_its_connection() {
    let upstream = Upstream::start(move |mut wire| {
        if wire.request().is_some() {
            let all = format!("{}data: [DONE]\n\n", CALL.map(text).concat());
            wire.send(format!("{STREAM_HEAD}{:x}\r\n{all}\r\n0\r\n\r\n", all.len()));
        }
    });
    let gateway = gateway(upstream.address);
    let mut client = crate::harness::Wire::connect(gateway.addr);
    for _ in 0..2 {
        client.send(chat(r#","stream":true,"parallel_tool_calls":false"#));
        let answer = client.response();
        assert!(answer.is_complete);
        assert_eq!(folded(&answer).messages[&0].tool_calls.len(), 1);
    }
}
