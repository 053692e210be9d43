//! What a client hears while it waits, and what it does not notice: a box that dies before its first word.

use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use serde_json::json;
use toolgate::config::{Pool, Queue, Timeouts};
use toolgate::plan::Chats;
use toolgate::server::Running;

use crate::access::{line_of, named};
use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, assert_error, config, gateway_of, get, ok, peer, pool, post,
};

const CHAT: &str = "/v1/chat/completions";
const PLAIN: &str = r#"{"messages":[],"stream":true}"#;
const TOOLS: &str = r#"{"messages":[{"role":"user","content":"hi"}],"stream":true,"tools":[{"type":"function","function":{"name":"weather"}}]}"#;
const WHOLE: &str =
    r#"{"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"weather"}}]}"#;
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null},\"finish_reason\":null}]}\n\n";
const WORDS: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n";
const END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

fn whole() -> String {
    [HEAD, &chunk(ROLE), &chunk(WORDS), &chunk(END), "0\r\n\r\n"].concat()
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn events() -> String {
    [ROLE, WORDS, END].concat()
}

/// What a box does next.
enum Step {
    Send(String),
    /// It closes the connection, and lives.
    Close,
    /// Nobody listens there any more.
    Die,
}

/// A box that takes one request and does what it is told.
struct Puppet {
    address: SocketAddr,
    /// Its request, and later that its connection was closed.
    seen: Receiver<Option<Message>>,
    steps: Sender<Step>,
}

impl Puppet {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (say, seen) = mpsc::channel();
        let (steps, next) = mpsc::channel();
        std::thread::spawn(move || {
            let mut wire = Wire::new(listener.accept().unwrap().0);
            say.send(wire.request()).unwrap();
            let mut listener = Some(listener);
            while let Ok(step) = next.recv_timeout(PATIENCE) {
                match step {
                    Step::Send(bytes) => wire.send(bytes),
                    Step::Close => break,
                    Step::Die => {
                        listener = None;
                        break;
                    }
                }
            }
            drop(wire);
            // Who lives tells whoever asks how it is.
            while let Some(Ok((tcp, _))) = listener.as_ref().map(TcpListener::accept) {
                let mut wire = Wire::new(tcp);
                if wire.request().is_some_and(|request| request.first_line.starts_with("POST")) {
                    let _ = say.send(None);
                }
                let _ = wire.try_send(ok("{}"));
            }
        });
        Self { address, seen, steps }
    }

    fn request(&self) -> Message {
        self.seen.recv_timeout(PATIENCE).unwrap().unwrap()
    }

    fn send(&self, bytes: impl Into<String>) {
        self.steps.send(Step::Send(bytes.into())).unwrap();
    }

    fn end(&self, step: Step) {
        self.steps.send(step).unwrap();
    }
}

/// A gateway in front of these boxes, asked in this order.
fn gateway(addresses: &[SocketAddr], with: impl FnOnce(&mut Pool)) -> Running {
    let peers = addresses.iter().zip(0..).map(|(address, priority)| {
        let mut peer = peer(*address);
        peer.priority = priority;
        peer
    });
    let mut pool = pool("default", peers.collect());
    with(&mut pool);
    gateway_of(config(vec![pool]))
}

fn soon(pool: &mut Pool) {
    pool.keepalive_ms = Some(20);
}

fn never(pool: &mut Pool) {
    pool.keepalive_ms = None;
}

/// A box that answers each chat with a whole stream.
fn living() -> (Upstream, Receiver<Message>) {
    Upstream::answering(|_| whole().into_bytes())
}

/// Reads chunks until one has this text, and returns all of them.
fn hear(client: &mut Wire, text: &str) -> String {
    let mut heard = String::new();
    while !heard.contains(text) {
        let chunk = client.next_chunk().unwrap_or_else(|| panic!("the answer ended after {heard}"));
        assert!(!chunk.is_empty(), "the body ended after {heard}");
        heard += &String::from_utf8(chunk).unwrap();
    }
    heard
}

