//! Scribe: writes the calls of one choice as text into the text around them, for a client that reads text.
//! Decides nothing: how calls are written is their format's, and whether they also stay calls.

use std::sync::Arc;

use super::pieces::Pieces;
use super::turns::Turns;
use crate::api::openai::{Ids, served};
use crate::decode::{Event, Finish};
use crate::encode::{CallHead, Encoder, Format, Structured};

/// Writes for one choice.
#[derive(Debug)]
pub(super) struct Scribe {
    format: Arc<Format>,
    encoder: Encoder,
    ids: Ids,
    calls: Fate,
    place: Place,
    /// White space at the end of the text so far, which the format may replace.
    space: String,
    text: String,
    id: String,
    /// Calls that were written.
    written: u32,
    /// The server's own calls.
    served: Turns,
}

/// What becomes of calls beside their text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    Dropped,
}

/// What was written last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Beginning,
    Text,
    Call,
}

/// More white space than that is no gap.
const SPACE_BYTES_MAX: usize = 1 << 10;

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coming {
    InPieces,
    Whole,
}

impl Scribe {
    pub(super) fn new(format: &Arc<Format>, ids: Ids, coming: Coming) -> Self {
        let is_kept = format.structured == Structured::Always || coming == Coming::Whole;
        Self {
            encoder: Encoder::new(Arc::clone(&format.style)),
            format: Arc::clone(format),
            ids,
            calls: if is_kept { Fate::Kept } else { Fate::Dropped },
            place: Place::Beginning,
            space: String::new(),
            text: String::new(),
            id: String::new(),
            written: 0,
            served: Turns::default(),
        }
    }

    /// Takes the next event of the choice.
    pub(super) fn take(&mut self, event: Event<'_>, pieces: &mut Pieces) {
        match event {
            Event::Text(text) => return self.write_text(text, pieces),
            Event::Reasoning(_) => return pieces.take(event),
            Event::CallStart { name, id } => {
                self.begin(name, id);
                pieces.take(Event::Text(&self.text));
                if self.calls == Fate::Kept {
                    pieces.take(Event::CallStart { name, id: Some(&self.id) });
                }
                return;
            }
            Event::Arguments(piece) => {
                self.text.clear();
                self.encoder.arguments(piece, &mut self.text);
            }
            Event::CallEnd => {
                self.text.clear();
                self.encoder.end(&mut self.text);
            }
        }
        pieces.take(Event::Text(&self.text));
        if self.calls == Fate::Kept {
            pieces.take(event);
        }
    }

    /// Takes calls of the server's own, or pieces of them.
    pub(super) fn serve(&mut self, list: &str, pieces: &mut Pieces) {
        let mut served = std::mem::take(&mut self.served);
        for piece in served::calls(list) {
            served.push(piece, &mut |event| self.take(event, pieces));
        }
        self.served = served;
    }

    fn end_served(&mut self, pieces: &mut Pieces) {
        std::mem::take(&mut self.served).end(&mut |event| self.take(event, pieces));
    }

    /// The choice ends: what was kept back of its text comes out.
    pub(super) fn end(&mut self, finish: Finish, pieces: &mut Pieces) {
        match finish {
            Finish::Stop => self.end_served(pieces),
            Finish::Cut => std::mem::take(&mut self.served).cut(&mut |event| self.take(event, pieces)),
        }
        self.text.clear();
        self.encoder.close(&mut self.text);
        let space = std::mem::take(&mut self.space);
        self.text.push_str(if self.place == Place::Call { "" } else { &space });
        pieces.take(Event::Text(&self.text));
    }

    /// Calls that only stand in the text.
    pub(super) fn calls_as_text(&self) -> u32 {
        if self.calls == Fate::Kept { 0 } else { self.written }
    }

    /// Bytes of text that are kept back.
    pub(super) fn held(&self) -> usize {
        self.space.len() + self.served.held()
    }

    fn begin(&mut self, name: &str, id: Option<&str>) {
        self.id.clear();
        let own = id.filter(|id| !id.is_empty() && self.format.ids.is_none());
        match own {
            Some(id) => self.id.push_str(id),
            None => self.ids.write(name, &mut self.id),
        }
        self.text.clear();
        let space = std::mem::take(&mut self.space);
        match self.place {
            _ if self.format.gap.is_empty() => self.text.push_str(&space),
            Place::Text => self.text.push_str(&self.format.gap),
            Place::Beginning | Place::Call => {}
        }
        self.place = Place::Call;
        self.written += 1;
        self.encoder.begin(CallHead { name, id: &self.id }, &mut self.text);
    }

    fn write_text(&mut self, text: &str, pieces: &mut Pieces) {
        if text.is_empty() {
            return;
        }
        self.end_served(pieces);
        if self.format.gap.is_empty() {
            self.text.clear();
            self.encoder.close(&mut self.text);
            self.text.push_str(text);
            self.place = Place::Text;
            return pieces.take(Event::Text(&self.text));
        }
        let said = text.trim_ascii_end();
        if said.is_empty() && self.space.len() < SPACE_BYTES_MAX {
            return self.space.push_str(text);
        }
        self.text.clear();
        self.encoder.close(&mut self.text);
        let space = std::mem::take(&mut self.space);
        if self.place == Place::Call {
            self.text.extend([&self.format.gap, said.trim_ascii_start()]);
        } else {
            self.text.extend([&space, said]);
        }
        self.space.push_str(text.get(said.len()..).unwrap_or_default());
        self.place = Place::Text;
        pieces.take(Event::Text(&self.text));
    }
}
