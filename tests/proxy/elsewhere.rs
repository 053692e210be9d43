//! Servers that others use too: what they have from elsewhere counts, and only as long as they say so.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use toolgate::config::Checks;
use toolgate::engine::{ChatApi, Engine};
use toolgate::mock::{Answer, Mock, Script};
use toolgate::server::Running;

use crate::harness::{PATIENCE, Upstream, Wire, ask, config, gateway_of, get, ok, peer, pool, post};

const CHAT: &str = "/v1/chat/completions";

/// A gateway before boxes of one place each: not every engine says how many it has.
fn gateway(engine: Engine, checks: Checks, addresses: &[SocketAddr]) -> Running {
    let mut pool = pool("default", addresses.iter().map(|address| peer(*address)).collect());
    pool.peers.iter_mut().for_each(|peer| peer.max_inflight = Some(1));
    pool.balancing.checks = checks;
    pool.engine = engine;
    pool.ollama.api = ChatApi::OpenAi;
    gateway_of(config(vec![pool]))
}

fn peers(gateway: &Running) -> Value {
    ask(gateway.admin_addr.unwrap(), get("/status")).json()["pools"][0]["peers"].take()
}

/// What a box says at `/metrics`; it can be told another.
type Page = Arc<Mutex<Vec<u8>>>;

/// A box that says what it is told, and says what it was asked.
fn box_saying(page: Vec<u8>) -> (Upstream, Page, Receiver<String>) {
    let page = Arc::new(Mutex::new(page));
    let shown = Arc::clone(&page);
    let (upstream, requests) = Upstream::answering(move |request| serve(&request.first_line, &shown));
    let (say, asked) = mpsc::channel();
    std::thread::spawn(move || {
        requests.iter().try_for_each(|request| say.send(request.first_line.replace(" HTTP/1.1", "")))
    });
    (upstream, page, asked)
}

fn serve(first_line: &str, page: &Page) -> Vec<u8> {
    match first_line {
        "GET /metrics HTTP/1.1" => page.lock().unwrap().clone(),
        _ => ok("{}"),
    }
}

fn none() -> Vec<u8> {
    b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 2\r\n\r\n{}".to_vec()
}

