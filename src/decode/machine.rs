//! The machine: which state the answer is in, and what leaves it.
//! Does not know how any dialect writes a call; it knows where one may begin and when it is one.

use crate::dialect::{Edge, Opener, Payload as Form, Role, StartOfAnswer, Table};
use crate::json::repair::{Completion, Ended};
use crate::limits::Limits;
use crate::scan::Cursor;

use super::call::{Call, Context, Patience, Verdict};
use super::expect::{Expect, Expected};
use super::gap::{Gap, Phase};
use super::payload::Payload;
use super::{Calls, Ending, Event, Finish, Reasoning, Settings};

/// Turns the text of one choice into events.
#[derive(Debug)]
pub struct Decoder {
    settings: Settings,
    limits: Limits,
    state: State,
    /// Where the scan for markers stands, in `Text` and `Reasoning`.
    cursor: Cursor,
    gap: Gap,
    /// Bytes of the answer read so far, and bytes read again.
    read: u64,
    reread: u64,
    /// A call's wrapper is open: its closer is awaited.
    wrapper: Wrapper,
    /// A call began a list: its items may follow.
    list: Wrapper,
    /// A call began behind an opening fence: its closing fence is awaited.
    fence: Wrapper,
    /// The prompt opened reasoning, and nothing was read of it yet: its opener, if it comes too, is markup.
    owed_open: Wrapper,
    /// A call ended open reasoning: the block's closer, if it comes after all, is markup.
    owed_close: Wrapper,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapper {
    None,
    Open,
}

/// A call that is being read.
#[derive(Debug)]
struct Pending {
    payload: Payload,
    call: Call,
    /// All of it as it was written, until it is committed.
    raw: String,
    /// Bytes of `raw` that are its opener.
    opener: usize,
    by: Opener,
    role: Role,
    stage: Stage,
    origin: Origin,
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
    opener: Expect,
    /// Where in `raw` the fence's inside begins, and what reads it on trial.
    inside: Option<(usize, Box<Decoder>)>,
}

/// Text that is read again costs at most so many times the text that was read once.
const REREAD_FACTOR: u64 = 2;

const FENCES: [&str; 2] = ["```json\n", "```\n"];

impl Decoder {
    pub fn new(settings: Settings, limits: &Limits) -> Self {
        let cursor = text_table(&settings).markers.start();
        let mut decoder = Self {
            settings,
            limits: limits.clone(),
            state: State::Text,
            cursor,
            gap: Gap::default(),
            read: 0,
            reread: 0,
            wrapper: Wrapper::None,
            list: Wrapper::None,
            fence: Wrapper::None,
            owed_open: Wrapper::None,
            owed_close: Wrapper::None,
            ending: Ending::default(),
        };
        if decoder.settings.reasoning == Reasoning::Open {
            decoder.owed_open = Wrapper::Open;
            decoder.enter_reasoning();
        }
        decoder
    }

    /// Takes the next piece of the model's text, cut anywhere between characters.
    pub fn push(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (read, again) = self.step(rest, sink);
            at += read;
            self.ending.examined += to_u64(read);
            self.read += to_u64(read);
            if let Some(again) = again {
                self.read_again(again, sink);
            }
        }
    }

