//! Starting, readiness, and stopping without cutting anybody off.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::json;
use toolgate::server;

use crate::harness::{
    PATIENCE, Upstream, Wire, ask, config, dead_address, gateway, get, ok, peer, pool, post, wait_until,
};
use crate::prometheus::Page;

#[test]
fn the_admin_address_tells_health_and_readiness() {
    let gateway = gateway(dead_address());
    let admin = gateway.admin_addr.unwrap();
    for (request, status) in [
        (get("/health"), 200),
        (get("/ready"), 200),
        (get("/ready?verbose"), 200),
        (get("/status"), 200),
        (get("/nothing"), 404),
        (post("/health", "{}"), 405),
        (post("/status", "{}"), 405),
    ] {
        let answer = ask(admin, &request);
        assert_eq!(answer.status(), status, "{request}");
        assert!(answer.json().is_object());
    }
}

#[test]
fn stopping_waits_for_the_last_answer() {
    let upstream = Upstream::start(|mut wire| {
        if wire.head().is_some_and(|request| request.first_line.starts_with("GET")) {
            return wire.send(ok("{}"));
        }
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire.chunk("begun ");
        // The gateway's client decides how long this takes.
        let mut go = [0];
        if std::io::Read::read(&mut wire.tcp(), &mut go).is_ok_and(|n| n == 1) {
            wire.chunk("ended");
            wire.last_chunk();
        }
    });
    let mut config = config(vec![pool("default", vec![peer(upstream.address)])]);
    config.server.grace_seconds = 60;
    let gateway = server::spawn(config).unwrap();
    let (addr, admin) = (gateway.addr, gateway.admin_addr.unwrap());
    let mut idle = Wire::connect(addr);
    let mut client = Wire::connect(addr);
    client.send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n");
    client.head().unwrap();
    assert_eq!(client.next_chunk().unwrap(), b"begun ");
    let stopping = std::thread::spawn(move || gateway.stop());
    wait_until("not ready", || ask(admin, get("/ready")).status() == 503);
    // Nobody comes any more, and whoever has nothing to say goes.
    wait_until("closed", || std::net::TcpStream::connect(addr).is_err());
    idle.expect_close();
    assert!(!stopping.is_finished());
    client.send("g");
    assert_eq!(client.next_chunk().unwrap(), b"ended");
    stopping.join().unwrap();
}

#[test]
fn stopping_cuts_what_takes_longer_than_the_grace() {
    let (seen, arrived) = mpsc::channel();
    let seen = std::sync::Mutex::new(seen);
    let upstream = Upstream::start(move |mut wire| {
        wire.request();
        seen.lock().unwrap().send(()).unwrap();
        wire.expect_close();
    });
    // No grace at all.
    let gateway = gateway(upstream.address);
    let mut client = Wire::connect(gateway.addr);
    client.send(get("/"));
    arrived.recv_timeout(Duration::from_secs(5)).unwrap();
    gateway.stop();
    client.expect_close();
}

#[test]
fn an_address_in_use_is_an_error_and_no_panic() {
    let (upstream, _requests) = Upstream::answering(|_| ok("{}"));
    let mut config = config(vec![pool("default", vec![peer(upstream.address)])]);
    config.listen = vec![upstream.address.to_string()];
    let error = server::spawn(config).err().unwrap().to_string();
    assert!(error.contains(&upstream.address.to_string()), "{error}");
}

