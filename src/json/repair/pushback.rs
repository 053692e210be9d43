//! Pushback buffer: text that was read ahead and is to be read again, before what comes.
//! Does not know why. It keeps what it was given: what nobody reads again comes out as it went in.

use std::ops::Range;

/// The text, from where it was not yet read again.
#[derive(Debug, Default)]
pub(super) struct Pushback {
    text: String,
    /// What stands before it was read; it is kept since most of it comes back.
    at: usize,
    /// Where in `text` a quote behind a backslash counts like one without, in bytes from its end.
    escaped: Range<usize>,
}

impl Pushback {
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.text.len()
    }

    pub(super) fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Whether some of it is not read as it is written.
    pub(super) fn is_escaped(&self) -> bool {
        self.rest().len() > self.escaped.start && !self.escaped.is_empty()
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.next().map(|(next, _)| next)
    }

    /// Takes the next character.
    pub(super) fn pop(&mut self) -> Option<char> {
        let (next, bytes) = self.next()?;
        self.skip(bytes);
        Some(next)
    }

    fn next(&self) -> Option<(char, usize)> {
        let rest = self.rest();
        if rest.starts_with("\\\"") && self.escaped.contains(&(rest.len() - 1)) {
            return Some(('"', 2));
        }
        rest.chars().next().map(|c| (c, c.len_utf8()))
    }

    /// So many bytes were read.
    pub(super) fn skip(&mut self, bytes: usize) {
        debug_assert!(self.text.is_char_boundary(self.at + bytes), "a character is read whole");
        self.at += bytes;
    }

    /// Puts `text` before all that is there.
    pub(super) fn put_back(&mut self, text: &str) {
        if self.is_empty() && self.escaped.is_empty() {
            // Nothing comes behind it: copying is cheaper than to look whether it is there already.
            self.text.clear();
            self.text.push_str(text);
            self.at = 0;
            return;
        }
        match self.before(text) {
            Some(at) => self.at = at,
            None if self.is_empty() => {
                self.text.clear();
                self.text.push_str(text);
                (self.at, self.escaped) = (0, 0..0);
            }
            None => {
                self.text.replace_range(..self.at, text);
                self.at = 0;
            }
        }
    }

    /// The same with text whose quotes count whether a backslash stands before them or not.
    pub(super) fn put_back_escaped(&mut self, text: &str) {
        let behind = self.rest().len();
        self.put_back(text);
        let joins = !self.escaped.is_empty() && self.escaped.end >= behind;
        self.escaped = if joins { self.escaped.start.min(behind) } else { behind }..self.rest().len();
    }

    /// Where `text` begins, if it is what was read last.
    fn before(&self, text: &str) -> Option<usize> {
        let mut read = self.text.get(..self.at)?;
        if self.escaped.is_empty() {
            return read.strip_suffix(text).map(str::len);
        }
        for c in text.chars().rev() {
            read = read.strip_suffix(c)?;
            if c == '"' && self.escaped.contains(&(self.text.len() - read.len())) {
                read = read.strip_suffix('\\').unwrap_or(read);
            }
        }
        Some(read.len())
    }

    /// Takes all of it.
    pub(super) fn take(&mut self) -> String {
        let text = self.rest().to_string();
        self.text.clear();
        (self.at, self.escaped) = (0, 0..0);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pop(again: &mut Pushback, count: usize) -> String {
        (0..count).map_while(|_| again.pop()).collect()
    }

    #[test]
    fn what_is_put_back_is_read_before_the_rest() {
        let mut again = Pushback::default();
        again.put_back("cd");
        again.put_back("ab");
        assert_eq!(pop(&mut again, 3), "abc");
        again.put_back("bc");
        again.put_back("x");
        assert_eq!(again.take(), "xbcd");
        assert!(again.is_empty());
    }

    #[test]
    fn escaped_quotes_are_read_without_their_backslash_and_kept_with_it() {
        let mut again = Pushback::default();
        again.put_back(r#"\"e"#);
        again.put_back_escaped(r#"\"b\\"c"#);
        again.put_back(r#"\"a"#);
        assert!(again.is_escaped());
        assert_eq!(pop(&mut again, 8), r#"\"a"b\"c"#);
        again.put_back(r#"\"c"#);
        assert_eq!(again.rest(), r#"\\"c\"e"#);
        assert_eq!(pop(&mut again, 3), r#"\"c"#);
        assert!(!again.is_escaped());
        assert_eq!(pop(&mut again, 2), r#"\""#);
        again.put_back(r#"a"b\"c\""#);
        assert_eq!(again.take(), r#"a\"b\\"c\"e"#);
    }
}
