//! Reasoning: an open block, and a call in it.

use super::text::may_open;
use super::{Decoder, State};
use crate::decode::lines::Lines;
use crate::decode::outside::{Awaited, LeftOpen, Outside};
use crate::decode::{Event, Settings};
use crate::dialect::{Edge, Role, Spec};
use crate::scan::Cursor;

/// A block of reasoning that is open.
#[derive(Debug)]
pub(super) struct Thought {
    /// The prompt opened it, and nothing was read of it yet: its opener, if it comes too, is markup.
    opener: Awaited,
    /// The line break that ends its opener, which may lack.
    line_break: Awaited,
    /// Where in it the text stands.
    pub lines: Lines,
    /// Where the scan for markers stands, where it holds something.
    cursor: Option<Cursor>,
    /// What it is read in, and goes on behind it.
    pub outside: Box<Outside>,
}

impl Thought {
    /// A block that the answer opened.
    pub fn new(outside: Box<Outside>) -> Self {
        let (opener, line_break) = (Awaited::No, Awaited::No);
        Self { opener, line_break, lines: Lines::default(), cursor: None, outside }
    }

    /// Its opener was read, as far as a line break that belongs to it.
    pub fn opened_by(&mut self, marker: &str, spec: &Spec) {
        let is_longer = |open: &String| open.strip_suffix('\n') == Some(marker);
        if spec.reasoning.as_ref().is_some_and(|block| block.open.iter().any(is_longer)) {
            self.line_break = Awaited::Yes;
        }
    }

    /// A block that the prompt opened.
    pub fn opened_by_prompt(outside: Box<Outside>) -> Self {
        Self { opener: Awaited::Yes, ..Self::new(outside) }
    }

    /// More of it.
    pub fn show(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        if text.is_empty() {
            return;
        }
        let line_break = std::mem::take(&mut self.line_break);
        let text = text.strip_prefix('\n').filter(|_| line_break == Awaited::Yes).unwrap_or(text);
        if !text.is_empty() {
            self.opener = Awaited::No;
            self.lines.push(text);
            sink(Event::Reasoning(text));
        }
    }

    /// What may be a marker, and is held.
    pub fn held_marker<'s>(&self, settings: &'s Settings) -> &'s str {
        self.cursor.map_or("", |cursor| settings.dialect.tables().reasoning.markers.held(cursor))
    }

    /// What may be a marker is not looked at.
    pub fn let_go_of_marker(&mut self) {
        self.cursor = None;
    }
}

impl Decoder {
    /// Reads reasoning up to the next marker.
    pub(super) fn step_reasoning(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> usize {
        let State::Reasoning(thought) = &mut self.state else { return 0 };
        let (spec, table) = (self.settings.dialect.reads(), &self.settings.dialect.tables().reasoning);
        let mut cursor = thought.cursor.unwrap_or_else(|| table.markers.start());
        let step = table.markers.step(&mut cursor, text);
        thought.cursor = (!cursor.is_empty()).then_some(cursor);
        thought.show(step.released, sink);
        thought.show(step.text, sink);
        let read = text.len() - step.rest.len();
        let Some(found) = step.found else { return read };
        let (role, marker) = (table.role(found).unwrap_or_default(), table.markers.text(found).to_string());
        if role.has_suffix {
            self.enter_suffix(marker);
            return read;
        }
        let opener = std::mem::take(&mut thought.opener);
        if let Some(by) = role.opens.filter(|&by| may_open(by, &marker, &thought.lines, LeftOpen::default())) {
            self.begin(marker, by, role);
        } else if role.section == Some(Edge::Open) && !thought.lines.in_span() {
            self.enter_section(marker);
        } else if role.reasoning == Some(Edge::Close) || role.message.is_some() {
            self.end_reasoning(role, marker, sink);
        } else if opener == Awaited::Yes {
            thought.opened_by(&marker, spec);
        } else {
            thought.show(&marker, sink);
        }
        read
    }

    /// A block of reasoning is over, by its closer or the message's, or since another message begins.
    fn end_reasoning(&mut self, role: Role, marker: String, sink: &mut impl FnMut(Event<'_>)) {
        let State::Reasoning(Thought { mut outside, .. }) = std::mem::replace(&mut self.state, State::Closed) else {
            return;
        };
        outside.after_reasoning();
        self.state = State::Outside(outside);
        if role.message == Some(Edge::Open) {
            self.enter_header(marker, sink);
        }
    }
}
