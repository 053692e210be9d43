//! Words without quotes: literals and numbers in JSON's and Python's spelling, and what is neither.
//! Does not compute: a number keeps its digits.

use std::borrow::Cow;
use std::fmt::Debug;

use super::{Container, Mode, Next, Repair, State, Syntax, Types, Words, space};
use crate::json::{Kinds, escape_into, write_string};

/// A word that JSON has, or that means one.
struct Literal<'a> {
    text: Cow<'a, str>,
    kind: Kinds,
}

impl<P: Copy + Debug> Repair<P> {
    pub(super) fn push_word<T: Types<Place = P>>(
        &mut self,
        c: char,
        depth: u16,
        cx: &Syntax<'_, T>,
        out: &mut String,
    ) -> Next {
        let quote = super::quoted::opens(c);
        if let Some(next) = self.word_goes_on(c, depth, cx, out) {
            return next;
        }
        if depth == 0 && matches!(c, ':' | '=') && self.word_is_key(cx) {
            self.word_becomes_key(out);
            return self.after_key(':', cx, out);
        }
        let opener = matches!(c, '[' | '{' | '(') && !self.word_quoted && literal(self.word.trim_end()).is_some();
        let breaks = quote || (matches!(c, '/' | '#') && cx.words == Words::Unreadable);
        if depth == 0 && (opener || self.ends_word(c) || (breaks && self.is_literal_and_blank())) {
            return self.end_word(cx, out);
        }
        self.word.push(c);
        self.word_quoted |= breaks;
        let depth = nest(c, depth);
        self.state = State::Word { depth };
        if self.word.len() > cx.word_max {
            let string = cx.words == Words::Strings && allows_string(cx.types.kinds(self.place));
            if !string && cx.mode == Mode::Strict {
                return Next::Unreadable;
            }
            self.malformed |= !string;
            self.repaired = true;
            self.begin_value(out);
            out.push('"');
            escape_into(&self.word, out);
            self.examined += self.word.len();
            self.word.clear();
            self.word_quoted = false;
            self.word_comma = 0;
            self.decided = true;
            self.state = State::LongWord { depth };
        }
        Next::Read
    }

    /// In a word that is a string a comma ends it only if a key and a colon follow.
    fn word_goes_on<T: Types<Place = P>>(
        &mut self,
        c: char,
        depth: u16,
        cx: &Syntax<'_, T>,
        out: &mut String,
    ) -> Option<Next> {
        if depth > 0 || cx.words != Words::Strings || self.in_array() || self.word.len() >= cx.word_max {
            return None;
        }
        if c == ',' {
            self.examined += self.word.len().min(LITERAL_BYTES);
            let could_end = self.word_comma == 0 && self.is_short_literal();
            if self.frames.is_empty() || could_end || !allows_string(cx.types.kinds(self.place)) {
                return None;
            }
            self.word_comma = self.word.len();
            self.word.push(c);
            return Some(Next::Read);
        }
        let key = self.word.get(self.word_comma..)?.strip_prefix(',')?.trim();
        if !matches!(c, ':' | '=') || key.is_empty() || key.len() > LITERAL_BYTES {
            return None;
        }
        let declared = self.frames.last().is_some_and(|frame| cx.types.declares(frame.place, key));
        if !declared && !key.chars().all(in_key) {
            return None;
        }
        self.read_again(c.encode_utf8(&mut [0; 4]));
        let behind = self.word.split_off(self.word_comma);
        self.read_again(&behind);
        let ended = self.end_word(cx, out);
        Some(if ended == Next::Unreadable { ended } else { Next::Read })
    }

    /// Whether the word is a key of an object around its list, if a colon follows. Where words are strings, the schema
    /// has to know it.
    fn word_is_key<T: Types<Place = P>>(&self, cx: &Syntax<'_, T>) -> bool {
        if !self.may_be_key_in_list(cx) || !is_name(&self.word) {
            return false;
        }
        let mut objects = self.frames.iter().rev().filter(|frame| frame.container != Container::Array);
        objects
            .next()
            .is_some_and(|object| cx.words == Words::Unreadable || cx.types.declares(object.place, key_of(&self.word)))
    }

    /// The word is a key, and the lists that it stands in ended before it.
    pub(super) fn word_becomes_key(&mut self, out: &mut String) {
        self.close_lists(out);
        self.key.push_str(key_of(&self.word));
        self.word.clear();
        (self.word_quoted, self.word_comma) = (false, 0);
        self.state = State::AfterKey;
    }

