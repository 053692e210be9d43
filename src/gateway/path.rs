//! Request path, as servers understand it, whatever its spelling.
//! Knows no routes.

use pingora::http::{Method, RequestHeader};

use crate::config::{Hides, Page};

/// The path without its query, which may hold secrets.
pub fn path(request: &RequestHeader) -> &[u8] {
    let target = request.raw_path();
    target.split(|byte| *byte == b'?').next().unwrap_or(target)
}

/// The target without scheme and host, which clients send when they believe this is a forward proxy.
pub fn origin_form(request: &RequestHeader) -> Vec<u8> {
    let target = request.raw_path();
    let has_authority = !target.starts_with(b"/") && target != b"*";
    match request.uri.path_and_query().filter(|_| has_authority) {
        // Written out it begins with a slash, even where the target has none.
        Some(path) => path.to_string().into_bytes(),
        None => target.to_vec(),
    }
}

/// What is between the slashes, with `%`-escapes, empty parts, `.` and `..` resolved: servers differ in which of
/// these they take for the same page, so a page is guarded under all of its names.
#[derive(Clone, Debug, Default)]
pub struct Segments(Vec<Vec<u8>>);

impl Segments {
    /// Resolves the path of a request; its query is no part of it. A `..` that leads above the root is passed over.
    pub fn of(request: &RequestHeader) -> Self {
        let mut segments = Vec::new();
        let _ = resolve(request.uri.path(), &mut segments);
        Self(segments)
    }

    /// As they can be matched.
    pub fn list(&self) -> Vec<&[u8]> {
        self.0.iter().map(Vec::as_slice).collect()
    }
}

/// Whether the path leads out of the folder that it begins in, as servers that resolve `..` see it.
pub fn climbs(request: &RequestHeader) -> bool {
    resolve(request.uri.path(), &mut Vec::new()) == Way::Outside
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Inside,
    Outside,
}

fn resolve(path: &str, segments: &mut Vec<Vec<u8>>) -> Way {
    let mut way = Way::Inside;
    for segment in decoded(path.as_bytes()).split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." if segments.pop().is_none() => way = Way::Outside,
            b".." => {}
            segment => segments.push(segment.to_vec()),
        }
    }
    way
}

/// Whether the request is for what one of these pages hides, or for something below it. Answers which.
/// Servers give their pages a second name under `/v1` now and then, so that one is guarded too.
pub fn within<'a>(request: &RequestHeader, segments: &Segments, pages: &'a [Page]) -> Option<&'a Page> {
    let own: Vec<&[u8]> = segments.0.iter().map(|segment| without_parameters(segment)).collect();
    let own = match own.split_first() {
        Some((first, rest)) if first.eq_ignore_ascii_case(b"v1") => rest,
        _ => &own,
    };
    let covers = |page: &Page| {
        let mut rest = own.iter();
        let mut parts = page.path.split('/').filter(|part| !part.is_empty());
        parts.all(|part| rest.next().is_some_and(|segment| segment.eq_ignore_ascii_case(part.as_bytes())))
    };
    let hides = |page: &Page| page.hides == Hides::All || changes(request);
    pages.iter().find(|page| covers(page) && hides(page))
}

/// Some servers take what stands behind a `;` for parameters, and no part of the page's name.
fn without_parameters(segment: &[u8]) -> &[u8] {
    segment.split(|byte| *byte == b';').next().unwrap_or_default()
}

/// Whether a request asks for something to be done. llama.cpp reads its models anew, and ends what has changed, for
/// `GET /models?reload=1`.
fn changes(request: &RequestHeader) -> bool {
    let reads = matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let query = request.uri.query().unwrap_or_default();
    let key = |pair: &str| decoded(pair.split('=').next().unwrap_or_default().as_bytes());
    !reads || query.split('&').any(|pair| key(pair).eq_ignore_ascii_case(b"reload"))
}

/// The bytes behind `%`-escapes; what is no escape stays as it is. llama.cpp's HTTP library knows `%uXXXX` too.
pub fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if let Some((byte, behind)) = escape(first, tail) {
            out.push(byte);
            rest = behind;
        } else if let Some((char, behind)) = wide_escape(first, tail) {
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            rest = behind;
        } else {
            out.push(first);
        }
    }
    out
}

fn escape(first: u8, text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, behind) = text.split_at_checked(2).filter(|_| first == b'%')?;
    Some((u8::try_from(hexadecimal(digits)?).ok()?, behind))
}

