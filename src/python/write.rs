//! JSON as Python writes it: strings as `repr` shows them, and its own words for `true`, `false` and `null`.
//! Takes what it is given to be JSON; of what is not, it makes something or other, and ends.

use crate::json::{Token, string, tokens};

/// Appends a string: between single quotes, unless it holds some and no double ones.
pub fn write_text(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        if c == quote {
            out.push('\\');
        }
        write_char(c, out);
    }
    out.push(quote);
}

/// Appends a character as it stands in a string, whatever quotes that has.
pub fn write_char(c: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c => out.push(c),
    }
}

/// Appends a JSON value as a literal. Numbers keep their spelling.
pub fn write_json(json: &str, out: &mut String) {
    for token in tokens(json) {
        match token {
            Token::Open(bracket) | Token::Close(bracket) => out.push(bracket),
            Token::Colon => out.push_str(": "),
            Token::Comma => out.push_str(", "),
            Token::Scalar("true") => out.push_str("True"),
            Token::Scalar("false") => out.push_str("False"),
            Token::Scalar("null") => out.push_str("None"),
            Token::Scalar(number) => out.push_str(number),
            Token::String(written) => match string(written) {
                Some(text) => write_text(&text, out),
                // Half a surrogate pair, which no text can hold: its escape means the same in both.
                None => out.push_str(written),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_pythons() {
        for (json, expected) in [
            (r#""a""#, "'a'"),
            (r#""it's""#, r#""it's""#),
            (r#""\"it's\"""#, r#"'"it\'s"'"#),
            (r#""a\\d\n\t\u0000\u007fé😀\/""#, r"'a\\d\n\t\x00\x7fé😀/'"),
            (r#""\ud800""#, r#""\ud800""#),
            (r#"{"a" :[1.50,-2e9, true,false,null ],"":{}}"#, "{'a': [1.50, -2e9, True, False, None], '': {}}"),
        ] {
            let mut out = String::new();
            write_json(json, &mut out);
            assert_eq!(out, expected, "{json}");
        }
    }
}
