//! Tokens of a JSON text, and the text written anew with other white space.
//! Takes the text to be JSON; of what is not, it makes something or other, and ends.

use std::borrow::Cow;

use super::part::string_length;
use super::{string, write_string};

/// One token of a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// `{` or `[`.
    Open(char),
    /// `}` or `]`.
    Close(char),
    Colon,
    Comma,
    /// A string as it was written, quotes included.
    String(&'a str),
    /// A number or a literal, as it was written.
    Scalar(&'a str),
}

/// White space between tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// One line, with a space behind each comma and colon, as chat templates write it.
    Line,
    /// A member a line, indented by four, as chat templates do it with `indent=4`.
    Indented,
}

/// The tokens of a JSON text.
pub fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        let first = rest.chars().next()?;
        let length = match first {
            '"' => string_length(rest),
            '{' | '[' | '}' | ']' | ':' | ',' => 1,
            _ => rest.find(|c: char| c.is_ascii_whitespace() || "{}[]:,\"".contains(c)).unwrap_or(rest.len()),
        };
        let (token, tail) = rest.split_at_checked(length)?;
        rest = tail;
        Some(match first {
            '"' => Token::String(token),
            '{' | '[' => Token::Open(first),
            '}' | ']' => Token::Close(first),
            ':' => Token::Colon,
            ',' => Token::Comma,
            _ => Token::Scalar(token),
        })
    })
}

/// Appends a JSON text with this white space and with no escapes but those that JSON demands.
pub fn write_spaced(text: &str, spacing: Spacing, out: &mut String) {
    let mut depth = 0;
    let mut tokens = tokens(text).peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Open(bracket) => {
                out.push(bracket);
                depth += 1;
                if !matches!(tokens.peek(), Some(Token::Close(_))) {
                    break_line(spacing, depth, "", out);
                }
            }
            Token::Close(bracket) => {
                depth = depth.saturating_sub(1);
                if !out.ends_with(['{', '[']) {
                    break_line(spacing, depth, "", out);
                }
                out.push(bracket);
            }
            Token::Comma => {
                out.push(',');
                break_line(spacing, depth, " ", out);
            }
            Token::Colon => out.push_str(": "),
            Token::String(written) => write_plain(written, out),
            Token::Scalar(written) => out.push_str(written),
        }
    }
}

/// Appends a string token without needless escapes. Half a surrogate pair, which no text can hold, stays escaped.
fn write_plain(written: &str, out: &mut String) {
    match string(written) {
        // Nothing in it is escaped, so nothing has to be.
        Some(Cow::Borrowed(_)) | None => out.push_str(written),
        Some(Cow::Owned(text)) => write_string(&text, out),
    }
}

fn break_line(spacing: Spacing, depth: usize, otherwise: &str, out: &mut String) {
    match spacing {
        Spacing::Line => out.push_str(otherwise),
        Spacing::Indented => {
            out.push('\n');
            out.extend(std::iter::repeat_n("    ", depth));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaced(text: &str, spacing: Spacing) -> String {
        let mut out = String::new();
        write_spaced(text, spacing, &mut out);
        out
    }

    #[test]
    fn one_line() {
        let table = [
            (r#"{"a":1,"b":[ ],"c":{}}"#, r#"{"a": 1, "b": [], "c": {}}"#),
            ("{\n \"a\" : [1e999,\t-0.50, true ] }", r#"{"a": [1e999, -0.50, true]}"#),
            (r#"{"h\u00e0":"\u003cb\u003e \"q\" \\ \n","x":"{,:}"}"#, r#"{"hà": "<b> \"q\" \\ \n", "x": "{,:}"}"#),
            (r#"["\ud800"]"#, r#"["\ud800"]"#),
            (r#""x""#, r#""x""#),
        ];
        for (text, expected) in table {
            assert_eq!(spaced(text, Spacing::Line), expected);
        }
    }

    #[test]
    fn indented() {
        let text = r#"{"a":{"b":[1,{}],"c":[]}}"#;
        let expected = "{\n    \"a\": {\n        \"b\": [\n            1,\n            {}\n        ],\n        \"c\": []\n    }\n}";
        assert_eq!(spaced(text, Spacing::Indented), expected);
    }

    #[test]
    fn what_is_not_json_ends() {
        for text in ["\"", "\"\\", "\"\\é", "{\"a", "é{\u{a0}", "}}]", "\u{b}"] {
            let _ = spaced(text, Spacing::Indented);
        }
    }
}
