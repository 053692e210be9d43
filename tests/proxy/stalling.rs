//! Clients that do not read, or hardly write: they are given up, and what they held is free.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use toolgate::config::{Config, Pool};
use toolgate::limits::Limits;
use toolgate::server::Running;

use crate::access::{line_of, named};
use crate::harness::{
    PATIENCE, Upstream, Wire, ask, assert_error, config, gateway_of, get, ok, peer, pool, post, wait_until,
};
use crate::prometheus::Page;

const CHAT: &str = "/v1/chat/completions";
const PLAIN: &str = r#"{"messages":[],"stream":true}"#;
const TOOLS: &str = r#"{"messages":[{"role":"user","content":"hi"}],"stream":true,"tools":[{"type":"function","function":{"name":"weather"}}]}"#;
const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const WORDS: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n";

/// A server that writes for as long as it can, and says when it cannot any more.
fn endless(head: &'static str) -> (Upstream, Receiver<()>) {
    let (say, ended) = mpsc::channel();
    let say = Mutex::new(say);
    let upstream = Upstream::start(move |mut wire| {
        let Some(request) = wire.request() else { return };
        if request.first_line.starts_with("GET /short") {
            wire.send(ok("{}"));
            return;
        }
        wire.send(head);
        let piece = WORDS.repeat(500);
        let piece = if head == EVENTS { format!("{:x}\r\n{piece}\r\n", piece.len()) } else { piece };
        while wire.try_send(&piece).is_ok() {}
        say.lock().unwrap().send(()).unwrap();
    });
    (upstream, ended)
}

fn gateway(address: SocketAddr, with: impl FnOnce(&mut Pool), limits: Limits) -> Running {
    let mut pool = pool("default", vec![peer(address)]);
    pool.peers[0].max_inflight = Some(1);
    with(&mut pool);
    gateway_of(Config { limits, ..config(vec![pool]) })
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n";
    let tunnel = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let upgrade = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_owned();
    for (number, (head, request)) in [
        (EVENTS, post(CHAT, PLAIN)),
        (EVENTS, post(CHAT, TOOLS)),
        (whole, post("/v1/completions", "{}")),
        (whole, get("/file")),
        (tunnel, upgrade),
    ]
    .into_iter()
    .enumerate()
    {
        let (upstream, ended) = endless(head);
        let gateway = gateway(upstream.address, |pool| pool.timeouts.client_ms = Some(100), Limits::default());
        let mut client = Wire::connect(gateway.addr);
        let id = format!("stalled-{number}");
        client.send(named(&id, request));
        ended.recv_timeout(PATIENCE).expect("the server is free");
        assert_eq!(ask(gateway.addr, get("/short")).status(), 200);
        wait_until("it is counted", || {
            let page = Page::parse(&ask(gateway.admin_addr.unwrap(), get("/metrics")).text());
            page.sum("toolgate_failures_total", &[("fault", "client"), ("error", "client_stalled")]) == Some(1.0)
        });
        assert_eq!(line_of(&id).1["outcome"], "client_stalled");
        drop(client);
    }
}

#[test]
fn a_client_that_reads_a_little_at_a_time_gets_it_all() {
    let size = 8 << 20;
    let (upstream, _requests) = Upstream::answering(move |_| ok(&"x".repeat(size)));
    let gateway = gateway(upstream.address, |pool| pool.timeouts.client_ms = Some(200), Limits::default());
    let mut client = Wire::connect(gateway.addr);
    client.send(post("/v1/completions", "{}"));
    let head = client.head().unwrap();
    assert_eq!(head.field("content-length"), Some(size.to_string().as_str()));
    let mut came = 0;
    while came < size {
        // Something else happens before each piece is taken.
        assert_eq!(ask(gateway.admin_addr.unwrap(), get("/health")).status(), 200);
        came += usize::try_from(client.sink(1 << 16)).unwrap();
    }
}

