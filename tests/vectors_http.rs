//! The conformance vectors that speak HTTP or single lines of a stream, through a real gateway on sockets.
//!
//! They lie beside the project, in `../shared/conformance`; a clone without them says so. System 000 writes the JSON
//! envelope for its models, 002 Python; 001 leaves requests alone and reads Gemma's calls out of the answers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

mod vectors;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use toolgate::api::openai::Folder;
use toolgate::config::{Config, EngineChoice, ToolsChoice};
use toolgate::decode::Reasoning;
use toolgate::engine::Engine;
use toolgate::plan::Chats;
use toolgate::server;

/// What the decisions say otherwise.
const DECIDED: [(&str, &str); 2] = [
    ("001-required-miss", "an answer is what the model wrote: no request is sent that the client did not send"),
    ("002-up429", "an error of the server's own goes on as the server wrote it, whether it says its type or not"),
];

/// Longer than anything here takes; a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn systems_http() {
    check("http", 12, |vector| {
        let input = &vector["input"];
        let request = request(input);
        let (tell, told) = mpsc::channel();
        let reply = Reply::new(&input["upstream"]);
        let (sent, answer) = through(vector, &request, reply, told, |first| {
            // The upstream waits for this before it sends the rest.
            first.fill_buf().unwrap();
            let _ = tell.send(());
        });
        let mut wrong = Vec::new();
        for (key, expected) in vector["expect"].as_object().unwrap() {
            let met = match key.as_str() {
                "status" => answer.first_line.split(' ').nth(1) == Some(expected.to_string().as_str()),
                "body" => answer.body == expected.as_str().unwrap().as_bytes(),
                "json_path" => expected.as_object().unwrap().iter().all(|(path, value)| {
                    let body: Value = serde_json::from_slice(&answer.body).unwrap();
                    body.pointer(&format!("/{}", path.replace('.', "/"))) == Some(value)
                }),
                "upstream" => expected.as_object().unwrap().iter().all(|(key, expected)| match key.as_str() {
                    "body_equals_request" => sent.body == request.body,
                    "header" => sent.fields.iter().any(|(k, v)| *k == expected[0] && *v == expected[1]),
                    _ => false,
                }),
                // Otherwise the upstream would have waited in vain.
                "first_byte_before_upstream_end" => true,
                _ => false,
            };
            if !met {
                wrong.push(key.clone());
            }
        }
        (!wrong.is_empty()).then(|| format!("{wrong:?}: {answer:?}"))
    });
}

#[test]
fn systems_stream_lines() {
    check("parse_stream_line", 7, |vector| {
        let line = vector["input"]["line"].as_str().unwrap();
        let reply = Reply {
            head: "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".into(),
            parts: vec![format!("{line}\n\n")],
        };
        let tools = r#"[{"type":"function","function":{"name":"f"}}]"#;
        let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"tools":{tools},"stream":true}}"#);
        let request =
            Message { first_line: "POST /v1/chat/completions HTTP/1.1".into(), body: body.into(), fields: vec![] };
        let (_, answer) = through(vector, &request, reply, mpsc::channel().1, |_| {});
        let mut folder = Folder::new(1 << 20);
        folder.push(answer.body.clone().into());
        let folded = folder.finish();
        let text: String = folded.messages.values().filter_map(|message| message.content.clone()).collect();
        let done = folded.done || folded.messages.values().any(|message| message.finish_reason.is_some());
        let expected = &vector["expect"];
        (expected["text"] != text.as_str() || expected["done"] != done).then(|| format!("{answer:?}"))
    });
}

/// Checks the vectors of a kind.
fn check(kind: &str, least: usize, mistake: impl Fn(&Value) -> Option<String>) {
    vectors::check_all("systems.jsonl", least, |vector, _| {
        let is_decided = DECIDED.iter().any(|(id, _)| vector["id"] == *id);
        (vector["kind"] == kind && dialect(vector).is_some() && !is_decided)
            .then(|| mistake(vector).map_or(Ok(()), Err))
    });
}

// ---- the wire -----------------------------------------------------------------------------------------

