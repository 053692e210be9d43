//! The gateway whose models run commands: its result goes back to the model, and a client that leaves ends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Folder, PROGRAM, Process, processes, processes_at_least};

/// What a model is told that does not come to an end.
const SLOW: &str = "Take your time.";
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// A gateway in front of a model that runs a command in its first answer and then says something.
struct Gateway {
    process: Child,
    address: String,
    /// What the model is asked.
    asked: Mutex<Receiver<Value>>,
}

impl Gateway {
    fn start(folder: &Folder, sandbox: &str, line: &str) -> Self {
        let (address, asked) = model(line);
        let file: PathBuf = folder.file(sandbox, "");
        let text = std::fs::read_to_string(&file).unwrap();
        let pool = format!(
            "{{name: a, engine: vllm, tools: native, check_ms: null, server_tools: ['*'], peers: [{{url: \"http://{address}\", max_inflight: 6}}]}}"
        );
        let text = text.replace("{name: a, peers: [http://127.0.0.1:9]}", &pool);
        std::fs::write(&file, format!("listen: 127.0.0.1:0\n{text}")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["run", "-c"]).arg(file).env("RUST_LOG", "info").stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("listening on ")).unwrap();
        let address = line.split("listening on ").nth(1).unwrap().to_owned();
        // Whoever logs must not be held up.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address, asked: Mutex::new(asked) }
    }

    /// Asks it something; what it answers is left to be read.
    fn ask(&self) -> TcpStream {
        self.say("Run it.")
    }

    fn say(&self, what: &str) -> TcpStream {
        let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": what}]}).to_string();
        let mut client = TcpStream::connect(&self.address).unwrap();
        let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
        write!(client, "{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        client
    }
}

/// What it has open, and its children.
#[derive(Debug, PartialEq, Eq)]
struct Holdings {
    files: usize,
    children: usize,
}

impl Gateway {
    fn holdings(&self) -> Holdings {
        let proc = PathBuf::from(format!("/proc/{}", self.process.id()));
        let tasks = std::fs::read_dir(proc.join("task")).unwrap().flatten();
        let children = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
        let children = children.map(|children| children.split_whitespace().count()).sum();
        Holdings { files: std::fs::read_dir(proc.join("fd")).unwrap().count(), children }
    }

    /// Asks one thing after the other, and leaves at some moment of each.
    fn come_and_go(&self, turns: u32, mut seed: u64) {
        for _ in 0..turns {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (moment, what) = (seed >> 33, if seed >> 60 == 0 { SLOW } else { "Run it." });
            let mut client = self.say(what);
            // At once, with the first bytes, or once a command runs; to the end where it has one.
            let until: Option<&str> = match moment % 4 {
                0 => None,
                1 => Some("\r\n\r\n"),
                _ if what == SLOW => Some("Hm."),
                2 => Some(": tool run_command running"),
                _ => Some("[DONE]"),
            };
            let (mut text, mut piece) = (Vec::new(), [0; 4096]);
            while until.is_some_and(|until| memchr::memmem::find(&text, until.as_bytes()).is_none()) {
                match client.read(&mut piece).unwrap() {
                    0 => panic!("{what}: {}", String::from_utf8_lossy(&text)),
                    read => text.extend_from_slice(&piece[..read]),
                }
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server whose model runs a command when it is asked first, and answers when it has its result.
fn model(line: &str) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (report, asked) = mpsc::channel();
    let arguments = json!({"command": line}).to_string();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let Some(body) = request(&client) else { continue };
            let is_first = body["messages"].as_array().unwrap().len() == 1;
            let call = json!([{"index": 0, "id": "c", "type": "function",
                "function": {"name": "run_command", "arguments": arguments}}]);
            let (delta, reason) = match is_first {
                true => (json!({"role": "assistant", "tool_calls": call}), "tool_calls"),
                false => (json!({"role": "assistant", "content": "It is done."}), "stop"),
            };
            let choice = |delta: &Value, reason: Value| json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
            let chunk = |choices: Value| {
                let chunk = json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices});
                format!("data: {chunk}\n\n")
            };
            let text =
                chunk(choice(&delta, Value::Null)) + &chunk(choice(&json!({}), json!(reason))) + "data: [DONE]\n\n";
            let _ = report.send(body.clone());
            if body["messages"][0]["content"] == SLOW {
                // It says something, and nothing more until whoever asked has gone.
                let begun = format!("{HEAD}{}", chunk(choice(&json!({"content": "Hm."}), Value::Null)));
                std::thread::spawn(move || client.write_all(begun.as_bytes()).and_then(|()| client.read(&mut [0])));
                continue;
            }
            let _ = client.write_all((HEAD.to_owned() + &text).as_bytes());
        }
    });
    (address, asked)
}