/// The rest of a body that has begun.
fn rest(client: &mut Wire) -> String {
    let mut rest = String::new();
    loop {
        match client.next_chunk() {
            None => panic!("cut off after {rest}"),
            Some(chunk) if chunk.is_empty() => return rest,
            Some(chunk) => rest += &String::from_utf8(chunk).unwrap(),
        }
    }
}

/// The events of a stream without its comments, which all stand by themselves.
fn without_comments(body: &str) -> String {
    let events = body.split_inclusive("\n\n").filter(|event| !event.starts_with(':'));
    let events: String = events.collect();
    assert!(!events.contains("\n:"), "a comment within an event: {body}");
    events
}

#[test]
fn a_server_that_dies_before_its_first_event_fails_over_unseen() {
    let ping = chunk(":\n\n");
    for begun in [
        String::new(),
        "HTTP/1.1 200 O".to_owned(),
        HEAD.to_owned(),
        format!("{HEAD}{ping}{ping}"),
        format!("{HEAD}{ping}{}{ping}", chunk(ROLE)),
        format!("{HEAD}{}", &chunk(WORDS)[..20]),
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_owned() + ROLE,
    ] {
        for body in [PLAIN, TOOLS, WHOLE] {
            let (first, (second, _requests)) = (Puppet::new(), living());
            let gateway = gateway(&[first.address, second.address], |_| ());
            let mut client = Wire::connect(gateway.addr);
            client.send(post(CHAT, body));
            first.request();
            first.send(&begun);
            first.end(Step::Die);
            let answer = client.response();
            assert_eq!((answer.status(), answer.is_complete), (200, true), "{begun:?}");
            if body == WHOLE {
                assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello");
            } else {
                assert_eq!(answer.text(), events(), "{begun:?}");
            }
        }
    }
}

#[test]
fn a_server_s_comments_go_on_unless_the_gateway_s_stand_there() {
    const PING: &str = ": ping\n\n";
    let begun = || format!("{HEAD}{}{}{}", chunk(PING), chunk(ROLE), chunk(PING));
    let rest_of_it = || [&chunk(WORDS), &chunk(PING), &chunk(END), "0\r\n\r\n"].concat();
    for body in [PLAIN, TOOLS] {
        for with in [never, |_: &mut Pool| ()] {
            let puppet = Puppet::new();
            let gateway = gateway(&[puppet.address], with);
            let mut client = Wire::connect(gateway.addr);
            client.send(post(CHAT, body));
            puppet.request();
            puppet.send(begun() + &rest_of_it());
            assert_eq!(client.response().text(), [PING, ROLE, PING, WORDS, PING, END].concat());
        }
        let puppet = Puppet::new();
        let gateway = gateway(&[puppet.address], soon);
        let mut client = Wire::connect(gateway.addr);
        client.send(post(CHAT, body));
        puppet.request();
        client.head().unwrap();
        let mut heard = hear(&mut client, ": waiting\n\n");
        puppet.send(begun() + &rest_of_it());
        heard += &rest(&mut client);
        assert_eq!(heard.replace(": waiting\n\n", ""), [ROLE, WORDS, PING, END].concat());
    }
}

#[test]
fn after_comments_too_another_box_takes_over() {
    for body in [PLAIN, TOOLS] {
        let (first, second) = (Puppet::new(), Puppet::new());
        let gateway = gateway(&[first.address, second.address], soon);
        let mut client = Wire::connect(gateway.addr);
        client.send(named("taken-over", post(CHAT, body)).replace("taken-over", &format!("taken-over-{}", body.len())));
        first.request();
        let head = client.head().unwrap();
        assert_eq!((head.status(), head.field("content-type")), (200, Some("text/event-stream")));
        assert_eq!((head.field("x-accel-buffering"), head.field("cache-control")), (Some("no"), Some("no-cache")));
        assert!(head.field("x-request-id").is_some());
        let mut heard = hear(&mut client, ": waiting\n\n");
        first.send(format!("{HEAD}{}", chunk(ROLE)));
        heard += &hear(&mut client, ": waiting\n\n");
        first.end(Step::Die);
        second.request();
        heard += &hear(&mut client, ": waiting\n\n");
        second.send(whole());
        heard += &rest(&mut client);
        assert_eq!(without_comments(&heard), events());
        let (_, line) = line_of(&format!("taken-over-{}", body.len()));
        assert_eq!((&line["retries"], &line["outcome"], &line["status"]), (&json!(1), &json!("ok"), &json!(200)));
    }
}

