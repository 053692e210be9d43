//! Retelling of an answer: what would go to a client of OpenAI's API goes to it in the words of its own.
//! Reads no model's text; that has been done.

use bytes::{Bytes, BytesMut};

use crate::api::ClientApi;
use crate::api::anthropic::{self, Events, Facts, ServerCall, ServerResult};
use crate::api::ollama::client::{self, Lines, Moment};
use crate::api::openai::AnswerTooLarge;
use crate::limits::Limits;

/// An answer on its last way.
#[derive(Debug)]
pub enum Retelling {
    /// An event stream, which goes on in lines.
    Lines(Box<Lines>),
    /// An event stream, which goes on in other events.
    Events(Box<Events>),
    /// A body that is told once all of it is there.
    Whole(Box<Body>),
}

/// What has come of a body.
#[derive(Debug)]
pub struct Body {
    client: ClientApi,
    status: u16,
    request_id: String,
    facts: Facts,
    bytes: BytesMut,
    bytes_max: usize,
}

/// Whether the client has heard the beginning of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Nothing,
    Beginning,
}

impl Retelling {
    /// Of an event stream. `None` for clients that get it as it is. `facts` are those of the server that answers.
    pub fn of_stream(client: &ClientApi, heard: Heard, facts: Facts, limits: &Limits) -> Option<Self> {
        match (client, heard) {
            (ClientApi::Ollama(told), _) => Some(Self::Lines(Box::new(Lines::new(told, limits)))),
            (ClientApi::Anthropic(told), Heard::Nothing) => {
                Some(Self::Events(Box::new(Events::new(told, facts, limits))))
            }
            (ClientApi::Anthropic(told), Heard::Beginning) => {
                Some(Self::Events(Box::new(Events::begun(told, facts, limits))))
            }
            _ => None,
        }
    }

    /// Of a whole answer, or of an error.
    pub fn of_body(client: &ClientApi, status: u16, request_id: &str, facts: Facts, limits: &Limits) -> Self {
        let (client, request_id, bytes_max) = (client.clone(), request_id.to_owned(), limits.answer_bytes_max);
        Self::Whole(Box::new(Body { client, status, request_id, facts, bytes: BytesMut::new(), bytes_max }))
    }

    /// Takes what goes out next; returns what goes to the client.
    pub fn push(&mut self, bytes: Bytes, now: Moment) -> Result<Bytes, AnswerTooLarge> {
        match self {
            Self::Lines(lines) => Ok(lines.push(bytes, now)),
            Self::Events(events) => Ok(events.push(bytes)),
            Self::Whole(body) => {
                if body.bytes.len() + bytes.len() > body.bytes_max {
                    return Err(AnswerTooLarge(body.bytes_max));
                }
                body.bytes.extend_from_slice(&bytes);
                Ok(Bytes::new())
            }
        }
    }

    /// For a client that has heard nothing for long: what it hears, where that depends on what it was told. Nothing behind
    /// the answer's end.
    pub fn wait(&mut self) -> Option<Bytes> {
        match self {
            Self::Events(events) => Some(events.wait()),
            Self::Lines(_) | Self::Whole(_) => None,
        }
    }

    /// A call that runs on the server has begun: what the client hears of it, if its API has words for that.
    pub fn server_call(&mut self, call: &ServerCall<'_>) -> Option<Bytes> {
        match self {
            Self::Events(events) => Some(events.server_call(call)),
            Self::Lines(_) | Self::Whole(_) => None,
        }
    }

    /// The same of what came of one.
    pub fn server_result(&mut self, result: &ServerResult<'_>) -> Option<Bytes> {
        match self {
            Self::Events(events) => Some(events.server_result(result)),
            Self::Lines(_) | Self::Whole(_) => None,
        }
    }

