//! Errors of Ollama's: in a stream and before it, as OpenAI's API tells them, and what they complain of.
//! Decides on no retry; an error that tells what the model wrote keeps its words whole for whoever reads them.

use crate::api::openai::{self, Error, ServerError, error_type, param, upstream_error};
use crate::json::{Object, inside, unescape_into};

/// An error, as a line or a body tells it.
#[derive(Debug)]
pub(super) struct Told {
    pub message: String,
    /// Whether it tells what the model wrote.
    pub is_of_the_model: bool,
}

/// A refusal before the first byte, as OpenAI's API tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the client is to get, unless somebody else answers first.
    pub status: u16,
    /// `{"error": …}`.
    pub body: String,
    /// What the same request would do without.
    pub complaint: Option<Complaint>,
    /// Where somebody would have to sign in first; not for the client.
    pub signin: Option<String>,
}

/// What is complained of that can be asked for in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// The model's template knows no tools.
    Tools,
    /// The model does not think.
    Thinking,
    /// It does, and takes no levels.
    ThinkLevel,
    /// The server could not read its own model's call, and does not tell it: asked in the same way it fails again.
    Parser,
    /// The server only loaded its model: asked again it may answer.
    Empty,
}

/// What a refusal says, by its status and its body.
pub fn refusal(status: u16, body: &[u8]) -> Refusal {
    let object = Object::of_body(body);
    let told = object.as_ref().and_then(|object| object.present("error")).map(Told::of);
    let signin = object.as_ref().and_then(|object| object.string("signin_url")).map(Into::into);
    let unsaid = format!("the upstream answered {status}");
    let message = told.as_ref().map_or(unsaid.as_str(), |told| &told.message);
    let complaint = told.as_ref().and_then(|told| Complaint::of(status, told));
    let fail = |status, kind, code| (status, Error { message, kind, param: None, code });
    let (status, error) = match (status, told.as_ref()) {
        // Whoever reads answers makes one of it.
        (500, Some(told)) if told.is_of_the_model => (500, upstream_error(message)),
        (400, _) => (400, Error { code: code(body, complaint), ..fail(400, error_type(400), "").1 }),
        (401, _) => fail(401, "authentication_error", REFUSED),
        (403, Some(_)) => fail(403, "permission_error", REFUSED),
        (404, Some(_)) => (404, Error { param: Some(param::MODEL), ..fail(404, error_type(404), "model_not_found").1 }),
        (503, _) => fail(503, "overloaded_error", "server_busy"),
        (429, _) | (402 | 405..500, Some(_)) => fail(status, error_type(status), REFUSED),
        _ => (502, upstream_error(message)),
    };
    Refusal { status, body: error.body(), complaint, signin }
}

/// What stands in the place of an answer that said nothing, since its server only loaded its model.
pub fn no_answer() -> Refusal {
    let error = Error { code: EMPTY, ..upstream_error(NOTHING_GENERATED) };
    Refusal { status: 502, body: error.body(), complaint: Some(Complaint::Empty), signin: None }
}

pub(super) const EMPTY: &str = "upstream_empty";
pub(super) const NOTHING_GENERATED: &str = "the upstream loaded the model and generated nothing";
/// Of a refusal that says nothing else.
const REFUSED: &str = "upstream_refused";

fn code(body: &[u8], complaint: Option<Complaint>) -> &'static str {
    match complaint {
        Some(Complaint::Tools) => "tools_unsupported",
        Some(Complaint::Thinking | Complaint::ThinkLevel) => "thinking_unsupported",
        _ if openai::Complaint::of(body) == Some(openai::Complaint::Length) => "context_length_exceeded",
        _ => REFUSED,
    }
}

impl Complaint {
    fn of(status: u16, told: &Told) -> Option<Self> {
        let says = |words: &str| told.message.contains(words);
        match status {
            400 if says("does not support tools") => Some(Self::Tools),
            400 if says("does not support thinking") => Some(Self::Thinking),
            400 if says("think value") => Some(Self::ThinkLevel),
            500 if !told.is_of_the_model && is_of_a_parser(&told.message) => Some(Self::Parser),
            _ => None,
        }
    }
}

/// Whether a built-in reader of calls speaks (`model/parsers`), in its own words or in those of Go's.
fn is_of_a_parser(message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    let begins = ["xml syntax error", "failed to parse", "error parsing tool call", "invalid character"];
    let is_cut = || lower.starts_with("incomplete ") && lower.contains(" tool call");
    let is_of_a_constraint = || ["grammar", "schema"].iter().any(|word| lower.contains(word));
    (begins.iter().any(|words| lower.starts_with(words)) || is_cut() || lower == "eof") && !is_of_a_constraint()
}

impl Told {
    /// What the value of `error` tells.
    pub(super) fn of(value: &str) -> Self {
        let is_of_the_model = ServerError::Member(value).unparsed().is_some();
        let whole = words(value);
        let message = if is_of_the_model { whole } else { innermost(whole) };
        Self { message: or_unsaid(message), is_of_the_model }
    }

    /// What a member tells whose key is part of the words.
    pub(super) fn of_member(key: &str, value: &str) -> Self {
        Self { message: format!("{key}: {}", words(value)), is_of_the_model: false }
    }
}

fn or_unsaid(message: String) -> String {
    if message.trim_ascii().is_empty() { "the upstream told an error without words".to_owned() } else { message }
}

/// A server that hands on another's error may put its whole body into its own.
const LAYERS_MAX: usize = 3;

