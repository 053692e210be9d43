//! Servers that run the same models: claims on them, and the dialect that they write.
//! Sends no request but the probe for the dialect.

use std::sync::Arc;
use std::time::Instant;

use crate::config::{self, DialectChoice};
use crate::decode::Reasoning;
use crate::dialect::{Dialect, Dialects};

use super::ask;
use super::claim::Claim;
use super::peer::Peer;
use super::probe::Probe;
use super::rota::{Candidate, Rota};

/// What a family of models writes when nothing is known about it: models that were never trained for tools can be
/// told this one.
const FALLBACK: &str = "json-envelope";

/// One pool of the configuration, alive.
#[derive(Debug)]
pub struct Pool {
    config: config::Pool,
    peers: Vec<Arc<Peer>>,
    rota: Rota,
    probe: Probe,
    dialects: Arc<Dialects>,
}

/// How a pool's models write.
#[derive(Clone, Debug)]
pub struct Family {
    pub dialect: Arc<Dialect>,
    pub reasoning: Reasoning,
}

/// Why no peer was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    #[error("every server of the pool is busy")]
    Busy,
    #[error("no server of the pool can be reached")]
    Unreachable,
}

impl Pool {
    pub(super) fn new(config: config::Pool, dialects: Arc<Dialects>) -> Self {
        let peers: Vec<_> = config.peers.iter().cloned().map(|peer| Arc::new(Peer::new(peer))).collect();
        let rota = Rota::new(peers.len());
        Self { config, peers, rota, probe: Probe::default(), dialects }
    }

    pub fn config(&self) -> &config::Pool {
        &self.config
    }

    pub fn name(&self) -> &str {
        &self.config.name
    }

    pub fn peers(&self) -> &[Arc<Peer>] {
        &self.peers
    }

    /// Requests that the peer at this place has now.
    pub fn in_flight(&self, index: usize) -> u32 {
        self.rota.in_flight(index)
    }

    /// A place at the next peer that is not among those `tried`.
    pub fn claim(self: &Arc<Self>, tried: &[usize]) -> Result<Claim, ClaimError> {
        let now = Instant::now();
        let untried = || self.peers.iter().enumerate().filter(|(index, _)| !tried.contains(index));
        let candidates = untried().map(|(index, peer)| Candidate {
            index,
            weight: peer.weight(),
            max_inflight: peer.max_inflight(),
            rank: u8::from(!peer.is_alive(now)),
        });
        let taken = self.rota.take(candidates).and_then(|index| Some((index, self.peers.get(index)?)));
        match taken {
            Some((index, peer)) => Ok(Claim::new(Arc::clone(self), index, Arc::clone(peer))),
            None if untried().next().is_none() => Err(ClaimError::Unreachable),
            None => Err(ClaimError::Busy),
        }
    }

    /// A place at one peer, be it full or thought dead: whoever asks for it by name has a reason.
    pub fn claim_at(self: &Arc<Self>, index: usize) -> Result<Claim, ClaimError> {
        let candidate = Candidate { index, weight: 1, max_inflight: None, rank: 0 };
        let peer = self.peers.get(index).ok_or(ClaimError::Unreachable)?;
        self.rota.take(std::iter::once(candidate)).ok_or(ClaimError::Unreachable)?;
        Ok(Claim::new(Arc::clone(self), index, Arc::clone(peer)))
    }

    pub(super) fn give_back(&self, index: usize) {
        self.rota.give_back(index);
    }

    /// The bodies of a page at every peer that answers in 2 s, in the order of the peers.
    /// A peer without a key of its own is shown the client's `authorization`.
    pub async fn pages(&self, path: &'static str, authorization: Option<&str>) -> Vec<(Arc<Peer>, Vec<u8>)> {
        ask::all(&self.config, &self.peers, path, authorization).await
    }

    /// How its models write. With `dialect: auto` the servers' chat template decides, then the model's name.
    /// Takes 2 s at most. `None` only when there is no dialect at all.
    pub async fn family(&self, model: Option<&str>) -> Option<Family> {
        let reasoning = self.config.reasoning;
        let dialect = match &self.config.dialect {
            DialectChoice::Named(dialect) => Arc::clone(dialect),
            DialectChoice::Auto => match self.probe.family(&self.config, &self.peers, &self.dialects).await {
                Some(found) => {
                    let reasoning = if reasoning == Reasoning::Auto { found.reasoning } else { reasoning };
                    return Some(Family { dialect: found.dialect, reasoning });
                }
                None => Arc::clone(self.by_name(model)?),
            },
        };
        Some(Family { dialect, reasoning })
    }

    fn by_name(&self, model: Option<&str>) -> Option<&Arc<Dialect>> {
        model.and_then(|model| self.dialects.by_model(model)).or_else(|| self.dialects.get(FALLBACK))
    }
}