#[derive(Debug, Default)]
struct Message {
    first_line: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What the upstream sends: between two parts it waits until the client has seen something.
struct Reply {
    head: String,
    parts: Vec<String>,
}

impl Reply {
    fn new(upstream: &Value) -> Self {
        let status = upstream["status"].as_u64().unwrap_or(200);
        let mut head = format!("HTTP/1.1 {status} Whatever\r\nConnection: close\r\n");
        for (name, value) in upstream["headers"].as_object().into_iter().flatten() {
            head += &format!("{name}: {}\r\n", value.as_str().unwrap());
        }
        let parts = match upstream["timed_chunks"].as_array() {
            Some(chunks) => chunks.iter().map(|chunk| chunk[0].as_str().unwrap().to_owned()).collect(),
            None => vec![upstream["body"].as_str().unwrap_or("{}").to_owned()],
        };
        Self { head: head + "\r\n", parts }
    }
}

fn request(input: &Value) -> Message {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Message {
        first_line: format!("{} {} HTTP/1.1", text(&input["method"]), text(&input["path"])),
        fields: input["headers"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), text(v))).collect(),
        body: input.get("json").map(Value::to_string).unwrap_or_default().into(),
    }
}

/// What the system of a vector writes or reads.
fn dialect(vector: &Value) -> Option<&'static str> {
    match vector["system"].as_str()? {
        "000" => Some("json-envelope"),
        "001" => Some("gemma4"),
        "002" => Some("python-code"),
        _ => None,
    }
}

/// Sends one request through a gateway. Returns what went up, and what came back.
fn through(
    vector: &Value,
    request: &Message,
    reply: Reply,
    seen: mpsc::Receiver<()>,
    see: impl FnOnce(&mut BufReader<TcpStream>),
) -> (Message, Message) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = std::thread::spawn(move || {
        let mut wire = patient(listener.accept().unwrap().0);
        let request = read(&mut wire);
        wire.get_mut().write_all(reply.head.as_bytes()).unwrap();
        for (i, part) in reply.parts.iter().enumerate() {
            if i > 0 {
                seen.recv_timeout(PATIENCE).unwrap();
            }
            wire.get_mut().write_all(part.as_bytes()).unwrap();
        }
        request
    });
    let mut config =
        Config::from_upstreams(&[format!("http://{address}")], &["127.0.0.1:0".into()], dialect(vector)).unwrap();
    // The upstream takes one request, and is not asked what it is.
    config.pools[0].engine_choice = EngineChoice::Named;
    // The vectors know nothing of servers that must stream so that a client's leaving is noticed.
    config.pools[0].assemble = Chats::Off;
    // The upstream takes one request, and is not asked how its reasoning begins.
    config.pools[0].reasoning = Reasoning::Off;
    if vector["system"] == "001" {
        // Its upstream is any server that speaks the API, and needs nothing to leave a call in the text.
        (config.pools[0].tools, config.pools[0].engine) = (ToolsChoice::Parse, Engine::OpenAi);
    }
    let gateway = server::spawn(config).unwrap();
    let mut wire = patient(TcpStream::connect(gateway.addr).unwrap());
    let mut head = format!("{}\r\nHost: gateway\r\nConnection: close\r\n", request.first_line);
    for (name, value) in &request.fields {
        head += &format!("{name}: {value}\r\n");
    }
    if !request.body.is_empty() {
        head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", request.body.len());
    }
    wire.get_mut().write_all(&[format!("{head}\r\n").as_bytes(), &request.body].concat()).unwrap();
    let mut answer = read_head(&mut wire);
    see(&mut wire);
    read_body(&mut wire, &mut answer);
    (upstream.join().unwrap(), answer)
}

fn patient(tcp: TcpStream) -> BufReader<TcpStream> {
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(tcp)
}

/// A request: without a length it has no body.
fn read(wire: &mut BufReader<TcpStream>) -> Message {
    let mut message = read_head(wire);
    if message.fields.iter().any(|(name, _)| name == "content-length") {
        read_body(wire, &mut message);
    }
    message
}

fn read_head(wire: &mut BufReader<TcpStream>) -> Message {
    let mut message = Message { first_line: line(wire), ..Message::default() };
    loop {
        let line = line(wire);
        let Some((name, value)) = line.split_once(':') else { return message };
        message.fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_body(wire: &mut BufReader<TcpStream>, message: &mut Message) {
    let field = |name: &str| message.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    if field("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(&line(wire), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            wire.read_exact(&mut chunk).unwrap();
            message.body.extend(&chunk[..size]);
            if size == 0 {
                return;
            }
        }
    }
    let length = field("content-length").map_or(u64::MAX, |length| length.parse().unwrap());
    wire.take(length).read_to_end(&mut message.body).unwrap();
}

fn line(wire: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    wire.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