fn wide_escape(first: u8, text: &[u8]) -> Option<(char, &[u8])> {
    let digits = text.strip_prefix(b"u").filter(|_| first == b'%')?;
    let (digits, behind) = digits.split_at_checked(4)?;
    Some((char::from_u32(hexadecimal(digits)?)?, behind))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

/// Puts a parameter before those that a request's query has: servers go by the first of a name.
pub fn add_query(request: &mut RequestHeader, parameter: &str) -> pingora::Result<()> {
    let target = request.raw_path();
    let (path, query) = match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (target.get(..at).unwrap_or(target), target.get(at + 1..).unwrap_or_default()),
        None => (target, &b""[..]),
    };
    let mut with = [path, b"?", parameter.as_bytes()].concat();
    if !query.is_empty() {
        with.push(b'&');
        with.extend_from_slice(query);
    }
    request.set_raw_path(&with)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_loses_scheme_and_host() {
        for (target, expected) in [
            ("/a%20b//c?d", "/a%20b//c?d"),
            ("//h/a", "//h/a"),
            ("http://h/a?b", "/a?b"),
            ("http://h", "/"),
            ("h:80", "/"),
            ("?b", "/?b"),
            ("*", "*"),
        ] {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            request.set_raw_path(target.as_bytes()).unwrap();
            assert_eq!(origin_form(&request), expected.as_bytes(), "{target}");
        }
    }

    #[test]
    fn a_page_is_found_under_all_of_its_names() {
        let page = |path, hides| Page { path, hides };
        let pages = [page("/slots", Hides::All), page("/models", Hides::Changes), page("/models/load", Hides::All)];
        for (target, expected) in [
            ("/slots", Some("/slots")),
            ("/slots?model=x", Some("/slots")),
            ("/slots/0?action=save", Some("/slots")),
            ("/slots/", Some("/slots")),
            ("//slots", Some("/slots")),
            ("/./slots", Some("/slots")),
            ("/x/../slots", Some("/slots")),
            ("/x%2f..%2fslots", Some("/slots")),
            ("/../../slots", Some("/slots")),
            ("/%73lots", Some("/slots")),
            ("/SLOTS", Some("/slots")),
            ("http://host/slots", Some("/slots")),
            ("/models/load", Some("/models/load")),
            ("/%u0073lots", Some("/slots")),
            ("/%u0053%4C%u006fts/0", Some("/slots")),
            ("/slots;x=1", Some("/slots")),
            ("/slots;x/0", Some("/slots")),
            ("/slots#/../models", Some("/slots")),
            ("/v1/slots", Some("/slots")),
            ("/V1//slots/", Some("/slots")),
            ("/models?reload=1", Some("/models")),
            ("/v1/models?x&%72eload", Some("/models")),
            ("/models", None),
            ("/models?reloaded=1", None),
            ("/models/loaded", None),
            ("/slotsx", None),
            ("/x/slots", None),
            ("/v1/v1/slots", None),
            ("/%u007slots", None),
            ("/%ud800slots", None),
            ("/%zzslots", None),
            ("/", None),
            ("*", None),
        ] {
            let request = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
            assert_eq!(within(&request, &Segments::of(&request), &pages).map(|page| page.path), expected, "{target}");
        }
        for (method, expected) in [("POST", Some("/models")), ("DELETE", Some("/models")), ("HEAD", None)] {
            let request = RequestHeader::build(method, b"/v1/models/x", None).unwrap();
            assert_eq!(within(&request, &Segments::of(&request), &pages).map(|page| page.path), expected, "{method}");
        }
    }

    #[test]
    fn a_path_that_leaves_its_folder_is_seen() {
        for (target, expected) in [
            ("/a/../b", false),
            ("/a/..", false),
            ("/..", true),
            ("/a/../../a", true),
            ("/%2e%2e%2fa", true),
            ("*", false),
        ] {
            let request = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
            assert_eq!(climbs(&request), expected, "{target}");
        }
    }

    #[test]
    fn escapes_are_resolved_once() {
        for (text, expected) in [
            ("a%20b", "a b"),
            ("%2573", "%73"),
            ("%", "%"),
            ("%4", "%4"),
            ("%+1", "%+1"),
            ("%2F%2f", "//"),
            ("%u00e9", "é"),
        ] {
            assert_eq!(decoded(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }
}
