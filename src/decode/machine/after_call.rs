//! Right after a call: what belongs to it, the next call, or text.
//! Whitespace waits there, and so does what may stand between two calls.

use super::message::may_be_header;
use super::text::may_be_unmarked;
use super::{Decoder, State, outside_tables};
use crate::decode::outside::{AfterCall, Awaited, LeftOpen, Outside, Place};
use crate::decode::{Event, Settings};
use crate::dialect::{self, Between, Opener, Role, Spec, Unmarked};
use crate::scan::Next;

/// What one character led to.
enum Step {
    Read,
    /// A marker is whole with it, by its place in the table.
    Marker(usize),
    /// A call begins with it that no marker opens.
    Call,
    /// A header may begin with it that the prompt opened.
    Header,
    /// What was held before it is no marker. All of that but what may stand between calls is read again.
    Again(String),
    /// Text begins: what was held before it, and it.
    Text(String),
}

impl Decoder {
    /// Reads text up to what decides.
    pub(super) fn step_after_call(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Outside(outside) = &mut self.state else { return (0, None) };
        let table = &outside_tables(&self.settings).after_call;
        for (at, c) in text.char_indices() {
            let held = match step(c, outside, &self.settings, table) {
                Step::Read => continue,
                Step::Marker(found) => {
                    let (role, marker) = (table.anchors.role(found), table.anchors.markers.text(found).to_string());
                    self.marker(role, marker, sink);
                    return (at + c.len_utf8(), None);
                }
                Step::Call => {
                    self.begin(String::new(), Opener::Bare, Role::default());
                    return (at, None);
                }
                Step::Header => {
                    self.enter_header(String::new(), sink);
                    return (at, None);
                }
                Step::Again(held) => held,
                Step::Text(held) => {
                    outside.open(sink);
                    held
                }
            };
            return (at, Some(held).filter(|held| !held.is_empty()));
        }
        (text.len(), None)
    }
}

fn step(c: char, outside: &mut Outside, settings: &Settings, table: &dialect::AfterCall) -> Step {
    let spec = settings.dialect.spec();
    let Place::AfterCall(after) = &mut outside.place else { return Step::Text(String::new()) };
    if after.begun.is_empty() && may_follow(c, after, spec) {
        return Step::Call;
    }
    match table.anchors.markers.push(&mut after.begun, c) {
        Next::More => return Step::Read,
        Next::Found(found) => return Step::Marker(found),
        Next::Other => {}
    }
    let after = *after;
    if after.is_between_messages() && may_begin_header(c, settings) {
        return Step::Header;
    }
    let held = table.anchors.markers.held(after.begun);
    outside.let_go_of_marker();
    let first = held.chars().next().unwrap_or(c);
    if held.is_empty() && c == ']' && after.list == Awaited::Yes {
        outside.close_list();
        return Step::Read;
    }
    let is_between = |c| may_stand_between(c, &after, &table.between);
    match outside.absorb(first.encode_utf8(&mut [0; 4]), is_between) {
        0 => Step::Text(held.to_string()),
        _ if held.is_empty() => Step::Read,
        absorbed => Step::Again(held.get(absorbed..).unwrap_or_default().to_string()),
    }
}

/// Whether another call may begin with `c` and no marker before it.
fn may_follow(c: char, after: &AfterCall, spec: &Spec) -> bool {
    let LeftOpen { wrapper, section, .. } = after.left_open;
    let is_inside = [wrapper, section, after.list].contains(&Awaited::Yes);
    spec.unmarked(c) == Some(Unmarked::Call) && (is_inside || may_be_unmarked(spec, after.fence))
}

/// Whether a header that the prompt opened may begin with `c` and no marker before it.
fn may_begin_header(c: char, settings: &Settings) -> bool {
    let messages = settings.dialect.spec().messages.as_ref().filter(|messages| messages.begins_unmarked());
    messages.is_some_and(|messages| may_be_header(c.encode_utf8(&mut [0; 4]), messages, &settings.tools))
}

/// Whether `c` may be dropped between two calls.
fn may_stand_between(c: char, after: &AfterCall, between: &Between) -> bool {
    between.always.contains(c)
        || (after.left_open.wrapper == Awaited::Yes && between.in_wrapper.contains(c))
        || (after.list == Awaited::Yes && between.in_list.contains(c))
}
