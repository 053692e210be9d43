//! A call in the making: it begins as a block once its id and its name are known, and its arguments follow as they come.
//! Knows nothing of what is said beside it.

use super::arguments::Arguments;
use super::blocks::{Block, Sink};
use super::ids;
use crate::api::openai::Ids;
use crate::api::openai::served::CallPiece;
use crate::chat::IdForm;
use crate::json::unescape_into;

/// A call. Its parts are insides of strings.
#[derive(Debug)]
pub(super) struct Call {
    place: u32,
    id: String,
    name: String,
    /// Arguments that have not gone out.
    held: String,
    arguments: Arguments,
    has_begun: bool,
}

impl Call {
    pub(super) fn new(place: u32) -> Self {
        let (id, name, held) = (String::new(), String::new(), String::new());
        Self { place, id, name, held, arguments: Arguments::new(), has_begun: false }
    }

    pub(super) fn place(&self) -> u32 {
        self.place
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether nothing more can come of it.
    pub(super) fn is_over(&self) -> bool {
        self.has_begun && self.arguments.is_over()
    }

    /// What it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.id.len() + self.name.len() + self.held.len()
    }

    /// Whether a piece belongs to it: a server may use the place of a call again.
    pub(super) fn is_continued_by(&self, piece: &CallPiece<'_>) -> bool {
        let is_another = match (self.id.as_str(), piece.id) {
            ("", "") => !piece.name.is_empty() && self.is_over(),
            (_, "") => false,
            ("", _) => self.is_over(),
            (own, other) => own != other,
        };
        self.place == piece.place && !is_another
    }

    /// Takes a piece. Its id and its name are said whole, perhaps again.
    pub(super) fn take(&mut self, piece: &CallPiece<'_>) {
        for (own, said) in [(&mut self.id, piece.id), (&mut self.name, piece.name)] {
            if own.is_empty() {
                own.push_str(said);
            }
        }
        self.held.push_str(&piece.arguments);
    }

    /// Lets out what can go: nothing before its name is known, and its id, which is in front of its arguments.
    pub(super) fn tell(&mut self, sink: &mut impl Sink) {
        let awaits_id = self.id.is_empty() && self.held.is_empty();
        if !self.has_begun && !self.name.is_empty() && !awaits_id {
            self.begin(sink);
        }
        if self.has_begun {
            self.arguments.push(&self.held, &mut |piece| sink.piece(piece));
            self.held.clear();
        }
    }

    /// Ends it. What has no name is none: its text comes back.
    pub(super) fn finish(mut self, sink: &mut impl Sink) -> Result<(), String> {
        if self.name.is_empty() {
            return Err(self.held);
        }
        if !self.has_begun {
            self.begin(sink);
        }
        self.tell(sink);
        self.arguments.finish(&mut |piece| sink.piece(piece));
        sink.end();
        Ok(())
    }

    fn begin(&mut self, sink: &mut impl Sink) {
        let mut id = String::new();
        let id = if self.id.is_empty() {
            id.push_str(OWN_ID);
            Ids::new(&IdForm::Letters(OWN_ID_LETTERS), &[]).write(&self.name, &mut id);
            id
        } else {
            let is_text = unescape_into(&self.id, &mut id).is_some();
            ids::told(if is_text { &id } else { &self.id }).into_owned()
        };
        sink.begin(Block::Call { id: &id, name: &self.name });
        self.has_begun = true;
    }
}

const OWN_ID: &str = "toolu_";
const OWN_ID_LETTERS: usize = 24;
