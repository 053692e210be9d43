//! Arguments as JSON with a member a line.

use super::arguments::write_json;
use crate::dialect::Indentation;
use crate::json::Part;

/// What stands deeper is indented no further: a line a bracket would grow with the square of their number.
const DEPTH_MAX: usize = 32;

/// Writes them.
#[derive(Debug)]
pub(super) struct Indented {
    spec: Indentation,
    depth: usize,
    /// A bracket was opened, and nothing has come behind it.
    is_empty: bool,
}

impl Indented {
    pub(super) fn new(spec: Indentation) -> Self {
        Self { spec, depth: spec.depth, is_empty: false }
    }

    pub(super) fn take(&mut self, part: Part<'_>, out: &mut String) {
        match part {
            Part::Space(_) => return,
            Part::Close(_) => {
                self.depth = self.depth.saturating_sub(1);
                if !std::mem::take(&mut self.is_empty) {
                    self.break_line(out);
                }
            }
            Part::Inside(_) | Part::Unquote | Part::Colon | Part::Comma => {}
            Part::Open(_) | Part::Key(_) | Part::Scalar(_) | Part::Quote => {
                if std::mem::take(&mut self.is_empty) {
                    self.break_line(out);
                }
            }
        }
        write_json(part, out);
        match part {
            Part::Open(_) => {
                self.depth += 1;
                self.is_empty = true;
            }
            Part::Comma => self.break_line(out),
            Part::Colon => out.push(' '),
            _ => {}
        }
    }

    fn break_line(&self, out: &mut String) {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', self.depth.min(DEPTH_MAX) * self.spec.by));
    }
}
