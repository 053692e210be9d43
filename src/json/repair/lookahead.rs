//! Lookahead behind a quote until what stands there shows whether the quote closed its string.
//! Keeps no text and changes nothing; what follows from it is `quote`'s.
//!
//! A quote closes a string before a comma only if a key and its colon follow (in an array: a value), before a closer
//! only if sound structure follows, and before a colon only if it is a key. Where no quote of the string was data so
//! far, a key that lacks a quote or its colon will do; where one was, its quotes are known to mean nothing.
//!
//! ```text
//!   Behind --closer--> Closed --comma--> Comma --quote--> Key --quote--> KeyEnd --colon--> closes
//!     |                                   |--letter, in an array--> Word --comma, closer--> closes
//!     +--comma--> Comma                   +--letter, in an object--> KeyWord --colon--> Colon --value--> closes
//! ```

use std::fmt::Debug;

use super::quoted::{self, Role, in_word, opens};
use super::{Container, Repair, Syntax, word};

/// Where reading ahead stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lookahead {
    at: At,
    /// Containers that are open there, and objects of the surroundings.
    open: Option<(usize, u32)>,
    /// Where in the text behind the quote the current word or marker begins.
    from: usize,
    /// What opened the current key.
    quote: Option<char>,
    /// Where a comment goes back to.
    back: At,
    /// A key will do that lacks something.
    lenient: bool,
    /// A wrong closer was read, which may have closed the innermost container alone.
    doubt: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Whitespace behind the quote, or nothing.
    #[default]
    Behind,
    Closed,
    Comma,
    /// Something stands where a comma or a colon should.
    Separator,
    /// In a quoted key.
    Key,
    /// The same, behind a backslash.
    KeyEscape,
    /// Behind a colon in a quoted key.
    KeyColon,
    KeyWord,
    /// Behind a key; one without all of its quotes needs a value too.
    KeyEnd,
    HalfKeyEnd,
    /// A comma stands where a key's colon should.
    KeyComma,
    Colon,
    /// In a literal or a number of an array.
    Word,
    WordEnd,
    /// Behind a quote that stands behind a complete value.
    Stray,
    Slash,
    Line,
    Block,
    Star,
    Marker,
}

/// What a quote is taken for while what follows it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    /// The string's end.
    End,
    /// A key's beginning: the string ended before the comma.
    Member,
    /// The first key of another call: the string ended before the closers.
    Call,
}

/// What one more character shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    More,
    Yes,
    No,
}

/// What is open at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    Object,
    Array,
    /// Everything is closed.
    Nothing,
}

/// A key that is longer is none that a model leaves a quote out of.
const KEY_BYTES_MAX: usize = 256;

impl Lookahead {
    /// Reading ahead inside a key.
    pub(super) fn in_key() -> Self {
        Self { at: At::Key, quote: Some('"'), ..Self::default() }
    }

    /// Whether what was read so far can be all there is behind a string.
    pub(super) fn may_end(&self) -> bool {
        matches!(self.at, At::Behind | At::Closed | At::Comma | At::Stray)
    }
}

impl<P: Copy + Debug> Repair<P> {
    /// Takes the next character behind a quote; those before it are in `gap`.
    pub(super) fn look<T>(&mut self, c: char, cx: &Syntax<'_, T>) -> Seen {
        let mut look = self.look;
        let seen = self.look_at(c, &mut look, cx);
        self.look = look;
        seen
    }

    /// Reads as much as goes on with the current key. Returns the bytes read.
    pub(super) fn look_run<T>(&mut self, text: &str, cx: &Syntax<'_, T>) -> usize {
        if self.look.at != At::Key || self.gap.is_empty() || self.quoted.role != Role::Value {
            return 0;
        }
        let key = self.gap.len().saturating_sub(self.look.from);
        let room = KEY_BYTES_MAX.saturating_sub(key).min(cx.word_max.saturating_sub(self.gap.len()));
        let run = text.bytes().take(room).take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        self.gap.push_str(text.get(..run).unwrap_or_default());
        run
    }

