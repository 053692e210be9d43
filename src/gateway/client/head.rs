//! Whether a request's head may be read at all, and how the body behind it is framed.
//! Knows no route. What Pingora reads differently from other servers is refused here, as nginx refuses it; what
//! Pingora itself refuses may pass.

use bytes::Bytes;
use memchr::memchr_iter;

use crate::gateway::fault::Fault;
use crate::gateway::headers::is_fit_id;

/// As many fields as Pingora reads.
const FIELDS_MAX: usize = 256;
/// A refused request's path stands in the log.
const SHOWN_BYTES_MAX: usize = 256;
/// What a method is called that cannot be shown.
const NO_METHOD: &str = "-";
/// More than anybody sends while the refusal is on its way.
const LINGERING_BYTES: u64 = 1 << 40;

/// A head that may be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub bytes: Bytes,
    pub body: Framing,
}

/// How much of what follows a head belongs to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
    /// All of it: the request asks for a tunnel, or Pingora is to say what is wrong.
    Open,
}

/// What is known of a head that may not be read.
#[derive(Debug)]
pub struct Refused {
    pub fault: Fault,
    /// Method and path.
    line: String,
    /// The field of the client's own id, if it has one.
    id: String,
}

/// What becomes of what a refused client still sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It is listened to for a moment: closing at once could take the answer with it.
    Heard,
    Ignored,
}

impl Refused {
    /// `head` is what came of it.
    pub fn new(fault: Fault, head: &[u8]) -> Self {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut words = line.split(|byte| *byte == b' ');
        let method = words.next().unwrap_or_default();
        let path = words.next().unwrap_or_default();
        let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        let is_shown = is_method(method) && method.len() <= 16 && method != b"CONNECT";
        let method = if is_shown { String::from_utf8_lossy(method).into_owned() } else { NO_METHOD.to_owned() };
        let path = path.get(..SHOWN_BYTES_MAX.min(path.len())).unwrap_or_default();
        let is_path = path.starts_with(b"/") && path.iter().all(u8::is_ascii_graphic);
        let path = if is_path { String::from_utf8_lossy(path).into_owned() } else { "/".to_owned() };
        Self { fault, line: format!("{method} {path}"), id: id_field(head) }
    }

    /// The shortest head that says as much of it. Its request ends in the first of the gateway's phases.
    pub fn shown(&self, rest: Rest) -> Bytes {
        let length = match rest {
            Rest::Heard => LINGERING_BYTES,
            Rest::Ignored => 0,
        };
        let Self { line, id, .. } = self;
        format!("{line} HTTP/1.1\r\nHost: -\r\n{id}Connection: close\r\nContent-Length: {length}\r\n\r\n").into()
    }
}

/// The whole line of the client's id, where that is fit to be shown. A head that was refused may have any form, so it
/// is looked for line by line; the last may not have come to its end.
fn id_field(head: &[u8]) -> String {
    let mut lines = head.split_inclusive(|byte| *byte == b'\n').skip(1).filter_map(|line| line.strip_suffix(b"\n"));
    let id = lines.find_map(|line| {
        let (name, value) = line.split_at_checked("x-request-id:".len())?;
        name.eq_ignore_ascii_case(b"x-request-id:").then(|| value.trim_ascii())
    });
    let id = id.and_then(|id| std::str::from_utf8(id).ok()).filter(|id| is_fit_id(id));
    id.map_or_else(String::new, |id| format!("X-Request-Id: {id}\r\n"))
}

/// Reads a whole head.
pub fn read(head: Bytes) -> Result<Head, Refused> {
    match check(&head) {
        Ok((body, host)) => {
            let bytes = host.map_or_else(|| head.clone(), |host| with_host(&head, &host));
            Ok(Head { bytes, body })
        }
        Err(fault) => Err(Refused::new(fault, &head)),
    }
}

