//! Quoted strings and keys: escapes, and the quotes inside that are data.
//! Does not know what a quote means; `lookahead` reads on behind it, `quote` draws the conclusion.

use std::fmt::Debug;

use super::behind::{BEHIND, Behind, MARKER, QUOTE, SPECIAL};
use super::lookahead::{Guess, Lookahead};
use super::quoted::{Escape, Role, in_word};
use super::tail::{self, Stands};
use super::{Begins, Repair, Skimmed, State, Syntax, Types};
use crate::json::{escape_into, is_plain};

/// What ends a run of plain data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// There is no more text.
    Text,
    /// All that follows may stand behind the string.
    Tail,
    /// A backslash follows, and no more text.
    Escape,
    Unclear,
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
                let (mut run, _) = self.plain_run(rest, cx.behind);
                if self.quoted.is_key() && self.key.len() + run > cx.word_max {
                    // A key is bounded, at a place that does not depend on how the text is cut.
                    let first = rest.chars().next().map_or(0, |c| if c == '\\' { 2 } else { c.len_utf8() });
                    run = run.min(first);
                }
                if let Some(plain) = rest.get(..run).filter(|plain| !plain.is_empty()) {
                    self.data(plain, out);
                    self.keep_raw_key(plain);
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
            if self.tail.take(c, cx.behind) || self.takes_call(c, cx, out) || self.takes_key(c, cx, out) {
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
        if self.state != State::Quote {
            self.keep_raw_key(c.encode_utf8(&mut [0; 4]));
        }
    }

    /// Keeps what stands in a key as it was written: where it turns out to be none it is read again.
    fn keep_raw_key(&mut self, text: &str) {
        if self.quoted.is_key() {
            self.raw_key.push_str(text);
        }
    }

    /// A call without quotes may begin behind the tail: then the string ends before that.
    fn takes_call<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> bool {
        let sight = self.tail.take_call(c, |text| cx.types.begins_call(text));
        if sight == Begins::Yes {
            self.end_before_tail("", cx, out);
            self.close_before_call(out);
        }
        sight != Begins::No
    }

    /// A member may begin behind the dialect's own delimiter: then the string ends before that, and `c` is read again.
    fn takes_key<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> bool {
        let (Some(quote), Some(frame)) = (cx.quote, self.frames.last()) else { return false };
        let place = frame.place;
        let sight = self.tail.take_key(c, quote, |key| cx.types.declares(place, key));
        if sight == Begins::Yes {
            self.end_before_tail(c.encode_utf8(&mut [0; 4]), cx, out);
        }
        sight != Begins::No
    }

    pub(super) fn bound_key<T>(&mut self, cx: &Syntax<'_, T>, out: &mut String) {
        if self.state == State::KeyText && self.key.len() > cx.word_max {
            self.give_up_key(out);
        }
    }

    /// Reads `text` if all of it is data of a string, or may stand behind it.
    #[inline(never)]
    pub(super) fn skim_text(&mut self, text: &str, behind: &Behind, out: &mut String) -> Skimmed {
        if !self.quoted.is_quiet() {
            return Skimmed::No;
        }
        if self.quoted.escape != Escape::None || !self.tail.is_empty() {
            return self.skim_held(text, behind, out);
        }
        match self.plain_run(text, behind) {
            (_, End::Text) => {
                self.quoted.inside(text);
                Skimmed::Data
            }
            (run, end) => self.skim_run(text, run, end, behind, out),
        }
    }

    /// The same behind half an escape, or something that may stand behind the string, if `text` shows that it does not.
    fn skim_held(&mut self, text: &str, behind: &Behind, out: &mut String) -> Skimmed {
        let Some(&first) = text.as_bytes().first() else { return Skimmed::No };
        let escaped = match self.quoted.escape {
            Escape::None if self.tail.ends_before(first, behind) && is_plain(self.tail.text()) => None,
            Escape::Backslash => match simple_escape(first) {
                None => return Skimmed::No,
                escaped => escaped,
            },
            _ => return Skimmed::No,
        };
        let text = if escaped.is_some() { text.get(1..).unwrap_or_default() } else { text };
        let (run, end) = self.plain_run(text, behind);
        if end == End::Unclear {
            return Skimmed::No;
        }
        let tail = std::mem::take(&mut self.tail);
        self.quoted.escape = Escape::None;
        self.data(escaped.unwrap_or(tail.text()), out);
        self.tail = tail.emptied();
        self.skim_run(text, run, end, behind, out)
    }

    /// Writes `run` bytes of `text`, and keeps what follows them.
    fn skim_run(&mut self, text: &str, run: usize, end: End, behind: &Behind, out: &mut String) -> Skimmed {
        if end == End::Unclear {
            return Skimmed::No;
        }
        let (data, kept) = text.split_at_checked(run).unwrap_or_default();
        self.quoted.inside(data);
        out.push_str(data);
        if end == End::Escape {
            self.quoted.escape = Escape::Backslash;
            return Skimmed::Read;
        }
        for c in kept.chars() {
            let taken = self.tail.take(c, behind);
            debug_assert!(taken, "{c:?} cannot stand behind a string");
        }
        Skimmed::Read
    }

    /// The bytes that are the same inside a JSON string, common escapes included, and end nothing.
    #[inline]
    fn plain_run(&self, text: &str, behind: &Behind) -> (usize, End) {
        let quotes = if self.quoted.open == '"' { SPECIAL } else { SPECIAL | QUOTE };
        let ends = if self.quoted.role == Role::Value { quotes | BEHIND | MARKER } else { quotes };
        let (bytes, mut at) = (text.as_bytes(), 0);
        while let Some(rest) = bytes.get(at..) {
            let Some(run) = rest.iter().position(|&byte| behind.meaning(byte) & ends != 0) else { break };
            at += run;
            let (byte, next) = (rest.get(run).copied().unwrap_or_default(), rest.get(run + 1));
            if behind.meaning(byte) & quotes != 0 {
                match next {
                    Some(&next) if byte == b'\\' && simple_escape(next).is_some() => at += 2,
                    None if byte == b'\\' => return (at, End::Escape),
                    _ => return (at, End::Unclear),
                }
            } else {
                match tail::stands(text, at, behind) {
                    Stands::Data(to) => at = to,
                    Stands::Tail => return (at, End::Tail),
                    Stands::Unclear => return (at, End::Unclear),
                }
            }
        }
        (bytes.len(), End::Text)
    }

    /// Text that stands in the string as it is.
    pub(super) fn data(&mut self, text: &str, out: &mut String) {
        self.end_high(out);
        self.quoted.inside(text);
        self.write_data(text, out);
    }

    fn write_data(&mut self, text: &str, out: &mut String) {
        match self.quoted.role {
            Role::Key | Role::Item => self.key.push_str(text),
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
                if let Some(escape) = u8::try_from(c).ok().and_then(simple_escape) {
                    return self.data(escape, out);
                }
                match c {
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
            Escape::None if u32::from(c) >= 0x20 && c != '"' => self.data(c.encode_utf8(&mut [0; 4]), out),
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
        self.look = Lookahead::default();
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
            let tail = std::mem::take(&mut self.tail);
            self.raw_data(tail.text(), out);
            self.tail = tail.emptied();
        }
    }

    pub(super) fn raw_data(&mut self, text: &str, out: &mut String) {
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
        self.keep_raw_key(self.quoted.seen.encode_utf8(&mut [0; 4]));
        self.quoted.quote_inside();
        self.state = if self.quoted.is_key() { State::KeyText } else { State::Text };
    }
}

/// The escape of a backslash and `byte`, where these two are one.
fn simple_escape(byte: u8) -> Option<&'static str> {
    Some(match byte {
        b'"' => "\\\"",
        b'\\' => "\\\\",
        b'/' => "\\/",
        b'b' => "\\b",
        b'f' => "\\f",
        b'n' => "\\n",
        b'r' => "\\r",
        b't' => "\\t",
        _ => return None,
    })
}

/// A longer string of an array is no key.
const ITEM_BYTES_MAX: usize = 64;
