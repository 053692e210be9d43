//! A form of a call's inside, compiled: what its reader is handed when it is made.
//! Does not read text; `decode::payload` does.

use std::sync::Arc;

use crate::scan::MarkerError;

use super::spec::{Call, JsonSpec, LiteralSpec, Payload, TaggedSpec};
use super::table::{Table, closers_of};

/// How a call is written inside its markers.
#[derive(Clone, Debug)]
pub enum Form {
    Json(Arc<JsonSpec>),
    Tagged(Arc<Tagged>),
    Literal(Arc<LiteralSpec>),
    Arguments,
}

/// Parameters in tags, and the markers that stand in their values.
#[derive(Debug)]
pub struct Tagged {
    pub spec: TaggedSpec,
    /// Inside a parameter's value.
    pub value: Table<ValueMark>,
    /// What ends the parameters: their own closer and the wrappers'.
    pub closers: Vec<String>,
}

/// What markup that stands in a tagged parameter's value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueMark {
    /// The value's own closer.
    ValueClose,
    /// What stands before a key: the next parameter.
    Key,
    /// The end of the parameters.
    Close,
    /// The end of the call's wrapper.
    Wrapper,
    /// What stands before a name: the next call, or one that is quoted.
    Name,
    /// The opener of a wrapper.
    Opener,
    EndToken,
}

impl Form {
    /// Compiles a form that stands between a dialect's markers.
    pub(super) fn compile(payload: &Payload, call: &Call) -> Result<Self, MarkerError> {
        Ok(match payload {
            Payload::Json(spec) => Self::Json(Arc::new(spec.clone())),
            Payload::Literal(spec) => Self::Literal(Arc::new(spec.clone())),
            Payload::Arguments(_) => Self::Arguments,
            Payload::Tagged(spec) => {
                let closers = std::iter::once(spec.close.as_str()).chain(closers_of(call)).map(Into::into).collect();
                Self::Tagged(Arc::new(Tagged { value: value_table(spec, call)?, closers, spec: spec.clone() }))
            }
        })
    }
}

/// Markup in a value. What may end it stands there also with the newline before it that the dialect writes.
fn value_table(tagged: &TaggedSpec, call: &Call) -> Result<Table<ValueMark>, MarkerError> {
    let ([key_open, _], [name_open, _]) = (&tagged.key, &tagged.name);
    let mut ends = vec![
        (tagged.value_close.as_str(), ValueMark::ValueClose),
        (key_open, ValueMark::Key),
        (&tagged.close, ValueMark::Close),
    ];
    ends.extend(closers_of(call).map(|close| (close, ValueMark::Wrapper)));
    let mut marks: Vec<(String, ValueMark)> =
        ends.into_iter().flat_map(|(text, mark)| [(format!("\n{text}"), mark), (text.into(), mark)]).collect();
    let openers = call.open.iter().map(|open| (open, ValueMark::Opener));
    let tokens = call.end_tokens.iter().map(|token| (token, ValueMark::EndToken));
    for (text, mark) in openers.chain([(name_open, ValueMark::Name)]).chain(tokens) {
        // A text that closes something is a closer there, whatever else it is.
        if !text.is_empty() && marks.iter().all(|(known, _)| known != text) {
            marks.push((text.clone(), mark));
        }
    }
    Table::new(marks)
}
