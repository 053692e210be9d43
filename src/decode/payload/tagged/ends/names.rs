//! Names behind markers in a tagged value: a parameter's key, a function's name.
//! Decides whether they go on with the call, or begin the next; the markers themselves are the parent's.

use crate::schema::Tool;

use super::super::hold::{Hold, Stage};
use super::{Around, End, Ends, Naming, Quoted};

/// A longer name is none.
const NAME_BYTES_MAX: usize = 256;

impl Ends {
    /// Reads a name; one that turns out to be none is text.
    pub(super) fn name(
        &mut self,
        text: &str,
        around: &Around<'_>,
        data: &mut impl FnMut(&str),
    ) -> (usize, Option<End>) {
        let Some((naming, mut word)) = self.naming.take() else { return (0, None) };
        let [_, close] = if naming == Naming::Key { &around.form.spec.key } else { &around.form.spec.name };
        for (at, c) in text.char_indices() {
            word.push(c);
            let read = at + c.len_utf8();
            if word.ends_with(close.as_str()) {
                return (read, self.named(naming, &word, close, around, data));
            }
            if (matches!(c, '\n' | '<') && !close.contains(c)) || word.len() > NAME_BYTES_MAX {
                return (read, self.not_named(naming, &word, around, data));
            }
        }
        self.naming = Some((naming, word));
        (text.len(), None)
    }

    fn named(
        &mut self,
        naming: Naming,
        word: &str,
        close: &str,
        around: &Around<'_>,
        data: &mut impl FnMut(&str),
    ) -> Option<End> {
        let name = word.strip_suffix(close).unwrap_or(word).trim();
        if naming == Naming::Key {
            if self.is_next_key(name, around) {
                self.hold = None;
                return Some(End::Key(name.to_string()));
            }
            self.parameters += 1;
            self.take(word, data);
            self.refute(data);
            return None;
        }
        let tool = around.cx.tools.resolve(name);
        let ends = |hold: &Hold| hold.stage == Stage::Run && hold.ends_before_a_call();
        if (tool.is_some() && self.hold.as_ref().is_some_and(ends)) || self.prose('<', around, data) {
            return Some(self.end_call(word));
        }
        self.take(word, data);
        self.named = Some(Quoted(tool));
        None
    }

    /// Whether a key in the right place is one of this call's parameters.
    fn is_next_key(&self, key: &str, around: &Around<'_>) -> bool {
        let is_forgotten = self.hold.as_ref().is_some_and(Hold::has_no_closer);
        if is_forgotten && around.given.contains(key) {
            return false;
        }
        let expects = |tool: &Tool| tool.expects(tool.root(), key);
        if !around.tool.is_none_or(expects) {
            return false;
        }
        // In a quoted function it is this call's only if it cannot be the function's.
        let quoted = self.quoted.0.and_then(|place| around.cx.tools.at(place));
        self.functions == 0 || quoted.is_some_and(|tool| !expects(tool))
    }

    /// What stood behind a marker was no name: it is read again, as text.
    fn not_named(
        &mut self,
        naming: Naming,
        word: &str,
        around: &Around<'_>,
        data: &mut impl FnMut(&str),
    ) -> Option<End> {
        if naming == Naming::Key {
            self.refute(data);
        } else if self.prose('<', around, data) {
            return Some(self.end_call(word));
        }
        let mut at = 0;
        while let Some(rest) = word.get(at..).filter(|rest| !rest.is_empty()) {
            let (read, end) = self.push(rest, around, data);
            at += read;
            if let Some(End::Call(mut text)) = end {
                text.push_str(word.get(at..).unwrap_or_default());
                return Some(End::Call(text));
            }
            debug_assert!(end.is_none(), "a broken name holds no key");
        }
        None
    }
}
