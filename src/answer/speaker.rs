//! Reader of one choice's text: a decoder, and what must be known of the choice to say how it ends.
//! Knows no events and no wire; whoever writes for the client is handed what was found.

use super::Summary;
use super::letters::{Letters, Text};
use super::pieces::Pieces;
use super::salvage::Salvaged;
use super::telling::Telling;
use super::thoughts::Thoughts;
use crate::api::openai::finish::{self, Truncated};
use crate::api::openai::served;
use crate::chat::Calls;
use crate::decode::{Decoder, Ending, Event, Finish, Settings};
use crate::limits::Limits;

/// Whoever speaks in one choice of an answer.
#[derive(Debug)]
pub(super) struct Speaker {
    telling: Telling,
    /// Reads the text. `None` once the choice is finished, or when the upstream makes the calls itself.
    decoder: Option<Decoder>,
    letters: Letters,
    /// Reads what the server has split off, where a call in it counts.
    thoughts: Option<Box<Thoughts>>,
    /// How many calls the client wants.
    calls: Calls,
    /// Whether a call was found that is the only one the client wants.
    had_its_call: bool,
    /// Calls of the server's own, behind those that were found.
    served: u32,
    truncated: Truncated,
    /// As the client got it.
    pub finish_reason: Option<String>,
}

impl Speaker {
    pub(super) fn new(settings: &Settings, telling: Telling, limits: &Limits) -> Self {
        Self {
            telling,
            decoder: Some(Decoder::new(settings.clone(), limits)),
            letters: Letters::default(),
            thoughts: Thoughts::new(settings, limits).map(Box::new),
            calls: settings.calls,
            had_its_call: false,
            served: 0,
            truncated: Truncated::No,
            finish_reason: None,
        }
    }

    /// Whether the text of this choice is still read.
    pub(super) fn is_read(&self) -> bool {
        self.decoder.is_some()
    }

    /// Whether thoughts of this choice that the server has split off are still read.
    pub(super) fn reads_thoughts(&self) -> bool {
        self.is_read() && self.thoughts.is_some()
    }

    /// Bytes of the text that were read and are not yet decided.
    pub(super) fn held(&self) -> usize {
        let thoughts = self.thoughts.as_ref().map_or(0, |thoughts| thoughts.held());
        self.decoder.as_ref().map_or(0, Decoder::held) + thoughts + self.telling.held()
    }

    /// Whether nothing that may still come counts.
    pub(super) fn is_over(&self) -> bool {
        self.finish_reason.is_some() || self.is_closed()
    }

    /// Whether the one call that counts was read.
    fn is_closed(&self) -> bool {
        self.had_its_call
            || self.decoder.as_ref().is_some_and(Decoder::is_closed)
            || self.thoughts.as_ref().is_some_and(|thoughts| thoughts.is_closed())
    }

    /// The text that stands between the quotes of an event's content, as far as it is read at all.
    pub(super) fn text<'a>(&mut self, inside: &'a [u8], scratch: &'a mut String) -> Option<Text<'a>> {
        (self.is_read() || self.telling.is_text()).then(|| self.letters.read(inside, scratch)).flatten()
    }

    /// The same of a thought that the server has split off.
    pub(super) fn thought<'a>(&mut self, inside: &'a [u8], scratch: &'a mut String) -> Option<Text<'a>> {
        let is_read = self.reads_thoughts();
        self.thoughts.as_mut().filter(|_| is_read)?.text(inside, scratch)
    }

    /// Reads more of a thought that the server has split off.
    pub(super) fn think(&mut self, thought: &str, pieces: &mut Pieces) {
        let is_wanted = self.is_read() && !self.is_closed();
        if let Some(thoughts) = self.thoughts.as_mut().filter(|_| is_wanted) {
            thoughts.push(thought, &mut |event| self.telling.think(event, pieces));
        }
    }

