//! Whatever is no chat request with tools passes through as it came.

use crate::harness::{
    PATIENCE, Upstream, Wire, ask, assert_error, config, gateway, gateway_of, get, ok, peer, pool, post,
};

use toolgate::config::Secret;

#[test]
fn any_method_path_query_field_and_body_passes() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let target = "/a%20b/./../c//d?x=1&y=%2F&z";
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: h\r\nX-Odd: a;b=\"c\"\r\nx-odd: two\r\nContent-Length: 5\r\n\r\nhe\0lo"
        );
        let answer = ask(gateway.addr, request);
        assert_eq!((answer.status(), answer.text().as_str()), (200, "{}"), "{method}");
        let seen = requests.recv_timeout(PATIENCE).unwrap();
        assert_eq!(seen.first_line, format!("{method} {target} HTTP/1.1"));
        assert_eq!(seen.body, b"he\0lo", "{method}");
        let odd: Vec<_> = seen.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case("x-odd")).collect();
        assert_eq!(odd.len(), 2, "{method}");
    }
}

#[test]
fn the_peer_is_addressed_as_itself() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let mut with_key = peer(upstream.address);
    with_key.prefix = "/base".to_owned();
    with_key.api_key = Some(Secret::new("k".to_owned()));
    let plain = gateway(upstream.address);
    let keyed = gateway_of(config(vec![pool("default", vec![with_key])]));
    let host = upstream.address.to_string();
    for (address, authorization, path) in
        [(plain.addr, "Bearer mine", "/v1/x?q"), (keyed.addr, "Bearer k", "/base/v1/x?q")]
    {
        for target in ["/v1/x?q", "http://elsewhere/v1/x?q"] {
            let host_field = if target.starts_with('/') { "h" } else { "elsewhere" };
            ask(
                address,
                format!(
                    "GET {target} HTTP/1.1\r\nHost: {host_field}\r\nAuthorization: Bearer mine\r\n\
                     X-Forwarded-For: 1.2.3.4\r\nX-Request-Id: me\r\nConnection: X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n\r\n"
                ),
            );
            let seen = requests.recv_timeout(PATIENCE).unwrap();
            assert_eq!(seen.first_line, format!("GET {path} HTTP/1.1"));
            assert_eq!(seen.field("host"), Some(host.as_str()));
            assert_eq!(seen.field("authorization"), Some(authorization));
            assert_eq!(seen.field("x-forwarded-for"), Some("1.2.3.4, 127.0.0.1"));
            assert_eq!(seen.field("x-request-id"), Some("me"));
            assert_eq!((seen.field("x-hop"), seen.field("te")), (None, None));
        }
    }
}

#[test]
fn a_request_has_an_id_on_its_way_and_back() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let answer = ask(gateway.addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let seen = requests.recv_timeout(PATIENCE).unwrap();
    let id = seen.field("x-request-id").unwrap();
    assert!(id.starts_with("req_") && id.len() > 20, "{id}");
    assert_eq!(answer.field("x-request-id"), Some(id));
    let answer = ask(gateway.addr, "GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\n\r\n");
    assert_eq!(answer.field("x-request-id"), Some("mine"));
}

#[test]
fn answers_without_a_body_stay_without_one() {
    let (upstream, _requests) = Upstream::answering(|request| {
        let head = match request.first_line.split(' ').nth(1).unwrap() {
            "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 12\r\n\r\n",
            "/empty" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "/early" => "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n",
        };
        head.as_bytes().to_vec()
    });
    let gateway = gateway(upstream.address);
    // On one connection: what is framed wrongly would spoil the next answer.
    let mut client = Wire::connect(gateway.addr);
    client.send("HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = client.head().unwrap();
    assert_eq!((head.status(), head.field("content-length")), (200, Some("12")));
    for (path, status, body) in [("/204", 204, ""), ("/304", 304, ""), ("/empty", 200, "")] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let answer = client.response();
        assert_eq!((answer.status(), answer.text().as_str()), (status, body), "{path}");
    }
    client.send("GET /early HTTP/1.1\r\nHost: h\r\n\r\n");
    let hints = client.head().unwrap();
    assert_eq!((hints.status(), hints.field("link")), (103, Some("</a>")));
    assert_eq!(client.response().text(), "hi");
}

