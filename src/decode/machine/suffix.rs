//! A marker with a suffix, the first of its answer: it says what the suffix of all others is.

use super::{Decoder, Origin, State};
use crate::decode::Event;
use crate::dialect::Suffixes;

/// A marker as far as its suffix.
#[derive(Debug)]
pub(super) struct Suffix {
    /// All of it so far.
    pub raw: String,
    /// Bytes of `raw` before the suffix, but for its first letter.
    head: usize,
    /// What it stands in.
    pub origin: Origin,
}

impl Suffix {
    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.origin.outside().waiting() + self.raw.len()
    }
}

impl Decoder {
    /// A marker with a suffix may begin with `head`, which was just found.
    pub(super) fn enter_suffix(&mut self, head: String) {
        if let Some(origin) = self.take_origin() {
            self.state = State::Suffix(Box::new(Suffix { head: head.len(), raw: head, origin }));
        }
    }

    /// Reads the suffix. With it the dialect is another, in which the marker is read again.
    pub(super) fn step_suffix(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Suffix(suffix) = &mut self.state else { return (0, None) };
        for (at, c) in text.char_indices() {
            let (head, read) = suffix.raw.split_at_checked(suffix.head).unwrap_or_default();
            if Suffixes::goes_on(read, c) {
                suffix.raw.push(c);
                continue;
            }
            let suffixes = self.settings.dialect.suffixes();
            let Some(fixed) = suffixes.and_then(|suffixes| suffixes.fixed_by(head, read, c)) else {
                return (at, Some(self.reject_suffix(sink)));
            };
            self.settings.dialect = fixed;
            let State::Suffix(suffix) = std::mem::replace(&mut self.state, State::Closed) else { break };
            self.state = suffix.origin.into();
            return (at, Some(suffix.raw));
        }
        (text.len(), None)
    }

    /// It has none: its beginning is text, and what stood behind that is read again.
    pub(super) fn reject_suffix(&mut self, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Suffix(suffix) = std::mem::replace(&mut self.state, State::Closed) else { return String::new() };
        let Suffix { raw, head, mut origin } = *suffix;
        let (head, rest) = raw.split_at_checked(head).unwrap_or_default();
        match &mut origin {
            Origin::Outside(outside) => outside.push(head, sink),
            Origin::Reasoning(thought) => thought.show(head, sink),
        }
        self.state = origin.into();
        rest.into()
    }
}
