//! Shape of a chunk, a shortcut: those of a stream differ only in one string.
//!
//! This is exact: data with the same bytes before and behind the inside of a string is the same JSON with another string
//! in it, so what was found out by reading the first holds for the second.

use std::ops::Range;

use super::blocks::Kind;

/// What the one string of a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Words(Kind),
    /// More of the arguments of the call at this place.
    Arguments(u32),
}

/// The bytes around it.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// `None`: no chunk was remembered.
    slot: Option<Slot>,
    before: Vec<u8>,
    behind: Vec<u8>,
}

impl Shape {
    /// Remembers a chunk that says nothing else than what stands at `inside`, between quotes.
    pub(super) fn remember(&mut self, slot: Slot, data: &[u8], inside: Range<usize>) {
        self.slot = Some(slot);
        self.before.clear();
        self.before.extend_from_slice(data.get(..inside.start).unwrap_or_default());
        self.behind.clear();
        self.behind.extend_from_slice(data.get(inside.end..).unwrap_or_default());
    }

    /// The string of a chunk that has this shape.
    pub(super) fn fit<'a>(&self, data: &'a [u8]) -> Option<(Slot, &'a str)> {
        let slot = self.slot?;
        let inside = data.strip_prefix(self.before.as_slice())?.strip_suffix(self.behind.as_slice())?;
        Some((slot, std::str::from_utf8(inside).ok().filter(|inside| is_inside(inside))?))
    }
}

/// Whether a text can stand between the quotes of a JSON string.
fn is_inside(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|b| *b < b' ' || matches!(b, b'"' | b'\\')) {
        let length = match rest.get(at..).unwrap_or_default() {
            [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => 6,
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            _ => return false,
        };
        rest = rest.get(at + length..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_known_by_what_stands_around_its_string() {
        let data = br#"{"a":"first","b":1}"#;
        let slot = Slot::Arguments(3);
        let mut shape = Shape::default();
        assert_eq!(shape.fit(data), None);
        shape.remember(slot, data, 6..11);
        for (data, expected) in [
            (r#"{"a":"","b":1}"#, Some("")),
            (r#"{"a":"é\n\u00e9\\\"","b":1}"#, Some(r#"é\n\u00e9\\\""#)),
            (r#"{"a":"x","c":"y","b":1}"#, None),
            (r#"{"a":"x\","b":1}"#, None),
            (r#"{"a":"\u00g9","b":1}"#, None),
            (r#"{"a":"\u00","b":1}"#, None),
            (r#"{"a":"\x","b":1}"#, None),
            ("{\"a\":\"\n\",\"b\":1}", None),
            (r#"{"a":"x","b":2}"#, None),
            (r#"{"a":","b":1}"#, None),
        ] {
            assert_eq!(shape.fit(data.as_bytes()), expected.map(|text| (slot, text)), "{data}");
        }
        assert_eq!(shape.fit(b"{\"a\":\"\xff\",\"b\":1}"), None);
    }
}
