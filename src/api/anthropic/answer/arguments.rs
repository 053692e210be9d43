//! Arguments of a call, as they go out: an object, in pieces of which all together are the beginning of its JSON at any
//! time, since clients' readers fail at anything else. So what cannot be JSON ends them, and what follows it is dropped.

use super::cut::DEPTH_MAX;
use super::space::split_space;
use crate::json::{Prefix, escape_into, unescape_into};

/// Reads the arguments of one call.
#[derive(Debug)]
pub(super) struct Arguments {
    form: Form,
    prefix: Prefix,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Unknown,
    Object,
    /// Anything else that is JSON: it becomes an object's only member.
    Wrapped,
}

impl Arguments {
    pub(super) fn new() -> Self {
        Self { form: Form::Unknown, prefix: Prefix::new(DEPTH_MAX), text: String::new() }
    }

    /// Takes a piece, the inside of a string, and gives what of it goes out in the same form.
    pub(super) fn push(&mut self, piece: &str, out: &mut impl FnMut(&str)) {
        let piece = if self.form == Form::Unknown { split_space(piece).1 } else { piece };
        self.text.clear();
        if piece.is_empty() || self.prefix.is_broken() || unescape_into(piece, &mut self.text).is_none() {
            return;
        }
        let taken = self.prefix.push(&self.text);
        if taken == 0 {
            return;
        }
        if self.form == Form::Unknown {
            self.form = if self.text.starts_with('{') { Form::Object } else { Form::Wrapped };
            if self.form == Form::Wrapped {
                out(WRAPPER);
            }
        }
        if taken == self.text.len() {
            return out(piece);
        }
        let mut escaped = String::new();
        escape_into(self.text.get(..taken).unwrap_or_default(), &mut escaped);
        out(&escaped);
    }

    /// Whether nothing that can follow would go out, but for white space.
    pub(super) fn is_over(&self) -> bool {
        self.prefix.is_complete() || self.prefix.is_broken()
    }

    /// The call is over: what is still to go out.
    pub(super) fn finish(&mut self, out: &mut impl FnMut(&str)) {
        if self.form == Form::Wrapped && self.prefix.is_complete() {
            out("}");
        }
    }
}

/// The inside of a string.
const WRAPPER: &str = r#"{\"value\":"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_out_is_the_beginning_of_an_object() {
        for (pieces, expected, is_over) in [
            (&["{\\\"a", "\\\":1}"][..], r#"{\"a|\":1}"#, true),
            (&["\\n ", " {", "} "], "{|} ", true),
            (&["{\\\"a\\\":", "1}", " x", "y"], "{\\\"a\\\":|1}| ", true),
            (&["{\\u0022a\\\":x"], "{\\\"a\\\":", true),
            (&["{\\\"a\\\":\\\"b\\\\", "u00e9"], "{\\\"a\\\":\\\"b\\\\|u00e9", false),
            (&["[1", ",2]"], r#"{\"value\":|[1|,2]|}"#, true),
            (&["[1"], r#"{\"value\":|[1"#, false),
            (&["1", "2"], r#"{\"value\":|1|2|}"#, true),
            (&["\\\"{}\\\""], r#"{\"value\":|\"{}\"|}"#, true),
            (&["null x"], r#"{\"value\":|null |}"#, true),
            (&["hello"], "", true),
            (&["", " "], "", false),
            (&["{\\q"], "", false),
        ] {
            let mut arguments = Arguments::new();
            let mut out = Vec::new();
            for piece in pieces {
                arguments.push(piece, &mut |piece| out.push(piece.to_owned()));
            }
            assert_eq!(arguments.is_over(), is_over, "{pieces:?}");
            arguments.finish(&mut |piece| out.push(piece.to_owned()));
            assert_eq!(out.join("|"), expected, "{pieces:?}");
        }
    }
}
