//! The machine: which state the answer is in, and what leaves it.
//! Does not know how any dialect writes a call; it knows where one may begin and when it is one.

mod call;
mod fence;
mod lead;
mod text;

use crate::dialect::{Opener, Role, Table};
use crate::json::repair::{Ended, Skimmed};
use crate::limits::Limits;
use crate::scan::Cursor;

use super::call::{Call, Context, Patience, Wrapped};
use super::expect::Expect;
use super::gap::{Gap, Phase};
use super::lines::Lines;
use super::payload::Payload;
use super::{Ending, Event, Finish, Reasoning, Settings};
use fence::Opening;
use lead::Lead;

/// Turns the text of one choice into events.
#[derive(Debug)]
pub struct Decoder {
    settings: Settings,
    limits: Limits,
    state: State,
    /// Where the scan for markers stands, in `Text` and `Reasoning`.
    cursor: Cursor,
    gap: Gap,
    /// Where in the open block of reasoning the text stands.
    thought: Lines,
    /// Bytes of the answer read so far, and bytes read again.
    read: u64,
    reread: u64,
    /// A call's wrapper is open: its closer is awaited.
    wrapper: Awaited,
    /// A call began a list: its items may follow.
    list: Awaited,
    /// A call began behind an opening fence: its closing fence is awaited.
    fence: Awaited,
    /// The prompt opened reasoning, and nothing was read of it yet: its opener, if it comes too, is markup.
    owed_open: Awaited,
    /// A call ended open reasoning: the block's closer, if it comes after all, is markup.
    owed_close: Awaited,
    ending: Ending,
}

#[derive(Debug)]
enum State {
    Text,
    Reasoning,
    Call(Box<Pending>),
    /// A call behind a fence is complete; the fence's closer is expected.
    FenceClose(Expect),
    /// The answer begins with a fence that may be all of it.
    Whole(Box<Whole>),
    /// The one call that counts was read; the rest is dropped.
    Closed,
}

/// Whether markup is still to come, which then belongs to what was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    No,
    Yes,
}

/// A call that is being read.
#[derive(Debug)]
struct Pending {
    payload: Payload,
    call: Call,
    /// All of it as it was written, until it is committed.
    raw: String,
    /// Bytes of `raw` that are its first marker.
    opener: usize,
    /// The rest of its opener.
    lead: Lead,
    by: Opener,
    role: Role,
    stage: Stage,
    origin: Origin,
    wrapped: Wrapped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It can still be text.
    Kept,
    /// `CallStart` was emitted.
    Committed,
}

/// What a call that is none goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Text,
    Reasoning,
}

/// An answer that begins with a fence, kept until it is known to be nothing but calls in a fence.
#[derive(Debug)]
struct Whole {
    raw: String,
    opener: Opening,
    /// Where in `raw` the fence's inside begins, and what reads it on trial.
    inside: Option<(usize, Box<Decoder>)>,
}

/// Text that is read again costs at most so many times the text that was read once.
const REREAD_FACTOR: u64 = 2;

