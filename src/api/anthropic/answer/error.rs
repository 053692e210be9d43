//! Errors: whatever a server or the gateway says went wrong, in Anthropic's form.
//! Knows no faults: what is wrong is told by a status and by a body.

use std::borrow::Cow;

use bytes::Bytes;

use super::overflow;
use crate::api::openai::{Overflow, ServerError, is_of_request};
use crate::json::{Object, write_string};

/// What a client is answered in place of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub body: Bytes,
    /// What `x-should-retry` is to say: nothing where the status says it.
    pub should_retry: Option<bool>,
}

/// The error for an answer with this status whose own body says what went wrong, in whatever form. Clients ask again
/// after a status that promises something of it, so what would fail again gets another one.
pub fn error(status: u16, body: &[u8], request_id: &str) -> Refusal {
    let object = Object::of_body(body);
    let error = object.as_ref().map(|object| ServerError::of(object).unwrap_or(ServerError::Data(object.text())));
    let failure =
        error.map_or_else(|| Failure::of(status, Cow::Borrowed(UNSAID)), |error| Failure::of_error(status, error));
    let mut body = String::new();
    failure.write(&mut body);
    body.push_str(",\"request_id\":");
    write_string(request_id, &mut body);
    body.push('}');
    let should_retry = (status >= 500 && failure.status < 500).then_some(false);
    Refusal { status: failure.status, body: body.into(), should_retry }
}

/// The body for an error that stands in place of an answer.
pub(super) fn error_body(error: ServerError<'_>) -> String {
    let mut out = String::new();
    Failure::of_error(error.status(), error).write(&mut out);
    out.push('}');
    out
}

/// Appends the event that ends a stream with an error.
pub(super) fn write_error_event(error: ServerError<'_>, out: &mut String) {
    out.extend(["event: error\ndata: ", &error_body(error), "\n\n"]);
}

/// An error as it is told.
#[derive(Debug)]
struct Failure<'a> {
    status: u16,
    kind: &'static str,
    words: Cow<'a, str>,
}

impl<'a> Failure<'a> {
    fn of_error(status: u16, error: ServerError<'a>) -> Self {
        if let Some(overflow) = Overflow::of(error) {
            return Self::of(400, Cow::Owned(overflow::words(overflow)));
        }
        let words = error.words();
        let words = if words.trim_ascii().is_empty() { Cow::Borrowed(UNSAID) } else { words };
        Self::of(if status == 500 && is_of_request(&words) { 400 } else { status }, words)
    }

    fn of(status: u16, words: Cow<'a, str>) -> Self {
        let (status, kind) = match status {
            400 | 422 | 501 => (400, INVALID),
            401 => (401, "authentication_error"),
            402 => (402, "billing_error"),
            403 => (403, "permission_error"),
            404 => (404, "not_found_error"),
            408 | 504 => (status, "timeout_error"),
            409 => (409, "conflict_error"),
            413 => (413, "request_too_large"),
            429 => (429, "rate_limit_error"),
            503 | 529 => (529, "overloaded_error"),
            405..=499 => (status, INVALID),
            _ => (status, "api_error"),
        };
        Self { status, kind, words }
    }

    /// Appends it up to the last brace.
    fn write(&self, out: &mut String) {
        out.extend(["{\"type\":\"error\",\"error\":{\"type\":\"", self.kind, "\",\"message\":"]);
        write_string(&self.words, out);
        out.push('}');
    }
}

const INVALID: &str = "invalid_request_error";
const UNSAID: &str = "the server gave no reason";

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> (u16, String, Option<bool>) {
        let refusal = error(status, body.as_bytes(), "req_1");
        let body = String::from_utf8(refusal.body.to_vec()).unwrap();
        let inside = body.strip_prefix(r#"{"type":"error","error":{"type":""#).unwrap();
        let inside = inside.strip_suffix(r#""},"request_id":"req_1"}"#).unwrap();
        (refusal.status, inside.replace(r#"","message":""#, ": "), refusal.should_retry)
    }

    #[test]
    fn a_status_is_told_by_anthropics_name_for_it() {
        for (status, client, kind) in [
            (400, 400, "invalid_request_error"),
            (401, 401, "authentication_error"),
            (402, 402, "billing_error"),
            (403, 403, "permission_error"),
            (404, 404, "not_found_error"),
            (405, 405, "invalid_request_error"),
            (408, 408, "timeout_error"),
            (409, 409, "conflict_error"),
            (413, 413, "request_too_large"),
            (415, 415, "invalid_request_error"),
            (422, 400, "invalid_request_error"),
            (429, 429, "rate_limit_error"),
            (431, 431, "invalid_request_error"),
            (499, 499, "invalid_request_error"),
            (500, 500, "api_error"),
            (501, 400, "invalid_request_error"),
            (502, 502, "api_error"),
            (503, 529, "overloaded_error"),
            (504, 504, "timeout_error"),
            (529, 529, "overloaded_error"),
            (599, 599, "api_error"),
        ] {
            let should_retry = (status == 501).then_some(false);
            assert_eq!(told(status, r#"{"error":{"message":"x"}}"#), (client, format!("{kind}: x"), should_retry));
        }
    }

    #[test]
    fn the_words_are_the_servers() {
        for (body, words) in [
            (r#"{"error":{"message":"line\n\"bad\"","type":"x"}}"#, r#"line\n\"bad\""#),
            (r#"{"error":"bad"}"#, "bad"),
            (r#"{"object":"error","message":"bad"}"#, "bad"),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (r#"{"error":{"code":500}}"#, "the server gave no reason"),
            (r#"{"error":{"message":" "}}"#, "the server gave no reason"),
            ("<html>bad</html>", "the server gave no reason"),
            ("[1]", "the server gave no reason"),
            ("", "the server gave no reason"),
        ] {
            assert_eq!(told(404, body), (404, format!("not_found_error: {words}"), None), "{body}");
        }
    }

    #[test]
    fn what_would_fail_again_is_the_requests_fault() {
        for (status, words, is_refused) in [
            (500, "Jinja Exception: no", true),
            (500, "the chat TEMPLATE failed", true),
            (500, "image input is not supported - hint", true),
            (500, "boom", false),
            (502, "template", false),
            (500, "request (12 tokens) exceeds the available context size (8 tokens)", true),
        ] {
            let (client, _, should_retry) = told(status, &format!(r#"{{"error":{{"message":"{words}"}}}}"#));
            let expected = if is_refused { (400, Some(false)) } else { (status, None) };
            assert_eq!((client, should_retry), expected, "{words}");
        }
    }
}
