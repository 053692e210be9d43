//! Header fields that a proxy answers for; every other one goes through as it came.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pingora::http::{HMap, Method, RequestHeader, ResponseHeader, Version};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use crate::api::ollama;
use crate::upstream::Endpoint;

use super::path::origin_form;

/// A client's own id longer than this is replaced: it stands in every log line.
const ID_BYTES_MAX: usize = 128;

/// The client's `X-Request-Id`, or a new one.
pub fn request_id(request: &RequestHeader) -> String {
    let given = request.headers.get("x-request-id").and_then(|id| id.to_str().ok());
    match given {
        Some(id) if is_fit_id(id) => id.to_owned(),
        _ => new_id(),
    }
}

/// Whether a client's own id is taken.
pub fn is_fit_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Random enough to tell requests of different processes apart, and never the same twice in one.
fn new_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let random = || {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(count);
        hasher.finish()
    };
    format!("req_{:016x}{:016x}", random(), random())
}

/// Makes the request the server's: its `Host`, its key, its path, and who asked.
pub fn address_request(
    request: &mut RequestHeader,
    server: &Endpoint,
    session: &Session,
    request_id: &str,
) -> Result<()> {
    let target = origin_form(request);
    if !server.prefix().is_empty() && target.starts_with(b"/") {
        request.set_raw_path(&[server.prefix().as_bytes(), target.as_slice()].concat())?;
    } else if target != request.raw_path() {
        request.set_raw_path(&target)?;
    }
    request.insert_header("Host", server.authority())?;
    if let Some(authorization) = server.authorization() {
        request.insert_header("Authorization", authorization)?;
    }
    request.insert_header("X-Request-Id", request_id)?;
    if let Some(client) = session.client_addr().and_then(|address| address.as_inet()) {
        let before = joined(&request.headers, "x-forwarded-for");
        let separator = if before.is_empty() { "" } else { ", " };
        request.insert_header("X-Forwarded-For", format!("{before}{separator}{}", client.ip()))?;
    }
    Ok(())
}

/// Makes the head one for another page, which is asked in JSON.
pub fn ask_page(request: &mut RequestHeader, page: &str) -> Result<()> {
    request.set_raw_path(page.as_bytes())?;
    request.insert_header("Content-Type", "application/json")
}

/// Makes the head of a chat one of Ollama's API. It refuses an `Origin` that it was not told of, and a browser's page has
/// no business with it.
pub fn translate_request(request: &mut RequestHeader) -> Result<()> {
    ask_page(request, ollama::server::CHAT)?;
    for name in ["Origin", "Referer"] {
        request.remove_header(name);
    }
    Ok(())
}

/// A server that is busy and has not said for how long: its client is to come back soon.
pub fn say_when(response: &mut ResponseHeader) -> Result<()> {
    if response.status == 503 && !response.headers.contains_key("retry-after") {
        return response.insert_header("Retry-After", "1");
    }
    Ok(())
}

/// Says when and whether to come back, in an error whose status was another at its server: one that says that it is busy
/// is to be asked again soon, and one that says that it failed never, where that is the request's fault.
pub fn say_whether_again(response: &mut ResponseHeader, status: u16) -> Result<()> {
    if status >= 500 && response.status.as_u16() < 500 {
        response.insert_header("X-Should-Retry", "false")?;
    }
    if response.status == 529 && !response.headers.contains_key("retry-after") {
        response.insert_header("Retry-After", "1")?;
    }
    Ok(())
}

