//! llama.cpp's kept streams: the three requests of one conversation reach one server, and a client that leaves frees
//! its slot there all the same.

use std::sync::mpsc::Receiver;

use toolgate::config::{Conversations, Queue};
use toolgate::engine::Engine;
use toolgate::server::Running;

use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, assert_error, config, gateway_of, get, ok, peer, pool, post,
};

const CHAT: &str = "/v1/chat/completions";
const GONE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const UNKNOWN: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}";

fn of_conversation(id: &str, body: &str) -> String {
    post(CHAT, body).replacen("Host", &format!("X-Conversation-Id: {id}\r\nHost"), 1)
}

fn delete(path: &str) -> String {
    get(path).replacen("GET", "DELETE", 1)
}

/// A server that says its name, and has the streams that it was asked to make.
fn keeper(name: &'static str) -> (Upstream, Receiver<Message>) {
    let made = std::sync::Mutex::new(Vec::new());
    Upstream::answering(move |request| {
        let mut made = made.lock().unwrap();
        if let Some(id) = request.field("x-conversation-id") {
            made.push(id.to_owned());
            return ok(name);
        }
        let known = made.iter().any(|id| request.first_line.contains(&format!("conv_id={id}")));
        match request.first_line.split(' ').next() {
            Some("DELETE") => GONE.to_vec(),
            Some("GET") if known => ok(name),
            Some("GET") => UNKNOWN.to_vec(),
            _ => ok(&format!(r#"[{{"conversation_id":"of {name}"}}]"#)),
        }
    })
}

fn in_front_of(boxes: &[&Upstream]) -> Running {
    gateway_of(config(vec![pool("p", boxes.iter().map(|server| peer(server.address)).collect())]))
}

#[test]
fn a_stream_is_had_from_the_server_that_made_it() {
    let ((one, first), (two, second)) = (keeper("one"), keeper("two"));
    let gateway = in_front_of(&[&one, &two]);
    let mut made_by = Vec::new();
    for id in 0..30 {
        made_by.push(ask(gateway.addr, of_conversation(&format!("c{id}"), "{}")).text());
    }
    // A session decides where its requests go; that of the conversation is noted all the same.
    for id in 30..32 {
        let request =
            of_conversation(&format!("c{id}"), "{}").replacen("Host", &format!("X-Session-Id: s{id}\r\nHost"), 1);
        made_by.push(ask(gateway.addr, request).text());
    }
    assert!(made_by.contains(&"one".to_owned()) && made_by.contains(&"two".to_owned()), "{made_by:?}");
    while first.try_recv().is_ok() || second.try_recv().is_ok() {}
    for (id, name) in made_by.iter().enumerate() {
        let target = format!("/v1/stream?conv_id=c{id}&from=3");
        assert_eq!(&ask(gateway.addr, get(&target)).text(), name);
        assert_eq!(ask(gateway.addr, delete(&target)).status(), 204);
        let (its, other) = if name == "one" { (&first, &second) } else { (&second, &first) };
        for method in ["GET", "DELETE"] {
            let seen = its.recv_timeout(PATIENCE).unwrap();
            assert_eq!(seen.first_line, format!("{method} {target} HTTP/1.1"));
        }
        assert!(other.try_recv().is_err(), "the other server was asked");
    }
}

/// Whoever has forgotten where a stream is, or never knew, asks everybody.
#[test]
fn a_stream_of_unknown_home_is_found() {
    let ((one, first), (two, second)) = (keeper("one"), keeper("two"));
    ask(in_front_of(&[&two]).addr, of_conversation("lost", "{}"));
    second.recv_timeout(PATIENCE).unwrap();
    let gateway = in_front_of(&[&one, &two]);
    assert_eq!(ask(gateway.addr, get("/v1/stream?conv_id=lost")).text(), "two");
    assert_eq!(ask(gateway.addr, get("/v1/stream?conv_id=nobody's")).status(), 404);
    while first.try_recv().is_ok() || second.try_recv().is_ok() {}
    assert_eq!(ask(gateway.addr, delete("/v1/stream?conv_id=lost")).status(), 204);
    for seen in [first, second] {
        assert!(seen.recv_timeout(PATIENCE).unwrap().first_line.starts_with("DELETE /v1/stream?conv_id=lost "));
    }
}

#[test]
fn all_servers_tell_which_streams_they_have() {
    let ((one, first), (two, _)) = (keeper("one"), keeper("two"));
    let gateway = in_front_of(&[&one, &two]);
    let body = r#"{"conversation_ids":["a","b"]}"#;
    let answer = ask(gateway.addr, post("/v1/streams/lookup", body));
    let found = answer.json();
    assert_eq!(found, serde_json::json!([{"conversation_id": "of one"}, {"conversation_id": "of two"}]));
    assert_eq!(first.recv_timeout(PATIENCE).unwrap().text(), body);
    drop((one, two));
    assert_error(&ask(gateway.addr, post("/v1/streams/lookup", body)), 502, "upstream_unreachable");
}

/// One place, and a stream in it that has begun; whoever comes next is served when it is free.
fn left_in_mid_stream(conversations: Conversations) -> (Upstream, Running, Receiver<Message>) {
    let (say, seen) = std::sync::mpsc::channel();
    let say = std::sync::Mutex::new(say);
    let server = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        let is_chat = request.field("x-conversation-id").is_some();
        let is_delete = request.first_line.starts_with("DELETE");
        say.lock().unwrap().send(request).unwrap();
        if !is_chat {
            return wire.send(if is_delete { GONE.to_vec() } else { ok("free") });
        }
        wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire.chunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n");
        wire.expect_close();
    });
    let mut peer = peer(server.address);
    peer.max_inflight = Some(1);
    let mut pool = pool("p", vec![peer]);
    pool.conversations = conversations;
    pool.balancing.queue = Queue::default();
    let gateway = gateway_of(config(vec![pool]));
    let mut client = Wire::connect(gateway.addr);
    client.send(of_conversation("a%20b", r#"{"stream":true}"#));
    assert_eq!(client.head().unwrap().status(), 200);
    client.next_chunk().unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap().field("x-conversation-id"), Some("a%20b"));
    drop(client);
    assert_eq!(ask(gateway.addr, post("/next", "")).text(), "free");
    (server, gateway, seen)
}

#[test]
fn a_client_that_leaves_ends_its_stream() {
    let (_server, _gateway, seen) = left_in_mid_stream(Conversations::Cancel);
    let stop = seen.recv_timeout(PATIENCE).unwrap();
    assert_eq!(stop.first_line, "DELETE /v1/stream?conv_id=a%2520b HTTP/1.1");
    assert!(seen.recv_timeout(PATIENCE).unwrap().first_line.starts_with("POST /next "), "its place came back too soon");
}

#[test]
fn a_client_that_may_come_back_does_not() {
    let (_server, _gateway, seen) = left_in_mid_stream(Conversations::Keep);
    assert!(seen.recv_timeout(PATIENCE).unwrap().first_line.starts_with("POST /next "));
    assert!(seen.try_recv().is_err());
}

/// Its places are counted in the server's bytes, which are not those that the client got; and no other engine keeps
/// streams.
#[test]
fn a_stream_that_is_rewritten_is_not_kept() {
    let tools = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#;
    for (engine, body, kept) in [
        (Engine::LlamaCpp, "{}", true),
        (Engine::LlamaCpp, tools, false),
        (Engine::Vllm, "{}", true),
        (Engine::Vllm, tools, true),
    ] {
        let (server, seen) = keeper("one");
        let mut pool = pool("p", vec![peer(server.address)]);
        pool.engine = engine;
        let gateway = gateway_of(config(vec![pool]));
        ask(gateway.addr, of_conversation("c", body));
        let request = seen.recv_timeout(PATIENCE).unwrap();
        assert_eq!(request.field("x-conversation-id").is_some(), kept, "{engine:?} {body}");
        // Answered, it is over: nothing is left to stop.
        assert_eq!(ask(gateway.addr, get("/health")).status(), 404);
        assert!(seen.recv_timeout(PATIENCE).unwrap().first_line.starts_with("GET /health "));
    }
}
