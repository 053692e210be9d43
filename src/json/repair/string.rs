//! Quoted strings and keys: escapes, and the quotes inside that are data.
//! Does not know what a quote means; `look` reads ahead of it, `ending` draws the conclusion.

use std::fmt::Debug;

use super::look::{Guess, Look};
use super::quoted::{Escape, Role, in_word};
use super::tail::{self, Behind};
use super::{Repair, Sight, State, Syntax, Types};
use crate::json::{escape_into, is_plain};

/// How a byte inside a string is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ByteIs {
    Plain,
    /// A quote, a backslash, a control character.
    Special,
    /// It may stand behind a string that lacks its quote.
    Behind,
}

const STRAIGHT: [ByteIs; 256] = looks(br#""\"#);
/// The same in a string that another quote than `"` opened. Curly quotes begin with 0xE2.
const CURLY: [ByteIs; 256] = looks(&[b'"', b'\\', b'\'', 0xe2]);

#[expect(clippy::indexing_slicing, clippy::as_conversions, reason = "in a const, where the compiler checks both")]
const fn looks(bytes: &[u8]) -> [ByteIs; 256] {
    let mut table = [ByteIs::Plain; 256];
    table[b'}' as usize] = ByteIs::Behind;
    table[b']' as usize] = ByteIs::Behind;
    table[b',' as usize] = ByteIs::Behind;
    let mut control = 0;
    while control < 0x20 {
        table[control] = ByteIs::Special;
        control += 1;
    }
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = ByteIs::Special;
        at += 1;
    }
    table
}

impl<P: Copy + Debug> Repair<P> {
    /// Reads the inside of a string up to a quote that may close it. Returns the bytes read, at least one.
    pub(super) fn push_text<T: Types<Place = P>>(&mut self, text: &str, cx: &Syntax<'_, T>, out: &mut String) -> usize {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if self.quoted.role == Role::Item {
                self.item_may_be_value(rest, out);
            }
            let is_item = self.quoted.role == Role::Item;
            if !is_item && self.quoted.escape == Escape::None && self.tail.is_empty() {
                let mut run = self.plain_run(rest, cx.behind);
                if self.quoted.is_key() && self.key.len() + run > cx.word_max {
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
            self.text_character(c, cx, out);
            self.bound_key(cx, out);
            if !matches!(self.state, State::Text | State::KeyText) {
                break;
            }
        }
        at
    }

