//! A form of a call's inside, compiled: what its reader is handed when it is made.
//! Does not read text; `decode::payload` does.

use std::sync::Arc;

use crate::scan::{MarkerError, Markers};

use super::spec::{Call, ElementsSpec, HeaderSpec, JsonSpec, LiteralSpec, Payload, TaggedSpec, Trim};
use super::table::{Table, closers_of};

/// How a call is written inside its markers.
#[derive(Clone, Debug)]
pub enum Form {
    Json(Arc<JsonSpec>),
    Tagged(Arc<Tagged>),
    Literal(Arc<LiteralSpec>),
    Header(Arc<Header>),
    Python,
    Elements(Arc<Elements>),
}

/// Parameters in tags, and the markers that stand in their values.
#[derive(Debug)]
pub struct Tagged {
    pub spec: TaggedSpec,
    /// Inside a parameter's value.
    pub value: Table<ValueMark>,
    /// Behind the name; those that begin another call stand last.
    pub between: Vec<(String, BetweenMark)>,
    /// Behind a key, where something stands between it and its value.
    pub behind_key: Vec<(String, KeyMark)>,
    /// What ends the parameters: their own closers, so many, and then the wrappers'.
    pub closers: Vec<String>,
    pub own_closers: usize,
    /// What ends a name that nothing of its own ends.
    pub name_ends: Vec<String>,
    /// What ends a value that is data whatever stands in it.
    pub cdata_close: Markers,
}

/// What may stand behind a call's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BetweenMark {
    /// A parameter.
    Key,
    /// The end of a key or value that did not begin.
    Stray,
    /// The end of the parameters.
    Close,
    /// The end of the call's wrapper.
    Wrapper,
    /// Another call.
    Next,
}

/// What may stand between a key and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMark {
    /// The value's type.
    Type,
    /// The end of the tag: no type is stated.
    Untyped,
    /// The value.
    Value,
}

/// Elements, each tag behind a prefix.
#[derive(Debug)]
pub struct Elements {
    pub spec: ElementsSpec,
    pub prefix: Markers,
    /// What opens the wrappers, and what closes them.
    pub openers: Vec<String>,
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
    /// Compiles a form that stands between a dialect's markers. Code has none: it stands in text.
    pub(super) fn compile(payload: &Payload, call: &Call) -> Result<Option<Self>, MarkerError> {
        Ok(Some(match payload {
            Payload::Code(_) => return Ok(None),
            Payload::Json(spec) => Self::Json(Arc::new(spec.clone())),
            Payload::Literal(spec) => Self::Literal(Arc::new(spec.clone())),
            Payload::Python(_) => Self::Python,
            Payload::Elements(spec) => Self::Elements(Arc::new(Elements {
                prefix: Markers::new([spec.prefix.as_str()])?,
                openers: call.open.clone(),
                closers: closers_of(call).map(Into::into).collect(),
                spec: spec.clone(),
            })),
            Payload::Header(spec) => Self::Header(Arc::new(Header::compile(spec, call)?)),
            Payload::Tagged(spec) => Self::Tagged(Arc::new(Tagged::compile(spec, call)?)),
        }))
    }
}

impl Header {
    fn compile(spec: &HeaderSpec, call: &Call) -> Result<Self, MarkerError> {
        let own: Vec<String> = spec.arguments.iter().flat_map(|around| around.1.texts()).map(Into::into).collect();
        let (own_closers, mut closers) = (own.len(), own);
        closers.extend(closers_of(call).filter(|closer| !closer.is_empty()).map(Into::into));
        let before = spec.arguments.iter().flat_map(|around| around.0.texts());
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

impl Tagged {
    fn compile(spec: &TaggedSpec, call: &Call) -> Result<Self, MarkerError> {
        let own_closers = spec.close.texts().count();
        let closers: Vec<String> = spec.close.texts().chain(closers_of(call)).map(Into::into).collect();
        let next = || call.open.iter().map(String::as_str).chain(spec.name.0.texts());
        let closes = || closers.iter().map(String::as_str).filter(|closer| !closer.is_empty());
        let between = spec.key.0.texts().map(|text| (text, BetweenMark::Key));
        let stray = spec.value.1.texts().chain(spec.key.1.texts());
        let between = between.chain(stray.map(|text| (text, BetweenMark::Stray)));
        let own = spec.close.texts().filter(|closer| !closer.is_empty());
        let between = between.chain(own.map(|text| (text, BetweenMark::Close)));
        let between = between.chain(closers_of(call).map(|text| (text, BetweenMark::Wrapper)));
        let between = between.chain(next().map(|text| (text, BetweenMark::Next)));
        let between = between.map(|(text, mark)| (text.into(), mark)).collect();
        let name_ends = spec.key.literals().chain(["{"]).chain(next()).chain(closes()).map(Into::into).collect();
        let mut behind_key: Vec<(String, KeyMark)> = Vec::new();
        if let Some(stated) = &spec.stated {
            behind_key.push((stated.open.clone(), KeyMark::Type));
            // What ends the key's text and its tag at once: the type may lack.
            let rest = |key_close| stated.close.strip_prefix(key_close).filter(|rest| !rest.is_empty());
            behind_key.extend(spec.key.1.texts().find_map(rest).map(|text| (text.into(), KeyMark::Untyped)));
        }
        behind_key.extend(spec.value.0.texts().map(|text| (text.into(), KeyMark::Value)));
        Ok(Self {
            value: value_table(spec, call)?,
            between,
            behind_key,
            closers,
            own_closers,
            name_ends,
            cdata_close: Markers::new(spec.cdata.iter().map(|[_, close]| close.as_str()))?,
            spec: spec.clone(),
        })
    }
}

/// Markup in a value. What may end it stands there also with the newline before it that the dialect writes.
fn value_table(tagged: &TaggedSpec, call: &Call) -> Result<Table<ValueMark>, MarkerError> {
    let closes =
        [(&tagged.value.1, ValueMark::ValueClose), (&tagged.key.0, ValueMark::Key), (&tagged.close, ValueMark::Close)];
    let ends = closes.into_iter().flat_map(|(texts, mark)| texts.texts().map(move |text| (text, mark)));
    let ends = ends.chain(closers_of(call).map(|close| (close, ValueMark::Wrapper)));
    let mut marks: Vec<(String, ValueMark)> = Vec::new();
    for (text, mark) in ends {
        if tagged.trim == Trim::Newline {
            marks.push((format!("\n{text}"), mark));
        }
        marks.push((text.into(), mark));
    }
    let openers = call.open.iter().map(|open| (open.as_str(), ValueMark::Opener));
    let names = tagged.name.0.texts().map(|open| (open, ValueMark::Name));
    let tokens = call.end_tokens.iter().map(|token| (token.as_str(), ValueMark::EndToken));
    for (text, mark) in openers.chain(names).chain(tokens) {
        // A text that closes something is a closer there, whatever else it is.
        if !text.is_empty() && marks.iter().all(|(known, _)| known != text) {
            marks.push((text.into(), mark));
        }
    }
    Table::new(marks)
}
