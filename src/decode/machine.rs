//! The machine: which state the answer is in, and what leaves it.
//! Does not know how any dialect writes a call; it knows where one may begin and when it is one.

mod anchored;
mod call;
mod fence;
mod lead;
mod message;
mod program;
mod reasoning;
mod rest;
mod section;
mod suffix;
mod text;

use crate::dialect::{self, Opener, Role};
use crate::json::repair::{Ended, Skimmed};
use crate::limits::Limits;

use super::call::{Call, Context, Patience, Wrapped};
use super::code::Scope;
use super::outside::{AfterCall, Awaited, Outside};
use super::payload::Payload;
use super::{Ending, Event, Finish, Reasoning, Settings};
use lead::Lead;
use message::Header;
use program::Program;
use reasoning::Thought;
use rest::Rest;
use section::Section;
use suffix::Suffix;

/// Turns the text of one choice into events.
#[derive(Debug)]
pub struct Decoder {
    settings: Settings,
    limits: Limits,
    state: State,
    /// What names stand for in code.
    scope: Scope,
    /// Bytes of the answer read so far, and bytes read again.
    read: u64,
    reread: u64,
    ending: Ending,
}

/// What is being read. A state holds all that is awaited in it, and the state that it goes back to.
#[derive(Debug)]
enum State {
    /// Text, in which calls and reasoning may begin.
    Outside(Box<Outside>),
    Reasoning(Thought),
    /// A marker, which says what the suffix of all markers is.
    Suffix(Box<Suffix>),
    /// A section of calls was opened, and none began in it yet.
    Section(Box<Section>),
    /// The header of a message.
    Header(Box<Header>),
    Call(Box<Pending>),
    /// The rest of the answer may be calls and nothing else.
    Rest(Box<Rest>),
    /// Code, in a fence or from the answer's beginning on.
    Program(Box<Program>),
    /// The one call that counts was read, or the answer ended; the rest is dropped.
    Closed,
}

/// A call that is being read.
#[derive(Debug)]
struct Pending {
    payload: Payload,
    call: Call,
    /// All of it as it was written, until it is committed.
    raw: String,
    /// What was opened before it, and is kept with it.
    frame: Frame,
    /// Bytes of `raw` up to the end of its first marker.
    opener: usize,
    /// The rest of its opener.
    lead: Lead,
    by: Opener,
    role: Role,
    stage: Stage,
    origin: Origin,
    wrapped: Wrapped,
}

/// What is opened with a call that begins in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    None,
    Section,
    Message,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It can still be text.
    Kept,
    /// `CallStart` was emitted; what may follow the call is known.
    Committed(AfterCall),
}

/// What a call that is none goes back to.
#[derive(Debug)]
enum Origin {
    Outside(Box<Outside>),
    Reasoning(Thought),
}

/// Text that is read again costs at most so many times the text that was read once.
const REREAD_FACTOR: u64 = 2;

impl Decoder {
    /// A decoder of one answer.
    pub fn new(settings: Settings, limits: &Limits) -> Self {
        let outside = Outside::new(Awaited::No, limits.pending_bytes_max);
        let is_open = settings.reasoning == Reasoning::Open && settings.dialect.reads().reasons();
        let state =
            if is_open { State::Reasoning(Thought::opened_by_prompt(outside)) } else { State::Outside(outside) };
        Self {
            settings,
            limits: limits.clone(),
            state,
            scope: Scope::default(),
            read: 0,
            reread: 0,
            ending: Ending::default(),
        }
    }

