//! Reader of one choice's text: a decoder, and what must be known of the choice to say how it ends.
//! Knows no events and no wire; whoever writes for the client is handed what was found.

use super::Summary;
use super::letters::{Letters, Text};
use super::pieces::Pieces;
use crate::api::openai::finish::{self, Truncated};
use crate::decode::{Decoder, Finish};

/// Whoever speaks in one choice of a stream.
#[derive(Debug)]
pub(super) struct Speaker {
    /// Reads the text. `None` once the choice is finished, or when the upstream makes the calls itself.
    decoder: Option<Decoder>,
    letters: Letters,
    /// Calls of the server's own, behind those that were found.
    served: u32,
    /// Whether a call was found that is the only one the client wants.
    had_its_call: bool,
    truncated: Truncated,
    /// As the client got it.
    pub finish_reason: Option<String>,
}

impl Speaker {
    pub(super) fn new(decoder: Decoder) -> Self {
        Self {
            decoder: Some(decoder),
            letters: Letters::default(),
            served: 0,
            had_its_call: false,
            truncated: Truncated::No,
            finish_reason: None,
        }
    }

    /// Whether the text of this choice is still read.
    pub(super) fn is_read(&self) -> bool {
        self.decoder.is_some()
    }

    /// Bytes of the text that were read and are not yet decided.
    pub(super) fn held(&self) -> usize {
        self.decoder.as_ref().map_or(0, Decoder::held)
    }

    /// Whether nothing that may still come counts.
    pub(super) fn is_over(&self) -> bool {
        self.finish_reason.is_some() || self.decoder.as_ref().is_some_and(Decoder::is_closed)
    }

    /// The text that stands between the quotes of an event's content, as far as it is read at all.
    pub(super) fn text<'a>(&mut self, inside: &'a [u8], scratch: &'a mut String) -> Option<Text<'a>> {
        self.is_read().then(|| self.letters.read(inside, scratch)).flatten()
    }

    /// Reads more of the text.
    pub(super) fn push(&mut self, text: &str, pieces: &mut Pieces) {
        if let Some(decoder) = &mut self.decoder {
            decoder.push(text, &mut |event| pieces.take(event));
        }
    }

    /// The text ends here: what is held comes out, and what follows is not read.
    pub(super) fn end(&mut self, finish: Finish, pieces: &mut Pieces, summary: &mut Summary) {
        if let Some(mut decoder) = self.decoder.take() {
            decoder.push(self.letters.finish(), &mut |event| pieces.take(event));
            self.had_its_call = decoder.is_closed();
            let ending = decoder.finish(finish, &mut |event| pieces.take(event));
            self.truncated = if ending.truncated { Truncated::Yes } else { Truncated::No };
            summary.count(ending);
        }
    }

    /// Whether the client wants no call but the one that was found.
    pub(super) fn had_its_call(&self) -> bool {
        self.had_its_call
    }

    /// Notes how many calls a list of the server's own leads to.
    pub(super) fn serve(&mut self, calls: u32) {
        self.served = self.served.max(calls);
    }

    /// Notes the server's finish reason and says which one the client gets, who got so many `calls` that were found.
    pub(super) fn close(&mut self, upstream: &str, calls: u32) -> &str {
        let (calls, truncated) = (calls + self.served, self.truncated);
        self.finish_reason.get_or_insert_with(|| finish::for_client(upstream, calls, truncated).to_owned())
    }
}
