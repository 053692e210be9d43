//! Blocks of an answer: what is said, one block after the other, in the order in which it was written.
//! Writes no JSON; a [`Sink`] does, for a stream or for a whole answer.
//!
//! ```text
//!           words, a call                  words of another kind, a call
//!   Nothing -------------> A block is open -----------------------------> Another is open
//!                            |       ^ '- a call is not complete -.
//!                            |       |                            v
//!                            |       '- it is, or it ends --- They wait
//!                            '- the answer ends -> Nothing
//! ```

use super::calls::Call;
use super::space::split_space;
use super::waiting::{Part, Waiting};
use crate::api::openai::served::CallPiece;

/// Makes blocks.
#[derive(Debug)]
pub(super) struct Blocks {
    open: Open,
    waiting: Waiting,
    /// White space that becomes the beginning of a text, if one follows.
    space: String,
    /// Whether the last block is a thought: white space behind it belongs to its markup.
    is_behind_thought: bool,
    has_begun: bool,
    has_calls: bool,
    /// One more than the highest place of a call.
    places: u32,
}

/// What words are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Thinking,
}

/// A block at its beginning. `name` is the inside of a string, `id` needs no escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block<'a> {
    Words(Kind),
    Call { id: &'a str, name: &'a str },
}

/// Writes blocks, of which one is open at a time.
pub(super) trait Sink {
    fn begin(&mut self, block: Block<'_>);
    /// The next piece of the open block: of words, or of a call's arguments, as the inside of a string.
    fn piece(&mut self, inside: &str);
    fn end(&mut self);
}

#[derive(Debug)]
enum Open {
    Nothing,
    Words(Kind),
    Call(Call),
}

impl Blocks {
    /// Ready for an answer. `waiting_bytes_max` is what may wait for a call to be complete; beyond it the call ends as it
    /// is, and what waited goes on.
    pub(super) fn new(waiting_bytes_max: usize) -> Self {
        Self {
            open: Open::Nothing,
            waiting: Waiting::new(waiting_bytes_max),
            space: String::new(),
            is_behind_thought: false,
            has_begun: false,
            has_calls: false,
            places: 0,
        }
    }

    /// Whether a call was among the blocks.
    pub(super) fn has_calls(&self) -> bool {
        self.has_calls
    }

    /// Takes words, the inside of a string.
    pub(super) fn say(&mut self, kind: Kind, inside: &str, sink: &mut impl Sink) {
        if inside.is_empty() {
            return;
        }
        if self.is_blocked() {
            self.waiting.say(kind, inside);
            self.make_room(sink);
        } else {
            self.words(kind, inside, sink);
        }
    }

    /// Takes a piece of a call. Pieces of a call that has ended are dropped; those of one that nobody has begun are text.
    pub(super) fn take(&mut self, piece: &CallPiece<'_>, sink: &mut impl Sink) {
        match &mut self.open {
            // What waits is the later of two calls at one place.
            _ if self.waiting.take(piece) => {}
            Open::Call(call) if call.is_continued_by(piece) => {
                call.take(piece);
                self.tell(sink);
                self.go_on(sink);
            }
            _ if piece.id.is_empty() && piece.name.is_empty() => {
                if piece.place >= self.places {
                    self.say(Kind::Text, &piece.arguments, sink);
                }
            }
            _ => {
                let mut call = Call::new(piece.place);
                call.take(piece);
                self.places = self.places.max(piece.place.saturating_add(1));
                if self.is_blocked() { self.waiting.add_call(call) } else { self.begin_call(call, sink) }
            }
        }
        self.make_room(sink);
    }

    /// Ends the open block, and all that waited comes out. More may follow.
    pub(super) fn close(&mut self, sink: &mut impl Sink) {
        loop {
            self.end_open(sink);
            self.go_on(sink);
            if matches!(self.open, Open::Nothing) {
                return;
            }
        }
    }

    /// A block follows that is written elsewhere: the open one ends, and all that waited comes out.
    pub(super) fn interrupt(&mut self, sink: &mut impl Sink) {
        self.close(sink);
        self.space.clear();
        self.has_begun = true;
    }

    /// The answer ends. One that says nothing has a block all the same, with what white space it is made of.
    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        self.close(sink);
        if !self.has_begun {
            let space = std::mem::take(&mut self.space);
            self.begin_text(&space, sink);
            self.end_open(sink);
        }
    }

    /// Whether a call is open that is not complete.
    fn is_blocked(&self) -> bool {
        matches!(&self.open, Open::Call(call) if !call.is_over())
    }

    /// What waited goes on, as far as it can.
    fn go_on(&mut self, sink: &mut impl Sink) {
        while !self.is_blocked() {
            match self.waiting.pop() {
                Some(Part::Words(kind, text)) => self.words(kind, &text, sink),
                Some(Part::Call(call)) => self.begin_call(call, sink),
                None => return,
            }
        }
    }

    /// Ends the open call, for as long as more waits than may, or it holds more than that itself.
    fn make_room(&mut self, sink: &mut impl Sink) {
        while self.waiting.is_too_much() || matches!(&self.open, Open::Call(call) if self.waiting.is_too_long(call)) {
            self.end_open(sink);
            self.go_on(sink);
        }
    }

    fn words(&mut self, kind: Kind, inside: &str, sink: &mut impl Sink) {
        if matches!(&self.open, Open::Words(open) if *open == kind) {
            return sink.piece(inside);
        }
        match kind {
            Kind::Thinking => {
                self.end_open(sink);
                self.space.clear();
                self.begin(kind, sink);
                sink.piece(inside);
            }
            Kind::Text => self.text(inside, sink),
        }
    }

    /// Text behind something else, or at the beginning.
    fn text(&mut self, inside: &str, sink: &mut impl Sink) {
        let (space, rest) = split_space(inside);
        if !self.is_behind_thought {
            self.space.push_str(space);
        }
        if rest.is_empty() && self.space.len() <= SPACE_BYTES_MAX {
            return;
        }
        self.end_open(sink);
        let space = std::mem::take(&mut self.space);
        self.begin_text(&[space.as_str(), rest].concat(), sink);
    }

    fn begin_text(&mut self, inside: &str, sink: &mut impl Sink) {
        self.begin(Kind::Text, sink);
        if !inside.is_empty() {
            sink.piece(inside);
        }
    }

    fn begin(&mut self, kind: Kind, sink: &mut impl Sink) {
        sink.begin(Block::Words(kind));
        self.open = Open::Words(kind);
        self.is_behind_thought = kind == Kind::Thinking;
        self.has_begun = true;
    }

    fn begin_call(&mut self, call: Call, sink: &mut impl Sink) {
        self.end_open(sink);
        self.space.clear();
        self.open = Open::Call(call);
        self.tell(sink);
    }

    fn tell(&mut self, sink: &mut impl Sink) {
        if let Open::Call(call) = &mut self.open {
            call.tell(sink);
            if call.has_begun() {
                self.note_call();
            }
        }
    }

    fn note_call(&mut self) {
        self.has_calls = true;
        self.has_begun = true;
        self.is_behind_thought = false;
    }

    fn end_open(&mut self, sink: &mut impl Sink) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Words(_) => sink.end(),
            Open::Call(call) => match call.finish(sink) {
                Ok(()) => self.note_call(),
                Err(text) if text.is_empty() => {}
                Err(text) => self.words(Kind::Text, &text, sink),
            },
        }
    }
}

/// White space that opens a text and is longer than this is one, or it would be kept for as long as it goes on.
const SPACE_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests;
