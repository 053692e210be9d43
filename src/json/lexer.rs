//! Tokens of a JSON text that comes in pieces; strings come in pieces, too, but keys whole.
//! Takes the text to be JSON; of what is not, it makes something or other, and ends.

use std::borrow::Cow;

/// A part of a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// `{` or `[`.
    Open(char),
    /// `}` or `]`.
    Close(char),
    Colon,
    Comma,
    /// White space between tokens.
    Space(&'a str),
    /// What stands between the quotes of a member's key, whole.
    Key(&'a str),
    /// A number or a literal, whole.
    Scalar(&'a str),
    /// The quote before a string.
    Quote,
    /// What stands in a string, as it was written; no escape is cut in two, nor a pair of surrogates.
    Inside(&'a str),
    /// The quote behind a string.
    Unquote,
}

/// Reads a JSON text piece by piece.
#[derive(Debug, Default)]
pub struct Lexer {
    place: Place,
    /// The brackets that are open.
    open: Vec<char>,
    /// Whether the next string of an object is a key.
    is_key_next: bool,
    /// A scalar, a key, or an escape, that may go on.
    held: String,
}

/// Where in the text a piece ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Between,
    Scalar,
    Key,
    String,
}

impl Lexer {
    /// Takes the next piece.
    pub fn push(&mut self, piece: &str, sink: &mut impl FnMut(Part<'_>)) {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = match self.place {
                Place::Between => self.between(rest, sink),
                Place::Scalar => self.scalar(rest, sink),
                Place::Key => self.key(rest, sink),
                Place::String => self.string(rest, sink),
            };
        }
    }

    /// The text ends: what was held comes out.
    pub fn finish(&mut self, sink: &mut impl FnMut(Part<'_>)) {
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Scalar => sink(Part::Scalar(&held)),
            Place::Key => sink(Part::Key(&held)),
            Place::String if !held.is_empty() => sink(Part::Inside(&held)),
            Place::String | Place::Between => {}
        }
        self.place = Place::Between;
    }

    /// How many brackets are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    fn between<'a>(&mut self, text: &'a str, sink: &mut impl FnMut(Part<'_>)) -> &'a str {
        let space = text.len() - text.trim_ascii_start().len();
        if space > 0 {
            let (space, rest) = text.split_at(space);
            sink(Part::Space(space));
            return rest;
        }
        let mut chars = text.chars();
        let Some(first) = chars.next() else { return "" };
        match first {
            '"' if self.is_key_next => self.place = Place::Key,
            '"' => {
                self.place = Place::String;
                sink(Part::Quote);
            }
            '{' | '[' => {
                self.open.push(first);
                sink(Part::Open(first));
            }
            '}' | ']' => {
                self.open.pop();
                sink(Part::Close(first));
            }
            ':' => sink(Part::Colon),
            ',' => sink(Part::Comma),
            _ => {
                self.place = Place::Scalar;
                return text;
            }
        }
        self.is_key_next = matches!(first, '{' | ',') && self.open.last() == Some(&'{');
        chars.as_str()
    }

    fn scalar<'a>(&mut self, text: &'a str, sink: &mut impl FnMut(Part<'_>)) -> &'a str {
        let Some(end) = text.find(|c: char| c.is_ascii_whitespace() || "{}[]:,\"".contains(c)) else {
            self.held.push_str(text);
            return "";
        };
        let (last, rest) = text.split_at(end);
        sink(Part::Scalar(&self.joined(last)));
        self.place = Place::Between;
        rest
    }

    fn key<'a>(&mut self, text: &'a str, sink: &mut impl FnMut(Part<'_>)) -> &'a str {
        // What was held has been looked through, but for a backslash at its end.
        let is_escaped = |key: &str| key.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
        let mut from = 0;
        while let Some(run) = text.get(from..).and_then(|rest| rest.find('"')) {
            let (part, rest) = text.split_at(from + run);
            self.held.push_str(part.get(from..).unwrap_or_default());
            if !is_escaped(&self.held) {
                sink(Part::Key(&std::mem::take(&mut self.held)));
                self.place = Place::Between;
                return rest.get(1..).unwrap_or_default();
            }
            self.held.push('"');
            from += run + 1;
        }
        self.held.push_str(text.get(from..).unwrap_or_default());
        ""
    }

    fn string<'a>(&mut self, text: &'a str, sink: &mut impl FnMut(Part<'_>)) -> &'a str {
        let behind = text.len();
        let inside = self.joined(text);
        let mut at = 0;
        let end = loop {
            let rest = inside.get(at..).unwrap_or_default();
            let Some(run) = rest.find(['"', '\\']) else { break None };
            at += run;
            let escape = inside.get(at..).unwrap_or_default();
            if escape.starts_with('"') {
                break Some(at);
            }
            match escape_length(escape) {
                Some(length) => at += length,
                None => {
                    self.held.push_str(escape);
                    break None;
                }
            }
        };
        let read = end.unwrap_or(inside.len() - self.held.len());
        if read > 0 {
            sink(Part::Inside(inside.get(..read).unwrap_or_default()));
        }
        let Some(end) = end else { return "" };
        sink(Part::Unquote);
        self.place = Place::Between;
        // What was held before stands in front of the piece.
        text.get(behind - (inside.len() - end - 1)..).unwrap_or_default()
    }

    /// What was held, and `text` behind it.
    fn joined<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        if self.held.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut held = std::mem::take(&mut self.held);
        held.push_str(text);
        Cow::Owned(held)
    }
}

/// How long the escape is that `text` begins with, or the two of a pair of surrogates; `None` when it may go on behind
/// the text.
fn escape_length(text: &str) -> Option<usize> {
    let escaped = text.chars().nth(1)?;
    if escaped != 'u' {
        return Some(1 + escaped.len_utf8());
    }
    let high = match hex(text, 2)? {
        Ok(code) => (0xd800..0xdc00).contains(&code),
        Err(length) => return Some(length),
    };
    let behind = text.get(6..).unwrap_or_default();
    match behind {
        "" | "\\" if high => None,
        _ if high && behind.starts_with("\\u") => match hex(text, 8)? {
            Ok(0xdc00..=0xdfff) => Some(12),
            _ => Some(6),
        },
        _ => Some(6),
    }
}

/// The number of the four digits that stand there, or else where the last of them ends; `None` when the text ends before.
fn hex(text: &str, from: usize) -> Option<Result<u32, usize>> {
    let digits = text.get(from..)?;
    let count = digits.bytes().take(4).take_while(u8::is_ascii_hexdigit).count();
    match digits.get(..4).filter(|_| count == 4) {
        Some(four) => Some(u32::from_str_radix(four, 16).map_err(|_| from)),
        None => (count < digits.len()).then_some(Err(from + count)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Token, tokens};
    use super::*;

    /// The tokens of a text that comes in pieces, each as it was written.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut lexer = Lexer::default();
        let mut all: Vec<String> = Vec::new();
        let mut is_open = false;
        let mut sink = |part: Part<'_>| match part {
            Part::Open(c) | Part::Close(c) => all.push(c.into()),
            Part::Colon => all.push(":".into()),
            Part::Comma => all.push(",".into()),
            Part::Space(text) => assert!(!text.is_empty() && text.trim_ascii().is_empty()),
            Part::Key(text) => all.push(format!("\"{text}\"")),
            Part::Scalar(text) => all.push(text.into()),
            Part::Quote => {
                is_open = true;
                all.push("\"".into());
            }
            Part::Inside(text) => {
                assert!(is_open && !text.is_empty());
                all.last_mut().unwrap().push_str(text);
            }
            Part::Unquote => {
                is_open = false;
                all.last_mut().unwrap().push('"');
            }
        };
        pieces.into_iter().for_each(|piece| lexer.push(piece, &mut sink));
        lexer.finish(&mut sink);
        all
    }

    fn whole(text: &str) -> Vec<String> {
        let written = |token: Token<'_>| match token {
            Token::Open(c) | Token::Close(c) => c.into(),
            Token::Colon => ":".into(),
            Token::Comma => ",".into(),
            Token::String(text) | Token::Scalar(text) => text.to_owned(),
        };
        tokens(text).map(written).collect()
    }

    #[test]
    fn a_text_may_be_cut_anywhere() {
        for text in [
            r#"{"a": 1, "b": [true, null, -1.5e3], "c": {}}"#,
            r#"{"a\"b\\": "\ud83d\ude00\u00e9\n\/", "x": "\ud83dx", "y": "\ud83d\u0041", "z": "\ud83d"}"#,
            r#"  [ "é😀" , "" ]  "#,
            r#"{"a" : {"b": ["c", {"d\\\\": "e"}], "f\\\"": []}, "g": "h", "": 1}"#,
            "12",
            r#""\u12""#,
        ] {
            for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let (one, other) = text.split_at(at);
                assert_eq!(read([one, other]), whole(text), "{one} | {other}");
            }
            let letters: Vec<_> = text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).collect();
            assert_eq!(read(letters), whole(text));
        }
    }

    #[test]
    fn keys_are_told_from_other_strings() {
        let mut keys = Vec::new();
        let mut lexer = Lexer::default();
        lexer.push(r#"{"a": {"b": ["x", {"c": "y"}, "x"], "d": "z"}, "e": []}"#, &mut |part| {
            if let Part::Key(key) = part {
                keys.push(key.to_owned());
            }
        });
        assert_eq!((keys.concat().as_str(), lexer.depth()), ("abcde", 0));
    }

    #[test]
    fn no_escape_is_cut_in_two() {
        let text = r#""a\n\ud83d\ude00\u00e9\"""#;
        for at in 0..text.len() {
            let mut lexer = Lexer::default();
            let mut out = String::new();
            let mut sink = |part: Part<'_>| {
                if let Part::Inside(inside) = part {
                    super::super::unescape_into(inside, &mut out).expect("whole escapes");
                }
            };
            lexer.push(&text[..at], &mut sink);
            lexer.push(&text[at..], &mut sink);
            assert_eq!(out, "a\n😀é\"");
        }
    }

    proptest! {
        #[test]
        fn it_takes_any_text(pieces in prop::collection::vec(r#"[\\u{}\[\]:,"a0dé8 ]{0,6}"#, 0..8)) {
            let _ = read(pieces.iter().map(String::as_str));
        }
    }
}
