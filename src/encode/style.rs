//! Style of calls: what a dialect's file says of how they are written, in one place.

use crate::dialect::{Dialect, Payload, WrittenSpec};

/// How calls are written.
#[derive(Debug)]
pub struct CallStyle {
    pub(super) spec: WrittenSpec,
    /// What delimits strings in the literal.
    pub(super) quote: String,
    /// What stands before each tag of elements, and the tag of a list's item.
    pub(super) prefix: String,
    pub(super) item: String,
}

impl CallStyle {
    /// As the models of a dialect write them.
    pub fn of(dialect: &Dialect) -> Option<Self> {
        Some(Self::spelled(dialect, dialect.spec().written.first()?))
    }

    /// The same, in one of the dialect's spellings.
    pub fn spelled(dialect: &Dialect, spelling: &WrittenSpec) -> Self {
        let mut style = Self::new(spelling.clone());
        for payload in dialect.spec().payload.iter() {
            match payload {
                Payload::Literal(literal) => style.quote.clone_from(&literal.quote),
                Payload::Elements(elements) => {
                    style.prefix.clone_from(&elements.prefix);
                    style.item.clone_from(&elements.item);
                }
                _ => {}
            }
        }
        style
    }

    /// As this says.
    pub fn new(spec: WrittenSpec) -> Self {
        Self { spec, quote: "\"".into(), prefix: String::new(), item: "item".into() }
    }
}
