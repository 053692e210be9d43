//! State of a quoted string: what is known of the string being read: how it was opened, where in an escape it is, what
//! was seen in it. Reads nothing; `string` does.

use super::lookahead::Guess;

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

    /// Whether it is a value, and nothing that was seen in it says more of what comes.
    pub(super) fn is_quiet(&self) -> bool {
        self.role == Role::Value && self.high.is_none() && self.embedded == 0
    }

    /// Whether a quote behind `tail` cannot end the string, since JSON inside it goes on.
    pub(super) fn is_embedded_behind(mut self, tail: &str) -> bool {
        if self.embedded > 0 {
            self.inside(tail);
        }
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
    #[inline]
    pub(super) fn inside(&mut self, text: &str) {
        if let Some(last) = last_solid(text) {
            self.opened = matches!(last, b'{' | b'[');
        }
        if self.embedded > 0 && !self.inner {
            self.inside_embedded(text);
        }
    }

    fn inside_embedded(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '{' | '[' => self.embedded = self.embedded.saturating_add(1),
                '}' | ']' if self.embedded == 1 => {
                    self.embedded = 0;
                    return;
                }
                '}' | ']' => self.embedded -= 1,
                _ => {}
            }
        }
    }
}

/// The last byte that is no whitespace, written or escaped.
#[inline]
pub(super) fn last_solid(text: &str) -> Option<u8> {
    let mut bytes = text.as_bytes();
    loop {
        bytes = match bytes {
            [before @ .., b'\\', b'n' | b't' | b'r'] => before,
            [before @ .., blank] if blank.is_ascii_whitespace() => before,
            [.., last] => return Some(*last),
            [] => return None,
        };
    }
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
