//! A place at one peer, and the connection that goes with it.
//! Given back when dropped, whatever became of the request.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;

use crate::balance::{Failure, Outcome, Reuse, Why};
use crate::config::Timeouts;

use super::peer::Peer;
use super::places::Place;
use crate::upstream::wire::ask::{self, AskError, Question};
use crate::upstream::wire::dial::Dial;
use crate::upstream::wire::watch::Watch;

/// llama.cpp and uvicorn close an idle connection after 5 s; one second less, and a connection that is taken from
/// the pool is hardly ever one that its server is closing.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Keeps connections of one's own out of the pool: nothing is ever put there under this key.
const OWN_GROUP: u64 = 1;

/// A place at a peer.
#[derive(Debug)]
pub struct Claim {
    peer: Arc<Peer>,
    /// Absent for a request that takes none.
    place: Option<Place>,
    timeouts: Timeouts,
}

/// Which connection a request gets.
#[derive(Debug)]
pub enum Connection {
    /// One that Pingora keeps and shares, with the one timeout that it has.
    /// For requests that are short and may be repeated when it turns out dead.
    Shared { read_timeout: Option<Duration> },
    /// A fresh one that is closed afterwards: for requests that run long, that may not be repeated, or whose phases
    /// have deadlines of their own.
    Own(Arc<Watch>),
}

impl Claim {
    pub(in crate::upstream) fn new(peer: Arc<Peer>, place: Place, timeouts: Timeouts) -> Self {
        Self { peer, place: Some(place), timeouts }
    }

    pub(in crate::upstream) fn uncounted(peer: Arc<Peer>, timeouts: Timeouts) -> Self {
        Self { peer, place: None, timeouts }
    }

    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Why this peer, where it was chosen.
    pub fn why(&self) -> Option<Why> {
        self.place.as_ref().map(Place::why)
    }

    /// The peer could not be reached: others go first for a while.
    pub fn unreachable(&mut self) {
        self.peer.unreachable();
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

    /// The answer told how much of the prompt was cached.
    pub fn learn(&self, reuse: Reuse) {
        if let Some(place) = &self.place {
            place.learn(reuse);
        }
    }

    /// Asks the peer something on a connection of its own; the answer's body does not matter.
    pub async fn ask(&self, question: &Question, authorization: Option<String>) -> Result<(), AskError> {
        ask::ask(&self.peer, question, authorization, self.timeouts).await.map(drop)
    }

    /// What Pingora needs to connect.
    pub async fn http_peer(&self, connection: &Connection) -> io::Result<HttpPeer> {
        connection.to(&self.peer, self.timeouts).await
    }
}

impl Connection {
    /// Resolves the peer's name, so that Pingora does not: it would block, and panic on failure.
    pub(in crate::upstream) async fn to(&self, peer: &Arc<Peer>, timeouts: Timeouts) -> io::Result<HttpPeer> {
        let addresses = peer.addresses.resolve().await?;
        let first = addresses.first().copied().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut http_peer = HttpPeer::new(first, false, String::new());
        let options = &mut http_peer.options;
        let connect_max = Duration::from_millis(timeouts.connect_ms);
        options.total_connection_timeout = Some(connect_max);
        options.idle_timeout = Some(IDLE_MAX);
        let watch = match self {
            Self::Shared { read_timeout } => {
                options.read_timeout = *read_timeout;
                None
            }
            Self::Own(watch) => {
                http_peer.group_key = OWN_GROUP;
                Some(Arc::clone(watch))
            }
        };
        http_peer.options.custom_l4 = Some(Arc::new(Dial { peer: Arc::clone(peer), addresses, connect_max, watch }));
        Ok(http_peer)
    }
}
