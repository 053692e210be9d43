//! Server errors: those that servers tell within their streams, or in place of one.
//! Decides nothing: it finds the error, whichever way the server has for it, and says it in OpenAI's shape.

use std::borrow::Cow;

use super::error::error_type;
use crate::json::{Edit, Object, string, write_string};
use crate::sse;

/// An error, borrowed from the data that tells it.
#[derive(Clone, Copy, Debug)]
pub enum ServerError<'a> {
    /// As OpenAI does: the value of a member `error`.
    Member(&'a str),
    /// All of the data is the error: FastChat's and older vLLM's `"object": "error"`, or an `event: error`.
    Data(&'a str),
}

impl<'a> ServerError<'a> {
    /// What a chunk or a whole answer tells.
    pub fn of(object: &Object<'a>) -> Option<Self> {
        let is_error = |key| object.get(key) == Some("\"error\"");
        let whole = || (is_error("object") || is_error("type")).then(|| Self::Data(object.text()));
        object.present("error").map(Self::Member).or_else(whole)
    }

    /// What an event tells that calls itself an error, whatever its data is.
    pub fn of_event(event: &'a sse::Event<'_>) -> Option<Self> {
        (event.kind()? == b"error").then_some(())?;
        let text = std::str::from_utf8(event.data().unwrap_or_default()).unwrap_or_default();
        let member = Object::parse(text).and_then(|object| object.present("error"));
        Some(member.map_or(Self::Data(text), Self::Member))
    }

    /// Whether clients that know OpenAI's errors understand it as it was told.
    pub fn is_openais(self) -> bool {
        matches!(self, Self::Member(value) if Object::parse(value).is_some_and(|error| error.string("message").is_some()))
    }

    /// The error in OpenAI's shape: what the server said of it stays, what it left unsaid is added. `status` is what
    /// the answer has, or would have had.
    pub fn object(self, status: u16) -> String {
        let words = self.words();
        let words = if words.trim_ascii().is_empty() { Cow::Borrowed(WORDS_UNSAID) } else { words };
        let said = Object::parse(self.value());
        let mut message = String::new();
        write_string(&words, &mut message);
        let error = said.unwrap_or_else(Object::empty);
        let needs_words = error.string("message").is_none_or(|own| own != words);
        let unsaid = |key: &str| error.present(key).is_none();
        let mut edits = Vec::new();
        for (key, value, is_needed) in [
            ("message", message, needs_words),
            ("type", format!("\"{}\"", error_type(status)), unsaid("type")),
            ("param", "null".to_owned(), error.get("param").is_none()),
            ("code", "\"upstream_error\"".to_owned(), unsaid("code")),
        ] {
            if is_needed {
                edits.push((key, Edit::Set(value.into())));
            }
        }
        // It goes into one line of an event; in strings there are no line ends.
        error.edited(&edits).replace(['\r', '\n'], " ")
    }

    /// What it says in words; empty where it says nothing.
    pub fn words(self) -> Cow<'a, str> {
        let value = self.value();
        let words = match Object::parse(value) {
            Some(error) => ["message", "detail"].iter().find_map(|key| error.string(key)),
            None => string(value).or(Some(Cow::Borrowed(value))),
        };
        words.unwrap_or_default()
    }

    fn value(self) -> &'a str {
        let (Self::Member(value) | Self::Data(value)) = self;
        value.trim_ascii()
    }

    /// The event that says it in OpenAI's shape.
    pub fn event(self) -> String {
        event(&self.object(self.status()))
    }

    /// The status that a whole answer would have had.
    pub fn status(self) -> u16 {
        let Some(error) = Object::parse(self.value()) else { return STATUS_UNSAID };
        let number =
            |key: &&str| error.get(key)?.trim_matches('"').parse().ok().filter(|code| (400..600).contains(code));
        let by_name = |key: &&str| {
            let name = error.string(key)?;
            NAMES.iter().find(|(known, _)| *known == name).map(|(_, status)| *status)
        };
        let said = ["code", "status", "status_code"].iter().find_map(number);
        said.or_else(|| ["code", "type"].iter().find_map(by_name)).unwrap_or(STATUS_UNSAID)
    }
}

/// The event for the error that a server answered with in place of a stream, if its body tells one.
pub fn refusal(body: &[u8], status: u16) -> Option<String> {
    let object = Object::parse(std::str::from_utf8(body).ok()?)?;
    let error = ServerError::of(&object)?.object(status);
    // Its own words may say another one, or none.
    let is_told = ServerError::Data(&error).status() == status;
    let told = Object::parse(&error).filter(|_| !is_told);
    let told = told.map(|error| error.edited(&[("status", Edit::Set(status.to_string().into()))]));
    Some(event(&told.unwrap_or(error)))
}

