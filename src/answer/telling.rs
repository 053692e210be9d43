//! Telling: in which form a client hears of what a decoder found in one choice.

use super::pieces::Pieces;
use super::scribe::{Coming, Scribe};
use crate::api::openai::Ids;
use crate::decode::{Event, Finish};
use crate::plan::{AgentFormat, Exchange};

/// How one choice is told.
#[derive(Debug, Default)]
pub(super) enum Telling {
    /// Calls are calls.
    #[default]
    Calls,
    /// The same, beside the text as the model wrote it.
    Verbatim,
    /// Calls are text.
    Text(Box<Scribe>),
}

impl Telling {
    pub(super) fn of(exchange: &Exchange, coming: Coming) -> Self {
        match &exchange.format {
            AgentFormat::Calls => Self::Calls,
            AgentFormat::Verbatim => Self::Verbatim,
            AgentFormat::Text(format) => {
                let ids = format.ids.as_ref().map_or_else(|| exchange.ids(), |form| Ids::new(form, &exchange.past_ids));
                Self::Text(Box::new(Scribe::new(format, ids, coming)))
            }
        }
    }

    /// Takes what was found in the text.
    pub(super) fn tell(&mut self, event: Event<'_>, pieces: &mut Pieces) {
        match (self, event) {
            (Self::Verbatim, Event::Text(_) | Event::Reasoning(_)) => {}
            (Self::Calls | Self::Verbatim, event) => pieces.take(event),
            (Self::Text(scribe), event) => scribe.take(event, pieces),
        }
    }

    /// Takes what was found in a thought that the server has split off.
    pub(super) fn think(&mut self, event: Event<'_>, pieces: &mut Pieces) {
        match self {
            Self::Calls | Self::Verbatim => pieces.take(event),
            Self::Text(scribe) => scribe.take(event, pieces),
        }
    }

    /// Takes the text itself.
    pub(super) fn repeat(&self, text: &str, pieces: &mut Pieces) {
        if matches!(self, Self::Verbatim) {
            pieces.take(Event::Text(text));
        }
    }

    /// Nothing more is found in the text.
    pub(super) fn end(&mut self, finish: Finish, pieces: &mut Pieces) {
        if let Self::Text(scribe) = self {
            scribe.end(finish, pieces);
        }
    }

    /// Whether text is told anew, so that what stands behind the server's own calls has to come this way too.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Calls that the client gets as text alone.
    pub(super) fn calls_as_text(&self) -> u32 {
        if let Self::Text(scribe) = self { scribe.calls_as_text() } else { 0 }
    }

    /// Bytes that are kept back.
    pub(super) fn held(&self) -> usize {
        if let Self::Text(scribe) = self { scribe.held() } else { 0 }
    }
}
