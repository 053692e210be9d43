//! An error in OpenAI's shape, as a body or as an event of a stream.
//! Knows no faults; whoever fails says what happened.

use serde::Serialize;

/// An error as a body, or an event of a stream, says it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Failure<'a> {
    pub error: Error<'a>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Error<'a> {
    pub message: &'a str,
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The request's parameter that is to blame.
    pub param: Option<&'a str>,
    pub code: &'a str,
}

/// The `type` of an error that says no other, by the status that tells whose fault it is.
pub fn error_type(status: u16) -> &'static str {
    match status {
        429 => "rate_limit_error",
        ..500 => "invalid_request_error",
        _ => "server_error",
    }
}