/// What a server complains of, as far as it matters to whoever has made the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// What the answer may be.
    Constraint,
    /// The length of the conversation.
    Length,
    /// Something else of the request, which it would refuse again: its chat template fails, or its model sees nothing.
    Request,
}

impl Complaint {
    /// The complaint that the body of a refusal is, if it says so.
    pub fn of(body: &[u8]) -> Option<Self> {
        let object = Object::parse(std::str::from_utf8(body).ok()?)?;
        let error = ServerError::of(&object).unwrap_or(ServerError::Data(object.text()));
        let named = Object::parse(error.value());
        let name = |key: &&str| named.as_ref().and_then(|error| error.string(key));
        if ["type", "code"].iter().filter_map(name).any(|name| LENGTH_NAMES.contains(&&*name)) {
            return Some(Self::Length);
        }
        if is_of_request(object.text()) {
            return Some(Self::Request);
        }
        let text = object.text().to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let words = [(CONSTRAINT_WORDS, Self::Constraint), (LENGTH_WORDS, Self::Length)];
        words.into_iter().find(|(words, _)| says(words)).map(|(_, complaint)| complaint)
    }
}

/// Whether a server that says that it failed complains of the request in these words: it would fail again.
pub fn is_of_request(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    REQUEST_WORDS.iter().any(|complaint| words.contains(complaint))
}

/// llama.cpp's type (`tools/server/server-common.cpp`) and OpenAI's code.
const LENGTH_NAMES: &[&str] = &["exceed_context_size_error", "context_length_exceeded"];
/// In the sentences of vLLM, SGLang and Ollama.
const LENGTH_WORDS: &[&str] = &["context length", "context size"];
/// In llama.cpp's sentences, which it says with a 500.
const REQUEST_WORDS: &[&str] = &["jinja", "chat template", "image input is not supported", "system message must be"];
const CONSTRAINT_WORDS: &[&str] =
    &["grammar", "schema", "response_format", "structured_outputs", "structured outputs", "guided", "ebnf"];

fn event(error: &str) -> String {
    ["data: {\"error\":", error, "}\n\n"].concat()
}

/// Of an error that says nothing.
const WORDS_UNSAID: &str = "the server failed within its answer";

/// Of an error that does not say whose fault it is: the server failed.
const STATUS_UNSAID: u16 = 502;