    fn look_at<T>(&self, c: char, look: &mut Lookahead, cx: &Syntax<'_, T>) -> Seen {
        let blank = c.is_ascii_whitespace();
        match look.at {
            At::Behind | At::Closed | At::Comma if blank => {}
            At::Behind | At::Closed | At::Comma if c == '/' || c == '#' => {
                if self.around(look, cx) == Around::Nothing {
                    return if look.at == At::Behind { Seen::No } else { Seen::Yes };
                }
                (look.back, look.at) = (look.at, if c == '/' { At::Slash } else { At::Line });
            }
            At::Behind | At::Closed => return self.look_behind(c, look, cx),
            At::Comma => return self.look_behind_comma(c, look, cx),
            At::Separator => match self.around(look, cx) {
                _ if blank => {}
                Around::Object if opens(c) => self.look_begins_key(c, look),
                Around::Array if begins_value(c) => return Seen::Yes,
                Around::Object | Around::Array if matches!(c, '}' | ']') => self.look_close(c, look, cx),
                _ => return Seen::No,
            },
            At::Stray => return self.look_behind_stray(c, look, cx),
            At::Key | At::KeyEscape | At::KeyColon => return self.look_in_key(c, look),
            At::KeyWord if in_word(c) && self.gap.len() - look.from < KEY_BYTES_MAX => {}
            At::KeyWord => return Self::look_behind_key_word(c, look),
            At::KeyEnd | At::HalfKeyEnd if blank => {}
            At::KeyEnd if look.lenient && c == '\'' => {}
            At::KeyEnd if c == ':' && self.quoted.guess == Guess::End => return Seen::Yes,
            At::KeyEnd | At::HalfKeyEnd if c == ':' => look.at = At::Colon,
            At::KeyEnd if look.lenient && (matches!(c, '{' | '[' | '"' | '=' | ';' | '-') || c.is_ascii_digit()) => {
                return Seen::Yes;
            }
            At::KeyEnd if look.lenient && look.doubt && matches!(c, ',' | ']') => return Seen::Yes,
            At::KeyEnd if look.lenient && matches!(c, ',' | '}' | ']') => look.at = At::KeyComma,
            At::KeyComma | At::Colon if blank => {}
            At::KeyComma if c.is_ascii_digit() || matches!(c, '-' | '{' | '[') => return Seen::Yes,
            At::Colon if begins_value(c) => return Seen::Yes,
            At::Word if c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_') => {}
            At::Word => {
                let word = self.gap.get(look.from..).unwrap_or_default();
                if look.lenient && c == ':' && word::is_name(word) {
                    look.at = At::Colon;
                    return Seen::More;
                }
                if !word::is_literal(word) {
                    return self.look_behind_word(c, look, cx);
                }
                look.at = At::WordEnd;
                return self.look_at(c, look, cx);
            }
            At::WordEnd if blank => {}
            At::WordEnd if matches!(c, ',' | ']' | '}') => return Seen::Yes,
            At::Slash if c == '/' => look.at = At::Line,
            At::Slash if c == '*' => look.at = At::Block,
            At::Line if matches!(c, '\n' | '\r') => look.at = look.back,
            At::Line => {}
            At::Star if c == '/' => look.at = look.back,
            At::Block | At::Star => look.at = if c == '*' { At::Star } else { At::Block },
            At::Marker => return self.look_marker(c, look, cx),
            _ => return Seen::No,
        }
        Seen::More
    }

