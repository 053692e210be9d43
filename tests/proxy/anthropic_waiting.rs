//! Clients of Anthropic's API that wait for their answer, and those that do not wait for its end.

use std::iter;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use toolgate::config::Pool;
use toolgate::server::Running;

use crate::anthropic::{STREAM, TOOLS, check, folded, message, pieces, with};
use crate::harness::{Message, PATIENCE, Upstream, Wire, ask, config, gateway_of, get, ok, peer, pool, wait_until};
use crate::led::{HEAD, end, led, word};

/// A pool of one place that says something often.
fn patient(upstream: &Upstream) -> Pool {
    let mut peer = peer(upstream.address);
    peer.max_inflight = Some(1);
    Pool { keepalive_ms: Some(20), ..pool("p", vec![peer]) }
}

/// Hears what comes until so many pings have.
fn hear_pings(client: &mut Wire, heard: &mut String, pings: usize) {
    while heard.matches("event: ping\ndata: {\"type\":\"ping\"}\n\n").count() < pings {
        heard.push_str(&String::from_utf8(client.next_chunk().unwrap()).unwrap());
    }
    let told = pieces(heard);
    assert!(told.len() == 1 && told[0]["type"] == "message_start", "{heard}");
}

fn hear_rest(client: &mut Wire, mut heard: String) -> Vec<Value> {
    while let Some(chunk) = client.next_chunk().filter(|chunk| !chunk.is_empty()) {
        heard += &String::from_utf8(chunk).unwrap();
    }
    check(&heard)
}

fn expect_head(client: &mut Wire) {
    let head = client.head().unwrap();
    let fields = ["content-type", "cache-control"].map(|name| head.field(name).map(str::to_owned));
    assert_eq!(fields.map(Option::unwrap), ["text/event-stream; charset=utf-8", "no-cache"]);
    assert!(head.status() == 200 && head.field("request-id").is_some(), "{head:?}");
}

