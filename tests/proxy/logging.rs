//! The log of the program itself, read or not.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::harness::{Upstream, Wire, ask, get, ok};
use crate::lifecycle::{Program, signal};
use crate::prometheus::Page;

/// More than its pipe and its memory hold, at half a kilobyte each.
const REQUESTS: usize = 2_500;

#[test]
fn a_log_that_nobody_reads_holds_nothing_up_and_says_what_is_missing() {
    let (upstream, _requests) = Upstream::answering(|_| ok("{}"));
    let file = format!("{}/logging.yaml", env!("CARGO_TARGET_TMPDIR"));
    let pools = format!("pools: [{{name: a, peers: 'http://{}'}}]", upstream.address);
    std::fs::write(&file, format!("listen: 127.0.0.1:0\nadmin: 127.0.0.2:0\n{pools}\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_toolgate"));
    command.args(["run", "-c", &file]).env_remove("RUST_LOG").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut program = Program(command.spawn().unwrap());
    let mut log = BufReader::new(program.0.stderr.take().unwrap());
    let mut address = |before: &str| {
        let mut lines = log.by_ref().lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains(before)).unwrap();
        line.split(before).nth(1).unwrap().trim_end_matches('/').parse().unwrap()
    };
    let (addr, admin) = (address("listening on "), address("http://"));
    // From here on nobody reads it.
    let mut client = Wire::connect(addr);
    for n in 0..REQUESTS {
        client.send(get(&format!("/{n}{}", "x".repeat(200))));
        assert_eq!(client.response().status(), 200);
    }
    let dropped = || {
        let page = Page::parse(&ask(admin, get("/metrics")).text());
        page.sum("toolgate_log_lines_dropped_total", &[]).unwrap()
    };
    assert!(dropped() > 0.0);
    let mut said = log.lines().map(Result::unwrap);
    // The last line is written behind its answer, so it is counted only now.
    let note = said.find(|line| line.ends_with("lines of the log were dropped, since it was not read")).unwrap();
    assert_eq!(note.split(' ').next(), Some(dropped().to_string().as_str()));
    client.send(get("/after"));
    assert_eq!(client.response().status(), 200);
    assert!(said.any(|line| line.contains("/after")));

    // Again, and now it is to stop.
    for n in 0..REQUESTS / 10 {
        client.send(get(&format!("/{n}{}", "x".repeat(200))));
        assert_eq!(client.response().status(), 200);
    }
    signal(&program, "-TERM");
    assert!(program.0.wait().unwrap().success());
    drop(said);
}
