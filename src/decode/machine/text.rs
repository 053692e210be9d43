//! Text outside calls, and where a call may begin in it.

use super::reasoning::Thought;
use super::{Decoder, Origin, State, outside_tables};
use crate::decode::Event;
use crate::decode::lines::Lines;
use crate::decode::outside::{AfterCall, Awaited, Body, LeftOpen};
use crate::dialect::{Edge, Form, Opener, Role, Spec, StartOfAnswer};

impl Decoder {
    /// Reads text up to the next marker.
    pub(super) fn step_text(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> usize {
        let State::Outside(outside) = &mut self.state else { return 0 };
        if !outside.is_open() && !outside.is_in_marker() {
            let absorbed = outside.absorb(text, |_| false);
            if absorbed > 0 {
                return absorbed;
            }
        }
        let table = outside.table(outside_tables(&self.settings));
        let step = outside.scan(text, &table.markers);
        for piece in [step.released, step.text] {
            if !piece.is_empty() {
                outside.push(piece, sink);
            }
        }
        let read = text.len() - step.rest.len();
        if let Some(found) = step.found {
            let (role, marker) = (table.role(found).unwrap_or_default(), table.markers.text(found).to_string());
            self.marker(role, marker, sink);
        }
        read
    }

    /// Does what a marker outside calls and reasoning means where it stands.
    pub(super) fn marker(&mut self, role: Role, marker: String, sink: &mut impl FnMut(Event<'_>)) {
        let State::Outside(outside) = &mut self.state else { return };
        let left_open = outside.place.left_open();
        let is_here = |by: Opener| by != Opener::Inner || left_open.section == Awaited::Yes;
        let is_open = |by| outside.is_fresh() || may_open(by, &marker, &outside.lines, left_open);
        let opens = role.opens.filter(|&by| is_here(by) && is_open(by));
        let opens_more = !outside.lines.in_span();
        let is_list = role.opens == Some(Opener::Bare)
            && may_open(Opener::Free, &marker, &outside.lines, left_open)
            && self.settings.dialect.tables().forms_behind(&marker).iter().any(|form| matches!(form, Form::Python));
        if role.has_suffix {
            self.enter_suffix(marker);
        } else if role.closes_fence && outside.is_after_call() && outside.place.fence() == Awaited::Yes {
            outside.close_fence(&marker);
        } else if role.opens_code && !outside.lines.in_fence() && opens_more {
            self.enter_fenced_code(marker);
        } else if let Some(by) = opens {
            self.begin(marker, by, role);
        } else if is_list {
            self.enter_list(marker);
        } else if role.section == Some(Edge::Open) && opens_more {
            self.enter_section(marker);
        } else if role.message == Some(Edge::Open) && opens_more {
            self.enter_header(marker, sink);
        } else if outside.takes(role, &marker) {
            outside.let_go_of_marker();
        } else if role.reasoning == Some(Edge::Open) {
            self.enter_reasoning(&marker);
        } else {
            outside.push(&marker, sink);
            if role.message == Some(Edge::Close) && outside.place.left_open().message == Body::Refused {
                outside.after_call(AfterCall::message());
            }
        }
    }

    /// A block of reasoning begins.
    fn enter_reasoning(&mut self, marker: &str) {
        if let State::Outside(outside) = std::mem::replace(&mut self.state, State::Closed) {
            let mut thought = Thought::new(outside);
            thought.opened_by(marker, self.settings.dialect.reads());
            self.state = State::Reasoning(thought);
        }
    }

    /// What a call or a section that begins now goes back to if it is none.
    pub(super) fn take_origin(&mut self) -> Option<Origin> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Outside(outside) => Some(Origin::Outside(outside)),
            State::Reasoning(thought) => Some(Origin::Reasoning(thought)),
            State::Section(section) => Some(section.origin),
            State::Suffix(suffix) => Some(suffix.origin),
            State::Header(header) => Some(Origin::Outside(header.outside)),
            State::Call(_) | State::Rest(_) | State::Program(_) | State::Closed => None,
        }
    }
}

/// Whether an opener opens a call where it stands in text or reasoning. A wrapper's does everywhere but in a code span.
/// The payload's own first bytes are met in prose too: where they stand for a missing wrapper they count at the start of
/// a line, behind a wrapper's opener on the same line, and while one is open; in a word or a fence they never do.
pub(super) fn may_open(by: Opener, marker: &str, lines: &Lines, left_open: LeftOpen) -> bool {
    // A tag is no part of the word before it.
    let in_word = lines.in_word() && !marker.starts_with('<');
    match by {
        Opener::Wrapper => !lines.in_span(),
        Opener::Bare if !left_open.is_wrapped() => {
            (lines.at_line() || lines.is_marked()) && !in_word && !lines.in_fence()
        }
        Opener::Bare | Opener::Free | Opener::Inner | Opener::Fenced => {
            !in_word && !lines.in_fence() && !lines.in_span()
        }
    }
}

/// Whether a call may stand with no marker before it where the answer begins, and behind another. The inside of a fence
/// that is the whole answer is read as an answer that may be a call.
pub(super) fn may_be_unmarked(spec: &Spec, fence: Awaited) -> bool {
    match spec.call.start {
        Some(StartOfAnswer::Json) => true,
        Some(StartOfAnswer::FencedJson) => fence == Awaited::Yes,
        None => false,
    }
}
