//! Numbers of Python's source. A decimal one keeps its digits; those of other bases become decimal.

use crate::json::repair;

/// The number that a source begins with, as JSON writes it, and what follows.
pub(super) fn read(source: &str) -> Option<(String, &str)> {
    let radix = match source.get(..2) {
        Some("0x" | "0X") => 16,
        Some("0o" | "0O") => 8,
        Some("0b" | "0B") => 2,
        _ => return decimal(source),
    };
    let (word, rest) = split(source, |c, _| goes_on(c));
    let digits = word.get(2..)?;
    let is_sound = !digits.ends_with('_') && !digits.contains("__");
    let number = u128::from_str_radix(&digits.replace('_', ""), radix).ok().filter(|_| is_sound)?;
    Some((number.to_string(), rest))
}

fn decimal(source: &str) -> Option<(String, &str)> {
    let is_power = |before| matches!(before, 'e' | 'E');
    let (word, rest) =
        split(source, |c, before| goes_on(c) || c == '.' || (matches!(c, '+' | '-') && is_power(before)));
    Some((repair::number(word)?, rest))
}

/// What a number cannot be followed by is part of the word, which is none then.
fn goes_on(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Splits behind the characters that go on with a word, each seen with the one before it.
fn split(source: &str, goes_on: impl Fn(char, char) -> bool) -> (&str, &str) {
    let mut before = ' ';
    let ends = |&(_, c): &(usize, char)| !goes_on(c, std::mem::replace(&mut before, c));
    let end = source.char_indices().find(ends).map_or(source.len(), |(end, _)| end);
    source.split_at_checked(end).unwrap_or((source, ""))
}
