//! Text in lines of JSON: no character goes out raw at which a client's reader would cut a line.
//!
//! Readers of lines cut at more than LF: Python's `str.splitlines`, by which httpx reads, at U+0085, U+2028 and U+2029,
//! too, and at control characters, which JSON has only escaped. So white space between tokens is left out, and these
//! three are written as escapes.

use memchr::memchr2;

use crate::json::{Token, escape_into, tokens};

/// Appends what stands in a JSON string, as it is written there.
pub(super) fn copy_inside(inside: &str, out: &mut String) {
    let mut rest = inside;
    let mut from = 0;
    while let Some(at) = rest.as_bytes().get(from..).and_then(|bytes| memchr2(0xe2, 0xc2, bytes)) {
        from += at;
        let found = SEPARATORS.iter().find(|(raw, _)| rest.get(from..).is_some_and(|here| here.starts_with(raw)));
        let Some((raw, escape)) = found else {
            from += 1;
            continue;
        };
        let (before, behind) = rest.split_at(from);
        out.push_str(before);
        out.push_str(escape);
        rest = behind.get(raw.len()..).unwrap_or_default();
        from = 0;
    }
    out.push_str(rest);
}

/// Appends a text as a JSON string, quotes included.
pub(super) fn write_text(text: &str, out: &mut String) {
    let mut inside = String::with_capacity(text.len());
    escape_into(text, &mut inside);
    out.push('"');
    copy_inside(&inside, out);
    out.push('"');
}

/// Appends JSON that has been read, without white space between its tokens.
pub(super) fn write_compact(json: &str, out: &mut String) {
    for token in tokens(json) {
        match token {
            Token::Open(bracket) | Token::Close(bracket) => out.push(bracket),
            Token::Colon => out.push(':'),
            Token::Comma => out.push(','),
            Token::String(written) => copy_inside(written, out),
            Token::Scalar(written) => out.push_str(written),
        }
    }
}

/// Whether bytes can stand between the quotes of a JSON string.
pub(super) fn as_inside(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|b| *b < 0x20 || matches!(b, b'"' | b'\\')) {
        let escape = rest.get(at..)?;
        let length = match escape {
            [b'\\', b'u', digits @ ..] => digits.get(..4)?.iter().all(u8::is_ascii_hexdigit).then_some(6)?,
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            _ => return None,
        };
        rest = escape.get(length..)?;
    }
    Some(text)
}

const SEPARATORS: [(&str, &str); 3] = [("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029"), ("\u{85}", "\\u0085")];

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn what_cuts_lines_is_escaped_and_nothing_else() {
        for (inside, expected) in [
            ("", ""),
            ("plain \\n \\u00e9 é", "plain \\n \\u00e9 é"),
            ("a\u{2028}b\u{2029}\u{85}c\u{2028}", "a\\u2028b\\u2029\\u0085c\\u2028"),
            ("€ \u{2027}\u{a0}¢â\u{2028}", "€ \u{2027}\u{a0}¢â\\u2028"),
        ] {
            assert_eq!(written(|out| copy_inside(inside, out)), expected);
        }
        assert_eq!(written(|out| write_text("\"\n\u{85}", out)), "\"\\\"\\n\\u0085\"");
        let json = "{ \"a\u{2029}\" :\r\n[ 1 , \"\u{85} x\" , { } ] }";
        assert_eq!(written(|out| write_compact(json, out)), "{\"a\\u2029\":[1,\"\\u0085 x\",{}]}");
    }

    #[test]
    fn the_inside_of_a_string_is_told_from_what_is_none() {
        for inside in ["", "a é \\\" \\\\ \\/ \\b\\f\\n\\r\\t \\u00E9", "\\\\"] {
            assert_eq!(as_inside(inside.as_bytes()), Some(inside));
        }
        for inside in ["\"", "a\",\"b", "\\", "a\\\\\\", "\\x", "\\u12", "\\u12g4", "\n", "\u{1f}"] {
            assert_eq!(as_inside(inside.as_bytes()), None, "{inside:?}");
        }
        assert_eq!(as_inside(b"\xff"), None);
    }
}
