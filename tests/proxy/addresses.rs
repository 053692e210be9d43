//! Where clients connect: both kinds of IP beside each other, and sockets of Unix.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Instant;

use serde_json::json;
use toolgate::config::Config;
use toolgate::server;

use crate::access::{line_of, named};
use crate::harness::{PATIENCE, Upstream, ask, config, gateway_of, get, ok, peer, pool};
use crate::lifecycle::{program, signal, wait_for};

fn listening(upstream: &Upstream, listen: &[&str]) -> Config {
    let mut config = config(vec![pool("default", vec![peer(upstream.address)])]);
    config.listen = listen.iter().map(ToString::to_string).collect();
    config
}

#[test]
fn both_kinds_of_ip_can_be_listened_at() {
    let (upstream, _requests) = Upstream::answering(|_| ok("served"));
    let four = gateway_of(listening(&upstream, &["0.0.0.0:0"]));
    let port = four.addr.port();
    let six = gateway_of(listening(&upstream, &[&format!("[::]:{port}")]));
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        assert_eq!(ask(address.parse().unwrap(), get("/")).text(), "served");
    }
    drop(six);
    // Its listener is closed soon after.
    let patience = Instant::now() + PATIENCE;
    while TcpStream::connect(format!("[::1]:{port}")).is_ok() {
        assert!(Instant::now() < patience, "it still listens");
    }
    assert_eq!(ask(four.addr, get("/")).status(), 200);
}

/// What is answered to a request through a socket of Unix.
fn ask_socket(path: &str, request: &str) -> String {
    let mut client = UnixStream::connect(path).unwrap();
    client.write_all(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_socket_of_unix_is_listened_at_and_goes_with_the_gateway() {
    let (upstream, requests) = Upstream::answering(|_| ok("served"));
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let place = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (clients, admin) = (place("clients"), place("admin"));
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    // What a program that was killed has left.
    for path in [&clients, &admin] {
        let _ = fs::remove_file(path);
        drop(UnixListener::bind(path).unwrap());
    }
    let mut config = listening(&upstream, &["127.0.0.1:0", &format!("unix:{clients}")]);
    config.admin = Some(format!("unix:{admin}|600"));
    let gateway = gateway_of(config.clone());
    assert_eq!((mode(&clients), mode(&admin)), (0o660, 0o600));
    assert!(ask_socket(&clients, &named("socket-1", get("/"))).ends_with("served"));
    assert_eq!(line_of("socket-1").1["client"], json!("unix"));
    assert!(ask_socket(&admin, &get("/ready")).contains("ready"));
    assert_eq!(ask(gateway.addr, get("/")).text(), "served");
    assert_eq!(requests.try_iter().count(), 2);
    // It is theirs as long as they listen.
    let error = server::spawn(config).err().unwrap().to_string();
    assert!(error.contains(&clients), "{error}");
    drop(gateway);
    assert!(!fs::exists(&clients).unwrap() && !fs::exists(&admin).unwrap());

    let file = place("no-socket");
    fs::write(&file, "mine").unwrap();
    let error = server::spawn(listening(&upstream, &[&format!("unix:{file}")])).err().unwrap().to_string();
    assert!(error.contains(&file) && fs::read_to_string(&file).unwrap() == "mine", "{error}");
}

#[test]
fn signals_that_mean_nothing_change_nothing() {
    let (upstream, _requests) = Upstream::answering(|_| ok("served"));
    let (program, said, addr) = program(&upstream);
    for name in ["-USR1", "-USR2"] {
        signal(&program, name);
        wait_for(&said, &format!("SIG{} changes nothing", &name[1..]));
    }
    assert_eq!(ask(addr, get("/")).text(), "served");
}
