//! Strings of Python, in pieces: escapes, three quotes. Whether a quote closes a string with one is not decided here.

use crate::json::escape_into;

/// A string that is open.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    pub quote: char,
    style: Style,
    escape: Escape,
    /// Quotes read of three that close it.
    closing: usize,
    /// The first half of a surrogate pair.
    high: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Style {
    #[default]
    Plain,
    /// A backslash is one.
    Raw,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Backslash,
    /// Digits of a base that give a character, and so many more at most.
    Digits {
        value: u32,
        radix: u32,
        left: u32,
    },
}

/// What one character of a string was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// More of it.
    Data,
    /// Its own quote, which closes it unless that is data.
    Quote,
    /// The last of three that close it.
    Closed,
    /// Nothing yet: an escape ended before it, and it is to be pushed again.
    Again,
}

/// A string with three quotes counts its closing quotes from here on.
const THREE: usize = 3;

impl Text {
    /// What this quote opens.
    pub fn new(quote: char) -> Self {
        Self { quote, style: Style::Plain, escape: Escape::None, closing: 0, high: None }
    }

    /// The same, without escapes.
    pub fn raw(quote: char) -> Self {
        Self { style: Style::Raw, ..Self::new(quote) }
    }

    /// The same with three quotes.
    pub fn long(self) -> Self {
        Self { closing: THREE, ..self }
    }

    /// Whether no escape and no closer is begun.
    pub fn is_between(&self) -> bool {
        self.escape == Escape::None && self.high.is_none() && matches!(self.closing, 0 | THREE)
    }

    /// Whether one more quote behind `text` closes a string with three.
    pub fn is_closed_behind(&self, text: &str) -> bool {
        text.len() - text.trim_end_matches(self.quote).len() + 1 == THREE
    }

    /// `text` up to the quotes at its end, of which one more may close a string with three.
    pub fn before_quotes<'t>(&mut self, text: &'t str) -> &'t str {
        let data = text.trim_end_matches(self.quote);
        self.closing += text.len() - data.len();
        data
    }

    /// Whether it has three quotes.
    pub fn is_long(&self) -> bool {
        self.closing >= THREE
    }

    /// Takes one character; what it stands for goes into `out` as the inside of a JSON string.
    pub fn push(&mut self, c: char, out: &mut String) -> Taken {
        match self.escape {
            Escape::Backslash => {
                self.escape = Escape::None;
                self.escaped(c, out);
            }
            Escape::Digits { value, radix, left } => match c.to_digit(radix) {
                Some(digit) => {
                    let value = value.saturating_mul(radix).saturating_add(digit);
                    self.escape = Escape::Digits { value, radix, left: left.saturating_sub(1) };
                    if left <= 1 {
                        self.end_digits(out);
                    }
                }
                None => {
                    self.end_digits(out);
                    return Taken::Again;
                }
            },
            Escape::None if c == '\\' => {
                self.let_go(out);
                self.escape = Escape::Backslash;
            }
            Escape::None if c == self.quote && self.is_long() => {
                self.closing += 1;
                if self.closing == 2 * THREE {
                    return Taken::Closed;
                }
            }
            Escape::None if c == self.quote => {
                self.lone(out);
                return Taken::Quote;
            }
            Escape::None => {
                self.let_go(out);
                self.lone(out);
                escape_into(c.encode_utf8(&mut [0; 4]), out);
            }
        }
        Taken::Data
    }

    /// Quotes that might have been the closing ones are data.
    fn let_go(&mut self, out: &mut String) {
        if self.is_long() {
            let quotes = String::from(self.quote).repeat(self.closing - THREE);
            escape_into(&quotes, out);
            self.closing = THREE;
        }
    }

    /// What a backslash and `c` stand for, where these two are one escape.
    pub fn stands_for(&self, c: char) -> Option<&'static str> {
        if self.style == Style::Raw {
            return None;
        }
        Some(match c {
            'n' => "\n",
            't' => "\t",
            'r' => "\r",
            'b' => "\u{8}",
            'f' => "\u{c}",
            'a' => "\u{7}",
            'v' => "\u{b}",
            '\\' => "\\",
            '\'' => "'",
            '"' => "\"",
            '/' => "/",
            '\n' => "",
            _ => return None,
        })
    }

    /// What stands behind a backslash.
    fn escaped(&mut self, c: char, out: &mut String) {
        let digits = |radix, left| Escape::Digits { value: 0, radix, left };
        if self.style == Style::Plain && matches!(c, 'x' | 'u' | 'U' | '0'..='7') {
            self.escape = match c {
                'x' => digits(16, 2),
                'u' => digits(16, 4),
                'U' => digits(16, 8),
                _ => Escape::Digits { value: c.to_digit(8).unwrap_or_default(), radix: 8, left: 2 },
            };
            return;
        }
        self.lone(out);
        if let Some(plain) = self.stands_for(c) {
            escape_into(plain, out);
        } else {
            escape_into("\\", out);
            escape_into(c.encode_utf8(&mut [0; 4]), out);
        }
    }

    /// A character that digits name is whole, or as whole as it gets.
    fn end_digits(&mut self, out: &mut String) {
        let Escape::Digits { value, .. } = std::mem::take(&mut self.escape) else { return };
        match (value, self.high) {
            (0xd800..0xdc00, _) => {
                self.lone(out);
                self.high = Some(value);
            }
            (0xdc00..0xe000, Some(high)) => {
                self.high = None;
                push_char(0x10000 + ((high - 0xd800) << 10) + (value - 0xdc00), out);
            }
            _ => {
                self.lone(out);
                push_char(value, out);
            }
        }
    }

    /// Half a pair of surrogates is no character.
    fn lone(&mut self, out: &mut String) {
        if self.high.take().is_some() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

fn push_char(value: u32, out: &mut String) {
    let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
    escape_into(c.encode_utf8(&mut [0; 4]), out);
}