/// llama.cpp's is woken by the question.
#[test]
fn a_server_that_sleeps_is_not_asked_for_its_load() {
    let (sleeper, requests) = Upstream::answering(|request| match request.first_line.as_str() {
        "GET /props HTTP/1.1" => ok(r#"{"total_slots":1,"is_sleeping":true}"#),
        _ => ok("{}"),
    });
    let other = Mock::start("127.0.0.1:0", Script::always(Answer::text("free"))).unwrap();
    let _gateway = gateway(Engine::LlamaCpp, Checks::Every { ms: 10 }, &[sleeper.address, other.addr()]);
    let lines = requests.iter().map(|request| request.first_line);
    let until_the_third_check = lines.scan(0, |checks, line| {
        *checks += usize::from(line == "GET /props HTTP/1.1");
        (*checks < 3).then_some(line)
    });
    assert!(until_the_third_check.into_iter().all(|line| line != "GET /metrics HTTP/1.1"));
}

#[test]
fn load_of_other_clients_counts() {
    let endless = Answer { looped: true, delay_ms: 1, ..Answer::text("tick ") };
    let busy = Mock::start("127.0.0.1:0", Script { slots: 1, ..Script::always(endless) }).unwrap();
    let free = Mock::start("127.0.0.1:0", Script { slots: 1, ..Script::always(Answer::text("free")) }).unwrap();
    let mut other = Wire::connect(busy.addr());
    other.send(post(CHAT, r#"{"messages":[],"stream":true}"#));
    other.head().unwrap();
    let gateway = gateway(Engine::LlamaCpp, Checks::default(), &[busy.addr(), free.addr()]);
    for _ in 0..4 {
        let answer = ask(gateway.addr, post(CHAT, r#"{"messages":[]}"#));
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "free");
    }
    let peers = peers(&gateway);
    assert_eq!((&peers[0]["elsewhere"], &peers[1]["elsewhere"]), (&json!(1), &json!(0)));
}

#[test]
fn every_engine_that_counts_is_heard() {
    let table = [
        (Engine::LlamaCpp, "llamacpp:requests_processing 0\nllamacpp:requests_deferred 2\n", 2),
        (Engine::Vllm, "vllm:num_requests_running{engine=\"0\"} 2.0\nvllm:num_requests_waiting{engine=\"0\"} 1.0\n", 3),
        (
            Engine::Sglang,
            "sglang:num_running_reqs{model_name=\"m\"} 4.0\nsglang:num_queue_reqs{model_name=\"m\"} 0.0\n",
            4,
        ),
        (Engine::Ollama, "", 0),
    ];
    for (engine, page, elsewhere) in table {
        let (used, _, _) = box_saying(ok(page));
        let (free, _, asked) = box_saying(ok(""));
        let gateway = gateway(engine, Checks::default(), &[used.address, free.address]);
        // Not every engine is asked for chats in these words.
        assert_eq!(ask(gateway.addr, post("/v1/completions", "{}")).status(), 200);
        assert_eq!(peers(&gateway)[0]["elsewhere"], elsewhere, "{engine:?}");
        let mut asked = std::iter::from_fn(|| asked.recv_timeout(PATIENCE).ok());
        assert!(elsewhere == 0 || asked.any(|line| line.starts_with("POST")), "{engine:?}");
    }
}

#[test]
fn no_load_stays_that_nobody_tells_of() {
    let used = || ok("vllm:num_requests_running 1\n");
    for then in [ok("vllm:num_requests_running 0\n"), ok("<html>"), none()] {
        let (upstream, page, asked) = box_saying(used());
        let gateway = gateway(Engine::Vllm, Checks::Every { ms: 5 }, &[upstream.address]);
        let mut client = Wire::connect(gateway.addr);
        client.send(post(CHAT, "{}"));
        let mut seen = Vec::new();
        while seen.iter().filter(|line| *line == "GET /metrics").count() < 3 {
            seen.push(asked.recv_timeout(PATIENCE).unwrap());
        }
        assert!(!seen.contains(&format!("POST {CHAT}")), "it went to a box without a free slot");
        *page.lock().unwrap() = then;
        assert_eq!(client.response().status(), 200);
        assert_eq!(peers(&gateway)[0]["elsewhere"], 0);
    }
}

#[test]
fn llama_cpp_is_not_asked_all_the_time() {
    let (upstream, _, asked) = box_saying(ok("llamacpp:requests_processing 1\n"));
    let gateway = gateway(Engine::LlamaCpp, Checks::Every { ms: 5 }, &[upstream.address]);
    let lines: Vec<_> = (0..20).map(|_| asked.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(lines.iter().filter(|line| *line == "GET /metrics").count(), 1, "{lines:?}");
    // What it has told holds meanwhile.
    assert_eq!(peers(&gateway)[0]["elsewhere"], 1);
}

#[test]
fn a_page_that_is_not_offered_is_asked_for_again_when_the_box_came_back() {
    let (upstream, _, asked) = box_saying(none());
    let address = upstream.address;
    let gateway = gateway(Engine::LlamaCpp, Checks::Every { ms: 5 }, &[address]);
    let lines: Vec<_> = (0..9).map(|_| asked.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(lines.iter().filter(|line| *line == "GET /metrics").count(), 1, "{lines:?}");
    drop(upstream);
    while peers(&gateway)[0]["up"] == true {}
    let used: Page = Arc::new(Mutex::new(ok("llamacpp:requests_processing 1\n")));
    let (_upstream, asked) = Upstream::answering_at(address, move |request| serve(&request.first_line, &used));
    let again = std::iter::from_fn(|| asked.recv_timeout(PATIENCE).ok());
    assert!(again.take(9).any(|request| request.first_line == "GET /metrics HTTP/1.1"));
}