    /// Behind the quote itself, or behind closers.
    fn look_behind<T>(&self, c: char, look: &mut Lookahead, cx: &Syntax<'_, T>) -> Seen {
        let around = self.around(look, cx);
        let first = look.at == At::Behind;
        // The value is complete, and what it stands in was not closed.
        let complete = !first && self.left_open(look, cx).0 == 0;
        match c {
            // A value that stands in nothing.
            _ if around == Around::Nothing && first => {
                let closes = matches!(c, ',' | '}' | ']') || (opens(c) && !self.gap.is_empty());
                return if closes { Seen::Yes } else { Seen::No };
            }
            '}' | ']' => self.look_close(c, look, cx),
            ')' if !first || !self.quoted.unsound || self.frames.iter().any(|f| f.closer == ')') => {
                self.look_close(c, look, cx)
            }
            _ if around == Around::Nothing => return if opens(c) { Seen::No } else { Seen::Yes },
            ',' => {
                look.at = At::Comma;
                look.lenient = !self.quoted.unsound;
            }
            c if opens(c) && complete && !self.quoted.unsound => {
                self.look_begins_key(c, look);
                look.at = At::Stray;
            }
            c if opens(c) && around == Around::Object => self.look_begins_key(c, look),
            c if opens(c) => return if self.gap.is_empty() { Seen::No } else { Seen::Yes },
            c if begins_marker(c, cx) => (look.at, look.from) = (At::Marker, self.gap.len()),
            ';' | '{' | '`' if complete => return Seen::Yes,
            c if complete && !self.quoted.unsound && in_word(c) => (look.at, look.from) = (At::Stray, 0),
            '\\' if !first && !complete && !self.quoted.unsound => {}
            ':' | '=' | '.' | '<' | '>' | '|' | '\\' | '[' if complete && !self.quoted.unsound => return Seen::Yes,
            ':' | ';' | '=' | '.' | '<' | '>' | '|' | '\\' if first && !self.quoted.unsound => look.at = At::Separator,
            '0'..='9' | '-' if first && around == Around::Array && !self.gap.is_empty() => {
                (look.at, look.from) = (At::Word, self.gap.len());
            }
            _ => return Seen::No,
        }
        if look.at == At::Marker {
            return self.look_marker(c, look, cx);
        }
        Seen::More
    }

