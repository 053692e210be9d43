//! Missing closing quote: what may stand behind a string that lacks its closing quote: commas, closers, markers, the
//! next call's brace and its list's. Keeps it until it is known to be data, which in a sound string the next letter tells.
//!
//! Three things end such a string before its tail: a key and its colon behind a comma, the beginning of a declared
//! call behind a closer, and the end of the answer behind a closer. In a sound string the quotes of the first two
//! would be escaped; a key without quotes counts behind the dialect's own delimiter.

use std::fmt::Debug;

use super::behind::{BEHIND, Behind, JOINS, MARKER};
use super::quoted::in_word;
use super::{Begins, Container, Repair, Syntax};

/// The end of a string's text, as it was written, that may be none of it.
#[derive(Debug, Default)]
pub struct Tail {
    text: String,
    /// Where a marker begins that is not whole yet, and which it may be: a bit for each.
    marker: Option<(usize, u64)>,
    /// A container's closer or a marker stands in it.
    closed: bool,
    /// Its last character that is no whitespace.
    solid: Option<char>,
    /// The last marker in it.
    last: Option<(usize, usize)>,
    /// Its end is the beginning of a call or a key without quotes.
    naming: bool,
}

impl Tail {
    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the answer may end here, or another call begin.
    pub fn is_closed(&self) -> bool {
        self.closed && self.marker.is_none()
    }

    /// Whether the last of it is a comma: a key may follow.
    pub(super) fn may_begin_member(&self) -> bool {
        self.marker.is_none() && self.solid == Some(',')
    }

    /// Whether the last of it is a brace behind a closer: a call may begin.
    pub fn may_begin_call(&self) -> bool {
        self.is_closed() && self.solid == Some('{')
    }

    /// The last brace and what stands behind it.
    pub(super) fn call(&self) -> &str {
        self.text.rfind('{').and_then(|at| self.text.get(at..)).unwrap_or_default()
    }

    /// Empties it, and gives what it held: data, if the string goes on.
    pub fn clear(&mut self) -> String {
        std::mem::take(self).text
    }

    /// The same without its text, whose memory serves the next.
    pub(super) fn emptied(self) -> Self {
        let mut text = self.text;
        text.clear();
        Self { text, ..Self::default() }
    }

    /// Whether `byte` shows that what was kept is data: it neither goes on nor can be the beginning of a call.
    pub(super) fn ends_before(&self, byte: u8, behind: &Behind) -> bool {
        let goes_on = match self.marker {
            None => behind.meaning(byte) & (BEHIND | JOINS | MARKER) != 0 || byte.is_ascii_whitespace(),
            Some((at, which)) => may_be(which, self.text.len() - at, char::from(byte), behind).is_some(),
        };
        byte.is_ascii() && !goes_on && !self.is_bracket() && self.last.is_none() && !self.naming
    }

    /// Takes a character if a call may begin with it that has no quotes: behind a closer, or behind its own opener and
    /// something that closes before that.
    pub(super) fn take_call(&mut self, c: char, begins: impl Fn(&str) -> Begins) -> Begins {
        let Some((from, to)) = self.last.filter(|_| self.is_closed() && self.text.len() <= TAIL_BYTES_MAX) else {
            return Begins::No;
        };
        self.text.push(c);
        let sight = |at| begins(self.text.get(at..).unwrap_or_default().trim_ascii_start());
        let opened = if from > 0 { sight(from) } else { Begins::No };
        let sight = if opened == Begins::No { sight(to) } else { opened };
        self.naming = sight == Begins::Perhaps;
        if sight == Begins::No {
            self.text.pop();
        }
        sight
    }

    /// Takes a character if it belongs to the key of a member behind the dialect's own delimiter, which stands in the
    /// quote's place. `Yes` where that is one, and `c` its colon.
    pub(super) fn take_key(&mut self, c: char, quote: &str, declares: impl Fn(&str) -> bool) -> Begins {
        let behind = self.text.strip_prefix(quote).map(str::trim_ascii_start);
        let Some(key) = behind.and_then(|behind| behind.strip_prefix(',')).map(str::trim_ascii_start) else {
            return Begins::No;
        };
        if matches!(c, ':' | '=') && declares(key) {
            return Begins::Yes;
        }
        self.naming = in_word(c) && key.len() < KEY_BYTES_MAX;
        if !self.naming {
            return Begins::No;
        }
        self.text.push(c);
        Begins::Perhaps
    }

    /// Whether the marker that was begun is a list's bracket instead.
    fn is_bracket(&self) -> bool {
        self.closed && self.marker.is_some_and(|(at, _)| self.text.get(at..) == Some("["))
    }

    fn takes_bracket(&mut self) -> bool {
        let is_bracket = self.is_bracket();
        if is_bracket {
            (self.marker, self.solid) = (None, Some('['));
        }
        is_bracket
    }

