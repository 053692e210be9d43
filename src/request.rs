//! Rewrites a request body for a model that knows tools only as text, and says how to read its reply.
//! Touches nothing but `messages`, `tools` and the keys that toolgate answers for: every other byte stays.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::decode::{Reasoning, UnknownTools};
use crate::dialect::Dialect;
use crate::exchange::{Engine, Exchange, ToolsMode};
use crate::json::Object;
use crate::limits::Limits;

/// What a pool wants done with its requests.
#[derive(Clone, Debug)]
pub struct Policy {
    pub dialect: Arc<Dialect>,
    pub mode: ToolsMode,
    pub engine: Engine,
    pub reasoning: Reasoning,
    pub unknown_tools: UnknownTools,
}

/// What became of a request body.
#[derive(Debug)]
pub enum Rewritten {
    /// It goes up as it came, and nothing of the reply is read.
    Untouched,
    /// This goes up instead (possibly the same bytes), and the reply is read as the exchange says.
    Body { bytes: Bytes, exchange: Box<Exchange>, response_format: ResponseFormat },
}

/// What became of a `response_format` beside injected tools. It would forbid a call, so it is worth a line in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseFormat {
    /// There was none, or the tools were not injected.
    #[default]
    Unconcerned,
    /// It went up: the model may choose not to call.
    Kept,
    /// It was taken out, because a call is required.
    Dropped,
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("tool_choice names `{0}`, which is not among the tools")]
    UnknownToolChoice(String),
    #[error("the request is larger than {bytes_max} bytes once its tools and past calls are written out")]
    TooLarge { bytes_max: usize },
}

/// Rewrites one chat-completions body.
pub fn rewrite(_body: &Bytes, _policy: &Policy, _limits: &Limits) -> Result<Rewritten, RequestError> {
    Ok(Rewritten::Untouched)
}

/// The body's top-level `model`, by which a pool is chosen. `None` when there is none or the body is not such JSON.
pub fn model(body: &[u8]) -> Option<String> {
    Object::parse(std::str::from_utf8(body).ok()?)?.string("model").map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_of_a_body() {
        let table = [
            (r#"{"messages":[{"model":"inner"}],"model":"a\u002fb"}"#, Some("a/b")),
            (r#"{"model":"first","model":"last"}"#, Some("last")),
            (r#"{"model":7}"#, None),
            (r#"{"model":null}"#, None),
            (r#"["model"]"#, None),
            (r#"{"model":"x""#, None),
            ("", None),
        ];
        for (body, expected) in table {
            assert_eq!(model(body.as_bytes()).as_deref(), expected, "{body}");
        }
        assert_eq!(model(b"{\"model\":\"\xff\"}"), None);
    }
}
