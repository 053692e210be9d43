//! Whole answers that are put together from a stream: what goes up, what comes back, and how it ends when either side
//! goes away.

use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;

use serde_json::json;
use toolgate::config::{Alias, Pool, ToolsChoice};
use toolgate::limits::Limits;
use toolgate::plan::Chats;
use toolgate::server::Running;

use crate::harness::{Message, PATIENCE, Upstream, Wire, ask, assert_error, config, gateway_of, ok, peer, pool, post};

const CHAT: &str = "/v1/chat/completions";
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nX-Accel-Buffering: no\r\nContent-Type: text/event-stream\r\n\
                           Transfer-Encoding: chunked\r\n\r\n";
const PLAIN: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const TOOLS: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"weather"}}]}"#;
const BEGUN: &str = "data: {\"id\":\"c\",\"model\":\"m\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n";
const ENDED: &str = "data: {\"id\":\"c\",\"model\":\"m\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n\
                     data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// A gateway in front of one server with one place.
fn gateway(upstream: &Upstream, with: impl FnOnce(&mut Pool)) -> Running {
    let mut peer = peer(upstream.address);
    peer.max_inflight = Some(1);
    let mut pool = pool("default", vec![peer]);
    with(&mut pool);
    gateway_of(config(vec![pool]))
}

fn all(pool: &mut Pool) {
    pool.assemble = Chats::All;
}

/// A server that reports what it is asked and then does this.
fn reporting(answer: impl Fn(&mut Wire) + Send + Sync + 'static) -> (Upstream, Receiver<Message>) {
    let (report, requests) = mpsc::channel();
    let report = Mutex::new(report);
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        if request.first_line.starts_with("POST /free") {
            return wire.send(ok("free"));
        }
        // Not every test listens.
        let _ = report.lock().unwrap().send(request);
        answer(&mut wire);
    });
    (upstream, requests)
}

/// How a server's stream ends.
#[derive(Clone, Copy)]
enum End {
    Clean,
    Dead,
    /// It keeps the connection.
    Silent,
}

/// A server that streams these pieces.
fn streaming(pieces: &'static [&'static str], end: End) -> Upstream {
    let (upstream, _) = reporting(move |wire| {
        wire.send(STREAM_HEAD);
        pieces.iter().for_each(|piece| wire.chunk(piece));
        match end {
            End::Clean => wire.last_chunk(),
            End::Dead => {}
            End::Silent => wire.expect_close(),
        }
    });
    upstream
}

/// The place is free again, and whoever waited for it gets it.
fn expect_free(gateway: &Running) {
    assert_eq!(ask(gateway.addr, post("/free", "")).text(), "free");
}

#[test]
fn the_server_streams_and_the_client_gets_it_whole() {
    let upstream = streaming(&[BEGUN, ": ping\n\n", ENDED, DONE], End::Clean);
    for assemble in [Chats::Tools, Chats::All] {
        let gateway = gateway(&upstream, |pool| pool.assemble = assemble);
        let answer = ask(gateway.addr, post(CHAT, TOOLS));
        assert_eq!((answer.status(), answer.is_complete), (200, true));
        assert_eq!(answer.field("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(answer.field("x-accel-buffering"), None);
        let expected = json!({
            "id": "c", "model": "m", "object": "chat.completion", "usage": {"total_tokens": 3},
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
        });
        assert_eq!(answer.json(), expected);
    }
}

#[test]
fn only_the_configured_requests_become_streams() {
    let (upstream, requests) = reporting(|wire| wire.send(ok("{}")));
    let streamed = |body: &str| {
        let end = r#","stream":true,"stream_options":{"include_usage":true}}"#;
        body.strip_suffix('}').unwrap().to_owned() + end
    };
    let asks_itself = r#"{"messages":[],"stream":true}"#;
    for (assemble, tools, path, body, expected) in [
        (Chats::Tools, ToolsChoice::Auto, CHAT, PLAIN, None),
        (Chats::Tools, ToolsChoice::Auto, CHAT, asks_itself, None),
        (Chats::All, ToolsChoice::Auto, CHAT, PLAIN, Some(streamed(PLAIN))),
        (Chats::All, ToolsChoice::Auto, CHAT, asks_itself, None),
        (Chats::All, ToolsChoice::Auto, CHAT, "{\"messages\":[}", None),
        (Chats::All, ToolsChoice::Auto, "/v1/completions", PLAIN, None),
        (Chats::Tools, ToolsChoice::Native, CHAT, TOOLS, None),
        (Chats::All, ToolsChoice::Native, CHAT, TOOLS, Some(streamed(TOOLS))),
    ] {
        let gateway = gateway(&upstream, |pool| (pool.assemble, pool.tools) = (assemble, tools));
        let answer = ask(gateway.addr, post(path, body));
        assert_eq!((answer.text().as_str(), answer.field("content-type")), ("{}", Some("application/json")), "{body}");
        let request = requests.recv_timeout(PATIENCE).unwrap();
        assert_eq!(request.text(), expected.clone().unwrap_or_else(|| body.to_owned()), "{path}");
        let is_streamed = expected.is_some() || body == asks_itself;
        assert_eq!(request.field("accept-encoding"), is_streamed.then_some("identity"), "{path}");
    }
    for (assemble, is_streamed) in [(Chats::Tools, true), (Chats::All, true), (Chats::Off, false)] {
        let gateway = gateway(&upstream, |pool| pool.assemble = assemble);
        ask(gateway.addr, post(CHAT, TOOLS));
        let request = requests.recv_timeout(PATIENCE).unwrap().json();
        assert_eq!(request["stream"] == true && request["stream_options"]["include_usage"] == true, is_streamed);
    }
}

#[test]
fn calls_are_found_in_what_was_assembled() {
    const CALL: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"<tool_call>{\\\"name\\\": \\\"weather\\\", \\\"arguments\\\": {}}</tool_call>\"}}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let upstream = streaming(&[CALL, STOP, DONE], End::Clean);
    let gateway = gateway(&upstream, |_| ());
    let choice = ask(gateway.addr, post(CHAT, TOOLS)).json()["choices"][0].clone();
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &json!(null)));
    assert_eq!(choice["message"]["tool_calls"][0]["function"], json!({"name": "weather", "arguments": "{}"}));
}

