//! `/upstream/<peer>/…`: one server's own pages, for whoever has the key.
//! Reads and rewrites nothing of what is asked there.

use std::sync::Arc;

use pingora::Result;
use pingora::proxy::Session;

use crate::config::Secret;
use crate::upstream::Peer;

use super::context::Context;
use super::fault::Fault;
use super::path::{decoded, origin_form};
use super::shared::Gateway;

/// What stands before the peer's name.
const PREFIX: &[u8] = b"/upstream/";

/// One server, and what is asked of it.
#[derive(Debug)]
pub struct Addressed {
    pub peer: Arc<Peer>,
    /// Path and query.
    pub target: Vec<u8>,
}

impl Gateway {
    /// Directs a request for one server at it. Without a configured key there are no such requests.
    /// Who has no key does not learn which servers there are.
    pub(super) fn address(&self, session: &Session, context: &mut Context) -> Result<()> {
        let settings = Arc::clone(&context.settings);
        let Some(key) = &settings.view.addressed else { return Ok(()) };
        let target = origin_form(session.req_header());
        let Some(rest) = target.strip_prefix(PREFIX) else { return Ok(()) };
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (name, target) = rest.split_at(end);
        match session.get_header("authorization").map(|value| value.as_bytes()) {
            None => return Err(context.fail(Fault::NoKey)),
            Some(given) if !opens(key, given) => return Err(context.fail(Fault::WrongKey)),
            Some(_) => {}
        }
        let name = String::from_utf8_lossy(&decoded(name)).into_owned();
        let pools = || settings.upstream.pools().iter().map(|pool| (pool, pool.peers()));
        let found = pools().find_map(|(pool, peers)| {
            let peer = peers.iter().find(|peer| peer.name() == name)?;
            Some((Arc::clone(pool), Arc::clone(peer)))
        });
        let Some((pool, peer)) = found else {
            let names =
                pools().flat_map(|(_, peers)| peers.iter().map(|peer| peer.name().to_owned()).collect::<Vec<_>>());
            let known = names.collect::<Vec<_>>().join(", ");
            return Err(context.fail(Fault::UnknownPeer { name, known }));
        };
        let slash: &[u8] = if target.starts_with(b"/") { b"" } else { b"/" };
        context.target.pool = Some(pool);
        context.target.addressed = Some(Addressed { peer, target: [slash, target].concat() });
        Ok(())
    }
}

/// Whether an `Authorization` has the key. How long this takes does not tell how much of it is right.
fn opens(key: &Secret, given: &[u8]) -> bool {
    let expected = format!("Bearer {}", key.reveal());
    let differs = expected.bytes().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
    differs == 0 && expected.len() == given.len()
}