#[test]
fn when_no_box_is_left_the_client_is_told() {
    for body in [PLAIN, TOOLS] {
        let (first, second) = (Puppet::new(), Puppet::new());
        let gateway = gateway(&[first.address, second.address], never);
        let mut client = Wire::connect(gateway.addr);
        client.send(post(CHAT, body));
        for puppet in [first, second] {
            puppet.request();
            puppet.send(HEAD);
            puppet.end(Step::Die);
        }
        assert_error(&client.response(), 502, "request_fells_servers");
    }
    for body in [PLAIN, TOOLS] {
        let (first, second) = (Puppet::new(), Puppet::new());
        let gateway = gateway(&[first.address, second.address], soon);
        let mut client = Wire::connect(gateway.addr);
        client.send(post(CHAT, body));
        first.request();
        first.send(HEAD);
        assert_eq!(client.head().unwrap().status(), 200);
        let mut heard = hear(&mut client, ": waiting");
        first.end(Step::Die);
        second.request();
        second.end(Step::Die);
        heard += &rest(&mut client);
        let error = without_comments(&heard);
        let error: serde_json::Value = serde_json::from_str(error.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(error["error"]["code"], "request_fells_servers");
    }
}

#[test]
fn a_box_that_came_back_may_have_the_request_again() {
    let (first, second) = (Puppet::new(), Puppet::new());
    let gateway = gateway(&[first.address, second.address], |pool| pool.balancing.failovers_max = 2);
    let mut client = Wire::connect(gateway.addr);
    client.send(post(CHAT, PLAIN));
    first.request();
    first.end(Step::Die);
    second.request();
    let (_back, _requests) = Upstream::answering_at(first.address, |_| whole().into_bytes());
    second.send(HEAD);
    second.end(Step::Die);
    assert_eq!(client.response().text(), events());
}

#[test]
fn a_request_that_crashes_servers_does_not_crash_them_all() {
    for failovers_max in [0, 1, 2] {
        let boxes: Vec<_> = (0..failovers_max + 2).map(|_| Puppet::new()).collect();
        let addresses: Vec<_> = boxes.iter().map(|puppet| puppet.address).collect();
        let gateway = gateway(&addresses, |pool| pool.balancing.failovers_max = failovers_max);
        let mut client = Wire::connect(gateway.addr);
        client.send(post(CHAT, PLAIN));
        let (last, felled) = boxes.split_last().unwrap();
        for puppet in felled {
            puppet.request();
            puppet.end(Step::Die);
        }
        assert_error(&client.response(), 502, "request_fells_servers");
        assert!(last.seen.try_recv().is_err());
    }
}

#[test]
fn a_stream_that_has_begun_is_not_retried() {
    for body in [PLAIN, TOOLS] {
        let (first, (second, requests)) = (Puppet::new(), living());
        let gateway = gateway(&[first.address, second.address], |_| ());
        let mut client = Wire::connect(gateway.addr);
        client.send(post(CHAT, body));
        first.request();
        first.send(format!("{HEAD}{}", chunk(WORDS)));
        first.end(Step::Die);
        let answer = client.response();
        assert!(answer.is_complete && answer.text().contains("data: {\"error\":"), "{}", answer.text());
        assert!(requests.try_recv().is_err());
    }
}

#[test]
fn a_box_that_lives_may_still_run_what_it_was_asked() {
    for begun in ["", HEAD] {
        let (first, (second, requests)) = (Puppet::new(), living());
        let gateway = gateway(&[first.address, second.address], |_| ());
        let mut client = Wire::connect(gateway.addr);
        client.send(post(CHAT, PLAIN));
        first.request();
        first.send(begun);
        first.end(Step::Close);
        assert_error(&client.response(), 502, "upstream_error");
        assert!(requests.try_recv().is_err() && first.seen.try_recv().is_err());
    }
}

/// One box with one place, which answers each chat when it is told.
struct House {
    gateway: Running,
    _upstream: Upstream,
    seen: Receiver<()>,
    answer: Sender<()>,
}

impl House {
    /// Somebody has the place.
    fn occupied(with: impl FnOnce(&mut Pool)) -> (Self, Wire) {
        let ((report, seen), (answer, now)) = (mpsc::channel(), mpsc::channel::<()>());
        let (report, now) = (Mutex::new(report), Mutex::new(now));
        let upstream = Upstream::start(move |mut wire| {
            if wire.request().is_none() {
                return;
            }
            report.lock().unwrap().send(()).unwrap();
            let _ = now.lock().unwrap().recv_timeout(PATIENCE);
            let _ = wire.try_send(whole());
        });
        let gateway = gateway(&[upstream.address], |pool| {
            soon(pool);
            pool.peers[0].max_inflight = Some(1);
            with(pool);
        });
        let house = Self { gateway, _upstream: upstream, seen, answer };
        let first = house.enter(PLAIN);
        house.seen.recv_timeout(PATIENCE).unwrap();
        (house, first)
    }

    fn enter(&self, body: &str) -> Wire {
        let mut client = Wire::connect(self.gateway.addr);
        client.send(post(CHAT, body));
        client
    }
}

#[test]
fn a_queued_client_is_told_its_position() {
    let (house, mut first) = House::occupied(|_| ());
    let mut clients: Vec<_> = [PLAIN, TOOLS]
        .into_iter()
        .zip(1..)
        .map(|(body, position)| {
            let mut client = house.enter(body);
            assert_eq!(client.head().unwrap().status(), 200);
            let heard = hear(&mut client, &format!(": queued position={position}\n\n"));
            (client, heard)
        })
        .collect();
    house.answer.send(()).unwrap();
    assert_eq!(without_comments(&first.response().text()), events());
    let (last, heard) = &mut clients[1];
    *heard += &hear(last, ": queued position=1\n\n");
    house.answer.send(()).unwrap();
    house.answer.send(()).unwrap();
    for (client, heard) in &mut clients {
        *heard += &rest(client);
        assert_eq!(without_comments(heard), events());
    }
}

#[test]
fn before_the_first_comment_an_error_has_its_status() {
    let late = |queue| move |pool: &mut Pool| (pool.keepalive_ms, pool.balancing.queue) = (Some(60_000), queue);
    let (house, _first) = House::occupied(late(Queue { max: 0, ..Queue::default() }));
    assert_error(&ask(house.gateway.addr, post(CHAT, PLAIN)), 429, "queue_full");
    let (house, _first) = House::occupied(late(Queue { timeout_ms: 20, ..Queue::default() }));
    assert_error(&ask(house.gateway.addr, post(CHAT, PLAIN)), 503, "queue_timeout");
}

/// The error of a stream that is nothing but comments and this.
fn error_of(answer: &Message) -> serde_json::Value {
    assert_eq!((answer.status(), answer.is_complete), (200, true), "{}", answer.text());
    let events = without_comments(&answer.text());
    let data = events.strip_prefix("data: ").and_then(|events| events.strip_suffix("\n\n"));
    let data: serde_json::Value = serde_json::from_str(data.unwrap_or_else(|| panic!("{events}"))).unwrap();
    data["error"].clone()
}

#[test]
fn behind_comments_an_error_is_an_event() {
    let (house, _first) = House::occupied(|pool| (pool.keepalive_ms, pool.balancing.queue.timeout_ms) = (Some(1), 300));
    let answer = ask(house.gateway.addr, named("late-in-the-queue", post(CHAT, PLAIN)));
    assert_eq!(error_of(&answer)["code"], "queue_timeout");
    let (_, line) = line_of("late-in-the-queue");
    assert_eq!((&line["status"], &line["error"]), (&json!(200), &json!("queue_timeout")));
}

#[test]
fn behind_comments_what_is_no_stream_is_an_error_event() {
    let gzip =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc";
    for (said, message, outcome) in [
        (answer("400 Bad Request", "{\"error\":{\n\"message\":\"too long\"}}"), "too long", "refused"),
        (answer("500 Internal", "oops"), "the server answered with status 500 in place of a stream", "upstream_failed"),
        (answer("500 Internal", ""), "the server answered with status 500 in place of a stream", "upstream_failed"),
        (
            "HTTP/1.1 204 No\r\n\r\n".into(),
            "the server answered with status 204 in place of a stream",
            "upstream_failed",
        ),
        (
            answer("200 OK", "{\"choices\":[]}"),
            "the server answered with status 200 in place of a stream",
            "upstream_failed",
        ),
        (gzip.into(), "the server answered with status 200 in place of a stream", "upstream_failed"),
        // It breaks off.
        (
            "HTTP/1.1 400 No\r\nContent-Length: 9\r\n\r\nno".into(),
            "the server answered with status 400 in place of a stream",
            "refused",
        ),
    ] {
        for body in [PLAIN, TOOLS] {
            let puppet = Puppet::new();
            let gateway = gateway(&[puppet.address], soon);
            let mut client = Wire::connect(gateway.addr);
            let id = format!("no-stream-{:p}-{}", said.as_ptr(), body.len());
            client.send(named(&id, post(CHAT, body)));
            puppet.request();
            let mut heard = client.head().unwrap();
            hear(&mut client, ": waiting");
            puppet.send(&said);
            puppet.end(Step::Close);
            (heard.body, heard.is_complete) = (rest(&mut client).into_bytes(), true);
            assert_eq!(error_of(&heard)["message"], message, "{said}");
            assert_eq!(line_of(&id).1["outcome"], outcome, "{said}");
        }
    }
}

#[test]
fn a_client_that_leaves_while_it_hears_comments_frees_its_place() {
    for begun in ["", HEAD] {
        let (seen, when) = (mpsc::channel(), mpsc::channel());
        let (say, closed) = (Mutex::new(seen.0), Mutex::new(when.0));
        let upstream = Upstream::start(move |mut wire| {
            let Some(request) = wire.request() else { return };
            if request.first_line.starts_with("POST /free") {
                return wire.send(ok("free"));
            }
            wire.send(begun);
            say.lock().unwrap().send(()).unwrap();
            wire.expect_close();
            closed.lock().unwrap().send(()).unwrap();
        });
        let gateway = gateway(&[upstream.address], |pool| {
            soon(pool);
            pool.peers[0].max_inflight = Some(1);
        });
        let enter = |id: &str| {
            let mut client = Wire::connect(gateway.addr);
            client.send(named(id, post(CHAT, PLAIN)));
            assert_eq!(client.head().unwrap().status(), 200);
            client
        };
        let id = format!("leaves-{}", begun.len());
        let mut held = enter("stays-a-little");
        hear(&mut held, ": waiting");
        let mut queued = enter(&id);
        hear(&mut queued, ": queued position=1");
        drop(queued);
        assert_eq!(line_of(&id).1["outcome"], "client_left");
        drop(held);
        seen.1.recv_timeout(PATIENCE).unwrap();
        when.1.recv_timeout(PATIENCE).unwrap();
        assert_eq!(ask(gateway.addr, post("/free", "")).text(), "free");
        // Who left the queue was never asked for.
        assert!(seen.1.try_recv().is_err());
    }
}

#[test]
fn who_is_to_hear_nothing_gets_its_answer_as_it_comes() {
    let error = "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno";
    let foreign = post(CHAT, PLAIN).replace("Host:", "Origin: http://page\r\nHost:");
    let requests = [
        (post(CHAT, PLAIN), None),
        (foreign, Some(20)),
        (post(CHAT, WHOLE), Some(20)),
        (post("/v1/rerank", PLAIN), Some(20)),
    ];
    for (request, keepalive_ms) in requests {
        let puppet = Puppet::new();
        let gateway = gateway(&[puppet.address], |pool| pool.keepalive_ms = keepalive_ms);
        let mut client = Wire::connect(gateway.addr);
        client.send(&request);
        puppet.request();
        // Meanwhile time passes, more than one who hears something waits for it.
        for _ in 0..50 {
            assert_eq!(ask(gateway.admin_addr.unwrap(), get("/health")).status(), 200);
        }
        puppet.send(error);
        assert_eq!(client.response().status(), 400, "{request}");
    }
}

/// Deadlines count what the server sends, not what its client hears.
#[test]
fn a_box_that_is_late_is_late_behind_comments_too() {
    let waits = [
        (
            Timeouts { first_byte_ms: Some(200), idle_ms: None, ..Timeouts::default() },
            "",
            "no byte of the answer within 200 ms",
        ),
        (Timeouts { idle_ms: Some(200), ..Timeouts::default() }, HEAD, "nothing came for 200 ms"),
        (Timeouts { idle_ms: None, total_ms: Some(200), ..Timeouts::default() }, HEAD, "not finished within 200 ms"),
    ];
    for (timeouts, begun, why) in waits {
        let puppet = Puppet::new();
        let gateway = gateway(&[puppet.address], |pool| (pool.keepalive_ms, pool.timeouts) = (Some(1), timeouts));
        let mut client = Wire::connect(gateway.addr);
        client.send(post(CHAT, PLAIN));
        puppet.request();
        puppet.send(begun);
        let error = error_of(&client.response());
        assert_eq!(
            (&error["code"], error["message"].as_str().unwrap().contains(why)),
            (&json!("upstream_timeout"), true)
        );
    }
}

/// A page of another origin, whose server alone knows whether it may read, and a client that counts bytes.
#[test]
fn who_may_hear_its_server_alone_gets_the_stream_as_it_comes() {
    for field in ["Origin: http://page", "X-Conversation-Id: a"] {
        let puppet = Puppet::new();
        let gateway = gateway(&[puppet.address], soon);
        let mut client = Wire::connect(gateway.addr);
        client.send(post(CHAT, PLAIN).replace("Host:", &format!("{field}\r\nHost:")));
        puppet.request();
        puppet.send(HEAD.replace("Content-Type", "Access-Control-Allow-Origin: *\r\nContent-Type") + &chunk(":\n\n"));
        assert_eq!(client.head().unwrap().field("access-control-allow-origin"), Some("*"));
        assert_eq!(client.next_chunk().unwrap(), b":\n\n");
    }
}

#[test]
fn a_client_of_http_1_0_hears_comments_too() {
    let puppet = Puppet::new();
    let gateway = gateway(&[puppet.address], soon);
    let mut client = Wire::connect(gateway.addr);
    client.send(post(CHAT, PLAIN).replace("HTTP/1.1", "HTTP/1.0"));
    puppet.request();
    let head = client.head().unwrap();
    assert_eq!((head.status(), head.field("transfer-encoding")), (200, None));
    puppet.send(whole());
    let mut body = String::new();
    std::io::Read::read_to_string(&mut client.tcp(), &mut body).unwrap();
    assert!(events().ends_with(&without_comments(&body)) && body.ends_with(END), "{body}");
}

#[test]
fn a_connection_is_kept_alive_after_keepalive_comments() {
    let puppet = Puppet::new();
    let gateway = gateway(&[puppet.address], soon);
    let mut client = Wire::connect(gateway.addr);
    client.send(post(CHAT, PLAIN));
    puppet.request();
    assert_eq!(client.head().unwrap().status(), 200);
    hear(&mut client, ": waiting");
    puppet.send("HTTP/1.1 103 Early Hints\r\n\r\n".to_owned() + &whole());
    puppet.end(Step::Close);
    assert_eq!(without_comments(&rest(&mut client)), events());
    client.send(get("/"));
    assert_eq!(client.response().text(), "{}");
}

/// A box that is started anew dies with what it was asked, and can be asked again.
#[test]
fn a_box_that_was_restarted_is_waited_for() {
    const LOADING: &str = r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#;
    for (begun, keepalive_ms) in [("", None), (HEAD, None), (HEAD, Some(20))] {
        let asked = AtomicUsize::new(0);
        let upstream = Upstream::start(move |mut wire| {
            let Some(request) = wire.request() else { return };
            let is_chat = request.first_line.starts_with("POST");
            match asked.fetch_add(usize::from(is_chat), Ordering::SeqCst) {
                0 => wire.send(begun),
                // It is fresh when it is asked how it is, and has loaded when it is asked for an answer again.
                1 if is_chat => wire.send(whole()),
                _ => wire.send(answer("503 Service Unavailable", LOADING)),
            }
        });
        let gateway = gateway(&[upstream.address], |pool| pool.keepalive_ms = keepalive_ms);
        let answer = ask(gateway.addr, post(CHAT, PLAIN));
        assert_eq!((answer.status(), without_comments(&answer.text())), (200, events()));
    }
    // Whoever is merely too busy may have the request still.
    let (say, seen) = mpsc::channel();
    let say = Mutex::new(say);
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        say.lock().unwrap().send(request.first_line.clone()).unwrap();
        if !request.first_line.starts_with("POST") {
            wire.send(answer("503 Service Unavailable", "{}"));
        }
    });
    let gateway = gateway(&[upstream.address], never);
    assert_error(&ask(gateway.addr, post(CHAT, PLAIN)), 502, "upstream_error");
    let seen: Vec<_> = seen.try_iter().collect();
    assert_eq!(seen, ["POST /v1/chat/completions HTTP/1.1", "GET /health HTTP/1.1"]);
}

