//! Markers inside a value: what may be one is kept until it is one or none.
//! Does not say what a marker does; a delimiter is `raw`'s, a closer `closing`'s.

use std::fmt::Debug;

use super::delimiter::{Likeness, opening};
use super::quoted::opens;
use super::{Mode, Next, Reading, Repair, State, Syntax, Types};

impl<P: Copy + Debug> Repair<P> {
    pub(super) fn begins_marker<T>(&self, c: char, cx: &Syntax<'_, T>) -> bool {
        if matches!(self.state, State::Text | State::KeyText | State::Quote | State::Done) {
            return false;
        }
        if cx.quote.is_some() && self.begins_misspelt(c, cx) {
            return true;
        }
        // Its first byte tells enough: `try_marker` looks again.
        let first = c.encode_utf8(&mut [0; 4]).bytes().next();
        first.is_some_and(|byte| cx.first_bytes.has(byte))
            && self.candidates(cx).any(|marker| marker.bytes().next() == first)
    }

    /// The markers that count outside strings.
    fn candidates<'a, T>(&self, cx: &Syntax<'a, T>) -> impl Iterator<Item = &'a str> + use<'a, T, P> {
        cx.quote.into_iter().chain(cx.closers.iter().map(String::as_str))
    }

    /// Whether a value may begin here with the dialect's own delimiter, misspelt; or a quote stand where no key begins.
    fn begins_misspelt<T>(&self, c: char, cx: &Syntax<'_, T>) -> bool {
        if opens(c) && self.may_begin_key() {
            return true;
        }
        self.state == State::Value
            && c.is_ascii_punctuation()
            && !matches!(c, '{' | '}' | '[' | ']' | '(' | ')')
            && cx.quote.is_some_and(|quote| opening(c.encode_utf8(&mut [0; 4]), quote) != Likeness::Unlike)
    }

    #[inline(never)]
    pub(super) fn try_marker<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        let maybe = std::mem::take(&mut self.maybe);
        self.examined += maybe.len();
        if self.may_begin_key() && maybe.starts_with(opens) {
            return self.quote_before_key(maybe, cx, out);
        }
        let found = self.candidates(cx).find(|m| *m == maybe);
        if found.is_some_and(|m| cx.quote == Some(m)) {
            return self.own_quote(cx, out);
        }
        if found.is_some() {
            self.leave_comment();
            let strict = cx.mode == Mode::Strict;
            if strict && self.lacks_a_part() {
                return Reading::Unreadable;
            }
            let in_word = matches!(self.state, State::Word { .. });
            if strict && in_word && self.end_word(cx, out) == Next::Unreadable {
                return Reading::Unreadable;
            }
            self.close_by_marker(cx, out);
            return Reading::Closed;
        }
        let misspelt = |text: &str| match cx.quote {
            Some(quote) if self.state == State::Value => opening(text, quote),
            _ => Likeness::Unlike,
        };
        let goes_on =
            self.candidates(cx).any(|m| m.starts_with(maybe.as_str())) || misspelt(&maybe) != Likeness::Unlike;
        if goes_on {
            self.maybe = maybe;
            return Reading::Read;
        }
        if let Some(len) = (1..=maybe.len()).rev().find(|&len| maybe.get(..len).map(misspelt) == Some(Likeness::Whole))
        {
            self.repaired = true;
            self.read_again(maybe.get(len..).unwrap_or_default());
            return self.own_quote(cx, out);
        }
        self.maybe = maybe;
        self.flush_maybe(cx, out)
    }

    fn may_begin_key(&self) -> bool {
        self.state == State::Key || (self.state == State::AfterValue && !self.in_array())
    }

    /// A quote where a key may begin, and perhaps the character behind it: before a closer it is one too many.
    fn quote_before_key<T: Types<Place = P>>(
        &mut self,
        maybe: String,
        cx: &Syntax<'_, T>,
        out: &mut String,
    ) -> Reading {
        let mut behind = maybe.chars();
        let stray = match (behind.next(), behind.next()) {
            (Some(_), Some(c)) => {
                matches!(c, '}' | ']' | ')' | ',') || self.candidates(cx).any(|marker| marker.starts_with(c))
            }
            _ => {
                self.maybe = maybe;
                return Reading::Read;
            }
        };
        if stray && cx.mode == Mode::Total {
            self.repaired = true;
            self.read_again(maybe.trim_start_matches(opens));
            return Reading::Read;
        }
        self.maybe = maybe;
        self.flush_maybe(cx, out)
    }

    /// What looked like a marker is none: its first character is read as any other, the rest again.
    pub(super) fn flush_maybe<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        self.again.put_back(&self.maybe);
        self.maybe.clear();
        let Some(first) = self.again.pop() else { return Reading::Read };
        self.feed(first, cx, out)
    }

    /// Whether a closer was begun that nothing else can be.
    pub(super) fn closer_is_begun<T>(&self, cx: &Syntax<'_, T>) -> bool {
        let begun = |closer: &String| closer.starts_with(self.maybe.as_str());
        let may_close = self.maybe.starts_with(['}', ']', ')']);
        self.maybe.len() > 1 && !may_close && !self.lacks_a_part() && cx.closers.iter().any(begun)
    }
}
