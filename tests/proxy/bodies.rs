//! Chat requests are read before a peer is chosen: of any size, in any framing, in any pieces.

use std::sync::mpsc::Receiver;

use toolgate::config::Messages;
use toolgate::limits::Limits;

use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, assert_error, config, gateway, gateway_of, ok, peer, pool, post,
};

/// JSON of exactly so many bytes.
fn body_of(bytes: usize) -> Vec<u8> {
    match bytes {
        0..=2 => vec![b'7'; bytes],
        _ => [b"\"".as_slice(), &vec![b'x'; bytes - 2], b"\""].concat(),
    }
}

fn send_sized(wire: &mut Wire, body: &[u8], piece: usize) {
    wire.send(format!("POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len()));
    body.chunks(piece).for_each(|piece| wire.send(piece));
}

fn send_chunked(wire: &mut Wire, body: &[u8], piece: usize) {
    wire.send("POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    body.chunks(piece).for_each(|piece| wire.chunk(piece));
    wire.last_chunk();
}

fn check(address: std::net::SocketAddr, requests: &Receiver<Message>, body: &[u8], piece: usize) {
    for send in [send_sized, send_chunked] {
        let mut client = Wire::connect(address);
        send(&mut client, body, piece);
        assert_eq!(client.response().status(), 200, "{} bytes in pieces of {piece}", body.len());
        let seen = requests.recv_timeout(PATIENCE).unwrap();
        assert!(seen.is_complete || body.is_empty());
        assert!(seen.body == body, "{} bytes in pieces of {piece}: {} came", body.len(), seen.body.len());
    }
}

#[test]
fn every_size_goes_up_as_it_came() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let line = 65_536;
    let sizes = [0, 1, 2, 3, 10, 1_000, 4_095, 4_096, 4_097, 8_192, line - 1, line, line + 1, 2 * line - 1, 2 * line];
    for size in sizes.into_iter().chain([2 * line + 1, 200_000, 1 << 20, 5_000_000]) {
        check(gateway.addr, &requests, &body_of(size), size.max(1));
    }
    for (size, piece) in [(100, 1), (3_000, 7), (line + 10, 1_000), (line * 2, line - 1), (line * 3, line + 1)] {
        check(gateway.addr, &requests, &body_of(size), piece);
    }
}

#[test]
fn the_largest_body_goes_up_and_one_byte_more_does_not() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let limit = Limits::default().request_body_bytes_max;
    check(gateway.addr, &requests, &body_of(limit), 1 << 20);
    for send in [send_sized, send_chunked] {
        let mut client = Wire::connect(gateway.addr);
        send(&mut client, &body_of(limit + 1), 1 << 20);
        let answer = client.response();
        assert_eq!((answer.status(), answer.json()["error"]["code"].as_str()), (413, Some("request_too_large")));
    }
    assert!(requests.try_recv().is_err());
}

#[test]
fn the_head_may_come_together_with_the_body_or_in_pieces() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    for fill in [0, 3_000, 4_000, 20_000, 60_000] {
        for size in [10, 65_536, 70_000, 131_072] {
            let body = body_of(size);
            let mut request = format!(
                "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nX-Fill: {}\r\nContent-Length: {size}\r\n\r\n",
                "f".repeat(fill)
            )
            .into_bytes();
            request.extend(&body);
            for cut in [request.len(), fill + 50, request.len() - 1] {
                let mut client = Wire::connect(gateway.addr);
                let (first, second) = request.split_at(cut);
                client.send(first);
                client.send(second);
                assert_eq!(client.response().status(), 200, "fill {fill}, size {size}, cut {cut}");
                assert!(requests.recv_timeout(PATIENCE).unwrap().body == body);
            }
        }
    }
}

#[test]
fn an_expectation_is_answered_before_the_body_comes() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let path = "/v1/chat/completions";
    for framing in [("Content-Length: 2", "{}"), ("Transfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n")] {
        let mut client = Wire::connect(gateway.addr);
        let (framing, body) = framing;
        client.send(format!("POST {path} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"));
        assert_eq!(client.head().unwrap().status(), 100);
        client.send(body);
        assert_eq!(client.response().status(), 200);
        let seen = requests.recv_timeout(PATIENCE).unwrap();
        assert_eq!((seen.text().as_str(), seen.field("expect")), ("{}", None));
    }
}