/// The program itself. It does not outlive a test that fails.
pub struct Program(pub Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program in front of one server.
pub fn program(upstream: &Upstream) -> (Program, Receiver<String>, SocketAddr) {
    let url = format!("http://{}", upstream.address);
    // It is asked nothing but what a test asks of it.
    running(&["--upstream", &url, "--listen", "127.0.0.1:0", "--engine", "llama.cpp"])
}

/// The program, what it says, and where it listens.
pub fn running(arguments: &[&str]) -> (Program, Receiver<String>, SocketAddr) {
    let (program, said) = starting(arguments);
    let listening = wait_for(&said, "listening on ");
    (program, said, listening.rsplit(' ').next().unwrap().parse().unwrap())
}

/// The program, and what it says from its start.
pub fn starting(arguments: &[&str]) -> (Program, Receiver<String>) {
    let child = Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .arg("run")
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut program = Program(child.unwrap());
    let stderr = BufReader::new(program.0.stderr.take().unwrap());
    let (say, said) = mpsc::channel();
    std::thread::spawn(move || stderr.lines().for_each(|line| drop(say.send(line.unwrap()))));
    (program, said)
}

#[test]
fn the_log_speaks_the_configuration_s_words() {
    let (upstream, _requests) = Upstream::answering(|_| ok("{}"));
    let (_program, said, _) = program(&upstream);
    let line = wait_for(&said, "pool default");
    assert!(line.ends_with("models any, dialect auto, tools auto") && line.contains(": llama.cpp at "), "{line}");
}

pub fn wait_for(said: &Receiver<String>, what: &str) -> String {
    said.iter().find(|line| line.contains(what)).unwrap()
}

pub fn signal(program: &Program, name: &str) {
    assert!(Command::new("kill").args([name, &program.0.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_signal_lets_the_last_answer_end_and_a_second_does_not() {
    for signals in [&["-TERM"][..], &["-INT"], &["-TERM", "-TERM"], &["-INT", "-TERM"]] {
        let (end, ended) = mpsc::channel::<()>();
        let ended = std::sync::Mutex::new(ended);
        let upstream = Upstream::start(move |mut wire| {
            wire.request();
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            wire.chunk("begun");
            if ended.lock().unwrap().recv_timeout(PATIENCE).is_ok() {
                let _ = wire.try_send("5\r\nended\r\n0\r\n\r\n");
            }
        });
        let (mut program, said, addr) = program(&upstream);
        let mut client = Wire::connect(addr);
        client.send(get("/"));
        client.head().unwrap();
        assert_eq!(client.next_chunk().unwrap(), b"begun");
        signal(&program, signals[0]);
        wait_for(&said, "stopping");
        signals.iter().skip(1).for_each(|name| signal(&program, name));
        if signals.len() == 1 {
            end.send(()).unwrap();
            assert_eq!(client.next_chunk().unwrap(), b"ended");
        } else {
            client.expect_close();
        }
        assert!(program.0.wait().unwrap().success(), "{signals:?}");
        drop(end);
    }
}

#[test]
fn sighup_reloads_the_configuration_and_a_bad_one_changes_nothing() {
    let (first, _first_seen) = Upstream::answering(|_| ok("first"));
    let (second, _second_seen) = Upstream::answering(|_| ok("second"));
    let file = format!("{}/lifecycle-hangup.yaml", env!("CARGO_TARGET_TMPDIR"));
    let write = |listen: &str, url: &str| {
        let admin = "admin: 127.0.0.2:0";
        std::fs::write(&file, format!("listen: {listen}\n{admin}\npools: [{{name: a, peers: {url}}}]\n")).unwrap();
    };
    let (one, two) = (format!("http://{}", first.address), format!("http://{}", second.address));
    write("127.0.0.1:0", &one);
    let (program, said, addr) = running(&["-c", &file]);
    let admin = wait_for(&said, "status page");
    let admin = admin.split("http://").nth(1).unwrap().trim_end_matches('/').parse().unwrap();
    let configuration = || ask(admin, get("/status")).json()["configuration"].take();
    assert_eq!(ask(addr, get("/")).text(), "first");
    assert_eq!((&configuration()["reloads"], &configuration()["mistake"]), (&json!(0), &json!(null)));

    write("127.0.0.1:0", "ftp://x\n  - peers: y");
    signal(&program, "-HUP");
    let mistake = wait_for(&said, &file);
    assert!(mistake.contains("error"), "{mistake}");
    wait_for(&said, "the configuration stays as it was");
    assert!(configuration()["mistake"].as_str().unwrap().starts_with(&file));
    assert_eq!(ask(addr, get("/")).text(), "first");

    write("127.0.0.1:1", &two);
    signal(&program, "-HUP");
    let line = wait_for(&said, "the configuration was read again");
    assert!(line.ends_with(&format!("pool a: +{two} -{one}")), "{line}");
    wait_for(&said, "`listen` has changed");
    assert_eq!(ask(addr, get("/")).text(), "second");

    signal(&program, "-HUP");
    assert!(wait_for(&said, "the configuration was read again").ends_with("no server came or left"));
    let told = configuration();
    assert_eq!((&told["reloads"], &told["refused"], &told["mistake"]), (&json!(2), &json!(1), &json!(null)));
    assert!(told["at"].as_u64() > Some(1_700_000_000));
    let page = Page::parse(&ask(admin, get("/metrics")).text());
    let count = |outcome| page.sum("toolgate_reloads_total", &[("outcome", outcome)]);
    assert_eq!((count("good"), count("bad")), (Some(2.0), Some(1.0)));
}
