//! The conformance vectors of servers that speak Ollama's API: what goes up to one, and what comes of its answers.
//!
//! They lie beside the project, in `../shared/conformance`; a clone without them says so. What is done about an error, beside telling it,
//! is the gateway's; here it is held to what the error complains of.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

mod vectors;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};
use toolgate::answer::{BodyRewriter, StreamRewriter};
use toolgate::api::ollama::server::{Answer, Complaint, Defaults, Thinking, refusal, request};
use toolgate::api::openai::{AssembleError, Assembler, Request, ToldText, told_answer};
use toolgate::dialect::Dialects;
use toolgate::engine::{Engine, ToolsMode};
use toolgate::limits::Limits;
use toolgate::plan::{Exchange, Head, Plan, Policy, Tools};

#[test]
fn chats_go_up_in_the_servers_words() {
    check_all("up_request", 34, |input, expect| {
        let pool = &input["pool"];
        let options = pool["options"].as_object().into_iter().flatten();
        let defaults = Defaults {
            num_ctx: pool["num_ctx"].as_u64(),
            keep_alive: pool.get("keep_alive").map(Value::to_string),
            truncate: pool["truncate"].as_bool(),
            options: options.map(|(key, value)| (key.clone(), value.to_string())).collect(),
        };
        let capabilities = input["model_info"]["capabilities"].as_array();
        let thinks = capabilities.is_none_or(|all| all.contains(&json!("thinking")));
        let thinking = if thinks { Thinking::Levels } else { Thinking::None };
        let found = match request(input["chat_request"].to_string().as_bytes(), &defaults, thinking) {
            Ok(body) => json!({ "ollama_request": serde_json::from_slice::<Value>(&body).unwrap() }),
            Err(refused) => {
                json!({ "error": { "status": 400, "type": "invalid_request_error", "param": refused.param } })
            }
        };
        same(&found, expect)?;
        // A model writes members in the order in which it is shown them.
        for key in ["tools", "format"] {
            let of = |whole: &Value| whole["ollama_request"][key].to_string();
            same(&json!(of(&found)), &json!(of(expect)))?;
        }
        Ok(())
    });
}

#[test]
fn lines_become_events_however_they_are_cut() {
    check_all("up_stream", 35, |input, expect| {
        let lines = lines(input);
        let exchange = exchange(&input["chat_request"]);
        let asked = Request::read(input["chat_request"].to_string().as_bytes()).unwrap().usage();
        let run = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut stream = Stream::new(asked, exchange.as_ref());
            pieces.for_each(|piece| stream.push(piece));
            Events::read(&stream.finish())
        };
        let whole = run(&mut [lines.as_bytes()].into_iter());
        for cut in 0..lines.len() {
            let (a, b) = lines.as_bytes().split_at(cut);
            let events = run(&mut [a, b].into_iter());
            same(&events.shown, &whole.shown).map_err(|why| format!("cut at {cut}: {why}"))?;
        }
        same(&run(&mut lines.as_bytes().chunks(1)).shown, &whole.shown)?;
        if let Some(written) = expect.get("arguments_bytes") {
            same(&json!(whole.arguments), written)?;
        }
        same(&whole.shown, &expect["events"])
    });
}

/// Its reader of calls knows some families, and of others it leaves everything in the text.
#[test]
fn calls_that_the_server_leaves_in_the_text_stand_before_its_own() {
    let chat = json!({ "messages": [{ "role": "user", "content": "hi" }],
        "tools": [{ "type": "function", "function": { "name": "f" } }] });
    let line = |message: Value, done: bool| json!({ "model": "m", "message": message, "done": done }).to_string();
    let left = r#"<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>"#;
    let served = json!([{ "function": { "index": 0, "name": "g", "arguments": { "b": 2 } } }]);
    let text = left.split_inclusive('"').map(|piece| line(json!({ "content": piece }), false));
    let lines: Vec<_> = text.chain([line(json!({ "tool_calls": served }), true)]).collect();
    let mut stream = Stream::new(toolgate::api::openai::Usage::Unasked, exchange(&chat).as_ref());
    lines.iter().for_each(|line| stream.push(format!("{line}\n").as_bytes()));
    let events = Events::read(&stream.finish());
    let expected = json!([{ "role": "assistant" },
        { "call": { "index": 0, "id": "<id>", "name": "f", "arguments": { "a": 1 } } },
        { "call": { "index": 1, "id": "<id>", "name": "g", "arguments": { "b": 2 } } },
        { "finish": "tool_calls" }, { "done": true }]);
    same(&events.shown, &expected).unwrap();
}