    /// Nothing more goes out: what is left for the client.
    pub fn finish(&mut self, now: Moment) -> Bytes {
        match self {
            Self::Lines(lines) => lines.finish(now),
            Self::Events(events) => events.finish(),
            Self::Whole(body) => {
                let bytes = std::mem::take(&mut body.bytes);
                match (&body.client, body.status) {
                    (ClientApi::Ollama(told), 200..=299) => client::whole(told, &bytes, now),
                    (ClientApi::OllamaEmbed(page, model), 200..=299) => client::embedded(*page, model, &bytes, now),
                    (ClientApi::Anthropic(told), 200..=299) => anthropic::whole(told, body.facts, &bytes),
                    (client, status) => client.error(status, bytes.freeze(), &body.request_id).body,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::api::ollama::client::{EmbedPage, Page, Told};

    const NOW: Moment = Moment {
        unix: std::time::Duration::from_secs(1),
        since: std::time::Duration::ZERO,
        waited: std::time::Duration::ZERO,
    };
    const EVENTS: &str = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\n\n",
    );
    const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}"#;

    fn told(page: Page) -> Told {
        Told { page, model: "m".to_owned(), is_streamed: true }
    }

    fn chat() -> ClientApi {
        ClientApi::Ollama(Arc::new(told(Page::Chat)))
    }

    /// All that goes to the client of bytes that come in pieces.
    fn retold(mut retelling: Retelling, bytes: &str, piece: usize) -> String {
        let mut out = Vec::new();
        for piece in bytes.as_bytes().chunks(piece) {
            out.extend(retelling.push(Bytes::copy_from_slice(piece), NOW).unwrap());
        }
        out.extend(retelling.finish(NOW));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_stream_becomes_lines_as_it_comes() {
        for page in [Page::Chat, Page::Generate] {
            let stream = || {
                Retelling::of_stream(
                    &ClientApi::Ollama(Arc::new(told(page))),
                    Heard::Nothing,
                    Facts::default(),
                    &Limits::default(),
                )
                .unwrap()
            };
            let whole = retold(stream(), EVENTS, EVENTS.len());
            let lines: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let said =
                |line: &Value| line["message"]["content"].as_str().or(line["response"].as_str()).map(str::to_owned);
            assert_eq!((lines.len(), said(&lines[0]).as_deref()), (2, Some("Hi")), "{whole}");
            assert_eq!((&lines[0]["done"], &lines[1]["done"]), (&json!(false), &json!(true)));
            for piece in 1..20 {
                assert_eq!(retold(stream(), EVENTS, piece), whole);
            }
        }
        let mut stream = Retelling::of_stream(&chat(), Heard::Nothing, Facts::default(), &Limits::default()).unwrap();
        let (first, rest) = EVENTS.split_at(EVENTS.find("\n\n").unwrap() + 2);
        assert!(!stream.push(first.into(), NOW).unwrap().is_empty() && rest.contains("DONE"), "it is kept");
    }

    #[test]
    fn a_body_is_told_once_all_of_it_is_there() {
        let embed = ClientApi::OllamaEmbed(EmbedPage::Embed, "m".into());
        for (client, status, body, member, expected) in [
            (chat(), 200, ANSWER, "/message/content", json!("Hi")),
            (chat(), 201, ANSWER, "/done", json!(true)),
            (chat(), 400, r#"{"error":{"message":"bad"}}"#, "/error", json!("bad")),
            (chat(), 502, "<html>", "/error", json!("upstream answered 502")),
            (embed.clone(), 200, r#"{"data":[{"index":0,"embedding":[3,4]}]}"#, "/embeddings/0/0", json!(0.6)),
            (embed, 500, "", "/error", json!("upstream answered 500")),
            (ClientApi::OllamaPage, 502, "<html>", "/error", json!("upstream answered 502")),
        ] {
            for piece in [1, body.len().max(1)] {
                let body = retold(
                    Retelling::of_body(&client, status, "req", Facts::default(), &Limits::default()),
                    body,
                    piece,
                );
                let value: Value = serde_json::from_str(&body).unwrap();
                assert_eq!(value.pointer(member), Some(&expected), "{status} {body}");
            }
        }
    }

    #[test]
    fn a_body_over_the_limit_is_an_error_and_is_not_kept() {
        let limits = Limits { answer_bytes_max: 10, ..Limits::default() };
        let mut body = Retelling::of_body(&chat(), 200, "req", Facts::default(), &limits);
        assert_eq!(body.push(Bytes::from_static(b"0123456789"), NOW).unwrap(), "");
        assert_eq!(body.push(Bytes::from_static(b"0"), NOW).unwrap_err().0, 10);
    }

    fn messages() -> ClientApi {
        let model = "m".to_owned();
        let told = anthropic::Told { model, is_streamed: true, max_tokens: 9, fills_cache: false, prefill: None };
        ClientApi::Anthropic(Arc::new(told))
    }

    fn types(events: &str) -> Vec<&str> {
        events.lines().filter_map(|line| line.strip_prefix("event: ")).collect()
    }

    #[test]
    fn a_stream_becomes_events_which_begin_once() {
        let stream = |heard| Retelling::of_stream(&messages(), heard, Facts::default(), &Limits::default()).unwrap();
        let rest =
            ["content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"];
        let whole = retold(stream(Heard::Nothing), EVENTS, EVENTS.len());
        assert_eq!(types(&whole), [&["message_start"][..], &rest].concat());
        for piece in [1, 7] {
            assert_eq!(types(&retold(stream(Heard::Beginning), EVENTS, piece)), rest);
        }
        assert!(
            Retelling::of_stream(&ClientApi::AnthropicPage, Heard::Nothing, Facts::default(), &Limits::default())
                .is_none()
        );
    }

    #[test]
    fn who_waits_hears_the_beginning_then_pings_and_nothing_behind_the_end() {
        let mut stream =
            Retelling::of_stream(&messages(), Heard::Nothing, Facts::default(), &Limits::default()).unwrap();
        for expected in ["message_start", "ping", "ping"] {
            let said = String::from_utf8(stream.wait().unwrap().to_vec()).unwrap();
            assert_eq!(types(&said), [expected]);
        }
        let said = stream.push(EVENTS.into(), NOW).unwrap();
        assert!(!types(std::str::from_utf8(&said).unwrap()).contains(&"message_start"));
        stream.finish(NOW);
        assert_eq!(stream.wait(), Some(Bytes::new()));
        let mut lines = Retelling::of_stream(&chat(), Heard::Nothing, Facts::default(), &Limits::default()).unwrap();
        assert_eq!(lines.wait(), None);
    }

    #[test]
    fn a_message_knows_its_servers_context_and_an_error_its_request() {
        let full = r#"{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"length"}],"usage":{"prompt_tokens":6,"completion_tokens":3}}"#;
        let told = |context, status, body: &str| -> Value {
            let retelling = Retelling::of_body(
                &messages(),
                status,
                "req_1",
                Facts { context, ..Facts::default() },
                &Limits::default(),
            );
            serde_json::from_str(&retold(retelling, body, 1)).unwrap()
        };
        assert_eq!(told(Some(10), 200, full)["stop_reason"], "model_context_window_exceeded");
        assert_eq!(told(None, 200, full)["stop_reason"], "max_tokens");
        let error = told(None, 404, r#"{"error":"none"}"#);
        assert_eq!((&error["error"]["type"], &error["request_id"]), (&json!("not_found_error"), &json!("req_1")));
    }
}
