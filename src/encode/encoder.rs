//! Encoder of one turn's calls: takes arguments in pieces and lets them go as they come.

use std::sync::Arc;

use super::arguments::Arguments;
use super::style::CallStyle;
use crate::dialect::prompt::{Hole, Piece};
use crate::json::escape_into;
use crate::python::field_name;

/// What stands in a call beside its arguments.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallHead<'a> {
    pub name: &'a str,
    pub id: &'a str,
}

/// Writes the calls of one turn.
#[derive(Debug)]
pub struct Encoder {
    style: Arc<CallStyle>,
    /// How many calls have begun.
    calls: usize,
    open: Option<Open>,
}

/// A call that has begun.
#[derive(Debug)]
struct Open {
    name: String,
    id: String,
    arguments: Arguments,
}

impl Encoder {
    /// An encoder of one turn's calls.
    pub fn new(style: Arc<CallStyle>) -> Self {
        Self { style, calls: 0, open: None }
    }

    /// A call begins.
    pub fn begin(&mut self, head: CallHead<'_>, out: &mut String) {
        let spec = &self.style.spec;
        out.push_str(if self.calls == 0 { spec.calls.sides().0 } else { &spec.between });
        let open = Open { name: head.name.into(), id: head.id.into(), arguments: Arguments::new(&spec.arguments) };
        open.write(&self.style, self.before(), self.calls, out);
        self.open = Some(open);
        self.calls += 1;
    }

    /// More of its arguments, which are JSON.
    pub fn arguments(&mut self, piece: &str, out: &mut String) {
        if let Some(open) = &mut self.open {
            open.arguments.push(&self.style, piece, out);
        }
    }

    /// The call is complete.
    pub fn end(&mut self, out: &mut String) {
        if let Some(mut open) = self.open.take() {
            open.arguments.end(&self.style, out);
            open.write(&self.style, self.behind(), self.calls.saturating_sub(1), out);
        }
    }

    /// No call follows. Another turn may. A call that was cut off stays open, and what stands around it.
    pub fn close(&mut self, out: &mut String) {
        if self.open.is_none() && std::mem::take(&mut self.calls) > 0 {
            out.push_str(self.style.spec.calls.sides().1);
        }
    }

    /// What stands before the arguments.
    fn before(&self) -> &[Piece] {
        self.style.spec.call.pieces().split(is_arguments).next().unwrap_or_default()
    }

    /// What stands behind them.
    fn behind(&self) -> &[Piece] {
        self.style.spec.call.pieces().split(is_arguments).nth(1).unwrap_or_default()
    }
}

fn is_arguments(piece: &Piece) -> bool {
    *piece == Piece::Hole(Hole::Arguments)
}

impl Open {
    fn write(&self, style: &CallStyle, pieces: &[Piece], place: usize, out: &mut String) {
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Hole(Hole::Id) => out.push_str(&self.id),
                Piece::Hole(Hole::Number) => out.push_str(&place.to_string()),
                Piece::Hole(Hole::Nth) => out.push_str(&(place + 1).to_string()),
                Piece::Hole(Hole::Function) => out.push_str(&field_name(&self.name)),
                Piece::Hole(Hole::Model) => out.push_str(&style.model(&self.name)),
                // Behind a quote it stands in JSON.
                Piece::Hole(_) if out.ends_with('"') => escape_into(&self.name, out),
                Piece::Hole(_) => out.push_str(&self.name),
            }
        }
    }
}