#[test]
fn an_answer_is_put_together_for_who_asked_for_no_stream() {
    check_all("up_answer", 5, |input, expect| {
        let asked = Request::read(input["chat_request"].to_string().as_bytes()).unwrap().usage();
        let (mut answer, mut out) = (Answer::new(asked, &Limits::default()), Vec::new());
        answer.push(lines(input).as_bytes(), &mut out);
        answer.finish(&mut out);
        let mut assembler = Assembler::new(1, &Limits::default(), ToldText::Read);
        let assembled = assembler.push(out.into()).and_then(|()| assembler.finish());
        let body = match assembled {
            Ok(body) => body,
            Err(AssembleError::Reported(reported)) => {
                same(&json!(reported.status), &json!(502))?;
                return meets(&serde_json::from_str::<Value>(&reported.body).unwrap()["error"], &expect["error"]);
            }
            Err(other) => return Err(other.to_string()),
        };
        meets(&told(&body, exchange(&input["chat_request"]).as_ref()), &expect["response"])
    });
}

#[test]
fn refusals_are_told_as_openais_api_does() {
    check_all("error", 11, |input, expect| {
        if input["engine"] != "ollama" || input["surface"] != "openai" {
            return Err(ELSEWHERE.to_owned());
        }
        let upstream = &input["upstream"];
        let status = u16::try_from(upstream["status"].as_u64().unwrap()).unwrap();
        let body = upstream["body"].as_str().unwrap();
        let refusal = refusal(status, body.as_bytes());
        let told_body: Value = serde_json::from_str(&refusal.body).unwrap();
        let signin =
            serde_json::from_str::<Value>(body).ok().and_then(|body| Some(body["signin_url"].as_str()?.to_owned()));
        same(&json!(refusal.signin), &json!(signin))?;
        let action = expect["action"].as_str().unwrap_or_default();
        let complaint = [
            ("inject: ", Complaint::Tools),
            ("send the request again without think", Complaint::Thinking),
            ("send the request again with think true", Complaint::ThinkLevel),
            ("send the request again once with the tools injected", Complaint::Parser),
        ];
        let complaint =
            complaint.into_iter().find(|(begin, _)| action.starts_with(begin)).map(|(_, complaint)| complaint);
        if refusal.complaint != complaint {
            return Err(format!("complains of {:?}, not of {complaint:?}", refusal.complaint));
        }
        if let Some(content) = expect.get("content") {
            // It is an answer, for whoever reads those.
            let answer = told_answer(refusal.body.as_bytes(), "chat.completion").ok_or("tells no answer")?;
            let tools = json!([{ "type": "function", "function": { "name": "f" } }]);
            let exchange = exchange(&json!({ "messages": [{ "role": "user", "content": "hi" }], "tools": tools }));
            let choice = &told(&answer.into(), exchange.as_ref())["choices"][0];
            same(&choice["message"]["content"], content)?;
            return same(&choice["finish_reason"], &expect["finish_reason"]);
        }
        if let Some(status) = expect.get("status") {
            same(&json!(refusal.status), status)?;
            meets(&told_body["error"], &expect["error"])?;
        }
        Ok(())
    });
}

/// What a vector is that another surface or engine is about.
const ELSEWHERE: &str = "shown elsewhere";

fn lines(input: &Value) -> String {
    input["lines"].as_array().unwrap().iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect()
}

/// How the answer to a chat is read whose tools stay in the body. Without tools it is not.
fn exchange(chat: &Value) -> Option<Exchange> {
    let body = chat.to_string();
    let tools = Tools::new(ToolsMode::Parse, Arc::clone(Dialects::builtin().get("hermes").unwrap()));
    let policy = Policy::of_tools(Engine::Ollama, tools);
    let request = Request::read(body.as_bytes()).unwrap();
    let planned = Plan::of(Head::CHAT, request, None, &policy, &Limits::default()).unwrap();
    planned.plan.exchange.map(|exchange| *exchange)
}

/// An answer on its way: its lines are translated, and the events are read if the plan says so.
struct Stream {
    answer: Answer,
    reader: Option<StreamRewriter>,
    out: BytesMut,
}

impl Stream {
    fn new(asked: toolgate::api::openai::Usage, exchange: Option<&Exchange>) -> Self {
        let limits = Limits::default();
        let reader = exchange.map(|exchange| StreamRewriter::new(exchange, &limits));
        Self { answer: Answer::new(asked, &limits), reader, out: BytesMut::new() }
    }

    fn push(&mut self, bytes: &[u8]) {
        let mut events = Vec::new();
        self.answer.push(bytes, &mut events);
        self.read(events.into());
    }

    fn read(&mut self, events: Bytes) {
        let told = match &mut self.reader {
            Some(reader) => reader.push(events),
            None => events,
        };
        self.out.extend_from_slice(&told);
    }

    fn finish(mut self) -> String {
        let mut events = Vec::new();
        self.answer.finish(&mut events);
        self.read(events.into());
        if let Some(reader) = self.reader {
            reader.finish(&mut self.out);
        }
        String::from_utf8(self.out.to_vec()).unwrap()
    }
}

