//! Requests to one server by its name, `/upstream/<peer>/…`: its own pages, for whoever has the key.
//! Reads and rewrites nothing of what is asked there.

use std::sync::Arc;

use crate::config::Secret;
use crate::upstream::{Peer, Pool, Upstream};

use super::fault::Fault;
use super::path::decoded;
use super::route::ServerPath;

/// One server, and what is asked of it.
#[derive(Debug)]
pub struct Addressed {
    pub peer: Arc<Peer>,
    /// Path and query.
    pub target: Vec<u8>,
}

impl Addressed {
    /// Finds the server, with its pool. Who has not the key does not learn which servers there are.
    pub fn find(
        path: ServerPath,
        upstream: &Upstream,
        key: &Secret,
        authorization: Option<&[u8]>,
    ) -> Result<(Arc<Pool>, Self), Fault> {
        match authorization {
            None => return Err(Fault::NoKey),
            Some(given) if !opens(key, given) => return Err(Fault::WrongKey),
            Some(_) => {}
        }
        let name = String::from_utf8_lossy(&decoded(&path.name)).into_owned();
        let pools = || upstream.pools().iter().map(|pool| (pool, pool.peers()));
        let found = pools().find_map(|(pool, peers)| {
            let peer = peers.iter().find(|peer| peer.name() == name)?;
            Some((Arc::clone(pool), Self { peer: Arc::clone(peer), target: path.target.clone() }))
        });
        found.ok_or_else(|| {
            let names =
                pools().flat_map(|(_, peers)| peers.iter().map(|peer| peer.name().to_owned()).collect::<Vec<_>>());
            let known = names.collect::<Vec<_>>().join(", ");
            Fault::UnknownPeer { name, known }
        })
    }
}

/// Whether an `Authorization` has the key. How long this takes does not tell how much of it is right.
pub(super) fn opens(key: &Secret, given: &[u8]) -> bool {
    let expected = format!("Bearer {}", key.reveal());
    let differs = expected.bytes().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
    differs == 0 && expected.len() == given.len()
}