#[test]
fn an_alias_is_said_in_what_was_assembled() {
    let upstream = streaming(&[BEGUN, ENDED, DONE], End::Clean);
    for body in [PLAIN, TOOLS] {
        let mut pool = pool("default", vec![peer(upstream.address)]);
        all(&mut pool);
        let mut config = config(vec![pool]);
        config.view.aliases.push(Alias { name: "gpt-4o".to_owned(), model: "m".to_owned() });
        let answer = ask(gateway_of(config).addr, post(CHAT, &body.replace("\"m\"", "\"gpt-4o\"")));
        assert_eq!((&answer.json()["model"], answer.is_complete), (&json!("gpt-4o"), true));
    }
}

#[test]
fn an_error_before_the_stream_passes_as_it_is() {
    let error = r#"{"error":{"code":400,"message":"too long"}}"#;
    let (upstream, _requests) = reporting(move |wire| {
        wire.send(format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{error}",
            error.len()
        ));
    });
    for body in [PLAIN, TOOLS] {
        let answer = ask(gateway(&upstream, all).addr, post(CHAT, body));
        assert_eq!((answer.status(), answer.text().as_str(), answer.is_complete), (400, error, true));
    }
}

/// Nothing of the answer was sent, so an error takes its place.
#[test]
fn half_an_answer_does_not_look_whole() {
    let table: [(&[_], _); 4] = [
        (&[BEGUN], End::Dead),
        (&[BEGUN], End::Clean),
        (&[], End::Clean),
        (&[BEGUN, "data: {\"id\n\n", ENDED, DONE], End::Clean),
    ];
    for (pieces, end) in table {
        let upstream = streaming(pieces, end);
        for body in [PLAIN, TOOLS] {
            let gateway = gateway(&upstream, all);
            assert_error(&ask(gateway.addr, post(CHAT, body)), 502, "upstream_error");
            expect_free(&gateway);
        }
    }
}

#[test]
fn a_server_s_error_in_its_stream_is_the_answer() {
    const ERROR: &str =
        r#"{"error":{"code":400,"message":"too long","n_ctx":4096,"type":"invalid_request_error","param":null}}"#;
    const EVENT: &str = "data: {\"error\":{\"code\":400,\"message\":\"too long\",\"n_ctx\":4096}}\n\n";
    for pieces in [&[EVENT][..], &[BEGUN, EVENT], &[BEGUN, ENDED, EVENT, DONE]] {
        let upstream = streaming(pieces, End::Clean);
        for body in [PLAIN, TOOLS] {
            let gateway = gateway(&upstream, all);
            let answer = ask(gateway.addr, post(CHAT, body));
            assert_eq!((answer.status(), answer.text().as_str(), answer.is_complete), (400, ERROR, true), "{pieces:?}");
            assert_eq!(answer.field("content-type"), Some("application/json; charset=utf-8"));
            expect_free(&gateway);
        }
    }
}

/// It goes to another one that has room; with none it is told.
#[test]
fn a_server_that_is_too_busy_within_its_stream_does_not_load() {
    const BUSY: &str = "data: {\"error\":{\"code\":503,\"message\":\"too busy\"}}\n\n";
    let (busy, whole) = (streaming(&[BUSY], End::Clean), streaming(&[BEGUN, ENDED, DONE], End::Clean));
    let answer = ask(gateway(&busy, all).addr, post(CHAT, PLAIN));
    assert_eq!((answer.status(), &answer.json()["error"]["message"]), (503, &json!("too busy")));
    let mut pool = pool("default", vec![peer(busy.address), peer(whole.address)]);
    all(&mut pool);
    let answer = ask(gateway_of(config(vec![pool])).addr, post(CHAT, PLAIN));
    assert_eq!((answer.status(), answer.is_complete), (200, true), "{}", answer.text());
}

