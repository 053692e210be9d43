//! Errors that a client is answered in place of what it asked for: any body of a refusal, in Ollama's form.
//! Chooses no status.

use std::borrow::Cow;

use bytes::Bytes;

use super::mistake::error_body;
use super::pages::unknown_model;
use crate::api::openai::ServerError;
use crate::json::{Object, string};

/// The body for an answer with this status whose own body says what went wrong, in whatever form. `model` is the one
/// that was asked for: of one that nobody has, clients look for Ollama's words.
pub fn error(status: u16, body: &[u8], model: Option<&str>) -> Bytes {
    let object = Object::of_body(body);
    let error = object.as_ref().map(|object| ServerError::of(object).unwrap_or(ServerError::Data(object.text())));
    if let (Some(model), Some(object)) = (model, &object)
        && is_of_unknown_model(object)
    {
        return unknown_model(model).body().into();
    }
    let words = error.map(ServerError::words).filter(|words| !words.trim_ascii().is_empty());
    error_body(&words.unwrap_or_else(|| unsaid(status))).into()
}

/// The line that ends an answer in lines which goes no further.
pub fn error_line(words: &str) -> Bytes {
    let mut line = error_body(words);
    line.push('\n');
    line.into()
}

fn is_of_unknown_model(object: &Object<'_>) -> bool {
    let error = object.present("error").and_then(Object::part);
    error.and_then(|error| string(error.get("code")?)).is_some_and(|code| code == UNKNOWN_MODEL)
}

fn unsaid(status: u16) -> Cow<'static, str> {
    match status {
        401 => Cow::Borrowed("unauthorized"),
        _ => Cow::Owned(format!("upstream answered {status}")),
    }
}

const UNKNOWN_MODEL: &str = "model_not_found";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_string_whatever_it_was() {
        for (status, body, model, expected) in [
            (400, r#"{"error":{"message":"bad","type":"x"}}"#, None, "bad"),
            (400, r#"{"error":"line\u2028 \"bad\""}"#, Some("m"), r#"line\u2028 \"bad\""#),
            (400, r#"{"object":"error","message":"bad"}"#, None, "bad"),
            (404, r#"{"detail":"Not Found"}"#, None, "Not Found"),
            (404, r#"{"error":{"message":"none","code":"model_not_found"}}"#, Some("x:y"), "model 'x:y' not found"),
            (404, r#"{"error":{"message":"none","code":"model_not_found"}}"#, None, "none"),
            (502, "<html>bad</html>", None, "upstream answered 502"),
            (503, "", Some("m"), "upstream answered 503"),
            (500, r#"{"error":{"code":500}}"#, None, "upstream answered 500"),
            (500, "[1]", None, "upstream answered 500"),
            (401, "", None, "unauthorized"),
            (401, r#"{"error":{"message":"wrong key"}}"#, None, "wrong key"),
        ] {
            let body = error(status, body.as_bytes(), model);
            assert_eq!(std::str::from_utf8(&body).unwrap(), format!("{{\"error\":\"{expected}\"}}"));
        }
    }
}
