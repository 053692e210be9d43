//! A shortcut: the events of a stream differ only in their text.
//! Remembers what stood before and behind the text of an event that was parsed, and knows the next one by it.
//!
//! This is exact. An event with the same bytes before and behind a valid inside of a JSON string is the same JSON with
//! another string in it, so whatever was found out by parsing the first holds for the second.

use std::ops::Range;

use crate::json;

/// The bytes around the text of an event that carries nothing else.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Up to the string's opening quote. Empty: no event was remembered.
    before: Vec<u8>,
    /// From its closing quote on.
    behind: Vec<u8>,
}

impl Shape {
    /// Remembers an event whose text stands, quotes included, at `text`.
    pub(super) fn remember(&mut self, raw: &[u8], text: Range<usize>) {
        self.forget();
        self.before.extend_from_slice(raw.get(..text.start + 1).unwrap_or_default());
        self.behind.extend_from_slice(raw.get(text.end - 1..).unwrap_or_default());
    }

    pub(super) fn forget(&mut self) {
        self.before.clear();
        self.behind.clear();
    }

    /// What stands in the place of the text, if the event has this shape.
    /// It is the text, escaped, only when [`text`] can read it.
    pub(super) fn fit<'a>(&self, raw: &'a [u8]) -> Option<&'a [u8]> {
        if self.before.is_empty() {
            return None;
        }
        raw.strip_prefix(self.before.as_slice())?.strip_suffix(self.behind.as_slice())
    }

    /// The bytes before and behind the text.
    pub(super) fn around(&self) -> (&[u8], &[u8]) {
        (&self.before, &self.behind)
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