#[test]
fn a_client_is_pinged_while_it_waits_and_the_answer_goes_on() {
    let (upstream, requests, say) = led();
    let gateway = gateway_of(config(vec![patient(&upstream)]));
    for offered in ["", TOOLS] {
        let request = message("hi", &format!("{offered}{STREAM}"));
        let [mut first, mut second] = [Wire::connect(gateway.addr), Wire::connect(gateway.addr)];
        let (mut heard, mut heard_too) = (String::new(), String::new());
        first.send(&request);
        requests.recv_timeout(PATIENCE).unwrap();
        second.send(&request);
        // The one while its prompt is read, the other in the queue.
        for (client, heard) in [(&mut first, &mut heard), (&mut second, &mut heard_too)] {
            expect_head(client);
            hear_pings(client, heard, 2);
        }
        say.send(format!("{HEAD}{}{}", word("Hi"), end())).unwrap();
        say.send(String::new()).unwrap();
        let events = hear_rest(&mut first, heard);
        assert_eq!(folded(&events)["content"][0]["text"], "Hi");
        assert_eq!(events.last().unwrap()["type"], "message_stop");
        requests.recv_timeout(PATIENCE).unwrap();
        // After such a head an error is an event, too.
        say.send("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned()).unwrap();
        say.send(String::new()).unwrap();
        let events = hear_rest(&mut second, heard_too);
        assert_eq!((events.len(), &events[1]["error"]["type"]), (2, &Value::from("api_error")), "{events:?}");
    }
}

#[test]
fn a_client_is_pinged_while_a_call_is_held() {
    // Before it a word was said, or nothing at all.
    for before in ["Well. ", ""] {
        let is_heard = Arc::new(AtomicBool::new(false));
        let enough = Arc::clone(&is_heard);
        let upstream = Upstream::start(move |mut wire| {
            wire.request();
            // The name comes last, so that till then it may be none.
            let call = "<tool_call>{\"arguments\": {\"city\": \"";
            wire.send(HEAD.to_owned() + &word(&format!("{before}{call}")));
            // What is held may be so long and no longer, so in the end it grows no more.
            for city in iter::repeat_n("Oslo ", 100).chain(iter::repeat("")) {
                wire.send(word(city));
                if enough.load(Ordering::SeqCst) {
                    break;
                }
            }
            wire.send(word("\"}, \"name\": \"weather\"}</tool_call>") + &end());
        });
        let gateway = gateway_of(config(vec![Pool { keepalive_ms: Some(1), ..patient(&upstream) }]));
        let mut client = Wire::connect(gateway.addr);
        client.send(message("hi", &format!("{TOOLS}{STREAM}")));
        client.head().unwrap();
        let mut heard = String::new();
        while let Some(chunk) = client.next_chunk().filter(|chunk| !chunk.is_empty()) {
            heard += &String::from_utf8(chunk).unwrap();
            pieces(&heard);
            // Some may have come before the server had answered.
            is_heard.store(heard.matches("event: ping").count() >= 4, Ordering::SeqCst);
        }
        let message = folded(&check(&heard));
        let called = message["content"].as_array().unwrap().iter().find(|block| block["type"] == "tool_use");
        assert!(called.is_some_and(|call| call["input"]["city"].as_str().unwrap().starts_with("Oslo")), "{heard}");
    }
}

/// Two servers, of which the first gets the request.
fn one_behind_the_other(first: &Upstream, second: &Upstream) -> Running {
    let mut peers = [first, second].map(|server| peer(server.address));
    peers[1].priority = 1;
    gateway_of(config(vec![Pool { keepalive_ms: Some(20), ..pool("p", peers.into()) }]))
}

#[test]
fn another_server_takes_over_before_the_first_word() {
    let role = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n";
    let role = format!("{:x}\r\n{role}\r\n", role.len());
    // It dies before its head, behind that, or behind a chunk that says nothing.
    for begun in [String::new(), HEAD.to_owned(), format!("{HEAD}{role}")] {
        for pings in [0, 2] {
            let (first, requests, say) = led();
            let (second, _) = Upstream::answering(|_| format!("{HEAD}{}{}", word("Hi"), end()).into_bytes());
            let gateway = one_behind_the_other(&first, &second);
            let mut client = Wire::connect(gateway.addr);
            client.send(message("hi", STREAM));
            requests.recv_timeout(PATIENCE).unwrap();
            if !begun.is_empty() {
                say.send(begun.clone()).unwrap();
            }
            let mut heard = String::new();
            if pings > 0 {
                expect_head(&mut client);
                hear_pings(&mut client, &mut heard, pings);
            }
            // It is gone for good.
            drop(first);
            say.send(String::new()).unwrap();
            if pings == 0 {
                expect_head(&mut client);
            }
            assert_eq!(folded(&hear_rest(&mut client, heard))["content"][0]["text"], "Hi");
        }
    }
}

/// What a client has left behind is nobody's: the one place there is is free.
fn expect_free(gateway: &Running) {
    wait_until("its place is free", || {
        let status = ask(gateway.admin_addr.unwrap(), get("/status")).json();
        status["pools"][0]["peers"][0]["in_flight"] == 0 && status["pools"][0]["queue"]["waiting"] == 0
    });
}

#[test]
fn a_client_that_leaves_frees_its_place_whatever_it_waits_for() {
    let (upstream, requests, say) = led();
    let gateway = gateway_of(config(vec![patient(&upstream)]));
    for offered in ["", TOOLS] {
        for more in ["", STREAM] {
            // Before the first byte, with one in the queue behind it.
            let request = message("hi", &format!("{offered}{more}"));
            let [mut first, mut second] = [Wire::connect(gateway.addr), Wire::connect(gateway.addr)];
            first.send(&request);
            requests.recv_timeout(PATIENCE).unwrap();
            second.send(&request);
            wait_until("one waits", || {
                ask(gateway.admin_addr.unwrap(), get("/status")).json()["pools"][0]["queue"]["waiting"] == 1
            });
            drop(second);
            drop(first);
            say.send(String::new()).unwrap();
            expect_free(&gateway);
        }
        // In mid-answer.
        let mut client = Wire::connect(gateway.addr);
        client.send(message("hi", &format!("{offered}{STREAM}")));
        requests.recv_timeout(PATIENCE).unwrap();
        say.send(format!("{HEAD}{}", word("Hi"))).unwrap();
        expect_head(&mut client);
        client.tcp().shutdown(Shutdown::Both).unwrap();
        drop(client);
        expect_free(&gateway);
        say.send(String::new()).unwrap();
    }
    // While it uploads.
    for framing in ["Content-Length: 1000000\r\n\r\n{\"a\"", "Transfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n"] {
        let mut client = Wire::connect(gateway.addr);
        client.send(format!("POST /v1/messages HTTP/1.1\r\nHost: h\r\n{framing}"));
        drop(client);
        expect_free(&gateway);
    }
}

#[test]
fn a_request_of_a_conversation_goes_where_the_one_before_went() {
    let boxes = ["a", "b"].map(|name| {
        let body = format!(
            r#"{{"choices":[{{"index":0,"message":{{"content":"{name}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":1,"completion_tokens":1}}}}"#
        );
        Upstream::answering(move |_| ok(&body)).0
    });
    let gateway = gateway_of(config(vec![pool("p", boxes.iter().map(|server| peer(server.address)).collect())]));
    let home = |request: &str| {
        let answer: Message = ask(gateway.addr, request);
        answer.json()["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
    };
    let mut homes = Vec::new();
    for session in 0..6 {
        let header = with(&message("hi", ""), &format!("X-Claude-Code-Session-Id: s{session}"));
        let user = Value::from(format!(r#"{{"device_id":"d","session_id":"s{session}"}}"#));
        let member = message("hi", &format!(r#","metadata":{{"user_id":{user}}}"#));
        let both = [&header, &member, &header, &member].map(|request| home(request));
        // By load alone they would take turns.
        assert!(both.iter().all(|at| *at == both[0]), "{both:?}");
        homes.push(both[0].clone());
    }
    homes.sort_unstable();
    homes.dedup();
    assert_eq!(homes, ["a", "b"], "all conversations in one place");
    let mut others = [home(&message("hi", "")), home(&message("hi", ""))];
    others.sort_unstable();
    assert_eq!(others, ["a", "b"]);
}