#[test]
fn a_slow_upload_is_cut_and_frees_its_slot() {
    let limits = || Limits { upload_ms: 50, upload_bytes_per_second_min: 1_000_000_000, ..Limits::default() };
    for (path, framing, begun) in [
        ("/v1/completions", "Content-Length: 100", "{\"prompt\":"),
        ("/v1/completions", "Transfer-Encoding: chunked", "5;extension"),
        ("/v1/completions", "Transfer-Encoding: chunked", "5\r\nhe"),
        (CHAT, "Content-Length: 100", "{\"prompt\":"),
        (CHAT, "Transfer-Encoding: chunked", "1"),
    ] {
        let (upstream, _requests) = Upstream::answering(|_| ok("{}"));
        let gateway = gateway(upstream.address, |_| (), limits());
        let mut client = Wire::connect(gateway.addr);
        client.send(format!("POST {path} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{begun}"));
        assert_error(&client.response(), 408, "request_timeout");
        client.expect_close();
        assert_eq!(ask(gateway.addr, post("/v1/completions", "{}")).status(), 200);
    }
}

#[test]
fn bodies_have_a_bound_together() {
    let ((say, asked), (go, gone)) = (mpsc::channel(), mpsc::channel::<()>());
    let (say, gone) = (Mutex::new(say), Mutex::new(gone));
    let (upstream, _requests) = Upstream::answering(move |_| {
        say.lock().unwrap().send(()).unwrap();
        gone.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        ok("{}")
    });
    let limits = Limits { bodies_bytes_max: 1_000, ..Limits::default() };
    let gateway = gateway(upstream.address, |pool| pool.peers[0].max_inflight = None, limits);
    let sized = |bytes: usize| post(CHAT, &format!("\"{}\"", "x".repeat(bytes - 2)));
    for _ in 0..3 {
        let mut first = Wire::connect(gateway.addr);
        first.send(sized(900));
        asked.recv_timeout(PATIENCE).unwrap();
        let refused = ask(gateway.addr, sized(101));
        assert_error(&refused, 503, "bodies_full");
        assert!(refused.field("retry-after").is_some());
        let mut second = Wire::connect(gateway.addr);
        second.send(sized(100));
        asked.recv_timeout(PATIENCE).unwrap();
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert_eq!((first.response().status(), second.response().status()), (200, 200));
    }
    assert_error(&ask(gateway.addr, sized(1_001)), 503, "bodies_full");
}

/// The program itself, with so few descriptors. It does not outlive a test that fails.
struct Program(Child);

impl Program {
    fn start(configuration: &Path, descriptors: u32) -> (Self, SocketAddr) {
        let child = Command::new("sh")
            .args([
                "-c",
                &format!("ulimit -n {descriptors}; exec \"$0\" run -c \"$1\""),
                env!("CARGO_BIN_EXE_toolgate"),
            ])
            .arg(configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut program = Self(child.unwrap());
        let mut lines = BufReader::new(program.0.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("listening on ")).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        program.expect_thread("Server");
        (program, line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

impl Program {
    /// Returns when it has a thread of that name. Pingora's own is the last to begin, and needs descriptors, too.
    fn expect_thread(&self, name: &str) {
        let names = || {
            let threads = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap().flatten();
            threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok())
        };
        let patience = Instant::now() + PATIENCE;
        while !names().any(|known| known.trim_end() == name) {
            assert!(Instant::now() < patience, "{:?}", names().collect::<Vec<_>>());
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_shortage_of_descriptors_is_not_the_server_s_failure() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let upstream = Upstream::start(move |mut wire| {
        if wire.request().is_some() {
            // Nobody sends: it ends when all may go on.
            let _ = gone.lock().unwrap().recv();
            wire.send(ok("{}"));
        }
    });
    let file = std::env::temp_dir().join(format!("toolgate-descriptors-{}.yaml", std::process::id()));
    let limits = "{connections_max: 1000}";
    let pools = format!("[{{name: a, peers: \"http://{}\"}}]", upstream.address);
    std::fs::write(&file, format!("listen: 127.0.0.1:0\nlimits: {limits}\npools: {pools}\n")).unwrap();
    let (_program, address) = Program::start(&file, 48);
    std::fs::remove_file(&file).unwrap();
    let (answered, answers) = mpsc::channel();
    for _ in 0..40 {
        let mut client = Wire::connect(address);
        client.send(post("/v1/completions", "{}"));
        let answered = answered.clone();
        std::thread::spawn(move || answered.send(client.response()));
    }
    drop(answered);
    // Its server has not answered anybody yet.
    assert_error(&answers.recv_timeout(PATIENCE).unwrap(), 503, "no_descriptors");
    drop(go);
    assert!(answers.iter().all(|answer| matches!(answer.status(), 200 | 503)));
    assert_eq!(ask(address, post("/v1/completions", "{}")).status(), 200);
}