/// What errors without a number are called by OpenAI, llama.cpp (`tools/server/server-common.cpp`) and vLLM
/// (`entrypoints/openai/protocol.py`), and here of servers of other APIs. A code says more than a type.
const NAMES: [(&str, u16); 25] = [
    ("BadRequestError", 400),
    ("context_length_exceeded", 400),
    ("exceed_context_size_error", 400),
    ("invalid_request_error", 400),
    ("authentication_error", 401),
    ("permission_error", 403),
    ("NotFoundError", 404),
    ("not_found_error", 404),
    ("queue_full", 429),
    ("rate_limit_error", 429),
    ("InternalServerError", 500),
    ("internal_server_error", 500),
    ("server_error", 500),
    ("not_supported_error", 501),
    ("upstream_empty", 502),
    ("upstream_error", 502),
    ("upstream_incomplete", 502),
    ("upstream_protocol", 502),
    ("bodies_full", 503),
    ("model_failed_to_load", 503),
    ("overloaded_error", 503),
    ("queue_timeout", 503),
    ("stopping", 503),
    ("unavailable_error", 503),
    ("upstream_timeout", 504),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_known_by_its_name_or_its_words() {
        for (body, expected) in [
            (r#"{"error":{"code":400,"message":"x","type":"exceed_context_size_error"}}"#, Some(Complaint::Length)),
            (r#"{"error":{"message":"no schema fits","code":"context_length_exceeded"}}"#, Some(Complaint::Length)),
            (
                r#"{"object":"error","message":"This model's maximum context length is 8 tokens","code":400}"#,
                Some(Complaint::Length),
            ),
            (r#"{"error":"the prompt is longer than the Context Length"}"#, Some(Complaint::Length)),
            (r#"{"error":{"message":"Failed to parse grammar"}}"#, Some(Complaint::Constraint)),
            (r#"{"detail":[{"loc":["body","response_format"],"msg":"extra fields"}]}"#, Some(Complaint::Constraint)),
            (r#"{"error":{"code":500,"message":"Jinja Exception: roles must alternate"}}"#, Some(Complaint::Request)),
            (r#"{"error":{"message":"Jinja Exception: a schema is no string"}}"#, Some(Complaint::Request)),
            (r#"{"error":{"message":"image input is not supported"}}"#, Some(Complaint::Request)),
            (r#"{"error":{"message":"the prompt is too long"}}"#, None),
            ("grammar", None),
        ] {
            assert_eq!(Complaint::of(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_refusal_told_as_an_event_keeps_its_status() {
        for (body, status) in [
            (r#"{"error":{"message":"x"}}"#, 503),
            (r#"{"error":"x"}"#, 429),
            (r#"{"error":{"message":"x","type":"invalid_request_error"}}"#, 400),
            (r#"{"error":{"message":"x","code":503}}"#, 503),
        ] {
            let event = refusal(body.as_bytes(), status).unwrap();
            let data = event.strip_prefix("data: ").unwrap().trim_end();
            assert_eq!(ServerError::of(&Object::parse(data).unwrap()).unwrap().status(), status, "{event}");
        }
    }

    #[test]
    fn an_error_is_found_whichever_way_it_is_told() {
        let plain = |message: &str| {
            format!(r#"{{"message":"{message}","type":"server_error","param":null,"code":"upstream_error"}}"#)
        };
        let rest = r#""message":"the server failed within its answer","type":"server_error","param":null"#;
        let table = [
            (
                r#"data: {"error":{"code":400,"message":"too long","type":"exceed_context_size_error","n_ctx":9}}"#,
                Some((400, r#"{"code":400,"message":"too long","type":"exceed_context_size_error","n_ctx":9,"param":null}"#.to_owned())),
            ),
            (
                r#"data: {"error":{"message":"a","type":"b","param":"c","code":null}}"#,
                Some((502, r#"{"message":"a","type":"b","param":"c","code":"upstream_error"}"#.to_owned())),
            ),
            (
                r#"data: {"error":{"code":"429","message":"slow"}}"#,
                Some((429, r#"{"code":"429","message":"slow","type":"rate_limit_error","param":null}"#.to_owned())),
            ),
            (
                r#"data: {"error":{"type":"NotFoundError","message":null}}"#,
                Some((404, r#"{"type":"NotFoundError","message":"the server failed within its answer","param":null,"code":"upstream_error"}"#.to_owned())),
            ),
            (r#"data: {"error":{"code":7}}"#, Some((502, format!(r#"{{"code":7,{rest}}}"#)))),
            (r#"data: {"error":"boom"}"#, Some((502, plain("boom")))),
            (&format!(r#"data: {{"error":{}}}"#, plain("boom")), Some((502, plain("boom")))),
            (r#"data: {"error":[7]}"#, Some((502, plain("[7]")))),
            (
                r#"data: {"object":"error","message":"no","code":400}"#,
                Some((400, r#"{"object":"error","message":"no","code":400,"type":"invalid_request_error","param":null}"#.to_owned())),
            ),
            ("event: error\ndata: {\"code\":500,\ndata: \"message\":\"a\\nb\"}", Some((500, r#"{"code":500, "message":"a\nb","type":"server_error","param":null}"#.to_owned()))),
            ("event: error\ndata: {\"detail\":\"boom\"}", Some((502, plain("boom").replacen('{', r#"{"detail":"boom","#, 1)))),
            ("event: error\ndata: {\"error\":{\"code\":503}}", Some((503, format!(r#"{{"code":503,{rest}}}"#)))),
            ("event: error\ndata: boom", Some((502, plain("boom")))),
            ("event: error\ndata: \"boom\"", Some((502, plain("boom")))),
            ("event: error\ndata: {}", Some((502, plain("the server failed within its answer")))),
            ("event: error", Some((502, plain("the server failed within its answer")))),
            ("event: message\ndata: {\"code\":500}", None),
            ("data: {\"error\":null}", None),
            ("data: {\"code\":500}", None),
        ];
        for (raw, expected) in table {
            let mut events = sse::Decoder::new(1000);
            events.push(format!("{raw}\n\n").into());
            let event = events.next_event().unwrap().unwrap();
            let data = std::str::from_utf8(event.data().unwrap_or_default()).unwrap();
            let told = ServerError::of_event(&event).or_else(|| ServerError::of(&Object::parse(data)?));
            assert_eq!(told.map(|told| (told.status(), told.object(told.status()))), expected, "{raw}");
        }
    }
}
