//! Terms of a request: where it may go, and how it is placed there.
//! Set before its first attempt, and by none of them.

use std::sync::Arc;

use crate::balance::{Fingerprint, ModelId, PeerId};
use crate::config::Timeouts;
use crate::gateway::addressed::Addressed;
use crate::gateway::kept_stream::{Conversation, Resumption};
use crate::upstream::{Need, Peer, Pool};

use super::receipt::Explain;

/// Where a request may go.
#[derive(Debug, Default)]
pub struct Terms {
    pub pool: Option<Arc<Pool>>,
    /// The one server that was asked for by its name.
    pub addressed: Option<Addressed>,
    /// What is asked of a stream that some server has kept.
    pub resumption: Option<Resumption>,
    /// The conversation whose stream the server keeps for the client.
    pub conversation: Option<Conversation>,
    /// The model that the request names, where its body was read.
    pub model: Option<ModelId>,
    /// The session that the client named, and what the prompt begins with.
    pub session: Option<u64>,
    pub prefix: Option<Fingerprint>,
    /// Its place among those that wait: lower goes first.
    pub priority: u8,
    pub need: Need,
    pub explain: Explain,
    pub repeat: Repeat,
    /// Whether its connection becomes a tunnel, and whether another protocol is asked for at all.
    pub is_tunnel: bool,
    pub is_upgrade: bool,
}

/// Whether a request may go to a server twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeat {
    /// It asks for something to be done: only when it cannot have been begun.
    #[default]
    Unbegun,
    /// It has no body and asks for nothing to be done.
    Always,
}

impl Terms {
    /// Whether there is a peer besides those. What is asked of one server is no other's to answer.
    pub fn has_untried(&self, tried: &[PeerId]) -> bool {
        match &self.addressed {
            Some(addressed) => !tried.contains(&addressed.peer.id()),
            None => self.pool.as_ref().is_some_and(|pool| pool.has_untried(tried)),
        }
    }

    /// How long its pool lets things take.
    pub fn timeouts(&self) -> Timeouts {
        self.pool.as_ref().map(|pool| pool.config().timeouts).unwrap_or_default()
    }

    /// What keeps a server from loading a model for it: which is loaded where is the pool's to say.
    pub fn guard(&self, peer: &Peer) -> Option<&'static str> {
        let is_asked = self.addressed.is_none() && peer.has_models();
        let pool = self.pool.as_ref().filter(|pool| is_asked && pool.loads_models())?;
        pool.config().engine.row().models?.guard
    }

    /// How many servers may break off under it before it is given up.
    pub fn failovers_max(&self) -> u32 {
        self.pool.as_ref().map_or(0, |pool| pool.config().balancing.failovers_max)
    }

    /// Whether a peer that was started anew may have the request again; llama.cpp's say that they were.
    pub(super) fn may_return(&self) -> bool {
        self.addressed.is_none() && self.resumption.is_none()
    }
}