/// Fields that an answer's head gets, whoever answers.
pub type Fields = Arc<[(&'static str, String)]>;

/// Puts them in.
pub fn insert_all(fields: &Fields, response: &mut ResponseHeader) -> Result<()> {
    fields.iter().try_for_each(|(name, value)| response.insert_header(*name, value.as_str()))
}

/// A key that is told as Anthropic's clients do is one for OpenAI's servers too.
pub fn bear_key(request: &mut RequestHeader) -> Result<()> {
    let key = request.headers.get("x-api-key").and_then(|key| key.to_str().ok());
    let Some(key) = key.filter(|_| !request.headers.contains_key("authorization")) else { return Ok(()) };
    let bearer = format!("Bearer {key}");
    request.insert_header("Authorization", bearer)
}

/// Makes the head of a request of Anthropic's API one for servers: its key is theirs, and what else is that API's stays
/// here.
pub fn leave_anthropic(request: &mut RequestHeader) -> Result<()> {
    bear_key(request)?;
    request.remove_header("x-api-key");
    let is_its = |name: &str| {
        ["anthropic-", "x-stainless-"].iter().any(|prefix| name.starts_with(prefix))
            || matches!(name, "x-app" | "x-claude-code-session-id")
    };
    let its: Vec<_> = request.headers.keys().filter(|name| is_its(name.as_str())).cloned().collect();
    for name in its {
        request.remove_header(&name);
    }
    Ok(())
}

/// Makes one length of several that agree, which Pingora lets through: whoever reads it next may not.
pub fn single_length(request: &mut RequestHeader) -> Result<()> {
    match joined(&request.headers, "content-length").split_once(',') {
        Some((length, _)) => request.insert_header("Content-Length", length.trim().to_owned()),
        None => Ok(()),
    }
}

/// Whether a request asks for a tunnel. Pingora takes every `Upgrade` for such a request but passes on the one to
/// `websocket` only; clients that know HTTP/2 offer `h2c` beside requests like any other.
pub fn asks_for_tunnel(request: &RequestHeader) -> bool {
    let upgrade = request.headers.get("upgrade");
    request.method == Method::GET
        && request.version == Version::HTTP_11
        && upgrade.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The exact length of the body that goes up instead of the client's.
pub fn frame_request(request: &mut RequestHeader, length: usize) -> Result<()> {
    request.remove_header("Transfer-Encoding");
    request.insert_header("Content-Length", length)
}

/// No client nominates more.
const NOMINATIONS_MAX: usize = 32;

/// Takes out of a request what was meant for this hop only, and fails where what it nominates is no hop's: as Pingora does
/// for the requests that it sends.
pub fn leave_this_hop(request: &mut RequestHeader) -> Result<()> {
    let named = joined(&request.headers, "connection");
    let nominated: Vec<_> = named.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let is_token = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    let is_protected = |name: &&str| {
        ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own))
    };
    if nominated.len() >= NOMINATIONS_MAX || !nominated.iter().all(is_token) || nominated.iter().any(is_protected) {
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, "its `Connection` names what is no hop's").into_down());
    }
    for name in nominated {
        request.remove_header(name);
    }
    for name in HOP_BY_HOP {
        request.remove_header(name);
    }
    Ok(())
}

const HOP_BY_HOP: [&str; 10] = [
    "Keep-Alive",
    "Proxy-Connection",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Connection",
    "Upgrade",
    "HTTP2-Settings",
];

/// Frames an answer whose length is not known, so that its client's connection can be kept.
pub fn frame_response(response: &mut ResponseHeader) -> Result<()> {
    let has_body = !response.status.is_informational() && !matches!(response.status.as_u16(), 204 | 304);
    let is_framed = ["transfer-encoding", "content-length"].iter().any(|name| response.headers.contains_key(*name));
    if has_body && !is_framed {
        response.set_version(Version::HTTP_11);
        return response.insert_header("Transfer-Encoding", "chunked");
    }
    Ok(())
}

/// Takes out of a final response what was meant for this hop only. Pingora writes `Connection` itself, and the
/// framing is its own.
pub fn strip_hop_by_hop(response: &mut ResponseHeader) {
    let named = joined(&response.headers, "connection");
    let nominated = named.split(',').map(str::trim).filter(|name| !name.is_empty());
    // An upgrade answers with the very fields that it names.
    let is_upgrade = response.status.as_u16() == 101;
    for name in nominated.filter(|name| !(is_upgrade && name.eq_ignore_ascii_case("upgrade"))) {
        let is_ours = ["close", "content-length", "transfer-encoding"].iter().any(|own| name.eq_ignore_ascii_case(own));
        if !is_ours {
            response.remove_header(name);
        }
    }
    for name in ["Keep-Alive", "Proxy-Connection", "Trailer"] {
        response.remove_header(name);
    }
}

/// Prepares the head of a response whose body will be another one.
pub fn unframe_response(response: &mut ResponseHeader) {
    response.remove_header("Content-Length");
}

/// The body is one JSON value, whatever it was before.
pub fn call_json(response: &mut ResponseHeader, content_type: &'static str) -> Result<()> {
    for name in ["Content-Length", "Transfer-Encoding", "X-Accel-Buffering", "Cache-Control"] {
        response.remove_header(name);
    }
    response.insert_header("Content-Type", content_type)
}

/// Keeps proxies on the way from collecting a stream that was rewritten, unless the server already did.
pub fn keep_streaming(response: &mut ResponseHeader) -> Result<()> {
    for (name, value) in [("X-Accel-Buffering", "no"), ("Cache-Control", "no-cache")] {
        if !response.headers.contains_key(name) {
            response.insert_header(name, value)?;
        }
    }
    Ok(())
}

