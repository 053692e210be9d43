//! Extent of a value: where a JSON value that arrives in pieces ends, and how deep it nests.
//! Does not validate: brackets are counted, not matched, and those inside strings are none.

use super::part::closing_quote;

/// Finds the end of one top-level object, array or string. Feed it bytes until it has found it.
///
/// A number or a literal has no closing byte, so as top-level values these never end; nor does what is not JSON.
/// A byte order mark in front belongs to the value, as white space does.
#[derive(Clone, Debug, Default)]
pub struct Extent {
    state: State,
    /// Open brackets.
    depth: usize,
    /// The most that were open at once.
    deepest: usize,
}

/// What passes, for whoever wants to know more than where the value ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing<'a> {
    StringStart,
    /// A piece of a string as it is written, which may end in half an escape.
    Inside(&'a [u8]),
    StringEnd,
    Colon,
    /// An opening bracket or a comma.
    Next,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the value.
    #[default]
    Start,
    /// Inside brackets and outside strings.
    Between,
    String,
    /// Behind a backslash.
    Escape,
    Closed,
    /// What began is no object, array or string.
    Endless,
}

impl Extent {
    /// Takes the next bytes. Returns how many of them belong to the value (white space in front included) when it
    /// ends among them, and `None` as long as it goes on and once it has ended.
    pub fn push(&mut self, bytes: &[u8]) -> Option<usize> {
        self.watch(bytes, |_| {})
    }

    /// The same, and shows what passes.
    pub(super) fn watch(&mut self, bytes: &[u8], mut show: impl FnMut(Passing<'_>)) -> Option<usize> {
        let mut rest = bytes;
        while let Some((&first, tail)) = rest.split_first() {
            match self.state {
                State::Closed | State::Endless => return None,
                State::String => {
                    let Some((inside, tail)) = closing_quote(rest).and_then(|end| split_around(rest, end)) else {
                        show(Passing::Inside(rest));
                        let backslashes = rest.iter().rev().take_while(|byte| **byte == b'\\').count();
                        self.state = if backslashes % 2 == 0 { State::String } else { State::Escape };
                        return None;
                    };
                    show(Passing::Inside(inside));
                    show(Passing::StringEnd);
                    (self.state, rest) = (self.after_value(), tail);
                }
                State::Escape => {
                    show(Passing::Inside(&[first]));
                    (self.state, rest) = (State::String, tail);
                }
                State::Start | State::Between => {
                    match first {
                        b'"' => show(Passing::StringStart),
                        b':' => show(Passing::Colon),
                        b'{' | b'[' | b',' => show(Passing::Next),
                        _ => {}
                    }
                    (self.state, rest) = (self.after(first), tail);
                }
            }
            if self.state == State::Closed {
                return Some(bytes.len() - rest.len());
            }
        }
        None
    }

    /// Whether the value has ended.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// The most brackets that were open at once so far.
    pub fn deepest(&self) -> usize {
        self.deepest
    }

    /// Whether what began can never end: it is no object, array or string.
    pub fn is_endless(&self) -> bool {
        self.state == State::Endless
    }

    /// The state after a byte outside strings.
    fn after(&mut self, byte: u8) -> State {
        match byte {
            b'"' => State::String,
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                self.deepest = self.deepest.max(self.depth);
                State::Between
            }
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                self.after_value()
            }
            b' ' | b'\t' | b'\n' | b'\r' => self.state,
            // The bytes of a byte order mark, whatever they are cut into.
            0xef | 0xbb | 0xbf if self.state == State::Start => State::Start,
            _ if self.state == State::Start => State::Endless,
            _ => State::Between,
        }
    }

    fn after_value(&self) -> State {
        if self.depth == 0 { State::Closed } else { State::Between }
    }
}

/// What stands before a byte, and behind it.
fn split_around(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_however_the_value_is_cut() {
        let table = [
            ("{}", Some(2)),
            (" \r\n\t{} ", Some(6)),
            ("[[],{}]x", Some(7)),
            (r#"{"a":"}\"]\\"}}"#, Some(14)),
            (r#""a\"b" "#, Some(6)),
            (r#"{"é":"ü\u007d"}{}"#, Some(17)),
            (r#"["\\"]"#, Some(6)),
            ("{]", Some(2)),
            (r#"{"a":1"#, None),
            (r#"{"a":"x}"#, None),
            (r#""\"#, None),
            ("12 ", None),
            ("null", None),
            ("hello {}", None),
            ("]", None),
            ("", None),
            ("  ", None),
            ("\u{feff}{}", Some(5)),
            ("\u{feff}é{}", None),
        ];
        for (text, end) in table {
            for cut in 0..=text.len() {
                let (a, b) = text.as_bytes().split_at(cut);
                let mut extent = Extent::default();
                let first = extent.push(a);
                let found = first.or_else(|| extent.push(b).map(|n| n + cut));
                assert_eq!(found, end, "{text:?} cut at {cut}");
                assert_eq!(extent.is_closed(), end.is_some(), "{text:?}");
            }
        }
    }

    #[test]
    fn the_depth_is_that_of_brackets_outside_strings() {
        let table = [
            ("{}", 1),
            (r#"{"a":[[],[{}]],"b":{}}"#, 4),
            (r#"["[[[[","\"[[[",{"{":"{"}]"#, 2),
            (r#""[[[""#, 0),
            ("[][[[[", 1),
            ("[[[", 3),
            ("x[[[", 0),
            ("7", 0),
        ];
        for (text, expected) in table {
            for cut in 0..=text.len() {
                let (a, b) = text.as_bytes().split_at(cut);
                let mut extent = Extent::default();
                extent.push(a);
                extent.push(b);
                assert_eq!(extent.deepest(), expected, "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn nothing_follows_the_end() {
        let mut extent = Extent::default();
        assert_eq!(extent.push(b"{}"), Some(2));
        assert_eq!(extent.push(b"{}"), None);
    }
}
