//! What stands between a call's first marker and its payload: an opener that is repeated, the words of one that is
//! spread over whitespace, the line of a fence.
//! Keeps no text; the decoder has it.

use crate::dialect::{Dialect, Opener};

use super::fence::Info;
use crate::decode::expect::{Expect, Expected};

/// What of an opener is still to be read.
#[derive(Debug)]
pub(super) enum Lead {
    /// Nothing: what follows is the payload's.
    Over,
    /// A wrapper's opener may be repeated: any number of them is one.
    Again(Expect),
    /// The rest of a fence's first line.
    Fence(Info),
    /// The words of a bare opener, with any whitespace between them. `payload_at` is where the payload begins.
    Words { alive: Vec<Place>, payload_at: usize },
}

/// How much of which bare opener was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    opener: usize,
    word: usize,
    at: usize,
}

/// What one character led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    More,
    /// The opener is whole; the payload's text begins so far from its start.
    Over(usize),
    /// It is no opener.
    Other,
}

impl Lead {
    /// What follows the first marker of a call, which begins so far into what is kept of it.
    pub(super) fn new(marker: &str, from: usize, by: Opener, dialect: &Dialect) -> Self {
        match by {
            Opener::Wrapper => Self::Again(Expect::default()),
            Opener::Fenced => Self::Fence(Info::default()),
            Opener::Bare | Opener::Free | Opener::Inner => {
                let begun = |words: &Vec<String>| words.first().is_some_and(|first| first == marker);
                let bare = &dialect.tables().bare;
                if !bare.iter().any(begun) || bare.iter().any(|words| begun(words) && words.len() == 1) {
                    return Self::Over;
                }
                let begun = bare.iter().enumerate().filter(|(_, words)| begun(words));
                let alive = begun.map(|(opener, _)| Place { opener, word: 1, at: 0 }).collect();
                Self::Words { alive, payload_at: from }
            }
        }
    }

    /// Takes one character; `read` is how many bytes of the opener were read with it.
    pub(super) fn push(&mut self, c: char, read: usize, dialect: &Dialect) -> Step {
        let call = &dialect.reads().call;
        match self {
            Self::Over => Step::Over(read),
            Self::Again(expect) => match expect.push(c, call.open.iter().map(String::as_str)) {
                Expected::More | Expected::Found(_) => Step::More,
                Expected::Other => Step::Over(read - expect.take().len()),
            },
            Self::Fence(info) => match info.push(c, &call.fence) {
                Expected::More => Step::More,
                Expected::Other => Step::Other,
                Expected::Found(_) => {
                    let all = 0..dialect.tables().bare.len();
                    let alive = all.map(|opener| Place { opener, word: 0, at: 0 }).collect();
                    *self = Self::Words { alive, payload_at: read };
                    Step::More
                }
            },
            Self::Words { alive, payload_at } => {
                let mut whole = false;
                alive.retain_mut(|place| {
                    let next = place.push(c, dialect.tables().bare.get(place.opener).map_or(&[], Vec::as_slice));
                    whole |= next == Expected::Found(0);
                    next != Expected::Other
                });
                match (whole, alive.is_empty()) {
                    (true, _) => Step::Over(*payload_at),
                    (false, true) => Step::Other,
                    (false, false) => Step::More,
                }
            }
        }
    }
}

impl Place {
    fn push(&mut self, c: char, words: &[String]) -> Expected {
        let Some(rest) = words.get(self.word).and_then(|word| word.get(self.at..)) else { return Expected::Other };
        if self.at == 0 && c.is_ascii_whitespace() {
            return Expected::More;
        }
        if !rest.starts_with(c) {
            return Expected::Other;
        }
        self.at += c.len_utf8();
        if rest.len() > c.len_utf8() {
            return Expected::More;
        }
        (self.word, self.at) = (self.word + 1, 0);
        if self.word == words.len() { Expected::Found(0) } else { Expected::More }
    }
}
