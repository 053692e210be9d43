//! What a request is: whether it is read before a pool is chosen for it, and what it asks for.
//! Reads no body itself.

use pingora::http::{Method, RequestHeader};

use crate::metrics::Operation;

use super::path::path;

/// The routes whose requests may offer tools.
const CHAT: [&str; 2] = ["/v1/chat/completions", "/chat/completions"];

/// Pages that servers answer beside their slots, whatever those do: llama.cpp's, and vLLM's of the same names.
const BESIDE: [&str; 3] = ["/tokenize", "/detokenize", "/apply-template"];

/// What a request is to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A chat completion: read, and rewritten when it offers tools.
    Chat,
    /// JSON whose `model` chooses the pool: read, and sent on as it came.
    Model,
    /// Anything else: streamed, unread.
    Pass,
}

/// Whether it makes a difference which model a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// There are several pools, or aliases.
    Matter,
    /// No body is read for its model.
    Idle,
}

/// What a request asks a model for.
pub fn operation(request: &RequestHeader) -> Operation {
    if request.method != Method::POST {
        return Operation::Other;
    }
    let path = path(request);
    match path.strip_prefix(b"/v1").unwrap_or(path) {
        b"/chat/completions" => Operation::Chat,
        b"/completions" => Operation::Completion,
        b"/embeddings" => Operation::Embeddings,
        _ => Operation::Other,
    }
}

/// Whether a request with a body takes none of its server's slots.
pub fn is_beside_slots(request: &RequestHeader) -> bool {
    BESIDE.iter().any(|page| page.as_bytes() == path(request))
}

impl Route {
    pub fn of(request: &RequestHeader, names: Names) -> Self {
        let path = path(request);
        if request.method != Method::POST || is_compressed(request) {
            Self::Pass
        } else if CHAT.iter().any(|chat| chat.as_bytes() == path) {
            Self::Chat
        } else if names == Names::Matter && path.starts_with(b"/v1/") && is_json(request) {
            Self::Model
        } else {
            Self::Pass
        }
    }
}

fn is_compressed(request: &RequestHeader) -> bool {
    let encoding = request.headers.get("content-encoding");
    encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether its body is JSON, as it says.
pub fn is_json(request: &RequestHeader) -> bool {
    let content_type = request.headers.get("content-type").map_or(&b""[..], |value| value.as_bytes());
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(b"application/json") || essence.to_ascii_lowercase().ends_with(b"+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chat_and_json_with_a_model_are_read() {
        let json = ("content-type", "application/json; charset=utf-8");
        let form = ("content-type", "multipart/form-data");
        let gzip = ("content-encoding", "gzip");
        let (idle, matter) = (Names::Idle, Names::Matter);
        let table = [
            ("POST", "/v1/chat/completions", idle, None, Route::Chat),
            ("POST", "/chat/completions?key=x", idle, None, Route::Chat),
            ("POST", "/v1/chat/completions", idle, Some(gzip), Route::Pass),
            ("POST", "/v1/chat/completions", idle, Some(("content-encoding", "identity")), Route::Chat),
            ("GET", "/v1/chat/completions", matter, None, Route::Pass),
            ("POST", "/v1/chat/completions/x", idle, None, Route::Pass),
            ("POST", "/v1/embeddings", idle, Some(json), Route::Pass),
            ("POST", "/v1/embeddings", matter, Some(json), Route::Model),
            ("POST", "/v1/audio", matter, Some(form), Route::Pass),
            ("POST", "/embeddings", matter, Some(json), Route::Pass),
        ];
        for (method, path, names, header, expected) in table {
            let mut request = RequestHeader::build(method, path.as_bytes(), None).unwrap();
            if let Some((name, value)) = header {
                request.insert_header(name, value).unwrap();
            }
            assert_eq!(Route::of(&request, names), expected, "{method} {path} {header:?}");
        }
    }
}