    fn is_short_literal(&self) -> bool {
        self.word.len() <= LITERAL_BYTES && literal(self.word.trim()).is_some()
    }

    /// Reads as much of a word as cannot end it. Returns the bytes read.
    pub(super) fn push_word_run<T>(&mut self, text: &str, cx: &Syntax<'_, T>) -> usize {
        let room = cx.word_max.saturating_sub(self.word.len());
        if !self.maybe.is_empty() {
            return 0;
        }
        let goes_on = |&byte: &u8| is_plain(char::from(byte)) && !cx.first_bytes.has(byte);
        let run = text.bytes().take(room).take_while(goes_on).count();
        self.word.push_str(text.get(..run).unwrap_or_default());
        run
    }

    #[cold]
    pub(super) fn push_long_word(&mut self, c: char, depth: u16, out: &mut String) -> Next {
        if depth == 0 && self.ends_word(c) {
            out.push('"');
            self.value_ended();
            return if self.state == State::Done { Next::Ended } else { Next::Pushback };
        }
        escape_into(c.encode_utf8(&mut [0; 4]), out);
        self.state = State::LongWord { depth: nest(c, depth) };
        Next::Read
    }

    fn ends_word(&self, c: char) -> bool {
        matches!(c, ',' | '}' | ']') || (c == ')' && self.frames.iter().any(|f| f.closer == ')'))
    }

    /// Whether the word is a literal with whitespace behind it. Looks at all of it, once: the quote that asks this makes
    /// of any other word one that is none.
    fn is_literal_and_blank(&mut self) -> bool {
        if self.word_quoted || !self.word.ends_with(|c: char| c.is_ascii_whitespace() || is_separator(c)) {
            return false;
        }
        self.examined += self.word.len();
        literal(without_separator(self.word.trim())).is_some()
    }

    /// The word is whole: writes what it means.
    pub(super) fn end_word<T: Types<Place = P>>(&mut self, cx: &Syntax<'_, T>, out: &mut String) -> Next {
        let mut word = std::mem::take(&mut self.word);
        self.word_quoted = false;
        self.word_comma = 0;
        self.examined += word.len();
        let (written, blank) = word.split_at(word.trim_end().len());
        let kinds = cx.types.kinds(self.place);
        // What stands where the comma should is in no literal.
        let literal = literal(without_separator(written));
        let text = if literal.is_some() { without_separator(written) } else { written };
        self.repaired |= text.len() != written.len();
        let literal = literal.filter(|l| kinds.is_empty() || kinds.intersects(l.kind) || !allows_string(kinds));
        if let Some(literal) = literal {
            self.repaired |= literal.text != text;
            self.begin_value(out);
            out.push_str(&literal.text);
        } else {
            let half = text.strip_suffix('"').filter(|_| cx.words == Words::Unreadable);
            let text = half.filter(|half| is_plain_text(half) && !half.is_empty()).unwrap_or(text);
            let string = cx.words == Words::Strings && is_plain_text(text) && allows_string(kinds);
            if !string && !means_number(text) && (half.is_none() || !is_plain_text(text)) {
                if cx.mode == Mode::Strict {
                    return Next::Unreadable;
                }
                self.malformed = true;
            }
            self.repaired = true;
            self.begin_value(out);
            write_string(text, out);
        }
        if !blank.is_empty() {
            out.extend(blank.chars().map(space));
        }
        // Its memory serves the next.
        word.clear();
        self.word = word;
        self.value_ended();
        if self.state == State::Done { Next::Ended } else { Next::Pushback }
    }
}

/// Whether nothing in a word means anything outside strings.
fn is_plain_text(text: &str) -> bool {
    !text.contains(['"', '\'', '(', ')', '[', ']', '{', '}', '='])
}

/// Whether a word is a number that JSON does not have: in another base, with leading zeros, not finite; or a date.
fn means_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.starts_with(|c: char| c.is_ascii_digit());
    let version = unsigned.bytes().filter(|&byte| byte == b'.').count() > 1;
    matches!(unsigned, "NaN" | "nan" | "Infinity" | "infinity" | "inf" | "Inf")
        || (digits
            && !version
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_' | ':' | '/')))
}

/// A word without what stands where a comma should.
fn without_separator(word: &str) -> &str {
    word.strip_suffix(is_separator).map_or(word, str::trim_end)
}