/// The body's framing, and what `Host` is to say where the target says it. Fails with what is wrong.
fn check(head: &[u8]) -> Result<(Framing, Option<Vec<u8>>), Fault> {
    let line_end = memchr_iter(b'\n', head).next().map_or(head.len(), |at| at + 1);
    let (line, rest) = head.split_at(line_end);
    let line = Line::read(line.strip_suffix(b"\n").unwrap_or(line))?;
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let fields = match httparse::parse_headers(rest, &mut fields) {
        Ok(httparse::Status::Complete((_, fields))) => fields,
        Ok(httparse::Status::Partial) => return Err(bad("its head has no end")),
        Err(httparse::Error::TooManyHeaders) => {
            let fields = memchr_iter(b'\n', rest).count().saturating_sub(1);
            return Err(Fault::TooManyFields { fields, fields_max: FIELDS_MAX });
        }
        Err(e) => return Err(Fault::BadRequest(e.to_string())),
    };
    let all = |name: &'static str| {
        fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    };
    let (mut hosts, codings, mut lengths) = (all("host"), all("transfer-encoding"), all("content-length"));
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad("it has more than one `Host`"));
    }
    if line.is_1_1 && host.is_none_or(<[u8]>::is_empty) {
        return Err(bad("it has no `Host`"));
    }
    let codings: Vec<_> = codings.collect();
    let framing = match (codings.as_slice(), lengths.next()) {
        ([_, ..], Some(_)) => return Err(bad("it has both `Transfer-Encoding` and `Content-Length`")),
        // Several fields are one list (RFC 9110, section 5.3).
        ([_, ..], None) => chunked(&codings.join(&b", "[..]), head)?,
        // Pingora reads several that agree as one, and refuses any other.
        ([], Some(length)) => first_number(length).map_or(Framing::Open, Framing::Length),
        ([], None) => Framing::Length(0),
    };
    let is_websocket = all("upgrade").any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
    let framing = if is_websocket && line.is_1_1 && line.method == b"GET" { Framing::Open } else { framing };
    let authority = line.authority().filter(|authority| host.is_some_and(|host| host != *authority));
    Ok((framing, authority.map(<[u8]>::to_vec)))
}

/// Chunked and nothing else; any other coding would be lost on the way.
fn chunked(coding: &[u8], head: &[u8]) -> Result<Framing, Fault> {
    let is_chunked = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    let mut codings = coding.rsplit(|byte| *byte == b',');
    if !codings.next().is_some_and(is_chunked) {
        return Err(bad("its body has no end: the last coding is not `chunked`"));
    }
    if codings.any(is_chunked) {
        return Err(bad("its body is `chunked` twice"));
    }
    // A tab before it is valid, and read differently by servers; `httparse` takes it away.
    let has_tab = head.split(|byte| *byte == b'\n').any(|line| {
        let (name, value) = line.split_at_checked("transfer-encoding:".len()).unwrap_or_default();
        name.eq_ignore_ascii_case(b"transfer-encoding:") && value.contains(&b'\t')
    });
    if has_tab || !coding.eq_ignore_ascii_case(b"chunked") {
        return Err(Fault::UnknownCoding);
    }
    Ok(Framing::Chunked)
}

/// A request's first line.
struct Line<'a> {
    method: &'a [u8],
    target: &'a [u8],
    is_1_1: bool,
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Result<Self, Fault> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let method_end = line.iter().position(|byte| *byte == b' ');
        let target_end = line.iter().rposition(|byte| *byte == b' ');
        let (Some(method_end), Some(target_end)) = (method_end, target_end) else {
            return Err(bad("its first line is not method, target and version"));
        };
        let method = line.get(..method_end).unwrap_or_default();
        let target = line.get(method_end + 1..target_end).unwrap_or_default();
        let version = line.get(target_end + 1..).unwrap_or_default();
        if !is_method(method) {
            return Err(bad("its method is none"));
        }
        if matches!(method, b"TRACE" | b"CONNECT") {
            return Err(Fault::Method(String::from_utf8_lossy(method).into_owned()));
        }
        let is_1_1 = match version {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            _ => return Err(bad("its version is neither HTTP/1.1 nor HTTP/1.0")),
        };
        let line = Self { method, target, is_1_1 };
        let is_asterisk = target == b"*" && method == b"OPTIONS";
        if !target.starts_with(b"/") && !is_asterisk && line.authority().is_none_or(<[u8]>::is_empty) {
            return Err(bad("its target is neither a path nor a URL"));
        }
        if target.iter().any(u8::is_ascii_control) {
            return Err(bad("its target has a control character in it"));
        }
        Ok(line)
    }

    /// Host and port of a target that is a whole URL.
    fn authority(&self) -> Option<&'a [u8]> {
        let scheme_end = self.target.windows(3).position(|bytes| bytes == b"://")?;
        let (scheme, rest) = self.target.split_at(scheme_end);
        let is_scheme = !scheme.is_empty() && scheme.iter().all(u8::is_ascii_alphabetic);
        let rest = rest.get(3..).filter(|_| is_scheme)?;
        rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next()
    }
}

