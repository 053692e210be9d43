//! Output for one piece of a stream: mostly that piece itself.
//! Copies nothing as long as the events go on as they came, one behind the other from the piece's beginning.

use bytes::{Bytes, BytesMut};

use crate::sse::Event;

/// What goes to the client for one piece.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// So many bytes of the piece go on as they came,
    same: usize,
    /// and behind them goes this.
    pub made: BytesMut,
}

impl Out {
    /// An event goes on as it came.
    pub(super) fn pass(&mut self, event: &Event<'_>) {
        if self.made.is_empty() && event.at == Some(self.same) {
            self.same += event.raw.len();
        } else {
            self.made.extend_from_slice(event.raw);
        }
    }

    /// This goes out, and not the event.
    pub(super) fn put<const N: usize>(&mut self, parts: [&[u8]; N]) {
        // At once, so that memory is taken once.
        self.made.reserve(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.made.extend_from_slice(part);
        }
    }

    /// All of it; `piece` is the one that its events came in.
    pub(super) fn finish(self, mut piece: Bytes) -> Bytes {
        piece.truncate(self.same);
        if self.made.is_empty() {
            piece
        } else if piece.is_empty() {
            self.made.freeze()
        } else {
            [piece, self.made.freeze()].concat().into()
        }
    }
}