#[test]
fn a_box_that_loads_behind_comments_is_asked_again() {
    let (first, (second, _requests)) = (Puppet::new(), living());
    let gateway = gateway(&[first.address, second.address], soon);
    let mut client = Wire::connect(gateway.addr);
    client.send(post(CHAT, PLAIN));
    first.request();
    client.head().unwrap();
    hear(&mut client, ": waiting");
    first.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(without_comments(&rest(&mut client)), events());
}

fn prefill(processed: u32) -> String {
    ROLE.replace(
        "}]}",
        &format!("}}],\"prompt_progress\":{{\"total\":9,\"cache\":0,\"processed\":{processed},\"time_ms\":1}}}}"),
    )
}

#[test]
fn prefill_progress_is_told_in_comments() {
    let puppet = Puppet::new();
    let gateway = gateway(&[puppet.address], soon);
    let mut client = Wire::connect(gateway.addr);
    client.send(post(CHAT, TOOLS));
    assert_eq!(puppet.request().json()["return_progress"], true);
    client.head().unwrap();
    let mut heard = hear(&mut client, ": waiting\n\n");
    puppet.send(HEAD.to_owned() + &chunk(&prefill(0)));
    heard += &hear(&mut client, ": prefill processed=0 total=9\n\n");
    puppet.send(chunk(&prefill(5)) + &chunk(":\n\n"));
    heard += &hear(&mut client, ": prefill processed=5 total=9\n\n");
    puppet.send([&chunk(&prefill(9)), &chunk(&format!("{ROLE}{WORDS}")), &chunk(END), "0\r\n\r\n"].concat());
    heard += &rest(&mut client);
    assert_eq!(without_comments(&heard), events());
}