#[test]
fn an_answer_without_a_length_ends_where_it_ends() {
    let upstream = Upstream::start(|mut wire| {
        wire.request();
        wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nto the ");
        wire.send("end");
    });
    let gateway = gateway(upstream.address);
    let answer = ask(gateway.addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((answer.text().as_str(), answer.is_complete), ("to the end", true));
    let answer = ask(gateway.addr, "GET / HTTP/1.0\r\nHost: h\r\n\r\n");
    assert_eq!((answer.text().as_str(), answer.field("transfer-encoding")), ("to the end", None));
}

#[test]
fn a_stream_goes_on_as_it_comes() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |mut wire| {
        wire.request();
        wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nKeep-Alive: timeout=5\r\n\r\n");
        for n in 0..5 {
            wire.chunk(format!("data: {n}\r\n\r\n"));
            gone.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        wire.last_chunk();
    });
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send(post("/v1/chat/completions", r#"{"stream":true}"#));
    let head = client.head().unwrap();
    assert_eq!((head.status(), head.field("keep-alive"), head.field("x-accel-buffering")), (200, None, None));
    for n in 0..5 {
        assert_eq!(client.next_chunk().unwrap(), format!("data: {n}\r\n\r\n").into_bytes());
        go.send(()).unwrap();
    }
    assert_eq!(client.next_chunk(), Some(Vec::new()));
}

#[test]
fn a_websocket_is_a_tunnel() {
    let upstream = Upstream::start(|mut wire| {
        let request = wire.head().unwrap();
        assert_eq!(request.field("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
        assert!(request.field("sec-websocket-key").is_some());
        wire.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
        for _ in 0..3 {
            let mut frame = [0; 4];
            std::io::Read::read_exact(&mut wire.tcp(), &mut frame).unwrap();
            wire.send(frame);
        }
    });
    // A tunnel may be quiet for as long as its ends like.
    let mut pool = pool("default", vec![peer(upstream.address)]);
    pool.timeouts.idle_ms = Some(1);
    let gateway = gateway_of(config(vec![pool]));
    let mut client = Wire::connect(gateway.addr);
    client.send(
        "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    );
    let head = client.head().unwrap();
    assert_eq!((head.status(), head.field("upgrade")), (101, Some("websocket")));
    for frame in ["ab\0d", "\r\n\r\n", "ping"] {
        for _ in 0..20 {
            ask(gateway.admin_addr.unwrap(), get("/health"));
        }
        client.send(frame);
        let mut echo = [0; 4];
        std::io::Read::read_exact(&mut client.tcp(), &mut echo).unwrap();
        assert_eq!(echo, frame.as_bytes());
    }
}

#[test]
fn a_client_s_connection_serves_many_requests() {
    let (upstream, requests) = Upstream::answering(|request| ok(&request.first_line));
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    for n in 0..4 {
        client.send(post(&format!("/{n}"), "{}"));
        assert_eq!(client.response().text(), format!("POST /{n} HTTP/1.1"));
        requests.recv_timeout(PATIENCE).unwrap();
    }
    // Two at once: the second waits for the first.
    client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    for path in ["/a", "/b"] {
        assert_eq!(client.response().text(), format!("GET {path} HTTP/1.1"));
    }
}

#[test]
fn both_framings_at_once_are_refused_and_nothing_is_smuggled() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send(
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    assert_eq!(client.response().status(), 400);
    client.expect_close();
    assert!(requests.try_recv().is_err());
}

#[test]
fn lengths_that_agree_are_one_length() {
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let gateway = gateway(upstream.address);
    for path in ["/x", "/v1/chat/completions"] {
        for size in [5, 70_000] {
            let body = format!("\"{}\"", "x".repeat(size - 2));
            for lengths in [format!("{size}, {size}"), format!("{size}\r\nContent-Length: {size}")] {
                let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {lengths}\r\n\r\n");
                assert_eq!(ask(gateway.addr, head + &body).status(), 200, "{path} {lengths}");
                let seen = requests.recv_timeout(PATIENCE).unwrap();
                let lengths: Vec<_> = seen.fields.iter().filter(|(name, _)| name == "Content-Length").collect();
                assert_eq!((lengths.len(), lengths[0].1.as_str()), (1, size.to_string().as_str()), "{path}");
                assert!(seen.is_complete && seen.text() == body, "{path} {size}");
            }
        }
    }
}

#[test]
fn an_offer_of_http2_is_an_ordinary_request() {
    let offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nHost";
    let (upstream, requests) = Upstream::answering(|_| ok("{}"));
    let answering = gateway(upstream.address);
    let silent = Upstream::start(|mut wire| {
        wire.request();
        wire.expect_close();
    });
    let mut pool = pool("default", vec![peer(silent.address)]);
    pool.timeouts.first_byte_ms = Some(50);
    let late = gateway_of(config(vec![pool]));
    for request in [get("/x"), post("/x", "{}"), post("/v1/chat/completions", "{}")] {
        let request = request.replace("Host", offer);
        assert_eq!(ask(answering.addr, &request).status(), 200);
        let seen = requests.recv_timeout(PATIENCE).unwrap();
        assert_eq!((seen.field("upgrade"), seen.field("http2-settings")), (None, None));
        assert_ne!(seen.field("connection"), Some("Upgrade"));
        // Its waits have ends, as a tunnel's have not.
        assert_error(&ask(late.addr, &request), 504, "upstream_timeout");
    }
}
