//! Which requests are read before a pool is chosen for them.
//! Reads no body itself.

use pingora::http::{Method, RequestHeader};

use super::path::path;

/// The routes whose requests may offer tools.
const CHAT: [&str; 2] = ["/v1/chat/completions", "/chat/completions"];

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

impl Route {
    /// `pools` is how many there are: with one, no body is read to choose it.
    pub fn of(request: &RequestHeader, pools: usize) -> Self {
        let path = path(request);
        if request.method != Method::POST || is_compressed(request) {
            Self::Pass
        } else if CHAT.iter().any(|chat| chat.as_bytes() == path) {
            Self::Chat
        } else if pools > 1 && path.starts_with(b"/v1/") && is_json(request) {
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

fn is_json(request: &RequestHeader) -> bool {
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
        let table = [
            ("POST", "/v1/chat/completions", 1, None, Route::Chat),
            ("POST", "/chat/completions?key=x", 1, None, Route::Chat),
            ("POST", "/v1/chat/completions", 1, Some(gzip), Route::Pass),
            ("POST", "/v1/chat/completions", 1, Some(("content-encoding", "identity")), Route::Chat),
            ("GET", "/v1/chat/completions", 2, None, Route::Pass),
            ("POST", "/v1/chat/completions/x", 1, None, Route::Pass),
            ("POST", "/v1/embeddings", 1, Some(json), Route::Pass),
            ("POST", "/v1/embeddings", 2, Some(json), Route::Model),
            ("POST", "/v1/audio", 2, Some(form), Route::Pass),
            ("POST", "/embeddings", 2, Some(json), Route::Pass),
        ];
        for (method, path, pools, header, expected) in table {
            let mut request = RequestHeader::build(method, path.as_bytes(), None).unwrap();
            if let Some((name, value)) = header {
                request.insert_header(name, value).unwrap();
            }
            assert_eq!(Route::of(&request, pools), expected, "{method} {path} {header:?}");
        }
    }
}
