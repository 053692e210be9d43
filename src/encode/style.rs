//! Style of calls: what a dialect's file says of how they are written, in one place.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::dialect::{Dialect, Payload, WrittenSpec};
use crate::python::model_name;

/// How calls are written.
#[derive(Debug)]
pub struct CallStyle {
    pub(super) spec: WrittenSpec,
    /// What delimits strings in the literal.
    pub(super) quote: String,
    /// What stands before each tag of elements, and the tag of a list's item.
    pub(super) prefix: String,
    pub(super) item: String,
    /// The classes of tools' arguments, by the tools' names, as far as they are known.
    models: HashMap<String, String>,
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
        Self { spec, quote: "\"".into(), prefix: String::new(), item: "item".into(), models: HashMap::new() }
    }

    /// The same, where the arguments of tools are of these classes, given by the tools' names.
    #[must_use]
    pub fn with_models(self, models: HashMap<String, String>) -> Self {
        Self { models, ..self }
    }

    /// The class of a tool's arguments.
    pub(super) fn model(&self, tool: &str) -> Cow<'_, str> {
        self.models.get(tool).map_or_else(|| model_name(tool, None).into(), Into::into)
    }
}
