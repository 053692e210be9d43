//! Strings of Python's source: prefixes, quotes, and braces of formatted ones. What escapes mean, `Text` knows.
//! Bytes are none, nor are templates, nor is a formatted string with a hole in it.

use std::borrow::Cow;

use crate::json::unescape_into;
use crate::python::{Taken, Text};

/// Whether a string begins here: some letters, perhaps none, and a quote.
pub(super) fn begins(source: &str) -> bool {
    split_prefix(source).is_some_and(|(_, opened)| opened.starts_with(['"', '\'']))
}

fn split_prefix(source: &str) -> Option<(&str, &str)> {
    let letters = source.bytes().take_while(u8::is_ascii_alphabetic).count();
    source.split_at_checked(letters)
}

/// Appends the text of the string that a source begins with, and gives what follows it.
pub(super) fn read<'a>(source: &'a str, text: &mut String) -> Option<&'a str> {
    let (prefix, opened) = split_prefix(source)?;
    let (is_raw, is_formatted) = match prefix.to_ascii_lowercase().as_str() {
        "" | "u" => (false, false),
        "r" => (true, false),
        "f" => (false, true),
        "rf" | "fr" => (true, true),
        _ => return None,
    };
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| opened.starts_with(quote))?;
    let (inside, rest) = split_inside(opened.strip_prefix(quote)?, quote)?;
    let inside = if is_formatted { without_holes(inside)? } else { Cow::Borrowed(inside) };
    if !is_raw && !has_sound_escapes(&inside) {
        return None;
    }
    let mark = quote.chars().next()?;
    let open = if is_raw { Text::raw(mark) } else { Text::new(mark) };
    let mut open = if quote.len() > 1 { open.long() } else { open };
    let mut json = String::new();
    for c in inside.chars().chain(quote.chars()) {
        while open.push(c, &mut json) == Taken::Again {}
    }
    unescape_into(&json, text)?;
    Some(rest)
}

/// Splits before and behind the closing quote. A string with one quote a side has no end of line in it.
fn split_inside<'a>(opened: &'a str, quote: &str) -> Option<(&'a str, &'a str)> {
    let mut chars = opened.chars();
    loop {
        let rest = chars.as_str();
        if let Some(behind) = rest.strip_prefix(quote) {
            return Some((opened.get(..opened.len() - rest.len())?, behind));
        }
        match chars.next()? {
            '\\' => {
                chars.next()?;
            }
            '\n' if quote.len() == 1 => return None,
            _ => {}
        }
    }
}

/// A formatted string's inside with its braces as they are meant: two are one, one opens a hole.
fn without_holes(inside: &str) -> Option<Cow<'_, str>> {
    if !inside.contains(['{', '}']) {
        return Some(Cow::Borrowed(inside));
    }
    let mut chars = inside.chars();
    let mut out = String::with_capacity(inside.len());
    while let Some(c) = chars.next() {
        if matches!(c, '{' | '}') && chars.next() != Some(c) {
            return None;
        }
        out.push(c);
    }
    Some(Cow::Owned(out))
}

/// Whether each escape has all its digits, and none names a character, which takes a table of all.
fn has_sound_escapes(inside: &str) -> bool {
    let mut parts = inside.split('\\');
    parts.next();
    while let Some(part) = parts.next() {
        let digits = match part.as_bytes().first() {
            // What follows is no escape but the second half of this one.
            None => {
                parts.next();
                0
            }
            Some(b'N') => return false,
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        if part.bytes().skip(1).take(digits).filter(u8::is_ascii_hexdigit).count() < digits {
            return false;
        }
    }
    true
}
