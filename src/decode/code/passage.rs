//! A statement that is text: where it is over, and where the fence around it is. Keeps no text.

use super::extent::{Extent, Part};

/// A statement that is passed over.
#[derive(Debug)]
pub(in crate::decode) struct Passage {
    extent: Extent,
    end: End,
    /// The last character of its code.
    last: char,
    /// Nothing but blanks stands on the current line.
    is_blank: bool,
    /// Backticks that were just read, where some may close a fence.
    ticks: usize,
}

/// What ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The end of its line: behind a semicolon its block goes on.
    Line,
    /// That, or a semicolon.
    Semicolon,
}

/// What one character led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) enum Passed {
    More,
    /// The fence was closed before it.
    Closed,
    /// The statement is over with it, and a block may follow.
    Over(Block),
}

/// Whether what is indented under a statement belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) enum Block {
    None,
    Follows,
}

impl Passage {
    /// One that begins so.
    pub(in crate::decode) fn new(statement: &str) -> Self {
        let word = statement.trim_ascii_start().split(|c: char| !c.is_alphanumeric()).next();
        let is_block = word.is_some_and(|word| BLOCKS.contains(&word));
        let end = if is_block { End::Line } else { End::Semicolon };
        Self { extent: Extent::default(), end, last: ' ', is_blank: true, ticks: 0 }
    }

    /// Takes one character, in a fence of so many backticks.
    pub(in crate::decode) fn push(&mut self, c: char, fence: usize) -> Passed {
        if c == '`' && (self.ticks > 0 || self.is_blank || self.extent.is_outside()) {
            self.ticks += 1;
        } else if self.is_closed(fence) && c.is_ascii_whitespace() {
            return Passed::Closed;
        } else {
            self.ticks = 0;
        }
        self.is_blank = c == '\n' || (self.is_blank && c.is_ascii_whitespace());
        let part = self.extent.push(c);
        let is_over = part == Part::Outside && (c == '\n' || (c == ';' && self.end == End::Semicolon));
        if is_over {
            return Passed::Over(if self.last == ':' { Block::Follows } else { Block::None });
        }
        if !self.extent.is_comment() && !c.is_ascii_whitespace() {
            self.last = c;
        }
        Passed::More
    }

    /// Whether what was read last closes a fence of so many backticks, if nothing follows on its line.
    pub(in crate::decode) fn is_closed(&self, fence: usize) -> bool {
        self.ticks >= fence
    }

    /// Backticks at the end of what was read that may close a fence.
    pub(in crate::decode) fn ticks(&self) -> usize {
        self.ticks
    }
}

/// What statements begin with in which others stand.
const BLOCKS: [&str; 14] = [
    "async", "case", "class", "def", "elif", "else", "except", "finally", "for", "if", "match", "try", "while", "with",
];