    /// Takes a character if it can belong here.
    pub fn take(&mut self, c: char, behind: &Behind) -> bool {
        if self.naming || self.text.len() > TAIL_BYTES_MAX {
            return false;
        }
        if let Some((at, which)) = self.marker {
            let read = self.text.len() - at;
            let Some((which, whole)) = may_be(which, read, c, behind) else {
                return self.takes_bracket() && self.take(c, behind);
            };
            self.marker = (!whole).then_some((at, which));
            self.last = if whole { Some((at, self.text.len() + c.len_utf8())) } else { self.last };
            self.closed |= whole;
            self.solid = if whole { Some(c) } else { self.solid };
            self.text.push(c);
            return true;
        }
        if let Some((which, false)) = begins(c, behind).then(|| may_be(u64::MAX, 0, c, behind)).flatten() {
            self.marker = Some((self.text.len(), which));
            self.text.push(c);
            return true;
        }
        let belongs = match c {
            '}' | ']' | ',' => true,
            ')' | ';' => !self.text.is_empty(),
            '{' | '[' => self.closed,
            c => c.is_ascii_whitespace() && !self.text.is_empty(),
        };
        if belongs {
            self.text.push(c);
            self.closed |= matches!(c, '}' | ']');
            self.solid = if c.is_ascii_whitespace() { self.solid } else { Some(c) };
        }
        belongs
    }
}

/// Whether a marker may begin with `c`, as its first byte tells. Most characters are decided by that.
fn begins(c: char, behind: &Behind) -> bool {
    c.encode_utf8(&mut [0; 4]).bytes().next().is_some_and(|byte| behind.meaning(byte) & MARKER != 0)
}

/// Which markers go on with `c` behind their first `read` bytes, and whether one of them is whole then.
fn may_be(which: u64, read: usize, c: char, behind: &Behind) -> Option<(u64, bool)> {
    let (mut left, mut whole) = (0, false);
    for (bit, marker) in (0..u64::BITS).zip(behind.markers()) {
        let rest = marker.get(read..).and_then(|rest| rest.strip_prefix(c)).filter(|_| which >> bit & 1 == 1);
        if let Some(rest) = rest {
            left |= 1 << bit;
            whole |= rest.is_empty();
        }
    }
    (left != 0).then_some((left, whole))
}

/// A longer key is none that a tool declares.
const KEY_BYTES_MAX: usize = 64;
/// More of it is none that a model writes behind a string.
const TAIL_BYTES_MAX: usize = 512;

/// What stands in a string at a place where a tail may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// It is data up to here.
    Data(usize),
    /// All of the text from there on may be a tail.
    Tail,
    /// What ends it has to be looked at.
    Unclear,
}

/// What stands in `text` from `at` on, where a tail may begin.
pub(super) fn stands(text: &str, at: usize, behind: &Behind) -> Stands {
    let (mut to, mut closed) = (at, false);
    while let Some(&byte) = text.as_bytes().get(to) {
        if behind.meaning(byte) & MARKER != 0 {
            let rest = text.get(to..).unwrap_or_default();
            let mut open = false;
            for marker in behind.markers() {
                if marker.bytes().zip(rest.bytes()).all(|(a, b)| a == b) {
                    open = true;
                    if marker.len() <= rest.len() {
                        return Stands::Unclear;
                    }
                }
            }
            if open {
                return Stands::Tail;
            }
            // Behind a closer a bracket that begins no marker is a list's.
            if !closed || byte != b'[' {
                return Stands::Data(to + rest.chars().next().map_or(0, char::len_utf8));
            }
        }
        match byte {
            b'}' | b']' => closed = true,
            b'{' | b'[' if !closed => return Stands::Data(to),
            b',' | b')' | b';' | b'{' | b'[' | b' ' => {}
            b'"' | b'\'' | 0xe2 => return Stands::Unclear,
            byte if byte.is_ascii_whitespace() => return Stands::Unclear,
            _ => return Stands::Data(to),
        }
        to += 1;
    }
    Stands::Tail
}

impl<P: Copy + Debug> Repair<P> {
    /// The string ends before its tail, which is read again, and then `behind`.
    /// Closers that nothing is open for belong to the string.
    pub(super) fn end_before_tail<T>(&mut self, behind: &str, cx: &Syntax<'_, T>, out: &mut String) {
        self.repaired = true;
        let tail = self.tail.clear();
        // The dialect's own delimiter stands there in the quote's place.
        let tail = cx.quote.and_then(|quote| tail.strip_prefix(quote)).unwrap_or(&tail);
        let own = self.surplus(tail, cx);
        let (own, tail) = tail.split_at_checked(own).unwrap_or_default();
        self.raw_data(own, out);
        self.end_string(out);
        self.read_again(behind);
        self.read_again(tail);
    }

    /// How many bytes of a tail are closers too many.
    fn surplus<T>(&self, tail: &str, cx: &Syntax<'_, T>) -> usize {
        let run = tail.len() - tail.trim_start_matches(|c: char| "}])".contains(c) || c.is_ascii_whitespace()).len();
        let in_list = self.frames.iter().any(|f| f.container == Container::Array);
        let written = self.frames.iter().filter(|f| f.container != Container::Pushback).count();
        let open = written + usize::try_from(cx.outer).unwrap_or_default();
        let run = tail.get(..run).unwrap_or_default();
        // The list's that the call stands in.
        let run = if in_list { run } else { run.trim_end_matches(|c: char| c == ']' || c.is_ascii_whitespace()) };
        let closers = run.char_indices().filter(|(_, c)| !c.is_ascii_whitespace());
        let own = closers.clone().count().saturating_sub(open);
        closers.take(own).last().map_or(0, |(at, c)| at + c.len_utf8())
    }
}
