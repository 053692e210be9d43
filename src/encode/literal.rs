//! Arguments as a literal of their own: keys bare, strings between quotes inside which nothing is escaped.

use super::arguments::{unescaped, write_json};
use crate::json::Part;

/// Appends a part of them.
pub(super) fn write(quote: &str, part: Part<'_>, out: &mut String) {
    match part {
        Part::Space(_) => {}
        Part::Key(text) | Part::Inside(text) => out.push_str(&unescaped(text)),
        Part::Quote | Part::Unquote => out.push_str(quote),
        _ => write_json(part, out),
    }
}