/// Nothing of it was shown, and who died is not at it any more.
#[test]
fn a_server_that_dies_in_mid_answer_is_not_noticed() {
    let whole = streaming(&[BEGUN, ENDED, DONE], End::Clean);
    for body in [PLAIN, TOOLS] {
        let (first, listener) = dying();
        let mut pool = pool("default", vec![peer(first), peer(whole.address)]);
        all(&mut pool);
        let answer = ask(gateway_of(config(vec![pool])).addr, post(CHAT, body));
        assert_eq!((answer.status(), answer.is_complete), (200, true), "{}", answer.text());
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello");
        listener.join().unwrap();
    }
}

/// A server that is gone in the midst of its first answer.
fn dying() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        drop(listener);
        let mut wire = Wire::new(tcp);
        wire.request().unwrap();
        wire.send(STREAM_HEAD);
        wire.chunk(BEGUN);
    });
    (address, thread)
}

/// Nobody waits for what a server leaves out, or for one that goes on saying nothing.
#[test]
fn after_its_last_word_a_server_cannot_fail() {
    for pieces in [&[BEGUN, ENDED, DONE][..], &[BEGUN, ENDED]] {
        for end in [End::Clean, End::Dead, End::Silent] {
            let upstream = streaming(pieces, end);
            for body in [PLAIN, TOOLS] {
                let answer = ask(gateway(&upstream, all).addr, post(CHAT, body));
                assert_eq!((answer.status(), answer.is_complete), (200, true));
                let answer = answer.json();
                assert_eq!(answer["choices"][0]["message"]["content"], "Hello");
                assert_eq!(answer["usage"]["total_tokens"], 3);
            }
        }
    }
}

#[test]
fn a_stream_under_another_type_is_put_together() {
    for line in ["Content-Type: application/json\r\n", "Content-Type: text/plain; charset=utf-8\r\n", ""] {
        let head = STREAM_HEAD.replace("Content-Type: text/event-stream\r\n", line);
        let (upstream, _requests) = reporting(move |wire| {
            wire.send(&head);
            [BEGUN, ENDED, DONE].iter().for_each(|piece| wire.chunk(piece));
            wire.last_chunk();
        });
        for body in [PLAIN, TOOLS] {
            let answer = ask(gateway(&upstream, all).addr, post(CHAT, body));
            assert_eq!(answer.field("content-type"), Some("application/json; charset=utf-8"));
            assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello", "{line}");
        }
    }
}

/// The server is left as soon as its answer is too large to be kept.
#[test]
fn an_answer_over_the_limit_is_cut_off() {
    let (say, left) = mpsc::channel();
    let say = Mutex::new(say);
    let (upstream, _requests) = reporting(move |wire| {
        wire.send(STREAM_HEAD);
        // The gateway may leave in the midst of it.
        let _ = wire.try_send(format!("{:x}\r\n{BEGUN}\r\n", BEGUN.len()).repeat(4));
        wire.expect_close();
        say.lock().unwrap().send(()).unwrap();
    });
    let mut pool = pool("default", vec![peer(upstream.address)]);
    pool.assemble = Chats::All;
    let mut config = config(vec![pool]);
    config.limits = Limits { answer_bytes_max: 300, ..Limits::default() };
    let gateway = gateway_of(config);
    let answer = ask(gateway.addr, post(CHAT, PLAIN));
    left.recv_timeout(PATIENCE).unwrap();
    assert_error(&answer, 502, "answer_too_large");
}

#[test]
fn a_client_that_leaves_frees_its_server() {
    let begun = format!("{STREAM_HEAD}{:x}\r\n{BEGUN}\r\n", BEGUN.len());
    for begun in [String::new(), STREAM_HEAD.to_owned(), begun] {
        let (say, left) = mpsc::channel();
        let say = Mutex::new(say);
        let (upstream, requests) = reporting(move |wire| {
            wire.send(&begun);
            wire.expect_close();
            say.lock().unwrap().send(()).unwrap();
        });
        for body in [PLAIN, TOOLS] {
            let gateway = gateway(&upstream, all);
            let mut client = Wire::connect(gateway.addr);
            client.send(post(CHAT, body));
            assert_eq!(requests.recv_timeout(PATIENCE).unwrap().json()["stream"], true);
            drop(client);
            left.recv_timeout(PATIENCE).unwrap();
            expect_free(&gateway);
        }
    }
}