    /// One character of a string that needs a look.
    pub(super) fn text_character<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) {
        if self.quoted.role == Role::Value && self.quoted.escape == Escape::None {
            if self.tail.take(c, cx.behind) || self.takes_call(c, cx, out) {
                return;
            }
            let begins_member = self.tail.may_begin_member() && !self.quoted.unsound;
            let begins = c == '"' && (self.tail.may_begin_call() || begins_member);
            if begins || self.quoted.may_close(c) {
                self.begin_look(c);
                return;
            }
            self.flush_tail_text(out);
            if self.tail.take(c, cx.behind) {
                return;
            }
        }
        self.special(c, out);
    }

    /// A call without quotes may begin behind the tail: then the string ends before that.
    fn takes_call<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> bool {
        let sight = self.tail.take_call(c, |text| cx.types.begins_call(text));
        if sight == Sight::Call {
            self.end_before_tail("", cx, out);
            self.close_before_call(out);
        }
        sight != Sight::Other
    }

    pub(super) fn bound_key<T>(&mut self, cx: &Syntax<'_, T>, out: &mut String) {
        if self.state == State::KeyText && self.key.len() > cx.word_max {
            self.give_up_key(out);
        }
    }

    /// The bytes that are the same inside a JSON string, common escapes included, and end nothing.
    pub(super) fn plain_run(&self, text: &str, behind: Behind<'_>) -> usize {
        let value = self.quoted.role == Role::Value;
        let (bytes, table) = (text.as_bytes(), if self.quoted.open == '"' { &STRAIGHT } else { &CURLY });
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let look = table.get(usize::from(byte)).copied().unwrap_or(ByteIs::Plain);
            if look == ByteIs::Special {
                let simple = matches!(bytes.get(at + 1), Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't'));
                if byte == b'\\' && simple {
                    at += 2;
                    continue;
                }
                break;
            }
            if value && (look == ByteIs::Behind || behind.first_bytes.has(byte)) {
                let Some(past) = tail::passed(text, at, behind) else { break };
                at = past;
                continue;
            }
            at += 1;
        }
        at
    }

    /// Text that stands in the string as it is.
    pub(super) fn data(&mut self, text: &str, out: &mut String) {
        self.end_high(out);
        self.quoted.inside(text);
        self.write_data(text, out);
    }

    fn write_data(&mut self, text: &str, out: &mut String) {
        match self.quoted.role {
            Role::Key => {
                self.key.push_str(text);
                self.raw_key.push_str(text);
            }
            Role::Item => self.key.push_str(text),
            Role::Value => out.push_str(text),
        }
    }

    /// A string in an array is no key if it goes on with anything but a word and its quote.
    fn item_may_be_value(&mut self, text: &str, out: &mut String) {
        let c = text.chars().next().unwrap_or_default();
        let fits = self.key.len() + c.len_utf8() <= ITEM_BYTES_MAX;
        let goes_on = (fits && in_word(c)) || self.quoted.may_close(c);
        if !goes_on {
            self.item_is_value(out);
        }
    }

    /// A string in an array is no key.
    pub(super) fn item_is_value(&mut self, out: &mut String) {
        if self.quoted.role == Role::Item {
            self.quoted.role = Role::Value;
            self.begin_value(out);
            out.push('"');
            out.push_str(&self.key);
            self.key.clear();
        }
    }

    /// Half a surrogate pair that has no other half: text cannot hold it.
    fn end_high(&mut self, out: &mut String) {
        if self.quoted.high.take().is_some() {
            self.repaired = true;
            self.write_data("\u{fffd}", out);
        }
    }

    fn special(&mut self, c: char, out: &mut String) {
        match self.quoted.escape {
            Escape::Backslash => {
                self.quoted.escape = Escape::None;
                match c {
                    '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {
                        // All of them are ASCII.
                        let mut escaped = [b'\\'; 2];
                        c.encode_utf8(escaped.get_mut(1..).unwrap_or_default());
                        self.data(std::str::from_utf8(&escaped).unwrap_or_default(), out);
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
            Escape::None if self.quoted.may_close(c) => self.begin_look(c),
            Escape::None => {
                let mut escaped = String::new();
                escape_into(c.encode_utf8(&mut [0; 4]), &mut escaped);
                self.repaired |= u32::from(c) < 0x20;
                self.data(&escaped, out);
            }
        }
    }

    fn begin_look(&mut self, quote: char) {
        self.quoted.seen = quote;
        self.quoted.guess = Guess::End;
        self.look = Look::default();
        self.gap.clear();
        self.state = State::Quote;
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
            self.unit(digits, out);
            return;
        }
        self.repaired = true;
        self.quoted.escape = Escape::None;
        self.data("\\\\u", out);
        let read = digits.get(..usize::from(len)).unwrap_or_default();
        self.data(std::str::from_utf8(read).unwrap_or_default(), out);
        self.special(c, out);
    }

    /// One UTF-16 unit. A pair keeps its letters; a half alone becomes U+FFFD, since strict readers refuse it.
    fn unit(&mut self, digits: [u8; 4], out: &mut String) {
        let written = std::str::from_utf8(&digits).unwrap_or_default();
        match u16::from_str_radix(written, 16).unwrap_or_default() {
            0xd800..=0xdbff => {
                self.end_high(out);
                self.quoted.high = Some(digits);
            }
            0xdc00..=0xdfff => {
                let high = self.quoted.high.take();
                match high.as_ref().and_then(|high| std::str::from_utf8(high).ok()) {
                    Some(high) => self.data(&format!("\\u{high}\\u{written}"), out),
                    None => {
                        self.repaired = true;
                        self.data("\u{fffd}", out);
                    }
                }
            }
            _ => self.data(&format!("\\u{written}"), out),
        }
    }

    /// The string is whole.
    pub(super) fn end_string(&mut self, out: &mut String) {
        self.end_high(out);
        self.item_is_value(out);
        self.quoted.escape = Escape::None;
        out.push('"');
        self.value_ended();
    }

    /// What may have stood behind the string belongs to it.
    pub(super) fn flush_tail_text(&mut self, out: &mut String) {
        if !self.tail.is_empty() {
            let text = self.tail.clear();
            self.raw_data(&text, out);
        }
    }

    fn raw_data(&mut self, text: &str, out: &mut String) {
        if is_plain(text) {
            return self.data(text, out);
        }
        let mut escaped = String::new();
        escape_into(text, &mut escaped);
        self.repaired |= text.bytes().any(|byte| byte < 0x20);
        self.data(&escaped, out);
    }

    /// The quote belongs to the string.
    pub(super) fn quote_was_data(&mut self, out: &mut String) {
        self.flush_tail_text(out);
        self.item_is_value(out);
        self.repaired = true;
        let mut data = String::new();
        escape_into(self.quoted.seen.encode_utf8(&mut [0; 4]), &mut data);
        self.end_high(out);
        self.write_data(&data, out);
        self.quoted.quote_inside();
        self.state = if self.quoted.is_key() { State::KeyText } else { State::Text };
    }
}

/// A longer string of an array is no key.
const ITEM_BYTES_MAX: usize = 64;
