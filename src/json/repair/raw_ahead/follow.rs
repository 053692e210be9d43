//! What follows the place where a string may end: brackets, commas, keys, the call's closer, another call, text.
//! Decides by the law that [`super`] states; each stage is one method.

use super::{Ahead, Candidate, Inner, Judgement, KEY_BYTES_MAX, Stage, View, WINDOW_BYTES, is_bracket};
use crate::json::repair::{Begins, Container, Frame, Types};

impl Ahead {
    /// Behind a delimiter, or a bracket that left something open.
    pub(super) fn after<T: Types>(&mut self, c: char, at: usize, view: &View<'_, T>) -> Judgement {
        let open = view.inner == Inner::Paired;
        match c {
            c if c.is_ascii_whitespace() => Judgement::Open,
            ',' if view.inner == Inner::Quoting => Judgement::Data,
            ',' => self.go(Stage::Comma),
            ')' if !view.frames.iter().any(|frame| frame.closer == ')') => self.one_too_many(c, at),
            c if is_bracket(c) => self.bracket(c, at, view),
            c if view.begins_marker(c) => self.go_reading(Stage::AfterMarker, c),
            c if open && self.closed == 0 && is_key_letter(c) && !self.in_array(view) => {
                self.adjacent = at == self.length;
                self.liberties += 1;
                self.go_reading(Stage::Key, c)
            }
            c if c.is_ascii_punctuation() => self.one_too_many(c, at),
            _ => Judgement::Data,
        }
    }

    /// A letter stands there that fits nothing: once, that is a slip.
    fn one_too_many(&mut self, c: char, at: usize) -> Judgement {
        if self.closed == 0 {
            self.taken = at + c.len_utf8();
        }
        self.take_liberty()
    }

    fn take_liberty(&mut self) -> Judgement {
        self.liberties += 1;
        if self.liberties > 1 { Judgement::Data } else { Judgement::Open }
    }

    fn bracket<T: Types>(&mut self, c: char, at: usize, view: &View<'_, T>) -> Judgement {
        let matches = self.innermost(view).is_some_and(|frame| frame.closer == c);
        if !matches && self.take_liberty() == Judgement::Data {
            return Judgement::Data;
        }
        if matches || view.frames.iter().any(|frame| frame.closer == c) {
            self.closed += 1;
        }
        if self.closed < view.frames.len() {
            return self.go(Stage::After);
        }
        self.extra = if self.closed == 1 && at == self.taken { at + c.len_utf8() } else { 0 };
        self.go(Stage::Outside)
    }

