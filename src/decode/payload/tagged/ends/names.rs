//! Names behind markers in a tagged value: a parameter's key, a function's name.
//! Decides whether they go on with the call, or begin the next; the markers themselves are the parent's.

use crate::dialect::Tagged;
use crate::schema::Tool;

use super::super::hold::Hold;
use super::super::tags::{self, Word};
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
        for (at, c) in text.char_indices() {
            word.push(c);
            let read = at + c.len_utf8();
            let found = match naming {
                Naming::Key => key(&word, around.form),
                Naming::Function => tags::name(&word, around.form),
            };
            match found {
                Word::More => {}
                Word::Whole(name, behind) => {
                    let behind = behind.len();
                    return (read, self.named(naming, &word, name, behind, around, data));
                }
                Word::Broken => return (read, self.not_named(naming, &word, around, data)),
            }
        }
        self.naming = Some((naming, word));
        (text.len(), None)
    }

    /// `word` is what was read of a name, the last bytes of which stand behind it.
    fn named(
        &mut self,
        naming: Naming,
        word: &str,
        name: &str,
        behind: usize,
        around: &Around<'_>,
        data: &mut impl FnMut(&str),
    ) -> Option<End> {
        let name = tags::unescaped(name, around.form);
        if naming == Naming::Key {
            if self.is_next_key(&name, around) {
                self.hold = None;
                return Some(End::Key(name));
            }
            self.parameters += 1;
            self.take(word, data);
            self.refute(data);
            return None;
        }
        let tool = around.cx.tools.resolve(&name);
        if (tool.is_some() && self.hold.as_ref().is_some_and(Hold::ends_before_a_call)) || self.prose('<', around, data)
        {
            return Some(self.end_call(word));
        }
        let (word, behind) = word.split_at_checked(word.len() - behind).unwrap_or((word, ""));
        self.take(word, data);
        self.named = Some(Quoted(tool));
        self.again(behind, around, data)
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
        self.again(word, around, data)
    }

    /// Reads text again that no name holds.
    fn again(&mut self, text: &str, around: &Around<'_>, data: &mut impl FnMut(&str)) -> Option<End> {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (read, end) = self.push(rest, around, data);
            at += read;
            if let Some(End::Call { again: mut behind, unwrapped }) = end {
                behind.push_str(text.get(at..).unwrap_or_default());
                return Some(End::Call { again: behind, unwrapped });
            }
            debug_assert!(end.is_none(), "a broken name holds no key");
        }
        None
    }
}

/// The key that `word` is the beginning of.
fn key<'w>(word: &'w str, form: &Tagged) -> Word<'w> {
    let closers = || form.spec.key.1.texts();
    if let Some(key) = closers().find_map(|close| word.strip_suffix(close)) {
        return Word::Whole(key.trim(), "");
    }
    let begun = word.trim();
    let line = begun.rsplit_once('\n').map(|(_, line)| line);
    let broken = line.is_some_and(|line| !closers().any(|close| close.starts_with(line)))
        || begun.rfind('<').is_some_and(|at| !closers().any(|close| is_begun(begun, at, close)))
        || word.len() > NAME_BYTES_MAX;
    if broken { Word::Broken } else { Word::More }
}

/// Whether the tag that begins at `at` in `text` may become the one in `close`.
fn is_begun(text: &str, at: usize, close: &str) -> bool {
    let (before, tag) = text.split_at_checked(at).unwrap_or_default();
    close.match_indices('<').any(|(from, _)| {
        let (lead, own) = close.split_at_checked(from).unwrap_or_default();
        before.ends_with(lead) && own.starts_with(tag)
    })
}