impl Decoder {
    pub fn new(settings: Settings, limits: &Limits) -> Self {
        let cursor = text_table(&settings).markers.start();
        let mut decoder = Self {
            settings,
            limits: limits.clone(),
            state: State::Text,
            cursor,
            gap: Gap::new(limits.pending_bytes_max),
            thought: Lines::default(),
            read: 0,
            reread: 0,
            wrapper: Awaited::No,
            list: Awaited::No,
            fence: Awaited::No,
            owed_open: Awaited::No,
            owed_close: Awaited::No,
            ending: Ending::default(),
        };
        if decoder.settings.reasoning == Reasoning::Open {
            decoder.owed_open = Awaited::Yes;
            decoder.enter_reasoning();
        }
        decoder
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
        let state = match &self.state {
            State::Text => text_table(&self.settings).markers.held(self.cursor).len(),
            State::Reasoning => reasoning_held(&self.settings, self.cursor).len(),
            State::Call(pending) if pending.stage == Stage::Kept => pending.raw.len(),
            State::Call(pending) => pending.payload.held() + pending.call.leftover.len(),
            State::FenceClose(expect) => expect.held(),
            State::Whole(whole) => whole.raw.len(),
            State::Closed => 0,
        };
        self.gap.held() + state
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
            let is_committed = matches!(&self.state, State::Call(pending) if pending.stage == Stage::Committed);
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
        let (held, origin) = match std::mem::replace(&mut self.state, State::Text) {
            State::Call(pending) => (pending.raw, pending.origin),
            State::Whole(whole) => (whole.raw, Origin::Text),
            State::FenceClose(mut expect) => (expect.take(), Origin::Text),
            State::Text => (text_table(&self.settings).markers.held(self.cursor).to_string(), Origin::Text),
            State::Reasoning => (reasoning_held(&self.settings, self.cursor).to_string(), Origin::Reasoning),
            State::Closed => {
                self.state = State::Closed;
                return;
            }
        };
        match origin {
            Origin::Text => self.enter_text(),
            Origin::Reasoning => self.enter_reasoning(),
        }
        for piece in [held.as_str(), text] {
            match origin {
                Origin::Text => emit_text(&mut self.gap, piece, sink),
                Origin::Reasoning => self.think(piece, sink),
            }
        }
    }

    /// Reads some of `text`: at least a byte, or the state changes. What is returned beside the count is text
    /// of a call that turned out to be none, to be read again first.
    fn step(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        match &mut self.state {
            State::Text => (self.step_text(text, sink), None),
            State::Reasoning => (self.step_reasoning(text, sink), None),
            State::Call(_) => self.step_call(text, sink),
            State::FenceClose(_) => self.step_fence_close(text),
            State::Whole(_) => self.step_whole(text, sink),
            State::Closed => (text.len(), None),
        }
    }

    /// Whether what is held where the answer ends is a closer or an end-of-turn token cut short, right behind a call.
    /// Behind text it is text, since a `<` is a prefix of a marker too.
    fn is_cut_short(&self, held: &str) -> bool {
        let call = &self.settings.dialect.spec().call;
        let mut markup = call.close.iter().chain(&call.end_tokens);
        self.gap.phase == Phase::AfterCall && !held.is_empty() && markup.any(|text| text.starts_with(held))
    }

    /// Lets go of what the current state holds. What is returned is to be read again, and then this once more.
    fn settle(&mut self, ended: Ended, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        match &mut self.state {
            State::Call(_) => return self.settle_call(ended, sink),
            State::Whole(_) => return Some(self.settle_whole(ended, sink)),
            // Whitespace at most, and a closing fence cut short.
            State::FenceClose(_) => {}
            State::Text => {
                let held = text_table(&self.settings).markers.held(self.cursor);
                if !self.is_cut_short(held) {
                    emit_text(&mut self.gap, held, sink);
                }
            }
            State::Reasoning => {
                let held = reasoning_held(&self.settings, self.cursor);
                if !held.is_empty() {
                    sink(Event::Reasoning(held));
                }
            }
            State::Closed => return None,
        }
        if let Some(text) = self.gap.end() {
            sink(Event::Text(&text));
        }
        self.state = State::Closed;
        None
    }
}

fn text_table(settings: &Settings) -> &Table<Role> {
    let tables = settings.dialect.tables();
    if settings.reasoning == Reasoning::Off { &tables.plain } else { &tables.text }
}

/// The part of a marker that is held inside reasoning.
fn reasoning_held(settings: &Settings, cursor: Cursor) -> &str {
    settings.dialect.tables().reasoning.as_ref().map_or("", |table| table.markers.held(cursor))
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

/// Text of the answer, behind what waited for it.
fn emit_text(gap: &mut Gap, text: &str, sink: &mut impl FnMut(Event<'_>)) {
    if gap.is_open() {
        return gap.show(text, sink);
    }
    let read = gap.absorb(text, |_| false);
    let text = text.get(read..).unwrap_or_default();
    if !text.is_empty() {
        let waited = gap.open();
        gap.show(&waited, sink);
        gap.show(text, sink);
    }
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
