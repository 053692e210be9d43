//! An error in OpenAI's shape, as a body or as an event of a stream.
//! Knows no faults; whoever fails says what happened.

use serde::Serialize;

/// An error as a body, or an event of a stream, says it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Error<'a> {
    pub message: &'a str,
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The request's parameter that is to blame.
    pub param: Option<&'a str>,
    pub code: &'a str,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: Error<'a>,
}

impl Error<'_> {
    /// As the body of an answer: `{"error": {"message", "type", "param", "code"}}`.
    pub fn body(self) -> String {
        // Writing strings to memory cannot fail.
        serde_json::to_string(&Failure { error: self }).unwrap_or_default()
    }

    /// As the last event of a stream.
    pub fn event(self) -> String {
        format!("data: {}\n\n", self.body())
    }
}

/// The error of an answer whose server died, or was late.
pub fn upstream_error(message: &str) -> Error<'_> {
    Error { message, kind: "server_error", param: None, code: "upstream_error" }
}

/// The error of an answer that its server ended as if it were complete.
pub const UNFINISHED: Error<'static> = Error {
    message: "the upstream ended its answer without a finish reason",
    kind: "server_error",
    param: None,
    code: "upstream_incomplete",
};

/// Parameters of a request that an error may blame.
pub mod param {
    pub const MODEL: &str = "model";
    pub const TOOL_CHOICE: &str = "tool_choice";
}

/// The `type` of an error that says no other, by the status that tells whose fault it is.
pub fn error_type(status: u16) -> &'static str {
    match status {
        429 => "rate_limit_error",
        ..500 => "invalid_request_error",
        _ => "server_error",
    }
}
