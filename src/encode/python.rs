//! Arguments as keywords in Python: `city="Rome", days=2`. Keys that are no names stand in a dict.

use super::arguments::unescaped;
use crate::json::{Part, escape_into, write_string};
use crate::python::is_name;

/// Writes them.
#[derive(Debug)]
pub(super) struct Python {
    /// Which dict stands where not even the first is a keyword.
    of_all: Dict,
    depth: usize,
    dict: Dict,
    is_behind_another: bool,
}

/// Which dict stands for keywords that Python could not write as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dict {
    None,
    /// One argument, which is all of them.
    All,
    /// One that is spread, behind keywords, up to the next.
    Spread,
}

impl Python {
    /// Of a function, which may take all of its arguments as one dict.
    pub(super) fn of_function() -> Self {
        Self { of_all: Dict::All, depth: 0, dict: Dict::None, is_behind_another: false }
    }

    /// Of a class, which takes keywords alone.
    pub(super) fn of_class() -> Self {
        Self { of_all: Dict::Spread, ..Self::of_function() }
    }

    pub(super) fn take(&mut self, part: Part<'_>, out: &mut String) {
        match part {
            Part::Open('{') if self.depth == 0 => self.depth = 1,
            Part::Close(_) if self.depth == 1 => {
                self.depth = 0;
                out.push_str(if self.dict == Dict::None { "" } else { "}" });
            }
            Part::Key(key) if self.depth == 1 => self.keyword(&unescaped(key), out),
            // The keyword has it.
            Part::Colon if self.depth == 1 && self.dict == Dict::None => {}
            Part::Comma if self.depth == 1 => {}
            _ => {
                match part {
                    Part::Open(_) => self.depth += 1,
                    Part::Close(_) => self.depth -= 1,
                    _ => {}
                }
                write_value(part, out);
            }
        }
    }

    /// A name stands before its value as a keyword; what is none does so in a dict, and so does what follows it there.
    fn keyword(&mut self, key: &str, out: &mut String) {
        out.push_str(if self.is_behind_another { ", " } else { "" });
        if self.dict == Dict::None && !is_name(key) {
            self.dict = if self.is_behind_another { Dict::Spread } else { self.of_all };
            out.push_str(if self.dict == Dict::Spread { "**{" } else { "{" });
        }
        if self.dict == Dict::None {
            out.extend([key, "="]);
        } else {
            write_string(key, out);
        }
        self.is_behind_another = true;
    }
}

/// JSON in Python's words.
fn write_value(part: Part<'_>, out: &mut String) {
    match part {
        Part::Open(bracket) | Part::Close(bracket) => out.push(bracket),
        Part::Colon => out.push_str(": "),
        Part::Comma => out.push_str(", "),
        Part::Space(_) => {}
        Part::Scalar("true") => out.push_str("True"),
        Part::Scalar("false") => out.push_str("False"),
        Part::Scalar("null") => out.push_str("None"),
        Part::Scalar(number) => out.push_str(number),
        Part::Key(key) => write_string(&unescaped(key), out),
        Part::Quote | Part::Unquote => out.push('"'),
        // Escapes mean the same in both, but for pairs of surrogates and `\/`.
        Part::Inside(inside) => escape_into(&unescaped(inside), out),
    }
}
