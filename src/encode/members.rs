//! Arguments with each member in a text of its own: `<parameter=KEY>VALUE</parameter>`.
//! A string goes out as it reads, with nothing escaped, anything else as JSON.

use super::arguments::{unescaped, write_json};
use super::style::CallStyle;
use crate::dialect::ArgumentsForm;
use crate::dialect::prompt::{Hole, Piece};
use crate::json::Part;

/// Writes them.
#[derive(Debug, Default)]
pub(super) struct Members {
    depth: usize,
    key: String,
    is_in_value: bool,
    is_text: bool,
}

impl Members {
    pub(super) fn take(&mut self, style: &CallStyle, part: Part<'_>, out: &mut String) {
        let ArgumentsForm::Members(text) = &style.spec.arguments else { return };
        let hole = text.pieces().iter().position(|piece| *piece == Piece::Hole(Hole::Arguments));
        let (before, behind) = text.pieces().split_at(hole.unwrap_or_default());
        match part {
            Part::Open(_) if self.depth == 0 => self.depth = 1,
            Part::Close(_) | Part::Comma if self.depth == 1 => {
                if std::mem::take(&mut self.is_in_value) {
                    self.write(behind, part, out);
                }
                self.depth -= usize::from(matches!(part, Part::Close(_)));
            }
            Part::Key(key) if self.depth == 1 => self.key = unescaped(key).into_owned(),
            Part::Colon | Part::Space(_) if self.depth == 1 => {}
            _ if self.depth == 0 => {}
            _ => {
                if !self.is_in_value {
                    (self.is_in_value, self.is_text) = (true, part == Part::Quote);
                    self.write(before, part, out);
                }
                match part {
                    Part::Quote | Part::Unquote if self.is_text => {}
                    Part::Inside(inside) if self.is_text => out.push_str(&unescaped(inside)),
                    _ => write_json(part, out),
                }
                match part {
                    Part::Open(_) => self.depth += 1,
                    Part::Close(_) => self.depth -= 1,
                    _ => {}
                }
            }
        }
    }

    /// `first` is the first part of the value, in what stands before it.
    fn write(&self, pieces: &[Piece], first: Part<'_>, out: &mut String) {
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Hole(Hole::Name) => out.push_str(&self.key),
                Piece::Hole(Hole::Type) => out.push_str(json_type(first)),
                Piece::Hole(Hole::IsString) => out.push_str(if self.is_text { "true" } else { "false" }),
                Piece::Hole(_) => {}
            }
        }
    }
}

/// What JSON calls the type of a value that begins so.
fn json_type(first: Part<'_>) -> &'static str {
    match first {
        Part::Quote => "string",
        Part::Open('{') => "object",
        Part::Open(_) => "array",
        Part::Scalar("true" | "false") => "boolean",
        Part::Scalar("null") => "null",
        _ => "number",
    }
}
