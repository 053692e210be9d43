//! A form of a call's inside, compiled: what its reader is handed when it is made.
//! Does not read text; `decode::payload` does.

use std::sync::Arc;

use crate::scan::MarkerError;

use super::spec::{Around, Call, HeaderSpec, JsonSpec, LiteralSpec, Payload, TaggedSpec};
use super::table::{Table, closers_of};

/// How a call is written inside its markers.
#[derive(Clone, Debug)]
pub enum Form {
    Json(Arc<JsonSpec>),
    Tagged(Arc<Tagged>),
    Literal(Arc<LiteralSpec>),
    Header(Arc<Header>),
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

/// A name, perhaps an id, and one JSON value.
#[derive(Debug)]
pub struct Header {
    pub spec: HeaderSpec,
    /// Before the value.
    pub table: Table<HeaderMark>,
    /// What ends the value: its own closers, so many, and then the wrappers'.
    pub closers: Vec<String>,
    pub own_closers: usize,
}

/// What a marker before the value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderMark {
    /// It tells a part of the header from another.
    Part,
    /// It stands before the value.
    Value,
    /// It is the value's own first letter.
    Brace,
    /// It opens or closes a call: no value follows.
    Outside,
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
            Payload::Header(spec) => Self::Header(Arc::new(Header::compile(spec, call)?)),
            Payload::Tagged(spec) => {
                let closers = std::iter::once(spec.close.as_str()).chain(closers_of(call)).map(Into::into).collect();
                Self::Tagged(Arc::new(Tagged { value: value_table(spec, call)?, closers, spec: spec.clone() }))
            }
        })
    }
}

impl Header {
    fn compile(spec: &HeaderSpec, call: &Call) -> Result<Self, MarkerError> {
        let own: Vec<String> = spec.arguments.iter().flat_map(Around::closers).map(Into::into).collect();
        let (own_closers, mut closers) = (own.len(), own);
        closers.extend(closers_of(call).filter(|closer| !closer.is_empty()).map(Into::into));
        let before = spec.arguments.iter().flat_map(|around| around.0.iter()).map(String::as_str);
        let outside = call.open.iter().map(String::as_str).chain(closers_of(call));
        let parts = spec.literals().map(|text| (text, HeaderMark::Part));
        let all = parts.chain(before.map(|text| (text, HeaderMark::Value))).chain([("{", HeaderMark::Brace)]);
        let mut entries: Vec<(String, HeaderMark)> = Vec::new();
        for (text, mark) in all.chain(outside.map(|text| (text, HeaderMark::Outside))) {
            // What a text means here goes before what it means outside.
            if !text.is_empty() && entries.iter().all(|(known, _)| known != text) {
                entries.push((text.into(), mark));
            }
        }
        Ok(Self { spec: spec.clone(), table: Table::new(entries)?, closers, own_closers })
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
