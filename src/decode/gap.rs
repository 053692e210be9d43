//! What may be dropped where the answer's text is not going on: at its start, after a call, and at its very end.
//! Whitespace there waits for what follows it: before a call or the end it is dropped, before text it is text.
//! An end-of-turn token waits wherever it stands.

use super::Event;
use super::lines::Lines;

/// Where in the answer its text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was written yet.
    #[default]
    Start,
    /// Text is going on.
    Open,
    /// A call was the last thing.
    AfterCall,
}

/// The text that waits.
#[derive(Debug)]
pub(super) struct Gap {
    pub phase: Phase,
    /// Where the text that was shown stands.
    pub lines: Lines,
    text: String,
    /// What waits is no longer than this; more whitespace is text.
    bytes_max: usize,
    /// Where in it a token begins that only the answer's end makes droppable.
    token: Option<usize>,
    /// Whitespace right after a reasoning block belongs to the block's markup.
    after_reasoning: bool,
    /// Such a block was the last that stood here.
    behind_reasoning: bool,
}

impl Gap {
    pub fn new(bytes_max: usize) -> Self {
        Self {
            phase: Phase::Start,
            lines: Lines::default(),
            text: String::new(),
            bytes_max,
            token: None,
            after_reasoning: false,
            behind_reasoning: false,
        }
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
            self.after_reasoning = false;
            let waits = self.phase != Phase::Open || self.token.is_some();
            let droppable = waits && (c.is_ascii_whitespace() || also(c));
            if !droppable || !self.has_room() {
                break;
            }
            self.text.push(c);
            read += c.len_utf8();
        }
        read
    }

    /// Whether text is going on, and nothing of it is dropped or waits.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open && !self.after_reasoning && self.token.is_none()
    }

    /// Whether whitespace that comes next is dropped.
    pub fn skips(&self) -> bool {
        self.after_reasoning
    }

    /// Whether nothing was shown since the answer began, or since a call or a reasoning block.
    pub fn is_fresh(&self) -> bool {
        self.phase != Phase::Open || self.behind_reasoning
    }

    /// Whether more can wait.
    pub fn has_room(&self) -> bool {
        self.text.len() < self.bytes_max
    }

    /// An end-of-turn token, which is dropped if the answer ends here.
    pub fn absorb_token(&mut self, token: &str) {
        self.token.get_or_insert(self.text.len());
        self.text.push_str(token);
    }

    /// Text goes on: what waited comes before it.
    pub fn open(&mut self) -> String {
        self.phase = Phase::Open;
        self.after_reasoning = false;
        self.token = None;
        std::mem::take(&mut self.text)
    }

    /// A call begins. What waited is dropped, unless a token among it turns out to be text.
    pub fn before_call(&mut self) -> Option<String> {
        self.after_reasoning = false;
        let text = std::mem::take(&mut self.text);
        self.token.take().map(|_| text)
    }

    /// The call's wrapper was closed: what stood before that belongs to it. Behind a token the closer waits too.
    pub fn close_block(&mut self, closer: &str) {
        if self.token.is_some() {
            self.text.push_str(closer);
        } else {
            self.text.clear();
        }
    }

    /// A call ended.
    pub fn after_call(&mut self) {
        self.phase = Phase::AfterCall;
    }

    /// A reasoning block ended.
    pub fn after_reasoning(&mut self) {
        self.after_reasoning = true;
        self.behind_reasoning = true;
    }

    /// The answer ended: whitespace that waited at its start is all there is of it, and text; a token behind it goes.
    pub fn end(&mut self) -> Option<String> {
        let mut text = std::mem::take(&mut self.text);
        text.truncate(self.token.take().unwrap_or(text.len()));
        (self.phase != Phase::AfterCall && !text.is_empty()).then_some(text)
    }

    /// Shows text.
    pub fn show(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        if !text.is_empty() {
            self.behind_reasoning = false;
            self.lines.push(text);
            sink(Event::Text(text));
        }
    }

    pub fn held(&self) -> usize {
        self.text.len()
    }
}
