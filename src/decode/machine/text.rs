//! Outside calls: text and reasoning, and where a call may begin.

use super::fence::Opening;
use super::{Awaited, Decoder, Origin, State, Whole, emit_text, text_table};
use crate::decode::Event;
use crate::decode::expect::Expect;
use crate::decode::gap::Phase;
use crate::decode::lines::Lines;
use crate::dialect::{Edge, Opener, Role, StartOfAnswer};

impl Decoder {
    pub(super) fn step_text(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> usize {
        let table = text_table(&self.settings);
        if !self.gap.is_open() && table.markers.held(self.cursor).is_empty() || self.gap.skips() {
            let between = self.between();
            let absorbed = self.gap.absorb(text, |c| between.contains(c));
            if absorbed > 0 {
                if self.fence == Awaited::Yes && self.gap.phase == Phase::AfterCall {
                    self.state = State::FenceClose(Expect::default());
                }
                return absorbed;
            }
            if self.begins_unmarked(text) {
                return 0;
            }
        }
        let table = text_table(&self.settings);
        let step = table.markers.step(&mut self.cursor, text);
        emit_text(&mut self.gap, step.released, sink);
        emit_text(&mut self.gap, step.text, sink);
        let read = text.len() - step.rest.len();
        let Some(found) = step.found else { return read };
        let (role, marker) = (table.role(found).unwrap_or_default(), table.markers.text(found).to_string());
        let after_call = self.gap.phase == Phase::AfterCall;
        if let Some(by) = role.opens.filter(|&by| self.may_open(by, Origin::Text)) {
            self.begin(&marker, by, role, Origin::Text);
        } else if role.closes && (after_call || self.wrapper == Awaited::Yes) && self.gap.has_room() {
            self.wrapper = Awaited::No;
            self.gap.close_block(&marker);
        } else if role.ends_turn && self.gap.has_room() {
            self.gap.absorb_token(&marker);
        } else if role.reasoning == Some(Edge::Open) {
            self.thought = Lines::default();
            self.enter_reasoning();
        } else if role.reasoning == Some(Edge::Close) && self.owed_close == Awaited::Yes {
            self.owed_close = Awaited::No;
            self.gap.after_reasoning();
        } else {
            emit_text(&mut self.gap, &marker, sink);
        }
        read
    }

    /// Whether an opener opens a call where it stands. A wrapper's does everywhere but in a code span. The payload's own
    /// first bytes are met in prose too: where they stand for a missing wrapper they count at the start of the answer
    /// or of a line, after reasoning and after a call, and behind a wrapper's opener on the same line; in a word or a
    /// fence they never do.
    fn may_open(&self, by: Opener, origin: Origin) -> bool {
        let has_wrapper = !self.settings.dialect.spec().call.open.is_empty();
        let (lines, is_after) = match origin {
            Origin::Text => (&self.gap.lines, self.gap.is_fresh()),
            Origin::Reasoning => (&self.thought, false),
        };
        match by {
            _ if is_after => true,
            Opener::Wrapper => !lines.in_span(),
            Opener::Bare if has_wrapper => {
                (lines.at_line() || lines.is_marked()) && !lines.in_word() && !lines.in_fence()
            }
            Opener::Bare | Opener::Fenced => !lines.in_word() && !lines.in_fence() && !lines.in_span(),
        }
    }

    /// Characters that may be dropped between two calls, beside whitespace.
    pub(super) fn between(&self) -> String {
        let Some(spec) = self.settings.dialect.spec().json() else { return String::new() };
        let mut between = String::new();
        if self.gap.phase == Phase::AfterCall {
            between.push_str(&spec.between);
            if self.wrapper == Awaited::Yes {
                between.push_str(",]}");
            } else if self.list == Awaited::Yes {
                between.push_str(",]");
            }
        }
        // What may begin a closer is left to the scan.
        let closers = &self.settings.dialect.spec().call.close;
        between.retain(|c| !closers.iter().any(|closer| closer.starts_with(c)));
        between
    }

    /// Begins a call that no marker opens, where the dialect writes such: at the start of the answer, and after
    /// another call.
    pub(super) fn begins_unmarked(&mut self, text: &str) -> bool {
        let spec = self.settings.dialect.spec();
        let (Some(c), Some(_)) = (text.chars().next(), spec.json()) else { return false };
        let is_start = self.gap.phase == Phase::Start && spec.call.start.is_some();
        // The inside of a fence that is the whole answer is read as an answer that may be a call.
        let may_be_bare = spec.call.start == Some(StartOfAnswer::Json) || self.fence == Awaited::Yes;
        let at_start = is_start && may_be_bare;
        let follows = self.gap.phase == Phase::AfterCall
            && (self.wrapper == Awaited::Yes
                || self.list == Awaited::Yes
                || (spec.call.start.is_some() && may_be_bare));
        if (c == '{' && (at_start || follows)) || (c == '[' && at_start) {
            self.begin("", Opener::Bare, Role::default(), Origin::Text);
            return true;
        }
        if c == '`' && is_start && self.fence == Awaited::No {
            let whole = Whole { raw: String::new(), opener: Opening::default(), inside: None };
            self.state = State::Whole(Box::new(whole));
            return true;
        }
        false
    }

    pub(super) fn step_reasoning(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> usize {
        let Some(table) = &self.settings.dialect.tables().reasoning else {
            self.enter_text();
            return 0;
        };
        let step = table.markers.step(&mut self.cursor, text);
        for piece in [step.released, step.text] {
            if !piece.is_empty() {
                self.owed_open = Awaited::No;
                self.thought.push(piece);
                sink(Event::Reasoning(piece));
            }
        }
        let read = text.len() - step.rest.len();
        let Some(found) = step.found else { return read };
        // The prompt opened the block, and the model once more.
        let first = std::mem::replace(&mut self.owed_open, Awaited::No) == Awaited::Yes;
        let (role, marker) = (table.role(found).unwrap_or_default(), table.markers.text(found).to_string());
        if let Some(by) = role.opens.filter(|&by| self.may_open(by, Origin::Reasoning)) {
            self.begin(&marker, by, role, Origin::Reasoning);
        } else if role.reasoning == Some(Edge::Close) {
            self.gap.after_reasoning();
            self.enter_text();
        } else if !first {
            self.think(&marker, sink);
        }
        read
    }

    /// More of the reasoning.
    pub(super) fn think(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        if !text.is_empty() {
            self.thought.push(text);
            sink(Event::Reasoning(text));
        }
    }

    pub(super) fn enter_text(&mut self) {
        self.cursor = text_table(&self.settings).markers.start();
        self.state = State::Text;
    }

    pub(super) fn enter_reasoning(&mut self) {
        if let Some(table) = &self.settings.dialect.tables().reasoning {
            self.cursor = table.markers.start();
            self.state = State::Reasoning;
        }
    }
}