/// A whole answer as its client gets it.
fn told(body: &Bytes, exchange: Option<&Exchange>) -> Value {
    let mut body: Value = match exchange {
        None => serde_json::from_slice(body).unwrap(),
        Some(exchange) => {
            let (mut reader, mut out) = (BodyRewriter::new(exchange, &Limits::default()), BytesMut::new());
            out.extend_from_slice(&reader.push(body.clone()));
            reader.finish(&mut out);
            serde_json::from_slice(&out).unwrap()
        }
    };
    let message = &mut body["choices"][0]["message"];
    for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        let arguments = &mut call["function"]["arguments"];
        *arguments = serde_json::from_str(arguments.as_str().unwrap()).unwrap();
    }
    // Beside calls no text is "" in an answer that is put together, as it is in llama.cpp's.
    if message.get("tool_calls").is_some() && message["content"] == "" {
        message["content"] = Value::Null;
    }
    body
}

/// A stream as the vectors show one.
struct Events {
    shown: Value,
    /// The arguments of each call, to the byte.
    arguments: Vec<String>,
}

impl Events {
    fn read(stream: &str) -> Self {
        let mut events = Self { shown: json!([]), arguments: vec![] };
        let mut calls: Vec<usize> = vec![];
        for event in stream.split_terminator("\n\n") {
            let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("{event}"));
            if data == "[DONE]" {
                events.show("done", json!(true));
                continue;
            }
            let data: Value = serde_json::from_str(data).unwrap();
            if let Some(error) = data.get("error") {
                // The vectors leave out what is null.
                let said = error.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
                events.show("error", Value::Object(said.map(|(key, value)| (key.clone(), value.clone())).collect()));
                continue;
            }
            assert!(["id", "object", "created", "model"].iter().all(|key| data.get(key).is_some()), "{data}");
            for choice in data["choices"].as_array().unwrap() {
                events.choice(choice, &mut calls);
            }
            if data["choices"] == json!([]) {
                events.show("usage", data["usage"].clone());
            }
        }
        for (at, arguments) in calls.iter().zip(&events.arguments) {
            events.shown[at]["call"]["arguments"] = serde_json::from_str(arguments).unwrap();
        }
        events
    }

    fn choice(&mut self, choice: &Value, calls: &mut Vec<usize>) {
        let delta = &choice["delta"];
        if let Some(role) = delta.get("role") {
            self.show("role", role.clone());
        }
        self.text("reasoning", &delta["reasoning_content"]);
        self.text("content", &delta["content"]);
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            if let Some(name) = function.get("name") {
                assert_eq!(call["type"], "function");
                assert!(calls.iter().all(|at| self.shown[*at]["call"]["id"] != call["id"]), "an id is used once");
                calls.push(self.shown.as_array().unwrap().len());
                self.arguments.push(String::new());
                self.show("call", json!({ "index": call["index"], "id": call["id"], "name": name }));
            }
            let at = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            self.arguments[at] += function["arguments"].as_str().unwrap();
        }
        if let Some(logprobs) = choice.get("logprobs") {
            self.show("logprobs", logprobs["content"].clone());
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.show("finish", json!(reason));
        }
    }

    fn text(&mut self, key: &str, text: &Value) {
        let Some(text) = text.as_str().filter(|text| !text.is_empty()) else { return };
        match self.shown.as_array_mut().unwrap().last_mut().and_then(|last| last.get_mut(key)) {
            Some(before) => *before = json!(format!("{}{text}", before.as_str().unwrap())),
            None => self.show(key, json!(text)),
        }
    }

    fn show(&mut self, key: &str, value: Value) {
        self.shown.as_array_mut().unwrap().push(Value::Object(Map::from_iter([(key.to_owned(), value)])));
    }
}

/// Whether a value is as a vector says, which may leave open what an id is.
fn same(found: &Value, expected: &Value) -> Result<(), String> {
    let is_same = match (found, expected) {
        (Value::String(found), Value::String(expected)) if expected == "<id>" => is_made(found),
        (Value::String(found), Value::String(expected)) if is_made(expected) => is_made(found),
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            return found.iter().zip(expected).try_for_each(|(found, expected)| same(found, expected));
        }
        (Value::Object(found), Value::Object(expected)) if found.len() == expected.len() => {
            return expected.iter().try_for_each(|(key, expected)| {
                same(found.get(key).unwrap_or(&Value::Null), expected).map_err(|why| format!("{key}: {why}"))
            });
        }
        _ => found == expected,
    };
    if is_same { Ok(()) } else { Err(format!("is {found}, not {expected}")) }
}

/// Whether an id was made here.
fn is_made(id: &str) -> bool {
    id.strip_prefix("call_").is_some_and(|rest| rest.len() == 24)
}

/// The same of the members that a vector speaks of.
fn meets(found: &Value, expected: &Value) -> Result<(), String> {
    expected.as_object().unwrap().iter().try_for_each(|(key, expected)| {
        same(found.get(key).unwrap_or(&Value::Null), expected).map_err(|why| format!("{key}: {why}"))
    })
}

/// Checks the vectors of a kind.
fn check_all(kind: &str, least: usize, check: impl Fn(&Value, &Value) -> Result<(), String>) {
    vectors::check_all("ollama.jsonl", least, |vector, _| {
        let result = || check(&vector["input"], &vector["expect"]);
        (vector["kind"] == kind).then(result).filter(|result| result != &Err(ELSEWHERE.to_owned()))
    });
}
