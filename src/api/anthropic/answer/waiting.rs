//! What waits for a call that is not complete: blocks may not overlap, so what is said meanwhile comes behind it.

use std::collections::VecDeque;

use super::blocks::Kind;
use super::calls::Call;
use crate::api::openai::served::CallPiece;

/// What is to come, in its order.
#[derive(Debug)]
pub(super) struct Waiting {
    parts: VecDeque<Part>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
pub(super) enum Part {
    /// The inside of a string.
    Words(Kind, String),
    Call(Call),
}

impl Waiting {
    /// So many bytes may wait.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { parts: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Takes words.
    pub(super) fn say(&mut self, kind: Kind, inside: &str) {
        self.bytes += inside.len();
        match self.parts.back_mut() {
            Some(Part::Words(last, text)) if *last == kind => text.push_str(inside),
            _ => self.add(Part::Words(kind, inside.to_owned())),
        }
    }

    /// Takes the piece of a call that waits. Whether there is one.
    pub(super) fn take(&mut self, piece: &CallPiece<'_>) -> bool {
        let mut calls = self.parts.iter_mut().rev().filter_map(|part| match part {
            Part::Call(call) => Some(call),
            Part::Words(..) => None,
        });
        let call = calls.find(|call| call.place() == piece.place).filter(|call| call.is_continued_by(piece));
        let Some(call) = call else { return false };
        let before = call.bytes();
        call.take(piece);
        self.bytes += call.bytes() - before;
        true
    }

    /// Takes a call.
    pub(super) fn add_call(&mut self, call: Call) {
        self.bytes += call.bytes();
        self.add(Part::Call(call));
    }

    /// The next that can go on.
    pub(super) fn pop(&mut self) -> Option<Part> {
        let part = self.parts.pop_front()?;
        let bytes = match &part {
            Part::Words(_, text) => text.len(),
            Part::Call(call) => call.bytes(),
        };
        self.bytes = self.bytes.saturating_sub(bytes + PART_BYTES);
        Some(part)
    }

    /// Whether more waits than may.
    pub(super) fn is_too_much(&self) -> bool {
        self.bytes > self.bytes_max || self.parts.len() > PARTS_MAX
    }

    /// Whether a call alone holds more than may wait.
    pub(super) fn is_too_long(&self, call: &Call) -> bool {
        call.bytes() > self.bytes_max
    }

    fn add(&mut self, part: Part) {
        self.bytes += PART_BYTES;
        self.parts.push_back(part);
    }
}

/// What a part costs beside its text.
const PART_BYTES: usize = 128;
/// Each piece is looked up among the calls that wait.
const PARTS_MAX: usize = 128;
