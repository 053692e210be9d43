//! Whole arguments, as a client keeps them, to an object that parses.
//! Does not know of tools: what is no object is kept as a member of one.

use super::{Behind, Mode, Progress, Repair, Syntax, Untyped, Words};
use crate::json::{unescape_into, write_string};
use crate::scan::FirstBytes;

/// The object that `text` means.
///
/// An object comes back unchanged, mended where it does not parse, and closed where it was cut off.
/// A string that holds an object is that object; `null` and nothing are the empty one. Anything else is no object, and
/// becomes the member `arguments` of one: mended if it is JSON, a string of its source if it is not.
pub fn object(text: &str, depth_max: usize) -> String {
    let text = text.trim();
    if matches!(text, "" | "null" | "None" | "\"\"") {
        return "{}".into();
    }
    let opener = text.chars().next();
    if opener == Some('{') {
        return first(text, depth_max).0;
    }
    let mut member = String::new();
    match first(text, depth_max) {
        (json, "") if opener == Some('"') => {
            let mut inner = String::new();
            let inside = crate::json::inside(&json).and_then(|inside| unescape_into(inside, &mut inner));
            if inside.is_some() && inner.trim_start().starts_with('{') {
                return first(inner.trim(), depth_max).0;
            }
            member = json;
        }
        (json, "") if opener == Some('[') || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => {
            member = json;
        }
        _ => write_string(text, &mut member),
    }
    format!("{{\"{MEMBER}\":{member}}}")
}

/// The key under which arguments stand that are no object.
const MEMBER: &str = "arguments";
/// Bytes of a word or key that are kept undecided.
const WORD_BYTES_MAX: usize = 64 << 10;

/// The value that `text` begins with, mended and closed, and what stands behind it.
pub fn first(text: &str, depth_max: usize) -> (String, &str) {
    let syntax = Syntax {
        types: &Untyped,
        closers: &[],
        openers: &[],
        quote: None,
        end_tokens: &[],
        first_bytes: &FirstBytes::NONE,
        behind: Behind::nothing(),
        outer: 0,
        calls: None,
        words: Words::Unreadable,
        mode: Mode::Total,
        depth_max,
        word_max: WORD_BYTES_MAX,
    };
    let (mut repair, mut out) = (Repair::new(()), String::with_capacity(text.len()));
    let progress = repair.push(text, &syntax, &mut out);
    repair.close(&syntax, &mut out);
    let read = if let Progress::Done(read) = progress { read } else { text.len() };
    (out, text.get(read..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_arguments_become_an_object() {
        for (text, expected) in [
            (r#"{"a": 1, "b":[ ]}"#, r#"{"a": 1, "b":[ ]}"#),
            ("{ }", "{ }"),
            // Cut off.
            (r#"{"city": "Par"#, r#"{"city": "Par"}"#),
            (r#"{"city": "Par\"#, r#"{"city": "Par"}"#),
            (r#"{"a": [1, {"b": "c"#, r#"{"a": [1, {"b": "c"}]}"#),
            (r#"{"a": 1, "#, r#"{"a": 1}"#),
            ("{", "{}"),
            // Unsound.
            ("{'a': True, b: 2,}", r#"{"a": true, "b": 2}"#),
            (r#"{"a": 1}} x"#, r#"{"a": 1}"#),
            // In a string, or none at all.
            (r#""{\"a\": \"é\"}""#, r#"{"a": "é"}"#),
            ("", "{}"),
            (" null ", "{}"),
            (r#""""#, "{}"),
            // No object.
            ("[1, 2]", r#"{"arguments":[1, 2]}"#),
            ("7", r#"{"arguments":7}"#),
            (r#""now""#, r#"{"arguments":"now"}"#),
            ("ls -l \"x\"", r#"{"arguments":"ls -l \"x\""}"#),
            ("[a](b)", r#"{"arguments":"[a](b)"}"#),
        ] {
            let object = object(text, 8);
            assert_eq!(object, expected, "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(&object).is_ok_and(|value| value.is_object()), "{text}");
        }
        assert_eq!(object(r#"{"a":{"b":{"c":1}}}"#, 2), r#"{"a":{"b":"{\"c\":1}"}}"#);
    }
}