#[test]
fn what_the_client_asked_for_itself_goes_on() {
    let puppet = Puppet::new();
    let gateway = gateway(&[puppet.address], |_| ());
    let mut client = Wire::connect(gateway.addr);
    client.send(post(CHAT, &TOOLS.replace("\"stream\"", "\"return_progress\":true,\"stream\"")));
    puppet.request();
    puppet.send(HEAD.to_owned() + &chunk(&prefill(5)));
    client.head().unwrap();
    assert_eq!(hear(&mut client, "prompt_progress"), prefill(5));
}

#[test]
fn only_the_configured_requests_ask_how_far_the_prompt_is() {
    let own = TOOLS.replace("\"stream\"", "\"return_progress\":false,\"stream\"");
    let kept = "X-Conversation-Id: a\r\nHost:";
    for (progress, keepalive_ms, request, expected) in [
        (Chats::Tools, Some(60_000), post(CHAT, TOOLS), Some(true)),
        (Chats::Tools, Some(60_000), post(CHAT, &own), Some(false)),
        (Chats::Tools, Some(60_000), post(CHAT, PLAIN), None),
        (Chats::Tools, Some(60_000), post(CHAT, WHOLE), None),
        (Chats::All, Some(60_000), post(CHAT, PLAIN), Some(true)),
        (Chats::All, Some(60_000), post("/v1/completions", PLAIN), None),
        // Bytes of a stream that the server keeps are counted, so they stay as they are.
        (Chats::All, Some(60_000), post(CHAT, PLAIN).replace("Host:", kept), None),
        // Nobody would hear of it.
        (Chats::All, None, post(CHAT, TOOLS), None),
        (Chats::Off, Some(60_000), post(CHAT, TOOLS), None),
    ] {
        let (upstream, requests) = living();
        let gateway =
            gateway(&[upstream.address], |pool| (pool.progress, pool.keepalive_ms) = (progress, keepalive_ms));
        assert_eq!(ask(gateway.addr, &request).status(), 200);
        let asked = requests.recv_timeout(PATIENCE).unwrap().json();
        assert_eq!(asked.get("return_progress"), expected.map(|expected| json!(expected)).as_ref(), "{request}");
    }
}

