//! Text as it stands between the quotes of a JSON string. What a client wrote goes on in the letters in which it wrote it.

use std::borrow::Cow;

use crate::json::{Token, escape_into, inside, tokens, unescape_into};

/// A text of ours, as it stands within quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(text, &mut out);
    out
}

/// What a text within quotes says. Half a surrogate pair is U+FFFD.
pub(super) fn said(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut text = String::new();
    match unescape_into(inside, &mut text) {
        Some(()) => Cow::Owned(text),
        None => Cow::Borrowed(inside),
    }
}

/// JSON that has been read, without white space between its tokens, and without the members whose keys begin so, if any.
pub(super) fn compact(json: &str, dropped: Option<&str>) -> String {
    let mut out = String::with_capacity(json.len());
    let mut tokens = tokens(json).peekable();
    while let Some(token) = tokens.next() {
        let is_key = matches!(token, Token::String(_)) && matches!(tokens.peek(), Some(Token::Colon));
        if let (Token::String(written), Some(dropped), true) = (token, dropped, is_key) {
            let key = said(inside(written).unwrap_or_default());
            if key.starts_with(dropped) {
                tokens.next();
                skip_value(&mut tokens);
                // One comma goes with it: the one behind, or where none follows the one before.
                if tokens.next_if(|token| *token == Token::Comma).is_none() && out.ends_with(',') {
                    out.pop();
                }
                continue;
            }
        }
        match token {
            Token::Open(bracket) | Token::Close(bracket) => out.push(bracket),
            Token::Colon => out.push(':'),
            Token::Comma => out.push(','),
            Token::String(written) | Token::Scalar(written) => out.push_str(written),
        }
    }
    out
}

fn skip_value<'a>(tokens: &mut impl Iterator<Item = Token<'a>>) {
    let mut depth = 0_usize;
    for token in tokens {
        match token {
            Token::Open(_) => depth += 1,
            Token::Close(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_without_white_space_and_without_dropped_members() {
        for (json, expected) in [
            ("[ 1 , \"a b\" , { } ]", "[1,\"a b\",{}]"),
            ("{ \"e_a\" : 1 }", "{}"),
            ("{\"e_a\":{\"x\":[1,2]},\"b\":\"e_\"}", "{\"b\":\"e_\"}"),
            ("{\"b\":[ \"e_\" ],\"e_a\":[[]],\"c\":1.0}", "{\"b\":[\"e_\"],\"c\":1.0}"),
            ("{\"b\":2,\"\\u0065_a\":\"x\"}", "{\"b\":2}"),
            ("[{\"e_1\":1,\"e_2\":2},{\"c\":3,\"e_1\":1,\"e_2\":2}]", "[{},{\"c\":3}]"),
        ] {
            assert_eq!(compact(json, Some("e_")), expected);
        }
        assert_eq!(compact("{ \"e_a\" : 1 }", None), "{\"e_a\":1}");
    }

    #[test]
    fn text_is_read_and_written() {
        assert_eq!(escaped("a\"\n"), "a\\\"\\n");
        for (inside, text) in [("a b", "a b"), ("\\u0061\\n", "a\n"), ("\\ud800x", "\u{fffd}x")] {
            assert_eq!(said(inside), text);
        }
    }
}
