//! Shape of events, a shortcut: the events of a stream differ only in their text.
//!
//! This is exact: an event with the same bytes before and behind the inside of a JSON string is the same JSON with
//! another string in it, so what was found out by reading the first holds for the second.

use std::ops::Range;

use super::text::as_inside;

/// What an event's one text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Content,
    Thinking,
}

/// The bytes around the text of an event that says nothing else.
#[derive(Debug, Default)]
pub(super) struct Shape {
    kind: Kind,
    /// Up to the string's opening quote. Empty: no event was remembered.
    before: Vec<u8>,
    /// From its closing quote on.
    behind: Vec<u8>,
}

impl Shape {
    /// Remembers an event whose text stands, quotes included, at `text`.
    pub(super) fn remember(&mut self, kind: Kind, data: &[u8], text: Range<usize>) {
        self.kind = kind;
        self.before.clear();
        self.behind.clear();
        let inside = text.start + 1..text.end.saturating_sub(1);
        self.before.extend_from_slice(data.get(..inside.start).unwrap_or_default());
        self.behind.extend_from_slice(data.get(inside.end..).unwrap_or_default());
    }

    /// The inside of the text, if the event has this shape.
    pub(super) fn fit<'a>(&self, data: &'a [u8]) -> Option<(Kind, &'a str)> {
        if self.before.is_empty() {
            return None;
        }
        let inside = data.strip_prefix(self.before.as_slice())?.strip_suffix(self.behind.as_slice())?;
        Some((self.kind, as_inside(inside)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_known_by_what_stands_around_its_text() {
        let data = br#"{"a":"first","b":1}"#;
        let mut shape = Shape::default();
        assert_eq!(shape.fit(data), None);
        shape.remember(Kind::Thinking, data, 5..12);
        for (data, expected) in [
            (r#"{"a":"","b":1}"#, Some("")),
            (r#"{"a":"é\n","b":1}"#, Some("é\\n")),
            (r#"{"a":"x","c":"y","b":1}"#, None),
            (r#"{"a":"x\","b":1}"#, None),
            (r#"{"a":"x","b":2}"#, None),
            (r#"{"a":","b":1}"#, None),
        ] {
            assert_eq!(shape.fit(data.as_bytes()), expected.map(|text| (Kind::Thinking, text)), "{data}");
        }
    }
}
