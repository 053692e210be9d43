//! Letters cut in two: the text of events that follow each other, unescaped.
//! A letter of two UTF-16 units may come in two events, one half in each, as servers cut that count in such units. The
//! first half waits for the second; one that stays alone is U+FFFD.

use crate::json;

/// Reads the texts of one choice, one after the other.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// The escape of a first half.
    half: Option<String>,
}

/// What can be read of one event's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<'a> {
    pub text: &'a str,
    /// Whether a half stands before or behind it: the event does not say the same by itself.
    pub cut: bool,
}

impl Letters {
    /// Takes what stands between a JSON string's quotes; `scratch` holds the text when it was escaped.
    /// `None` when this is not the inside of a JSON string.
    pub(super) fn read<'a>(&mut self, inside: &'a [u8], scratch: &'a mut String) -> Option<Text<'a>> {
        if self.half.is_none() && !ends_in_half(inside) {
            return Some(Text { text: text(inside, scratch)?, cut: false });
        }
        let plain = std::str::from_utf8(inside).ok()?;
        if plain.is_empty() {
            return Some(Text::default());
        }
        let behind = if ends_in_half(inside) { plain.len() - HALF_LEN } else { plain.len() };
        let (now, later) = plain.split_at_checked(behind)?;
        scratch.clear();
        json::unescape_into(&[self.half.as_deref().unwrap_or_default(), now].concat(), scratch)?;
        self.half = Some(later.to_owned()).filter(|later| !later.is_empty());
        Some(Text { text: scratch, cut: true })
    }

    /// Nothing more comes: what a half that waits becomes.
    pub(super) fn finish(&mut self) -> &'static str {
        if self.half.take().is_some() { "\u{fffd}" } else { "" }
    }
}

/// The text that stands between a JSON string's quotes; `scratch` holds it when it was escaped.
/// `None` when this is not the inside of a JSON string.
pub(super) fn text<'a>(inside: &'a [u8], scratch: &'a mut String) -> Option<&'a str> {
    let special = |b: u8| (b < 0x20) | (b == b'"') | (b == b'\\');
    let plain = std::str::from_utf8(inside).ok()?;
    // Without a branch in the loop the compiler looks at 16 bytes at a time.
    if !inside.iter().fold(false, |any, &b| any | special(b)) {
        return Some(plain);
    }
    scratch.clear();
    json::unescape_into(plain, scratch)?;
    Some(scratch)
}

/// Whether the last that stands between a JSON string's quotes is the escape of a first half.
fn ends_in_half(inside: &[u8]) -> bool {
    let Some((before, [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'A' | b'b' | b'B', last @ ..])) =
        inside.split_last_chunk::<HALF_LEN>()
    else {
        return false;
    };
    // A backslash may itself be escaped.
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    last.iter().all(u8::is_ascii_hexdigit) && backslashes % 2 == 0
}

/// `\ud83d`.
const HALF_LEN: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what is read of pieces, whether each was cut, and what becomes of the end.
    fn check(pieces: &[(&str, &str, bool)], end: &str) {
        let mut letters = Letters::default();
        for (piece, text, cut) in pieces {
            let mut scratch = String::new();
            let read = letters.read(piece.as_bytes(), &mut scratch);
            assert_eq!(read, Some(Text { text, cut: *cut }), "{pieces:?}: {piece}");
        }
        assert_eq!(letters.finish(), end, "{pieces:?}");
    }

    #[test]
    fn halves_find_each_other() {
        check(&[("a", "a", false), (r"b\n", "b\n", false)], "");
        check(&[(r"a\ud83d", "a", true), (r"\ude00b", "😀b", true)], "");
        check(&[(r"\uD83D", "", true), ("", "", false), (r"\uDE00", "😀", true)], "");
        check(&[(r"\ud83d\ude00\ud83d", "😀", true), (r"\ude01\n", "😁\n", true)], "");
        check(&[(r"\ud83d", "", true), ("b", "\u{fffd}b", true)], "");
        check(&[(r"\ud83d", "", true), (r"\ud83d", "\u{fffd}", true), (r"\ude00", "😀", true)], "");
        check(&[(r"a\ud83d", "a", true)], "\u{fffd}");
        check(&[(r"\\ud83d", r"\ud83d", false), ("b", "b", false)], "");
        check(&[(r"\\\ud83d", r"\", true), (r"\ude00", "😀", true)], "");
        check(&[(r"\ude00", "\u{fffd}", false), (r"\u00e9", "é", false)], "");
        let mut letters = Letters { half: Some(r"\ud83d".to_owned()) };
        assert_eq!(letters.read(b"a\"b", &mut String::new()), None);
        assert_eq!(letters.finish(), "\u{fffd}");
    }
}
