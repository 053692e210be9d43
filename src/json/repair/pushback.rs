//! Pushback buffer: text that was read ahead and is to be read again, before what comes.
//! Does not know why.

/// The text, from where it was not yet read again.
#[derive(Debug, Default)]
pub(super) struct Pushback {
    text: String,
    /// What stands before it was read; it is kept since most of it comes back.
    at: usize,
}

impl Pushback {
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.text.len()
    }

    pub(super) fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes the next character.
    pub(super) fn pop(&mut self) -> Option<char> {
        let next = self.peek();
        self.skip(next.map_or(0, char::len_utf8));
        next
    }

    /// So many bytes were read.
    pub(super) fn skip(&mut self, bytes: usize) {
        debug_assert!(self.text.is_char_boundary(self.at + bytes), "a character is read whole");
        self.at += bytes;
    }

    /// Puts `text` before all that is there.
    pub(super) fn put_back(&mut self, text: &str) {
        match self.at.checked_sub(text.len()) {
            Some(at) if self.text.get(at..self.at) == Some(text) => self.at = at,
            _ if self.is_empty() => {
                self.text.clear();
                self.text.push_str(text);
                self.at = 0;
            }
            _ => {
                self.text.replace_range(..self.at, text);
                self.at = 0;
            }
        }
    }

    /// Takes all of it.
    pub(super) fn take(&mut self) -> String {
        let text = self.rest().to_string();
        self.text.clear();
        self.at = 0;
        text
    }
}
