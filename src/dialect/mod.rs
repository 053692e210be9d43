//! A tool-call format: its spec, as YAML says it, and the tables compiled from it.
//! Holds no model's name; those stand in `conf/dialects/*.yaml`.

mod builtin;
pub mod fallback;
mod form;
mod glob;
mod history;
mod ids;
mod json_name;
mod messages;
pub mod prompt;
mod several;
mod spec;
mod suffix;
mod table;
mod union;
mod written;

use std::sync::{Arc, OnceLock};

pub use builtin::{DialectError, Dialects};
pub use form::{BetweenMark, Elements, Form, Header, HeaderMark, KeyMark, Tagged, ValueMark};
pub use glob::Glob;
pub use history::{CallsOfTurn, History, Past};
pub use ids::IdsSpec;
pub use json_name::JsonName;
pub use messages::{Kind, KindSpec, MessagesSpec};
pub use several::Several;
pub use spec::{
    Around, Call, Detect, ElementsSpec, HeaderSpec, JsonSpec, LiteralSpec, Payload, ReasoningSpec, SectionSpec, Spec,
    StartOfAnswer, TagName, TaggedSpec, Trim, Unmarked,
};
pub use suffix::Suffixes;
pub use table::{AfterCall, Anchors, Between, Edge, Opener, Outside, Role, Table, Tables};
pub use written::{ArgumentsForm, Indentation, WrittenSpec};

/// A compiled dialect.
#[derive(Debug)]
pub struct Dialect {
    spec: Spec,
    tables: Tables,
    suffixes: Option<Arc<Suffixes>>,
    /// What is read, where that is more than its file says.
    reads: Option<Box<Spec>>,
    in_json: OnceLock<Option<Arc<Self>>>,
}

impl Dialect {
    /// Its name in the configuration and in metrics.
    pub fn name(&self) -> &str {
        &self.spec.name
    }
    /// What its file says.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }
    /// What is read: that, and in a union more.
    pub fn reads(&self) -> &Spec {
        self.reads.as_deref().unwrap_or(&self.spec)
    }
    /// The same dialect, as which a call is also read that is a bare JSON object.
    pub fn or_json(&self) -> Option<&Arc<Self>> {
        self.in_json.get_or_init(|| fallback::of(self).ok().map(Arc::new)).as_ref()
    }
    /// What is compiled from that.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }
    /// What may stand in its markers beside what its file says, where it is not known yet.
    pub fn suffixes(&self) -> Option<&Suffixes> {
        self.suffixes.as_deref()
    }

    fn compile(spec: Spec, suffixes: Option<Suffixes>) -> Result<Self, DialectError> {
        let is_nameless = |payload: &Payload| matches!(payload, Payload::Header(header) if header.name.is_none());
        let is_called = |kind: &KindSpec| kind.is != Kind::Call || kind.name.is_some();
        let is_named = spec.messages.as_ref().is_some_and(|messages| messages.kinds.iter().all(is_called));
        if !is_named && spec.payload.iter().any(is_nameless) {
            return Err(DialectError::Nameless { dialect: spec.name });
        }
        let is_void = |payload: &Payload| matches!(payload, Payload::Json(json) if json.arguments.is_empty() && matches!(json.name, JsonName::Under(_)));
        if spec.payload.iter().any(is_void) {
            return Err(DialectError::Void { dialect: spec.name });
        }
        let tables = Tables::compile(&spec, suffixes.as_ref())
            .map_err(|reason| DialectError::Markers { dialect: spec.name.clone(), reason })?;
        Ok(Self { spec, tables, suffixes: suffixes.map(Arc::new), reads: None, in_json: OnceLock::new() })
    }
}
