//! Shape of events, a shortcut: the events of a stream differ only in their text.
//! Remembers what stood before and behind the text of an event that was parsed, and knows the next one by it.
//!
//! This is exact. An event with the same bytes before and behind a valid inside of a JSON string is the same JSON with
//! another string in it, so whatever was found out by parsing the first holds for the second.

use std::ops::Range;

/// The bytes around the text of an event that carries nothing else.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Up to the string's opening quote. Empty: no event was remembered.
    before: Vec<u8>,
    /// From its closing quote on.
    behind: Vec<u8>,
    /// The same with another name of the model in it.
    renamed: Option<(Vec<u8>, Vec<u8>)>,
}

impl Shape {
    /// Remembers an event whose text stands, quotes included, at `text`, and where a name goes into the client's.
    pub(super) fn remember(&mut self, raw: &[u8], text: Range<usize>, name: Option<(Range<usize>, &str)>) {
        self.forget();
        self.before.extend_from_slice(raw.get(..text.start + 1).unwrap_or_default());
        self.behind.extend_from_slice(raw.get(text.end - 1..).unwrap_or_default());
        self.renamed = name.map(|(at, name)| {
            let put = |part: &[u8], at: Range<usize>| {
                [part.get(..at.start).unwrap_or_default(), name.as_bytes(), part.get(at.end..).unwrap_or_default()]
                    .concat()
            };
            match at.start.checked_sub(text.end - 1) {
                Some(start) => (self.before.clone(), put(&self.behind, start..start + at.len())),
                None => (put(&self.before, at), self.behind.clone()),
            }
        });
    }

    pub(super) fn forget(&mut self) {
        self.before.clear();
        self.behind.clear();
        self.renamed = None;
    }

    /// What stands in the place of the text, if the event has this shape.
    /// It is the text, escaped, only when `letters` can read it.
    pub(super) fn fit<'a>(&self, raw: &'a [u8]) -> Option<&'a [u8]> {
        if self.before.is_empty() {
            return None;
        }
        raw.strip_prefix(self.before.as_slice())?.strip_suffix(self.behind.as_slice())
    }

    /// The bytes before and behind the text in the client's event.
    pub(super) fn around(&self) -> (&[u8], &[u8]) {
        self.renamed().unwrap_or((&self.before, &self.behind))
    }

    /// The same, where they are others than the server's.
    pub(super) fn renamed(&self) -> Option<(&[u8], &[u8])> {
        self.renamed.as_ref().map(|(before, behind)| (before.as_slice(), behind.as_slice()))
    }
}
