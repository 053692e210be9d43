//! A plain quote that may stand in the delimiter's place, before a comma and the next member.
//! It does if that member's key is declared, and the first marker behind it cannot be the string's own end: a delimiter
//! where a value begins, or the call's closer. What is nearer to the string's own delimiter is data.

use super::follow::is_markup;
use super::{Ahead, Candidate, Inner, Judgement, KEY_BYTES_MAX, Stage, View, WINDOW_BYTES};
use crate::json::repair::Types;
use crate::json::repair::raw::opens_value;

impl Ahead {
    /// Behind such a quote and a comma.
    pub(super) fn before_member<T: Types>(&mut self, view: &View<'_, T>) -> Judgement {
        if view.inner != Inner::Paired || view.quotes_call { Judgement::Data } else { self.go(Stage::MemberKey) }
    }

    /// The member's key, and the colon behind it.
    pub(super) fn member_key<T: Types>(&mut self, c: char, view: &View<'_, T>) -> Judgement {
        match c {
            ':' | '=' if self.is_declared(view) => {
                self.candidate = Candidate::Plain;
                self.taken = self.length;
                self.opens_value = true;
                self.go(Stage::Member)
            }
            c if is_markup(c) || self.word.len() >= KEY_BYTES_MAX => Judgement::Data,
            c => {
                self.word.push(c);
                Judgement::Open
            }
        }
    }

    /// What stands behind its colon, up to the first marker.
    pub(super) fn member<T: Types>(&mut self, c: char, view: &View<'_, T>) -> Judgement {
        self.window += c.len_utf8();
        if self.window > WINDOW_BYTES {
            return Judgement::Data;
        }
        self.word.push(c);
        let (word, cx) = (self.word.as_str(), view.cx);
        if cx.quote == Some(word) {
            return Judgement::from(self.opens_value);
        }
        if cx.closers.iter().chain(cx.openers).any(|marker| marker == word) {
            return Judgement::Ends;
        }
        if !cx
            .closers
            .iter()
            .chain(cx.openers)
            .map(String::as_str)
            .chain(cx.quote)
            .any(|marker| marker.starts_with(word))
        {
            self.opens_value = opens_value(word).unwrap_or(self.opens_value);
            self.word.clear();
            if view.begins_marker(c) {
                self.word.push(c);
            }
        }
        Judgement::Open
    }
}
