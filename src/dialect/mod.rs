//! A tool-call format: its spec, as YAML says it, and the tables compiled from it.
//! Holds no model's name; those stand in `conf/dialects/*.yaml`.

mod builtin;
mod glob;
pub mod prompt;
mod spec;

pub use builtin::{DialectError, Dialects};
pub use glob::Glob;
pub use spec::{Call, Detect, GemmaSpec, JsonSpec, Payload, ReasoningSpec, Spec, TaggedSpec};

/// A compiled dialect.
#[derive(Debug)]
pub struct Dialect {
    spec: Spec,
}

impl Dialect {
    pub fn name(&self) -> &str {
        &self.spec.name
    }
    pub fn spec(&self) -> &Spec {
        &self.spec
    }
}

impl TryFrom<Spec> for Dialect {
    type Error = DialectError;
    fn try_from(spec: Spec) -> Result<Self, DialectError> {
        Ok(Self { spec })
    }
}
