//! From a place at a peer to the connection that its request needs.
//! Who is next is `place`'s; what a connection does is `upstream`'s.

use std::sync::Arc;
use std::time::Duration;

use pingora::Result;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;

use crate::metrics::Retry;
use crate::upstream::{Connection, Pool, Watch, is_shortage};

use super::context::Context;
use super::context::Distrust;
use super::fault::Fault;
use super::session::is_repeatable;
use super::shared::Gateway;
use super::{explain, headers, place};

impl Gateway {
    /// The next peer that may have the request and can be connected to.
    pub(super) async fn connect(&self, session: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        (context.target.claim, context.trial) = (None, None);
        let Some(pool) = context.target.pool.clone() else { return Err(context.fail(Fault::Internal)) };
        loop {
            let claim = tokio::select! {
                claim = self.place(session, context, &pool) => Some(claim),
                () = self.lifecycle.is_over() => None,
            };
            let claim = claim.unwrap_or_else(|| Err(context.fail(Fault::Stopping)))?;
            let failovers_max = pool.config().balancing.failovers_max;
            self.stand_trial(session, context, claim.peer().id(), failovers_max).await?;
            context.target.peer_url = Some(claim.peer().url().to_owned());
            context.target.why = claim.why();
            context.target.others = explain::others(session.req_header(), &pool, claim.peer());
            if let Some(conversation) = &context.conversation {
                pool.settle_session(conversation.key, claim.peer().id());
            }
            let connection = self.connection(session, context, &pool);
            match claim.http_peer(&connection).await {
                Ok(http_peer) => {
                    context.seen.asking(context.began, context.target.queued);
                    context.target.claim = Some(claim);
                    context.sent = Some(self.felled.sending());
                    return Ok(Box::new(http_peer));
                }
                Err(e) if is_shortage(&e) => return Err(context.fail(Fault::NoDescriptors)),
                Err(e) => {
                    log::warn!("pool {}: {}: {e}", pool.name(), claim.peer().url());
                    place::give_up(&mut context.target, claim);
                    if context.target.has_untried() {
                        self.retry(context, Retry::Unreachable);
                    }
                }
            }
        }
    }

    /// The connection that a request needs.
    fn connection(&self, session: &mut Session, context: &mut Context, pool: &Pool) -> Connection {
        let timeouts = pool.config().timeouts;
        if headers::asks_for_tunnel(session.req_header()) {
            return Connection::Own(Arc::new(Watch::of_tunnel(timeouts.connect_ms)));
        }
        // Pingora's one timeout says it all.
        let has_one_wait = timeouts.total_ms.is_none()
            && timeouts.first_byte_ms.is_none_or(|first_byte_ms| timeouts.idle_ms == Some(first_byte_ms));
        if is_repeatable(session) && has_one_wait && context.target.distrust == Distrust::None {
            return Connection::Shared { read_timeout: timeouts.idle_ms.map(Duration::from_millis) };
        }
        let listener = context.plan.is_assembled().then(|| self.overhear(context));
        let holding = context.wait.holding(listener);
        let watch = context.target.watch.get_or_insert_with(|| Arc::new(Watch::new(timeouts)));
        // A client that stalls holds its server's slot too.
        session.set_write_timeout(timeouts.total_ms.map(Duration::from_millis));
        let watch = Arc::clone(watch);
        if let Some(holding) = holding {
            watch.hold(holding);
        }
        Connection::Own(watch)
    }
}
