//! Alias: the name under which a client asked for the model, in the place of the one that its server gives it.
//! Replaces the value of `model` and nothing else; reads no text and no calls.
//!
//! The events of a stream differ in their text, which stands before or behind the model's name. So an event that begins,
//! or ends, as the one before did up to that name needs no parsing.

use std::borrow::Cow;
use std::ops::Range;

use super::out::Out;
use crate::api::openai::chunk::{object, place};
use crate::api::{Depth, ModelName};
use crate::json::{self, Edits, Object};
use crate::sse;

/// The client's name for the model.
#[derive(Debug)]
pub(super) struct Alias {
    /// As JSON.
    name: String,
    known: Known,
}

impl Alias {
    pub(super) fn new(name: &str) -> Self {
        let mut json = String::new();
        json::write_string(name, &mut json);
        Self { name: json, known: Known::default() }
    }

    /// As JSON.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Writes an event that nobody else reads.
    pub(super) fn write(&mut self, event: &sse::Event<'_>, out: &mut Out) {
        if let Some(at) = self.known.find(event.raw) {
            return splice(event.raw, at, &self.name, out);
        }
        let object = event.data().and_then(object);
        let Some(found) = object.as_ref().and_then(ModelName::of) else { return out.pass(event) };
        let at = place(&event.joined, found.value);
        if found.depth == Depth::Top && matches!(event.joined, Cow::Borrowed(_)) {
            self.known.learn(event.raw, at.clone());
        }
        splice(&event.joined, at, &self.name, out);
    }

    /// Notes the replacement in what was parsed of `data`, and says where it is.
    pub(super) fn edit(&self, object: &Object<'_>, data: &[u8], edits: &mut Edits) -> Option<Range<usize>> {
        let at = place(data, ModelName::of(object)?.value);
        edits.replace(at.clone(), |to| to.push_str(&self.name));
        Some(at)
    }
}

fn splice(source: &[u8], at: Range<usize>, name: &str, out: &mut Out) {
    let (before, behind) = (source.get(..at.start).unwrap_or_default(), source.get(at.end..).unwrap_or_default());
    out.put([before, name.as_bytes(), behind]);
}

/// What stood around the name in an event that was parsed.
#[derive(Debug, Default)]
struct Known {
    /// From the event's beginning to behind the name. An event that begins so has its name there.
    before: Vec<u8>,
    /// From the separator before the key `model` to the event's end. An event of JSON that ends so has its name there:
    /// inside of a string the first quote of this would end it, and the last brace closes the object of the key.
    behind: Vec<u8>,
    name_bytes: usize,
    /// Where in `behind` the name begins.
    name_start: usize,
}

impl Known {
    fn find(&self, raw: &[u8]) -> Option<Range<usize>> {
        let start = if !self.before.is_empty() && raw.starts_with(&self.before) {
            self.before.len().checked_sub(self.name_bytes)?
        } else if !self.behind.is_empty() && raw.ends_with(&self.behind) {
            (raw.len() + self.name_start).checked_sub(self.behind.len())?
        } else {
            return None;
        };
        Some(start..start + self.name_bytes)
    }

    fn learn(&mut self, raw: &[u8], at: Range<usize>) {
        self.before.clear();
        self.behind.clear();
        self.name_bytes = at.len();
        self.before.extend_from_slice(raw.get(..at.end).unwrap_or_default());
        if let Some(before) = ModelName::before_key(raw.get(..at.start).unwrap_or_default()) {
            self.behind.extend_from_slice(raw.get(before.len()..).unwrap_or_default());
            self.name_start = at.start - before.len();
        }
    }
}
