//! Edits of a text: replaces parts of it and keeps every other byte.
//! Knows nothing of what the text means.

use std::ops::Range;

use bytes::BytesMut;

/// Replacements that are collected, in any order, and then made in one pass.
#[derive(Debug, Default)]
pub struct Edits {
    edits: Vec<Edit>,
    text: String,
}

#[derive(Debug)]
struct Edit {
    /// What is replaced in the source; empty where something is put in between.
    at: Range<usize>,
    /// With what, in `Edits::text`.
    by: Range<usize>,
}

impl Edits {
    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Forgets all, and keeps the memory.
    pub fn clear(&mut self) {
        self.edits.clear();
        self.text.clear();
    }

    /// Replaces `at` by what `write` writes. Replacements must not overlap; of two at one place the first stays first.
    pub fn replace(&mut self, at: Range<usize>, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        self.edits.push(Edit { at, by: start..self.text.len() });
    }

    /// Appends the source with all replacements made.
    pub fn apply(&mut self, source: &[u8], out: &mut BytesMut) {
        self.edits.sort_by_key(|edit| edit.at.start);
        out.reserve(source.len() + self.text.len());
        let mut kept = 0;
        for edit in &self.edits {
            debug_assert!(kept <= edit.at.start && edit.at.end <= source.len(), "edits overlap or lie outside");
            out.extend_from_slice(source.get(kept..edit.at.start).unwrap_or_default());
            out.extend_from_slice(self.text.get(edit.by.clone()).unwrap_or_default().as_bytes());
            kept = edit.at.end;
        }
        out.extend_from_slice(source.get(kept..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_in_any_order_and_keeps_the_rest() {
        let mut edits = Edits::default();
        edits.replace(6..7, |t| t.push_str("SIX"));
        edits.replace(2..4, |_| ());
        edits.replace(8..8, |t| t.push('!'));
        edits.replace(8..8, |t| t.push('?'));
        let mut out = BytesMut::new();
        edits.apply(b"01234567", &mut out);
        assert_eq!(out, "0145SIX7!?");
    }
}
