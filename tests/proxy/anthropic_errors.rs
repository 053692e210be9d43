//! Errors for clients of Anthropic's API: each has its status, its type and the words by which they know what to do.

use serde_json::{Value, json};
use toolgate::config::{Pool, Queue};
use toolgate::engine::Engine;

use crate::anthropic::{STREAM, TOOLS, events, llama, message, message_of};
use crate::harness::{
    Message, PATIENCE, Upstream, Wire, ask, config, dead_address, gateway_of, models, peer, pool, post,
};
use crate::led::{HEAD, event, led, word};

/// An error that stands in place of a message, and says this.
fn assert_refused(answer: &Message, status: u16, kind: &str, words: &str) {
    assert_eq!((answer.status(), answer.is_complete), (status, true), "{}", answer.text());
    assert_eq!(answer.field("content-type"), Some("application/json"), "{}", answer.text());
    let id = answer.field("request-id").unwrap();
    assert_eq!(answer.field("x-request-id"), Some(id));
    let expected = json!({ "type": "error", "error": { "type": kind, "message": words }, "request_id": id });
    assert_eq!(answer.json(), expected);
}

fn status_of(status: u16, fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} No\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The four ways to ask.
fn ways(user: &str) -> [String; 4] {
    ["", STREAM, TOOLS, &format!("{TOOLS}{STREAM}")].map(|more| message(user, more))
}