fn is_separator(c: char) -> bool {
    matches!(c, ';' | ':' | '=' | '|' | '<' | '>' | '\\')
}

/// Whether a word is a value.
pub(super) fn is_literal(word: &str) -> bool {
    literal(word).is_some() || means_number(word)
}

/// Whether a word, perhaps with a colon, can be nothing but a key.
pub(super) fn is_name(word: &str) -> bool {
    let key = key_of(word);
    key.len() <= LITERAL_BYTES
        && key.starts_with(|c: char| c == '_' || c.is_alphabetic())
        && key.chars().all(in_key)
        && literal(key).is_none()
}

/// A word without its colon.
fn key_of(word: &str) -> &str {
    let word = word.trim_end();
    word.strip_suffix([':', '=']).map_or(word, str::trim_end)
}

fn in_key(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$')
}

/// A number that is longer may be a string.
const LITERAL_BYTES: usize = 64;

fn allows_string(kinds: Kinds) -> bool {
    kinds.is_empty() || kinds.contains(Kinds::STRING)
}

fn nest(c: char, depth: u16) -> u16 {
    match c {
        '(' | '[' | '{' => depth.saturating_add(1),
        ')' | ']' | '}' => depth.saturating_sub(1),
        _ => depth,
    }
}

/// Whether a character goes on with a word and means nothing else there.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_')
}

fn literal(word: &str) -> Option<Literal<'_>> {
    let (text, kind) = match word {
        "true" | "True" => ("true", Kinds::BOOLEAN),
        "false" | "False" => ("false", Kinds::BOOLEAN),
        "null" | "None" => ("null", Kinds::NULL),
        _ => {
            let text = if is_plain_number(word) { Cow::Borrowed(word) } else { number(word)?.into() };
            let kind = if text.contains(['.', 'e', 'E']) { Kinds::NUMBER } else { Kinds::INTEGER };
            return Some(Literal { text, kind });
        }
    };
    Some(Literal { text: text.into(), kind })
}

/// Whether a word is a number in JSON's spelling without an exponent, as most numbers are.
fn is_plain_number(word: &str) -> bool {
    let number = word.strip_prefix('-').unwrap_or(word).as_bytes();
    let whole = number.iter().take_while(|b| b.is_ascii_digit()).count();
    let fraction = number.get(whole..).unwrap_or_default();
    let digits = fraction.strip_prefix(b".").unwrap_or_default();
    whole > 0
        && (whole == 1 || number.first() != Some(&b'0'))
        && (fraction.is_empty() || (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)))
}

/// A number in JSON's spelling; `+1`, `.5`, `5.` and `1_000` mean one.
/// Leading zeros, other bases and what is not finite do not.
pub fn number(word: &str) -> Option<String> {
    if !word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'_' | b'e' | b'E')) {
        return None;
    }
    let (sign, rest) = match word.as_bytes().first()? {
        b'-' => ("-", word.get(1..)?),
        b'+' => ("", word.get(1..)?),
        _ => ("", word),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (rest.get(..at)?, rest.get(at..)?),
        None => (rest, ""),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let whole = digits(whole)?;
    let fraction = match fraction {
        Some(fraction) => Some(digits(fraction)?),
        None => None,
    };
    if whole.is_empty() && fraction.as_deref().is_none_or(str::is_empty) {
        return None;
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    if !exponent.is_empty() {
        let power = exponent.get(1..)?;
        let power = power.strip_prefix(['+', '-']).unwrap_or(power);
        if power.is_empty() || !power.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
    }
    let mut number = String::from(sign);
    number.push_str(if whole.is_empty() { "0" } else { &whole });
    if let Some(fraction) = fraction {
        number.push('.');
        number.push_str(if fraction.is_empty() { "0" } else { &fraction });
    }
    number.push_str(exponent);
    Some(number)
}

/// Digits with single underscores between them, without the underscores. An empty run is one.
fn digits(text: &str) -> Option<String> {
    let sound = text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        && !text.starts_with('_')
        && !text.ends_with('_')
        && !text.contains("__");
    sound.then(|| text.replace('_', ""))
}

/// Whether more characters could make a JSON literal of `text`.
pub(super) fn is_prefix_of_literal(text: &str) -> bool {
    let number = |text: &str| {
        text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'))
            && (text == "-" || number(text).is_some_and(|n| n.starts_with(text)))
    };
    !text.is_empty() && (["true", "false", "null"].iter().any(|l| l.starts_with(text)) || number(text))
}