/// The body of a request of a chat; of any other none.
fn request(client: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return None;
        }
    }
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    head.starts_with("POST /v1/chat/completions ").then(|| serde_json::from_slice(&body).unwrap())
}

#[test]
fn a_model_reads_what_its_command_printed() {
    let folder = Folder::new();
    for sandbox in ["namespaces", "landlock"] {
        let gateway = Gateway::start(&folder, sandbox, "echo a > f; cat f; cat ../outside/secret");
        let mut text = String::new();
        gateway.ask().read_to_string(&mut text).unwrap();
        assert!(text.contains("It is done."), "{sandbox}: {text}");
        let first = gateway.asked.lock().unwrap().recv().unwrap();
        let names: Vec<_> =
            first["tools"].as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str()).collect();
        assert!(names.contains(&Some("run_command")) && names.contains(&Some("run_code")), "{sandbox}: {names:?}");
        let second = gateway.asked.lock().unwrap().recv().unwrap();
        let result = second["messages"][2]["content"].as_str().unwrap();
        assert!(result.starts_with("Failed (exit code 1)\n\nSTDOUT:\na\n"), "{sandbox}: {result}");
        assert!(!result.contains("TOPSECRET"), "{sandbox}: {result}");
    }
}

#[test]
fn a_client_that_leaves_ends_the_command_that_it_waits_for() {
    let folder = Folder::new();
    for sandbox in ["namespaces", "landlock"] {
        let gateway = Gateway::start(&folder, sandbox, "(setsid sleep 600.41 &); touch begun; sleep 600.41");
        let client = gateway.ask();
        let begun = folder.root().join("begun");
        while !begun.exists() {
            std::thread::yield_now();
        }
        let found = processes_at_least(2, "sleep 600.41");
        drop(client);
        found.iter().for_each(Process::wait);
        std::fs::remove_file(begun).unwrap();
    }
}

#[test]
fn five_hundred_turns_whose_clients_come_and_go_leave_nothing_behind() {
    let folder = Folder::new();
    // It outlives nobody's patience, and leaves what it started behind.
    let gateway = Gateway::start(&folder, "landlock", "(setsid sleep 600.42 &); sleep 0.01");
    gateway.come_and_go(1, 3);
    let before = quiet(&gateway, None);
    std::thread::scope(|scope| {
        (0..5).for_each(|n| {
            let gateway = &gateway;
            scope.spawn(move || gateway.come_and_go(100, n * 7 + 1));
        });
    });
    let after = quiet(&gateway, Some(&before));
    assert!(after.files <= before.files && after.children == 0, "{after:?}, {before:?} before");
    assert!(processes("sleep 600.42").is_empty());
}

/// What the gateway holds when nobody is there: no children, and no more files than that.
fn quiet(gateway: &Gateway, expected: Option<&Holdings>) -> Holdings {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let now = gateway.holdings();
        let is_quiet = now.children == 0 && processes("sleep 600.42").is_empty();
        if is_quiet && expected.is_none_or(|expected| now.files <= expected.files) || Instant::now() > deadline {
            return now;
        }
        std::thread::yield_now();
    }
}