    fn look_behind_comma<T>(&self, c: char, look: &mut Lookahead, cx: &Syntax<'_, T>) -> Seen {
        let around = self.around(look, cx);
        let in_list = look.doubt && look.lenient;
        match c {
            ',' => {}
            _ if around == Around::Nothing => return Seen::Yes,
            '}' | ']' | ')' => self.look_close(c, look, cx),
            // Be it a value or a marker: the string has ended.
            '{' | '[' if around == Around::Array => return Seen::Yes,
            c if begins_marker(c, cx) && !(around == Around::Array && c.is_ascii_alphanumeric()) => {
                (look.at, look.from) = (At::Marker, self.gap.len());
                return self.look_marker(c, look, cx);
            }
            '\\' if look.lenient => {}
            c if opens(c) || matches!(c, '{' | '[' | '(') => match around {
                Around::Object if opens(c) => self.look_begins_key(c, look),
                Around::Object if !in_list => return Seen::No,
                _ => return Seen::Yes,
            },
            c if (around == Around::Array || (in_list && !c.is_alphabetic()))
                && (c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')) =>
            {
                (look.at, look.from) = (At::Word, self.gap.len());
            }
            c if look.lenient && (c.is_alphabetic() || c == '_') => {
                (look.at, look.from) = (At::KeyWord, self.gap.len());
            }
            _ => return Seen::No,
        }
        Seen::More
    }

    /// A key's quote, or one too many.
    fn look_behind_stray<T>(&self, c: char, look: &mut Lookahead, cx: &Syntax<'_, T>) -> Seen {
        match c {
            c if c.is_ascii_whitespace() => {}
            c if in_word(c) && self.gap.len() == look.from => look.at = At::Key,
            ';' | ',' | '{' | '}' | ']' | '`' => return Seen::Yes,
            c if begins_marker(c, cx) => {
                (look.at, look.from) = (At::Marker, self.gap.len());
                return self.look_marker(c, look, cx);
            }
            _ => return Seen::No,
        }
        Seen::More
    }

    fn look_begins_key(&self, quote: char, look: &mut Lookahead) {
        (look.at, look.from) = (At::Key, self.gap.len() + quote.len_utf8());
        look.quote = Some(quote);
    }

    fn look_in_key(&self, c: char, look: &mut Lookahead) -> Seen {
        let key = self.gap.get(look.from..).unwrap_or_default();
        let lacks_quote = look.lenient || self.quoted.guess == Guess::Member;
        match look.at {
            At::KeyEscape => look.at = At::Key,
            At::KeyColon if c.is_ascii_whitespace() => {}
            At::KeyColon if lacks_quote && begins_value(c) => return Seen::Yes,
            _ if key.len() > KEY_BYTES_MAX => return Seen::No,
            _ if look.quote.is_none_or(|quote| quoted::closes(quote, c)) && opens(c) => look.at = At::KeyEnd,
            _ if c == '\\' => look.at = At::KeyEscape,
            _ if c == ':' && look.lenient && !key.is_empty() && key.chars().all(in_word) => look.at = At::KeyColon,
            _ => look.at = At::Key,
        }
        Seen::More
    }

    fn look_behind_key_word(c: char, look: &mut Lookahead) -> Seen {
        look.at = match c {
            ':' => At::Colon,
            c if opens(c) || c.is_ascii_whitespace() => At::HalfKeyEnd,
            _ => return Seen::No,
        };
        Seen::More
    }

    /// A word that is no value may be a marker, or its beginning.
    fn look_behind_word<T>(&self, c: char, look: &mut Lookahead, cx: &Syntax<'_, T>) -> Seen {
        let word = self.gap.get(look.from..).unwrap_or_default();
        if cx.behind.markers().chain(cx.quote).any(|marker| marker == word) {
            return Seen::Yes;
        }
        look.at = At::Marker;
        self.look_marker(c, look, cx)
    }

    fn look_marker<T>(&self, c: char, look: &Lookahead, cx: &Syntax<'_, T>) -> Seen {
        let word = self.gap.get(look.from..).unwrap_or_default();
        let is = |marker: &str| marker.strip_prefix(word).and_then(|rest| rest.strip_prefix(c)) == Some("");
        let goes_on = |marker: &str| marker.strip_prefix(word).is_some_and(|rest| rest.starts_with(c));
        let mut markers = cx.behind.markers().chain(cx.quote);
        if markers.clone().any(is) {
            return Seen::Yes;
        }
        // Behind a complete value it is one wrong letter.
        let complete = look.open.is_some_and(|(frames, _)| frames == 0) && !self.quoted.unsound;
        match markers.any(goes_on) {
            true => Seen::More,
            false if complete => Seen::Yes,
            false => Seen::No,
        }
    }

    /// A closer: how many containers are open behind it. A wrong one closes one.
    fn look_close<T>(&self, c: char, look: &mut Lookahead, cx: &Syntax<'_, T>) {
        let (frames, outer) = self.left_open(look, cx);
        let open = self.frames.get(..frames).unwrap_or_default();
        look.doubt |= open.last().is_some_and(|f| f.closer != c);
        look.open = Some(match open.iter().rposition(|f| f.closer == c) {
            Some(at) => (at, outer),
            None if frames > 0 => (frames - 1, outer),
            None if c == '}' => (0, outer.saturating_sub(1)),
            None => (0, outer),
        });
        look.at = At::Closed;
    }

    fn left_open<T>(&self, look: &Lookahead, cx: &Syntax<'_, T>) -> (usize, u32) {
        look.open.unwrap_or((self.frames.len(), cx.outer))
    }

    fn around<T>(&self, look: &Lookahead, cx: &Syntax<'_, T>) -> Around {
        let (frames, outer) = self.left_open(look, cx);
        match frames.checked_sub(1).and_then(|at| self.frames.get(at)) {
            Some(frame) if frame.container == Container::Array => Around::Array,
            Some(_) => Around::Object,
            None if outer > 0 => Around::Object,
            None => Around::Nothing,
        }
    }
}

fn begins_marker<T>(c: char, cx: &Syntax<'_, T>) -> bool {
    cx.behind.markers().chain(cx.quote).any(|marker| marker.starts_with(c))
}

/// Whether `c` can begin a value of JSON, in Python's spelling too.
fn begins_value(c: char) -> bool {
    opens(c) || c.is_ascii_digit() || matches!(c, '{' | '[' | '-' | 't' | 'f' | 'n' | 'T' | 'F' | 'N')
}
