//! The answer outside calls and reasoning: where its text stands, and what of it may be dropped.
//! At the start of the answer, after a call and at the very end whitespace waits for what follows it: before a call or
//! the end it is dropped, before text it is text. An end-of-turn token waits wherever it stands, and
//! so does a broken closer behind a call.

mod doubt;

use crate::dialect::{self, Edge, Role, Table};
use crate::scan::{Begun, Cursor, Markers, Step};

use super::Event;
use super::lines::Lines;
use doubt::Doubt;

/// Whether markup is still to come that belongs to what was read before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Awaited {
    #[default]
    No,
    Yes,
}

/// Where the text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing was written yet but what was read of a marker; perhaps the whole answer stands in a code fence, which was
    /// opened.
    Start { fence: Awaited, begun: Begun },
    /// Text is going on.
    Open(LeftOpen),
    /// A call or a message was the last thing.
    AfterCall(AfterCall),
}

/// What calls left open. Its closer is markup wherever it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOpen {
    /// The wrapper around the last call.
    pub wrapper: Awaited,
    /// The section in which it stands.
    pub section: Awaited,
    /// The message of which it is the body.
    pub message: Body,
    /// The block of reasoning that a call ended.
    pub reasoning: Awaited,
}

impl LeftOpen {
    /// Whether something is open that stands around calls.
    pub fn is_wrapped(self) -> bool {
        [self.wrapper, self.section].contains(&Awaited::Yes)
    }
}

/// The body of a message, as far as its text is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Body {
    /// No message is open.
    #[default]
    None,
    /// No call begins in it.
    Text,
    /// Calls may begin in it, or it is one.
    Calls,
    /// Its header is text, and so is its end.
    Refused,
}

/// What may follow a call and belongs to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AfterCall {
    pub left_open: LeftOpen,
    /// A call began a list: its items may follow.
    pub list: Awaited,
    /// The code fence around calls.
    pub fence: Awaited,
    /// What was read of a marker.
    pub begun: Begun,
    last: Last,
}

/// What was the last thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Call,
    Message,
}

/// The text outside, and what of it waits.
#[derive(Debug)]
pub(super) struct Outside {
    pub place: Place,
    /// Where text that was shown stands.
    pub lines: Lines,
    /// Where the scan for markers stands, where it holds something.
    cursor: Option<Cursor>,
    waiting: String,
    /// What waits is no longer than this; more whitespace is text.
    bytes_max: usize,
    /// What of it is text only if text follows.
    doubt: Option<Doubt>,
    /// Whitespace right after a reasoning block belongs to the block's markup.
    after_reasoning: bool,
    /// Such a block was the last that stood here.
    behind_reasoning: bool,
}

impl Place {
    /// What calls left open.
    pub fn left_open(self) -> LeftOpen {
        match self {
            Self::Start { .. } => LeftOpen::default(),
            Self::Open(left_open) | Self::AfterCall(AfterCall { left_open, .. }) => left_open,
        }
    }

    fn left_open_mut(&mut self) -> Option<&mut LeftOpen> {
        match self {
            Self::Start { .. } => None,
            Self::Open(left_open) | Self::AfterCall(AfterCall { left_open, .. }) => Some(left_open),
        }
    }

    /// Whether a code fence is open around calls.
    pub fn fence(self) -> Awaited {
        match self {
            Self::Start { fence, .. } | Self::AfterCall(AfterCall { fence, .. }) => fence,
            Self::Open(_) => Awaited::No,
        }
    }

    /// What may follow a call that begins here.
    pub fn after_call(self) -> AfterCall {
        let list = if let Self::AfterCall(after) = self { after.list } else { Awaited::No };
        AfterCall { left_open: self.left_open(), list, fence: self.fence(), ..AfterCall::default() }
    }

    /// What was read of a marker, where the text begins with one or with none.
    pub fn begun(&mut self) -> Option<&mut Begun> {
        match self {
            Self::Start { begun, .. } | Self::AfterCall(AfterCall { begun, .. }) => Some(begun),
            Self::Open(_) => None,
        }
    }

    /// Whether no call and no message is open, and none was just begun.
    pub fn is_between_messages(self) -> bool {
        !self.is_open() && self.left_open() == LeftOpen::default()
    }

