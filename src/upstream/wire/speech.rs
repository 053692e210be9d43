//! Beginning of an event stream that goes on as one, held until the model says something in it.
//! Knows no heads and no framing.

use bytes::Bytes;

use crate::api::openai::said;
use crate::api::{Progress, Said};
use crate::sse;

/// Who asked a server how far it is with a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asker {
    /// The client, if anybody: it gets what comes.
    #[default]
    Client,
    /// The gateway: the client hears of it in a comment.
    Gateway,
}

/// Whose comments a client hears while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comments {
    Servers,
    /// The gateway's, so that the server's own would say the same twice.
    Gateways,
}

/// What a client could miss of what has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Nothing,
    Something,
}

/// The beginning of an event stream that goes on as one.
#[derive(Debug)]
pub struct Speech {
    events: sse::Decoder,
    /// Bytes of an event whose end has not come.
    begun: usize,
    /// Whole events.
    kept: Vec<u8>,
    asked: Asker,
    pub comments: Comments,
}

impl Speech {
    /// Of which nothing has come.
    pub fn new(asked: Asker, comments: Comments, bytes_max: usize) -> Self {
        Self { events: sse::Decoder::new(bytes_max), begun: 0, kept: Vec::new(), asked, comments }
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.begun + self.kept.len()
    }

    /// Reads more of it, up to the first event that says something, if there is one.
    pub fn read(&mut self, data: Bytes, progress: &mut Option<Progress>) -> Heard {
        self.begun += data.len();
        self.events.push(data);
        loop {
            let event = match self.events.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => return Heard::Nothing,
                Err(sse::EventTooLarge(_)) => return Heard::Something,
            };
            self.begun = self.begun.saturating_sub(event.raw.len());
            let said = event.data().map(said);
            match said {
                // An id or a time to wait would be missed.
                None if self.comments == Comments::Gateways && event.raw.starts_with(b":") => continue,
                Some(Said::Prefill(so_far)) if self.asked == Asker::Gateway => {
                    *progress = Some(so_far);
                    continue;
                }
                None | Some(Said::Nothing | Said::Prefill(_) | Said::Something) => {
                    self.kept.extend_from_slice(event.raw)
                }
            }
            if matches!(said, Some(Said::Prefill(_) | Said::Something)) {
                return Heard::Something;
            }
        }
    }

    /// All of it that is shown.
    pub fn finish(self) -> Vec<u8> {
        let Self { events, mut kept, .. } = self;
        kept.extend_from_slice(&events.finish());
        kept
    }
}
