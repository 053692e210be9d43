//! Strings of a Python call: escapes, three quotes, and pieces that are joined.

use crate::decode::call::{Call, Context};
use crate::json::escape_into;
use crate::json::repair::{Begins, Mode};

use super::tail::plain;
use super::{Reader, State, Step};

/// A string that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
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

impl Text {
    /// What this quote opens.
    pub(super) fn new(quote: char) -> Self {
        Self { quote, style: Style::Plain, escape: Escape::None, closing: 0, high: None }
    }

    /// The same, without escapes.
    pub(super) fn raw(quote: char) -> Self {
        Self { style: Style::Raw, ..Self::new(quote) }
    }

    /// Whether no escape and no closer is begun.
    pub(super) fn is_between(&self) -> bool {
        self.escape == Escape::None && self.high.is_none() && matches!(self.closing, 0 | THREE)
    }

    /// Whether one more quote behind `text` closes a string with three.
    pub(super) fn is_closed_behind(&self, text: &str) -> bool {
        text.len() - text.trim_end_matches(self.quote).len() + 1 == THREE
    }

    /// `text` up to the quotes at its end, of which one more may close a string with three.
    pub(super) fn before_quotes<'t>(&mut self, text: &'t str) -> &'t str {
        let data = text.trim_end_matches(self.quote);
        self.closing += text.len() - data.len();
        data
    }

    pub(super) fn is_long(&self) -> bool {
        self.closing >= THREE
    }
}

/// A string with three quotes counts its closing quotes from here on.
const THREE: usize = 3;

impl Reader {
    /// Reads as much of a string as stands for itself.
    pub(super) fn run(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> usize {
        let State::Text(open) = &self.state else { return 0 };
        // A key is bounded, at a place that does not depend on how the text is cut.
        if !open.is_between() || !self.tail.is_empty() || !self.is_value() {
            return 0;
        }
        let run = plain(text, open.quote, cx.dialect);
        escape_into(text.get(..run).unwrap_or_default(), self.out(call));
        run
    }

    /// Behind the opening quote: a second and a third may belong to it.
    pub(super) fn opening(&mut self, c: char, call: &mut Call) -> Step {
        match std::mem::take(&mut self.state) {
            State::Opening(text) if c == text.quote => self.state = State::Opened(text),
            State::Opening(text) => {
                self.state = State::Text(text);
                return Step::Again;
            }
            State::Opened(text) if c == text.quote => self.state = State::Text(Text { closing: THREE, ..text }),
            _ => {
                self.end_text(call);
                return Step::Again;
            }
        }
        Step::Read
    }

    /// One character of a string that does not stand for itself.
    pub(super) fn text(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        let State::Text(mut text) = self.state else { return Step::Reject };
        if text.is_between() && call.mode(cx) == Mode::Total {
            match self.tail.take(c, Some(&text), cx) {
                Begins::Perhaps => return self.judge_quote(cx, call),
                Begins::Yes => return self.end_before_tail(call),
                Begins::No if self.tail.is_empty() => {}
                Begins::No => {
                    self.tail_is_data(cx, call);
                    return Step::Again;
                }
            }
        }
        match text.escape {
            Escape::Backslash => {
                text.escape = Escape::None;
                self.escaped(&mut text, c, call);
            }
            Escape::Digits { value, radix, left } => match c.to_digit(radix) {
                Some(digit) => {
                    let value = value.saturating_mul(radix).saturating_add(digit);
                    text.escape = Escape::Digits { value, radix, left: left.saturating_sub(1) };
                    if left <= 1 {
                        self.end_digits(&mut text, call);
                    }
                }
                None => {
                    self.end_digits(&mut text, call);
                    self.state = State::Text(text);
                    return Step::Again;
                }
            },
            Escape::None if c == '\\' => {
                self.let_go(&mut text, call);
                text.escape = Escape::Backslash;
            }
            Escape::None if c == text.quote && text.is_long() => {
                text.closing += 1;
                if text.closing == 2 * THREE {
                    self.end_text(call);
                    return Step::Read;
                }
            }
            Escape::None if c == text.quote => {
                self.lone(&mut text, call);
                self.state = State::Quote(text, String::new());
                return Step::Read;
            }
            Escape::None => {
                self.let_go(&mut text, call);
                self.lone(&mut text, call);
                escape_into(c.encode_utf8(&mut [0; 4]), self.out(call));
            }
        }
        self.state = State::Text(text);
        Step::Read
    }

    /// Quotes that might have been the closing ones are data.
    fn let_go(&mut self, text: &mut Text, call: &mut Call) {
        if text.is_long() {
            let quotes = String::from(text.quote).repeat(text.closing - THREE);
            escape_into(&quotes, self.out(call));
            text.closing = THREE;
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self, text: &mut Text, c: char, call: &mut Call) {
        let digits = |radix, left| Escape::Digits { value: 0, radix, left };
        let plain = match c {
            _ if text.style == Style::Raw => None,
            'n' => Some("\n"),
            't' => Some("\t"),
            'r' => Some("\r"),
            'b' => Some("\u{8}"),
            'f' => Some("\u{c}"),
            'a' => Some("\u{7}"),
            'v' => Some("\u{b}"),
            '\\' => Some("\\"),
            '\'' => Some("'"),
            '"' => Some("\""),
            '/' => Some("/"),
            '\n' => Some(""),
            'x' | 'u' | 'U' | '0'..='7' => {
                text.escape = match c {
                    'x' => digits(16, 2),
                    'u' => digits(16, 4),
                    'U' => digits(16, 8),
                    _ => Escape::Digits { value: c.to_digit(8).unwrap_or_default(), radix: 8, left: 2 },
                };
                return;
            }
            _ => None,
        };
        self.lone(text, call);
        let out = self.out(call);
        if let Some(plain) = plain {
            escape_into(plain, out);
        } else {
            escape_into("\\", out);
            escape_into(c.encode_utf8(&mut [0; 4]), out);
        }
    }

    /// A character that digits name is whole, or as whole as it gets.
    fn end_digits(&mut self, text: &mut Text, call: &mut Call) {
        let Escape::Digits { value, .. } = std::mem::take(&mut text.escape) else { return };
        match (value, text.high) {
            (0xd800..0xdc00, _) => {
                self.lone(text, call);
                text.high = Some(value);
            }
            (0xdc00..0xe000, Some(high)) => {
                text.high = None;
                let value = 0x10000 + ((high - 0xd800) << 10) + (value - 0xdc00);
                self.push_char(value, call);
            }
            _ => {
                self.lone(text, call);
                self.push_char(value, call);
            }
        }
    }

    /// Half a pair of surrogates is no character.
    fn lone(&mut self, text: &mut Text, call: &mut Call) {
        if text.high.take().is_some() {
            self.out(call).push(char::REPLACEMENT_CHARACTER);
        }
    }

    fn push_char(&mut self, value: u32, call: &mut Call) {
        let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
        escape_into(c.encode_utf8(&mut [0; 4]), self.out(call));
    }

    /// The string is over.
    pub(super) fn end_text(&mut self, call: &mut Call) {
        self.out(call).push('"');
        self.state = State::AfterValue;
    }
}