#[test]
fn a_client_that_knows_no_interim_answer_gets_none() {
    let (upstream, _requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send("POST /v1/chat/completions HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(client.head().unwrap().status(), 200);
}

#[test]
fn elsewhere_the_server_answers_the_expectation() {
    let upstream = Upstream::start(|mut wire| {
        let request = wire.head().unwrap();
        assert_eq!(request.field("expect"), Some("100-continue"));
        wire.send("HTTP/1.1 100 Continue\r\n\r\n");
        let mut body = [0; 2];
        std::io::Read::read_exact(&mut wire.tcp(), &mut body).unwrap();
        wire.send(ok(std::str::from_utf8(&body).unwrap()));
    });
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send("POST /upload HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.head().unwrap().status(), 100);
    client.send("hi");
    assert_eq!(client.response().text(), "hi");
}

#[test]
fn a_hundred_megabytes_stream_through() {
    let upstream = Upstream::start(|mut wire| {
        let head = wire.head().unwrap();
        let length: u64 = head.field("content-length").unwrap().parse().unwrap();
        let copied = wire.sink(length);
        wire.send(ok(&copied.to_string()));
    });
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    let size = 100 << 20;
    client.send(format!("PUT /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n"));
    let piece = vec![b'u'; 1 << 20];
    (0..100).for_each(|_| client.send(&piece));
    assert_eq!(client.response().text(), size.to_string());
}

#[test]
fn a_chunked_body_ends_with_its_json_or_is_refused() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let table = [
        ("{\"a\":1}\n \r\n", 200),
        ("no json at all", 200),
        ("{\"a\":1} and more", 200),
        ("{\"a\":", 400),
        ("\"", 400),
    ];
    for (body, status) in table {
        for piece in [body.len(), 1] {
            let mut client = Wire::connect(gateway.addr);
            send_chunked(&mut client, body.as_bytes(), piece);
            assert_eq!(client.response().status(), status, "{body:?} in pieces of {piece}");
            if status == 200 {
                assert_eq!(requests.recv_timeout(PATIENCE).unwrap().text(), body);
            }
        }
    }
}

/// A request that nests `1 + 2 * pairs` deep, with more brackets in a string.
fn nested(pairs: usize) -> String {
    let (open, close) = (r#"{"a":["#.repeat(pairs), "]}".repeat(pairs));
    format!(r#"{{"messages":[{{"role":"user","content":"[[[{{{{ \"[[["}}],"t\u006fols":{open}{close}}}"#)
}

/// Whatever a body is for, and however it comes: one that nests too deep reaches no server whole.
#[test]
fn a_body_that_nests_too_deep_is_refused_on_every_route() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let mut main = pool("main", vec![peer(upstream.address)]);
    main.messages = Messages::Pass;
    let gateway = gateway_of(config(vec![main]));
    let routes =
        ["/v1/chat/completions", "/completion", "/v1/responses", "/v1/messages", "/apply-template", "/api/chat"];
    let send = |route: &str, framing: &str| {
        let mut client = Wire::connect(gateway.addr);
        client.send(format!("POST {route} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
        client
    };
    for route in routes {
        for (pairs, status) in [(63, 200), (64, 400), (50_000, 400)] {
            let body = nested(pairs);
            let mut sized = send(route, &format!("Content-Length: {}", body.len()));
            let _ = sized.try_send(&body);
            let mut chunked = send(route, "Transfer-Encoding: chunked");
            let chunk = |chunk: &[u8]| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            let _ = chunked
                .try_send([body.as_bytes().chunks(1_000).flat_map(chunk).collect(), b"0\r\n\r\n".to_vec()].concat());
            for mut client in [sized, chunked] {
                let answer = client.response();
                match status {
                    200 => assert_eq!(answer.status(), 200, "{route}: {}", answer.text()),
                    _ => assert_error(&answer, 400, "request_too_deep"),
                }
            }
        }
    }
    let complete: Vec<_> = requests.try_iter().filter(|request| request.is_complete).collect();
    assert!(complete.iter().all(|request| request.text() == nested(63)) && complete.len() == 2 * routes.len());
}

/// A string that its server reads as JSON or as a grammar nests as those do.
#[test]
fn what_nests_too_deep_in_a_string_is_refused_where_it_is_read() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let (json, grammar) = ("[".repeat(200) + &"]".repeat(200), "(".repeat(200) + &")".repeat(200));
    let refused = [
        ("/v1/responses", format!(r#"{{"input":[{{"type":"function_call","arguments":"{json}"}}]}}"#)),
        (
            "/v1/chat/completions",
            format!(r#"{{"messages":[{{"tool_calls":[{{"function":{{"arguments":"{json}"}}}}]}}]}}"#),
        ),
        ("/completion", format!(r#"{{"prompt":"","grammar":"root ::= {grammar}"}}"#)),
    ];
    for (route, body) in &refused {
        assert_error(&ask(gateway.addr, post(route, body)), 400, "request_too_deep");
    }
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{json}{grammar}"}}]}}"#);
    assert_eq!(ask(gateway.addr, post("/v1/chat/completions", &body)).status(), 200);
    let complete: Vec<_> =
        requests.try_iter().filter(|request| request.is_complete).map(|request| request.text()).collect();
    assert_eq!(complete, [body]);
}

#[test]
fn what_is_no_json_may_hold_any_brackets() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let brackets = "[".repeat(1_000);
    let bodies = [("POST", format!("x{brackets}")), ("POST", format!("\"{brackets}\"")), ("PUT", brackets.clone())];
    for (method, body) in bodies {
        assert_eq!(ask(gateway.addr, post("/upload", &body).replace("POST", method)).status(), 200);
        assert_eq!(requests.recv_timeout(PATIENCE).unwrap().text(), body);
    }
}

#[test]
fn a_compressed_body_is_not_read() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let body = "\x1f\x08 not JSON";
    let request = post("/v1/chat/completions", body).replace("Content-Type", "Content-Encoding: gzip\r\nContent-Type");
    assert_eq!(ask(gateway.addr, request).status(), 200);
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().text(), body);
}

#[test]
fn a_head_over_the_limits_is_refused() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway_of(config(vec![pool("default", vec![peer(upstream.address)])]));
    let fields = |count: usize| (1..count).map(|n| format!("X-{n}: v\r\n")).collect::<String>();
    let fill = |bytes: usize| format!("X-Fill: {}\r\n", "f".repeat(bytes));
    for (fields, status) in [(fields(100), 200), (fields(101), 431), (fill(65_000), 200), (fill(66_000), 431)] {
        let answer = ask(gateway.addr, format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
        assert_eq!(answer.status(), status);
        if status == 431 {
            assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        }
    }
    assert_eq!(requests.try_iter().count(), 2);
}
