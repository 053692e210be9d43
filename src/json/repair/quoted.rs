//! What is known of the string being read: how it was opened, where in an escape it is, what was seen in it.
//! Reads nothing; `string` does.

use super::look::Guess;

/// How the string being read was opened, and what was seen in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted {
    pub(super) role: Role,
    pub(super) open: char,
    /// The quote that was seen last and may be data.
    pub(super) seen: char,
    pub(super) escape: Escape,
    /// The first half of a surrogate pair, as it was written.
    pub(super) high: Option<[u8; 4]>,
    /// A quote in it was data: not all of its quotes are escaped.
    pub(super) unsound: bool,
    /// The last of it, whitespace aside, opens a container: a quote behind it begins a key or a value of that.
    opened: bool,
    /// JSON whose quotes are not escaped stands in it: so many of its containers are open.
    embedded: u32,
    /// A string of that JSON is open.
    inner: bool,
    pub(super) guess: Guess,
}

/// What a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Key,
    Value,
    /// A value of an array, behind a comma, that looks like a key of the object around it so far.
    Item,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    None,
    Backslash,
    /// After `\\u`, so many hexadecimal digits.
    Unicode {
        digits: [u8; 4],
        len: u8,
    },
}

impl Default for Quoted {
    fn default() -> Self {
        Self::new(Role::Value, '"')
    }
}

impl Quoted {
    pub(super) fn new(role: Role, open: char) -> Self {
        Self {
            role,
            open,
            seen: '"',
            escape: Escape::None,
            high: None,
            unsound: false,
            opened: false,
            embedded: 0,
            inner: false,
            guess: Guess::End,
        }
    }

    pub(super) fn is_key(&self) -> bool {
        self.role == Role::Key
    }

    /// Whether it is a value in which nothing is awaited.
    pub(super) fn is_plain(&self) -> bool {
        self.role == Role::Value
            && self.escape == Escape::None
            && self.high.is_none()
            && self.embedded == 0
            && !self.opened
    }

    /// Whether a quote behind `tail` cannot end the string, since JSON inside it goes on.
    pub(super) fn is_embedded_behind(mut self, tail: &str) -> bool {
        self.inside(tail);
        self.embedded > 0
    }

    pub(super) fn may_close(&self, c: char) -> bool {
        // A quote of another kind may stand for the one that a key lacks.
        closes(self.open, c) || (self.is_key() && c == '"')
    }

    /// Takes note of a quote that is data.
    pub(super) fn quote_inside(&mut self) {
        self.unsound = true;
        if self.embedded > 0 {
            self.inner = !self.inner;
        } else if self.opened {
            (self.embedded, self.inner) = (1, true);
        }
        self.opened = false;
    }

    /// Takes note of data, as it stands in JSON.
    pub(super) fn inside(&mut self, text: &str) {
        if let Some(last) = last_solid(text) {
            self.opened = matches!(last, '{' | '[');
        }
        if self.embedded == 0 || self.inner {
            return;
        }
        for c in text.chars() {
            match c {
                '{' | '[' => self.embedded = self.embedded.saturating_add(1),
                '}' | ']' => self.embedded = self.embedded.saturating_sub(1),
                _ => {}
            }
        }
    }
}

/// Whether the last of `text`, whitespace aside, opens a container.
pub(super) fn opens_last(text: &str) -> bool {
    matches!(last_solid(text), Some('{' | '['))
}

/// The last character that is no whitespace, written or escaped.
pub(super) fn last_solid(text: &str) -> Option<char> {
    let mut text = text.trim_ascii_end();
    while let Some(before) = ["\\n", "\\t", "\\r"].iter().find_map(|blank| text.strip_suffix(blank)) {
        text = before.trim_ascii_end();
    }
    text.chars().next_back()
}

/// Whether `c` can close a string that `open` opened.
pub(super) fn closes(open: char, c: char) -> bool {
    match open {
        '"' => c == '"',
        '\'' => c == '\'',
        '\u{201c}' | '\u{201d}' => matches!(c, '\u{201c}' | '\u{201d}' | '"'),
        _ => matches!(c, '\u{2018}' | '\u{2019}' | '\''),
    }
}

/// Whether `c` can open a string.
pub(super) fn opens(c: char) -> bool {
    matches!(c, '"' | '\'' | '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}')
}

/// Whether `c` can stand in a key without quotes.
pub(super) fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$')
}