    /// Whether everything that may still come is dropped (`Calls::First`, after the first call).
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Bytes held back: read, but not yet decided.
    pub fn held(&self) -> usize {
        let state = match &self.state {
            State::Text => text_table(&self.settings).markers.held(self.cursor).len(),
            State::Reasoning => {
                self.settings.dialect.tables().reasoning.as_ref().map_or(0, |t| t.markers.held(self.cursor).len())
            }
            State::Call(pending) if pending.stage == Stage::Kept => pending.raw.len(),
            State::Call(pending) => pending.payload.held(),
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
            if self.reread > allowed {
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

    /// Text that is not looked at.
    fn plain(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        match self.state {
            State::Reasoning => sink(Event::Reasoning(text)),
            _ => emit_text(&mut self.gap, text, sink),
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

    // ---- text and reasoning ---------------------------------------------------------------------------

    fn step_text(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> usize {
        let table = text_table(&self.settings);
        if self.gap.phase != Phase::Open && table.markers.held(self.cursor).is_empty() || self.gap.skips() {
            let between = self.between();
            let absorbed = self.gap.absorb(text, |c| between.contains(c), self.limits.pending_bytes_max);
            if absorbed > 0 {
                if self.fence == Wrapper::Open && self.gap.phase == Phase::AfterCall {
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
        if let Some(opens) = role.opens {
            self.begin(&marker, opens.payload_at, opens.by, role, Origin::Text);
        } else if role.closes && (after_call || self.wrapper == Wrapper::Open) {
            self.wrapper = Wrapper::None;
            self.gap.close_block();
        } else if role.ends_turn && after_call {
            self.gap.absorb_token(&marker);
        } else if role.reasoning == Some(Edge::Open) {
            self.enter_reasoning();
        } else if role.reasoning == Some(Edge::Close) && self.owed_close == Wrapper::Open {
            self.owed_close = Wrapper::None;
            self.gap.after_reasoning();
        } else {
            emit_text(&mut self.gap, &marker, sink);
        }
        read
    }

    /// Characters that may be dropped between two calls, beside whitespace.
    fn between(&self) -> String {
        let Form::Json(spec) = &self.settings.dialect.spec().payload else { return String::new() };
        let mut between = String::new();
        if self.gap.phase == Phase::AfterCall {
            between.push_str(&spec.between);
            if self.wrapper == Wrapper::Open {
                between.push_str(",]}");
            } else if self.list == Wrapper::Open {
                between.push_str(",]");
            }
        }
        between
    }

    /// Begins a call that no marker opens, where the dialect writes such: at the start of the answer, and after
    /// another call.
    fn begins_unmarked(&mut self, text: &str) -> bool {
        let spec = self.settings.dialect.spec();
        let (Some(c), Form::Json(_)) = (text.chars().next(), &spec.payload) else { return false };
        let at_start = self.gap.phase == Phase::Start && spec.call.start == Some(StartOfAnswer::Json);
        let follows = self.gap.phase == Phase::AfterCall
            && (self.wrapper == Wrapper::Open || self.list == Wrapper::Open || spec.call.start.is_some());
        if (c == '{' && (at_start || follows)) || (c == '[' && at_start) {
            self.begin("", 0, Opener::Bare, Role::default(), Origin::Text);
            return true;
        }
        if c == '`' && at_start && self.fence == Wrapper::None {
            let whole = Whole { raw: String::new(), opener: Expect::default(), inside: None };
            self.state = State::Whole(Box::new(whole));
            return true;
        }
        false
    }

    fn step_reasoning(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> usize {
        let Some(table) = &self.settings.dialect.tables().reasoning else {
            self.enter_text();
            return 0;
        };
        let step = table.markers.step(&mut self.cursor, text);
        for piece in [step.released, step.text] {
            if !piece.is_empty() {
                self.owed_open = Wrapper::None;
                sink(Event::Reasoning(piece));
            }
        }
        let read = text.len() - step.rest.len();
        let Some(found) = step.found else { return read };
        // The prompt opened the block, and the model once more.
        let first = std::mem::replace(&mut self.owed_open, Wrapper::None) == Wrapper::Open;
        let (role, marker) = (table.role(found).unwrap_or_default(), table.markers.text(found).to_string());
        if let Some(opens) = role.opens {
            self.begin(&marker, opens.payload_at, opens.by, role, Origin::Reasoning);
        } else if role.reasoning == Some(Edge::Close) {
            self.gap.after_reasoning();
            self.enter_text();
        } else if !first {
            sink(Event::Reasoning(&marker));
        }
        read
    }

    fn enter_text(&mut self) {
        self.cursor = text_table(&self.settings).markers.start();
        self.state = State::Text;
    }

    fn enter_reasoning(&mut self) {
        if let Some(table) = &self.settings.dialect.tables().reasoning {
            self.cursor = table.markers.start();
            self.state = State::Reasoning;
        }
    }

    // ---- calls ----------------------------------------------------------------------------------------

    fn begin(&mut self, marker: &str, payload_at: usize, by: Opener, role: Role, origin: Origin) {
        let cx = context(&self.settings, &self.limits, Patience::Mend);
        let mut pending = Pending {
            payload: Payload::new(&cx),
            call: Call::default(),
            raw: marker.to_string(),
            opener: marker.len(),
            by,
            role,
            stage: Stage::Kept,
            origin,
        };
        let own = marker.get(payload_at..).unwrap_or_default();
        if !own.is_empty() {
            let verdict = pending.payload.push(own, &cx, &mut pending.call);
            debug_assert_eq!(verdict, Verdict::More, "a bare opener begins its payload");
        }
        self.state = State::Call(Box::new(pending));
    }

    fn step_call(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Call(pending) = &mut self.state else { return (0, None) };
        let kept = pending.stage == Stage::Kept;
        let room = if kept { self.limits.pending_bytes_max.saturating_sub(pending.raw.len()) } else { text.len() };
        let piece = text.get(..floor_char_boundary(text, room)).unwrap_or_default();
        if piece.is_empty() {
            // The limit: text, unless a call in reasoning is past its commit point and only long.
            if pending.call.ready {
                self.commit(sink);
                return (0, None);
            }
            return (0, self.reject(sink));
        }
        let sound_only = kept && pending.origin == Origin::Reasoning;
        let patience = if sound_only { Patience::SoundOnly } else { Patience::Mend };
        let cx = context(&self.settings, &self.limits, patience);
        let verdict = pending.payload.push(piece, &cx, &mut pending.call);
        debug_assert!(kept || !matches!(verdict, Verdict::Reject(_)), "nothing is taken back after the commit");
        match verdict {
            Verdict::Reject(read) if kept => {
                pending.raw.push_str(piece.get(..read).unwrap_or_default());
                (read, self.reject(sink))
            }
            Verdict::Complete(read) | Verdict::Reject(read) => {
                self.complete(sink);
                (read, None)
            }
            Verdict::More => {
                let ready = pending.call.ready && !sound_only;
                if kept && !ready {
                    pending.raw.push_str(piece);
                } else if kept {
                    self.commit(sink);
                } else {
                    flush(&mut pending.call, sink);
                }
                (piece.len(), None)
            }
        }
    }

    /// The commit point: from here on it is a call.
    fn commit(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let State::Call(pending) = &mut self.state else { return };
        if self.gap.phase == Phase::Open {
            self.fence = Wrapper::None;
            self.list = Wrapper::None;
        }
        if let Some(token) = self.gap.before_call() {
            sink(Event::Text(&token));
        }
        match pending.by {
            Opener::Wrapper => self.wrapper = Wrapper::Open,
            Opener::Fenced => self.fence = Wrapper::Open,
            Opener::Bare => {}
        }
        if pending.call.listed {
            self.list = Wrapper::Open;
        }
        if pending.origin == Origin::Reasoning {
            self.owed_close = Wrapper::Open;
        }
        pending.stage = Stage::Committed;
        pending.raw = String::new();
        self.ending.calls += 1;
        sink(Event::CallStart { name: &pending.call.name, id: None });
        flush(&mut pending.call, sink);
    }

    /// The call is whole.
    fn complete(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if matches!(&self.state, State::Call(pending) if pending.stage == Stage::Kept) {
            self.commit(sink);
        }
        let State::Call(mut pending) = std::mem::replace(&mut self.state, State::Text) else { return };
        flush(&mut pending.call, sink);
        sink(Event::CallEnd);
        self.count(&pending.call);
        self.gap.after_call();
        self.enter_text();
        emit_text(&mut self.gap, &pending.call.leftover, sink);
        if self.settings.calls == Calls::First {
            self.state = State::Closed;
        } else if self.fence == Wrapper::Open {
            self.state = State::FenceClose(Expect::default());
        }
    }

    fn count(&mut self, call: &Call) {
        if call.malformed {
            self.ending.malformed += 1;
        } else if call.repaired {
            self.ending.repaired += 1;
        }
    }

    /// It is no call: its opener is text, and what stood behind it is read again.
    fn reject(&mut self, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let state = std::mem::replace(&mut self.state, State::Text);
        let State::Call(pending) = state else { return None };
        let Pending { raw, opener, role, origin, .. } = *pending;
        self.ending.rejected += 1;
        let first = raw.chars().next().map_or(0, char::len_utf8);
        let (opener, rest) = raw.split_at_checked(opener.max(first))?;
        if origin == Origin::Reasoning {
            self.enter_reasoning();
            sink(Event::Reasoning(opener));
        } else {
            self.enter_text();
            // A marker that opens and closes, right after a call, closed it.
            if role.closes && self.gap.phase == Phase::AfterCall {
                self.wrapper = Wrapper::None;
            } else {
                emit_text(&mut self.gap, opener, sink);
            }
        }
        Some(rest.to_string())
    }

    // ---- fences ---------------------------------------------------------------------------------------

    fn step_fence_close(&mut self, text: &str) -> (usize, Option<String>) {
        let State::FenceClose(expect) = &mut self.state else { return (0, None) };
        for (at, c) in text.char_indices() {
            match expect.push(c, ["```"].into_iter()) {
                Expected::More => {}
                Expected::Found(_) => {
                    self.fence = Wrapper::None;
                    self.enter_text();
                    return (at + c.len_utf8(), None);
                }
                Expected::Other => {
                    let again = expect.take();
                    self.enter_text();
                    return (at + c.len_utf8(), Some(again));
                }
            }
        }
        (text.len(), None)
    }

    fn step_whole(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Whole(whole) = &mut self.state else { return (0, None) };
        for (at, c) in text.char_indices() {
            whole.raw.push(c);
            let possible = match &mut whole.inside {
                Some((_, trial)) => push_on_trial(trial, c.encode_utf8(&mut [0; 4])),
                None => match whole.opener.push(c, FENCES.into_iter()) {
                    Expected::Found(_) => {
                        let mut trial =
                            Self::new(Settings { calls: Calls::All, ..self.settings.clone() }, &self.limits);
                        trial.enter_text();
                        trial.fence = Wrapper::Open;
                        whole.inside = Some((whole.raw.len(), Box::new(trial)));
                        true
                    }
                    Expected::More => true,
                    Expected::Other => false,
                },
            };
            if !possible || whole.raw.len() > self.limits.pending_bytes_max {
                return (at + c.len_utf8(), Some(self.release_whole(sink)));
            }
        }
        (text.len(), None)
    }

    /// The fence is not the whole answer, or holds no call: it is text.
    fn release_whole(&mut self, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Whole(whole) = std::mem::replace(&mut self.state, State::Text) else { return String::new() };
        self.enter_text();
        let (first, rest) = whole.raw.split_at_checked(1).unwrap_or_default();
        emit_text(&mut self.gap, first, sink);
        rest.to_string()
    }

    // ---- the end --------------------------------------------------------------------------------------

    /// Lets go of what the current state holds. What is returned is to be read again, and then this once more.
    fn settle(&mut self, ended: Ended, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        match &mut self.state {
            State::Call(_) => return self.settle_call(ended, sink),
            State::Whole(_) => return Some(self.settle_whole(ended, sink)),
            State::FenceClose(expect) => {
                let again = expect.take();
                self.enter_text();
                return Some(again);
            }
            State::Text => {
                let held = text_table(&self.settings).markers.held(self.cursor);
                emit_text(&mut self.gap, held, sink);
            }
            State::Reasoning => {
                let table = self.settings.dialect.tables().reasoning.as_ref();
                let held = table.map_or("", |table| table.markers.held(self.cursor));
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

    fn settle_call(&mut self, ended: Ended, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let State::Call(pending) = &mut self.state else { return None };
        let cx = context(&self.settings, &self.limits, Patience::Mend);
        let completion = pending.payload.finish(ended, &cx, &mut pending.call);
        let whole = completion == Completion::Complete && pending.call.ready;
        let open = pending.stage == Stage::Committed || (pending.call.ready && pending.origin == Origin::Text);
        if whole {
            self.fence = Wrapper::None;
            self.complete(sink);
            return Some(String::new());
        }
        if !open {
            return self.reject(sink);
        }
        if pending.stage == Stage::Kept {
            self.commit(sink);
        }
        let State::Call(mut pending) = std::mem::replace(&mut self.state, State::Closed) else { return None };
        flush(&mut pending.call, sink);
        self.count(&pending.call);
        self.ending.truncated = true;
        None
    }

    fn settle_whole(&mut self, ended: Ended, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Whole(whole) = &mut self.state else { return String::new() };
        if let Some((begins, trial)) = whole.inside.take() {
            let fence_closed = trial.fence == Wrapper::None;
            if fence_closed && ended == Ended::ByItself && finish_trial(*trial) {
                let inside = whole.raw.get(begins..).unwrap_or_default().to_string();
                self.enter_text();
                self.fence = Wrapper::Open;
                return inside;
            }
        }
        self.release_whole(sink)
    }
}

/// Reads on trial: whether it led to nothing but calls.
fn push_on_trial(trial: &mut Decoder, text: &str) -> bool {
    let mut only_calls = true;
    trial.push(text, &mut |event| only_calls &= !matches!(event, Event::Text(_) | Event::Reasoning(_)));
    only_calls
}

/// Ends a trial: whether there were calls, all of them whole, and nothing else.
fn finish_trial(trial: Decoder) -> bool {
    let mut only_calls = true;
    let sink = &mut |event: Event<'_>| only_calls &= !matches!(event, Event::Text(_) | Event::Reasoning(_));
    let ending = trial.finish(Finish::Stop, sink);
    only_calls && ending.calls > 0 && !ending.truncated
}

fn text_table(settings: &Settings) -> &Table<Role> {
    let tables = settings.dialect.tables();
    if settings.reasoning == Reasoning::Off { &tables.plain } else { &tables.text }
}

fn context<'a>(settings: &'a Settings, limits: &'a Limits, patience: Patience) -> Context<'a> {
    Context {
        dialect: &settings.dialect,
        tools: &settings.tools,
        unknown_tools: settings.unknown_tools,
        limits,
        patience,
    }
}

/// Text of the answer, behind what waited for it.
fn emit_text(gap: &mut Gap, text: &str, sink: &mut impl FnMut(Event<'_>)) {
    if text.is_empty() {
        return;
    }
    let read = gap.absorb(text, |_| false, usize::MAX);
    let text = text.get(read..).unwrap_or_default();
    if text.is_empty() {
        return;
    }
    let waited = gap.open();
    for piece in [waited.as_str(), text] {
        if !piece.is_empty() {
            sink(Event::Text(piece));
        }
    }
}

fn flush(call: &mut Call, sink: &mut impl FnMut(Event<'_>)) {
    if !call.arguments.is_empty() {
        sink(Event::Arguments(&call.arguments));
        call.arguments.clear();
    }
}

/// The last place in `text` at or before `at` where it can be cut.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
