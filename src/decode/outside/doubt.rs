//! What waits behind a call and is text only if text follows: an end-of-turn token, and letters that may be the closer
//! of the call's wrapper, but for one of them.

use super::{AfterCall, Awaited, Last, Outside, Place};
use crate::decode::Event;
use crate::decode::slip::{Likeness, likeness};

/// Where in what waits something begins of which only what follows tells whether it is markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub at: usize,
    pub of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// An end-of-turn token, which goes where the answer ends.
    Token,
    /// A closer but for a letter, which goes there too, and where another call or a closer follows.
    Closer,
    /// Letters that may become one, and are text as yet.
    Letters,
}

/// A shorter closer resembles too much.
const CLOSER_BYTES_MIN: usize = 4;

impl Outside {
    /// Takes a character if it may belong to the closer of the open wrapper, of which one letter is wrong. `Letters` that
    /// it does not go on with are text.
    pub fn absorb_letter(&mut self, c: char, closers: &[String]) -> usize {
        let Place::AfterCall(AfterCall { left_open, last: Last::Call, .. }) = self.place else { return 0 };
        let at = match self.doubt {
            None => self.waiting.len(),
            Some(Doubt { of: Of::Token, .. }) => return 0,
            Some(Doubt { at, .. }) => at,
        };
        if left_open.wrapper == Awaited::No || !self.has_room() {
            return 0;
        }
        let mut letters = self.waiting.get(at..).unwrap_or_default().to_string();
        letters.push(c);
        let closers = closers.iter().filter(|closer| closer.trim_ascii().len() >= CLOSER_BYTES_MIN);
        let of = match closers.map(|closer| likeness(&letters, closer)).min() {
            Some(Likeness::Whole) => Of::Closer,
            Some(Likeness::Begun) => Of::Letters,
            Some(Likeness::Unlike) | None => return 0,
        };
        self.doubt = Some(Doubt { at, of });
        self.waiting.push(c);
        c.len_utf8()
    }

    /// Whether letters wait that were to become a closer.
    pub fn is_in_letters(&self) -> bool {
        matches!(self.doubt, Some(Doubt { of: Of::Letters, .. }))
    }

    /// An end-of-turn token, which is dropped if the answer ends here.
    pub(super) fn absorb_token(&mut self, token: &str) {
        self.after_reasoning = false;
        let at = self.doubt.map_or(self.waiting.len(), |doubt| doubt.at);
        self.doubt = Some(Doubt { at, of: Of::Token });
        self.waiting.push_str(token);
    }

    /// A call begins. What waited is dropped, unless a token or letters among it turn out to be text.
    pub fn before_call(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.after_reasoning = false;
        let waited = std::mem::take(&mut self.waiting);
        if matches!(self.doubt.take(), Some(Doubt { of: Of::Token | Of::Letters, .. })) {
            self.show(&waited, sink);
        }
    }

    /// What stood before a closer belongs to what it closes. Behind a token the closer waits too.
    pub(super) fn close(&mut self, closer: &str) {
        if matches!(self.doubt, Some(Doubt { of: Of::Token, .. })) {
            self.waiting.push_str(closer);
        } else {
            self.doubt = None;
            self.waiting.clear();
        }
    }

    /// The answer ended: whitespace that waited at its start is all there is of it, and text; what is markup there goes.
    pub fn end(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let mut waited = std::mem::take(&mut self.waiting);
        let doubt = self.doubt.take();
        let is_text = matches!(doubt, Some(Doubt { of: Of::Letters, .. })) || !self.is_after_call();
        if let Some(Doubt { at, of: Of::Token | Of::Closer }) = doubt {
            waited.truncate(at);
        }
        if is_text && !waited.is_empty() {
            sink(Event::Text(&waited));
        }
    }
}
