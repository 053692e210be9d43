//! Closers of the call's wrapper inside the object, which may begin as the object goes on.
//! What may be one is held as long as it may, and then read again.

use super::{Next, Reader, State};
use crate::decode::call::Context;

/// Whether the next character may begin a closer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Closers {
    #[default]
    Count,
    /// It began one that was none, and is read as what it is else.
    AreOut,
}

impl Reader {
    /// Whether a closer may stand here. In a string none does, and before the object none ends a call.
    pub(super) fn may_close(&self) -> bool {
        use State::{Comment, Fence, KeyText, Start, TextStart};
        !matches!(self.state, Start | Fence | KeyText { .. } | TextStart { .. } | Comment { .. })
    }

    /// Reads a closer, or what may be one. What was held for one is read again as soon as it is none.
    pub(super) fn closer(&mut self, c: char, cx: &Context<'_>) -> Option<Next> {
        let closers = &cx.dialect.tables().wrapper_closers;
        if self.maybe.is_empty() && !closers.iter().any(|closer| closer.starts_with(c)) {
            return None;
        }
        self.maybe.push(c);
        if closers.contains(&self.maybe) {
            return Some(Next::Complete);
        }
        if closers.iter().any(|closer| closer.starts_with(self.maybe.as_str())) {
            return Some(Next::Read);
        }
        if !self.maybe.starts_with(stands_in_json) {
            return Some(Next::Reject);
        }
        self.read_maybe_again();
        Some(Next::Read)
    }

    /// What may be a closer is none, and read as what it is else.
    pub(super) fn read_maybe_again(&mut self) {
        self.again = std::mem::take(&mut self.maybe);
        self.closers = Closers::AreOut;
    }
}

/// Whether JSON has this character outside strings, as models write it.
fn stands_in_json(c: char) -> bool {
    c.is_alphanumeric() || "{}[],:\"'_-/#".contains(c)
}
