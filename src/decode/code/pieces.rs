//! A value that is text, written as one string or as several that stand side by side, let go as it is read.

use crate::json::escape_into;
use crate::python::{Taken, Text};

/// Strings that are one text. What they say is written as a JSON string.
#[derive(Debug)]
pub(super) struct Pieces {
    at: At,
    /// A line's end and backticks in a string that is not made for several lines, which may be the end of its fence.
    fence: String,
}

#[derive(Debug)]
enum At {
    /// Behind the quote that opens a string, and behind two.
    Opening(Text),
    Opened(Text),
    Inside(Text),
    /// Behind a string; another may follow, behind the letters of its prefix.
    Behind(String),
    Comment,
}

/// What one character led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    More,
    /// All is read, and what separates it from the next value is to be looked at again.
    Ended,
    /// What follows makes it another value than this text.
    Other,
    /// A string is not closed, and the fence around it is: what was kept is no part of it.
    Unclosed,
}

/// A line that begins so in a string which is not made for several lines ends the fence around it.
const FENCE: &str = "\n```";

impl Pieces {
    /// What a quote opens behind the letters of its prefix. `None` where those make it no text of its own.
    pub(super) fn open(prefix: &str, quote: char, out: &mut String) -> Option<Self> {
        let text = opened(prefix, quote)?;
        out.push('"');
        Some(Self { at: At::Opening(text), fence: String::new() })
    }

    /// Takes one character.
    pub(super) fn push(&mut self, c: char, out: &mut String) -> Read {
        match &mut self.at {
            At::Opening(text) if c == text.quote => {
                self.at = At::Opened(*text);
                Read::More
            }
            At::Opening(text) => {
                self.at = At::Inside(*text);
                self.push(c, out)
            }
            At::Opened(text) if c == text.quote => {
                self.at = At::Inside(text.long());
                Read::More
            }
            At::Inside(_) => self.inside(c, out),
            At::Comment if c != '\n' => Read::More,
            At::Opened(_) | At::Comment => {
                self.at = At::Behind(String::new());
                self.behind(c, out)
            }
            At::Behind(_) => self.behind(c, out),
        }
    }

    fn inside(&mut self, c: char, out: &mut String) -> Read {
        let At::Inside(text) = &mut self.at else { return Read::Other };
        if !text.is_long() && text.is_between() && (c == '\n' || !self.fence.is_empty()) {
            self.fence.push(c);
            if self.fence == FENCE {
                self.fence.clear();
                return Read::Unclosed;
            }
            if FENCE.starts_with(self.fence.as_str()) {
                return Read::More;
            }
            self.fence.pop();
            escape_into(&std::mem::take(&mut self.fence), out);
            return self.inside(c, out);
        }
        match text.push(c, out) {
            Taken::Data => {}
            Taken::Again => return self.inside(c, out),
            Taken::Quote | Taken::Closed => self.at = At::Behind(String::new()),
        }
        Read::More
    }

    /// Behind a string.
    fn behind(&mut self, c: char, out: &mut String) -> Read {
        let At::Behind(prefix) = &mut self.at else { return Read::Other };
        match c {
            '\'' | '"' => match opened(prefix, c) {
                Some(text) => self.at = At::Opening(text),
                None => return Read::Other,
            },
            c if c.is_ascii_alphabetic() && prefix.len() < 2 => prefix.push(c),
            _ if !prefix.is_empty() => return Read::Other,
            // A backtick is the fence's.
            ',' | ')' | '`' => {
                out.push('"');
                return Read::Ended;
            }
            // Strings that are added are joined as well.
            '+' | '\\' => {}
            '#' => self.at = At::Comment,
            c if c.is_ascii_whitespace() => {}
            _ => return Read::Other,
        }
        Read::More
    }

    /// How many bytes of `text` stand for themselves, and whether there are some.
    pub(super) fn run(&self, text: &str) -> usize {
        match &self.at {
            At::Inside(open) if open.is_between() && self.fence.is_empty() => {
                text.find([open.quote, '\\', '\n']).unwrap_or(text.len())
            }
            _ => 0,
        }
    }

    /// Whether all of it is read, as far as it was written.
    pub(super) fn is_whole(&self) -> bool {
        matches!(&self.at, At::Behind(prefix) if prefix.is_empty()) || matches!(self.at, At::Opened(_) | At::Comment)
    }
}

fn opened(prefix: &str, quote: char) -> Option<Text> {
    match prefix {
        "" | "u" | "U" => Some(Text::new(quote)),
        "r" | "R" => Some(Text::raw(quote)),
        _ => None,
    }
}