/// The words that other servers' errors are wrapped around.
fn innermost(mut message: String) -> String {
    for _ in 0..LAYERS_MAX {
        let inner = Object::parse(&message).and_then(|object| object.present("error")).map(words);
        match inner.or_else(|| of_go_map(&message)) {
            Some(inner) => message = inner,
            None => break,
        }
    }
    message
}

/// The words of an error, as it is written in JSON.
fn words(value: &str) -> String {
    let said = Object::parse(value);
    let written = said.as_ref().and_then(|error| error.get("message")).unwrap_or(value);
    let mut text = String::new();
    match inside(written).and_then(|inside| unescape_into(inside, &mut text)) {
        Some(()) => text,
        None => written.to_owned(),
    }
}

/// The message in a map as Go prints it, its keys in order: `map[code:500 message:WORDS type:server_error]`.
fn of_go_map(text: &str) -> Option<String> {
    let (before, map) = text.split_once("map[")?;
    (before.is_empty() || before.ends_with(": ")).then_some(())?;
    let (_, mut message) = map.strip_suffix(']')?.split_once("message:")?;
    message = message.rsplit_once(" type:").map_or(message, |(message, _)| message);
    // Numbers that stand between the two.
    while let Some((rest, member)) = message.rsplit_once(' ')
        && let Some((key, value)) = member.split_once(':')
        && key.starts_with("n_")
        && value.bytes().all(|byte| byte.is_ascii_digit())
    {
        message = rest;
    }
    Some(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_error_are_found() {
        for (value, expected, is_of_the_model) in [
            (r#""boom""#, "boom", false),
            (r#"{"message":"boom","code":7}"#, "boom", false),
            (r#""{\"error\":{\"message\":\"inner\"}}""#, "inner", false),
            (r#""{\"error\":\"{\\\"error\\\":\\\"deep\\\"}\"}""#, "deep", false),
            (r#""{\"no\":1}""#, r#"{"no":1}"#, false),
            (r#""x: map[code:500 message:a type: b type:server_error]""#, "a type: b", false),
            (r#""map[code:400 message:too long n_ctx:4096 n_prompt_tokens:9001 type:e]""#, "too long", false),
            (r#""go.mod map[message:a]""#, "go.mod map[message:a]", false),
            (r#""half \ud83d""#, "half \u{fffd}", false),
            (r#""""#, "the upstream told an error without words", false),
            (r#"{"x":1}"#, r#"{"x":1}"#, false),
            (r#""error parsing tool call: raw='f', err=no""#, "error parsing tool call: raw='f', err=no", true),
            (
                r#""x: map[message:Failed to parse input at pos 0: <a> type:e]""#,
                "x: map[message:Failed to parse input at pos 0: <a> type:e]",
                true,
            ),
        ] {
            let told = Told::of(value);
            assert_eq!((told.message.as_str(), told.is_of_the_model), (expected, is_of_the_model), "{value}");
        }
    }

    #[test]
    fn a_refusal_has_its_status_its_code_and_its_complaint() {
        use Complaint::{Parser, ThinkLevel, Thinking, Tools};
        for (status, body, expected) in [
            (404, r#"{"error":"model 'x' not found"}"#, (404, "model_not_found", None)),
            (404, "404 page not found", (502, "upstream_error", None)),
            (400, r#"{"error":"m does not support tools"}"#, (400, "tools_unsupported", Some(Tools))),
            (400, r#"{"error":"\"m\" does not support thinking"}"#, (400, "thinking_unsupported", Some(Thinking))),
            (
                400,
                r#"{"error":"think value \"x\" is not supported for this model"}"#,
                (400, "thinking_unsupported", Some(ThinkLevel)),
            ),
            (400, r#"{"error":"the prompt exceeds the context length"}"#, (400, "context_length_exceeded", None)),
            (400, r#"{"error":"invalid options"}"#, (400, "upstream_refused", None)),
            (400, "", (400, "upstream_refused", None)),
            (401, r#"{"error":"unauthorized"}"#, (401, "upstream_refused", None)),
            (403, r#"{"error":"no"}"#, (403, "upstream_refused", None)),
            (403, "", (502, "upstream_error", None)),
            (429, r#"{"error":"slow down"}"#, (429, "upstream_refused", None)),
            (413, r#"{"error":"too large"}"#, (413, "upstream_refused", None)),
            (500, r#"{"error":"EOF"}"#, (502, "upstream_error", Some(Parser))),
            (500, r#"{"error":"unexpected EOF"}"#, (502, "upstream_error", None)),
            (500, r#"{"error":"incomplete X tool call: no end"}"#, (502, "upstream_error", Some(Parser))),
            (500, r#"{"error":"failed to parse arguments"}"#, (502, "upstream_error", Some(Parser))),
            (500, r#"{"error":"failed to parse grammar"}"#, (502, "upstream_error", None)),
            (500, r#"{"error":"error parsing tool call: raw='f'"}"#, (500, "upstream_error", None)),
            (500, r#"{"error":"CUDA error"}"#, (502, "upstream_error", None)),
            (503, r#"{"error":"server busy"}"#, (503, "server_busy", None)),
            (504, "", (502, "upstream_error", None)),
        ] {
            let refusal = refusal(status, body.as_bytes());
            let error = Object::parse(&refusal.body).unwrap().get("error").and_then(Object::part).unwrap();
            assert_eq!((refusal.status, &*error.string("code").unwrap(), refusal.complaint), expected, "{body}");
        }
    }

    #[test]
    fn a_place_to_sign_in_is_not_for_the_client() {
        let refusal = refusal(401, br#"{"error":"unauthorized","signin_url":"https://a/b?key=k"}"#);
        assert_eq!(refusal.signin.as_deref(), Some("https://a/b?key=k"));
        assert!(!refusal.body.contains("key=k"));
    }
}
