//! Quoted strings and keys: escapes, and the quotes inside that are data.
//! A quote closes its string only when what follows could follow a string.

use std::fmt::Debug;

use super::{Next, Repair, State, Syntax, Types, space};
use crate::json::escape_into;

/// How the string being read was opened, and where in an escape it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted {
    pub(super) key: bool,
    open: char,
    /// The quote that was seen last and may be data.
    seen: char,
    escape: Escape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
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
        Self { key: false, open: '"', seen: '"', escape: Escape::None }
    }
}

impl Quoted {
    pub(super) fn key(open: char) -> Self {
        Self { key: true, open, ..Self::default() }
    }

    pub(super) fn value(open: char) -> Self {
        Self { open, ..Self::default() }
    }

    /// Whether it is a value and no escape is open.
    pub(super) fn is_value(&self) -> bool {
        !self.key && self.escape == Escape::None
    }

    fn may_close(self, c: char) -> bool {
        match self.open {
            '"' => c == '"',
            '\'' => c == '\'',
            '\u{201c}' | '\u{201d}' => matches!(c, '\u{201c}' | '\u{201d}' | '"'),
            _ => matches!(c, '\u{2018}' | '\u{2019}' | '\''),
        }
    }
}

/// Whether `c` can open a string.
pub(super) fn opens(c: char) -> bool {
    matches!(c, '"' | '\'' | '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}')
}

/// Bytes that need a look inside a string: quotes, backslashes, control characters.
const STRAIGHT: [bool; 256] = looks(br#""\"#);
/// The same in a string that another quote than `"` opened. Curly quotes begin with 0xE2.
const CURLY: [bool; 256] = looks(&[b'"', b'\\', b'\'', 0xe2]);

#[expect(clippy::indexing_slicing, clippy::as_conversions, reason = "in a const, where the compiler checks both")]
const fn looks(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = true;
        control += 1;
    }
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
}

impl<P: Copy + Debug> Repair<P> {
    /// Reads the inside of a string up to a quote that may close it. Returns the bytes read, at least one.
    pub(super) fn push_text<T: Types<Place = P>>(&mut self, text: &str, cx: &Syntax<'_, T>, out: &mut String) -> usize {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if self.quoted.escape == Escape::None {
                let mut run = self.plain_run(rest);
                if self.quoted.key && self.key.len() + run > cx.word_max {
                    // A key is bounded, at a place that does not depend on how the text is cut.
                    let first = rest.chars().next().map_or(0, |c| if c == '\\' { 2 } else { c.len_utf8() });
                    run = run.min(first);
                }
                if let Some(plain) = rest.get(..run).filter(|plain| !plain.is_empty()) {
                    self.data(plain, out);
                    at += run;
                    self.bound_key(cx, out);
                    continue;
                }
            }
            let Some(c) = rest.chars().next() else { break };
            at += c.len_utf8();
            self.special(c, out);
            self.bound_key(cx, out);
            if self.state == State::Quote {
                break;
            }
        }
        at
    }

    fn bound_key<T>(&mut self, cx: &Syntax<'_, T>, out: &mut String) {
        if self.state == State::KeyText && self.key.len() > cx.word_max {
            self.give_up_key(out);
        }
    }

    /// The bytes that are the same inside a JSON string, common escapes included.
    pub(super) fn plain_run(&self, text: &str) -> usize {
        let (bytes, special) = (text.as_bytes(), if self.quoted.open == '"' { &STRAIGHT } else { &CURLY });
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if special.get(usize::from(byte)) == Some(&true) {
                let simple = matches!(bytes.get(at + 1), Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't'));
                if byte == b'\\' && simple {
                    at += 2;
                    continue;
                }
                break;
            }
            at += 1;
        }
        at
    }

    /// Text that stands in the string as it is.
    fn data(&mut self, text: &str, out: &mut String) {
        if self.quoted.key {
            self.key.push_str(text);
            self.raw_key.push_str(text);
        } else {
            out.push_str(text);
        }
    }

    fn special(&mut self, c: char, out: &mut String) {
        match self.quoted.escape {
            Escape::Backslash => {
                self.quoted.escape = Escape::None;
                match c {
                    '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {
                        self.data("\\", out);
                        self.data(c.encode_utf8(&mut [0; 4]), out);
                    }
                    'u' => self.quoted.escape = Escape::Unicode { digits: [0; 4], len: 0 },
                    '\'' | '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' => {
                        self.repaired = true;
                        self.data(c.encode_utf8(&mut [0; 4]), out);
                    }
                    c => {
                        self.repaired = true;
                        self.data("\\\\", out);
                        self.special(c, out);
                    }
                }
            }
            Escape::Unicode { digits, len } => self.unicode(c, digits, len, out),
            Escape::None if c == '\\' => self.quoted.escape = Escape::Backslash,
            Escape::None if self.quoted.may_close(c) => {
                self.quoted.seen = c;
                self.gap.clear();
                self.state = State::Quote;
            }
            Escape::None => {
                let mut escaped = String::new();
                escape_into(c.encode_utf8(&mut [0; 4]), &mut escaped);
                self.repaired |= u32::from(c) < 0x20;
                self.data(&escaped, out);
            }
        }
    }

    fn unicode(&mut self, c: char, mut digits: [u8; 4], len: u8, out: &mut String) {
        let digit = u8::try_from(c).ok().filter(u8::is_ascii_hexdigit);
        if let (Some(digit), Some(slot)) = (digit, digits.get_mut(usize::from(len))) {
            *slot = digit;
            if len < 3 {
                self.quoted.escape = Escape::Unicode { digits, len: len + 1 };
                return;
            }
            self.quoted.escape = Escape::None;
            self.data("\\u", out);
            self.data(std::str::from_utf8(&digits).unwrap_or_default(), out);
            return;
        }
        self.repaired = true;
        self.quoted.escape = Escape::None;
        self.data("\\\\u", out);
        let read = digits.get(..usize::from(len)).unwrap_or_default();
        self.data(std::str::from_utf8(read).unwrap_or_default(), out);
        self.special(c, out);
    }

    /// What follows a quote decides whether it closed the string.
    pub(super) fn after_quote<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if c.is_ascii_whitespace() && self.gap.len() < cx.word_max {
            self.gap.push(c);
            return Next::Read;
        }
        let closes = match c {
            ',' | '}' | ']' => true,
            ':' => self.quoted.key,
            ')' => self.frames.iter().any(|f| f.closer == ')'),
            c if opens(c) => !self.gap.is_empty() && !self.quoted.key,
            c => c.is_ascii_whitespace(),
        };
        if closes && self.quoted.key {
            self.state = State::AfterKey;
        } else if closes {
            self.end_string(out);
        } else {
            self.quote_was_data(out);
            self.bound_key(cx, out);
        }
        if self.state == State::Done { Next::Ended } else { Next::Again }
    }

    /// The quote closed the string.
    pub(super) fn end_string(&mut self, out: &mut String) {
        out.push('"');
        out.extend(self.gap.chars().map(space));
        self.gap.clear();
        self.value_ended();
    }

    /// The quote, and the whitespace after it, belong to the string.
    fn quote_was_data(&mut self, out: &mut String) {
        self.repaired = true;
        let mut data = String::new();
        escape_into(self.quoted.seen.encode_utf8(&mut [0; 4]), &mut data);
        escape_into(&self.gap, &mut data);
        self.gap.clear();
        self.data(&data, out);
        self.state = if self.quoted.key { State::KeyText } else { State::Text };
    }
}