    #[inline]
    fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

impl AfterCall {
    /// Behind a message.
    pub fn message() -> Self {
        Self { last: Last::Message, ..Self::default() }
    }
}

impl Outside {
    /// The start of an answer, perhaps in a fence that was opened. What waits has at most `bytes_max`.
    pub fn new(fence: Awaited, bytes_max: usize) -> Box<Self> {
        Box::new(Self {
            place: Place::Start { fence, begun: Begun::default() },
            lines: Lines::default(),
            cursor: None,
            waiting: String::new(),
            bytes_max,
            doubt: None,
            after_reasoning: false,
            behind_reasoning: false,
        })
    }

    /// The markers that count where text may go on.
    #[inline]
    pub fn table<'t>(&self, tables: &'t dialect::Outside) -> &'t Table<Role> {
        match &self.place {
            Place::Open(LeftOpen { message: Body::Text, .. }) => &tables.message,
            Place::Open(left_open) if *left_open != LeftOpen::default() => &tables.left_open,
            _ => &tables.text,
        }
    }

    /// Scans text for the next of these markers.
    #[inline]
    pub fn scan<'m, 't>(&mut self, text: &'t str, markers: &'m Markers) -> Step<'m, 't> {
        let mut cursor = self.cursor.unwrap_or_else(|| markers.start());
        let step = markers.step(&mut cursor, text);
        self.cursor = (!cursor.is_empty()).then_some(cursor);
        step
    }

    /// What may be a marker, and is held.
    pub fn held_marker<'t>(&self, tables: &'t dialect::Outside) -> &'t str {
        match (self.place, self.cursor) {
            (Place::Start { begun, .. } | Place::AfterCall(AfterCall { begun, .. }), _) => {
                tables.after_call.anchors.markers.held(begun)
            }
            (_, Some(cursor)) => self.table(tables).markers.held(cursor),
            (_, None) => "",
        }
    }

    /// Whether what is held where the answer ends is a closer or an end-of-turn token cut short, right behind a call.
    /// Behind text it is text, since a `<` is a prefix of a marker too.
    pub fn is_cut_short(&self, tables: &dialect::Outside) -> bool {
        let Place::AfterCall(after @ AfterCall { last: Last::Call, .. }) = self.place else { return false };
        let ends = |role: Role| {
            let closes = role.closes || [role.section, role.message].contains(&Some(Edge::Close)) || role.wraps;
            closes || role.ends_turn || (role.closes_fence && after.fence == Awaited::Yes)
        };
        !after.begun.is_empty() && tables.after_call.anchors.begun(self.held_marker(tables)).any(ends)
    }

    /// What may be a marker is none, or is not looked at: it is held no longer.
    pub fn let_go_of_marker(&mut self) {
        self.cursor = None;
        if let Some(begun) = self.place.begun() {
            *begun = Begun::default();
        }
    }

    /// Whether a marker is begun in text that may go on.
    #[inline]
    pub fn is_in_marker(&self) -> bool {
        self.cursor.is_some()
    }

    /// Takes the droppable beginning of `text`, and returns how many bytes that is.
    /// `also` are characters that are droppable beside whitespace.
    pub fn absorb(&mut self, text: &str, also: impl Fn(char) -> bool) -> usize {
        if self.is_open() {
            return 0;
        }
        let mut read = 0;
        for c in text.chars() {
            if c.is_ascii_whitespace() && self.after_reasoning {
                read += c.len_utf8();
                continue;
            }
            let waits = !self.place.is_open() || self.doubt.is_some();
            let droppable = waits && (c.is_ascii_whitespace() || also(c));
            if !droppable || !self.has_room() {
                break;
            }
            self.waiting.push(c);
            read += c.len_utf8();
        }
        read
    }

    /// Whether the text begins with a marker here or with none: where the answer does, and right after a call.
    #[inline]
    pub fn is_anchored(&self) -> bool {
        !self.place.is_open()
    }

    /// Whether a call or a message was the last thing.
    pub fn is_after_call(&self) -> bool {
        matches!(self.place, Place::AfterCall(_))
    }

    /// Whether text is going on, and nothing of it is dropped or waits.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.place.is_open() && !self.after_reasoning && self.doubt.is_none()
    }

    /// Whether nothing was shown since the answer began, or since a call or a reasoning block.
    pub fn is_fresh(&self) -> bool {
        !self.place.is_open() || self.behind_reasoning
    }

    /// Whether more can wait.
    pub fn has_room(&self) -> bool {
        self.waiting.len() < self.bytes_max
    }

    /// Text goes on here: what waited comes before it.
    pub fn open(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.place = Place::Open(self.place.left_open());
        self.after_reasoning = false;
        self.doubt = None;
        let waited = std::mem::take(&mut self.waiting);
        self.show(&waited, sink);
    }

    /// Takes a marker that closes what is open here, or that is no text. Right after a call a closer of what is not
    /// open is one too many, and so is one of a message or of reasoning where the answer begins.
    pub fn takes(&mut self, role: Role, marker: &str) -> bool {
        let LeftOpen { wrapper, section, message, reasoning } = self.place.left_open();
        let may_close = |is_open: bool| (is_open || self.is_after_call()) && self.has_room();
        let is_start = matches!(self.place, Place::Start { .. });
        if role.message == Some(Edge::Close) && message == Body::Refused {
            return false;
        } else if role.section == Some(Edge::Close) && may_close(section == Awaited::Yes) {
            self.close_section(marker);
        } else if role.message == Some(Edge::Close) && may_close(is_start || message != Body::None) {
            self.end_message(marker);
        } else if role.closes && may_close(wrapper == Awaited::Yes) {
            self.close_wrapper(marker);
        } else if role.ends_turn && self.has_room() {
            self.absorb_token(marker);
        } else if role.reasoning == Some(Edge::Close) && (is_start || reasoning == Awaited::Yes) {
            self.close_reasoning(marker);
        } else {
            return role.wraps && !self.lines.in_fence() && !self.lines.in_span();
        }
        true
    }

    /// The call's wrapper was closed.
    pub fn close_wrapper(&mut self, closer: &str) {
        if let Some(left_open) = self.place.left_open_mut() {
            left_open.wrapper = Awaited::No;
        }
        self.close(closer);
    }

    /// The section of calls was closed, and what stood open in it.
    fn close_section(&mut self, closer: &str) {
        if let Some(left_open) = self.place.left_open_mut() {
            (left_open.section, left_open.wrapper) = (Awaited::No, Awaited::No);
        }
        self.close(closer);
    }

    /// A message begins, whose body is of that kind. It stands on lines of its own.
    pub fn begin_message(&mut self, body: Body, sink: &mut impl FnMut(Event<'_>)) {
        self.before_call(sink);
        let left_open = LeftOpen { message: body, ..LeftOpen::default() };
        self.place = match body {
            Body::Text | Body::Refused => Place::Open(left_open),
            Body::Calls | Body::None => Place::AfterCall(AfterCall { left_open, ..AfterCall::message() }),
        };
        self.lines = Lines::default();
        self.cursor = None;
    }

    /// A message begins that is text to the letter, its end too. Behind that another may begin.
    pub fn refuse_message(&mut self) {
        if let Place::Open(left_open) = &mut self.place
            && left_open.message == Body::None
        {
            left_open.message = Body::Refused;
        }
    }

    /// The message was ended, and what stood open in it.
    fn end_message(&mut self, end: &str) {
        self.after_call(AfterCall::message());
        self.close(end);
    }

    /// The code fence around calls was closed.
    pub fn close_fence(&mut self, closer: &str) {
        if let Place::AfterCall(after) = &mut self.place {
            after.fence = Awaited::No;
        }
        self.close(closer);
    }

    /// Whether a list of calls is open, which is closed then.
    pub fn closes_list(&mut self) -> bool {
        let Place::AfterCall(after) = &mut self.place else { return false };
        let list = std::mem::take(&mut after.list);
        if list == Awaited::Yes {
            self.close("]");
        }
        list == Awaited::Yes
    }

    /// The block of reasoning was closed that a call ended, or that the prompt opened and nothing stood in.
    fn close_reasoning(&mut self, closer: &str) {
        self.close(closer);
        if let Some(left_open) = self.place.left_open_mut() {
            left_open.reasoning = Awaited::No;
        }
        self.after_reasoning();
    }

    /// A call ended.
    pub fn after_call(&mut self, after: AfterCall) {
        self.place = Place::AfterCall(after);
        self.cursor = None;
    }

    /// A reasoning block ended.
    pub fn after_reasoning(&mut self) {
        self.after_reasoning = true;
        self.behind_reasoning = true;
    }

    /// Text of the answer, behind what waited for it.
    pub fn push(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        if self.is_open() {
            return self.show(text, sink);
        }
        let read = self.absorb(text, |_| false);
        let text = text.get(read..).unwrap_or_default();
        if !text.is_empty() {
            self.open(sink);
            self.show(text, sink);
        }
    }

    fn show(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        if !text.is_empty() {
            self.behind_reasoning = false;
            self.lines.push(text);
            sink(Event::Text(text));
        }
    }

    /// Bytes that wait, beside a marker.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