/// Whether a browser sent it for a page of another origin. Only its server knows whether that page may read the answer.
pub fn is_of_another_page(request: &RequestHeader) -> bool {
    let Some(origin) = request.headers.get("origin") else { return false };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let host = request.headers.get("host").and_then(|host| host.to_str().ok());
    authority.zip(host).is_none_or(|(authority, host)| !authority.eq_ignore_ascii_case(host))
}

/// A client of HTTP/1.0 knows no chunks; its answer ends with the connection.
pub fn unchunk(response: &mut ResponseHeader) {
    response.remove_header("Transfer-Encoding");
}

fn joined(headers: &HMap, name: &str) -> String {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    values.join(", ")
}

/// How many fields a request has, and how many bytes its head.
pub fn size(session: &Session) -> Result<(usize, usize)> {
    let http1 = session.as_downstream().as_http1();
    let http1 = http1.ok_or_else(|| Error::explain(ErrorType::InternalError, "not HTTP/1"))?;
    Ok((session.req_header().headers.len(), http1.get_headers_raw_bytes().len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_client_s_when_it_is_fit_for_a_log() {
        for (given, kept) in [("abc-1", true), ("", false), ("a b", false), (&"x".repeat(129), false)] {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            request.insert_header("X-Request-Id", given).unwrap();
            assert_eq!(request_id(&request) == given, kept, "{given}");
        }
        assert_ne!(new_id(), new_id());
    }

    #[test]
    fn a_page_is_of_its_own_host_or_of_another() {
        for (origin, expected) in [
            (None, false),
            (Some("http://gateway:8000"), false),
            (Some("HTTPS://Gateway:8000"), false),
            (Some("http://gateway"), true),
            (Some("http://other:8000"), true),
            (Some("null"), true),
        ] {
            let mut request = RequestHeader::build("POST", b"/", None).unwrap();
            request.insert_header("Host", "gateway:8000").unwrap();
            if let Some(origin) = origin {
                request.insert_header("Origin", origin).unwrap();
            }
            assert_eq!(is_of_another_page(&request), expected, "{origin:?}");
        }
    }

    #[test]
    fn what_was_for_one_hop_does_not_go_on() {
        let mut response = ResponseHeader::build(200, None).unwrap();
        for (name, value) in
            [("Connection", "keep-alive, X-Hop"), ("Keep-Alive", "timeout=5"), ("X-Hop", "1"), ("X-End", "2")]
        {
            response.insert_header(name, value).unwrap();
        }
        strip_hop_by_hop(&mut response);
        let left: Vec<_> = response.headers.keys().map(|name| name.as_str()).collect();
        assert_eq!(left, ["connection", "x-end"]);
    }

    #[test]
    fn a_key_becomes_the_servers_and_the_rest_of_anthropics_api_stays_here() {
        for (fields, expected) in [
            (&[("x-api-key", "K")][..], &[("authorization", "Bearer K")][..]),
            (&[("Authorization", "Bearer A")], &[("authorization", "Bearer A")]),
            (&[("x-api-key", "K"), ("Authorization", "Bearer A")], &[("authorization", "Bearer A")]),
            (&[("X-Api-Key", "\u{e9}")], &[]),
            (
                &[
                    ("Anthropic-Version", "1"),
                    ("anthropic-beta", "a"),
                    ("X-Stainless-Lang", "js"),
                    ("X-App", "cli"),
                    ("X-Claude-Code-Session-Id", "s"),
                    ("X-Application", "mine"),
                ],
                &[("x-application", "mine")],
            ),
        ] {
            let mut request = RequestHeader::build("POST", b"/", None).unwrap();
            for (name, value) in fields {
                request.append_header(*name, value.as_bytes()).unwrap();
            }
            leave_anthropic(&mut request).unwrap();
            let left = request.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
            assert_eq!(left.collect::<Vec<_>>(), expected, "{fields:?}");
        }
    }

    #[test]
    fn an_error_says_when_and_whether_to_come_back() {
        for (own, told, after, expected) in [
            (503, 529, None, (Some("1"), None)),
            (503, 529, Some("7"), (Some("7"), None)),
            (500, 400, None, (None, Some("false"))),
            (501, 400, None, (None, Some("false"))),
            (500, 500, None, (None, None)),
            (422, 400, None, (None, None)),
            (429, 429, Some("7"), (Some("7"), None)),
        ] {
            let mut response = ResponseHeader::build(told, None).unwrap();
            if let Some(seconds) = after {
                response.insert_header("Retry-After", seconds).unwrap();
            }
            say_whether_again(&mut response, own).unwrap();
            let field = |name| response.headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!((field("retry-after"), field("x-should-retry")), expected, "{own} as {told}");
        }
    }
}
