//! The union of dialects: one that reads what all of them write, for a model whose family nobody knows.
//! An opener starts the payloads of the families that write it. A family whose markers would hide or confuse another's is
//! left out, and so are messages, markers around text, bare JSON and openers that are words: any answer may hold such.

use std::sync::OnceLock;

use super::table::Tables;
use super::{Dialect, DialectError, Form, Payload, Spec};

/// The openers of a family, and where in the union's forms its own begin and end.
#[derive(Clone, Debug)]
pub struct Family {
    openers: Vec<String>,
    begin: usize,
    end: usize,
}

impl Family {
    /// Its forms among those of the union.
    pub fn forms<'f>(&self, all: &'f [Form]) -> &'f [Form] {
        all.get(self.begin..self.end).unwrap_or_default()
    }

    /// Whether a call that begins with this marker may be one of its calls.
    pub fn opens_with(&self, marker: &str) -> bool {
        !marker.is_empty() && self.openers.iter().any(|opener| opener.starts_with(marker))
    }
}

/// What `own` says to the model, and reads with what the others read, the most special first.
pub(super) fn of<'d>(own: &'d Dialect, others: impl Iterator<Item = &'d Dialect>) -> Result<Dialect, DialectError> {
    let mut others: Vec<&Dialect> =
        others.filter(|other| other.spec.messages.is_none() && !other.spec.reads_code()).collect();
    others.sort_by_key(|other| other.spec.detect.order);
    others.retain(|other| other.name() != own.name());
    let mut spec = alone(&own.spec);
    let mut members = vec![own];
    join_all(&mut spec, &others, &mut members);
    let (mut forms, mut families) = (Vec::new(), Vec::new());
    for member in members {
        let begin = forms.len();
        forms.extend(member.tables.forms.iter().cloned());
        families.push(Family { openers: openers(&member.spec), begin, end: forms.len() });
    }
    let reason = |reason| DialectError::Markers { dialect: own.name().into(), reason };
    let tables = Tables { families, ..Tables::around(&spec, None, forms).map_err(reason)? };
    let spec_of_own = own.spec.clone();
    Ok(Dialect { spec: spec_of_own, tables, suffixes: None, reads: Some(Box::new(spec)), in_json: OnceLock::new() })
}

/// Adds those that go together with what is there, at once where all do: to try one costs as much as to try many.
fn join_all<'d>(spec: &mut Spec, others: &[&'d Dialect], members: &mut Vec<&'d Dialect>) {
    let mut more = spec.clone();
    let mut is_sound = true;
    for other in others {
        is_sound &= !is_confused(&more, &other.spec);
        more = with(&more, &other.spec);
    }
    if is_sound && Tables::around(&more, None, Vec::new()).is_ok() {
        *spec = more;
        members.extend(others);
    } else if let (first, second) = others.split_at(others.len() / 2)
        && !first.is_empty()
    {
        join_all(spec, first, members);
        join_all(spec, second, members);
    }
}

/// A dialect as it is before others come to it: its bare openers stand for no wrapper of theirs.
fn alone(own: &Spec) -> Spec {
    let mut spec = Spec { suffix: None, ..own.clone() };
    if spec.call.open.is_empty() && spec.section.is_none() {
        spec.call.free = std::mem::take(&mut spec.call.bare);
    }
    spec
}

fn with(spec: &Spec, other: &Spec) -> Spec {
    let mut spec = spec.clone();
    if let Some(block) = &other.reasoning {
        let own = spec.reasoning.get_or_insert_default();
        join(&mut own.open, &block.open);
        join(&mut own.close, &block.close);
    }
    if let Some(section) = &other.section {
        let own = spec.section.get_or_insert_default();
        join(&mut own.open, &section.open);
        join(&mut own.close, &section.close);
    }
    let is_word = |opener: &&String| opener.starts_with(char::is_alphanumeric);
    join(&mut spec.call.open, &other.call.open);
    join(&mut spec.call.bare, other.call.bare.iter().filter(|opener| !is_word(opener)));
    join(&mut spec.call.close, &other.call.close);
    join(&mut spec.call.end_tokens, &other.call.end_tokens);
    spec.payload.join(&other.payload);
    spec
}

/// Whether what stands before a payload in one is a payload's own beginning in the other.
fn is_confused(one: &Spec, other: &Spec) -> bool {
    let begins = |payloads: &Spec, wrappers: &Spec| {
        let mut first = payloads.payload.iter().flat_map(Payload::first);
        first.any(|first| wrappers.call.open.iter().any(|open| open == first))
    };
    begins(one, other) || begins(other, one)
}

/// What a call of a family may begin with.
fn openers(spec: &Spec) -> Vec<String> {
    let first = spec.payload.iter().flat_map(Payload::first).map(Into::into);
    spec.call.open.iter().chain(&spec.call.bare).cloned().chain(first).collect()
}

fn join<'o>(own: &mut Vec<String>, others: impl IntoIterator<Item = &'o String>) {
    for other in others {
        if !own.contains(other) {
            own.push(other.clone());
        }
    }
}
