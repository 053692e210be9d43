//! A scripted upstream, a raw client, and a gateway between them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use toolgate::config::{Balancing, Checks, Config, DialectChoice, Peer, Pool, Server, Tools, ToolsChoice, View};
use toolgate::decode::Reasoning;
use toolgate::dialect::{Dialects, Glob};
use toolgate::limits::Limits;
use toolgate::server::{self, Running};

use crate::access;

/// Longer than anything here takes; a test that hangs fails instead.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A message as it came: the first line, the fields, the body without its framing.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub first_line: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body ended as its framing says.
    pub is_complete: bool,
}

impl Message {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn status(&self) -> u16 {
        self.first_line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// One end of a connection.
pub struct Wire {
    reader: BufReader<TcpStream>,
}

impl Wire {
    pub fn new(tcp: TcpStream) -> Self {
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(tcp) }
    }

    pub fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    pub fn tcp(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// Sends one chunk of a chunked body.
    pub fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.send(format!("{:x}\r\n", bytes.len()));
        self.send(bytes);
        self.send("\r\n");
    }

    pub fn last_chunk(&mut self) {
        self.send("0\r\n\r\n");
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let n = self.reader.read_until(b'\n', &mut line).ok()?;
        (n > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// The head of a message; `None` when the other end is gone.
    pub fn head(&mut self) -> Option<Message> {
        let mut message = Message { first_line: self.line()?, ..Message::default() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(message);
            }
            let (name, value) = line.split_once(':')?;
            message.fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// A request, whole.
    pub fn request(&mut self) -> Option<Message> {
        let mut message = self.head()?;
        self.body(&mut message, "0");
        Some(message)
    }

    /// A final response, whole or as much of it as came.
    pub fn response(&mut self) -> Message {
        loop {
            let mut message = self.head().expect("a response");
            if (100..200).contains(&message.status()) && message.status() != 101 {
                continue;
            }
            if matches!(message.status(), 204 | 304) {
                message.is_complete = true;
            } else {
                self.body(&mut message, "to the end");
            }
            return message;
        }
    }

    /// The next chunk of a chunked body; empty is the last.
    pub fn next_chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line()?, 16).ok()?;
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk).ok()?;
        chunk.truncate(size);
        Some(chunk)
    }

    fn body(&mut self, message: &mut Message, default: &str) {
        if message.field("transfer-encoding").is_some_and(|v| v.contains("chunked")) {
            while let Some(chunk) = self.next_chunk() {
                message.is_complete = chunk.is_empty();
                message.body.extend(chunk);
                if message.is_complete {
                    break;
                }
            }
            return;
        }
        match message.field("content-length").unwrap_or(default).parse::<u64>() {
            Ok(length) => {
                (&mut self.reader).take(length).read_to_end(&mut message.body).ok();
                message.is_complete = u64::try_from(message.body.len()) == Ok(length);
            }
            Err(_) => message.is_complete = self.reader.read_to_end(&mut message.body).is_ok(),
        }
    }

    /// Reads so many bytes and forgets them; how many came.
    pub fn sink(&mut self, bytes: u64) -> u64 {
        std::io::copy(&mut (&mut self.reader).take(bytes), &mut std::io::sink()).unwrap()
    }

    /// Waits until the other end has closed. Fails when it has not in good time.
    pub fn expect_close(&mut self) {
        self.tcp().set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(e) => panic!("the other end did not close: {e}"),
        }
    }
}

/// A server that runs a script on each connection.
pub struct Upstream {
    pub address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    pub fn start(script: impl Fn(Wire) + Send + Sync + 'static) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), script)
    }

    fn start_at(address: SocketAddr, script: impl Fn(Wire) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let (stop, script) = (Arc::clone(&stopping), Arc::new(script));
        let thread = std::thread::spawn(move || {
            for tcp in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let script = Arc::clone(&script);
                std::thread::spawn(move || script(Wire::new(tcp.unwrap())));
            }
        });
        Self { address, stopping, thread: Some(thread) }
    }

    /// Answers every request of a connection, and reports it.
    pub fn answering(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> (Self, Receiver<Message>) {
        Self::answering_at(([127, 0, 0, 1], 0).into(), answer)
    }

    /// The same where a server was before.
    pub fn answering_at(
        address: SocketAddr,
        answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static,
    ) -> (Self, Receiver<Message>) {
        let (report, requests) = mpsc::channel();
        let report = std::sync::Mutex::new(report);
        let upstream = Self::start_at(address, move |mut wire| {
            while let Some(request) = wire.request() {
                let bytes = answer(&request);
                let _ = report.lock().unwrap().send(request);
                if wire.try_send(bytes).is_err() {
                    return;
                }
            }
        });
        (upstream, requests)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An address where nobody listens. It stays taken, so that no other test comes to listen there.
pub fn dead_address() -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}

pub fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

pub fn peer(address: SocketAddr) -> Peer {
    Peer {
        name: address.to_string(),
        url: format!("http://{address}"),
        host: address.ip().to_string(),
        port: address.port(),
        prefix: String::new(),
        weight: 1,
        priority: 0,
        places: None,
        models: Vec::new(),
        max_inflight: None,
        api_key: None,
        authority: None,
        drain: false,
    }
}

/// A pool whose servers are asked nothing but what a test asks of them.
pub fn pool(name: &str, peers: Vec<Peer>) -> Pool {
    let dialects = Dialects::builtin();
    Pool {
        peers,
        balancing: Balancing { checks: Checks::Never, ..Balancing::default() },
        dialect: DialectChoice::Named(Arc::clone(dialects.get("hermes").unwrap())),
        // Else they would be asked how it begins.
        reasoning: Reasoning::Off,
        tools: ToolsChoice::Inject,
        ..Pool::named(name)
    }
}

pub fn config(pools: Vec<Pool>) -> Config {
    Config {
        listen: vec!["127.0.0.1:0".to_owned()],
        admin: Some("127.0.0.1:0".to_owned()),
        pools,
        view: View::default(),
        limits: Limits::default(),
        dialects: Dialects::builtin(),
        server: Server { grace_seconds: 0, ..Server::default() },
        tools: Tools::default(),
    }
}

pub fn models(globs: &[&str]) -> Vec<Glob> {
    globs.iter().map(|glob| Glob::new(glob)).collect()
}

/// A gateway in front of one upstream.
pub fn gateway(address: SocketAddr) -> Running {
    gateway_of(config(vec![pool("default", vec![peer(address)])]))
}

pub fn gateway_of(config: Config) -> Running {
    access::listen();
    server::spawn(config).unwrap()
}

/// Sends one request and takes its answer.
pub fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Message {
    let mut wire = Wire::connect(address);
    wire.send(request);
    wire.response()
}

pub fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n")
}

/// What a gateway says in the upstream's place.
pub fn assert_error(answer: &Message, status: u16, code: &str) {
    assert_eq!(answer.status(), status, "{}", answer.text());
    let error = &answer.json()["error"];
    assert_eq!(error["code"], code);
    assert!(error["message"].is_string() && error["type"].is_string() && answer.is_complete, "{error}");
    assert!(answer.field("x-request-id").is_some());
}

/// Asks again and again until it is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
    }
}
