//! Markers inside a value: what may be one is kept until it is one or none.
//! Does not say what a marker does; a delimiter is `raw`'s, a closer `ends`'s.

use std::fmt::Debug;

use super::{Mode, Next, Reading, Repair, State, Syntax, Types};

impl<P: Copy + Debug> Repair<P> {
    pub(super) fn begins_marker<T>(&self, c: char, cx: &Syntax<'_, T>) -> bool {
        // Its first byte tells enough: `try_marker` looks again.
        let first = c.encode_utf8(&mut [0; 4]).bytes().next();
        if !first.is_some_and(|byte| cx.first_bytes.has(byte)) {
            return false;
        }
        let begins = |marker: &str| marker.bytes().next() == first;
        match self.state {
            State::Text | State::KeyText | State::Quote | State::Done => false,
            State::Raw if !self.gap.is_empty() => self.candidates(cx).any(begins),
            State::Raw | State::KeyRaw => cx.quote.is_some_and(begins),
            _ => cx.quote.is_some_and(begins) || cx.closers.iter().any(|closer| begins(closer)),
        }
    }

    /// The markers that count in the current state.
    fn candidates<'a, T>(&self, cx: &Syntax<'a, T>) -> impl Iterator<Item = &'a str> {
        let in_raw = matches!(self.state, State::Raw | State::KeyRaw);
        let may_close = !in_raw || !self.gap.is_empty();
        let closers = cx.closers.iter().chain(cx.end_tokens.iter().filter(move |_| in_raw));
        cx.quote.into_iter().chain(closers.filter(move |_| may_close).map(String::as_str))
    }

    pub(super) fn try_marker<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        let maybe = std::mem::take(&mut self.maybe);
        self.examined += maybe.len();
        let found = self.candidates(cx).find(|m| *m == maybe);
        if found.is_some_and(|m| cx.quote == Some(m)) {
            return self.own_quote(cx, out);
        }
        if found.is_some() && matches!(self.state, State::Raw) {
            self.gap.push_str(&maybe);
            self.bound_tail(cx, out);
            return Reading::Read;
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
        let goes_on = self.candidates(cx).any(|m| m.starts_with(maybe.as_str()));
        self.maybe = maybe;
        if goes_on {
            return Reading::Read;
        }
        self.flush_maybe(cx, out)
    }

    /// What looked like a marker is none: its first character is read as any other, the rest again.
    pub(super) fn flush_maybe<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) -> Reading {
        let text = std::mem::take(&mut self.maybe);
        self.read_again(&text);
        let Some(first) = self.again.pop() else { return Reading::Read };
        self.feed(first, cx, out)
    }
}
