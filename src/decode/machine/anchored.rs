//! Where the answer begins and right after a call: the text there begins with a marker or with none.
//! Whitespace waits there, and so does what may stand between two calls.

use super::message::may_be_header;
use super::text::may_be_unmarked;
use super::{Decoder, State, outside_tables};
use crate::decode::code::begins_word;
use crate::decode::outside::{AfterCall, Awaited, LeftOpen, Outside, Place};
use crate::decode::{Event, Settings};
use crate::dialect::{self, Between, Opener, Role, Unmarked};
use crate::scan::Next;

/// What one character led to.
enum Step {
    Read,
    /// A marker is whole with it, by its place in the table.
    Marker(usize),
    /// Something that no marker opens begins with it, or with what was held before it.
    Begins(Begins, String),
    /// What was held before it is no marker. All of that but what may stand between calls is read again.
    Again(String),
    /// Text begins: what was held before it, and it.
    Text(String),
    /// What waited is text, and the marker stands behind it.
    TextBefore(usize),
}

/// What may begin with no marker before it.
enum Begins {
    Call,
    /// An answer that may be a fence around calls.
    Fence,
    /// A header that the prompt opened.
    Header,
    /// Code.
    Code,
}

impl Decoder {
    /// Reads text up to what decides.
    pub(super) fn step_anchored(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
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
                Step::Begins(what, held) => {
                    self.begin_unmarked(what, sink);
                    return (at, Some(held).filter(|held| !held.is_empty()));
                }
                Step::TextBefore(found) => {
                    outside.let_go_of_marker();
                    outside.open(sink);
                    return (at + c.len_utf8(), Some(table.anchors.markers.text(found).to_string()));
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

    fn begin_unmarked(&mut self, what: Begins, sink: &mut impl FnMut(Event<'_>)) {
        match what {
            Begins::Call => self.begin(String::new(), Opener::Bare, Role::default()),
            Begins::Header => self.enter_header(String::new(), sink),
            Begins::Fence => self.enter_fence(),
            Begins::Code => self.enter_bare_code(),
        }
    }
}

fn step(c: char, outside: &mut Outside, settings: &Settings, table: &dialect::AfterCall) -> Step {
    let (place, is_in_letters) = (outside.place, outside.is_in_letters());
    let Some(begun) = outside.place.begun() else { return Step::Text(String::new()) };
    let is_begun = !begun.is_empty();
    if !is_begun && may_begin_fence(c, place, settings) {
        return Step::Begins(Begins::Fence, String::new());
    }
    match table.anchors.markers.push(begun, c) {
        Next::More => return Step::Read,
        Next::Found(found) if is_in_letters => return Step::TextBefore(found),
        Next::Found(found) => return Step::Marker(found),
        Next::Other => {}
    }
    if !is_begun && place.is_between_messages() && may_begin_header(c, settings) {
        return Step::Begins(Begins::Header, String::new());
    }
    let held = table.anchors.markers.held(*begun);
    outside.let_go_of_marker();
    let first = held.chars().next().unwrap_or(c);
    if is_in_letters {
        return waits(outside.absorb_letter(first, &settings.dialect.tables().wrapper_closers), held);
    }
    if settings.dialect.reads().reads_code() && begins_word(first) {
        return Step::Begins(Begins::Code, held.to_string());
    }
    if may_begin_call(first, place, settings) {
        return Step::Begins(Begins::Call, held.to_string());
    }
    if held.is_empty() && matches!(c, ']' | ')') && outside.closes_list() {
        return Step::Read;
    }
    let is_between = |c| matches!(place, Place::AfterCall(after) if may_stand_between(c, &after, &table.between));
    let absorbed = match outside.absorb(first.encode_utf8(&mut [0; 4]), is_between) {
        0 => outside.absorb_letter(first, &settings.dialect.tables().wrapper_closers),
        absorbed => absorbed,
    };
    waits(absorbed, held)
}

/// So much of what was held, or of the character behind it, waits.
fn waits(absorbed: usize, held: &str) -> Step {
    match absorbed {
        0 => Step::Text(held.to_string()),
        _ if held.is_empty() => Step::Read,
        absorbed => Step::Again(held.get(absorbed..).unwrap_or_default().to_string()),
    }
}

/// Whether the answer may be a fence around calls, which begins with `c`.
fn may_begin_fence(c: char, place: Place, settings: &Settings) -> bool {
    let is_start = matches!(place, Place::Start { fence: Awaited::No, .. });
    is_start && c == '`' && settings.dialect.reads().call.start.is_some()
}

/// Whether a call that no marker opens may begin with `c`.
fn may_begin_call(c: char, place: Place, settings: &Settings) -> bool {
    let spec = settings.dialect.reads();
    match (place, spec.unmarked(c)) {
        (Place::Start { fence: Awaited::No, .. }, Some(Unmarked::Item)) => false,
        (Place::Start { fence, .. }, Some(_)) => may_be_unmarked(spec, fence),
        (Place::AfterCall(after), Some(found)) => {
            let LeftOpen { wrapper, section, .. } = after.left_open;
            let is_inside = [wrapper, section, after.list].contains(&Awaited::Yes);
            match found {
                Unmarked::Call => is_inside || may_be_unmarked(spec, after.fence),
                Unmarked::Item => is_inside || after.fence == Awaited::Yes,
                Unmarked::List => after.list == Awaited::No && may_be_unmarked(spec, after.fence),
            }
        }
        _ => false,
    }
}

/// Whether a header that the prompt opened may begin with `c`.
fn may_begin_header(c: char, settings: &Settings) -> bool {
    let messages = settings.dialect.reads().messages.as_ref().filter(|messages| messages.begins_unmarked());
    messages.is_some_and(|messages| may_be_header(c.encode_utf8(&mut [0; 4]), messages, &settings.tools))
}

/// Whether `c` may be dropped between two calls.
fn may_stand_between(c: char, after: &AfterCall, between: &Between) -> bool {
    between.always.contains(c)
        || (after.left_open.wrapper == Awaited::Yes && between.in_wrapper.contains(c))
        || (after.list == Awaited::Yes && between.in_list.contains(c))
}
