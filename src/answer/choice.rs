//! One choice of a stream that is spliced: who speaks in it, and what is written of that for the client.
//! Knows no events of other choices; `splice` decides where what is written goes.

use super::shape::Shape;
use super::speaker::Speaker;
use crate::api::openai::{ChoiceWriter, chunk, served};
use crate::decode::Decoder;

/// One choice.
#[derive(Debug)]
pub(super) struct Choice {
    pub index: u64,
    pub speaker: Speaker,
    pub writer: ChoiceWriter,
    /// What its newest events look like.
    pub shape: Shape,
}

impl Choice {
    pub(super) fn new(index: u64, decoder: Decoder) -> Self {
        Self { index, speaker: Speaker::new(decoder), writer: ChoiceWriter::default(), shape: Shape::default() }
    }

    /// Whether an event must go on even when none of its text does.
    pub(super) fn carries(&self, view: &chunk::Choice<'_>) -> bool {
        view.carries || view.message.carries || (view.message.role.is_some() && !self.writer.has_begun())
    }

    /// Notes calls that the server made itself, and says what becomes of their list, if anything does.
    pub(super) fn serve(&mut self, list: &str) -> Option<String> {
        if self.speaker.had_its_call() {
            return Some("[]".to_owned());
        }
        self.speaker.serve(served::count(list));
        (self.writer.calls() > 0).then(|| served::behind(self.writer.calls(), list))
    }
}