/// An event with this text.
fn text(text: &str) -> String {
    WORDS.replace("Hello", text)
}

#[test]
fn keepalive_comments_come_while_a_call_is_undecided() {
    let puppet = Puppet::new();
    let gateway = gateway(&[puppet.address], |pool| pool.keepalive_ms = Some(1));
    let mut client = Wire::connect(gateway.addr);
    client.send(post(CHAT, TOOLS));
    puppet.request();
    puppet.send(HEAD.to_owned() + &chunk(&text("Hello")));
    client.head().unwrap();
    let mut heard = hear(&mut client, "Hello");
    puppet.send(chunk(&text("<tool_call>")));
    // Each waits for the one before, so time passes, more than one who hears something waits for it.
    for _ in 0..50 {
        puppet.send(chunk(&text(" ")));
        assert_eq!(ask(gateway.admin_addr.unwrap(), get("/health")).status(), 200);
    }
    puppet.send(chunk(&text(r#"{\"name\": \"weather\", \"arguments\": {}}</tool_call>"#)) + &chunk(END) + "0\r\n\r\n");
    heard += &rest(&mut client);
    let (_, behind) = heard.split_once("Hello").unwrap();
    assert!(behind.contains("}\n\n: waiting\n\n"), "{heard}");
    let events = without_comments(&heard);
    assert!(events.contains(r#""name":"weather""#) && events.contains("tool_calls") && events.ends_with("[DONE]\n\n"));
    assert!(!events.contains("tool_call>"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let next = post(CHAT, PLAIN);
    for (ahead, later) in [(next.as_str(), ""), ("", next.as_str()), next.split_at(5)] {
        let (house, mut first) = House::occupied(|_| ());
        let mut client = Wire::connect(house.gateway.addr);
        client.send(post(CHAT, PLAIN) + ahead);
        assert_eq!(client.head().unwrap().status(), 200);
        hear(&mut client, ": queued position=1");
        client.send(later);
        (0..3).for_each(|_| house.answer.send(()).unwrap());
        assert_eq!(without_comments(&first.response().text()), events());
        assert_eq!(without_comments(&rest(&mut client)), events());
        assert_eq!(without_comments(&client.response().text()), events());
    }
}
