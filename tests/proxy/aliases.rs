//! Aliases: the server is asked for the model, the client hears the name that it used.

use bytes::Bytes;
use toolgate::api::openai::Folder;
use toolgate::config::{Alias, Config};

use crate::harness::{PATIENCE, Upstream, ask, config, gateway_of, models, ok, peer, pool, post};

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

const TOOLS: &str = r#","tools":[{"type":"function","function":{"name":"f","parameters":{}}}]"#;

fn aliased(mut config: Config) -> Config {
    config.view.aliases.push(Alias { name: "gpt-4o".to_owned(), model: "real".to_owned() });
    config
}

fn event(content: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{content}\"}}}}],\"model\":\"file.gguf\",\"id\":1}}\n\n"
    )
}

const END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"model\":\"file.gguf\"}\n\ndata: [DONE]\n\n";

#[test]
fn the_alias_goes_up_as_the_model_and_comes_back_as_itself() {
    let (upstream, requests) = Upstream::answering(|_| ok(r#"{ "model":"file.gguf", "object": "list" }"#));
    let gateway = gateway_of(aliased(config(vec![pool("default", vec![peer(upstream.address)])])));
    for path in ["/v1/embeddings", "/v1/chat/completions"] {
        let answer = ask(gateway.addr, post(path, r#"{ "x": 1.0, "model" : "GPT-4o","input":"\u00e9"}"#));
        assert_eq!(answer.text(), r#"{ "model":"GPT-4o", "object": "list" }"#);
        let seen = requests.recv_timeout(PATIENCE).unwrap();
        assert_eq!(seen.text(), r#"{ "x": 1.0, "model" : "real","input":"\u00e9"}"#);
        assert_eq!((seen.is_complete, seen.field("accept-encoding")), (true, Some("identity")));
        // Another name is nobody's business, in either direction.
        let body = r#"{"model":"gpt-4"}"#;
        assert_eq!(ask(gateway.addr, post(path, body)).text(), r#"{ "model":"file.gguf", "object": "list" }"#);
        assert_eq!(requests.recv_timeout(PATIENCE).unwrap().text(), body);
    }
}

#[test]
fn each_event_of_a_stream_says_the_alias() {
    let events = ["Hel", "lo", " world"].map(event).concat() + END;
    let sent = events.clone();
    let upstream = Upstream::start(move |mut wire| {
        wire.request();
        wire.send(STREAM_HEAD);
        // Cut anywhere.
        sent.as_bytes().chunks(37).for_each(|piece| wire.chunk(piece));
        wire.last_chunk();
    });
    let gateway = gateway_of(aliased(config(vec![pool("default", vec![peer(upstream.address)])])));
    for tools in ["", TOOLS] {
        let body = format!(r#"{{"model":"gpt-4o","stream":true,"messages":[{{"role":"user","content":"x"}}]{tools}}}"#);
        let answer = ask(gateway.addr, post("/v1/chat/completions", &body));
        assert!(answer.is_complete);
        assert_eq!(answer.text(), events.replace("file.gguf", "gpt-4o"));
    }
}

#[test]
fn the_events_of_a_call_say_the_alias_too() {
    let call = r#"<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>"#;
    let upstream = Upstream::start(move |mut wire| {
        wire.request();
        wire.send(STREAM_HEAD);
        wire.chunk(event(call));
        // Dies before its last word.
    });
    let gateway = gateway_of(aliased(config(vec![pool("default", vec![peer(upstream.address)])])));
    let body = format!(r#"{{"model":"gpt-4o","stream":true,"messages":[{{"role":"user","content":"x"}}]{TOOLS}}}"#);
    let answer = ask(gateway.addr, post("/v1/chat/completions", &body));
    let mut folder = Folder::new(1 << 20);
    folder.push(Bytes::from(answer.body.clone()));
    let folded = folder.finish();
    assert_eq!((folded.messages[&0].tool_calls.len(), folded.error.is_some()), (1, true));
    assert!(answer.text().contains("gpt-4o") && !answer.text().contains("file.gguf"), "{}", answer.text());
}

#[test]
fn a_whole_answer_that_breaks_off_comes_as_far_as_it_came() {
    let upstream = Upstream::start(|mut wire| {
        wire.request();
        wire.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"model\":\"file");
    });
    let gateway = gateway_of(aliased(config(vec![pool("default", vec![peer(upstream.address)])])));
    let answer = ask(gateway.addr, post("/v1/completions", r#"{"model":"gpt-4o"}"#));
    assert_eq!((answer.text().as_str(), answer.is_complete), ("{\"model\":\"file", false));
}

#[test]
fn the_model_behind_the_alias_chooses_the_pool() {
    let servers = ["other", "aliased"].map(|name| Upstream::answering(move |_| ok(name)).0);
    let mut pools = servers.iter().map(|server| pool("p", vec![peer(server.address)])).collect::<Vec<_>>();
    pools[0].models = models(&["gpt*"]);
    pools[1].models = models(&["real"]);
    let gateway = gateway_of(aliased(config(pools)));
    for (model, expected) in [("gpt-4o", "aliased"), ("gpt-4", "other"), ("real", "aliased")] {
        let answer = ask(gateway.addr, post("/v1/chat/completions", &format!(r#"{{"model":"{model}"}}"#)));
        assert_eq!(answer.text(), expected, "{model}");
    }
}
