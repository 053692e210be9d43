//! A request's path as servers understand it, whatever its spelling.
//! Knows no routes.

use pingora::http::RequestHeader;

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
pub fn segments(request: &RequestHeader) -> Vec<Vec<u8>> {
    let target = request.uri.path();
    let decoded = decoded(target.as_bytes());
    let mut segments = Vec::new();
    for segment in decoded.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            segment => segments.push(segment.to_vec()),
        }
    }
    segments
}

/// Whether the request is for one of these pages, or for something below it. Answers which.
pub fn within<'a>(request: &RequestHeader, pages: &[&'a str]) -> Option<&'a str> {
    let segments = segments(request);
    let covers = |page: &str| {
        let mut parts = page.split('/').filter(|part| !part.is_empty());
        let mut rest = segments.iter();
        parts.all(|part| rest.next().is_some_and(|segment| segment.eq_ignore_ascii_case(part.as_bytes())))
    };
    pages.iter().copied().find(|page| covers(page))
}

/// The bytes behind `%`-escapes; what is no escape stays as it is.
pub fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = if first == b'%' { escape(tail) } else { None };
        let (byte, behind) = escaped.unwrap_or((first, tail));
        out.push(byte);
        rest = behind;
    }
    out
}

fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, behind) = text.split_at_checked(2)?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u8::from_str_radix(digits, 16).ok()?, behind))
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
        let pages = ["/slots", "/models/load"];
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
            ("/models", None),
            ("/models/loaded", None),
            ("/slotsx", None),
            ("/v1/slots", None),
            ("/%zzslots", None),
            ("/", None),
            ("*", None),
        ] {
            let request = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
            assert_eq!(within(&request, &pages), expected, "{target}");
        }
    }

    #[test]
    fn escapes_are_resolved_once() {
        for (text, expected) in
            [("a%20b", "a b"), ("%2573", "%73"), ("%", "%"), ("%4", "%4"), ("%+1", "%+1"), ("%2F%2f", "//")]
        {
            assert_eq!(decoded(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }
}