    /// Reads more of the text. A thought before it has ended.
    pub(super) fn push(&mut self, text: &str, pieces: &mut Pieces, summary: &mut Summary) {
        if text.is_empty() {
            return;
        }
        // The answer goes on: what lacks its end there is no call.
        self.end_thought(Finish::Cut, pieces, summary);
        let is_wanted = !self.is_closed();
        self.telling.repeat(text, pieces);
        if self.decoder.is_none() && self.telling.is_text() && self.finish_reason.is_none() {
            // It stands behind calls of the server's own.
            return self.telling.tell(Event::Text(text), pieces);
        }
        if let Some(decoder) = self.decoder.as_mut().filter(|_| is_wanted) {
            decoder.push(text, &mut |event| self.telling.tell(event, pieces));
        }
    }

    /// What an error tells of the answer follows what was read of it.
    pub(super) fn salvage(&mut self, salvaged: &Salvaged, pieces: &mut Pieces, summary: &mut Summary) {
        summary.salvaged = true;
        match salvaged {
            Salvaged::Text(text) => self.push(text, pieces, summary),
            Salvaged::Call { .. } if self.is_closed() => {}
            Salvaged::Call { name, arguments } => {
                self.end_thought(Finish::Cut, pieces, summary);
                let call = [Event::CallStart { name, id: None }, Event::Arguments(arguments), Event::CallEnd];
                call.into_iter().for_each(|event| self.telling.tell(event, pieces));
                self.count(Ending { calls: 1, ..Ending::default() }, summary);
            }
        }
    }

    /// The text ends here: what is held comes out, and what follows is not read.
    pub(super) fn end(&mut self, finish: Finish, pieces: &mut Pieces, summary: &mut Summary) {
        if let Some(mut decoder) = self.decoder.take() {
            self.end_thought(finish, pieces, summary);
            let (telling, half) = (&mut self.telling, self.letters.finish());
            telling.repeat(half, pieces);
            decoder.push(half, &mut |event| telling.tell(event, pieces));
            let ending = decoder.finish(finish, &mut |event| telling.tell(event, pieces));
            self.count(ending, summary);
        }
    }

    fn end_thought(&mut self, finish: Finish, pieces: &mut Pieces, summary: &mut Summary) {
        let ending = self
            .thoughts
            .as_mut()
            .and_then(|thoughts| thoughts.end(finish, &mut |event| self.telling.think(event, pieces)));
        if let Some(ending) = ending {
            self.count(ending, summary);
        }
    }

    fn count(&mut self, ending: Ending, summary: &mut Summary) {
        if ending.truncated {
            self.truncated = Truncated::Yes;
        }
        self.had_its_call |= self.calls == Calls::First && ending.calls > 0;
        summary.count(ending);
    }

    /// Whether the client wants no call but the one that was found.
    pub(super) fn had_its_call(&self) -> bool {
        self.had_its_call
    }

    /// Nothing more is told of the choice.
    pub(super) fn end_telling(&mut self, finish: Finish, pieces: &mut Pieces) {
        self.telling.end(finish, pieces);
    }

    /// Writes calls of the server's own as text, if the client wants them so: then the list says nothing any more.
    pub(super) fn serve_as_text(&mut self, list: &str, pieces: &mut Pieces) -> bool {
        let Telling::Text(scribe) = &mut self.telling else { return false };
        if !self.had_its_call {
            scribe.serve(list, pieces);
            self.serve(served::count(list));
        }
        true
    }

    /// Whether the server has made calls itself.
    pub(super) fn is_served(&self) -> bool {
        self.served > 0
    }

    /// Notes how many calls a list of the server's own leads to.
    pub(super) fn serve(&mut self, calls: u32) {
        self.served = self.served.max(calls);
    }

    /// Notes the server's finish reason and says which one the client gets, who got so many `calls` that were found.
    pub(super) fn close(&mut self, upstream: &str, calls: u32) -> &str {
        let calls = calls + self.served + self.telling.calls_as_text();
        let truncated = self.truncated;
        self.finish_reason.get_or_insert_with(|| finish::for_client(upstream, calls, truncated).to_owned())
    }
}
