//! What is told of models, and how they are loaded.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{chat, error, post, start, status, until, value};
use crate::mock::tests::{body, get};
use crate::mock::{Api, Mock, Running, Script};

const MODELS: &str = r#"
chat_template: "{{ .Prompt }}"
about: { system: You are a parrot., model_info: { mock.context_length: 4096 } }
answers: [{ text: hi }]
models:
  a:latest: {}
  b:8b: { about: { capabilities: [completion, thinking], parser: parrot }, chat_template: "{% for %}" }
"#;

fn page(mock: &Running, path: &str) -> Value {
    value(body(&get(mock, path)))
}

fn names(mock: &Running, path: &str) -> Vec<String> {
    let page = page(mock, path);
    page["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn it_is_known_for_an_ollama() {
    let mock = start("answers: [{ text: hi }]");
    assert_eq!(body(&get(&mock, "/")), "Ollama is running");
    assert_eq!(page(&mock, "/api/version"), json!({ "version": "0.30.0-mock" }));
    assert_eq!(names(&mock, "/api/tags"), ["m"]);
    let listed = page(&mock, "/v1/models");
    assert_eq!(listed["object"], "list");
    let expected = json!([{ "id": "m", "object": "model", "created": 1_767_225_600, "owned_by": "library" }]);
    assert_eq!(listed["data"], expected);
    for path in ["/health", "/props", "/slots"] {
        assert_eq!(status(&get(&mock, path)), 404, "{path}");
    }
    mock.stop();
}

#[test]
fn a_model_is_shown_with_what_the_script_says_of_it() {
    let mock = start(MODELS);
    let show = |name: &str| value(body(&post(&mock, "/api/show", &json!({ "model": name }).to_string())));
    let (a, b) = (show("a"), show("b:8b"));
    assert_eq!(
        (&a["capabilities"], &b["capabilities"]),
        (&json!(["completion", "tools"]), &json!(["completion", "thinking"]))
    );
    assert_eq!((&a["system"], b.get("system")), (&json!("You are a parrot."), None));
    assert_eq!((&a["template"], &b["template"]), (&json!("{{ .Prompt }}"), &json!("{% for %}")));
    let lines = |page: &Value| page["modelfile"].as_str().unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(lines(&a).contains(&r#"SYSTEM """You are a parrot.""""#.to_owned()), "{a}");
    assert!(
        lines(&b).contains(&"PARSER parrot".to_owned()) && !lines(&a).iter().any(|line| line.starts_with("PARSER"))
    );
    let (told, own) = (&a["model_info"]["mock.context_length"], &b["model_info"]["mock.context_length"]);
    assert_eq!((told, own), (&json!(4096), &json!(131_072)));
    let listed = &page(&mock, "/api/tags")["models"][1];
    assert_eq!(
        (&listed["name"], &listed["model"], &listed["capabilities"]),
        (&json!("b:8b"), &json!("b:8b"), &b["capabilities"])
    );
    assert_eq!(listed["digest"].as_str().unwrap().len(), 64);
    // None of this loads anything.
    assert!(names(&mock, "/api/ps").is_empty());
    mock.stop();
}

#[test]
fn models_are_loaded_by_being_asked_and_unloaded_by_a_word() {
    let mock = start(MODELS);
    let chat = |fields: Value| {
        let mut request = json!({ "model": "a", "messages": [] });
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let reply = post(&mock, "/api/chat", &request.to_string());
        (status(&reply), reply)
    };
    let loaded =
        |word: &str| format!(r#""message":{{"role":"assistant","content":""}},"done":true,"done_reason":"{word}"}}"#);
    let (code, reply) = chat(json!({}));
    assert!(code == 200 && reply.ends_with(&loaded("load")), "{reply}");
    assert_eq!(names(&mock, "/api/ps"), ["a:latest"]);
    assert_eq!(page(&mock, "/api/ps")["models"][0]["context_length"], 16_384);
    let (code, reply) = chat(json!({ "keep_alive": 0 }));
    assert!(code == 200 && reply.ends_with(&loaded("unload")), "{reply}");
    until(|| names(&mock, "/api/ps").is_empty());
    // An answer may be the last one.
    let last = json!({ "messages": [{ "role": "user", "content": "x" }], "keep_alive": "0s" });
    assert_eq!(chat(last).0, 200);
    until(|| names(&mock, "/api/ps").is_empty());

    let generate = |fields: &str| post(&mock, "/api/generate", &format!(r#"{{"model":"b:8b"{fields}}}"#));
    assert!(generate("").ends_with(r#""response":"","done":true,"done_reason":"load"}"#));
    assert_eq!(names(&mock, "/api/ps"), ["b:8b"]);
    assert!(generate(r#","keep_alive":0"#).ends_with(r#""done_reason":"unload"}"#));
    until(|| names(&mock, "/api/ps").is_empty());
    for (input, expected) in
        [("[]", json!([])), (r#""a""#, json!([[0.6, 0.8]])), (r#"["a","b"]"#, json!([[0.6, 0.8], [0.6, 0.8]]))]
    {
        let reply = post(&mock, "/api/embed", &format!(r#"{{"model":"a","input":{input}}}"#));
        assert_eq!(value(body(&reply))["embeddings"], expected);
    }
    mock.stop();
}

#[test]
fn the_default_script_has_an_answer_with_a_call() {
    let mock = Mock::start("127.0.0.1:0", Script::from_yaml(Script::DEFAULT).unwrap().speaking(Api::Ollama).unwrap());
    let mock = mock.unwrap();
    let request =
        json!({ "model": "mock.gguf", "stream": false, "messages": [{ "role": "user", "content": "[[native]]" }] });
    let answer = value(body(&post(&mock, "/api/chat", &request.to_string())));
    let called = &answer["message"]["tool_calls"][0]["function"];
    assert_eq!((&called["name"], &called["arguments"]), (&json!("get_weather"), &json!({ "city": "Paris" })));
    assert!(answer["message"]["thinking"].is_string() && answer["message"]["content"].is_string());
    mock.stop();
}

#[test]
fn a_model_that_does_not_load_or_takes_its_time_says_nothing_before() {
    let mock = start("answers: [{ text: hi }]\nmodels: { m: { fails: true }, slow: { loading_ms: 3600000 } }");
    let reply = chat(&mock, "hi", "");
    assert_eq!((status(&reply), error(&reply).as_str()), (500, "runner process has terminated: exit status 1"));
    let body = r#"{"model":"slow","messages":[{"role":"user","content":"hi"}]}"#;
    let mut client = TcpStream::connect(mock.addr()).unwrap();
    write!(client, "POST /api/chat HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    until(|| names(&mock, "/api/ps") == ["slow"]);
    client.set_nonblocking(true).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    // Who leaves ends the load.
    drop(client);
    until(|| names(&mock, "/api/ps").is_empty());
    mock.stop();
}

#[test]
fn what_it_speaks_is_said_by_the_script_or_by_who_starts_it() {
    let script = Script::from_yaml("model: m\nanswers: [{ text: hi }]").unwrap().speaking(Api::Ollama).unwrap();
    let mock = Mock::start("127.0.0.1:0", script).unwrap();
    assert_eq!(names(&mock, "/api/tags"), ["m"]);
    mock.stop();
    for yaml in ["pages: vllm\napi: ollama\nanswers: []", "pages: llama-swap\napi: ollama\nanswers: []"] {
        let error = Script::from_yaml(yaml).unwrap_err().to_string();
        assert_eq!(error, "the script has `api: ollama`, and pages of another server");
    }
    assert!(Script::from_yaml("pages: ollama\napi: ollama\nanswers: []").is_ok());
    assert_eq!("ollama".parse(), Ok(Api::Ollama));
    assert_eq!("gemini".parse::<Api>(), Err("`gemini` is none of openai, ollama".to_owned()));
}