/// As nginx has it: no other is in use.
fn is_method(method: &[u8]) -> bool {
    !method.is_empty() && method.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'))
}

fn first_number(lengths: &[u8]) -> Option<u64> {
    let first = lengths.split(|byte| *byte == b',').next()?.trim_ascii();
    std::str::from_utf8(first).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// The same head with another `Host`.
fn with_host(head: &[u8], host: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(head.len() + host.len());
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"host:")) {
            out.extend_from_slice(&[b"Host: ", host, b"\r\n"].concat());
        } else {
            out.extend_from_slice(line);
        }
    }
    out.into()
}

fn bad(what: &str) -> Fault {
    Fault::BadRequest(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_head(head: &str) -> Result<(Framing, String), u16> {
        let head = read(Bytes::copy_from_slice(head.as_bytes())).map_err(|refused| refused.fault.status())?;
        Ok((head.body, String::from_utf8(head.bytes.to_vec()).unwrap()))
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for (line, fields, expected) in [
            ("GET / HTTP/1.1", "Host: h\r\n", Ok(Framing::Length(0))),
            ("GET / HTTP/1.0", "", Ok(Framing::Length(0))),
            ("OPTIONS * HTTP/1.1", "host:h\r\n", Ok(Framing::Length(0))),
            ("POST /a?b#c HTTP/1.1", "Host: h\r\nContent-Length: 27\r\n", Ok(Framing::Length(27))),
            ("M-SEARCH / HTTP/1.1", "Host: h\r\nContent-Length: 27, 27\r\n", Ok(Framing::Length(27))),
            ("POST / HTTP/1.1", "Host: h\r\nContent-Length: -1\r\n", Ok(Framing::Open)),
            ("POST / HTTP/1.1", "Host: h\r\nTransfer-Encoding: Chunked\r\n", Ok(Framing::Chunked)),
            ("GET / HTTP/1.1", "Host: h\r\nUpgrade: websocket\r\n", Ok(Framing::Open)),
            ("GET / HTTP/1.1", "Host: h\r\nUpgrade: h2c\r\n", Ok(Framing::Length(0))),
            ("GET / HTTP/1.1", "", Err(400)),
            ("GET / HTTP/1.1", "Host:\r\n", Err(400)),
            ("GET / HTTP/1.1", "Host: h\r\nHost: h\r\n", Err(400)),
            ("TRACE / HTTP/1.1", "Host: h\r\n", Err(405)),
            ("CONNECT h:80 HTTP/1.1", "Host: h:80\r\n", Err(405)),
            ("get / HTTP/1.1", "Host: h\r\n", Err(400)),
            ("FOO!#$ / HTTP/1.1", "Host: h\r\n", Err(400)),
            ("GET props HTTP/1.1", "Host: h\r\n", Err(400)),
            ("GET * HTTP/1.1", "Host: h\r\n", Err(400)),
            ("GET http:///a HTTP/1.1", "Host: h\r\n", Err(400)),
            ("GET /a\0b HTTP/1.1", "Host: h\r\n", Err(400)),
            ("GET /a\tb HTTP/1.1", "Host: h\r\n", Err(400)),
            ("GET / HTTP/2.0", "Host: h\r\n", Err(400)),
            ("GET /", "Host: h\r\n", Err(400)),
            ("\u{16}\u{3}\u{1}", "", Err(400)),
            ("POST / HTTP/1.1", "Host: h\r\nTransfer-Encoding: gzip, chunked\r\n", Err(501)),
            ("POST / HTTP/1.1", "Host: h\r\nTransfer-Encoding:\tchunked\r\n", Err(501)),
            ("POST / HTTP/1.1", "Host: h\r\nTransfer-Encoding: xchunked\r\n", Err(400)),
            ("POST / HTTP/1.1", "Host: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", Err(400)),
            ("POST / HTTP/1.1", "Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(400)),
            ("POST / HTTP/1.1", "Host: h\r\nTransfer-Encoding: chunked, Chunked\r\n", Err(400)),
            ("POST / HTTP/1.1", "Host: h\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Err(501)),
            ("POST / HTTP/1.1", "Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", Err(400)),
            ("POST / HTTP/1.1", "Host: h\r\nTransfer-Encoding: \r\nTransfer-Encoding: chunked\r\n", Err(501)),
            ("GET / HTTP/1.1", "Host: h\r\nno colon\r\n", Err(400)),
            ("GET / HTTP/1.1", "Host: h\r\nA: b\r\n c\r\n", Err(400)),
            ("GET / HTTP/1.1", &format!("Host: h\r\n{}", "A: b\r\n".repeat(256)), Err(431)),
        ] {
            let head = format!("{line}\r\n{fields}\r\n");
            let expected = expected.map(|framing| (framing, head.clone()));
            assert_eq!(read_head(&head), expected, "{head:?}");
        }
    }

    #[test]
    fn the_target_s_host_counts() {
        for (target, host, expected) in [
            ("http://h/a", "x", "h"),
            ("http://h:80/a", "h", "h:80"),
            ("https://h?a", "h", "h"),
            ("http://h", "H", "h"),
        ] {
            let (_, read) = read_head(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nA: b\r\n\r\n")).unwrap();
            assert_eq!(read, format!("GET {target} HTTP/1.1\r\nHost: {expected}\r\nA: b\r\n\r\n"));
        }
    }

    #[test]
    fn a_refused_head_keeps_its_id() {
        let long = format!("\r\nX-Request-Id: {}\r\n", "x".repeat(129));
        for (fields, expected) in [
            ("\r\nA: b\r\nx-request-id:  mine-1 \r\nno colon\r\n\r\n", "X-Request-Id: mine-1\r\n"),
            ("\nX-Request-Id:a\n\n", "X-Request-Id: a\r\n"),
            ("\r\nX-Request-Id: cut o", ""),
            ("\r\nX-Request-Id: a b\r\n\r\n", ""),
            ("\r\nX-Request-Id: a\rb\r\n\r\n", ""),
            ("\r\nX-Request-Id:\r\n\r\n", ""),
            (&long, ""),
        ] {
            let refused = Refused::new(bad("x"), format!("TRACE / HTTP/1.1{fields}").as_bytes());
            let shown = String::from_utf8(refused.shown(Rest::Ignored).to_vec()).unwrap();
            assert!(shown.starts_with(&format!("TRACE / HTTP/1.1\r\nHost: -\r\n{expected}Connection:")), "{fields:?}");
        }
    }

    #[test]
    fn of_a_refused_head_only_what_is_fit_for_a_log_is_shown() {
        for (head, expected) in [
            ("GET /a?key=1 HTTP/1.1\r\n", "GET /a"),
            ("TRACE /a HTTP/1.1", "TRACE /a"),
            ("CONNECT h:80 HTTP/1.1", "- /"),
            ("get /\u{7f} HTTP/1.1", "- /"),
            ("", "- /"),
        ] {
            let shown = Refused::new(bad("x"), head.as_bytes()).shown(Rest::Ignored);
            assert!(shown.starts_with(format!("{expected} HTTP/1.1\r\n").as_bytes()), "{head:?}");
        }
    }
}
