//! Closing quotes: where a quoted string or key ends, once what stands behind its quote, or before it, has shown it.
//! Reading ahead is `lookahead`'s; this file draws the conclusion, and has what was read ahead read again.

use std::fmt::Debug;

use super::lookahead::{Guess, Lookahead, Seen};
use super::quoted::{Quoted, Role, in_word, last_solid, opens};
use super::syntax::{Begins, Mode, Syntax, Types};
use super::{Container, Frame, Next, Repair, State};

impl<P: Copy + Debug> Repair<P> {
    /// One more character behind a quote.
    pub(super) fn after_quote<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        self.examined += c.len_utf8();
        let seen = match self.quoted.role {
            Role::Key => self.key_quote(c, cx),
            Role::Item if c.is_ascii_whitespace() => Seen::More,
            Role::Item if c == ':' => return self.item_is_key(c, cx, out),
            Role::Item => {
                // It is a value like any other, and its quote is looked at anew.
                self.item_is_value(out);
                return self.again_behind_quote(c, cx);
            }
            Role::Value => self.value_quote(c, cx),
        };
        match seen {
            Seen::More if self.gap.len() < cx.word_max => {
                self.gap.push(c);
                Next::Read
            }
            Seen::More if !self.look.may_end() => self.quote_is_data(c, cx, out),
            Seen::More | Seen::Yes => self.quote_closes(c, cx, out),
            Seen::No => self.quote_is_data(c, cx, out),
        }
    }

    /// What was read behind the quote is read again, and then `c`.
    fn again_behind_quote<T>(&mut self, c: char, cx: &Syntax<'_, T>) -> Next {
        if self.gap.is_empty() && !self.begins_marker(c, cx) {
            return Next::Pushback;
        }
        self.gap.push(c);
        self.read_gap_again();
        Next::Read
    }

    fn quote_is_data<T>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if self.quoted.is_key() && (!self.quoted.unsound || self.holds_call()) && self.split_key(c, cx) {
            return Next::Read;
        }
        self.quote_was_data(out);
        self.bound_key(cx, out);
        self.again_behind_quote(c, cx)
    }

    fn quote_closes<T: Types<Place = P>>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        if self.quoted.is_key() {
            self.state = State::AfterKey;
            // A second quote before the colon is one too many; elsewhere it begins the value.
            let doubled = self.gap.starts_with('\'') || (c == ':' && self.gap.starts_with(opens));
            self.repaired |= doubled;
            if doubled {
                self.gap = self.gap.trim_start_matches(opens).into();
            }
            return self.again_behind_quote(c, cx);
        }
        if self.quoted.guess == Guess::End {
            self.flush_tail_text(out);
            self.end_string(out);
            if self.takes_sound_gap(cx, out) && !self.begins_marker(c, cx) {
                return Next::Pushback;
            }
            return self.again_behind_quote(c, cx);
        }
        if self.quoted.guess == Guess::Call && cx.mode == Mode::Strict {
            return Next::Unreadable;
        }
        let mut behind = std::mem::take(&mut self.gap);
        behind.insert(0, self.quoted.seen);
        behind.push(c);
        let call = self.quoted.guess == Guess::Call;
        self.end_before_tail(&behind, cx, out);
        if call {
            self.close_before_call(out);
        }
        Next::Read
    }

    /// Takes what was read behind the quote without reading it again, where that is sound: closers of what is open, a
    /// comma, blanks, and in an object a key, whose colon comes next. `false`, and nothing is done, where reading it
    /// again may lead to anything else.
    fn takes_sound_gap<T>(&mut self, cx: &Syntax<'_, T>, out: &mut String) -> bool {
        let Some((closers, behind)) = self.gap.split_once(',') else { return false };
        let quoted = behind.trim_start_matches(' ');
        let key = quoted.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
        let is_word = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let around = match key {
            Some(key) if is_word(key) => Container::Object,
            None if quoted.is_empty() => Container::Array,
            _ => return false,
        };
        let left = self.frames.len().saturating_sub(closers.len());
        let Some((left, closed)) = self.frames.split_at_checked(left) else { return false };
        let closes = |(frame, c): (&Frame<P>, char)| frame.closer == c && frame.container != Container::Pushback;
        let is_sound = left.last().is_some_and(|frame| frame.container == around)
            && closed.iter().rev().zip(closers.chars()).all(closes);
        let may_mark = |text: &str| text.bytes().any(|byte| cx.first_bytes.has(byte));
        if !is_sound || may_mark(closers) || may_mark(", \"") || cx.quote.is_some() {
            return false;
        }
        let blanks = behind.len() - quoted.len();
        self.key.push_str(key.unwrap_or_default());
        for _ in 0..closers.len() {
            self.close_top(out);
        }
        self.expect_next();
        self.lead.extend(std::iter::repeat_n(' ', blanks));
        self.gap.clear();
        if around == Container::Object {
            self.quoted = Quoted::new(Role::Key, '"');
            self.state = State::AfterKey;
        }
        true
    }

    /// Everything is closed, since another call begins: its closers are not read again.
    pub(super) fn close_before_call(&mut self, out: &mut String) {
        while self.again.peek().is_some_and(|c| matches!(c, '}' | ']' | ')' | ',') || c.is_ascii_whitespace()) {
            self.again.pop();
        }
        self.close_all(out);
    }

    /// What a quote of a value is, seen from one more character behind it.
    fn value_quote<T>(&mut self, c: char, cx: &Syntax<'_, T>) -> Seen {
        if self.gap.is_empty() && self.quoted.guess == Guess::End && in_word(c) {
            if self.tail.may_begin_call() && cx.calls.is_some() {
                self.quoted.guess = Guess::Call;
            } else if self.tail.may_begin_member() && !self.quoted.unsound {
                self.quoted.guess = Guess::Member;
                self.look = Lookahead::in_key();
            }
        }
        match self.quoted.guess {
            Guess::Call => self.look_at_call(c, cx),
            Guess::End if self.quoted.is_embedded_behind(self.tail.text()) => Seen::No,
            Guess::End | Guess::Member => self.look(c, cx),
        }
    }

    fn look_at_call<T>(&mut self, c: char, cx: &Syntax<'_, T>) -> Seen {
        if self.gap.len() > CALL_BYTES_MAX {
            return Seen::No;
        }
        // A name ends with a quote, and so does every key before it; an object may begin behind a colon.
        if c != '"' && c != '{' {
            return Seen::More;
        }
        let text = format!("{}{}{}{c}", self.tail.call(), self.quoted.seen, self.gap);
        self.examined += text.len();
        match cx.calls.map(|calls| calls.begins(&text)) {
            Some(Begins::Yes) => Seen::Yes,
            Some(Begins::Perhaps) => Seen::More,
            Some(Begins::No) | None => Seen::No,
        }
    }

    /// What a quote in a key is, seen from one more character behind it.
    fn key_quote<T>(&mut self, c: char, cx: &Syntax<'_, T>) -> Seen {
        let (first, touches) = (!self.quoted.unsound, self.gap.is_empty());
        match c {
            c if c.is_ascii_whitespace() => Seen::More,
            c if opens(c) && first && touches && !self.has_stray_quote(cx) && !self.lacks_quote() => Seen::More,
            ':' => Seen::Yes,
            ',' | '}' | ']' if first && self.lacks_quote() => Seen::No,
            ',' | '}' | ']' => Seen::Yes,
            // Something else stands where the colon should, or nothing.
            '{' | '[' | '=' | ';' | '<' | '>' | '|' | '\\' if first && !self.lacks_quote() => Seen::Yes,
            _ if first && self.gap.starts_with(opens) => Seen::Yes,
            c if first && !self.lacks_quote() && (opens(c) || c.is_ascii_digit() || c == '-') => Seen::Yes,
            _ => Seen::No,
        }
    }

    /// A string in an array is followed by a colon: it is a key, and the array was not closed before it.
    fn item_is_key<T>(&mut self, c: char, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        self.close_lists(out);
        if self.state == State::Done {
            // It is one of the object around the value.
            let (lead, key) = (std::mem::take(&mut self.lead), std::mem::take(&mut self.key));
            let gap = std::mem::take(&mut self.gap);
            self.read_again(&format!("{lead}\"{key}\"{gap}{c}"));
            return Next::Read;
        }
        self.state = State::AfterKey;
        self.again_behind_quote(c, cx)
    }

    /// Whether the key being read holds a colon behind a word: it lacks its quote, and its value follows.
    fn lacks_quote(&self) -> bool {
        self.key_split().is_some()
    }

    /// Whether the key runs over closers up to a brace, where a call may begin: it ended before.
    fn holds_call(&self) -> bool {
        last_solid(&self.key) == Some(b'{') && self.key.contains('}')
    }

    /// Whether the key begins with what stands between tokens or behind the value: its quote is one too many.
    fn has_stray_quote<T>(&self, cx: &Syntax<'_, T>) -> bool {
        let inside = self.inside_key().trim_start_matches("\\n").trim_start();
        let is_marker = cx.behind.markers().any(|marker| inside.starts_with(marker));
        is_marker || inside.chars().next().is_none_or(|c| matches!(c, ',' | ':' | ';' | '{' | '}' | '[' | ']'))
    }

    /// What was written behind the quote that opened the key.
    fn inside_key(&self) -> &str {
        self.raw_key.get(self.quoted.open.len_utf8()..).unwrap_or_default()
    }

    /// Where the word that is the key ends, and where its colon stands.
    fn key_split(&self) -> Option<(usize, usize)> {
        let key = self.inside_key();
        let word = key.find(|c: char| !in_word(c)).filter(|&at| at > 0)?;
        let rest = key.get(word..)?;
        // Whatever stands in its quote's place, with or without a backslash before it.
        let wrong = rest.strip_prefix('\\').unwrap_or(rest);
        let behind = wrong.strip_prefix(|c: char| !in_word(c) && c != ':' && c != '/').unwrap_or(rest);
        let colon = [rest, wrong, wrong.get(1..).unwrap_or_default(), behind]
            .into_iter()
            .map(|rest| rest.trim_start_matches("\\n").trim_start())
            .find(|rest| rest.starts_with(':'))?;
        Some((word, key.len() - colon.len()))
    }

    /// The key ended before its colon, or was none; what was read behind that is read again, and then `c`.
    fn split_key<T>(&mut self, c: char, cx: &Syntax<'_, T>) -> bool {
        let mut behind = String::from(self.quoted.seen);
        behind.push_str(&self.gap);
        behind.push(c);
        self.split_key_before(&behind, cx)
    }

    pub(super) fn split_key_before<T>(&mut self, behind: &str, cx: &Syntax<'_, T>) -> bool {
        let split = if self.has_stray_quote(cx) {
            Some((0, 0))
        } else if self.quoted.unsound {
            self.first_quote()
        } else {
            self.key_split()
        };
        let Some((word, colon)) = split else { return false };
        let value = self.inside_key().get(colon..).unwrap_or_default().to_string();
        self.repaired = true;
        // The same place in the key as it is written out, where quotes are escaped.
        let end = if self.quoted.unsound { self.key.find("\\\"").unwrap_or(word) } else { word };
        self.key.truncate(if word == 0 { 0 } else { end });
        self.gap.clear();
        self.state = if word == 0 { State::Key } else { State::AfterKey };
        self.raw_key.truncate(if word == 0 { 0 } else { self.quoted.open.len_utf8() + word });
        self.read_again(behind);
        // Quotes that were escaped count like those behind them, which are not.
        self.again.put_back_escaped(&value);
        true
    }

    /// Where the key ends if its first quote was no data after all, and what is behind that quote.
    fn first_quote(&self) -> Option<(usize, usize)> {
        let key = self.inside_key();
        let quote = key.find('"')?;
        let word = key.get(..quote)?;
        let backslashes = word.len() - word.trim_end_matches('\\').len();
        Some((quote - backslashes % 2, quote + 1))
    }

    /// Has `text` read before everything that is still to come.
    pub(super) fn read_again(&mut self, text: &str) {
        self.again.put_back(text);
    }

    /// The same with what was read behind a place that is decided now.
    pub(super) fn read_gap_again(&mut self) {
        self.again.put_back(&self.gap);
        self.gap.clear();
    }
}

/// A call's name stands nearer to its beginning.
pub(super) const CALL_BYTES_MAX: usize = 512;
