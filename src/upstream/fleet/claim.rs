//! Claim of a request on one peer: its place there, given back when it is dropped, whatever became of the request.
//! Opens no connection; it says how to make one.

use std::io;
use std::sync::Arc;

use crate::balance::{Failure, ModelId, ModelState, Outcome, Reuse, Sight, Why};
use crate::config::Timeouts;
use crate::upstream::wire::ask::{self, AskError, Question};
use crate::upstream::wire::dial::Dial;

use super::peer::Peer;
use super::places::Place;

/// A place at a peer.
#[derive(Debug)]
pub struct Claim {
    peer: Arc<Peer>,
    /// Absent for a request that takes none.
    place: Option<Place>,
    timeouts: Timeouts,
}

impl Claim {
    /// On a peer whose place a request has.
    pub(super) fn new(peer: Arc<Peer>, place: Place, timeouts: Timeouts) -> Self {
        Self { peer, place: Some(place), timeouts }
    }

    /// On a peer where a request takes no place.
    pub(super) fn uncounted(peer: Arc<Peer>, timeouts: Timeouts) -> Self {
        Self { peer, place: None, timeouts }
    }

    /// The peer that is claimed.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// The model that it is for, where the peer has several.
    pub fn model(&self) -> Option<ModelId> {
        self.place.as_ref().and_then(Place::model)
    }

    /// How that model is; `None` when it has gone since and come back.
    pub fn model_state(&self) -> Option<ModelState> {
        self.place.as_ref().and_then(Place::model_state)
    }

    /// Why this peer, where it was chosen.
    pub fn why(&self) -> Option<&Why> {
        self.place.as_ref().map(Place::why)
    }

    /// The peer could not be reached: others go first for a while.
    pub fn unreachable(&mut self) {
        self.peer.endpoint().unreachable();
        self.judge(Outcome::Failed(Failure::Connect));
    }

    /// What became of the request. The first word counts.
    pub fn judge(&mut self, outcome: Outcome) {
        if let Some(place) = &mut self.place {
            place.judge(outcome);
        }
    }

    /// The answer has begun well.
    pub fn began(&self) {
        if let Some(place) = &self.place {
            place.began();
        }
    }

    /// The first token of the answer has come, or something that may be it. Only the first word on it counts.
    pub fn first_token(&mut self, sight: Sight) {
        if let Some(place) = &mut self.place {
            place.first_token(sight);
        }
    }

    /// The answer told how much of the prompt was cached.
    pub fn learn(&mut self, reuse: Reuse) {
        if let Some(place) = &mut self.place {
            place.learn(reuse);
        }
    }

    /// Asks the peer something on a connection of its own; the answer's body does not matter.
    pub async fn ask(&self, question: &Question, authorization: Option<String>) -> Result<(), AskError> {
        ask::ask(self.peer.endpoint(), question, authorization, self.timeouts).await.map(drop)
    }

    /// How to connect to the peer. Resolves its name.
    pub async fn dial(&self) -> io::Result<Dial> {
        Dial::to(self.peer.endpoint(), self.timeouts).await
    }
}
