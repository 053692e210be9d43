//! Arguments as keywords in Python: `city="Rome", days=2`. Keys that are no names stand in a dict.

use super::arguments::unescaped;
use crate::json::{Part, escape_into, write_string};
use crate::python::is_name;

/// Writes them.
#[derive(Debug, Default)]
pub(super) struct Python {
    depth: usize,
    dict: Dict,
    is_behind_another: bool,
}

/// Which dict stands for keywords that Python could not write as such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Dict {
    #[default]
    None,
    /// One argument, which is all of them.
    All,
    /// One that is spread, behind keywords, up to the next.
    Spread,
}

impl Python {
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
            let (dict, open) = if self.is_behind_another { (Dict::Spread, "**{") } else { (Dict::All, "{") };
            self.dict = dict;
            out.push_str(open);
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
