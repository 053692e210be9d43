//! Requests and answers that nobody thought of, on every path that is not toolgate's own: each end gets what the other
//! wrote. `transparent` has the cases that somebody did think of.

use std::io::Read;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use toolgate::config::Messages;

use crate::harness::{Message, PATIENCE, Upstream, Wire, ask, config, gateway, gateway_of, peer, pool};

/// What belongs to a hop, or is the gateway's to write. The framing is compared by the body.
const OWN: &[&str] = &[
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
    "upgrade",
    "expect",
    "date",
    "x-request-id",
    "x-forwarded-for",
];

/// Pages of the APIs that servers have; none of them is read but the first, which is read and left alone.
const PAGES: &[&str] = &[
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/audio/transcriptions",
    "/infill",
    "/tokenize",
    "/apply-template",
    "/api/chat",
    "/api/generate",
    "/api/tags",
    "/",
];

const NAMES: &[&str] = &[
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Content-Encoding",
    "Cookie",
    "If-None-Match",
    "Range",
    "User-Agent",
    "anthropic-version",
    "traceparent",
    "x-api-key",
];

fn path() -> impl Strategy<Value = String> {
    let odd = "(/([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2}){0,8}){1,5}(\\?[a-z0-9&=%+/?:@]{0,12})?";
    prop_oneof![
        prop::sample::select(PAGES).prop_map(str::to_owned),
        odd.prop_filter("toolgate's own", |path| is_nobody_s(path))
    ]
}

/// Whether a path is neither hidden nor answered by the gateway.
fn is_nobody_s(path: &str) -> bool {
    let own = ["models", "slots", "props", "metrics", "lora", "tools", "cors", "predict", "stream", "upstream", "%"];
    !own.iter().any(|own| path.to_lowercase().contains(own))
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![prop::sample::select(NAMES).prop_map(str::to_owned), "[xX]-[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,9}"];
    // What stands around a value is no part of it.
    let value = "([!-~é東]([ -~\tüß🦀]{0,20}[!-~é])?)?";
    vec((name, value), 0..12).prop_map(|fields| {
        fields.into_iter().filter(|(name, _)| !OWN.contains(&name.to_lowercase().as_str())).collect()
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => vec(any::<u8>(), 0..200), 1 => vec(any::<u8>(), 60_000..150_000)]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Length,
    Chunks,
}

fn written(first_line: &str, fields: &[(String, String)], body: &[u8], framing: Framing) -> Vec<u8> {
    let mut bytes = format!("{first_line}\r\nHost: h\r\n").into_bytes();
    for (name, value) in fields {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    match framing {
        Framing::Length => {
            bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
            bytes.extend(body);
        }
        Framing::Chunks => {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in body.chunks(body.len() / 3 + 1) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        }
    }
    bytes
}

/// The fields of each name in their order; the order of names among each other says nothing.
fn theirs(message: &Message) -> Vec<(String, String)> {
    let mut fields = message.fields.clone();
    fields.retain(|(name, _)| !OWN.contains(&name.to_lowercase().as_str()));
    sorted(fields)
}

fn sorted(mut fields: Vec<(String, String)>) -> Vec<(String, String)> {
    fields.sort_by_key(|(name, _)| name.to_lowercase());
    fields
}

fn framing() -> impl Strategy<Value = Framing> {
    prop::sample::select(&[Framing::Length, Framing::Chunks][..])
}

fn runner(cases: u32) -> TestRunner {
    // A case that fails may fail by waiting.
    let patience = PATIENCE.as_millis().try_into().unwrap();
    TestRunner::new(ProptestConfig {
        cases,
        max_shrink_time: patience,
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

#[test]
fn whatever_comes_goes_on_as_it_is() {
    // A request carries the answer that it wants, so that each case is one exchange.
    let (say, answers) = std::sync::mpsc::channel::<Vec<u8>>();
    let answers = std::sync::Mutex::new(answers);
    let (upstream, seen) = Upstream::answering(move |_| answers.lock().unwrap().recv_timeout(PATIENCE).unwrap());
    let mut main = pool("main", vec![peer(upstream.address)]);
    // Messages are the one kind of request besides chats that is read.
    main.messages = Messages::Pass;
    let gateway = gateway_of(config(vec![main]));
    let method = prop_oneof![
        prop::sample::select(&["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"][..]).prop_map(str::to_owned),
        "[A-Z]{1,5}-[A-Z]{1,5}",
    ];
    let request = (method, path(), fields(), body(), framing());
    // By 503 a llama.cpp server says that it loads, and is asked again.
    let status = (200_u16..600).prop_filter("loading", |status| *status != 503);
    let answer = (status, fields(), body(), framing());
    let mut runner = runner(300);
    let outcome = runner.run(&(request, answer), |((method, path, fields, body, framing), answer)| {
        // A chat whose chunks hold no JSON is refused: where it ends is not known.
        let framing = if path == PAGES[0] { Framing::Length } else { framing };
        let (status, answer_fields, answer_body, answer_framing) = answer;
        let has_body = !matches!(status, 204 | 304);
        let answer_body = if has_body { answer_body } else { Vec::new() };
        let line = format!("HTTP/1.1 {status} Whatever");
        let mut bytes = written(&line, &answer_fields, &answer_body, answer_framing);
        if !has_body {
            bytes.truncate(bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4);
        }
        say.send(bytes).unwrap();

        let line = format!("{method} {path} HTTP/1.1");
        let heard = ask(gateway.addr, written(&line, &fields, &body, framing));
        let came = seen.recv_timeout(PATIENCE).unwrap();
        prop_assert_eq!(&came.first_line, &line);
        prop_assert_eq!(theirs(&came), sorted(fields));
        prop_assert!(came.body == body && came.is_complete, "{} bytes, not {}", came.body.len(), body.len());
        prop_assert_eq!(heard.status(), status);
        prop_assert_eq!(theirs(&heard), sorted(answer_fields));
        prop_assert!(heard.body == answer_body && heard.is_complete);
        Ok(())
    });
    outcome.unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_tunnel_carries_any_bytes_both_ways() {
    let upstream = Upstream::start(|mut wire| {
        let request = wire.head().unwrap();
        assert_eq!(request.field("sec-websocket-protocol"), Some("odd, one"));
        wire.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
        let mut echo = [0; 1 << 14];
        while let Ok(n @ 1..) = wire.tcp().read(&mut echo) {
            wire.send(&echo[..n]);
        }
    });
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send(
        "GET /v1/realtime?model=m HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: x\r\nSec-WebSocket-Protocol: odd, one\r\n\r\n",
    );
    assert_eq!(client.head().unwrap().status(), 101);
    let mut runner = runner(60);
    let client = std::cell::RefCell::new(client);
    let outcome = runner.run(&vec(any::<u8>(), 1..5000), |frame| {
        let mut client = client.borrow_mut();
        client.send(&frame);
        let mut echo = vec![0; frame.len()];
        client.tcp().read_exact(&mut echo).unwrap();
        prop_assert!(echo == frame);
        Ok(())
    });
    outcome.unwrap_or_else(|e| panic!("{e}"));
}
