//! Expected literal: waits for one of a few literals, skipping whitespace before it.
//! Keeps what it read, so that a disappointment can be read again as something else.

/// Whitespace that is kept; more of it is none that a model writes between two tags.
const WHITESPACE_MAX: usize = 4 << 10;

/// What is expected, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Expect {
    read: String,
    /// Where in `read` the whitespace ends.
    begins: usize,
}

/// What one more character led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// It may still be one of them.
    More,
    /// It is this one of them, by its place in the list.
    Found(usize),
    /// It is none of them.
    Other,
}

impl Expect {
    /// Takes one character. After `Found` it is as new; after `Other` all that was read is in [`Expect::take`].
    pub(super) fn push<'a>(&mut self, c: char, candidates: impl Iterator<Item = &'a str> + Clone) -> Expected {
        self.read.push(c);
        if self.begins + c.len_utf8() == self.read.len() && c.is_ascii_whitespace() && self.begins < WHITESPACE_MAX {
            self.begins = self.read.len();
            return Expected::More;
        }
        let word = self.read.get(self.begins..).unwrap_or_default();
        if let Some(found) = candidates.clone().position(|candidate| candidate == word) {
            self.take();
            return Expected::Found(found);
        }
        if candidates.into_iter().any(|candidate| candidate.starts_with(word)) {
            Expected::More
        } else {
            Expected::Other
        }
    }

    /// All that was read and led to nothing, whitespace included.
    pub(super) fn take(&mut self) -> String {
        self.begins = 0;
        std::mem::take(&mut self.read)
    }

    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        self.read.len()
    }
}
