//! Thoughts that the server has split off from the text: read for calls, where the family lets a call end one.
//! What of them is no call stays a thought, wherever it stands.

use super::letters::{Letters, Text};
use crate::decode::{Decoder, Ending, Event, Finish, Settings};
use crate::limits::Limits;

/// Reads the thoughts of one choice, one after the other.
#[derive(Debug)]
pub(super) struct Thoughts {
    settings: Settings,
    limits: Limits,
    /// The thought that has begun.
    open: Option<Decoder>,
    letters: Letters,
}

impl Thoughts {
    /// `None` where no call in a thought counts.
    pub(super) fn new(settings: &Settings, limits: &Limits) -> Option<Self> {
        let settings = settings.of_thoughts()?;
        Some(Self { settings, limits: limits.clone(), open: None, letters: Letters::default() })
    }

    /// The text that stands between the quotes of the server's member for thoughts.
    pub(super) fn text<'a>(&mut self, inside: &'a [u8], scratch: &'a mut String) -> Option<Text<'a>> {
        self.letters.read(inside, scratch)
    }

    /// Reads more of a thought.
    pub(super) fn push(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) {
        if !text.is_empty() {
            let open = self.open.get_or_insert_with(|| Decoder::new(self.settings.clone(), &self.limits));
            open.push(text, &mut |event| sink(as_thought(event)));
        }
    }

    /// The thought ends here, if one has begun: what is held comes out.
    pub(super) fn end(&mut self, finish: Finish, sink: &mut impl FnMut(Event<'_>)) -> Option<Ending> {
        let half = self.letters.finish();
        self.push(half, sink);
        let open = self.open.take()?;
        Some(open.finish(finish, &mut |event| sink(as_thought(event))))
    }

    /// Whether the one call that counts was read.
    pub(super) fn is_closed(&self) -> bool {
        self.open.as_ref().is_some_and(Decoder::is_closed)
    }

    /// Bytes that were read and are not yet decided.
    pub(super) fn held(&self) -> usize {
        self.open.as_ref().map_or(0, Decoder::held)
    }
}

/// To the server all of it is one, whatever a call in it has ended.
fn as_thought(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Text(text) => Event::Reasoning(text),
        other => other,
    }
}
