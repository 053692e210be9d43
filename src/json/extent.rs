//! Where a JSON value that arrives in pieces ends.
//! Finds the end and does not validate: brackets are counted, not matched.

/// Finds the end of one top-level object, array or string. Feed it bytes until it has found it.
///
/// A number or a literal has no closing byte, so as top-level values these never end; nor does what is not JSON.
#[derive(Clone, Debug, Default)]
pub struct Extent {
    state: State,
    /// Open brackets.
    depth: usize,
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
        let mut rest = bytes;
        while let Some((&first, tail)) = rest.split_first() {
            match self.state {
                State::Closed | State::Endless => return None,
                State::String => {
                    let quote_or_backslash = memchr::memchr2(b'"', b'\\', rest)?;
                    (self.state, rest) = match rest.get(quote_or_backslash..)?.split_first()? {
                        (b'"', tail) => (self.after_value(), tail),
                        (_, tail) => (State::Escape, tail),
                    };
                }
                State::Escape => (self.state, rest) = (State::String, tail),
                State::Start | State::Between => (self.state, rest) = (self.after(first), tail),
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
                State::Between
            }
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                self.after_value()
            }
            b' ' | b'\t' | b'\n' | b'\r' => self.state,
            _ if self.state == State::Start => State::Endless,
            _ => State::Between,
        }
    }

    fn after_value(&self) -> State {
        if self.depth == 0 { State::Closed } else { State::Between }
    }
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
    fn nothing_follows_the_end() {
        let mut extent = Extent::default();
        assert_eq!(extent.push(b"{}"), Some(2));
        assert_eq!(extent.push(b"{}"), None);
    }
}