    /// Takes the next piece of the model's text, cut anywhere between characters.
    pub fn push(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        if self.skim(text, sink) != Skimmed::No {
            return self.count_read(text.len());
        }
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (read, again) = self.step(rest, sink);
            at += read;
            self.count_read(read);
            if let Some(again) = again {
                self.read_again(again, sink);
            }
        }
    }

    fn count_read(&mut self, bytes: usize) {
        self.ending.examined += to_u64(bytes);
        self.read += to_u64(bytes);
    }

    /// Whether everything that may still come is dropped (`Calls::First`, after the first call).
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Bytes held back: read, but not yet decided.
    pub fn held(&self) -> usize {
        match &self.state {
            State::Outside(outside) => outside.waiting() + outside.held_marker(outside_tables(&self.settings)).len(),
            State::Reasoning(thought) => thought.outside.waiting() + thought.held_marker(&self.settings).len(),
            State::Suffix(suffix) => suffix.held(),
            State::Section(section) => section.held(),
            State::Header(header) => header.held(),
            State::Call(pending) => pending.held(),
            State::Rest(rest) => rest.held(),
            State::Program(program) => program.held(),
            State::Closed => 0,
        }
    }

    /// Lets go of everything held and says what happened.
    pub fn finish(mut self, finish: Finish, sink: &mut impl FnMut(Event<'_>)) -> Ending {
        let ended = if finish == Finish::Stop { Ended::ByItself } else { Ended::Cut };
        // Each turn lets go of one state; a rejected call is read again and may leave another.
        while let Some(again) = self.settle(ended, sink) {
            self.read_again(again, sink);
        }
        self.ending
    }

    /// Reads text again that belonged to no call after all. It may hold another opener, and so on: the work is
    /// bounded by a share of what was read, past which text is text.
    fn read_again(&mut self, again: String, sink: &mut impl FnMut(Event<'_>)) {
        let mut replays = vec![(again, 0)];
        while let Some((text, at)) = replays.pop() {
            let rest = text.get(at..).unwrap_or_default();
            if rest.is_empty() {
                continue;
            }
            let allowed = REREAD_FACTOR * self.read + 4 * to_u64(self.limits.pending_bytes_max);
            let is_committed = matches!(&self.state, State::Call(pending) if pending.stage != Stage::Kept);
            if self.reread > allowed && !is_committed {
                self.plain(rest, sink);
                continue;
            }
            let (read, again) = self.step(rest, sink);
            self.reread += to_u64(read);
            self.ending.examined += to_u64(read);
            replays.push((text, at + read));
            replays.extend(again.map(|text| (text, 0)));
        }
    }

    /// Text that is not looked at, behind what was held for a look.
    fn plain(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        let (held, mut state) = match std::mem::replace(&mut self.state, State::Closed) {
            State::Suffix(suffix) => (suffix.raw, State::from(suffix.origin)),
            State::Section(section) => (section.raw, State::from(section.origin)),
            State::Header(header) => (header.raw, State::Outside(header.outside)),
            State::Call(pending) => (pending.raw, State::from(pending.origin)),
            State::Rest(rest) => rest.into_text(),
            State::Program(program) => program.into_text(),
            State::Outside(mut outside) => {
                let held = outside.held_marker(outside_tables(&self.settings)).to_string();
                outside.let_go_of_marker();
                (held, State::Outside(outside))
            }
            State::Reasoning(mut thought) => {
                let held = thought.held_marker(&self.settings).to_string();
                thought.let_go_of_marker();
                (held, State::Reasoning(thought))
            }
            State::Closed => return,
        };
        for piece in [held.as_str(), text] {
            match &mut state {
                State::Outside(outside) => outside.push(piece, sink),
                State::Reasoning(thought) => thought.show(piece, sink),
                State::Suffix(_)
                | State::Section(_)
                | State::Header(_)
                | State::Call(_)
                | State::Rest(_)
                | State::Program(_)
                | State::Closed => {}
            }
        }
        self.state = state;
    }

    /// Reads some of `text`: at least a byte, or the state changes. What is returned beside the count is text
    /// of a call that turned out to be none, to be read again first.
    fn step(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        match &mut self.state {
            State::Outside(outside) if outside.is_anchored() => self.step_anchored(text, sink),
            State::Outside(_) => (self.step_text(text, sink), None),
            State::Reasoning(_) => (self.step_reasoning(text, sink), None),
            State::Suffix(_) => self.step_suffix(text, sink),
            State::Section(_) => self.step_section(text, sink),
            State::Header(_) => self.step_header(text, sink),
            State::Call(_) => self.step_call(text, sink),
            State::Rest(_) => self.step_rest(text, sink),
            State::Program(_) => self.step_program(text, sink),
            State::Closed => (text.len(), None),
        }
    }

    /// What was opened and holds a call that begins now, and how that was written.
    fn take_frame(&mut self) -> (Frame, String) {
        match &mut self.state {
            State::Section(section) => (Frame::Section, std::mem::take(&mut section.raw)),
            State::Header(header) => (Frame::Message, std::mem::take(&mut header.raw)),
            _ => (Frame::None, String::new()),
        }
    }

    /// Lets go of what the current state holds. What is returned is to be read again, and then this once more.
    fn settle(&mut self, ended: Ended, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        match &mut self.state {
            State::Suffix(_) => return Some(self.reject_suffix(sink)),
            State::Section(_) => return Some(self.reject_section(sink)),
            State::Header(_) => return Some(self.reject_header(sink)),
            State::Call(_) => return self.settle_call(ended, sink),
            State::Rest(_) => return Some(self.settle_rest(ended, sink)),
            State::Program(_) => return Some(self.settle_code(ended, sink)),
            State::Outside(outside) => {
                let tables = outside_tables(&self.settings);
                if !outside.is_cut_short(tables) {
                    outside.push(outside.held_marker(tables), sink);
                }
                outside.end(sink);
            }
            State::Reasoning(thought) => {
                thought.show(thought.held_marker(&self.settings), sink);
                thought.outside.end(sink);
            }
            State::Closed => {}
        }
        self.state = State::Closed;
        None
    }
}

impl Origin {
    fn outside(&self) -> &Outside {
        match self {
            Self::Outside(outside) | Self::Reasoning(Thought { outside, .. }) => outside,
        }
    }

    /// A marker that opens nothing is text.
    fn show_opener(&mut self, marker: &str, sink: &mut impl FnMut(Event<'_>)) {
        match self {
            Self::Reasoning(thought) => thought.show(marker, sink),
            Self::Outside(outside) => {
                outside.push(marker, sink);
                outside.lines.mark();
            }
        }
    }

    fn outside_mut(&mut self) -> &mut Outside {
        match self {
            Self::Outside(outside) | Self::Reasoning(Thought { outside, .. }) => outside,
        }
    }
}

impl From<Origin> for State {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Outside(outside) => Self::Outside(outside),
            Origin::Reasoning(thought) => Self::Reasoning(thought),
        }
    }
}

/// The tables of the positions outside calls and reasoning.
fn outside_tables(settings: &Settings) -> &dialect::Outside {
    let tables = settings.dialect.tables();
    if settings.reasoning == Reasoning::Off { &tables.unreasoned } else { &tables.outside }
}

fn context<'a>(settings: &'a Settings, limits: &'a Limits, patience: Patience, wrapped: Wrapped) -> Context<'a> {
    Context {
        dialect: &settings.dialect,
        tools: &settings.tools,
        unknown_tools: settings.unknown_tools,
        limits,
        patience,
        wrapped,
    }
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