    /// The innermost container that was not closed here.
    fn innermost<'a, T: Types>(&self, view: &View<'a, T>) -> Option<&'a Frame<T::Place>> {
        view.frames.len().checked_sub(self.closed + 1).and_then(|at| view.frames.get(at))
    }

    fn in_array<T: Types>(&self, view: &View<'_, T>) -> bool {
        self.innermost(view).is_some_and(|frame| frame.container == Container::Array)
    }

    pub(super) fn go(&mut self, stage: Stage) -> Judgement {
        self.stage = stage;
        self.word.clear();
        Judgement::Open
    }

    fn go_reading(&mut self, stage: Stage, c: char) -> Judgement {
        self.stage = stage;
        self.word.clear();
        self.word.push(c);
        Judgement::Open
    }

    /// A delimiter or a call's closer, where structure may go on.
    pub(super) fn inner_marker<T: Types>(&mut self, c: char, at: usize, view: &View<'_, T>) -> Judgement {
        let paired = Judgement::from(view.inner == Inner::Paired);
        self.word.push(c);
        let cx = view.cx;
        if cx.closers.contains(&self.word) {
            self.call_closed = true;
            return self.go(Stage::Outside);
        }
        if cx.quote == Some(self.word.as_str()) {
            // A key or a value begins; or the delimiter was doubled, or its pair stands right behind it.
            if self.stage == Stage::CommaMarker || paired == Judgement::Data {
                return paired;
            }
            self.taken = if self.closed == 0 { at + c.len_utf8() } else { self.taken };
            self.stage = Stage::After;
            self.word.clear();
            return self.take_liberty();
        }
        if cx.closers.iter().map(String::as_str).chain(cx.quote).any(|marker| marker.starts_with(self.word.as_str())) {
            return Judgement::Open;
        }
        // No marker, but perhaps a letter too many.
        let slip = self.word.chars().count() == 2 && self.stage == Stage::AfterMarker;
        if !slip || self.one_too_many_before(c, at) == Judgement::Data {
            return Judgement::Data;
        }
        self.go(Stage::After);
        self.after(c, at, view)
    }

    fn one_too_many_before(&mut self, _: char, at: usize) -> Judgement {
        if self.closed == 0 {
            self.taken = at;
        }
        self.take_liberty()
    }

    pub(super) fn comma<T: Types>(&mut self, c: char, at: usize, view: &View<'_, T>) -> Judgement {
        let paired = Judgement::from(view.inner == Inner::Paired);
        match c {
            c if c.is_ascii_whitespace() => Judgement::Open,
            ',' => self.take_liberty(),
            c if is_bracket(c) => self.bracket(c, at, view),
            c if view.begins_marker(c) => self.go_reading(Stage::CommaMarker, c),
            '{' | '[' => Judgement::from(self.in_array(view) && paired == Judgement::Ends),
            '"' | '\'' if self.in_array(view) => paired,
            '<' | '>' => Judgement::Data,
            c => self.go_reading(Stage::Key, c),
        }
    }

    /// A key, or a word that is an array's item.
    pub(super) fn key<T: Types>(&mut self, c: char, at: usize, view: &View<'_, T>) -> Judgement {
        let paired = view.inner == Inner::Paired;
        match c {
            ':' | '=' => return self.keyed(c, view),
            ',' | '}' | ']' if self.in_array(view) && !self.adjacent => {
                return Judgement::from(paired && !self.word.trim().contains(' '));
            }
            // A member without a value: what follows must vouch for it.
            ',' | '}' | ']' if self.take_liberty() == Judgement::Open => {
                return if c == ',' { self.go(Stage::Comma) } else { self.bracket(c, at, view) };
            }
            // The sign of an item's exponent.
            '+' if self.in_array(view) && self.word.ends_with(['e', 'E']) => self.word.push(c),
            // Its colon is missing, or another letter.
            c if is_markup(c) && self.is_declared(view) => return Judgement::Ends,
            c if is_markup(c) || c == '\n' || self.word.len() >= KEY_BYTES_MAX => return self.no_key(c, view),
            c => self.word.push(c),
        }
        Judgement::Open
    }

    /// It is no key. Behind all that was open it is text.
    fn no_key<T: Types>(&mut self, c: char, view: &View<'_, T>) -> Judgement {
        if self.closed < view.frames.len() || view.inner == Inner::Quoting {
            return Judgement::Data;
        }
        self.go(Stage::Window);
        self.window(c, view)
    }

    fn keyed<T: Types>(&mut self, c: char, view: &View<'_, T>) -> Judgement {
        if self.is_declared(view) {
            if self.stage == Stage::Key && self.closed == view.frames.len() && self.extra > 0 {
                self.taken = self.extra;
            }
            return Judgement::Ends;
        }
        if view.inner != Inner::Paired || self.closed == view.frames.len() {
            return self.no_key(c, view);
        }
        let key = self.word.trim().trim_matches(['"', '\'']);
        let name = !key.is_empty() && key.chars().all(|c| is_key_letter(c) || matches!(c, '-' | '.' | '$'));
        if self.liberties > 0 {
            // Only a key right behind the delimiter can lack its comma.
            return Judgement::from(name && self.adjacent);
        }
        if name { Judgement::Ends } else { self.go(Stage::Value) }
    }

    /// Whether the key is one that the schema knows in a container that is open.
    pub(super) fn is_declared<T: Types>(&self, view: &View<'_, T>) -> bool {
        let key = self.word.trim().trim_matches(['"', '\'']);
        let outermost = view.frames.first();
        let mut frames = self.innermost(view).into_iter().chain(outermost);
        view.inner != Inner::Quoting && frames.any(|frame| view.cx.types.declares(frame.place, key))
    }

    pub(super) fn value<T: Types>(&mut self, c: char, view: &View<'_, T>) -> Judgement {
        match c {
            ' ' => Judgement::Open,
            '{' | '[' | '"' => Judgement::Ends,
            c => Judgement::from(view.begins_marker(c)),
        }
    }

    /// Behind all that was open: the call's closer, another call, an end-of-turn token, or text.
    pub(super) fn outside<T: Types>(&mut self, c: char, _: usize, view: &View<'_, T>) -> Judgement {
        let cx = view.cx;
        if self.word.is_empty() {
            match c {
                c if c.is_ascii_whitespace() => return Judgement::Open,
                c if is_bracket(c) && !self.call_closed => return Judgement::Open,
                ',' if !self.call_closed && self.extra > 0 => return self.go(Stage::Comma),
                _ => {}
            }
        }
        self.word.push(c);
        // A doubled closer shows nothing that one does not show.
        let closers = if self.candidate == Candidate::Closer { &[] } else { cx.closers };
        if closers.contains(&self.word) {
            let once = !std::mem::replace(&mut self.call_closed, true);
            self.word.clear();
            return if once { Judgement::Open } else { self.take_liberty() };
        }
        if cx.end_tokens.contains(&self.word) {
            return Judgement::Ends;
        }
        let sight = cx.types.begins_call(&self.word);
        if sight == Begins::Yes {
            let quoted = match self.candidate {
                Candidate::Closer => view.quotes_call,
                _ => view.quotes_call && view.inner == Inner::Quoting,
            };
            return Judgement::from(!quoted);
        }
        let mut markers = closers.iter().chain(cx.end_tokens);
        if sight == Begins::Perhaps || markers.any(|marker| marker.starts_with(self.word.as_str())) {
            return Judgement::Open;
        }
        if view.inner == Inner::Quoting || self.candidate == Candidate::Closer {
            return Judgement::Data;
        }
        self.go(Stage::Window);
        self.window(c, view)
    }

    /// Text behind the call, if it is; a delimiter in it tells that the string goes on.
    pub(super) fn window<T: Types>(&mut self, c: char, view: &View<'_, T>) -> Judgement {
        self.window += c.len_utf8();
        self.word.push(c);
        let quote = view.cx.quote.unwrap_or_default();
        if self.word == quote {
            return Judgement::Data;
        }
        let sight = view.cx.types.begins_call(&self.word);
        if sight == Begins::Yes || self.window > WINDOW_BYTES {
            return Judgement::Ends;
        }
        if sight != Begins::Perhaps && !quote.starts_with(self.word.as_str()) {
            self.word.clear();
            if view.begins_marker(c) {
                self.word.push(c);
            }
        }
        Judgement::Open
    }
}

fn is_key_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a character is none of a key's.
pub(super) fn is_markup(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '_' | '-' | '.' | '$' | '"' | '\'')
}