#[test]
fn a_servers_status_is_told_by_anthropics_name_for_it() {
    const JSON: &str = "Content-Type: application/json\r\n";
    let said = r#"{"error":{"message":"no, thanks","type":"x"}}"#;
    for (own, body, status, kind, words) in [
        (400, said, 400, "invalid_request_error", "no, thanks"),
        (401, said, 401, "authentication_error", "no, thanks"),
        (402, said, 402, "billing_error", "no, thanks"),
        (403, said, 403, "permission_error", "no, thanks"),
        (404, said, 404, "not_found_error", "no, thanks"),
        (405, said, 405, "invalid_request_error", "no, thanks"),
        (408, said, 408, "timeout_error", "no, thanks"),
        (409, said, 409, "conflict_error", "no, thanks"),
        (413, said, 413, "request_too_large", "no, thanks"),
        (422, r#"{"detail":"no, thanks"}"#, 400, "invalid_request_error", "no, thanks"),
        (429, said, 429, "rate_limit_error", "no, thanks"),
        (500, said, 500, "api_error", "no, thanks"),
        (501, said, 400, "invalid_request_error", "no, thanks"),
        (502, said, 502, "api_error", "no, thanks"),
        (503, r#"{"error":{"code":503,"message":"Loading model"}}"#, 529, "overloaded_error", "Loading model"),
        (504, said, 504, "timeout_error", "no, thanks"),
        (500, r#"{"error":"no, thanks"}"#, 500, "api_error", "no, thanks"),
        (403, "<html>", 403, "permission_error", "the server gave no reason"),
        (502, "<html>", 502, "api_error", "the server gave no reason"),
        (400, "", 400, "invalid_request_error", "the server answered with status 400 and said nothing"),
        (500, "", 500, "api_error", "the server answered with status 500 and said nothing"),
        (503, "", 529, "overloaded_error", "the server answered with status 503 and said nothing"),
        (200, "", 502, "api_error", "the server answered with status 200 and said nothing"),
    ] {
        let (upstream, _requests) = Upstream::answering(move |_| status_of(own, JSON, body));
        // A llama.cpp server that says so without a time is loading, and is waited for.
        let engine = if own == 503 { Engine::Vllm } else { Engine::LlamaCpp };
        for request in ways("hi") {
            // One that is busy gets no other request for a while.
            let gateway = gateway_of(config(vec![Pool { engine, ..pool("p", vec![peer(upstream.address)]) }]));
            let answer = ask(gateway.addr, request);
            assert_refused(&answer, status, kind, words);
            assert_eq!(answer.field("retry-after"), (own == 503).then_some("1"), "{own}");
            assert_eq!(answer.field("x-should-retry"), (own == 501).then_some("false"), "{own}");
        }
    }
}

#[test]
fn when_to_come_back_is_its_servers_word() {
    let (upstream, _requests) = Upstream::answering(|_| status_of(503, "Retry-After: 7\r\n", "{}"));
    for request in ways("hi") {
        let gateway = gateway_of(config(vec![pool("p", vec![peer(upstream.address)])]));
        let answer = ask(gateway.addr, request);
        assert_eq!((answer.status(), answer.field("retry-after")), (529, Some("7")));
    }
}

#[test]
fn what_would_fail_again_is_the_requests_fault() {
    for words in [
        "Jinja Exception: roles must alternate",
        "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        "System message must be at the beginning.",
    ] {
        let body = json!({ "error": { "code": 500, "message": words, "type": "server_error" } }).to_string();
        let (upstream, _requests) =
            Upstream::answering(move |_| status_of(500, "Content-Type: application/json\r\n", &body));
        let gateway = gateway_of(config(vec![pool("p", vec![peer(upstream.address)])]));
        for request in ways("hi") {
            let answer = ask(gateway.addr, request);
            assert_refused(&answer, 400, "invalid_request_error", words);
            assert_eq!(answer.field("x-should-retry"), Some("false"));
        }
    }
}

#[test]
fn a_context_that_is_too_short_is_told_in_the_words_that_are_looked_for() {
    let long = "prompt is too long: 20 tokens > 16 maximum";
    let both = "input length and `max_tokens` exceed context limit: 10 + 100 > 16, decrease input length or `max_tokens` and try again";
    for (own, body, words) in [
        (
            400,
            r#"{"error":{"code":400,"message":"request (20 tokens) exceeds the available context size (16 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":20,"n_ctx":16}}"#,
            long,
        ),
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 16 tokens. However, you requested 100 output tokens and your prompt contains at least 10 input tokens, for a total of at least 110 tokens. Please reduce the length of the input prompt or the number of requested output tokens.","type":"BadRequestError","code":400}}"#,
            both,
        ),
    ] {
        let (upstream, _requests) =
            Upstream::answering(move |_| status_of(own, "Content-Type: application/json\r\n", body));
        let gateway = gateway_of(config(vec![pool("p", vec![peer(upstream.address)])]));
        for request in ways("hi") {
            assert_refused(&ask(gateway.addr, request), 400, "invalid_request_error", words);
        }
    }
}

#[test]
fn what_is_wrong_with_a_request_is_said_here() {
    let llama = llama();
    let gateway = gateway_of(config(vec![
        Pool { models: models(&["m"]), ..pool("p", vec![peer(llama.addr())]) },
        Pool { models: models(&["other"]), ..pool("q", vec![peer(dead_address())]) },
    ]));
    let (bad, none) = ("invalid_request_error", "not_found_error");
    let unknown = "the model `x` is not served here, the known ones are: m, other";
    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        for (body, status, kind, words) in [
            ("", 400, bad, "the body must be a JSON object"),
            ("[]", 400, bad, "the body must be a JSON object"),
            ("{}", 400, bad, "model: Field required"),
            (r#"{"model":"x"}"#, 404, none, unknown),
            (r#"{"model":"m","max_tokens":1}"#, 400, bad, "messages: Field required"),
        ] {
            assert_refused(&ask(gateway.addr, post(path, body)), status, kind, words);
        }
    }
    let tool = r#","tools":[{"type":"web_search_20250305","name":"web_search"}]"#;
    for (request, status, kind, words) in [
        (message("hi", "").replace("100", "\"a\""), 400, bad, "max_tokens: must be an integer that is not negative"),
        (
            message("hi", tool),
            400,
            bad,
            "tools.0: web_search_20250305 runs on Anthropic's servers and cannot be served here",
        ),
        (message_of("other", "hi", ""), 502, "api_error", "the server cannot be reached"),
        (message_of("other", "hi", STREAM), 502, "api_error", "the server cannot be reached"),
    ] {
        let length = request.rsplit_once("\r\n\r\n").unwrap().1.len();
        let head = request.split_once("Content-Length: ").unwrap();
        let rest = head.1.split_once("\r\n").unwrap().1;
        assert_refused(
            &ask(gateway.addr, format!("{}Content-Length: {length}\r\n{rest}", head.0)),
            status,
            kind,
            words,
        );
    }
    assert!(llama.heard().iter().all(|heard| !heard.target.contains("completions")));
}

#[test]
fn what_is_too_large_or_too_much_is_refused_in_the_same_way() {
    let (upstream, requests, say) = led();
    let mut peer = peer(upstream.address);
    peer.max_inflight = Some(1);
    let mut pool = pool("p", vec![peer]);
    pool.balancing.queue = Queue { max: 0, ..Queue::default() };
    let mut config = config(vec![pool]);
    config.limits.request_body_bytes_max = 1_000;
    let gateway = gateway_of(config);
    let large = ask(gateway.addr, message(&"x".repeat(2_000), ""));
    assert_refused(&large, 413, "request_too_large", "the request body is larger than 1000 bytes");
    let mut first = Wire::connect(gateway.addr);
    first.send(message("hi", STREAM));
    requests.recv_timeout(PATIENCE).unwrap();
    let answer = ask(gateway.addr, message("hi", STREAM));
    let error = &answer.json()["error"];
    assert_eq!((answer.status(), &error["type"]), (429, &json!("rate_limit_error")), "{error}");
    assert!(answer.field("retry-after").is_some() && answer.field("request-id").is_some());
    say.send(String::new()).unwrap();
}

/// The last event, and whether a block stands open before it.
fn end_of(events: &[Value]) -> (&Value, bool) {
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    (events.last().unwrap(), count("content_block_start") > count("content_block_stop"))
}

#[test]
fn an_answer_that_breaks_off_ends_in_an_error_and_its_block_stays_open() {
    let llama = llama();
    let gateway = gateway_of(config(vec![pool("p", vec![peer(llama.addr())])]));
    for marker in ["late", "die"] {
        for offered in ["", TOOLS] {
            let events = events(&ask(gateway.addr, message(&format!("[[{marker}]]"), &format!("{offered}{STREAM}"))));
            let (last, is_open) = end_of(&events);
            assert!(is_open && last["type"] == "error" && last["error"]["message"].is_string(), "{events:?}");
            assert_eq!(last["error"]["type"], "api_error");
            assert!(events.iter().all(|event| event["type"] != "message_delta"), "{events:?}");
        }
    }
}

#[test]
fn half_a_call_is_not_stopped() {
    let (upstream, requests, say) = led();
    let gateway = gateway_of(config(vec![pool("p", vec![peer(upstream.address)])]));
    let call = json!({ "tool_calls": [{ "index": 0, "id": "call_own", "function": { "name": "weather", "arguments": "{\"city\":" } }] });
    for said in [word(r#"<tool_call>{"name": "weather", "arguments": {"city": "Os"#), event(&call, &Value::Null)] {
        let mut client = Wire::connect(gateway.addr);
        client.send(message("hi", &format!("{TOOLS}{STREAM}")));
        requests.recv_timeout(PATIENCE).unwrap();
        say.send(format!("{HEAD}{said}")).unwrap();
        say.send(String::new()).unwrap();
        let events = events(&client.response());
        let (last, is_open) = end_of(&events);
        assert!(is_open && last["type"] == "error", "{events:?}");
    }
}

#[test]
fn a_whole_answer_that_breaks_off_is_an_error() {
    let llama = llama();
    let gateway = gateway_of(config(vec![pool("p", vec![peer(llama.addr())])]));
    for marker in ["late", "die", "error"] {
        for offered in ["", TOOLS] {
            let answer = ask(gateway.addr, message(&format!("[[{marker}]]"), offered));
            // One that had begun to come is cut off here, too: clients take that for a failed request.
            let is_error = answer.status() >= 500 && answer.json()["error"]["type"] == "api_error";
            assert!(is_error || !answer.is_complete, "{marker} {}", answer.text());
        }
    }
}
